"""Deadlines: a thread that calls when time is over, whatever else was asked of it."""

from __future__ import annotations

import threading

from sql.deadlines import Deadlines


def test_a_deadline_beyond_all_time_holds_up_no_other() -> None:
    deadlines, called = Deadlines(), threading.Event()
    deadlines.arm(2.0**60, lambda: None)
    deadlines.arm(0.0, called.set)
    assert called.wait(60)
    deadlines.arm(0.01, called.clear)  # the thread has had to wait for the first one meanwhile
    again = threading.Event()
    deadlines.arm(0.02, again.set)
    assert again.wait(60)
    assert not called.is_set()
    deadlines.close()


def test_cancelled_deadlines_do_not_pile_up() -> None:
    deadlines = Deadlines()
    kept = deadlines.arm(3600, lambda: None)
    for _ in range(20_000):
        deadlines.arm(3600, lambda: None).cancel()
    assert deadlines.armed < 5_000
    assert not kept.cancelled
    deadlines.close()
