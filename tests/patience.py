"""Waiting for what another thread or process is bound to do, however slow the machine is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

PATIENCE_SECONDS = 60
_LOOK_SECONDS = 0.005
_AGAIN_SECONDS = 0.2


def wait_until(condition: Callable[[], object]) -> None:
    """Asks again and again until it holds."""
    until, pause = monotonic() + PATIENCE_SECONDS, threading.Event()
    while not condition():
        assert monotonic() < until, "it has not come"
        pause.wait(_LOOK_SECONDS)


@contextmanager
def again_and_again(act: Callable[[], object]) -> Iterator[None]:
    """Acts while the block runs: a cancel that comes before its statement begins hits nothing."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(_AGAIN_SECONDS):
            act()

    acting = threading.Thread(target=run)
    acting.start()
    try:
        yield
    finally:
        over.set()
        acting.join()
