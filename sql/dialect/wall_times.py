"""Which columns hold times on a wall: what some clock showed, in every session's zone the same.

In ordinary tables that is PostgreSQL's `timestamp` and the DATETIME of the other wires; MySQL's
TIMESTAMP is a moment, and so is every timestamp of a time-series table. Called where definitions
of columns are read. It looks at types alone, never at values.
https://www.postgresql.org/docs/15/datatype-datetime.html
https://dev.mysql.com/doc/refman/8.4/en/datetime.html
"""

from __future__ import annotations

from sqlglot import exp

from engine.datatypes import DataType
from sql import types
from sql.session import Wire

_MARK = "wall"  # in a type node's meta
_PLAIN = (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ)


def mark_wall_times(tree: exp.Expr, wire: Wire) -> None:
    """Notes in a definition's types which wire they were written on; changes the tree."""
    if wire is Wire.POSTGRES:
        for node in tree.find_all(exp.DataType):
            if node.is_type(*_PLAIN):
                node.meta[_MARK] = True


def column_type(kind: exp.Expr, *, time_series: bool) -> DataType:
    """The type of a column that is declared so. Raises: DbError as `types.from_sql`."""
    found = types.from_sql(kind, time_series=time_series)
    if time_series or not found.innermost.is_timestamp:
        return found
    inner = kind
    while isinstance(inner, exp.DataType) and inner.is_type(exp.DType.ARRAY) and inner.expressions:
        inner = inner.expressions[0]
    is_wall = inner.meta.get(_MARK) or inner.is_type(exp.DType.DATETIME)
    return found.on_wall if is_wall else found
