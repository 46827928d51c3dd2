"""What a statement does to the rows of one table, and how it is done as one step.

UPDATE, DELETE, MERGE and INSERT with a conflict clause read rows in order to write. `change` makes
both one step: outside a transaction no other writer comes between; inside one, rows are staged
together with what was read of them, and COMMIT fails if that has changed since (first committer
wins, by row). Reading goes on undisturbed all the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from sqlglot import exp

from catalog.records import REGION_BITS, Table
from engine.api import Op, Write
from engine.errors import DbError, ErrorKind
from sql.foreign.keys import watched
from sql.foreign.pending import touch, wrote
from sql.metrics.writes import writes_of
from sql.results import Affected, Result
from sql.statements.lookup import SEEN, is_empty, rows_at, same_rows
from sql.statements.parts import Pieces, expanded, source
from sql.statements.row_locking import guarded
from sql.statements.target import identity_columns, insert_rows, quoted
from sql.steps import Expectation
from sql.transaction import Transaction
from sql.types import quote

if TYPE_CHECKING:
    from sql.client_session import ClientSession

Sequences = dict[int, int]

ROWID = "rowid"  # what names a row of a relational table within a transaction


@dataclass(frozen=True)
class Seen:
    """Rows as they were read: `keys` that were looked for, `rows` (key and hash) that were there.

    `keys` is None when the rows found are all that matters.
    """

    rows: pa.Table
    keys: pa.Table | None = None


@dataclass
class Changes:
    """Rows that go, change and come; `rows` tables have all columns, keys those of `key_columns`.

    `old` are the keys of `new`, row by row. `returned` is what RETURNING is asked over, if it is.
    """

    deleted: pa.Table | None = None
    old: pa.Table | None = None
    new: pa.Table | None = None
    inserted: pa.Table | None = None
    seen: Seen | None = None
    affected: int = 0
    changed: frozenset[str] = frozenset()  # columns of `new` that may differ; none given: all
    returned: pa.Table | None = None
    result: Result | None = None  # the answer: made before anything is written, as it may fail


def key_columns(table: Table) -> tuple[str, ...]:
    """What names a row that a statement has found."""
    return identity_columns(table) if table.is_time_series else (ROWID,)


def change(
    session: ClientSession,
    transaction: Transaction,
    tables: Sequence[Table],
    find: Callable[[], list[Changes]],
) -> list[Changes]:
    """Looks rows up and writes, as one step (see above). `find` gives the changes of each table.

    It may be called twice. Raises: DbError REGION_BUSY if another statement keeps a table for long.
    """
    series = [table for table in tables if table.is_time_series]
    for table in tables:
        if not table.is_time_series:
            transaction.change_store(rows_of=table)
    staged = session.stages(transaction)
    guarded_ = guarded(session, transaction, tables, find)
    if not series:
        changes, sequences = guarded_(), Sequences()
    else:
        changes, sequences = _found(session, tables, guarded_, find, write=not staged)
    for table, one in zip(tables, changes, strict=True):
        if not table.is_time_series:
            change_relational(session, transaction, table, one)
        elif staged:
            _expect(session, transaction, table, one, sequences)
            for write in writes_for(session, table, one):
                transaction.stage(write)
    return changes


def _found(
    session: ClientSession,
    tables: Sequence[Table],
    find: Callable[[], list[Changes]],
    again: Callable[[], list[Changes]],
    *,
    write: bool,
) -> tuple[list[Changes], Sequences]:
    """What `find` gives of one moment; written before anybody else can, if it is to be.

    `again` finds the same without waiting for other transactions.
    """
    layouts, cursor = session.server.layouts, session.duck.cursor
    series = [table for table in tables if table.is_time_series]
    before = _sequences(session, series)
    changes = find()
    if not write and _sequences(session, series) == before:
        return changes, before
    with layouts.gates.writing((), [table.home_id for table in series]):
        now = _sequences(session, series)
        if now != before:  # rows were written meanwhile: look again, alone now
            changes = again()
        if write:
            every = [
                w for t, c in zip(tables, changes, strict=True) for w in writes_for(session, t, c)
            ]
            wanted = [one for one in every if one.rows.num_rows]
            session.write_inside(layouts.settled(cursor, wanted))
    return changes, now


def _sequences(session: ClientSession, tables: Sequence[Table]) -> Sequences:
    """For each region of the tables the last log record it shows: what is the same is unchanged."""
    found: list[int] = []
    for table in tables:
        present = session.catalog.table_of(session.duck.cursor, table.id)
        if present is None:
            raise DbError(ErrorKind.UNDEFINED_TABLE, f'table "{table.name}" was dropped meanwhile')
        found += present.row_regions
    return {r: session.regions.statistics(r).committed_sequence for r in found}


def _expect(
    session: ClientSession,
    transaction: Transaction,
    table: Table,
    changes: Changes,
    sequences: Sequences,
) -> None:
    """COMMIT shall find the rows that were read as they were."""
    seen = changes.seen
    if seen is None:
        return
    if any(write.region_id >> REGION_BITS == table.home_id for write in transaction.staged):
        # What was read held rows of this transaction: what is stored is another matter.
        keys = seen.keys if seen.keys is not None else seen.rows.drop_columns([SEEN])
        with _only_stored(session):
            seen = Seen(rows_at(session, table, keys), keys)
    if is_empty(seen.rows) and (seen.keys is None or is_empty(seen.keys)):
        return
    held = partial(_held, session, table, seen, sequences)
    transaction.expect(Expectation(table.home_id, held))


class _only_stored:  # noqa: N801 - reads as a function
    """Meanwhile the session reads without the rows its transaction has staged."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self._runner = session.runner

    def __enter__(self) -> None:
        self._session.runner = replace(self._runner, staged=tuple)

    def __exit__(self, *_: object) -> None:
        self._session.runner = self._runner


def _held(session: ClientSession, table: Table, seen: Seen, sequences: Sequences) -> bool:
    present = session.catalog.table_of(session.duck.cursor, table.id)
    if present is None:
        return False
    now = _sequences(session, [present])
    if all(sequences.get(region) == number for region, number in now.items()):
        return True
    keys = seen.keys if seen.keys is not None else seen.rows.drop_columns([SEEN])
    with _only_stored(session):
        return same_rows(session, rows_at(session, present, keys), seen.rows)


# Time-series tables.


def writes_for(session: ClientSession, table: Table, changes: Changes) -> list[Write]:
    """The changes of a time-series table, deletions first, as one log record."""
    writes: list[Write] = []
    if changes.deleted is not None:
        writes += writes_of(session, table, Op.DELETE, changes.deleted)
    if changes.old is not None and changes.new is not None:
        if _moves(table, changes.old, changes.new):
            writes += writes_of(session, table, Op.DELETE, changes.old)
        writes += writes_of(session, table, Op.PUT, changes.new)
    if changes.inserted is not None:
        writes += writes_of(session, table, Op.PUT, changes.inserted)
    return writes


def _moves(table: Table, old: pa.Table, new: pa.Table) -> bool:
    """True if putting the new rows would not take the place of the old ones whole."""
    if table.append_mode or table.keeps_non_null:
        return True
    return not old.equals(new.select(old.column_names).cast(old.schema))


def check_unique(session: ClientSession, table: Table, changes: Changes) -> None:
    """An UPDATE may not give a row the key of another one.

    Raises: DbError UNIQUE_VIOLATION.
    """
    old, new = changes.old, changes.new
    if not table.is_time_series or table.append_mode or old is None or new is None:
        return
    keys = new.select(old.column_names).cast(old.schema)
    if old.equals(keys):
        return
    taken = keys.group_by(old.column_names).aggregate([]).num_rows < keys.num_rows
    if not taken:
        there = rows_at(session, table, keys).drop_columns([SEEN])
        taken = not is_empty(_without(session, there, old))
    if taken:
        raise DbError(
            ErrorKind.UNIQUE_VIOLATION,
            f'duplicate key: two rows of "{table.name}" would have the same tags and time',
            detail=f"the key is ({', '.join(old.column_names)})",
        )


def _without(session: ClientSession, rows: pa.Table, others: pa.Table) -> pa.Table:
    pieces = Pieces(session, "")
    with pieces.with_rows(rows) as (left, _), pieces.with_rows(others) as (right, _):
        return session.duck.table(f"SELECT * FROM {left} EXCEPT ALL SELECT * FROM {right}")


def result_of(done: Sequence[Changes]) -> Result:
    """The statement's answer."""
    result = done[0].result
    assert result is not None
    return result


# Relational tables.


def change_relational(
    session: ClientSession, transaction: Transaction, table: Table, changes: Changes
) -> None:
    """Deletes, updates, then inserts rows of a relational table. Raises: DbError."""
    name = quoted(table)
    touch(session, transaction, table)
    over = watched(session, table)
    if changes.deleted is not None:
        if over:
            wrote(session, transaction, table, old=_before(session, table, changes.deleted, over))
        where = "rowid IN (SELECT rowid FROM {0})"
        _run(session, f"DELETE FROM {name} WHERE {where}", changes.deleted)
    if changes.old is not None and changes.new is not None:
        if over & (changes.changed or over):
            before = _before(session, table, changes.old, over)
            wrote(session, transaction, table, old=before, new=changes.new)
        names = [c.name for c in table.columns if not changes.changed or c.name in changes.changed]
        # An UPDATE of a key column is a delete and an insert to DuckDB, with limits.
        sets = ", ".join(f"{quote(name)} = n.{quote(name)}" for name in names)
        rows = changes.new.append_column(ROWID, changes.old.column(ROWID))
        where = "t.rowid = n.rowid"
        _run(session, f"UPDATE {name} AS t SET {sets} FROM {{0}} AS n WHERE {where}", rows)
    if changes.inserted is not None:
        insert_rows(session, transaction, table, changes.inserted)


def _before(
    session: ClientSession, table: Table, rowids: pa.Table, names: frozenset[str]
) -> pa.Table:
    """These columns of the rows as they are, in the order of the rowids."""
    places = pa.array(np.arange(rowids.num_rows))
    columns = ", ".join(f"t.{quote(name)}" for name in sorted(names))
    with Pieces(session, "").with_rows(rowids.append_column("place", places)) as (name, _):
        return session.duck.table(
            f"SELECT {columns} FROM {quoted(table)} AS t JOIN {name} AS n"
            " ON t.rowid = n.rowid ORDER BY n.place"
        )


def _run(session: ClientSession, sql: str, rows: pa.Table) -> None:
    if not rows.num_rows:
        return
    with Pieces(session, "").with_rows(rows) as (name, _):
        session.duck.execute(sql.format(name))


# Answers.


def answer(
    pieces: Pieces, table: Table, alias: str, items: Sequence[exp.Expr], changes: Changes, tag: str
) -> Result:
    """The count, or what RETURNING asks over `changes.returned` under the table's alias."""
    if not items:
        return Affected(tag, changes.affected)
    assert changes.returned is not None
    with pieces.with_rows(changes.returned, table) as (name, inner):
        select = exp.select(*expanded(items, alias, table)).from_(source(name, alias))
        return inner.collect(select, tag)
