"""Which evaluations the event loop makes itself: small ones that were quick the last time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from server.http.prometheus.brief import CELLS_MAX, SECONDS_MAX, BriefTasks
from sql.promql.model import Kind, Result
from sql.promql.tasks import Evaluate

TASK = Evaluate("up", 0, 3_600_000, 60_000, 300_000, 11_000)
SMALL = Result(Kind.MATRIX, np.arange(61), samples_read=60)


def test_small_and_quick_ones_are_remembered_wherever_in_time() -> None:
    brief = BriefTasks()
    assert not brief.holds("public", TASK)
    brief.note("public", TASK, SMALL, SECONDS_MAX / 2)
    assert brief.holds("public", TASK)
    assert brief.holds("public", replace(TASK, start_ms=7_000, end_ms=3_607_000))
    assert not brief.holds("public", replace(TASK, end_ms=7_200_000)), "a longer range"
    assert not brief.holds("other", TASK)


def test_what_grew_or_took_long_or_failed_is_forgotten() -> None:
    brief = BriefTasks()
    large = replace(SMALL, samples_read=CELLS_MAX + 1)
    wide = replace(SMALL, values=np.zeros((2, CELLS_MAX)))
    for result, seconds in ((large, 0.0), (wide, 0.0), (SMALL, 2 * SECONDS_MAX), (None, 0.0)):
        brief.note("public", TASK, SMALL, 0.0)
        brief.note("public", TASK, result, seconds)
        assert not brief.holds("public", TASK)


def test_texts_without_end_do_not_stay() -> None:
    brief = BriefTasks()
    for number in range(10_000):
        brief.note("public", replace(TASK, text=f"up + {number}"), SMALL, 0.0)
    assert not brief.holds("public", replace(TASK, text="up + 0"))
    assert brief.holds("public", replace(TASK, text="up + 9999"))
