"""Types of placeholders that are arguments of a function, from what the function is said to take.

Called by plan.py before calls are rewritten: afterwards nobody can tell what the client called, or
what was cast for an argument that is not looked at.
Only numbers and booleans are told; other placeholders are typed by parameters.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from sqlglot import exp

from engine import datatypes
from engine.datatypes import DataType
from sql.functions.index import of_wire
from sql.plan.parameters import parameter_number
from sql.session import Wire

_TYPES: Mapping[str, DataType] = {
    "smallint": datatypes.INT32,
    "integer": datatypes.INT32,
    "bigint": datatypes.INT64,
    "double precision": datatypes.FLOAT64,
    "boolean": datatypes.BOOLEAN,
}
_CASTS = {
    exp.DType.SMALLINT: datatypes.INT16,
    exp.DType.INT: datatypes.INT32,
    exp.DType.BIGINT: datatypes.INT64,
    exp.DType.DOUBLE: datatypes.FLOAT64,
    exp.DType.BOOLEAN: datatypes.BOOLEAN,
}
_SERIES = (exp.GenerateSeries, exp.ExplodingGenerateSeries)


def argument_types(tree: exp.Expr, wire: Wire, count: int) -> tuple[DataType | None, ...]:
    """A type for each of the first `count` placeholders, None where no call tells it.

    >>> from sqlglot import parse_one
    >>> tree = parse_one("SELECT pg_sleep($1), lower($2)", dialect="postgres")
    >>> [found and found.id.name for found in argument_types(tree, Wire.POSTGRES, 2)]
    ['FLOAT64', None]
    """
    found: list[DataType | None] = [None] * count
    if not count:
        return ()
    for node in tree.find_all(exp.Parameter):
        number = parameter_number(node)
        if number is not None and 0 < number <= count and found[number - 1] is None:
            found[number - 1] = _argument(node, wire)
    return tuple(found)


def _argument(node: exp.Parameter, wire: Wire) -> DataType | None:
    call = node.parent
    if isinstance(call, exp.Cast):  # `$1::boolean` of a call that has no use for it
        return _CASTS.get(call.to.this)
    if isinstance(call, _SERIES):
        return _in_series(call)
    if not isinstance(call, exp.Anonymous):
        return None
    kinds = _taken(call.name.lower(), wire)
    return kinds[node.index] if node.index is not None and node.index < len(kinds) else None


@cache
def _taken(name: str, wire: Wire) -> tuple[DataType | None, ...]:
    entry = of_wire(wire).get(name)
    return tuple(_TYPES.get(kind) for _, kind in entry.arguments) if entry is not None else ()


def _in_series(call: exp.Expr) -> DataType | None:
    """generate_series counts in whole numbers, unless an end is a moment."""
    ends = [call.args.get(name) for name in ("start", "end")]
    others = [end for end in ends if end is not None and not isinstance(end, exp.Parameter)]
    if any(not isinstance(end, exp.Literal | exp.Neg) or end.is_string for end in others):
        return None
    step = call.args.get("step")
    return datatypes.INT32 if step is None or isinstance(step, exp.Literal | exp.Neg) else None
