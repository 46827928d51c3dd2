"""The crash harness notices every kind of damage that it is there to notice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.harness import Found, Harness
from tests.crash.writers import CopyWriter, PostgresWriter, TransactionWriter

WHOLE = (3, 3, 3, 3)  # rows, sum of parts 0 + 1 + 2, smallest and largest size


class Pretend(Harness):
    """A harness whose server answers what the test says."""

    found: Found

    def _found(self) -> Found:
        return dict(self.found)


@pytest.fixture
def harness(tmp_path: Path) -> Pretend:
    made = Pretend(tmp_path, seed=1)
    made.found = {}
    return made


def problems(harness: Pretend, found: Found) -> list[str]:
    harness.found = found
    harness.check()
    return [problem[:2] for problem in harness.summary.problems]


def test_everything_as_promised_is_no_problem(harness: Pretend) -> None:
    ledger = harness.ledgers[TransactionWriter]
    ledger.written(ledger.begin(3))
    ledger.begin(3)  # its answer never came
    found = {(table, "transaction", 1): WHOLE for table in TransactionWriter.tables}
    assert problems(harness, found) == []
    assert harness.summary.unsure_lost == 1
    assert problems(harness, found) == [], "what was settled stays settled"


@pytest.mark.parametrize("rows", [None, (2, 1, 3, 3), (6, 6, 3, 3), (3, 3, 3, 4)])
def test_a_lost_torn_or_doubled_acknowledged_unit_is_found(
    harness: Pretend, rows: tuple[int, int, int, int] | None
) -> None:
    ledger = harness.ledgers[CopyWriter]
    ledger.written(ledger.begin(3))
    assert problems(harness, {} if rows is None else {("log", "copy", 1): rows}) == ["I1"]


def test_a_torn_unacknowledged_unit_is_found(harness: Pretend) -> None:
    harness.ledgers[CopyWriter].begin(3)
    assert problems(harness, {("log", "copy", 1): (1, 0, 3, 3)}) == ["I2"]


def test_a_transaction_in_one_of_its_tables_is_found(harness: Pretend) -> None:
    harness.ledgers[TransactionWriter].begin(3)
    assert problems(harness, {("plain", "transaction", 1): WHOLE}) == ["I2", "I2"]


def test_a_deleted_unit_that_came_back_is_found(harness: Pretend) -> None:
    ledger = harness.ledgers[PostgresWriter]
    ledger.written(ledger.begin(3))
    ledger.deleted(ledger.begin_delete())
    assert problems(harness, {("events", "postgres", 1): WHOLE}) == ["I3"]


def test_rows_that_nobody_sent_are_found(harness: Pretend) -> None:
    assert problems(harness, {("log", "mysql", 9): WHOLE}) == ["I4"]
