"""Lets readers of several regions see a row that moves between two of them in exactly one place.

A record is applied region by region, and a scan of several regions pins one after the other. Where
a record deletes in one region and puts in another (an UPDATE that moves rows), the two exclude each
other here. Records that only put, or only delete, do not pass here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Condition

from engine.api import Op
from engine.wal.payload import RegionRows


class Moves:
    """Many scans at a time, or one record that moves rows; a waiting record comes first."""

    def __init__(self) -> None:
        # Guarded by _changed.
        self._changed = Condition()
        self._scans = 0
        self._moving = 0

    @contextmanager
    def scanning(self) -> Iterator[None]:
        """Around pinning several regions: milliseconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._moving)
            self._scans += 1
        try:
            yield
        finally:
            with self._changed:
                self._scans -= 1
                self._changed.notify_all()

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Around applying a record that moves rows. Only the log's applying thread comes here."""
        with self._changed:
            self._moving += 1
            self._changed.wait_for(lambda: not self._scans)
        try:
            yield
        finally:
            with self._changed:
                self._moving -= 1
                self._changed.notify_all()


def moves_rows(by_region: Mapping[int, Sequence[RegionRows]]) -> bool:
    """True if a record deletes in one region and puts in another."""
    if len(by_region) < 2:
        return False
    left = {region for region, rows in by_region.items() if any(r.op is Op.DELETE for r in rows)}
    entered = {region for region, rows in by_region.items() if any(r.op is Op.PUT for r in rows)}
    return bool(left and entered and (len(left | entered) > 1))
