"""What a transaction's statements have written of tables with foreign keys and is not checked yet.

Kept by sql/transaction.py, filled by the writers (`wrote`), emptied by sql/foreign/enforce.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import pyarrow as pa

from catalog.records import Table
from sql.foreign.guard import COME, GO, Claims, Keys
from sql.foreign.keys import deferrable_uniques, foreign_constraints, is_checked

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.transaction import Transaction


@dataclass(frozen=True)
class Written:
    """Rows of one table: what they were, what they are now, row by row if both are given."""

    table: Table
    old: pa.Table | None = None
    new: pa.Table | None = None


class End(Enum):
    """Which end of a key was changed."""

    CHILD = "child"
    PARENT = "parent"
    UNIQUE = "unique"  # of a key that a table has by itself


@dataclass
class PendingKeys:
    """`whole`: tables of which nobody knows which rows were written, and the end they are.

    `deferred`: what COMMIT has to check, by the key's id and the end.

    `modes`: what SET CONSTRAINTS said of a key by its id, `all_deferred` of all of them. More may
    be pending than is left after ROLLBACK TO: to check a key that is kept to does no harm.
    """

    claims: Claims = field(default_factory=Claims)
    written: deque[Written] = field(default_factory=deque)
    whole: set[tuple[int, End]] = field(default_factory=set)
    deferred: dict[tuple[int, int, End], list[Keys]] = field(default_factory=dict)
    modes: dict[int, bool] = field(default_factory=dict)
    all_deferred: bool | None = None


def touch(session: ClientSession, transaction: Transaction, table: Table, *ways: str) -> None:
    """Must be called before rows of a relational table COME or GO, in DuckDB's transaction.

    Raises: DbError SERIALIZATION_FAILURE if somebody makes a foreign key there just now.
    """
    for way in ways or (COME, GO):
        session.server.keys.touch(transaction.keys.claims, (way, table.id))


def wrote(
    session: ClientSession,
    transaction: Transaction,
    table: Table,
    *,
    old: pa.Table | None = None,
    new: pa.Table | None = None,
) -> None:
    """Rows were written; the statement's end will check the keys that are over their columns.

    `old` and `new` need only the columns that `watched` names.
    """
    unique = new is not None and deferrable_uniques(table)
    mine = new is not None and foreign_constraints(table)
    if unique or ((mine or old is not None) and is_checked(session)):
        transaction.keys.written.append(Written(table, old, new))


def forget(transaction: Transaction, tables: Iterable[Table]) -> None:
    """The tables are dropped: nothing of theirs is left to check."""
    gone = {table.id for table in tables}
    kept = (one for one in transaction.keys.written if one.table.id not in gone)
    transaction.keys.written = deque(kept)
