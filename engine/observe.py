"""What the engine counts of its own work: flushes, compactions, stalls, scans, the log.

`engine.regions.LocalRegions` owns one `EngineCounters`; whoever does the work adds to it, and
the server's /metrics reads the totals. It keeps no history, decides nothing and writes no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

# Every counter and what it means. /metrics shows them as gnomon_<name>_total.
COUNTERS = {
    "wal_records": "Records appended to the log.",
    "wal_written_bytes": "Bytes of the records appended to the log.",
    "written_rows": "Rows and deletions accepted into memtables.",
    "written_memory_bytes": "Memory that the accepted rows took when they came.",
    "write_stalls": "Writes that had to wait for memory.",
    "write_stall_seconds": "Time that writes waited for memory.",
    "write_rejections": "Writes refused because memory stayed full.",
    "flushes": "Flushes published.",
    "flush_seconds": "Time spent flushing.",
    "flush_rows": "Rows that flushes wrote.",
    "flush_files": "Files that flushes wrote.",
    "flush_written_bytes": "Bytes of the files that flushes wrote.",
    "flush_failures": "Flushes that failed; their rows stayed in memory and in the log.",
    "compactions": "Compactions published.",
    "compaction_seconds": "Time spent compacting.",
    "compaction_read_files": "Files that compactions replaced.",
    "compaction_read_bytes": "Bytes of the files that compactions replaced.",
    "compaction_written_files": "Files that compactions wrote.",
    "compaction_written_bytes": "Bytes of the files that compactions wrote.",
    "compaction_failures": "Compactions given up by an error; nothing changed.",
    "expired_files": "Files dropped because all their rows outlived the time to live.",
    "expired_rows": "Rows of those files.",
    "expired_bytes": "Bytes of those files.",
    "orphan_files_removed": "Files that no region needed, removed while running.",
    "scans": "Snapshots taken of regions.",
    "scan_files": "Files that snapshots handed out.",
    "scan_pruned_files": "Files that snapshots left out by their time range.",
    "scan_rows": "Rows stored in the files that snapshots handed out.",
}


class EngineCounters:
    """Totals since the engine was opened. Any thread. Times are seconds, sizes bytes."""

    def __init__(self) -> None:
        # Guarded by _lock.
        self._lock = Lock()
        self._totals: dict[str, float] = dict.fromkeys(COUNTERS, 0.0)

    def totals(self) -> Mapping[str, float]:
        """Every counter of `COUNTERS`, at one moment."""
        with self._lock:
            return dict(self._totals)

    def logged(self, size: int) -> None:
        """A record of that size was appended to the log."""
        self._add(wal_records=1, wal_written_bytes=size)

    def written(self, rows: int, memory_bytes: int) -> None:
        """Rows of an accepted write entered the memtables."""
        self._add(written_rows=rows, written_memory_bytes=memory_bytes)

    def stalled(self, seconds: float) -> None:
        """A writer waited for memory; it then went on or was rejected."""
        self._add(write_stalls=1, write_stall_seconds=seconds)

    def rejected(self) -> None:
        """A writer was told to come again later."""
        self._add(write_rejections=1)

    def flushed(self, seconds: float, *, rows: int, files: int, written: int) -> None:
        """A flush was published; `written` are the bytes of its new files."""
        self._add(
            flushes=1,
            flush_seconds=seconds,
            flush_rows=rows,
            flush_files=files,
            flush_written_bytes=written,
        )

    def flush_failed(self) -> None:
        """A flush failed."""
        self._add(flush_failures=1)

    def compacted(
        self, seconds: float, *, files_read: int, read: int, files_written: int, written: int
    ) -> None:
        """A compaction was published: files and bytes that it replaced and that it wrote."""
        self._add(
            compactions=1,
            compaction_seconds=seconds,
            compaction_read_files=files_read,
            compaction_read_bytes=read,
            compaction_written_files=files_written,
            compaction_written_bytes=written,
        )

    def compaction_failed(self) -> None:
        """A compaction was given up by an error."""
        self._add(compaction_failures=1)

    def expired(self, *, files: int, rows: int, size: int) -> None:
        """Files were dropped because all their rows outlived the time to live."""
        self._add(expired_files=files, expired_rows=rows, expired_bytes=size)

    def collected(self, files: int) -> None:
        """Orphan files were removed while running."""
        self._add(orphan_files_removed=files)

    def scanned(self, *, files: int, pruned: int, rows: int) -> None:
        """A snapshot was taken: files handed out, files left out, rows stored in the former."""
        self._add(scans=1, scan_files=files, scan_pruned_files=pruned, scan_rows=rows)

    def _add(self, **amounts: float) -> None:
        with self._lock:
            for name, amount in amounts.items():
                self._totals[name] += amount
