"""Outputs that PostgreSQL shows as types which nothing else here tells apart: oid, name, "char", …

Asked once when a query of PostgreSQL's wire is planned, before rules change the tree. Drivers learn
types from what the catalogs answer, and read a kind (`"char"`) otherwise than a text. Inside, such
values are plain numbers and texts; only the columns of a result are called what they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from engine import datatypes as dt
from engine.datatypes import DataType
from engine.named import SHOWN_TYPES
from sql.system.pg_catalog.shapes import COLUMN_TYPES

_Columns = Sequence[tuple[str, str]]  # name and type, empty for one that says nothing new
_DEPTH_MAX = 32
_SAME = (exp.Paren, exp.Min, exp.Max, exp.Coalesce, exp.Alias, exp.Nullif)
_CASTS = {exp.DType.NAME: "name", exp.DType.JSONB: "jsonb", exp.DType.BPCHAR: "bpchar"}
_NAMED_CASTS = {"char": "char", "name": "name", "xid": "xid", "cid": "cid", "bpchar": "bpchar"}


def shown_types(tree: exp.Expr) -> tuple[DataType | None, ...]:
    """What each output is shown as, None as ever; empty if none is, or if that is not certain."""
    found = _outputs(tree, 0)
    if found is None or not any(word for _, word in found):
        return ()
    return tuple(_type(word) for _, word in found)


def _type(word: str) -> DataType | None:
    named = SHOWN_TYPES.get(word.removesuffix("[]"))
    if named is None:
        return None
    shown = dt.named_type(named)
    return dt.list_of(shown) if word.endswith("[]") else shown


def _outputs(query: exp.Expr | None, depth: int) -> _Columns | None:
    """Names and types of a query's outputs; None if a star cannot be told."""
    while isinstance(query, exp.SetOperation | exp.Subquery):
        query = query.this
    if not isinstance(query, exp.Select) or depth > _DEPTH_MAX:
        return None
    found: list[tuple[str, str]] = []
    for item in query.expressions:
        if item.is_star:
            columns = _starred(query, item, depth)
            if columns is None:
                return None
            found += columns
        else:
            found.append((item.alias_or_name.lower(), _word(item, query, depth)))
    return found


def _starred(query: exp.Select, item: exp.Expr, depth: int) -> _Columns | None:
    wanted = item.table if isinstance(item, exp.Column) else ""
    found: list[tuple[str, str]] = []
    for source in _sources(query):
        if not wanted or source.alias_or_name == wanted:
            columns = _columns(source, query, depth)
            if columns is None:
                return None
            found += columns
    return found


def _sources(query: exp.Select) -> list[exp.Expr]:
    from_ = query.args.get("from_")
    found = [] if from_ is None else [from_.this]
    return [*found, *(join.this for join in query.args.get("joins") or [])]


def _columns(source: exp.Expr, query: exp.Expr, depth: int) -> _Columns | None:
    """The columns of a derived table, a CTE or a relation of pg_catalog."""
    if isinstance(source, exp.Subquery):
        return _renamed(_outputs(source, depth + 1), source.args.get("alias"))
    if not isinstance(source, exp.Table) or not isinstance(source.this, exp.Identifier):
        return None
    if not source.db:
        cte = _cte(source.name, query)
        if cte is not None:
            return _renamed(_outputs(cte.this, depth + 1), cte.args.get("alias"))
    if source.db in ("", "pg_catalog"):
        return COLUMN_TYPES.get(source.name.lower())
    return None


def _renamed(columns: _Columns | None, alias: exp.Expr | None) -> _Columns | None:
    names = [column.name.lower() for column in alias.args.get("columns") or []] if alias else []
    if columns is None or len(names) > len(columns):
        return None
    whole = [*names, *(name for name, _ in columns[len(names) :])]
    return [(name, word) for name, (_, word) in zip(whole, columns, strict=True)]


def _cte(name: str, node: exp.Expr | None) -> exp.Expr | None:
    while node is not None:
        with_ = node.args.get("with_")
        for cte in with_.expressions if with_ is not None else ():
            if cte.alias == name:
                found: exp.Expr = cte
                return found
        node = node.parent
    return None


def _word(node: exp.Expr, query: exp.Select, depth: int) -> str:
    if depth > _DEPTH_MAX:
        return ""
    if isinstance(node, exp.Column):
        return _column(node, query, depth)
    if isinstance(node, exp.Cast):
        return _cast(node.args["to"])
    if isinstance(node, _SAME):
        return _word(node.this, query, depth + 1)
    if isinstance(node, exp.ArrayAgg):
        inner = node.this.this if isinstance(node.this, exp.Order) else node.this
        word = _word(inner, query, depth + 1)
        return f"{word}[]" if word and not word.endswith("[]") else ""
    if isinstance(node, exp.Subquery):
        columns = _outputs(node, depth + 1)
        return columns[0][1] if columns else ""
    if isinstance(node, exp.Case):
        results = [branch.args.get("true") for branch in node.args["ifs"]]
        return next((_word(r, query, depth + 1) for r in results if r is not None), "")
    return ""


def _column(node: exp.Column, query: exp.Select, depth: int) -> str:
    found = []
    for source in _sources(query):
        if node.table and source.alias_or_name != node.table:
            continue
        columns = _columns(source, query, depth + 1)
        found += [word for name, word in columns or () if name == node.name.lower()]
    return found[0] if len(found) == 1 else ""


def _cast(to: exp.Expr) -> str:
    if isinstance(to, exp.ObjectIdentifier):
        return "oid" if to.name.upper() == "OID" else ""
    if not isinstance(to, exp.DataType):
        return ""
    if to.this is exp.DType.ARRAY and to.expressions:
        word = _cast(to.expressions[0])
        return f"{word}[]" if word and not word.endswith("[]") else ""
    if to.this is exp.DType.USERDEFINED:
        kind = to.args.get("kind")
        return _NAMED_CASTS.get(kind.name if isinstance(kind, exp.Identifier) else "", "")
    return _CASTS.get(to.this, "")
