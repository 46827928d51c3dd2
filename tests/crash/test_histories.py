"""Random transactions on both wires and both stores are what they promise; the checker can tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.histories import Run
from tests.crash.history import LISTS, POINTS, Done, Key, Outcome, Read, problems

A, B, P, Q = (LISTS, 1), (LISTS, 2), (POINTS, 1), (POINTS, 2)


def writer(*appended: tuple[Key, int], outcome: Outcome = Outcome.OK, ended: int = 90) -> Done:
    return Done(one_moment=False, ended=ended, outcome=outcome, appended=list(appended))


def reader(*reads: dict[Key, list[int]], one_moment: bool = False) -> Done:
    found = [Read(50, lists, frozenset()) for lists in reads]
    return Done(one_moment, began=50, ended=60, outcome=Outcome.OK, reads=found)


def ordered(read: dict[Key, list[int]], *appended: tuple[Key, int]) -> Done:
    done = reader(read, one_moment=True)
    done.serializable, done.appended = True, list(appended)
    return done


@pytest.mark.parametrize(
    ("history", "last", "told"),
    [
        ([writer((A, 1))], {A: []}, "lost, though acknowledged"),
        ([writer((A, 1), (P, 2), outcome=Outcome.UNSURE)], {A: [1], P: []}, "half of a"),
        ([writer((A, 1), outcome=Outcome.FAILED)], {A: [1]}, "which was rolled back"),
        ([writer((A, 1))], {A: [1, 1]}, "twice"),
        ([writer((A, 1), outcome=Outcome.FAILED), reader({A: [1]})], {A: []}, "and rolled back"),
        ([writer((A, 1)), writer((A, 2)), reader({A: [2]})], {A: [1, 2]}, "no beginning"),
        ([writer((P, 1), outcome=Outcome.UNSURE), reader({P: [1]})], {P: []}, "not all of which"),
        ([writer((A, 1), (A, 2)), reader({A: [1]})], {A: [1, 2]}, "a statement saw [1] without"),
        ([writer((P, 1), (Q, 2)), reader({P: [1], Q: []})], {P: [1], Q: [2]}, "without [2]"),
        ([writer((A, 1), ended=40), reader({A: []})], {A: [1]}, "acknowledged at 40, not seen"),
        ([writer((A, 1)), reader({A: []}, {A: [1]}, one_moment=True)], {A: [1]}, "and then [1]"),
        (
            [writer((A, 1), (B, 2)), reader({A: [1]}, {B: []}, one_moment=True)],
            {A: [1], B: [2]},
            "a snapshot saw [1] without [2]",
        ),
        (
            [ordered({B: []}, (A, 1)), ordered({A: []}, (B, 2))],
            {A: [1], B: [2]},
            "no order explains",
        ),
        (
            [
                ordered({Q: []}, (P, 1)),
                ordered({A: [], P: [1]}, (B, 2)),
                ordered({B: [2]}, (Q, 3)),
                ordered({Q: [3]}, (A, 4)),
                ordered({A: [4], B: []}),
            ],
            {A: [4], B: [2], P: [1], Q: [3]},
            "no order explains",
        ),
    ],
)
def test_what_cannot_be_is_told(history: list[Done], last: dict[Key, list[int]], told: str) -> None:
    assert any(told in problem for problem in problems(history, last))


def test_what_can_be_is_not() -> None:
    history = [
        writer((A, 1), (P, 2)),
        writer((A, 3), outcome=Outcome.FAILED),
        writer((A, 4), (B, 5)),
        reader({A: []}, {A: [1]}, {A: [1, 4], B: [5]}),
        reader({A: [1], B: []}, {P: [2]}, one_moment=True),
        ordered({A: [1], B: [], P: [2]}, (Q, 6)),
        ordered({A: [1, 4], Q: []}),
        ordered({A: [1, 4], B: [5], Q: [6]}),
    ]
    assert not list(problems(history, {A: [1, 4], B: [5], P: [2], Q: [6]}))


@pytest.mark.slow
def test_histories_amid_kills_are_sound(tmp_path: Path) -> None:
    run = Run(tmp_path, seed=1)
    try:
        for _ in range(2):
            run.round(seconds=3)
        found = run.problems()
    finally:
        run.server.stop()
    assert not found, "\n".join(found[:20])
    assert sum(done.outcome is Outcome.OK for done in run.history) > 20
