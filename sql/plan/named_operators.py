"""Operators and functions of ranges, and the order of types whose texts have another one.

Called by named_values.py. Operands of unknown type are left to DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlglot import exp

from engine.datatypes import DATE, DataType, TypeId, named_type
from engine.named import BASE_TYPES, Named, NamedKind
from sql.dialect.object_nodes import NamedType
from sql.dialect.pieces import rewritten
from sql.named.algebra import FACTS, element_of
from sql.named.keys import is_keyed
from sql.named.ranges import is_multirange, is_range, range_of
from sql.types import duckdb_name

Infer = Callable[[exp.Expr], DataType | None]

_TESTS: dict[type[exp.Expr], str] = {
    exp.ArrayContainsAll: "@>",
    exp.ArrayContainedBy: "<@",
    exp.ArrayOverlaps: "&&",
    exp.BitwiseLeftShift: "<<",
    exp.BitwiseRightShift: ">>",
    exp.Adjacent: "-|-",
    exp.ExtendsLeft: "&<",
    exp.ExtendsRight: "&>",
}
_MADE: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
_ORDERED = (exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between)
_ENUM_ARGUMENTS = {"enum_first": (1,), "enum_last": (1,), "enum_range": (1, 2)}
_BOUNDS: dict[type[exp.Expr], str] = {exp.Lower: "lower", exp.Upper: "upper"}


def named_operators(tree: exp.Expr, infer: Infer) -> exp.Expr:
    """Rewrites in place and returns the tree, or what replaces it."""
    kinds = (*_TESTS, *_MADE, *_ORDERED, *_BOUNDS, exp.Anonymous, exp.Ordered, exp.Min, exp.Max)
    return rewritten(tree, kinds, partial(_made, infer=infer))


def _made(node: exp.Expr, infer: Infer) -> exp.Expr | None:
    if isinstance(node, exp.Anonymous):
        return _enum_call(node, infer) or _call(node, infer)
    if type(node) in _TESTS or type(node) in _MADE:
        return _operator(node, infer)
    if type(node) in _BOUNDS:
        named = _ranged(infer(node.this))
        return None if named is None else _bound(node.this, named, _BOUNDS[type(node)])
    return _ordered(node, infer)


def _ranged(type_: DataType | None) -> Named | None:
    named = type_.named if type_ is not None else None
    return named if named is not None and (is_range(named) or is_multirange(named)) else None


def _function(name: str, *arguments: exp.Expr | str) -> exp.Anonymous:
    given = [exp.Literal.string(a) if isinstance(a, str) else a.copy() for a in arguments]
    return exp.Anonymous(this=f"gn_{name}", expressions=given)


def _text(node: exp.Expr) -> exp.Expr:
    return exp.cast(node.copy(), exp.DType.VARCHAR)


def _named(made: exp.Expr, named: Named) -> exp.Expr:
    type_ = named_type(named)
    return exp.Cast(this=made, to=NamedType(this=exp.DType.USERDEFINED, type=type_))


def _operator(node: exp.Expr, infer: Infer) -> exp.Expr | None:
    left, right = node.this, node.expression
    of_left, of_right = _ranged(infer(left)), _ranged(infer(right))
    known = of_left or of_right
    if known is None:
        return _moment(left, right, infer) if isinstance(node, exp.Add) else None
    tags = [_tag(left, of_left, known, infer), _tag(right, of_right, known, infer)]
    sign = _TESTS.get(type(node))
    if sign is not None:
        return _function("range_test", sign, _text(left), tags[0], _text(right), tags[1])
    result = next((n for n in (of_left, of_right) if n and is_multirange(n)), known)
    sign = _MADE[type(node)]
    made = _function("range_made", sign, _text(left), tags[0], _text(right), tags[1], result.tag)
    return _named(made, result)


def _moment(left: exp.Expr, right: exp.Expr, infer: Infer) -> exp.Expr | None:
    """A date and a time of day with its zone are a moment."""
    date, time = (left, right) if infer(left) == DATE else (right, left)
    zoned = infer(time)
    if infer(date) != DATE or zoned is None or zoned.named != BASE_TYPES["timetz"]:
        return None
    text = exp.DPipe(this=exp.DPipe(this=_text(date), expression=exp.Literal.string(" ")))
    text.set("expression", _text(time))
    return exp.cast(text, exp.DType.TIMESTAMPTZ)


def _tag(node: exp.Expr, own: Named | None, other: Named, infer: Infer) -> str:
    """The type of an operand: its own, the other's for a text, or nothing for an element."""
    if own is not None:
        return own.tag
    if isinstance(node, exp.Parameter):  # of no type, or of one that is an element's
        given = infer(node)
        return other.tag if given is None or given.id is TypeId.STRING else ""
    return other.tag if node.is_string else ""


def _bound(node: exp.Expr, named: Named, which: str) -> exp.Expr:
    taken = _function("range_bound", which, _text(node), named.tag)
    to = exp.DataType.build(duckdb_name(element_of(named)), dialect="duckdb")
    return exp.paren(exp.Cast(this=taken, to=to))


def _call(node: exp.Anonymous, infer: Infer) -> exp.Expr | None:
    name, given = node.name.lower(), node.expressions
    base = BASE_TYPES.get(name)
    if base is not None and is_range(base) and len(given) in (2, 3):
        marks = given[2] if len(given) == 3 else "[)"
        made = _function("range_new", _text(given[0]), _text(given[1]), marks, base.tag)
        return _named(made, base)
    if not given or (name not in FACTS and name != "range_merge"):
        return None
    named = _ranged(infer(given[0]))
    if named is None:
        return None
    if name in FACTS:
        return _function("range_fact", name, _text(given[0]), named.tag)
    result = range_of(named) if is_multirange(named) else named
    other = given[1] if len(given) > 1 else given[0]
    text = _text(given[0])
    made = _function("range_made", name, text, named.tag, _text(other), named.tag, result.tag)
    return _named(made, result)


def _enum_call(node: exp.Anonymous, infer: Infer) -> exp.Expr | None:
    """enum_first, enum_last and enum_range: labels that the type of the arguments tells.

    https://www.postgresql.org/docs/15/functions-enum.html
    """
    name, given = node.name.lower(), node.expressions
    if name not in _ENUM_ARGUMENTS or len(given) not in _ENUM_ARGUMENTS[name]:
        return None
    known = (type_.named for type_ in map(infer, given) if type_ is not None)
    named = next((n for n in known if n is not None and n.kind is NamedKind.ENUM), None)
    if named is None:
        return None
    if name != "enum_range":
        return _named(exp.Literal.string(named.labels[-1 if name == "enum_last" else 0]), named)
    labels = [_named(exp.Literal.string(label), named) for label in named.labels]
    made: exp.Expr = exp.Array(expressions=labels)
    if len(given) == 1:
        return made
    places = [exp.func("array_position", made.copy(), _named(g.copy(), named)) for g in given]
    ends = [exp.Literal.number(1), exp.Literal.number(len(labels))]
    bounds = [exp.func("coalesce", *pair) for pair in zip(places, ends, strict=True)]
    return exp.Anonymous(this="list_slice", expressions=[made, *bounds])


# --- Order ----------------------------------------------------------------------------------------


def _ordered(node: exp.Expr, infer: Infer) -> exp.Expr | None:
    type_ = infer(node.this)
    if type_ is None and isinstance(node, exp.Binary):
        type_ = infer(node.expression)
    named = type_.named if type_ is not None else None
    if named is None or not is_keyed(named):
        return None
    if isinstance(node, exp.Min | exp.Max):
        name = "arg_min" if isinstance(node, exp.Min) else "arg_max"
        arguments = [node.this.copy(), _key(node.this, named)]
        return exp.Anonymous(this=name, expressions=arguments)
    if isinstance(node, exp.Ordered) and not _is_free(node):
        return None
    made = node.copy()
    for operand in ("this", "expression", "low", "high"):
        if made.args.get(operand) is not None:
            made.set(operand, _key(node.args[operand], named))
    return made


def _is_free(node: exp.Ordered) -> bool:
    """False where ORDER BY may only name what is selected."""
    query = node.find_ancestor(exp.Select, exp.SetOperation)
    return isinstance(query, exp.Select) and not query.args.get("distinct")


def _key(node: exp.Expr, named: Named) -> exp.Expr:
    return _function("named_key", _text(node), named.tag)
