"""JSON paths as DuckDB expressions: literal paths are read when the statement is planned.

A path that only names fields and places is DuckDB's own; what goes further (several places,
ranges, filters, predicates) becomes functions over the list of values found so far.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect.object_nodes import NamedType
from sql.functions.rewrites.build import (
    Arguments,
    call,
    cast,
    check,
    literal_text,
    own,
    text,
)

_STEP = re.compile(
    r"""\s*(?:
    \.?\[\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|'(?P<single>[^']*)'|(?P<places>[^\]"']*))\s*\]
    | [.:]\s*"(?P<dotted>(?:[^"\\]|\\.)*)"
    | [.:]\s*(?P<star>\*)
    | [.:]\s*(?P<key>[^\s.:\[\]?()=<>!&|"]+)
    | \?\s*(?P<filter>\()
    )""",
    re.VERBOSE,
)
_PLACE = re.compile(r"(last)?\s*(?:-\s*)?(\d*)")
_COMPARISON = re.compile(
    r"""\s*(==|=|!=|<>|<=|>=|<|>|starts\ with)\s*("(?:[^"\\]|\\.)*"|[^\s&|()]+)""", re.VERBOSE
)


class PathError(ValueError):
    """A path that cannot be read."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What a path has led to: one value by DuckDB's own path, or the list `several`."""

    document: exp.Expr
    path: str = "$"
    several: exp.Expr | None = None

    @property
    def one(self) -> exp.Expr:
        """The value, or the first of several."""
        if self.several is None:
            return call("json_extract", self.document, text(self.path))
        return call("list_extract", self.several, exp.Literal.number(1))

    @property
    def all(self) -> exp.Expr:
        """The list of values."""
        if self.several is not None:
            return self.several
        present = exp.Not(this=exp.Is(this=exp.column("_v"), expression=exp.null()))
        return _filtered(call("list_value", self.one), present)

    def step(self, path: str) -> _Found:
        """One step more by DuckDB's own path."""
        if self.several is None and not path.endswith(("*]", ".*")):
            return _Found(self.document, self.path + path)
        if self.several is None:
            return _Found(
                self.document, several=call("json_extract", self.document, text(self.path + path))
            )
        made = _mapped(self.several, call("json_extract", exp.column("_v"), text("$" + path)))
        if path.endswith(("*]", ".*")):
            return _Found(self.document, several=call("flatten", made))
        present = exp.Not(this=exp.Is(this=exp.column("_v"), expression=exp.null()))
        return _Found(self.document, several=_filtered(made, present))


def _lambda(body: exp.Expr) -> exp.Lambda:
    return exp.Lambda(this=body, expressions=[exp.to_identifier("_v")])


def _mapped(values: exp.Expr, body: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="list_transform", expressions=[values.copy(), _lambda(body)])


def _filtered(values: exp.Expr, condition: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this="list_filter", expressions=[values.copy(), _lambda(condition)])


def _find(document: exp.Expr, path: str) -> tuple[_Found, str]:
    """What the path at the text's beginning leads to, and the text after it."""
    rest = path.strip()
    if rest.startswith(("$", "@")):
        rest = rest[1:]
    elif rest and rest[0] not in "[.:?":
        rest = "." + rest
    found = _Found(document)
    while (step := _STEP.match(rest)) is not None:
        rest = rest[step.end() :]
        if step["filter"]:
            condition, rest = _predicate(rest, exp.column("_v"))
            if not rest.lstrip().startswith(")"):
                raise PathError(path)
            rest = rest.lstrip()[1:]
            found = _Found(document, several=_filtered(found.all, condition))
        elif step["places"] is not None:
            found = _places(found, step["places"].strip(), path)
        elif step["star"]:
            found = found.step(".*")
        else:
            key = next(
                k
                for k in (step["quoted"], step["single"], step["dotted"], step["key"])
                if k is not None
            )
            found = found.step('."' + key.replace('"', '\\"') + '"')
    return found, rest


def _places(found: _Found, places: str, path: str) -> _Found:
    """`[*]`, `[3]`, `[last-1]`, `[0,2]`, `[1 to last]`."""
    if places == "*":
        return found.step("[*]")
    parts = [part.strip() for part in places.split(",")]
    if len(parts) == 1 and " to " not in places:
        return found.step(_own_place(places, path))
    values = found.step("[*]").all
    pieces = [_slice(values, *(part.split(" to ") * 2)[:2], path=path) for part in parts]
    whole = pieces[0] if len(pieces) == 1 else call("list_concat", *pieces)
    return _Found(found.document, several=whole)


def _read_place(place: str, path: str) -> tuple[bool, int]:
    """(counted from the end, number)."""
    found = _PLACE.fullmatch(place.strip())
    if found is None or not (found[1] or found[2]):
        raise PathError(path)
    return bool(found[1]), int(found[2] or 0)


def _own_place(place: str, path: str) -> str:
    from_end, number = _read_place(place, path)
    return f"[#-{number + 1}]" if from_end else f"[{number}]"


def _slice(values: exp.Expr, first: str, last: str, *, path: str) -> exp.Expr:
    ends = []
    for place in (first, last):
        from_end, number = _read_place(place, path)
        shift = exp.Literal.number(number if from_end else number + 1)
        length = call("len", values)
        ends.append(exp.Sub(this=length, expression=shift) if from_end else shift)
    return call("list_slice", values, *ends)


# --- Predicates -----------------------------------------------------------------------------------


def _predicate(rest: str, document: exp.Expr) -> tuple[exp.Expr, str]:
    """`@.x < 10 && …`: true if any value found satisfies it."""
    left, rest = _conjunction(rest, document)
    while rest.lstrip().startswith("||"):
        right, rest = _conjunction(rest.lstrip()[2:], document)
        left = exp.Or(this=left, expression=right)
    return exp.paren(left), rest


def _conjunction(rest: str, document: exp.Expr) -> tuple[exp.Expr, str]:
    left, rest = _comparison(rest, document)
    while rest.lstrip().startswith("&&"):
        right, rest = _comparison(rest.lstrip()[2:], document)
        left = exp.And(this=left, expression=right)
    return exp.paren(left), rest


def _comparison(rest: str, document: exp.Expr) -> tuple[exp.Expr, str]:
    rest = rest.lstrip()
    if rest.startswith("!("):
        inner, rest = _predicate(rest[2:], document)
        return exp.Not(this=inner), _closed(rest)
    if rest.startswith("("):
        inner, rest = _predicate(rest[1:], document)
        return inner, _closed(rest)
    if rest.startswith("exists"):
        found, rest = _find(document, rest.removeprefix("exists").lstrip()[1:])
        return exp.GT(this=call("len", found.all), expression=exp.Literal.number(0)), _closed(rest)
    if not rest.startswith(("$", "@")):
        raise PathError(rest)
    found, rest = _find(document, rest)
    compared = _COMPARISON.match(rest)
    if compared is None:
        raise PathError(rest)
    holds = _compare(compared[1], compared[2])
    several = _filtered(found.all, holds)
    any_of = exp.GT(this=call("len", several), expression=exp.Literal.number(0))
    return any_of, rest[compared.end() :]


def _closed(rest: str) -> str:
    if not rest.lstrip().startswith(")"):
        raise PathError(rest)
    return rest.lstrip()[1:]


_OPERATORS: dict[str, type[exp.Binary]] = {
    "==": exp.EQ, "=": exp.EQ, "!=": exp.NEQ, "<>": exp.NEQ,
    "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE,
}  # fmt: skip


def _compare(operator: str, literal: str) -> exp.Expr:
    """A comparison of `_v` with a literal of its own kind."""
    value = exp.column("_v")
    as_string = call("json_extract_string", value, text("$"))
    kind = call("json_type", value)
    if literal.startswith('"'):
        plain = text(re.sub(r"\\(.)", r"\1", literal[1:-1]))
        if operator == "starts with":
            return call("starts_with", as_string, plain)
        is_text = exp.EQ(this=kind, expression=text("VARCHAR"))
        return exp.and_(is_text, _OPERATORS[operator](this=as_string, expression=plain))
    if literal in ("true", "false", "null"):
        shown = cast(value, "VARCHAR")
        return exp.paren(_OPERATORS[operator](this=shown, expression=text(literal)))
    try:
        float(literal)
    except ValueError as error:
        raise PathError(literal) from error
    number = exp.TryCast(this=as_string, to=exp.DataType.build("DOUBLE"))
    is_number = exp.NEQ(this=kind, expression=text("VARCHAR"))
    compared = _OPERATORS[operator](this=number, expression=cast(text(literal), "DOUBLE"))
    return exp.paren(exp.and_(is_number, compared))


# --- The functions --------------------------------------------------------------------------------


def getter(kind: str) -> Callable[[Arguments], exp.Expr]:
    """json_get and json_get_<kind>."""

    def made(arguments: Arguments) -> exp.Expr:
        check("json_get", arguments, 2, 2, "json_get(json, path)")
        document, path = cast(arguments[0], "JSON"), literal_text(arguments[1])
        if path is None:
            value = own("json_at", document, arguments[1])
        else:
            try:
                found, rest = _find(document, path)
            except PathError:
                return exp.null()
            if rest.strip():
                return exp.null()
            value = found.one
        return value if kind == "JSON" else own(f"json_as_{kind.lower()}", value)

    return made


def path_exists(arguments: Arguments) -> exp.Expr:
    """True if something is at the path. Raises: DbError INVALID_ARGUMENT."""
    check("json_path_exists", arguments, 2, 2, "json_path_exists(json, path)")
    document, path = cast(arguments[0], "JSON"), _path_text(arguments[1])
    if isinstance(arguments[1], exp.Null):
        return cast(exp.null(), "BOOLEAN")
    if path is None:
        return call("json_exists", document, own("json_path", arguments[1]))
    try:
        found, rest = _find(document, path)
    except PathError:
        rest = path
    if rest.strip():
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"{path!r} is not a JSON path")
    if found.several is None:
        return call("json_exists", document, text(found.path))
    return exp.paren(exp.GT(this=call("len", found.several), expression=exp.Literal.number(0)))


def _path_text(node: exp.Expr) -> str | None:
    """The text of a literal path, whether it is called a jsonpath or not."""
    if isinstance(node, exp.Cast) and isinstance(node.to, NamedType):
        named = node.to.args["type"].named
        if named is not None and named.name == "jsonpath":
            node = node.this
    return literal_text(node)


def path_match(arguments: Arguments) -> exp.Expr:
    """True if the predicate holds; NULL of a document that is null, or without a predicate."""
    check("json_path_match", arguments, 2, 2, "json_path_match(json, predicate)")
    document, predicate = cast(arguments[0], "JSON"), _path_text(arguments[1])
    if predicate is None and not isinstance(arguments[1], exp.Null):
        raise DbError(ErrorKind.UNSUPPORTED, "json_path_match() needs a literal predicate")
    if predicate is None or predicate.strip() == "null":
        return cast(exp.null(), "BOOLEAN")
    try:
        condition, rest = _predicate(predicate, document)
    except PathError:
        rest = predicate
    if rest.strip():
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"{predicate!r} is not a predicate of JSON paths")
    known = exp.NEQ(this=call("json_type", document), expression=text("NULL"))
    return exp.paren(exp.Case(ifs=[exp.If(this=known, true=condition)]))


def build_object(arguments: Arguments) -> exp.Expr:
    """DuckDB's json_object; pairs are checked here."""
    if len(arguments) % 2:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"an object is made of keys and values in turn, but {len(arguments)} were given",
        )
    if any(isinstance(key, exp.Null) for key in arguments[::2]):
        raise DbError(ErrorKind.INVALID_ARGUMENT, "a key of a JSON object cannot be NULL")
    return call("json_object", *arguments)


def extract_path(arguments: Arguments) -> exp.Expr:
    """PostgreSQL's json_extract_path(j, 'a', 'b')."""
    return _below("json_extract", arguments)


def extract_path_text(arguments: Arguments) -> exp.Expr:
    """As json_extract_path, as text."""
    return _below("json_extract_string", arguments)


def _below(function: str, arguments: Arguments) -> exp.Expr:
    check(function, arguments, 1, None, "json_extract_path(json, key, …)")
    value = cast(arguments[0], "JSON")
    keys = arguments[1:] or (text("$"),)
    for at, key in enumerate(keys):
        last = at == len(keys) - 1
        name = literal_text(key)
        if name is not None and name.isdigit():  # of an array, or of an object with such a key
            key = text(f"$[{name}]")
        value = call(function if last else "json_extract", value, key)
    return value


def elements(arguments: Arguments) -> exp.Expr:
    """json_array_elements: a row for each value."""
    check("json_array_elements", arguments, 1, 1, "json_array_elements(json)")
    values = call("json_extract", cast(arguments[0], "JSON"), text("$[*]"))
    return exp.Unnest(expressions=[values])


def elements_text(arguments: Arguments) -> exp.Expr:
    """json_array_elements_text: a row for each value as text."""
    check("json_array_elements_text", arguments, 1, 1, "json_array_elements_text(json)")
    values = call("json_extract_string", cast(arguments[0], "JSON"), text("$[*]"))
    return exp.Unnest(expressions=[values])
