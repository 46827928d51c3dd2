"""What outputs are called whose values are carried as plain text or numbers: int4range, oid, …

Asked once when a query is planned, before rules change the tree. Inside, such values have no type
of their own; so it is read off the statement what an output shows: a column, a cast, or something
made of these. Where that is not certain, the output is the text or number that it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from catalog.records import Column, Table
from engine import datatypes as dt
from engine.datatypes import DataType
from engine.errors import DbError
from engine.named import BASE_TYPES, SHOWN_TYPES, Named, NamedKind
from sql.decode.lengths import char_length
from sql.plan.blank_padded import cast_length
from sql.plan.context import TypeLookup
from sql.plan.named_types import resolve_types
from sql.system.pg_catalog.shapes import COLUMN_TYPES
from sql.types import from_sql

Shown = DataType | None
_Columns = Sequence[tuple[str, Shown]]  # names and types of a query's outputs
_DEPTH_MAX = 32
_SAME = (
    *(exp.Paren, exp.Min, exp.Max, exp.Coalesce, exp.Alias, exp.Nullif, exp.First, exp.Last),
    *(exp.AnyValue, exp.Distinct, exp.Order, exp.Filter, exp.Window, exp.Lag, exp.Lead),
    *(exp.FirstValue, exp.LastValue, exp.Greatest, exp.Least, exp.Collate),
)
_VOID = frozenset({"pg_sleep", "pg_notify", "pg_advisory_lock", "pg_advisory_lock_shared"})
_VOID |= {"pg_advisory_xact_lock", "pg_advisory_xact_lock_shared", "pg_advisory_unlock_all"}
_JSONB = frozenset({"to_jsonb", "jsonb_agg", "jsonb_object_agg", "jsonb_build_object"})
_JSONB |= {"jsonb_build_array", "jsonb_set", "jsonb_insert", "jsonb_strip_nulls", "jsonb_object"}
_HSTORE = frozenset({"hstore", "slice", "delete"})  # functions of the extension that give one
_CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
_CASTS = {exp.DType.NAME: "name", exp.DType.JSONB: "jsonb", exp.DType.BPCHAR: "bpchar"}


def shown_types(
    tree: exp.Expr, lookup: TypeLookup, table_of: Callable[[exp.Table], Table | None]
) -> tuple[Shown, ...]:
    """What each output is shown as, None as ever; empty if none is, or if that is not certain."""
    found = _Reader(lookup, table_of).outputs(tree, 0)
    if found is None or not any(type_ for _, type_ in found):
        return ()
    return tuple(type_ for _, type_ in found)


def shown_type(
    lookup: TypeLookup, table_of: Callable[[exp.Table], Table | None], node: exp.Expr
) -> Shown:
    """As `shown_types`, of one expression inside a query."""
    query = node.find_ancestor(exp.Select)
    return _Reader(lookup, table_of).of(node, query) if query is not None else None


def type_within(
    lookup: TypeLookup, table_of: Callable[[exp.Table], Table | None], node: exp.Expr
) -> Shown:
    """As `shown_type`, in changes of tables too, and arrays of any kind have their types."""
    holder = node.find_ancestor(exp.Select, exp.Update, exp.Delete)
    query = holder if isinstance(holder, exp.Select) else exp.select()
    if isinstance(holder, exp.Update | exp.Delete):
        query = query.from_(holder.this.copy())
    return _Reader(lookup, table_of, lists=True).of(node, query)


def is_only_shown(type_: DataType) -> bool:
    """True if no table's column can have the type: it is one of results alone."""
    named = type_.innermost.named
    return named is not None and named.name in SHOWN_TYPES


def _of(word: str) -> Shown:
    """A type of pg_catalog's columns, if it is one of these."""
    named = SHOWN_TYPES.get(word.removesuffix("[]")) or BASE_TYPES.get(word.removesuffix("[]"))
    if named is None:
        return None
    shown = dt.named_type(named)
    return dt.list_of(shown) if word.endswith("[]") else shown


_CATALOG = {
    name: [(column, _of(word)) for column, word in columns]
    for name, columns in COLUMN_TYPES.items()
}


class _Reader:
    """Reads types off a tree that nothing has changed yet."""

    def __init__(
        self,
        lookup: TypeLookup,
        table_of: Callable[[exp.Table], Table | None],
        *,
        lists: bool = False,
    ) -> None:
        self._lookup = lookup
        self._table_of = table_of
        self._lists = lists

    def of(self, node: exp.Expr, query: exp.Select) -> Shown:
        """The type of an expression of the query."""
        return self._type(node, query, 0)

    def outputs(self, query: exp.Expr | None, depth: int) -> _Columns | None:
        """Names and types of a query's outputs; None if a star cannot be told."""
        while isinstance(query, exp.SetOperation | exp.Subquery):
            query = query.this
        if isinstance(query, exp.Values) and query.expressions:
            row = query.expressions[0]
            items = row.expressions if isinstance(row, exp.Tuple) else [row]
            return [(f"column{n}", self._cast_type(item)) for n, item in enumerate(items, 1)]
        if isinstance(query, _CHANGES):
            query = _returned(query)
        if not isinstance(query, exp.Select) or depth > _DEPTH_MAX:
            return None
        found: list[tuple[str, Shown]] = []
        for item in query.expressions:
            if item.is_star:
                columns = self._starred(query, item, depth)
                if columns is None:
                    return None
                found += columns
            else:
                found.append((item.alias_or_name.lower(), self._type(item, query, depth)))
        return found

    def _starred(self, query: exp.Select, item: exp.Expr, depth: int) -> _Columns | None:
        wanted = item.table if isinstance(item, exp.Column) else ""
        found: list[tuple[str, Shown]] = []
        for source in _sources(query):
            if not wanted or source.alias_or_name == wanted:
                columns = self._columns(source, query, depth)
                if columns is None:
                    return None
                found += columns
        return found

    def _columns(self, source: exp.Expr, query: exp.Expr, depth: int) -> _Columns | None:
        """The columns of a derived table, a CTE, a table or a relation of pg_catalog."""
        if isinstance(source, exp.Subquery):
            return _renamed(self.outputs(source, depth + 1), source.args.get("alias"))
        if isinstance(source, exp.Values):
            return _renamed(self.outputs(source, depth + 1), source.args.get("alias"))
        if not isinstance(source, exp.Table) or not isinstance(source.this, exp.Identifier):
            return None
        if not source.db:
            cte = _cte(source.name, query)
            if cte is not None:
                return _renamed(self.outputs(cte.this, depth + 1), cte.args.get("alias"))
        table = self._table_of(source)
        if table is not None:
            return [
                (c.name.lower(), c.type if self._lists and c.type.element else _declared(c))
                for c in table.columns
            ]
        if source.db in ("", "pg_catalog"):
            return _CATALOG.get(source.name.lower())
        return None

    def _type(self, node: exp.Expr, query: exp.Select, depth: int) -> Shown:
        if depth > _DEPTH_MAX:
            return None
        if isinstance(node, exp.Column):
            return self._column(node, query, depth)
        if isinstance(node, exp.Cast):
            return self._cast_type(node)
        if isinstance(node, _SAME):
            return self._type(node.this, query, depth + 1)
        if isinstance(node, exp.ArrayAgg):
            return _listed(self._type(node.this, query, depth + 1))
        if isinstance(node, exp.Array):
            types = (self._type(item, query, depth + 1) for item in node.expressions)
            return _listed(next((type_ for type_ in types if type_ is not None), None))
        if isinstance(node, exp.Explode | exp.Unnest | exp.Bracket):
            inner = node.this if node.this is not None else (node.expressions or [None])[0]
            held = self._type(inner, query, depth + 1) if inner is not None else None
            return held.element if held is not None else None
        return self._rarer(node, query, depth)

    def _rarer(self, node: exp.Expr, query: exp.Select, depth: int) -> Shown:
        if isinstance(node, exp.Subquery):
            columns = self.outputs(node, depth + 1)
            return columns[0][1] if columns else None
        if isinstance(node, exp.Case):
            results = [branch.args.get("true") for branch in node.args["ifs"]]
            results.append(node.args.get("default"))
            types = (self._type(r, query, depth + 1) for r in results if r is not None)
            return next((type_ for type_ in types if type_ is not None), None)
        if isinstance(node, exp.Dot):
            held = self._type(node.this.unnest(), query, depth + 1)
            fields = held.named.fields if held is not None and held.named is not None else ()
            return next((_carried(type_) for name, type_ in fields if name == node.name), None)
        if isinstance(node, exp.JSONExtract | exp.JSONBExtract):  # -> and #>
            held = self._type(node.this, query, depth + 1)
            return held if held is not None and held.named == SHOWN_TYPES["jsonb"] else None
        if isinstance(node, exp.JSONBObjectAgg):
            return _of("jsonb")
        if isinstance(node, exp.Anonymous):
            name = node.name.lower()
            if name in _JSONB:
                return _of("jsonb")
            if name in _HSTORE:
                return self._extended("hstore")
            is_range = name.endswith("range")
            return _of("void") if name in _VOID else _of(name) if is_range else None
        if isinstance(node, exp.DPipe):
            sides = (self._type(side, query, depth + 1) for side in (node.left, node.right))
            hstore = self._extended("hstore")
            return hstore if hstore is not None and hstore in sides else None
        if isinstance(node, exp.Add | exp.Sub | exp.Mul):  # of ranges, or without keys
            left = self._type(node.this, query, depth + 1)
            return left if left is not None and left.named and _subtracts(left.named) else None
        return None

    def _extended(self, name: str) -> Shown:
        """The type of an extension, if the session sees it."""
        meaning = self._lookup("", name)
        named = meaning.type.named if meaning is not None else None
        is_own = named is not None and named.kind is NamedKind.EXTENSION
        return meaning.type if meaning is not None and is_own else None

    def _column(self, node: exp.Column, query: exp.Select, depth: int) -> Shown:
        found: list[Shown] = []
        for source in _sources(query):
            if node.table and source.alias_or_name != node.table:
                continue
            columns = self._columns(source, query, depth + 1)
            found += [type_ for name, type_ in columns or () if name == node.name.lower()]
        return found[0] if len(found) == 1 else None

    def _cast_type(self, node: exp.Expr) -> Shown:
        to = node.args.get("to") if isinstance(node, exp.Cast) else None
        return self._written(to) if to is not None else None

    def _written(self, to: exp.Expr) -> Shown:
        if isinstance(to, exp.ObjectIdentifier):
            return _of("oid") if to.name.upper() == "OID" else None
        if not isinstance(to, exp.DataType):
            return None
        if to.this is exp.DType.ARRAY and to.expressions:
            return _listed(self._written(to.expressions[0]))
        if (length := cast_length(to)) > 0:
            return blank_padded(length)
        if to.this in _CASTS:
            return _of(_CASTS[to.this])
        kind = to.args.get("kind")
        if isinstance(kind, exp.Identifier) and kind.name in SHOWN_TYPES:
            return _of(kind.name)
        try:
            type_ = from_sql(resolve_types(to.copy(), self._lookup))
            return type_ if self._lists and type_.element is not None else _carried(type_)
        except DbError:
            return None


def _subtracts(named: Named) -> bool:
    return "range" in named.name or named.name == "hstore"


def _returned(change: exp.Expr) -> exp.Select | None:
    """What RETURNING gives, as a query of the changed table."""
    clause, target = change.args.get("returning"), change.this
    if isinstance(target, exp.Schema):
        target = target.this
    if clause is None or not isinstance(target, exp.Table):
        return None
    items = [item.copy() for item in clause.expressions]
    return exp.select(*items).from_(target.copy())


def _carried(type_: DataType) -> Shown:
    return type_ if type_.innermost.named is not None else None


def _declared(column: Column) -> Shown:
    """What a table's column is shown as: JSONB is JSON that was declared so."""
    if column.declared == "jsonb" and column.type.id is dt.TypeId.JSON:
        return _of("jsonb")
    if column.type.id is dt.TypeId.STRING and (length := char_length(column)):
        return blank_padded(length)
    return _carried(column.type)


def blank_padded(length: int) -> DataType:
    """CHAR(n) as clients of PostgreSQL see it: `precision` is the n."""
    return DataType(dt.TypeId.STRING, precision=length, named=SHOWN_TYPES["bpchar"])


def _listed(type_: Shown) -> Shown:
    return None if type_ is None else type_ if type_.element is not None else dt.list_of(type_)


def _sources(query: exp.Select) -> list[exp.Expr]:
    from_ = query.args.get("from_")
    found = [] if from_ is None else [from_.this]
    return [*found, *(join.this for join in query.args.get("joins") or [])]


def _renamed(columns: _Columns | None, alias: exp.Expr | None) -> _Columns | None:
    names = [column.name.lower() for column in alias.args.get("columns") or []] if alias else []
    if columns is None or len(names) > len(columns):
        return None
    whole = [*names, *(name for name, _ in columns[len(names) :])]
    return [(name, type_) for name, (_, type_) in zip(whole, columns, strict=True)]


def _cte(name: str, node: exp.Expr | None) -> exp.Expr | None:
    while node is not None:
        with_ = node.args.get("with_")
        for cte in with_.expressions if with_ is not None else ():
            if cte.alias == name:
                found: exp.Expr = cte
                return found
        node = node.parent
    return None
