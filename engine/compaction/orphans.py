"""Removes files of a region that nothing refers to, while the engine runs.

A write or a removal that failed leaves such files; opening a region removes them too. Called by the
scheduler now and then, and on request.
"""

from __future__ import annotations

from engine.compaction.run import CompactionTools
from engine.region import Region
from engine.sst.file import sst_folder


def collect(region: Region, tools: CompactionTools) -> int:
    """How many files were removed. Raises: DbError.

    A file stays that the version names, that someone reads or is writing, or that is younger than
    the grace period. While maintenance is held no flush is on its way, and merges pin what they
    write.
    """
    oldest = tools.clock.now_ms() - int(tools.options.orphan_grace_seconds * 1000)
    found = [f for f in tools.store.details(sst_folder(region.id)) if f.modified_ms < oldest]
    with region.maintenance:
        if region.is_dropped:
            return 0
        needed = region.version.paths()
        orphans = [f.path for f in found if f.path not in needed]
        orphans = [path for path in orphans if not tools.purge.is_pinned(path)]
        if not orphans:
            return 0
        region.confirm()
        for path in orphans:
            tools.store.delete(path)
    tools.counters.collected(len(orphans))
    return len(orphans)
