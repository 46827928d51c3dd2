"""Arrays as text in PostgreSQL's spelling: `{1,"a b",NULL}`, not DuckDB's `[1, a b, NULL]`.

Called by sql/plan/plan.py for every wire but MySQL's, once types are known. Only what is certain to
be an array is rewritten. It looks at no setting: dates in an array are in the usual style.
https://www.postgresql.org/docs/15/arrays.html#ARRAYS-IO
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from engine import datatypes as dt
from engine.datatypes import DataType, TypeId
from sql.dialect.pieces import composed
from sql.plan.interval_texts import spelled_interval

Infer = Callable[[exp.Expr], DataType | None]

_LIST = "'{{{{' || array_to_string(list_transform({{x}}, {item} -> {{each}}), ',') || '}}}}'"
_SPECIAL = "regexp_matches({t}, '^$|[{{}},\"\\\\\\s]') OR lower({t}) = 'null'"
_QUOTED = "'\"' || replace(replace({t}, '\\', '\\\\'), '\"', '\\\"') || '\"'"
_TEXT = f"CASE WHEN {_SPECIAL} THEN {_QUOTED} ELSE {{t}} END"
# An item may be an array itself: types say nothing of dimensions.
_NUMBER = "translate(replace({t}, ', ', ','), '[]', '{{}}')"
_BOOLEAN = "CASE {x} WHEN TRUE THEN 't' WHEN FALSE THEN 'f' END"
_FLOAT = "regexp_replace(CAST({x} AS VARCHAR), '\\.0$', '')"
_FLOATS = frozenset({TypeId.FLOAT32, TypeId.FLOAT64})


def list_texts(tree: exp.Expr, infer: Infer) -> exp.Expr:
    """Rewrites casts of arrays to text, in place; returns the tree."""
    for cast in reversed(list(tree.find_all(exp.Cast))):
        if cast.to.is_type(*exp.DataType.TEXT_TYPES):
            type_ = _list_type(cast.this, infer)
            if type_ is not None:
                cast.set("this", _shown(cast.this, type_, 0))
    return tree


def _list_type(node: exp.Expr, infer: Infer) -> DataType | None:
    """The array type of a value, None if it is none or not certain to be one."""
    found = infer(node)
    if found is not None:
        return found if found.element is not None else None
    value = node.unnest()
    if isinstance(value, exp.Array):
        first = value.expressions[0] if value.expressions else exp.null()
        return dt.list_of(_list_type(first, infer) or infer(first) or dt.STRING)
    if isinstance(value, exp.ArrayAgg):
        of = value.this.this if isinstance(value.this, exp.Order) else value.this
        return dt.list_of(infer(of) or dt.STRING)
    return None


def _shown(value: exp.Expr, type_: DataType, depth: int) -> exp.Expr:
    assert type_.element is not None
    name = f"_item{depth}"
    each = _each(exp.column(name), type_.element, depth)
    whole = exp.Coalesce(this=each, expressions=[exp.Literal.string("NULL")])
    return exp.paren(composed(_LIST.format(item=name), x=value, each=whole))


def _each(item: exp.Expr, type_: DataType, depth: int) -> exp.Expr:
    if type_.element is not None:
        return _shown(item, type_, depth + 1)
    if type_.id is TypeId.BOOLEAN:
        return composed(_BOOLEAN, x=item)
    if type_.id in _FLOATS:
        return composed(_FLOAT, x=item)
    text = spelled_interval(item) if type_.id is TypeId.INTERVAL else exp.cast(item, "VARCHAR")
    plain = type_.is_numeric and type_.named is None
    return composed(_NUMBER if plain else _TEXT, t=text)
