"""Times of day and intervals in what DuckDB does not compute of them: `time - time`, their sum.

Called by sql/plan/plan.py for every wire but MySQL's, once types are known: PostgreSQL's
differences of times are intervals, date_trunc() of a time is one too, and either is cast to the
other.
https://www.postgresql.org/docs/15/functions-datetime.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlglot import exp

from engine.datatypes import DataType, TypeId
from sql.dialect.pieces import composed, rewritten

Infer = Callable[[exp.Expr], DataType | None]

_SINCE_MIDNIGHT = "((DATE '1970-01-01' + {x}) - TIMESTAMP '1970-01-01')"
_ON_CLOCK = "CAST(DATE '1970-01-01' + {x} AS TIME)"
_KIND = "clock_value"  # in a node's meta: what a rewritten call gives
# Months, days and the rest are kept apart: a month has no fixed number of days.
_SUM = (
    "(to_months(CAST(sum(date_part('year', {x}) * 12 + date_part('month', {x})) AS INTEGER))"
    " + to_days(CAST(sum(date_part('day', {x})) AS INTEGER))"
    " + to_microseconds(CAST(sum(date_part('hour', {x}) * 3600000000"
    " + date_part('minute', {x}) * 60000000 + date_part('microsecond', {x})) AS BIGINT)))"
)


def clock_values(tree: exp.Expr, infer: Infer) -> exp.Expr:
    """Rewrites in place and returns the tree, or what replaces it."""
    kinds = (exp.Sub, exp.TimestampTrunc, exp.Cast, exp.Sum)
    return rewritten(tree, kinds, partial(_made, infer=infer))


def _made(node: exp.Expr, infer: Infer) -> exp.Expr | None:
    if isinstance(node, exp.Sub):
        if _is(infer(node.left), TypeId.TIME) and _is(infer(node.right), TypeId.TIME):
            less = f"({_SINCE_MIDNIGHT} - {_SINCE_MIDNIGHT.replace('{x}', '{y}')})"
            return composed(less, x=node.left, y=node.right)
        return None
    if isinstance(node, exp.Cast):
        return _cast(node, infer)
    held = infer(node.this)
    if isinstance(node, exp.Sum):
        alone = not isinstance(node.parent, exp.Filter | exp.Window)
        return composed(_SUM, x=node.this) if alone and _is(held, TypeId.INTERVAL) else None
    if _is(held, TypeId.TIME):
        made = node.copy()
        made.set("this", composed(_SINCE_MIDNIGHT, x=node.this))
        made.meta[_KIND] = "interval"
        return made
    return None


def _cast(node: exp.Cast, infer: Infer) -> exp.Expr | None:
    if not node.to.is_type(exp.DType.TIME, exp.DType.INTERVAL):
        return None
    held = infer(node.this)
    if node.to.is_type(exp.DType.INTERVAL):
        return composed(_SINCE_MIDNIGHT, x=node.this) if _is(held, TypeId.TIME) else None
    cut = node.this.meta.get(_KIND) == "interval"
    return composed(_ON_CLOCK, x=node.this) if cut or _is(held, TypeId.INTERVAL) else None


def _is(type_: DataType | None, id_: TypeId) -> bool:
    return type_ is not None and type_.id is id_
