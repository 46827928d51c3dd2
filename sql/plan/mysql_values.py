"""MySQL's operators over values of other kinds: text, times and truth values count as numbers.

`mysql_values` rewrites what is certain from a statement's text and its columns' types. What DuckDB
then still refuses is planned again by query.py with `loosely`: there every operand whose type is
not known goes through `gn_number`, which asks the type when the statement is bound. So plain
statements cost nothing. Source: MySQL 8.4 reference, "Type Conversion in Expression Evaluation".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlglot import exp

from engine import datatypes as dt
from engine.datatypes import DataType, TypeId
from sql.functions.expansion import expand
from sql.functions.rewrites.build import own

Infer = Callable[[exp.Expr], DataType | None]
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ)
_ASSIGNING = (exp.Update, exp.OnConflict)  # whose `a = b` is no comparison
_OF_NUMBERS = (exp.Abs, exp.Ceil, exp.Floor, exp.Round, exp.Sum, exp.Avg, exp.Sqrt, exp.Sign)
_NUMERIC = frozenset({"ceil", "ceiling", "floor", "abs", "round", "sign", "truncate", "avg", "sum"})
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_TRUNCATED, _IS_CUT = "truncated", "cut"  # in the meta of a text that became a number
_NARROW = (dt.INT8, dt.INT16, dt.INT32, dt.UINT8, dt.UINT16, dt.UINT32)
_NUMBERED = (TypeId.STRING, TypeId.JSON, TypeId.BOOLEAN)  # what counts as the number it tells
_WHOLE_TEXT = re.compile(r"[+-]?\d+(\.\d*)?\s*")


def mysql_values(tree: exp.Expr, infer: Infer, *, loosely: bool) -> exp.Expr:
    """Rewrites the operators of a statement in place; `infer` tells the types that are certain."""
    for node in list(tree.find_all(*_ARITHMETIC, *_COMPARISONS))[::-1]:
        if node.arg_key == "expressions" and isinstance(node.parent, _ASSIGNING):
            continue
        if isinstance(node, _COMPARISONS):
            _compare(node, infer, loosely)
        elif not isinstance(node.left, exp.Interval) and not isinstance(node.right, exp.Interval):
            _calculate(node, infer, loosely)
    for like in tree.find_all(exp.Like):
        kind = infer(like.this)
        if kind is not None and kind.is_numeric:
            like.set("this", exp.cast(like.this.copy(), exp.DType.TEXT))
    if loosely:
        for call in list(tree.find_all(*_OF_NUMBERS, exp.Anonymous)):
            _take_numbers(call, infer)
    return tree


def _take_numbers(call: exp.Expr, infer: Infer) -> None:
    """The first argument of a function of numbers."""
    if isinstance(call, exp.Anonymous):
        first = call.expressions[0] if call.expressions else None
        if call.name.lower() not in _NUMERIC or first is None:
            return
    else:
        first = call.this
    if isinstance(first, exp.Expr) and not _is_number(first, infer):
        first.replace(_number(first))


def loose_casts(tree: exp.Expr) -> exp.Expr:
    """MySQL's own casts that DuckDB refused: AS SIGNED takes a text's beginning, AS DATE numbers.

    Casts to other types are not MySQL's, and text that is no time stays an error in all.
    """
    for node in list(tree.find_all(exp.Cast))[::-1]:
        if node.to.is_type(exp.DType.BIGINT, exp.DType.UBIGINT):
            number = _number(node.this)
            number.meta[_IS_CUT] = True
            node.set("this", expand("cut", ("(x) AS trunc(x)",), [number]))
        elif node.to.is_type(exp.DType.DATE, exp.DType.DATETIME) and node.this.is_number:
            node.set("this", own("any_moment", node.this))
    return tree


def _calculate(node: Any, infer: Infer, loosely: bool) -> None:
    for side in ("this", "expression"):
        operand = node.args[side]
        type_ = infer(operand)
        numbered = type_ is not None and (type_.id in _NUMBERED or type_.is_span)
        numbered = numbered or isinstance(operand, exp.Boolean)
        if numbered or (loosely and not _is_number(operand, infer)):
            node.set(side, _number(operand))
    if isinstance(node, exp.IntDiv | exp.Mod):
        _divide(node, infer)
    elif not isinstance(node, exp.Div):
        _widen(node, infer)


def _widen(node: Any, infer: Infer) -> None:
    """Whole numbers are added and multiplied in 64 bits, whatever their columns hold."""
    types = {side: infer(node.args[side]) for side in ("this", "expression")}
    narrow = [side for side, type_ in types.items() if type_ in _NARROW]
    if narrow and all(type_ in _NARROW or type_ == dt.INT64 for type_ in types.values()):
        node.set(narrow[0], exp.cast(node.args[narrow[0]].copy(), exp.DType.BIGINT))


def _divide(node: Any, infer: Infer) -> None:
    """By zero: NULL. DIV gives a whole number of any numbers."""
    divisor = node.expression
    whole = all(_is_whole(infer(side)) for side in (node.this, divisor))
    if not isinstance(divisor, exp.Literal) or not divisor.name.strip("0."):
        zero = exp.Literal.number(0)
        node.set("expression", exp.Nullif(this=divisor.copy(), expression=zero))
    if isinstance(node, exp.IntDiv) and not whole:
        made = "(a, b) AS CAST(trunc(a / b) AS BIGINT)"
        node.replace(expand("div", (made,), [node.this, node.expression]))


def _is_whole(type_: DataType | None) -> bool:
    return type_ is None or type_.is_integer


def _compare(node: Any, infer: Infer, loosely: bool) -> None:
    """Text beside a number is a number; in an unknown pair, only where DuckDB gave up."""
    for side, other in (("this", "expression"), ("expression", "this")):
        mine, theirs = node.args[side], node.args[other]
        if not _is_number(theirs, infer):
            continue
        if mine.is_string:
            if loosely or not _WHOLE_TEXT.fullmatch(mine.name):
                node.set(side, _literal(mine.name))
        elif _is_text(mine, infer) or (loosely and not _is_number(mine, infer)):
            node.set(side, _number(mine))
    if loosely and any(node.args[side].is_string for side in ("this", "expression")):
        for side in ("this", "expression"):
            if not node.args[side].is_string and infer(node.args[side]) is None:
                node.set(side, own("plain_text", node.args[side]))


def _is_text(node: exp.Expr, infer: Infer) -> bool:
    type_ = infer(node)
    return isinstance(node, exp.Column) and type_ is not None and type_.id is TypeId.STRING


def _is_number(node: exp.Expr, infer: Infer) -> bool:
    if isinstance(node, exp.Literal | exp.Neg | exp.Paren):
        return not node.is_string if isinstance(node, exp.Literal) else _is_number(node.this, infer)
    type_ = infer(node)
    return type_ is not None and type_.is_numeric


def _number(operand: exp.Expr) -> exp.Expr:
    """The operand as a number, as far as it begins with one."""
    if operand.is_string:
        return _literal(operand.name)
    if isinstance(operand, exp.Boolean):
        return exp.Literal.number(int(bool(operand.this)))
    if isinstance(operand, exp.HexString | exp.BitString):
        return exp.Literal.number(int(operand.name or "0", 16 if _is_hex(operand) else 2))
    if isinstance(operand, exp.Null | exp.Interval):
        return operand.copy()
    return own("number", operand)


def _is_hex(node: exp.Expr) -> bool:
    return isinstance(node, exp.HexString)


def _literal(text: str) -> exp.Expr:
    """A string's number, a double as in MySQL.

    >>> _literal("3 apples").sql("duckdb")
    'CAST(3.0 AS DOUBLE)'
    """
    found = _NUMBER.match(text)
    value = repr(float(found[1])) if found is not None else "0"
    number = exp.Literal.number(value.lstrip("-"))
    signed = exp.Neg(this=number) if value.startswith("-") else number
    made = exp.cast(signed, exp.DType.DOUBLE)
    if found is None or found.end() < len(text.rstrip()):
        made.meta[_TRUNCATED] = text
    return made


def truncations(tree: exp.Expr) -> tuple[str, ...]:
    """What MySQL warns of when a query begins: constant texts that are no numbers to their end."""
    told = []
    for node in tree.find_all(exp.Cast):
        if _TRUNCATED in node.meta:
            kind = "INTEGER" if _IS_CUT in node.meta else "DOUBLE"
            told.append(f"Truncated incorrect {kind} value: '{node.meta[_TRUNCATED]}'")
    return tuple(told)
