"""INSERT whose values may be adjusted: MySQL's IGNORE, and sessions without strict mode.

Called by insert.py, which otherwise refuses what a column cannot take. What is done to single
values is said in sql/decode/adjusted.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.records import Column
from engine.errors import DbError
from sql.decode.adjusted import Adjuster
from sql.decode.lengths import fitted
from sql.decode.values import LiteralRows, to_table
from sql.session import Wire

if TYPE_CHECKING:
    from sql.client_session import ClientSession


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
