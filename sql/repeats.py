"""Whether a transaction that met another one's rows can be repeated over a newer snapshot.

Kept by sql/transaction.py; sql/run/waiting.py asks. PostgreSQL's READ COMMITTED waits for the row
and goes on; DuckDB's snapshot cannot move, so the transaction begins anew and its steps so far are
run again. That gives what the client was told exactly if

I1. every step changed rows of ordinary tables by their whole key, without looking at other rows,
    or inserted rows that are kept as they were;
I2. those keys are locked all the while (sql/statements/key_locks.py);
I3. nobody has committed another kind of change to those tables since.

https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import DbError, ErrorKind
from sql.gate import Changes, Version
from sql.steps import Step


class Repeats:
    """What one transaction knows of its changes of ordinary tables."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._versions: dict[int, Version] = {}  # of tables, before the first change by key
        self.loose = False  # a statement has changed something in another way than by key
        self._loose_step = False

    def hold(self, table_id: int) -> None:
        """A key of the table is locked: the row is about to be looked at."""
        if table_id not in self._versions:
            self._versions[table_id] = self._changes.loose(table_id)

    def begin_step(self) -> None:
        """A statement begins, or the one before has ended."""
        self._loose_step = False

    def changed(self, *, by_key: bool) -> None:
        """The statement is about to change a table."""
        if not by_key:
            self.loose = self._loose_step = True

    @property
    def step_is_exact(self) -> bool:
        """True if the statement so far gives the same when it is run again."""
        return not self._loose_step

    @staticmethod
    def are_exact(steps: Sequence[Step]) -> bool:
        """True if all steps may be run again."""
        return all(step.is_exact or not step.changed_store for step in steps)

    @property
    def still_hold(self) -> bool:
        """True if others have changed the tables by locked keys alone since `hold` (I3).

        Requires: the newer snapshot is taken.
        """
        found = self._versions.items()
        return all(self._changes.loose(table_id) == version for table_id, version in found)


def not_repeated(why: str) -> DbError:
    """The error of a transaction whose steps cannot be run again as they were."""
    return DbError(
        ErrorKind.SERIALIZATION_FAILURE,
        "could not serialize access due to concurrent changes",
        detail=why,
        hint="run the transaction again",
    )
