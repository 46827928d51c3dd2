"""Settings of the region engine: every bound stands here with its reason.

The composition root fills `EngineOptions` from the configuration; the engine only reads it.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Numbers an operator may turn. Units are in the names."""

    # A segment is the unit of log removal. 64 MiB holds about 0.5 M rows of 20 columns, so a
    # flushed region soon frees its part, and a restart reads few files.
    wal_segment_bytes: int = 64 * MIB
    # Above this the regions that hold back the oldest segments are flushed, however small they
    # are: it bounds the disk used and the time to replay (about 10 s for 1 GiB).
    wal_bytes_max: int = 1024 * MIB
    # One flush of 128 MiB makes a file of about 1 M rows: large enough that files stay few and
    # row groups are full, small enough that sorting it needs little memory.
    memtable_region_bytes: int = 128 * MIB
    # All regions together; above it the largest region is flushed. Writers stall at twice this.
    memtable_total_bytes: int = 512 * MIB
    # One write call. It keeps any text column in memory below Arrow's 2 GiB per array, together
    # with what the stall limit admits.
    write_bytes_max: int = 512 * MIB
    # How long a writer waits for memory before it gets REGION_BUSY. Longer than one flush takes,
    # shorter than common client timeouts (10 s).
    stall_seconds: float = 5.0
    # After a failed background flush, the pause before the next attempt.
    flush_retry_seconds: float = 1.0
    # Deletion vectors kept in memory between scans: 8 M positions.
    deletion_cache_bytes: int = 64 * MIB
    # Rows in a Parquet row group; DuckDB's own default is 122 880 and its unit of parallelism.
    row_group_rows: int = 102_400
    # Manifest actions between two checkpoints: opening a region reads at most this many.
    manifest_checkpoint_actions: int = 32
    # Decoded columns and row positions of files that selective scans ask again and again: the hour
    # of a dashboard over 4 M rows of 3 columns takes about 70 MiB.
    series_cache_bytes: int = 256 * MIB
    # Decoded samples of metrics: 16 bytes each, so 5000 series for a day, every 10 seconds.
    sample_cache_bytes: int = 768 * MIB
    # Headers and page maps of text indexes: about 100 KiB for a million rows of ten columns.
    text_cache_bytes: int = 32 * MIB
    # The newest row of each series, of regions that are asked for it: 200 000 series of 20 columns.
    latest_cache_bytes: int = 64 * MIB
    # Threads that compact in the background; 0 leaves it to `Regions.compact`. One is enough to
    # keep up with a core that ingests, and leaves the other cores alone.
    compaction_threads: int = 1
    # Decoded row groups of the inputs of one merge, about; more inputs take several merges. As much
    # again goes into what is being written.
    compaction_memory_bytes: int = 64 * MIB
    # Runs that are larger together are not merged unasked: half an hour of work is lost when the
    # server stops.
    compaction_bytes_max: int = 64 * 1024 * MIB
    # A window in which no file was written for so long is merged into one run.
    compaction_settle_seconds: float = 600.0
    # How often the background looks for what time alone makes due: settled windows, expired rows.
    compaction_interval_seconds: float = 30.0
    # The share of a thread's time that goes into compaction while others write or query.
    compaction_busy_share: float = 0.5
    # Added to the nice value of compaction threads (Linux). Much more would let a thread that
    # holds Python's lock wait for a core while everybody waits for it.
    compaction_nice: int = 5
    # After a failed compaction, the pause before the next attempt; doubled each time up to that.
    compaction_retry_seconds: float = 1.0
    compaction_retry_seconds_max: float = 300.0
    # Files that nothing refers to are removed when they are older than that, and how often.
    orphan_grace_seconds: float = 600.0
    orphan_interval_seconds: float = 600.0
    # Files are read again that often to find damaged ones, at that rate; 0 bytes never reads them.
    scrub_interval_seconds: float = 7 * 86_400.0
    scrub_bytes_per_second: int = 16 * MIB
    scrub_pause_seconds: float = 60.0  # between two looks for files that are due
    # False leaves it to the operating system when the log reaches the disk: a power loss may
    # then lose acknowledged writes (a crash of the process alone does not).
    sync: bool = True
