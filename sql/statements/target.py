"""Writing rows into a table of either kind: the one path of INSERT, COPY, UPDATE and CTAS.

Takes columns already of their declared types; adds defaults, checks NOT NULL and lengths, then
hands the rows to the region engine or to DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from catalog.records import Column, Table, TableKind
from engine.api import Op
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.collations import column_type, has_own_keys
from sql.decode.assign import assign
from sql.decode.lengths import fitted
from sql.dialect.parser import parse
from sql.foreign.guard import COME
from sql.foreign.keys import watched
from sql.foreign.pending import touch, wrote
from sql.metrics.writes import writes_of
from sql.plan.plan import plan_query
from sql.plan.tables import find_table
from sql.privileges import check_sequence
from sql.results import Rows
from sql.run.errors import position_of
from sql.sequences import draw, in_store, sequences_in, stored_of
from sql.session import Wire
from sql.statements.lock_waits import check_insert
from sql.temporary import stored_name
from sql.types import quote

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.run.duck import Duck
    from sql.transaction import Transaction

# Types whose values DuckDB takes from Python as they are.
_PLAIN = frozenset({TypeId.BOOLEAN, TypeId.STRING, TypeId.FLOAT64})
_PLAIN |= {TypeId.INT8, TypeId.INT16, TypeId.INT32, TypeId.INT64}
_KEPT_BYTES_MAX = 16 << 20  # rows a transaction keeps to insert again; more are computed again

SEQUENCE = "nextval("  # a default that is another value for every row


def writable(session: ClientSession, node: exp.Expr, text: str) -> Table:
    """The table a statement writes to. Raises: DbError UNDEFINED_TABLE, WRONG_OBJECT_TYPE."""
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        raise DbError(ErrorKind.UNSUPPORTED, "rows can be changed in named tables only")
    table = find_table(node, session.plan_context(text))
    if table.is_materialized:
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE,
            f'cannot change materialized view "{table.name}"',
            hint="REFRESH MATERIALIZED VIEW runs its query again",
            position=position_of(node.name, text),
        )
    if not table.columns or table.definition:
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE,
            f'"{table.name}" is a view: rows cannot be written to it',
            position=position_of(node.name, text),
        )
    if table.kind is TableKind.EXTERNAL:
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE,
            f'"{table.name}" is an external table: its files are only read',
            hint="COPY … TO writes files",
            position=position_of(node.name, text),
        )
    return table


def columns_named(table: Table, names: Sequence[str] | None, text: str) -> tuple[Column, ...]:
    """The columns of a column list; all of them without one.

    Raises: DbError UNDEFINED_COLUMN, DUPLICATE_COLUMN.
    """
    if names is None:
        return table.columns
    found = []
    for name in names:
        column = table.column(name)
        if column is None:
            raise DbError(
                ErrorKind.UNDEFINED_COLUMN,
                f'column "{name}" of table "{table.name}" does not exist',
                position=position_of(name, text),
            )
        if column in found:
            raise DbError(
                ErrorKind.DUPLICATE_COLUMN,
                f'column "{name}" specified more than once',
                position=position_of(name, text),
            )
        found.append(column)
    return tuple(found)


def complete(
    session: ClientSession, table: Table, columns: Sequence[Column], data: pa.Table
) -> pa.Table:
    """Whole rows in table order: given columns, defaults for the others; NOT NULL and
    declared lengths checked.

    Generated columns are computed, whatever was given.

    Raises: DbError NOT_NULL_VIOLATION, TEXT_TOO_LONG.
    """
    given = {column.name: data.column(i) for i, column in enumerate(columns)}
    arrays = []
    for column in table.columns:
        array = given.get(column.name)
        if array is None:
            array = default_values(session, column, data.num_rows)
        arrays.append(array)
    if any(column.generated for column in table.columns):
        arrays = _computed(session, table, arrays)
    for at, (column, array) in enumerate(zip(table.columns, arrays, strict=True)):
        if not column.nullable and array.null_count:
            raise _null_error(table, column, array)
        if column.declared:
            arrays[at] = fitted(column, array)
    schema = pa.schema([pa.field(c.name, c.type.arrow, c.nullable) for c in table.columns])
    return pa.Table.from_arrays(arrays, schema=schema)


def _computed(session: ClientSession, table: Table, arrays: list[pa.Array]) -> list[pa.Array]:
    """The columns of whole rows, with the generated ones computed from the others."""
    plain = [at for at, column in enumerate(table.columns) if not column.generated]
    names = [table.columns[at].name for at in plain]
    generated = [column for column in table.columns if column.generated]
    if not plain:
        message = "a table needs a column that is not generated"
        raise DbError(ErrorKind.INVALID_TABLE_DEFINITION, message)
    name = session.duck.register(pa.table([arrays[at] for at in plain], names=names))
    try:
        text = "SELECT " + ", ".join(column.generated for column in generated)
        tree = parse(text, Wire.HTTP)[0].tree
        assert isinstance(tree, exp.Select)
        tree = tree.from_(exp.table_(name, quoted=True))
        context = replace(session.plan_context(text), given={name: table})
        plan = plan_query(tree, context)
        found = session.runner.table(plan, (), text)
    finally:
        session.duck.unregister([name])
    made = {
        column.name: assign(found.column(at), column, session.timezone)
        for at, column in enumerate(generated)
    }
    return [
        made.get(column.name, array) for column, array in zip(table.columns, arrays, strict=True)
    ]


def _null_error(table: Table, column: Column, array: pa.Array) -> DbError:
    row = pc.index(pc.is_null(array), True).as_py() + 1
    return DbError(
        ErrorKind.NOT_NULL_VIOLATION,
        f'null value in column "{column.name}" of table "{table.name}"'
        " violates not-null constraint",
        detail=f"row {row} of the statement has no value and the column has no default"
        if column.default is None
        else f"row {row} of the statement sets it to NULL",
    )


def default_values(session: ClientSession, column: Column, rows: int) -> pa.Array:
    """A column's default, for that many rows; NULLs without one."""
    if column.default is None or rows == 0:
        return pa.nulls(rows, column.type.arrow)
    if SEQUENCE in column.default:
        _check_numbers(session, column)
        default = in_store(session, column.default)
        stored = stored_of(default)
        if stored is not None:
            values = draw(session, stored, rows)
        else:
            values = session.fixed(lambda: session.evaluate(default, rows))
        return assign(values, column, session.timezone)
    text = clock_text(column)
    if rows > 1 and _is_called(column.default):
        return assign(session.evaluate(text, rows), column, session.timezone)
    return pa.repeat(assign(session.evaluate(text, 1), column, session.timezone)[0], rows)


@lru_cache(1024)
def _is_called(default: str) -> bool:
    """True if a default may be another value for each row: a random number, a new UUID."""
    tree = parse(f"SELECT {default}", Wire.HTTP)[0].tree
    assert tree is not None
    return any(not isinstance(node, _STEADY) for node in tree.find_all(exp.Func))


_STEADY = (exp.Cast, exp.Array, exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime)


def _check_numbers(session: ClientSession, column: Column) -> None:
    """PostgreSQL lets nobody use a sequence by a default who may not use it otherwise.

    An identity column's belongs to the column. Raises: DbError ACCESS_DENIED.
    """
    if session.wire is Wire.POSTGRES and not column.identity:
        for one in sequences_in(session, str(column.default)):
            check_sequence(session, one, "USAGE", "UPDATE")


def clock_text(column: Column) -> str:
    """The text of a default; a moment for a time on a wall says its zone. Requires: a default."""
    text = str(column.default)
    is_moment = (
        column.type.wall and column.type.is_timestamp and text[:1] != "'" and text.upper() != "NULL"
    )
    return f"CAST({text} AS TIMESTAMPTZ)" if is_moment else text


def insert_rows(
    session: ClientSession, transaction: Transaction, table: Table, rows: pa.Table
) -> None:
    """Writes whole rows (see `complete`). Raises: DbError."""
    if rows.num_rows == 0:
        return
    check_insert(session, table)
    if table.is_time_series:
        session.apply(transaction, writes_of(session, table, Op.PUT, rows))
        return
    again = partial(_insert_again, session.duck, table, rows)
    repeated = again if table.temporary else partial(_insert_repeated, session, table, again)
    kept_again = repeated if rows.nbytes <= _KEPT_BYTES_MAX else None
    by_key = kept_again is not None and not watched(session, table)
    transaction.change_store(kept_again, rows_of=table, by_key=by_key)
    touch(session, transaction, table, COME)
    again()
    wrote(session, transaction, table, new=rows)


def _insert_repeated(session: ClientSession, table: Table, again: Callable[[], None]) -> None:
    """Raises: DbError UNDEFINED_TABLE if the name is another table's now."""
    present = session.catalog.table_of(session.duck.cursor, table.id)
    if present is None or quoted(present) != quoted(table):
        raise DbError(ErrorKind.UNDEFINED_TABLE, f'table "{table.name}" was dropped meanwhile')
    again()


def _insert_again(duck: Duck, table: Table, rows: pa.Table) -> None:
    if rows.num_rows == 1 and all(column.type.id in _PLAIN for column in table.columns):
        row = [column[0].as_py() for column in rows.columns]  # sooner than a table of Arrow's
        marks = ", ".join(["?"] * len(row))
        duck.execute(f"INSERT INTO {quoted(table)} VALUES ({marks})", row)
        return
    name = duck.register(rows)
    try:
        duck.execute(f"INSERT INTO {quoted(table)} SELECT * FROM {name}")
    finally:
        duck.unregister([name])


def kept(table: Table, rows: int) -> int:
    """How many of the rows written to a table it keeps: none if they vanish at once."""
    return 0 if table.options.get("ttl") == "instant" else rows


def insert_results(
    session: ClientSession, transaction: Transaction, table: Table, rows: Rows
) -> int:
    """Writes a query's rows, column by column in table order; how many. Raises: DbError."""
    count = 0
    for batch in rows:
        typed = [
            assign(array, column, session.timezone)
            for array, column in zip(batch.columns, table.columns, strict=True)
        ]
        data = pa.table(typed, names=[c.name for c in table.columns])
        insert_rows(session, transaction, table, complete(session, table, table.columns, data))
        count += batch.num_rows
    return count


def identity_columns(table: Table) -> tuple[str, ...]:
    """The columns that name a row to delete: the key, or in append mode every column."""
    if table.append_mode:
        return tuple(column.name for column in table.columns)
    return (*table.primary_key, str(table.time_index))


def quoted(table: Table) -> str:
    """The table's name in the embedded database."""
    if table.temporary:
        return quote(stored_name(table))
    return f"{quote(table.database)}.{quote(table.name)}"


def relational_ddl(table: Table, constraints: Iterable[str]) -> str:
    """The table as DuckDB keeps it. Defaults are ours: every row that arrives is complete."""
    parts = [
        f"{quote(c.name)} {column_type(c)}{'' if c.nullable else ' NOT NULL'}"
        for c in table.columns
    ]
    in_key = (c for c in table.columns if c.name in table.primary_key)
    if table.primary_key and all(map(has_own_keys, in_key)):
        parts.append(f"PRIMARY KEY ({', '.join(quote(n) for n in table.primary_key)})")
    parts += constraints
    kind = "TEMPORARY TABLE" if table.temporary else "TABLE"
    return f"CREATE {kind} {quoted(table)} ({', '.join(parts)})"
