"""PostgreSQL's operators of JSON, patterns of ANY and ALL, and EXTRACT, where DuckDB's differ.

https://www.postgresql.org/docs/15/functions-json.html#FUNCTIONS-JSONB-OP-TABLE
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from sql.functions.expansion import expand
from sql.functions.rewrites.build import call, cast, literal_text, own
from sql.functions.rewrites.json import extract_path, extract_path_text
from sql.system.pg_rewrites import array_literal

_JSON_TYPES = (exp.DType.JSON, exp.DType.JSONB)
_OBJECT = re.compile(r'\s*(\[|\{\s*("|\}))')


def _is_json(node: exp.Expr) -> bool:
    """True for what is visibly JSON: a cast, or the text of an object or an array."""
    inner = node.unnest()
    if isinstance(inner, exp.Cast):
        return inner.to.is_type(*_JSON_TYPES)
    return inner.is_string and _OBJECT.match(inner.name) is not None


def _contains(node: exp.Expr, *, mirrored: bool = False) -> exp.Expr | None:
    whole, part = (node.expression, node.this) if mirrored else (node.this, node.expression)
    if not _is_json(whole) and not _is_json(part):
        return None
    return call("json_contains", cast(whole, "JSON"), cast(part, "JSON"))


def _path(make: Callable[..., exp.Expr]) -> Callable[[exp.Expr], exp.Expr | None]:
    def made(node: exp.Expr) -> exp.Expr | None:
        path = literal_text(node.expression)
        if path is not None:
            keys = array_literal(path).expressions
        elif isinstance(node.expression, exp.Array):
            keys = node.expression.expressions
        else:
            return _below_path(node)
        return make([node.this, *keys])

    return made


# A text such as {a,"b c",0} or a list of texts as a JSON pointer: /a/b c/0.
_POINTER = """concat('/', array_to_string(list_transform({keys},
 lambda k: replace(replace(k, '~', '~0'), '/', '~1')), '/'))"""
_SPLIT = """list_transform(string_split(trim(CAST(p AS VARCHAR), '{}'), ','),
 lambda k: trim(trim(k), '"'))"""


def _below_path(node: exp.Expr) -> exp.Expr:
    """`j #> p` and `j #>> p` with a path that is only known when the statement runs."""
    scalar = isinstance(node, exp.JSONBExtractScalar)
    function = "json_extract_string" if scalar else "json_extract"
    path = node.expression
    if isinstance(path, exp.Parameter):  # which the operator takes as a list
        path = exp.cast(path.copy(), "TEXT[]")
    is_list = isinstance(path, exp.Cast) and path.to.this is exp.DType.ARRAY
    keys = "p" if is_list else _SPLIT
    pointer = _POINTER.replace("{keys}", keys)
    made = f"(j, p) AS {function}(CAST(j AS JSON), {pointer})"
    return expand("below_path", (made,), [node.this, path])


# The keys of an object, or the texts in an array.
_TOP = """(j) AS CASE json_type(j) WHEN 'ARRAY' THEN list_transform(
 list_filter(json_extract(j, '$[*]'), lambda x: json_type(x) = 'VARCHAR'),
 lambda x: json_extract_string(x, '$')) ELSE json_keys(j) END"""


def _top(node: exp.Expr) -> exp.Expr:
    return expand("top_keys", (_TOP,), [cast(node.this, "JSON")])


def _has_key(node: exp.Expr) -> exp.Expr:
    return call("list_contains", _top(node), node.expression)


def _has_any_key(node: exp.Expr) -> exp.Expr:
    return call("list_has_any", _top(node), _keys(node))


def _has_all_keys(node: exp.Expr) -> exp.Expr:
    return call("list_has_all", _top(node), _keys(node))


def _keys(node: exp.Expr) -> exp.Expr:
    """The keys behind `?|` and `?&`: a text is read as an array of them."""
    keys = node.expression
    if keys.is_string:
        return array_literal(keys.name)
    return exp.cast(keys.copy(), "TEXT[]") if isinstance(keys, exp.Parameter) else keys


def _extract(node: exp.Expr) -> exp.Expr | None:
    """Seconds and milliseconds have their fraction."""
    unit = node.this.name.lower()
    if unit in ("second", "seconds"):
        return own("part_second", node.expression)
    if unit in ("millisecond", "milliseconds"):
        return own("part_millisecond", node.expression)
    if unit in ("nanosecond", "nanoseconds"):
        return call("nanosecond", node.expression)
    return None


def _of_several(node: exp.Expr) -> exp.Expr | None:
    """`x LIKE ANY (…)` and ALL, over a list, an array or a subquery: DuckDB has them not."""
    pattern = node.expression
    if not isinstance(pattern, (exp.Any, exp.All)):
        return None
    joined, inner = (exp.or_ if isinstance(pattern, exp.Any) else exp.and_), pattern.this.unnest()
    if isinstance(inner, (exp.Array, exp.Tuple)) and inner.expressions:
        parts = []
        for item in inner.expressions:
            part = node.copy()
            part.set("expression", item.copy())
            parts.append(part)
        return exp.paren(joined(*parts, copy=False), copy=False)
    if isinstance(inner, exp.Query):
        inner = call("array", inner)
    found = "list_bool_or" if isinstance(pattern, exp.Any) else "list_bool_and"
    matches = f"{'NOT ' if node.args.get('negate') else ''}{_PATTERNS[type(node)]}"
    made = f"(x, a) AS {found}(list_transform(a, lambda p: {matches}))"
    return expand("of_several", (made,), [node.this, inner])


_PATTERNS: dict[type[exp.Expr], str] = {
    exp.Like: "(x LIKE p ESCAPE '\\')",
    exp.ILike: "(x ILIKE p ESCAPE '\\')",
    exp.RegexpLike: "regexp_matches(x, p)",
    exp.RegexpILike: "regexp_matches(x, p, 'i')",
}
OPERATORS: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr | None]] = {
    exp.ArrayContainsAll: _contains,
    exp.ArrayContainedBy: lambda node: _contains(node, mirrored=True),
    exp.JSONBExtract: _path(extract_path),
    exp.JSONBExtractScalar: _path(extract_path_text),
    exp.JSONBContainsTopKey: _has_key,
    exp.JSONBContainsAnyTopKeys: _has_any_key,
    exp.JSONBContainsAllTopKeys: _has_all_keys,
    exp.Extract: _extract,
    **dict.fromkeys(_PATTERNS, _of_several),
}


def rewrite_operator(node: exp.Expr) -> exp.Expr | None:
    """What the node becomes, None if DuckDB knows it as it is."""
    make = OPERATORS.get(type(node))
    return make(node) if make is not None else None
