"""`x::numeric` without a precision keeps the digits that a literal or a parameter has.

A column of that type has 38 digits, 10 of them after the point; a value by itself need not be cut
or filled up to that. Called by plan.py for PostgreSQL's clients once parameters have their types.
https://www.postgresql.org/docs/current/datatype-numeric.html
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from engine.datatypes import DataType, TypeId
from sql.plan.array_depths import deepen_casts
from sql.plan.parameters import cast_outputs, parameter_number
from sql.session import Wire

_DIGITS_MAX = 38


def cast_values(
    tree: exp.Expr,
    types: Sequence[DataType],
    declared: Sequence[DataType | None],
    wire: Wire,
    parameters: Sequence[DataType],
) -> exp.Expr:
    """Casts around parameters and literals as they shall be.

    `types`: of outputs, if they count; `parameters`: of all parameters.
    """
    if wire is Wire.POSTGRES:
        tree = bare_numeric(tree, declared)
        deepen_casts(tree, parameters)
    if types:
        cast_outputs(tree, types)
    return tree


def bare_numeric(tree: exp.Expr, declared: Sequence[DataType | None]) -> exp.Expr:
    """Changes the tree; gives it back.

    >>> from sqlglot import parse_one
    >>> tree = parse_one("SELECT '0.001'::numeric, $1::numeric", dialect="postgres")
    >>> bare_numeric(tree, ()).sql("postgres")
    "SELECT CAST('0.001' AS DECIMAL(38, 3)), $1"
    """
    for node in list(tree.find_all(exp.Cast)):
        kind = node.to
        if type(node) is not exp.Cast or not kind.is_type(exp.DType.DECIMAL) or kind.expressions:
            continue
        number = parameter_number(node.this)
        if number is not None:
            told = declared[number - 1] if number <= len(declared) else None
            if told is None or told.id is TypeId.DECIMAL:
                node.replace(node.this)
            continue
        scale = _scale(node.this)
        if scale is not None:
            sizes = [
                exp.DataTypeParam(this=exp.Literal.number(size)) for size in (_DIGITS_MAX, scale)
            ]
            node.set("to", exp.DataType(this=exp.DType.DECIMAL, expressions=sizes))
    return tree


def _scale(node: exp.Expr) -> int | None:
    """How many digits a literal has after its point; None for what is no finite number of ours."""
    literal = node.this if isinstance(node, exp.Neg) else node
    if not isinstance(literal, exp.Literal):
        return None
    try:
        digits, exponent = Decimal(literal.name.strip()).as_tuple()[1:]
    except InvalidOperation:
        return None
    if not isinstance(exponent, int):
        return None
    scale = max(-exponent, 0)
    whole = max(len(digits) + exponent, 0)
    return scale if whole + scale <= _DIGITS_MAX else None
