"""MySQL's TIME in expressions: what stands beside a span becomes one, and spans become numbers.

Called by plan.py once types are known. DuckDB sees spans as intervals (sql/decode/spans.py).
Source: MySQL 8.4 reference, "The TIME Type", "Type Conversion in Expression Evaluation".
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from engine.datatypes import DataType, TypeId
from sql.decode.spans import from_text
from sql.functions.registry import PREFIX
from sql.functions.rewrites.build import number, own
from sql.functions.rewrites.mysql import clock

Infer = Callable[[exp.Expr], DataType | None]
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ)
_CHOICES = (exp.Coalesce, exp.Greatest, exp.Least)
_NUMBERS = (exp.DType.BIGINT, exp.DType.UBIGINT, exp.DType.DECIMAL, exp.DType.DOUBLE)
_AS_MOMENT = f"{PREFIX}as_moment"  # what a function of times has made of its argument
_ASSIGNING = (exp.Update, exp.OnConflict)  # whose `a = b` is no comparison


def mysql_spans(tree: exp.Expr, infer: Infer) -> exp.Expr:
    """Rewrites a statement in place and returns it; `infer` tells the types that are certain."""
    for node in list(tree.find_all(*_COMPARISONS, exp.Between, exp.In, *_CHOICES)):
        if not (node.arg_key == "expressions" and isinstance(node.parent, _ASSIGNING)):
            _beside(_operands(node), infer)
    for like in tree.find_all(exp.Like):
        if _is_span(like.this, infer):
            like.set("this", exp.cast(like.this.copy(), exp.DType.TEXT))
    for moved in list(tree.find_all(exp.Anonymous)):
        if moved.name == _AS_MOMENT and _is_span(moved.expressions[0], infer):
            moved.replace(moved.expressions[0].copy())
    for minus in list(tree.find_all(exp.Neg)):
        if _is_span(minus.this, infer):
            minus.set("this", own("number", minus.this))
    for cast in list(tree.find_all(exp.Cast))[::-1]:
        if _is_span(cast.this, infer):
            _cast(cast)
    return tree


def _operands(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Between):
        return [node.this, node.args["low"], node.args["high"]]
    if isinstance(node, exp.Binary):
        return [node.left, node.right]
    return [node.this, *node.expressions]


def _beside(operands: list[exp.Expr], infer: Infer) -> None:
    """Where one is a span, the others become spans, too; parameters get their type elsewhere."""
    spans = [_is_span(one, infer) for one in operands]
    if not any(spans):
        return
    for operand, is_span in zip(operands, spans, strict=True):
        if is_span or isinstance(operand, exp.Parameter | exp.Null | exp.Interval | exp.Query):
            continue
        type_ = infer(operand)
        if type_ is None or type_.id is not TypeId.INTERVAL:
            operand.replace(span_of(operand))


def span_of(operand: exp.Expr) -> exp.Expr:
    """Any value as a span, NULL of what is none."""
    if not isinstance(operand.unnest(), exp.Literal):
        return clock(own("clock_us", operand))
    micros = from_text(operand.unnest().name)
    return clock(exp.cast(exp.null() if micros is None else number(micros), exp.DType.BIGINT))


def _cast(cast: exp.Cast) -> None:
    """As TIME it stays what it is; as a number its digits count; a date is today's."""
    if cast.to.is_type(exp.DType.TIME):
        cast.replace(cast.this.copy())
    elif cast.to.is_type(*_NUMBERS):
        cast.set("this", own("number", cast.this))
    elif cast.to.is_type(exp.DType.DATE, exp.DType.DATETIME):
        cast.set("this", own("any_moment", cast.this))


def _is_span(node: exp.Expr, infer: Infer) -> bool:
    type_ = infer(node)
    return type_ is not None and type_.is_span
