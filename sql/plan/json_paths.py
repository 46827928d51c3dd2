"""`j.a.b`: what a JSON column holds below a path of keys, as text.

Called by sql/plan/plan.py before table names are resolved: the grammar reads such a path as a
table's or database's column, and only the tables' columns tell the two apart. A table of that name
comes first. PostgreSQL's and GreptimeDB's rules for objects: a missing key is NULL.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from catalog.records import Table
from engine.datatypes import TypeId

_HOLDERS = (exp.Select, exp.Update, exp.Delete)


def json_paths(tree: exp.Expr, known: Callable[[exp.Table], Table | None]) -> exp.Expr:
    """Replaces paths into JSON columns by the extraction they mean, in place.

    `known` gives the record of a table node, None for what is not a table. Raises: DbError.
    """
    for node in list(tree.find_all(exp.Column)):
        path = _parts(node)
        if len(path) > 1:
            _rewrite(node, path, known)
    return tree


def _parts(node: exp.Column) -> list[exp.Identifier]:
    """The names of `a.b.c`, outermost first; parts above the fourth are `Dot` nodes around it."""
    parts = [part for part in node.parts if isinstance(part, exp.Identifier)]
    dot = node.parent
    while isinstance(dot, exp.Dot) and isinstance(dot.expression, exp.Identifier):
        parts.append(dot.expression)
        dot = dot.parent
    return parts


def _rewrite(
    node: exp.Column, path: list[exp.Identifier], known: Callable[[exp.Table], Table | None]
) -> None:
    holder = node.find_ancestor(*_HOLDERS)
    while holder is not None:
        sources = _sources(holder)
        if any(source.alias_or_name == path[0].name for source in sources):
            _extract(node, path, 1, [s for s in sources if s.alias_or_name == path[0].name], known)
            return
        if _extract(node, path, 0, sources, known):
            return
        holder = holder.find_ancestor(*_HOLDERS)


def _extract(
    node: exp.Column,
    path: list[exp.Identifier],
    at: int,
    sources: list[exp.Expr],
    known: Callable[[exp.Table], Table | None],
) -> bool:
    """Takes `path[at]` for a JSON column of one of the sources, if it is that."""
    keys = path[at + 1 :]
    if (
        not keys
        or any('"' in key.name for key in keys)
        or sum(_has_json(source, path[at].name, known) for source in sources) != 1
    ):
        return False
    outermost: exp.Expr = node
    while isinstance(outermost.parent, exp.Dot):
        outermost = outermost.parent
    column = exp.Column(this=path[at].copy(), table=path[0].copy() if at else None)
    steps = "".join(f'."{key.name}"' for key in keys)
    text = exp.JSONExtractScalar(this=column, expression=exp.Literal.string(f"${steps}"))
    cast = outermost.parent
    if type(cast) is exp.Cast:  # what is there but of another type is NULL
        cast.replace(exp.TryCast(this=exp.Paren(this=text), to=cast.to.copy()))
        return True
    outermost.replace(exp.Paren(this=text))  # DuckDB's arrow binds less than a comparison
    return True


def _has_json(source: exp.Expr, name: str, known: Callable[[exp.Table], Table | None]) -> bool:
    if not isinstance(source, exp.Table):
        return False
    table = known(source)
    column = table.column(name) if table is not None else None
    return column is not None and column.type.id is TypeId.JSON


def _sources(holder: exp.Expr) -> list[exp.Expr]:
    """What a query reads from directly."""
    from_ = holder.args.get("from_")
    first = from_.this if from_ is not None else holder.this
    nodes = [first] if isinstance(first, exp.Expr) else []  # MERGE's own INSERT names no table
    nodes += [join.this for join in holder.args.get("joins") or []]
    for node in list(nodes):
        nodes += [join.this for join in node.args.get("joins") or []]
    return [node for node in nodes if isinstance(node, exp.Expr)]
