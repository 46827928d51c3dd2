"""INSERT whose values may be adjusted: MySQL's IGNORE, and sessions without strict mode.

Called by insert.py, which otherwise refuses what a column cannot take. What is done to single
values is said in sql/decode/adjusted.py.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from catalog.records import Column, Table
from engine.datatypes import TypeId
from engine.errors import DbError
from sql.decode.adjusted import WARNINGS_MAX, Adjuster
from sql.decode.assign import assign
from sql.decode.lengths import fitted
from sql.decode.values import LiteralRows, to_table
from sql.foreign import lookup, violations
from sql.foreign.keys import is_checked, keys_of
from sql.mysql_errors import as_notice
from sql.results import Notice, Severity
from sql.session import Wire
from sql.statements.implicit import implicit_default

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_ENUM = re.compile(r"enum\('((?:[^']|'')*)'", re.IGNORECASE)
_ROW = "__row"  # the number of a row among those given


def is_strict(session: ClientSession) -> bool:
    """False if the session, one of MySQL's, has values adjusted to what a column can take."""
    mode = session.settings.get("sql_mode").upper() if session.wire is Wire.MYSQL else "STRICT_"
    return "STRICT_" in mode or "TRADITIONAL" in mode


def adjusts(session: ClientSession, tree: exp.Insert) -> bool:
    """True if the statement has its values adjusted."""
    return session.wire is Wire.MYSQL and (bool(tree.args.get("ignore")) or not is_strict(session))


def fitting(
    session: ClientSession, rows: LiteralRows, columns: tuple[Column, ...]
) -> pa.Table | None:
    """The literals as columns; None if one has to be adjusted first. Raises: DbError if strict."""
    if is_strict(session):
        return to_table(rows, columns, session.timezone)
    try:
        data = to_table(rows, columns, session.timezone)
        for column in columns:
            fitted(column, data.column(column.name))
    except DbError:
        return None
    return data


def adjusted(session: ClientSession, found: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """As `parts.assigned`; the session's client is warned of what was adjusted. Raises: DbError."""
    adjuster = Adjuster(session.timezone)
    made = adjuster.table(found, columns)
    for warning in adjuster.warnings:
        session.notice(warning)
    return made


def with_implicit(
    session: ClientSession, table: Table, columns: tuple[Column, ...], data: pa.Table
) -> tuple[tuple[Column, ...], pa.Table]:
    """With what MySQL gives a NOT NULL column without DEFAULT that the statement leaves out.

    An ENUM's is its first word; others have one in sessions without strict mode only, with a
    warning. Source: MySQL 8.4 reference, "Data Type Default Values".
    """
    if session.wire is not Wire.MYSQL or table.is_time_series or len(columns) == len(table.columns):
        return columns, data
    named = {column.name for column in columns}
    for column in table.columns:
        if column.name in named or column.nullable or column.generated or column.default:
            continue
        value = _first_word(column)
        if value is None and not is_strict(session):
            value = implicit_default(column.type)
            message = f"Field '{column.name}' doesn't have a default value"
            session.notice(Notice(message, Severity.WARNING, "HY000", 1364))
        if value is not None:
            columns = (*columns, column)
            made = assign(pa.repeat(value, data.num_rows), column, session.timezone)
            data = data.append_column(column.name, made)
    return columns, data


def _first_word(column: Column) -> pa.Scalar | None:
    """The first word of MySQL's ENUM, None for other types."""
    found = _ENUM.match(column.declared)
    return None if found is None else pa.scalar(found[1].replace("''", "'"))


def with_parents(session: ClientSession, table: Table, rows: pa.Table) -> pa.Table:
    """The rows that break no foreign key; of each other row the client is warned.

    Keys of a table to itself are left to the statement's end: its own rows may be the parents.
    """
    for key in keys_of(session, table) if is_checked(session) else ():
        mine = lookup.named(rows, key.columns)
        keys = lookup.distinct(session, mine, table, key.columns)
        if key.parent.id == table.id or keys.rows is None or not keys.rows.num_rows:
            continue
        missing = lookup.not_in_parent(session, key, keys)
        if missing is None or missing.rows is None:
            continue
        numbered = mine.append_column(_ROW, pa.array(np.arange(rows.num_rows)))
        gone = numbered.join(
            missing.rows.cast(mine.schema), mine.column_names, join_type="left semi"
        ).column(_ROW)
        notice = as_notice(violations.missing(key, (), session.wire))
        for _ in range(min(len(gone), WARNINGS_MAX)):
            session.notice(replace(notice, severity=Severity.WARNING))
        rows = rows.filter(pc.invert(pc.is_in(numbered.column(_ROW), gone.combine_chunks())))
    return rows


def alike(source: exp.Expr) -> exp.Expr:
    """VALUES in which a column's numbers are text wherever the column has text too.

    >>> from sqlglot import parse_one
    >>> alike(parse_one("VALUES (1, -2), (3, 'x')")).sql()
    "VALUES (1, '-2'), (3, 'x')"
    """
    rows = source.expressions if isinstance(source, exp.Values) else []
    for cells in zip(
        *(row.expressions for row in rows if isinstance(row, exp.Tuple)), strict=False
    ):
        for cell in cells if any(cell.is_string for cell in cells) else ():
            if cell.is_number:
                cell.replace(exp.Literal.string(cell.sql()))
    return source


def in_one_kind(source: exp.Expr, columns: Sequence[Column]) -> exp.Expr:
    """VALUES of several rows in which columns of text or bytes get nothing else; changes it.

    MySQL converts cell by cell, while DuckDB wants one type for all cells of a column. NULL and
    parameters have no type to disagree in.
    """
    rows = [row.expressions for row in source.expressions if isinstance(row, exp.Tuple)]
    if not isinstance(source, exp.Values) or len(rows) < 2:
        return source
    for column, *cells in zip(columns, *rows, strict=True):
        to = _ONE_KIND.get(column.type.id)
        plain = all(cell.is_string or isinstance(cell, exp.Null) for cell in cells)
        if to is None or plain or column.declared.lower().startswith(_NUMBERED):
            continue
        for cell in cells:
            if not isinstance(cell, exp.Null | exp.Parameter):
                literal = exp.Literal.string(cell.sql()) if cell.is_number else cell.copy()
                cell.replace(exp.cast(literal, to, copy=False))
    return source


_NUMBERED = ("enum", "set", "bit")  # declared types in which numbers have a meaning
_ONE_KIND = {TypeId.STRING: exp.DType.CHAR, TypeId.BINARY: exp.DType.BINARY}
