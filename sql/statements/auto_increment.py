"""AUTO_INCREMENT as MySQL's sessions know it: NULL and 0 ask for a number, given ones move it on.

Called by INSERT before rows are completed. Other wires take the column's default as any other.
Source: MySQL 8.4 reference, "Using AUTO_INCREMENT".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.records import Column, Table
from sql.decode.assign import assign
from sql.sequences import in_store
from sql.session import Wire
from sql.statements.target import SEQUENCE, default_values

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_LAST = """SELECT coalesce(last_value, start_value - 1) FROM duckdb_sequences()
 WHERE format('"{}"."{}"', schema_name, sequence_name) = ?
 OR format('"{}"', sequence_name) = ?"""
_ZERO_MODE = "NO_AUTO_VALUE_ON_ZERO"  # dumps set it: then 0 is a number like others


def numbered(
    session: ClientSession, table: Table, columns: tuple[Column, ...], data: pa.Table
) -> tuple[tuple[Column, ...], pa.Table]:
    """The columns and their rows, where rows that ask for a number have one.

    The session's tally learns the first of them. Raises: DbError.
    """
    column = numbering_column(table)
    if session.wire is not Wire.MYSQL or column is None or not data.num_rows:
        return columns, data
    if column not in columns:
        values = _fresh(session, column, data.num_rows)
        session.tally.numbered(values[0].as_py(), generated=True)
        return (*columns, column), data.append_column(column.name, values)
    at = columns.index(column)
    given = pa.chunked_array(data.column(at)).combine_chunks()
    values = _filled(session, column, given)
    return columns, data.set_column(at, data.schema.field(at).name, values)


def numbering_column(table: Table) -> Column | None:
    """The column that numbers the rows of a relational table, if there is one."""
    if table.is_time_series:
        return None
    return next((c for c in table.columns if (c.default or "").startswith(SEQUENCE)), None)


def _filled(session: ClientSession, column: Column, given: pa.Array) -> pa.Array:
    """The given numbers, with new ones where they are asked for; the sequence goes on after all."""
    asked = pc.is_null(given)
    if _ZERO_MODE not in session.settings.get("sql_mode").upper():
        asked = pc.or_(asked, pc.fill_null(pc.equal(given, 0), False))
    count = pc.sum(asked).as_py() or 0
    if count < len(given):
        move_on(session, column, pc.max(given).as_py())
        if not count:
            session.tally.numbered(given[-1].as_py(), generated=False)
            return given
    fresh = _fresh(session, column, count)
    session.tally.numbered(fresh[0].as_py(), generated=True)
    return assign(pc.replace_with_mask(given, asked, fresh), column, session.timezone)


def _fresh(session: ClientSession, column: Column, count: int) -> pa.Array:
    """New numbers: those of the series that auto_increment_increment and _offset make.

    Numbers between are drawn, too, and left out, so that sessions with other series never meet.
    """
    step = int(session.settings.get("auto_increment_increment"))
    if step == 1:
        return default_values(session, column, count)
    first = int(session.settings.get("auto_increment_offset"))
    first = 0 if first > step else first % step  # as MySQL has it, a larger one does not count
    found = pa.array([], column.type.arrow)
    while len(found) < count:  # others may draw at the same time
        drawn = default_values(session, column, (count - len(found)) * step)
        mine = np.asarray(drawn.cast(pa.int64())) % step == first
        found = pa.concat_arrays([found, drawn.filter(pa.array(mine))])
    return found


def move_on(session: ClientSession, column: Column, used: int) -> None:
    """The column's next number is above `used`; one that is already is left alone."""
    assert column.default is not None
    sequence = in_store(session, column.default)[len(SEQUENCE) : -1].strip("'")
    session.duck.settle()
    (last,) = session.duck.execute(_LAST, (sequence, sequence))[0]
    if used > last:
        session.duck.execute("SELECT setval(?, ?)", (sequence, used))
