"""Snapshots of the regions a scan needs, of one layout of its table.

Called by sql/run/scan.py. A plan may be older than the last change of partitions: the regions it
knew are gone then, and the rows are in others.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass

from engine.api import Snapshot
from engine.errors import DbError, ErrorKind

_TRIES_MAX = 5  # each of them meets another change of partitions


@dataclass(frozen=True)
class Pinned:
    """What a scan reads: one snapshot per region that may hold wanted rows."""

    snapshots: tuple[Snapshot, ...]
    pruned: int  # regions that cannot


def pin(
    present: Callable[[], tuple[int, tuple[int, ...]]],
    scan: Callable[[int], Snapshot],
    together: Callable[[], AbstractContextManager[None]],
    stack: ExitStack,
) -> Pinned:
    """Pins regions; `stack` closes the snapshots.

    `present` gives how many regions the table has now, and those to be read; several are scanned
    inside `together`. Raises: DbError.
    """
    for attempt in range(1, _TRIES_MAX + 1):
        count, wanted = present()
        with ExitStack() as mine:
            try:
                with together() if len(wanted) > 1 else nullcontext():
                    snapshots = [_kept(scan(region_id), mine) for region_id in wanted]
            except DbError as error:
                if error.kind is not ErrorKind.REGION_NOT_FOUND or attempt == _TRIES_MAX:
                    raise
                if present()[1] == wanted:
                    raise
                continue
            stack.push(mine.pop_all())
            return Pinned(tuple(snapshots), count - len(wanted))
    raise AssertionError("the last attempt returns or raises")


def _kept(snapshot: Snapshot, stack: ExitStack) -> Snapshot:
    stack.callback(snapshot.close)
    return snapshot
