"""Who relies on ids of series just now: nobody may retire a series between its look-up and a write.

Writers of series stores hold a lease from the look-up until their rows are written; transactions
that staged such rows hold one until they end. The sweeper waits for a moment without any.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Condition

WAIT_SECONDS = 1.0


class Leases:
    """Any thread. A holder may enter again at any time: it never waits for itself."""

    def __init__(self) -> None:
        # Guarded by _changed.
        self._changed = Condition()
        self._depths: dict[Hashable, int] = {}
        self._since: dict[Hashable, float] = {}
        self._kept: set[Hashable] = set()
        self._closing = False

    @contextmanager
    def held(self, holder: Hashable) -> Iterator[None]:
        """Around look-up and write."""
        self._enter(holder)
        try:
            yield
        finally:
            self._leave(holder)

    def keep(self, holder: Hashable) -> None:
        """As `held`, until the holder calls `release`."""
        if holder not in self._kept:
            self._enter(holder)
            self._kept.add(holder)

    def release(self, holder: Hashable) -> None:
        """Ends what `keep` began, if it did."""
        if holder in self._kept:
            self._kept.discard(holder)
            self._leave(holder)

    @contextmanager
    def nobody(self) -> Iterator[bool]:
        """True while nobody has a lease and all who want one wait; False if that cannot be soon."""
        with self._changed:
            began = time.monotonic()
            until = began + WAIT_SECONDS
            if self._closing or any(began - since > WAIT_SECONDS for since in self._since.values()):
                yield False  # somebody's transaction lasts: others shall not wait for it
                return
            self._closing = True
            while self._depths and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            try:
                yield not self._depths
            finally:
                self._closing = False
                self._changed.notify_all()

    def _enter(self, holder: Hashable) -> None:
        with self._changed:
            while self._closing and holder not in self._depths:
                self._changed.wait()
            self._depths[holder] = self._depths.get(holder, 0) + 1
            self._since.setdefault(holder, time.monotonic())

    def _leave(self, holder: Hashable) -> None:
        with self._changed:
            self._depths[holder] -= 1
            if not self._depths[holder]:
                del self._depths[holder], self._since[holder]
                self._changed.notify_all()
