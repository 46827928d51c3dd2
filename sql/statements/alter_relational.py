"""What ALTER TABLE asks of DuckDB for a relational table; the record is the caller's business.

DuckDB checks what is there (NULLs, values that do not fit, keys) and its transaction undoes
everything with ours. Defaults are ours: DuckDB's table has none.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pyarrow as pa
from sqlglot import exp

from catalog.records import Column
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.collations import column_type
from sql.decode.lengths import length_max, too_long
from sql.dialect.parser import parse
from sql.plan.clocks import Clock, clock_of
from sql.plan.plan import plan_query
from sql.run.files import literal
from sql.sequences import in_store
from sql.session import Wire
from sql.settings import zone_of
from sql.statements.alteration import Alteration
from sql.statements.sequence import drop_sequence_of
from sql.statements.target import SEQUENCE, quoted
from sql.types import duckdb_name, quote

_VALUE = "__computed"


def add_column(change: Alteration, column: Column, value: pa.Scalar | None) -> None:
    """A new last column; rows that are there get `value`, or each a number of a sequence."""
    name, type_ = quote(column.name), column_type(column)
    # Neither way counts as an update of rows, which DuckDB refuses to build a key over.
    if value is not None:
        _run(
            change, f"ADD COLUMN {name} {type_} DEFAULT {literal(value, duckdb_name(column.type))}"
        )
        _run(change, f"ALTER COLUMN {name} DROP DEFAULT")
    else:
        _run(change, f"ADD COLUMN {name} {type_}")
    if column.default is not None and SEQUENCE in column.default:
        numbers = in_store(change.session, column.default)
        _run(change, f"ALTER COLUMN {name} TYPE {type_} USING {numbers}")
    if not column.nullable:
        _run(change, f"ALTER COLUMN {name} SET NOT NULL")


def compute(change: Alteration, column: Column) -> None:
    """A new generated column's values in rows that are there. Raises: DbError."""
    tree = parse(f'SELECT {column.generated} AS "{_VALUE}"', Wire.HTTP)[0].tree
    assert isinstance(tree, exp.Select)
    tree = tree.from_(exp.table_(change.table.name, change.table.database, quoted=True))
    # Planned as INSERT will compute it.
    planned = plan_query(tree, change.session.plan_context(column.generated)).sql
    value, _, rest = planned.removeprefix("SELECT ").rpartition(f' AS "{_VALUE}"')
    assert rest.lstrip().startswith("FROM"), planned
    type_ = column_type(column)
    _run(change, f"ALTER COLUMN {quote(column.name)} TYPE {type_} USING {value}")


def drop_column(change: Alteration, column: Column, rebuild: Callable[[], None]) -> None:
    """`rebuild` makes the table again, which DuckDB wants if a key has a column after this one.

    Raises: DbError DEPENDENT_OBJECTS for a column of a key or another constraint.
    """
    if column.name in change.table.primary_key:
        raise DbError(
            ErrorKind.DEPENDENT_OBJECTS,
            f'column "{column.name}" is in the primary key and cannot be dropped',
        )
    names = [c.name for c in change.table.columns]
    later = set(names[names.index(column.name) :])
    keys = (change.table.primary_key, *(one.columns for one in change.table.constraints))
    if any(later.intersection(key) and column.name not in key for key in keys):
        rebuild()
    else:
        _run(change, f"DROP COLUMN {quote(column.name)}")
    drop_sequence_of(change.session, change.table, column)


def set_type(change: Alteration, column: Column) -> None:
    """Gives the column of that name its new type. Raises: DbError if a value does not fit."""
    using = value_as(change, column)
    name = quote(column.name)
    how = "" if using == name else f" USING {using}"
    _run(change, f"ALTER COLUMN {name} TYPE {column_type(column)}{how}")


def value_as(change: Alteration, column: Column) -> str:
    """The stored column of that name as the new type, as DuckDB's SQL.

    A time on a wall becomes the moment at which the session's clock shows it, and the reverse.
    """
    name, old = quote(column.name), change.column(column.name).type
    kinds, zone = (clock_of(old), clock_of(column.type)), change.session.timezone
    if zone != "UTC" and kinds[0] is not kinds[1] and Clock.WALL in kinds and None not in kinds:
        name = _on_other_clock(name, zone, *kinds)
    if column.type.is_span and (old.id is TypeId.TIME or kinds[0] is not None):
        return f"to_microseconds(epoch_us(CAST({name} AS TIME)))"
    return name if old == column.type else f"CAST({name} AS {duckdb_name(column.type)})"


def _on_other_clock(name: str, zone: str, old: Clock | None, new: Clock | None) -> str:
    fixed = zone_of(zone).utcoffset(None)
    moment = f"timezone('UTC', {name})" if old is Clock.ZONED else name
    if fixed is not None:
        sign = "+" if new is Clock.WALL else "-"
        made = f"({moment} {sign} to_seconds({fixed // timedelta(seconds=1)}))"
    elif new is Clock.WALL:
        made = f"timezone('{zone}', timezone('UTC', {moment}))"
    else:
        made = f"timezone('UTC', timezone('{zone}', {name}))"
    return f"timezone('UTC', {made})" if new is Clock.ZONED else made


def check_length(change: Alteration, column: Column) -> None:
    """Raises: DbError TEXT_TOO_LONG if a stored value is longer than the type says."""
    limit = length_max(column)
    if limit is None:
        return
    sql = f"SELECT max(length({quote(column.name)})) FROM {quoted(change.table)}"
    longest = change.session.duck.table(sql, None, change.text).column(0)[0].as_py()
    if longest is not None and longest > limit:
        raise too_long(column, f"a stored value has {longest} characters")


def set_nullable(change: Alteration, column: Column, *, nullable: bool) -> None:
    """Raises: DbError NOT_NULL_VIOLATION."""
    verb = "DROP" if nullable else "SET"
    _run(change, f"ALTER COLUMN {quote(column.name)} {verb} NOT NULL")


def rename_column(change: Alteration, name: str, new: str) -> None:
    """Keys and constraints follow the column."""
    _run(change, f"RENAME COLUMN {quote(name)} TO {quote(new)}")


def rename_table(change: Alteration, database: str, name: str) -> None:
    """Raises: DbError UNSUPPORTED into another database, which DuckDB cannot do."""
    if database != change.table.database:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "a table without a time index cannot move to another database",
            hint=f"CREATE TABLE {database}.{name} AS SELECT … makes a copy there",
        )
    _run(change, f"RENAME TO {quote(name)}")


def _run(change: Alteration, action: str) -> None:
    sql = f"ALTER TABLE {quoted(change.table)} {action}"
    try:
        change.session.duck.execute(sql, None, change.text)
    except DbError as error:
        raise _precise(error) from error


def _precise(error: DbError) -> DbError:
    """DuckDB's words for what stands in the way of a change of definition."""
    if "depend" in error.message:
        return DbError(ErrorKind.DEPENDENT_OBJECTS, error.message, hint=error.hint)
    if "UNIQUE or PRIMARY KEY" in error.message or "FOREIGN KEY" in error.message:
        return DbError(ErrorKind.UNSUPPORTED, error.message, hint=error.hint)
    return error
