"""What a transaction remembers of its statements, to go back to an earlier point of itself.

Kept by sql/transaction.py; it does nothing of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from engine.api import Write
from engine.errors import DbError, ErrorKind


@dataclass(frozen=True)
class Expectation:
    """What staged rows depend on: rows of a table, which `held` finds unchanged or not.

    It is asked at COMMIT, while nobody else writes to the table.
    """

    table_id: int
    held: Callable[[], bool]


def check_expected(expected: Sequence[Expectation]) -> None:
    """Raises: DbError SERIALIZATION_FAILURE if rows that were read are no longer so."""
    if not all(expectation.held() for expectation in expected):
        raise DbError(
            ErrorKind.SERIALIZATION_FAILURE,
            "could not serialize access due to a concurrent update",
            detail="a row that this transaction read and changed was changed by another writer",
            hint="run the transaction again",
        )


@dataclass(frozen=True)
class Step:
    """One statement that changed something: how to run it again, and what it staged."""

    again: Callable[[], object]
    changed_store: bool
    staged: tuple[Write, ...]
    expected: tuple[Expectation, ...] = ()
    fixed: tuple[object, ...] = ()  # values that are the same when it is run again
    moment_ms: int = 0  # what its clock showed
    is_exact: bool = False  # run again later it changes the same in the same way (sql/repeats.py)


@dataclass(frozen=True)
class Mark:
    """A point to go back to: how much there was of what the transaction gathers."""

    steps: int
    staged: int
    expected: int


@dataclass(frozen=True)
class Savepoint:
    """A mark with a name."""

    name: str
    mark: Mark


def index_of(savepoints: Sequence[Savepoint], name: str) -> int:
    """The place of the last one of a name. Raises: DbError UNDEFINED_SAVEPOINT."""
    for index in range(len(savepoints) - 1, -1, -1):
        if savepoints[index].name == name:
            return index
    raise DbError(ErrorKind.UNDEFINED_SAVEPOINT, f'savepoint "{name}" does not exist')


def run_all(effects: Iterable[Callable[[], object]]) -> None:
    """Makes changes of a statement again."""
    for effect in effects:
        effect()
