"""VALUES of parameters and plain literals as columns, without asking DuckDB what they are.

Called by insert.py for prepared INSERTs: a query of one row takes DuckDB longer than storing it.
Only values that are of their column's own kind are read here; all others, and whatever is wrong,
are left to the query, which converts or refuses them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from sqlglot import exp

from catalog.records import Column
from engine.datatypes import DataType, TypeId
from sql.plan.parameters import parameter_number

ROWS_MAX = 64  # more are worth a query
# Declared types whose values are more than their kind.
_SPECIAL = ("enum", "set", "bit", "varbit", "year")
_UNKNOWN = object()
_MOMENT = pa.timestamp("us")
_NOW = pa.timestamp("us", "UTC")


def values_at_hand(
    source: exp.Expr | None,
    columns: Sequence[Column],
    parameters: Sequence[object],
    now_ms: int | None = None,
) -> pa.Table | None:
    """The rows of VALUES, of the columns' types or as finely as times were given.

    `parameters` are bound: moments are in UTC. `now_ms` is what now() means, None if not just
    that. None for what has to be asked as a query.
    """
    if not isinstance(source, exp.Values) or len(source.expressions) > ROWS_MAX:
        return None
    rows = [row.expressions for row in source.expressions if isinstance(row, exp.Tuple)]
    if len(rows) < len(source.expressions) or any(len(row) != len(columns) for row in rows):
        return None
    arrays = []
    for column, *nodes in zip(columns, *rows, strict=True):
        if now_ms is not None and all(map(_is_now, nodes)) and _takes_now(column):
            moment = datetime.fromtimestamp(now_ms / 1000, UTC)
            arrays.append(pa.array([moment] * len(nodes), _NOW))
            continue
        kind = _kind(column)
        values = [_value(node, parameters) for node in nodes]
        if kind is None or not all(value is None or kind[1](value) for value in values):
            return None
        arrays.append(pa.array(values, kind[0]))
    return pa.table(arrays, names=[column.name for column in columns])


def _value(node: exp.Expr, parameters: Sequence[object]) -> object:
    """What a parameter or a literal is."""
    number = parameter_number(node)
    if number is not None:
        return parameters[number - 1] if number <= len(parameters) else _UNKNOWN
    if isinstance(node, exp.Null):
        return None
    if type(node) is exp.Neg and type(node.this) is exp.Literal and not node.this.is_string:
        value = _value(node.this, parameters)
        return -value if type(value) is int else _UNKNOWN
    if type(node) is not exp.Literal:
        return _UNKNOWN
    if node.is_string:
        return str(node.name)
    return int(node.name) if node.name.isdigit() and len(node.name) < 19 else _UNKNOWN


def _is_now(node: exp.Expr) -> bool:
    """True for now() and CURRENT_TIMESTAMP without digits."""
    return type(node) is exp.CurrentTimestamp and not any(node.args.values())


def _takes_now(column: Column) -> bool:
    """True for moments and times on a wall that are finer than a second."""
    type_ = column.type
    fine = type_.is_timestamp and type_.unit in ("ms", "us")
    return fine and type_.named is None and not column.declared.lower().startswith(_SPECIAL)


def _kind(column: Column) -> tuple[pa.DataType, Callable[[object], bool]] | None:
    """The type that values of the column's own kind are read as, and which values those are."""
    type_ = column.type
    if column.declared.lower().startswith(_SPECIAL) or type_.named is not None:
        return None
    if type_.is_integer:
        return type_.arrow, _whole(type_)
    if type_.is_timestamp and type_.unit != "ns" and not type_.wall:
        return _MOMENT, lambda value: type(value) is datetime and value.tzinfo is None
    exact = {TypeId.STRING: str, TypeId.FLOAT64: float, TypeId.BOOLEAN: bool}.get(type_.id)
    return None if exact is None else (type_.arrow, lambda value: type(value) is exact)


def _whole(type_: DataType) -> Callable[[object], bool]:
    limits = np.iinfo(type_.arrow.to_pandas_dtype())
    low, high = int(limits.min), int(limits.max)
    return lambda value: type(value) is int and low <= value <= high
