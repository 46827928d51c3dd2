"""PostgreSQL's full-text search: calls and operators of tsvector and tsquery.

`search_operators` runs before calls are rewritten, because `text @@ term` is GreptimeDB's
matches_term unless one of its sides is a vector or a query; the others are entries of the registry.
https://www.postgresql.org/docs/15/functions-textsearch.html
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from engine.datatypes import JSON, DataType, named_type
from engine.named import BASE_TYPES
from sql.dialect.object_nodes import NamedType
from sql.dialect.pieces import rewritten
from sql.functions.rewrites.build import (
    Arguments,
    as_text,
    call,
    cast,
    check,
    number,
    text,
    wrong_arguments,
)
from sql.lexemes.configurations import CONFIGURATIONS

_VECTOR, _QUERY = named_type(BASE_TYPES["tsvector"]), named_type(BASE_TYPES["tsquery"])
_CONFIGURATION = named_type(BASE_TYPES["regconfig"])
_WEIGHTS = "[0.1, 0.2, 0.4, 1.0]"
_RESULTS = {
    **dict.fromkeys(("to_tsvector", "setweight", "strip"), _VECTOR),
    **dict.fromkeys(("to_tsquery", "plainto_tsquery", "phraseto_tsquery"), _QUERY),
    **dict.fromkeys(("websearch_to_tsquery", "tsquery_phrase"), _QUERY),
}
Infer = Callable[[exp.Expr], DataType | None]


def _typed(node: exp.Expr, type_: DataType) -> exp.Expr:
    return exp.Cast(this=node, to=NamedType(this=exp.DType.USERDEFINED, type=type_))


def _as(node: exp.Expr, type_: DataType) -> exp.Expr:
    """The text of a value of the type; a literal is read as such a value."""
    return exp.cast(_typed(node.copy(), type_), exp.DType.VARCHAR)


def _configured(name: str, arguments: Arguments) -> tuple[exp.Expr, list[exp.Expr]]:
    """The configuration, the session's unless the first of two arguments is one, and the rest."""
    check(name, arguments, 1, 2, f"{name}([config,] text)")
    if len(arguments) == 1:
        return _setting(), [as_text(arguments[0])]
    return _as(arguments[0], _CONFIGURATION), [as_text(arguments[1])]


def _setting() -> exp.Expr:
    return call("current_setting", text("default_text_search_config"))


def current_configuration(arguments: Arguments) -> exp.Expr:
    """get_current_ts_config()."""
    check("get_current_ts_config", arguments, 0, 0, "get_current_ts_config()")
    return _typed(_setting(), _CONFIGURATION)


def to_tsvector(arguments: Arguments) -> exp.Expr:
    """The lexemes of a text."""
    name, rest = _configured("to_tsvector", arguments)
    return _typed(call("gn_ts_vectors", name, *rest), _VECTOR)


def _asking(function: str, kind: str) -> Callable[[Arguments], exp.Expr]:
    def made(arguments: Arguments) -> exp.Expr:
        name, rest = _configured(function, arguments)
        return _typed(call("gn_ts_queries", text(kind), name, *rest), _QUERY)

    return made


to_tsquery = _asking("to_tsquery", "to")
plainto_tsquery = _asking("plainto_tsquery", "plain")
phraseto_tsquery = _asking("phraseto_tsquery", "phrase")
websearch_to_tsquery = _asking("websearch_to_tsquery", "web")


def _ranking(name: str) -> Callable[[Arguments], exp.Expr]:
    def made(arguments: Arguments) -> exp.Expr:
        check(name, arguments, 2, 4, f"{name}([weights,] vector, query [, normalization])")
        weighted = len(arguments) == 4 or (len(arguments) == 3 and _is_list(arguments[0]))
        weights = _weights(arguments[0]) if weighted else text(_WEIGHTS)
        vector, query, *method = arguments[1:] if weighted else arguments
        how = cast(method[0], "INTEGER") if method else number(0)
        return call(
            "gn_ts_ranks", text(name), weights, _as(vector, _VECTOR), _as(query, _QUERY), how
        )

    return made


ts_rank = _ranking("ts_rank")
ts_rank_cd = _ranking("ts_rank_cd")


def _weights(node: exp.Expr) -> exp.Expr:
    """A list's text."""
    if node.is_string:
        return text("[" + node.name.strip().strip("{}") + "]")
    return cast(cast(node, "DOUBLE[]"), "VARCHAR")


def _is_list(node: exp.Expr) -> bool:
    inner = node.unnest()
    listed = isinstance(inner, exp.Cast) and inner.to.this is exp.DType.ARRAY
    braced = inner.is_string and inner.name.lstrip().startswith("{")
    return listed or braced or isinstance(inner, exp.Array)


def ts_headline(arguments: Arguments) -> exp.Expr:
    """ts_headline([config,] document, query [, options])."""
    check("ts_headline", arguments, 2, 4, "ts_headline([config,] document, query [, options])")
    configured = len(arguments) == 4 or (len(arguments) == 3 and _is_configured(arguments))
    name = _as(arguments[0], _CONFIGURATION) if configured else _setting()
    document, query, *options = arguments[1:] if configured else arguments
    asked = as_text(options[0]) if options else text("")
    return call("gn_ts_headlines", name, as_text(document), _as(query, _QUERY), asked)


def _is_configured(arguments: Arguments) -> bool:
    """True if three arguments are (config, document, query), not (document, query, options)."""
    first = arguments[0]
    named = first.is_string and first.name.lower() in CONFIGURATIONS
    return named or is_search(first, _CONFIGURATION) or is_search(arguments[2], _QUERY)


def setweight(arguments: Arguments) -> exp.Expr:
    """setweight(vector, weight)."""
    check("setweight", arguments, 2, 2, "setweight(vector, weight)")
    vector, weight = arguments
    return _typed(call("gn_ts_weighted", _as(vector, _VECTOR), as_text(weight)), _VECTOR)


def strip(arguments: Arguments) -> exp.Expr:
    """strip(vector)."""
    check("strip", arguments, 1, 1, "strip(vector)")
    return _typed(call("gn_ts_stripped", _as(arguments[0], _VECTOR)), _VECTOR)


def tsvector_to_array(arguments: Arguments) -> exp.Expr:
    """tsvector_to_array(vector)."""
    check("tsvector_to_array", arguments, 1, 1, "tsvector_to_array(vector)")
    return call("gn_ts_lexemes", _as(arguments[0], _VECTOR))


def numnode(arguments: Arguments) -> exp.Expr:
    """numnode(query)."""
    check("numnode", arguments, 1, 1, "numnode(query)")
    return call("gn_ts_query_nodes", _as(arguments[0], _QUERY))


def tsquery_phrase(arguments: Arguments) -> exp.Expr:
    """tsquery_phrase(query, query [, distance])."""
    if len(arguments) not in (2, 3):
        raise wrong_arguments("tsquery_phrase", "tsquery_phrase(query, query [, distance])")
    distance = cast(arguments[2], "INTEGER") if len(arguments) == 3 else number(1)
    return _joined("<->", arguments[0], arguments[1], distance)


def _joined(sign: str, left: exp.Expr, right: exp.Expr, distance: exp.Expr) -> exp.Expr:
    sides = [_as(left, _QUERY), _as(right, _QUERY)]
    return _typed(call("gn_ts_query_joined", text(sign), *sides, distance), _QUERY)


# --- Operators ------------------------------------------------------------------------------------

_SIGNS: dict[type[exp.Expr], str] = {
    exp.ArrayOverlaps: "&",
    exp.DPipe: "|",
    exp.Distance: "<->",
}


def search_operators(tree: exp.Expr, infer: Infer) -> exp.Expr:
    """Rewrites `@@`, `||`, `&&`, `<->` and length() of vectors and queries in place."""
    kinds = (*_SIGNS, exp.Anonymous, exp.Length)
    return rewritten(tree, kinds, lambda node: _made(node, infer))


def _made(node: exp.Expr, infer: Infer) -> exp.Expr | None:
    if isinstance(node, exp.Anonymous):
        return _called(node.name.lower(), node.expressions, infer)
    if isinstance(node, exp.Length):
        return _called("length", [node.this], infer)
    left, right = node.this, node.expression
    if isinstance(node, exp.DPipe) and any(is_search(n, _VECTOR, infer) for n in (left, right)):
        return _typed(call("gn_ts_joined", _as(left, _VECTOR), _as(right, _VECTOR)), _VECTOR)
    if any(is_search(side, _QUERY, infer) for side in (left, right)):
        return _joined(_SIGNS[type(node)], left, right, number(1))
    return None


def _called(name: str, given: list[exp.Expr], infer: Infer) -> exp.Expr | None:
    if name == "matches_term" and len(given) == 2:
        return _matching(given[0], given[1], infer)
    if name == "length" and len(given) == 1 and is_search(given[0], _VECTOR, infer):
        return call("len", call("gn_ts_lexemes", _as(given[0], _VECTOR)))
    return None


def _matching(left: exp.Expr, right: exp.Expr, infer: Infer) -> exp.Expr | None:
    """`vector @@ query` either way round; a text beside one of them becomes the other.

    `jsonb @@ jsonpath` is a predicate of the document.
    """
    if _is_json(left, infer):
        return call("jsonb_path_match", left, right)
    for vector, query in ((left, right), (right, left)):
        if is_search(vector, _VECTOR, infer):
            return call("gn_ts_matches", _as(vector, _VECTOR), _as(query, _QUERY))
        if is_search(query, _QUERY, infer):
            document = exp.cast(to_tsvector([vector]), exp.DType.VARCHAR)
            return call("gn_ts_matches", document, _as(query, _QUERY))
    return None


def _is_json(node: exp.Expr, infer: Infer) -> bool:
    """True for what is visibly a JSON document."""
    inner = node.unnest()
    return isinstance(inner, exp.JSONExtract | exp.JSONBExtract) or infer(inner) == JSON


def is_search(node: exp.Expr, type_: DataType, infer: Infer = lambda node: None) -> bool:
    """True for what is visibly a vector or a query, whichever `type_` is."""
    inner = node.unnest()
    if isinstance(inner, exp.Anonymous):
        return _RESULTS.get(inner.name.lower()) == type_
    if isinstance(inner, exp.Cast):
        return isinstance(inner.to, NamedType) and inner.to.args.get("type") == type_
    if isinstance(inner, exp.Coalesce | exp.DPipe | exp.ArrayOverlaps | exp.Distance):
        return any(is_search(part, type_, infer) for part in inner.iter_expressions())
    return infer(inner) == type_
