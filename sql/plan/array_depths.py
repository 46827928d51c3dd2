"""Arrays have one type in PostgreSQL, whatever their dimensions; in DuckDB each depth has its own.

Called by plan.py for casts and by statements/query.py when values have come.
https://www.postgresql.org/docs/15/arrays.html#ARRAYS-DECLARATION
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from engine import datatypes as dt
from engine.datatypes import DataType
from sql.plan.parameters import parameter_number


def deepened(types: Sequence[DataType], values: Sequence[object]) -> tuple[DataType, ...]:
    """The parameters' types, with lists as deep as the values are."""
    found = list(types)
    for place, (type_, value) in enumerate(zip(types, values, strict=False)):
        if type_.element is not None:
            missing = _depth(value) - _levels(type_)
            for _ in range(missing):
                type_ = dt.list_of(type_)
            found[place] = type_
    return tuple(found)


def _depth(value: object) -> int:
    depth = 0
    while isinstance(value, list):
        depth, value = depth + 1, next((item for item in value if item is not None), None)
    return depth


def _levels(type_: DataType) -> int:
    levels = 0
    while type_.element is not None:
        levels, type_ = levels + 1, type_.element
    return levels


def deepen_casts(tree: exp.Expr, types: Sequence[DataType]) -> None:
    """`ARRAY[[1, 2]]::int[]` casts to lists of lists, as `$1::int[]` does. Changes the tree."""
    for node in tree.find_all(exp.Cast):
        if type(node) is not exp.Cast or not node.to.is_type(exp.DType.ARRAY):
            continue
        number = parameter_number(node.this)
        depth = _levels(types[number - 1]) if number is not None else _written(node.this)
        inner: exp.Expr | None = node.to
        while isinstance(inner, exp.DataType) and inner.is_type(exp.DType.ARRAY):
            depth -= 1
            inner = inner.expressions[0] if inner.expressions else None
        for _ in range(depth):
            whole = exp.DataType(this=exp.DType.ARRAY, expressions=[node.to.copy()], nested=True)
            node.set("to", whole)


def _written(node: exp.Expr) -> int:
    depth = 0
    found: exp.Expr | None = node
    while isinstance(found, exp.Array):
        depth, found = depth + 1, next(iter(found.expressions), None)
    return depth
