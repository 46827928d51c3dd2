"""Which columns hold times on a wall, and how many digits of a second a bare type has.

A time on a wall is what some clock showed, in every session's zone the same. In ordinary tables
that is PostgreSQL's `timestamp` and the DATETIME of the other wires; MySQL's TIMESTAMP is a
moment, and so is every timestamp of a time-series table. Without digits MySQL's have whole seconds.
MySQL's TIME of an ordinary table is a span of up to 838 hours either way; all others are times of
day.
Called where definitions of columns are read. It looks at types alone, never at values.
https://www.postgresql.org/docs/15/datatype-datetime.html
https://dev.mysql.com/doc/refman/8.4/en/datetime.html
"""

from __future__ import annotations

from sqlglot import exp

from engine.datatypes import SPAN, TIMESTAMP_SECOND, DataType
from sql import types
from sql.session import Wire

_MARK = "wall"  # in a type node's meta
_WHOLE = "whole_seconds"  # the same
_SPANNING = "span"  # the same
_PLAIN = (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ)
_MYSQL = (*_PLAIN, exp.DType.DATETIME)


def mark_wall_times(tree: exp.Expr, wire: Wire) -> None:
    """Notes in a definition's types which wire they were written on; changes the tree."""
    if wire is Wire.HTTP:
        return
    marked, mark = (_PLAIN, _MARK) if wire is Wire.POSTGRES else (_MYSQL, _WHOLE)
    for node in tree.find_all(exp.DataType):
        if node.is_type(*marked) and (mark == _MARK or not node.expressions):
            node.meta[mark] = True
        if wire is Wire.MYSQL and node.is_type(exp.DType.TIME):
            node.meta[_SPANNING] = True


def column_type(kind: exp.Expr, *, time_series: bool) -> DataType:
    """The type of a column that is declared so. Raises: DbError as `types.from_sql`."""
    found = types.from_sql(kind, time_series=time_series)
    if kind.meta.get(_SPANNING) and not time_series:
        return SPAN
    if time_series or not found.innermost.is_timestamp:
        return found
    inner = kind
    while isinstance(inner, exp.DataType) and inner.is_type(exp.DType.ARRAY) and inner.expressions:
        inner = inner.expressions[0]
    if inner.meta.get(_WHOLE):
        found = TIMESTAMP_SECOND
    is_wall = inner.meta.get(_MARK) or inner.is_type(exp.DType.DATETIME)
    return found.on_wall if is_wall else found
