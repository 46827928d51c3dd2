"""`j.a.b`: what a JSON column holds below a path of keys, as text.

Called by sql/plan/plan.py before table names are resolved: the grammar reads such a path as a
table's or database's column, and only the tables' columns tell the two apart. A table of that name
comes first. PostgreSQL's and GreptimeDB's rules for objects: a missing key is NULL. Paths of JSON2
columns that were declared with a type have that.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from catalog.records import Column, Table
from engine.datatypes import TypeId
from sql.dialect.json2 import Hint, hints_of, is_json2

_HOLDERS = (exp.Select, exp.Update, exp.Delete)


def json_paths(tree: exp.Expr, known: Callable[[exp.Table], Table | None]) -> exp.Expr:
    """Replaces paths into JSON columns by the extraction they mean, in place.

    `known` gives the record of a table node, None for what is not a table. Raises: DbError.
    """
    for node in list(tree.find_all(exp.Column)):
        path = _parts(node)
        if len(path) > 1:
            _rewrite(node, path, known)
    for call in list(tree.find_all(exp.Anonymous)):
        if call.name.lower() == "json_get" and not isinstance(call.parent, exp.Func):
            _shown(call)
    for cast in list(tree.find_all(exp.Cast)):
        if isinstance(cast.this, exp.Anonymous) and cast.this.name.lower() == "json_get":
            _cast(cast, cast.this)
    return tree


def _shown(call: exp.Anonymous) -> None:
    """`json_get(j, 'a')` that no function takes is shown as text, as `j.a` is."""
    call.set("this", "json_get_string")


def _cast(cast: exp.Cast, value: exp.Anonymous) -> None:
    """`json_get(j, 'a')::BIGINT`: what is there but of another type is NULL."""
    _shown(value)
    if type(cast) is exp.Cast:
        cast.replace(exp.TryCast(this=value, to=cast.to.copy()))


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
    if not keys or any('"' in key.name for key in keys):
        return False
    found = [c for c in (_json(s, path[at].name, known) for s in sources) if c is not None]
    if len(found) != 1:
        return False
    outermost: exp.Expr = node
    while isinstance(outermost.parent, exp.Dot):
        outermost = outermost.parent
    column = exp.Column(this=path[at].copy(), table=path[0].copy() if at else None)
    hint = _hint(found[0], tuple(key.name for key in keys))
    steps = "".join(f'."{key.name}"' for key in keys)
    text = exp.JSONExtractScalar(this=column, expression=exp.Literal.string(f"${steps}"))
    value: exp.Expr = exp.Paren(this=text)  # DuckDB's arrow binds less than a comparison
    cast = outermost.parent
    if hint is not None:
        value = _typed(value, hint)
    elif type(cast) is exp.Cast:  # what is there but of another type is NULL
        value, outermost = exp.TryCast(this=value, to=cast.to.copy()), cast
    if isinstance(outermost.parent, exp.Select) and outermost.arg_key == "expressions":
        name = ".".join(part.name for part in path)
        value = exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))
    outermost.replace(value)
    return True


def _hint(column: Column, path: tuple[str, ...]) -> Hint | None:
    return hints_of(column.declared).get(path) if is_json2(column) else None


def _typed(text: exp.Expr, hint: Hint) -> exp.Expr:
    """The value of a path that has a type of its own, and its default without one."""
    value: exp.Expr = exp.TryCast(this=text, to=hint.kind.copy())
    if hint.default is None:
        return value
    return exp.Coalesce(this=value, expressions=[exp.cast(hint.default.copy(), hint.kind.copy())])


def _json(source: exp.Expr, name: str, known: Callable[[exp.Table], Table | None]) -> Column | None:
    if not isinstance(source, exp.Table):
        return None
    table = known(source)
    column = table.column(name) if table is not None else None
    return column if column is not None and column.type.id is TypeId.JSON else None


def _sources(holder: exp.Expr) -> list[exp.Expr]:
    """What a query reads from directly."""
    from_ = holder.args.get("from_")
    first = from_.this if from_ is not None else holder.this
    nodes = [first] if isinstance(first, exp.Expr) else []  # MERGE's own INSERT names no table
    nodes += [join.this for join in holder.args.get("joins") or []]
    for node in list(nodes):
        nodes += [join.this for join in node.args.get("joins") or []]
    return [node for node in nodes if isinstance(node, exp.Expr)]
