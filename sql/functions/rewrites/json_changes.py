"""Changed JSON documents, and JSON documents as rows.

The first are calls like any other; the second stand in FROM, where they become subqueries with the
column names that PostgreSQL gives them: https://www.postgresql.org/docs/15/functions-json.html
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.functions.rewrites.build import Arguments, call, cast, check, literal_text, text

_EACH = frozenset({"json_each", "jsonb_each"})
_EACH_TEXT = frozenset({"json_each_text", "jsonb_each_text"})
_ELEMENTS = frozenset({"json_array_elements", "jsonb_array_elements"})
_ELEMENTS_TEXT = frozenset({"json_array_elements_text", "jsonb_array_elements_text"})
_KEYS = frozenset({"json_object_keys", "jsonb_object_keys"})


def json_tables(tree: exp.Expr) -> exp.Expr:
    """Rewrites `FROM json_each(j)` and its kin in place."""
    for table in list(tree.find_all(exp.Table)):
        function = table.this
        if isinstance(function, exp.Anonymous) and len(function.expressions) == 1:
            query = _rows(function.name.lower(), function.expressions[0])
            if query is not None:
                alias = table.args.get("alias") or exp.TableAlias(
                    this=exp.to_identifier(function.name.lower())
                )
                table.replace(exp.Subquery(this=query, alias=alias.copy()))
    return tree


def _rows(name: str, argument: exp.Expr) -> exp.Select | None:
    document = cast(argument, "JSON")
    if name in _EACH | _EACH_TEXT:
        value: exp.Expr = exp.column("value")
        if name in _EACH_TEXT:
            value = call("json_extract_string", value, text("$"))
        items = [exp.column("key"), exp.alias_(value, "value")]
        each = exp.Table(this=exp.Anonymous(this="json_each", expressions=[document]))
        return exp.Select(expressions=items, from_=exp.From(this=each))
    if name in _ELEMENTS | _ELEMENTS_TEXT:
        function = "json_extract" if name in _ELEMENTS else "json_extract_string"
        return _unnested(call(function, document, text("$[*]")), "value")
    if name in _KEYS:
        return _unnested(call("json_keys", document), name)
    return None


def _unnested(values: exp.Expr, name: str) -> exp.Select:
    rows = exp.Anonymous(this="unnest", expressions=[values])
    return exp.Select(expressions=[exp.alias_(rows, name)])


def changed(function: str) -> Callable[[Arguments], exp.Expr]:
    """MySQL's json_set, json_insert and json_replace: pairs of a path and a value."""

    def made(arguments: Arguments) -> exp.Expr:
        how = f"{function}(document, 'path', value, …)"
        check(function, arguments, 3, None, how)
        if len(arguments) % 2 == 0:
            raise DbError(ErrorKind.UNDEFINED_FUNCTION, f"wrong arguments for {function}", hint=how)
        document = cast(arguments[0], "JSON")
        for place in range(1, len(arguments), 2):
            value = call("to_json", arguments[place + 1])
            document = call(function, document, arguments[place], value)
        return document

    return made


def removed(arguments: Arguments) -> exp.Expr:
    """MySQL's json_remove: the document without what is at the paths."""
    check("json_remove", arguments, 2, None, "json_remove(document, 'path', …)")
    document = cast(arguments[0], "JSON")
    for path in arguments[1:]:
        document = call("json_remove", document, path)
    return document


def jsonb_set(arguments: Arguments) -> exp.Expr:
    """PostgreSQL's: the value below the keys replaced, or added unless that is refused."""
    check("jsonb_set", arguments, 3, 4, "jsonb_set(document, '{key, …}', value [, create])")
    create = len(arguments) < 4 or arguments[3] != exp.false()
    path = _path("jsonb_set", arguments[1])
    function = "json_set" if create else "json_replace"
    return call(function, cast(arguments[0], "JSON"), text(path), cast(arguments[2], "JSON"))


def _path(name: str, node: exp.Expr) -> str:
    """The DuckDB path of a text array's literal."""
    found = literal_text(node)
    if found is None or not (found.startswith("{") and found.endswith("}")):
        raise DbError(ErrorKind.UNSUPPORTED, f"{name}() needs a path that is a literal '{{a,b}}'")
    keys = [key.strip().strip('"') for key in found[1:-1].split(",") if key.strip()]
    return "$" + "".join(f"[{key}]" if key.isdigit() else f'."{key}"' for key in keys)
