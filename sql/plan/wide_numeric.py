"""NUMERIC beyond DECIMAL's 38 digits, NaN and the infinities: shown as they were given.

Called by plan.py for literals and by statements/query.py once parameters have values. Such a value
is carried as text: an output, or what is cast to text. Nothing here is computed with.
https://www.postgresql.org/docs/15/datatype-numeric.html
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from engine.datatypes import NULL, DataType, TypeId, named_type
from engine.named import WIDE_NUMERIC
from sql.dialect.object_nodes import NamedType
from sql.plan.parameters import parameter_number

_DIGITS_MAX = 38
_WIDE = named_type(WIDE_NUMERIC)


def is_wide(value: object) -> bool:
    """True for a number that no DECIMAL holds exactly.

    >>> is_wide(Decimal("NaN")), is_wide(Decimal("1E38")), is_wide(Decimal("0.5"))
    (True, True, False)
    """
    if not isinstance(value, Decimal):
        return False
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return True
    whole = max(len(digits) + exponent, 0) if value else 0
    return whole + max(-exponent, 0) > _DIGITS_MAX


def widened(
    tree: exp.Expr | None, types: Sequence[DataType], values: Sequence[object]
) -> tuple[DataType, ...]:
    """The parameters' types; that of a wide value which is only shown is one that holds it.

    A NULL has none, so that its cast stays: without it nothing would tell that it is a number.
    """
    found = [
        NULL if value is None and type_.id is TypeId.DECIMAL else type_
        for type_, value in zip(types, [*values, *types], strict=False)
    ]
    wide = [at for at, value in enumerate(values[: len(found)], 1) if is_wide(value)]
    for number in wide if tree is not None else ():
        uses = [node for node in _parameters(tree) if parameter_number(node) == number]
        is_numeric = found[number - 1].id is TypeId.DECIMAL
        if is_numeric and uses and all(map(_is_shown, uses)):
            found[number - 1] = _WIDE
    return tuple(found)


def _parameters(tree: exp.Expr | None) -> list[exp.Parameter]:
    return [] if tree is None else list(tree.find_all(exp.Parameter))


def _is_shown(node: exp.Expr) -> bool:
    """True for an output, or what becomes text, by way of casts to NUMERIC alone."""
    parent = node.parent
    while _is_bare(parent):
        parent = parent.parent if parent is not None else None
    if isinstance(parent, exp.Cast):
        return parent.is_type(*exp.DataType.TEXT_TYPES)
    if isinstance(parent, exp.Alias):
        node, parent = parent, parent.parent
    return isinstance(parent, exp.Select) and node.arg_key not in ("limit", "offset")


def _is_bare(node: exp.Expr | None) -> bool:
    plain = type(node) is exp.Cast or isinstance(node, exp.Paren)
    if node is None or not plain:
        return False
    return isinstance(node, exp.Paren) or (
        node.is_type(exp.DType.DECIMAL) and not node.args["to"].expressions
    )


def wide_casts(tree: exp.Expr, declared: Sequence[DataType | None] = ()) -> exp.Expr:
    """Casts to NUMERIC of what is wide become ones to a type that holds it; in place.

    >>> from sqlglot import parse_one
    >>> tree = wide_casts(parse_one("SELECT 'NaN'::numeric", read="postgres"))
    >>> tree.expressions[0].args["to"].args["type"] == _WIDE
    True
    """
    for cast in list(tree.find_all(exp.Cast)):
        if not isinstance(cast, exp.Cast) or not _is_bare(cast) or not _is_shown(cast):
            continue
        number = parameter_number(cast.this.unnest())
        if number is not None and number <= len(declared) and declared[number - 1] == _WIDE:
            cast.set("to", NamedType(this=exp.DType.USERDEFINED, type=_WIDE))
        value = _literal(cast.this.unnest())
        if value is not None and is_wide(value):
            cast.set("this", exp.Literal.string(str(value)))
            cast.set("to", NamedType(this=exp.DType.USERDEFINED, type=_WIDE))
    return tree


def _literal(node: exp.Expr) -> Decimal | None:
    sign = "-" if isinstance(node, exp.Neg) else ""
    literal = node.this if sign else node
    if not isinstance(literal, exp.Literal) or (sign and literal.is_string):
        return None
    try:
        return Decimal(sign + literal.name.strip())
    except InvalidOperation:
        return None
