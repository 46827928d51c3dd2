"""Operators and functions of hstore and citext, by the types of what they stand between.

A planning rule, called by plan.py before anything else takes `->` and `?` for JSON's. It does
nothing for sessions that see neither extension. A citext becomes a text that the store compares
without case; what functions of texts do with it (replace, split_part, …) they do by case.

https://www.postgresql.org/docs/15/hstore.html, https://www.postgresql.org/docs/15/citext.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sqlglot import exp

from engine.datatypes import DataType
from engine.named import NamedKind
from sql.dialect.object_nodes import NamedType
from sql.dialect.pieces import rewritten, store_collated
from sql.plan.context import PlanContext
from sql.plan.shown_types import Shown, type_within
from sql.plan.tables import known_table

READ = "read"  # in the meta of a cast: its text is as the type prints it
_CASELESS = "nocase"
_JSON = (exp.DType.JSON, exp.DType.JSONB)
_KINDS: tuple[type[exp.Expr], ...] = (
    *(exp.JSONExtract, exp.JSONBContainsTopKey, exp.JSONBContainsAnyTopKeys),
    *(exp.JSONBContainsAllTopKeys, exp.DPipe, exp.Sub, exp.ArrayContainsAll),
    *(exp.ArrayContainedBy, exp.Bracket, exp.Cast, exp.Anonymous, exp.Dot, exp.RegexpLike),
)


def extension_forms(tree: exp.Expr, context: PlanContext) -> exp.Expr:
    """Changes the tree in place and returns it, or what replaces it. Raises: DbError.

    Requires: names of types are resolved.
    """
    found = {name: context.type_named("", name) for name in ("hstore", "citext")}
    if all(one is None or one.type.named is None for one in found.values()):
        return tree
    meaning = found["hstore"]
    type_of = partial(type_within, context.type_named, partial(known_table, context=context))
    rules = _Rules(type_of, meaning.type if meaning is not None else None)
    for source in list(tree.find_all(exp.Table, exp.Lateral)):
        rules.source(source)
    for item in [node for node in tree.find_all(exp.Dot) if node.expression.is_star]:
        rules.both(item)
    return rewritten(tree, _KINDS, rules.made)


class _Rules:
    """What becomes of one node. `hstore` is None if only citext is there."""

    def __init__(self, type_of: Callable[[exp.Expr], Shown], hstore: DataType | None) -> None:
        self._type_of = type_of
        self._hstore = hstore

    def made(self, node: exp.Expr) -> exp.Expr | None:
        if isinstance(node, exp.Cast):
            return self._cast(node)
        if isinstance(node, exp.RegexpLike):
            return self._pattern(node)
        if self._hstore is None:
            return None
        if isinstance(node, exp.Anonymous):
            return self._call(node.name.lower(), node.expressions)
        if isinstance(node, exp.Dot):
            return self._each(node.this.unnest(), node.name.lower())
        return self._operator(node)

    def _is(self, node: exp.Expr, name: str) -> bool:
        found = self._type_of(node)
        named = found.named if found is not None else None
        return named is not None and named.kind is NamedKind.EXTENSION and named.name == name

    def _as_hstore(self, text: exp.Expr) -> exp.Expr:
        assert self._hstore is not None
        to = NamedType(this=exp.DType.USERDEFINED, type=self._hstore)
        made = exp.Cast(this=text, to=to)
        made.meta[READ] = True
        return made

    def _typed(self, node: exp.Expr) -> exp.Expr:
        """A value of hstore, which a literal is read as."""
        assert self._hstore is not None
        if not node.is_string:
            return _text(node)
        to = NamedType(this=exp.DType.USERDEFINED, type=self._hstore)
        return _text(exp.Cast(this=node.copy(), to=to))

    # --- citext ---------------------------------------------------------------------------------

    def _cast(self, node: exp.Cast) -> exp.Expr | None:
        to = node.args["to"]
        if isinstance(to, NamedType):
            named = to.args["type"].named
            within = isinstance(node.parent, exp.Collate)
            is_citext = named is not None and named.name == "citext"
            return store_collated(node, _CASELESS) if is_citext and not within else None
        if self._hstore is None or not isinstance(to, exp.DataType) or to.this not in _JSON:
            return None
        return _json(node.this, loosely=False) if self._is(node.this, "hstore") else None

    def _pattern(self, node: exp.RegexpLike) -> exp.Expr | None:
        if not self._is(node.this, "citext"):
            return None
        return exp.RegexpILike(this=node.this.copy(), expression=node.expression.copy())

    # --- hstore ---------------------------------------------------------------------------------

    def _operator(self, node: exp.Expr) -> exp.Expr | None:
        if isinstance(node, exp.Bracket):
            mine = self._is(node.this, "hstore")
            return _call("value", _text(node.this), _text(node.expressions[0])) if mine else None
        left, right = node.this, node.expression
        if isinstance(node, exp.ArrayContainedBy):
            left, right = right, left
        mine = self._is(left, "hstore")
        if not mine and (isinstance(node, exp.JSONExtract) or not self._is(right, "hstore")):
            return None
        return self._between(node, left, right)

    def _between(self, node: exp.Expr, left: exp.Expr, right: exp.Expr) -> exp.Expr | None:
        if isinstance(node, exp.JSONExtract):
            return self._fetched(left, right)
        if isinstance(node, exp.DPipe):
            return self._as_hstore(_call("joined", self._typed(left), self._typed(right)))
        if isinstance(node, exp.ArrayContainsAll | exp.ArrayContainedBy):
            return _call("contains", self._typed(left), self._typed(right))
        if isinstance(node, exp.Sub):
            return self._without(left, right)
        if isinstance(node, exp.JSONBContainsTopKey):
            return _test("any", left, _one(right))
        which = "all" if isinstance(node, exp.JSONBContainsAllTopKeys) else "any"
        return _test(which, left, _list(right))

    def _fetched(self, value: exp.Expr, key: exp.Expr) -> exp.Expr:
        if isinstance(key, exp.JSONPath):
            key = exp.Literal.string(str(key.expressions[-1].this))
        if self._is_list(key):
            return _call("several", _text(value), _list(key))
        return _call("value", _text(value), _text(key))

    def _without(self, value: exp.Expr, gone: exp.Expr) -> exp.Expr:
        if gone.is_string or self._is(gone, "hstore"):
            return self._as_hstore(_call("less", self._typed(value), self._typed(gone)))
        keys = _list(gone) if self._is_list(gone) else _one(gone)
        return self._as_hstore(_call("part", _word("delete"), self._typed(value), keys))

    def _is_list(self, node: exp.Expr) -> bool:
        if isinstance(node, exp.Array):
            return True
        if isinstance(node, exp.Anonymous) and node.name in _LISTS:
            return True
        found = self._type_of(node)
        return found is not None and found.element is not None

    def _call(self, name: str, given: list[exp.Expr]) -> exp.Expr | None:
        if name == "hstore" and given:
            return self._new(given)
        if name == "slice" and len(given) == 2:
            kept = _call("part", _word("slice"), _text(given[0]), _list(given[1]))
            return self._as_hstore(kept)
        if name == "delete" and len(given) == 2:
            if given[1].is_string:
                gone = _one(given[1])
                return self._as_hstore(_call("part", _word("delete"), _text(given[0]), gone))
            return self._without(*given)
        make = _CALLS.get((name, len(given)))
        return make(*given) if make is not None else None

    def _new(self, given: list[exp.Expr]) -> exp.Expr | None:
        """hstore(keys, values), hstore(key, value), hstore(array) and hstore(text)."""
        first = given[0]
        if len(given) == 2:
            take = _list if self._is_list(first) else _one
            return self._as_hstore(_call("made", *map(take, given)))
        if self._is_list(first):
            return self._as_hstore(_call("paired", _list(first)))
        assert self._hstore is not None
        return exp.Cast(
            this=first.copy(), to=NamedType(this=exp.DType.USERDEFINED, type=self._hstore)
        )

    def _each(self, call: exp.Expr, field: str) -> exp.Expr | None:
        """`(each(h)).key` and `.value`."""
        is_each = isinstance(call, exp.Anonymous) and call.name.lower() == "each"
        return _unnested(field, call) if is_each and field in _FIELDS else None

    def both(self, item: exp.Dot) -> None:
        """`(each(h)).*`: two outputs."""
        whole = item.parent if isinstance(item.parent, exp.Alias) else item  # named before
        select, call = whole.parent, item.this.unnest()
        if self._hstore is None or not isinstance(select, exp.Select):
            return
        if isinstance(call, exp.Anonymous) and call.name.lower() == "each":
            made = [exp.alias_(_unnested(field, call), field) for field in _FIELDS]
            at = select.expressions.index(whole)
            items = [*select.expressions[:at], *made, *select.expressions[at + 1 :]]
            select.set("expressions", items)

    def source(self, node: exp.Expr) -> None:
        """each(), skeys() and svals() in FROM."""
        call = node.this
        if self._hstore is None or not isinstance(call, exp.Anonymous):
            return
        name = call.name.lower()
        columns = _SOURCES.get(name)
        if columns is None or len(call.expressions) != 1:
            return
        text = _text(call.expressions[0])
        items = [
            exp.alias_(exp.Explode(this=_call(what, text.copy())), column)
            for column, what in columns.items()
        ]
        query = exp.select(*items)
        if isinstance(node, exp.Lateral):
            node.set("this", exp.Subquery(this=query))
            return
        alias = node.args.get("alias") or exp.TableAlias(this=exp.to_identifier(name))
        node.replace(exp.Subquery(this=query, alias=alias))


_FIELDS = {"key": "keys", "value": "values"}
_SOURCES = {"each": _FIELDS, "skeys": {"skeys": "keys"}, "svals": {"svals": "values"}}
_LISTS = frozenset({"gn_hstore_keys", "gn_hstore_values", "gn_hstore_several", "gn_hstore_flat"})


def _unnested(field: str, each: exp.Expr) -> exp.Expr:
    return exp.Explode(this=_call(_FIELDS[field], _text(each.expressions[0])))


def _word(text: str) -> exp.Expr:
    return exp.Literal.string(text)


def _call(name: str, *arguments: exp.Expr) -> exp.Expr:
    return exp.Anonymous(this=f"gn_hstore_{name}", expressions=list(arguments))


def _text(node: exp.Expr) -> exp.Expr:
    return exp.cast(node.copy(), exp.DType.VARCHAR)


def _list(node: exp.Expr) -> exp.Expr:
    return exp.cast(node.copy(), exp.DataType.build("TEXT[]", dialect="postgres"))


def _one(node: exp.Expr) -> exp.Expr:
    return exp.Array(expressions=[_text(node)])


def _test(which: str, value: exp.Expr, keys: exp.Expr) -> exp.Expr:
    return _call("test", _word(which), _text(value), keys)


def _json(value: exp.Expr, *, loosely: bool) -> exp.Expr:
    made = _call("json", _text(value), exp.Boolean(this=loosely))
    return exp.cast(made, exp.DType.JSON)


_CALLS: dict[tuple[str, int], Callable[..., exp.Expr]] = {
    ("akeys", 1): lambda h: _call("keys", _text(h)),
    ("avals", 1): lambda h: _call("values", _text(h)),
    ("skeys", 1): lambda h: exp.Explode(this=_call("keys", _text(h))),
    ("svals", 1): lambda h: exp.Explode(this=_call("values", _text(h))),
    ("hstore_to_array", 1): lambda h: _call("flat", _text(h)),
    ("hstore_to_matrix", 1): lambda h: _call("matrix", _text(h)),
    ("exist", 2): lambda h, key: _test("any", h, _one(key)),
    ("defined", 2): lambda h, key: _test("defined", h, _one(key)),
    ("exists_any", 2): lambda h, keys: _test("any", h, _list(keys)),
    ("exists_all", 2): lambda h, keys: _test("all", h, _list(keys)),
    ("slice_array", 2): lambda h, keys: _call("several", _text(h), _list(keys)),
    ("fetchval", 2): lambda h, key: _call("value", _text(h), _text(key)),
    ("hstore_to_json", 1): partial(_json, loosely=False),
    ("hstore_to_jsonb", 1): partial(_json, loosely=False),
    ("hstore_to_json_loose", 1): partial(_json, loosely=True),
    ("hstore_to_jsonb_loose", 1): partial(_json, loosely=True),
}
