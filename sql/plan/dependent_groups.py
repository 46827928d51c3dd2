"""GROUP BY a table's primary key: its other columns are settled by it and may be shown as they are.

Called by sql/plan/plan.py once tables are known. DuckDB wants each column among the keys, so those
that the query names are put there; the groups stay the same.
https://www.postgresql.org/docs/15/queries-table-expressions.html#QUERIES-GROUP
"""

from __future__ import annotations

from sqlglot import exp

from catalog.records import Column, Table, TableKind
from sql.plan.scopes import Scopes


def dependent_groups(tree: exp.Expr, scopes: Scopes) -> exp.Expr:
    """Adds to GROUP BY, in place, what the keys settle; gives the tree."""
    for select in list(tree.find_all(exp.Select)):
        group = select.args.get("group")
        if group is not None and not any(v for k, v in group.args.items() if k != "expressions"):
            _complete(select, group, scopes)
    return tree


def _complete(select: exp.Select, group: exp.Group, scopes: Scopes) -> None:
    grouped = _grouped(select, group, scopes)
    settled = {
        alias: table
        for alias, table in scopes.sources(select).items()
        if table is not None and _is_settled(table, grouped.get(alias, set()))
    }
    if not settled:
        return
    for alias, name in _named(select, settled, scopes):
        if name not in grouped[alias]:
            grouped[alias].add(name)
            group.append("expressions", exp.column(name, table=alias, quoted=True))


def _grouped(select: exp.Select, group: exp.Group, scopes: Scopes) -> dict[str, set[str]]:
    """The plain columns among the keys, by the alias of their table."""
    found: dict[str, set[str]] = {}
    for key in group.expressions:
        meant = scopes.item(select, key)
        source = scopes.source(meant if isinstance(meant, exp.Column) and meant.parent else key)
        if source is not None:
            found.setdefault(source[0], set()).add(source[1].name)
    return found


def _is_settled(table: Table, names: set[str]) -> bool:
    """True if these columns tell one row of the table from all others."""
    keyed = table.kind is TableKind.RELATIONAL and table.primary_key
    return bool(keyed) and names.issuperset(table.primary_key)


def _named(select: exp.Select, settled: dict[str, Table], scopes: Scopes) -> list[tuple[str, str]]:
    """(alias, column) of what the query names outside of aggregates, sub-queries' names too."""
    parts = [*select.expressions, select.args.get("having"), select.args.get("order")]
    found: list[tuple[str, str]] = []
    for part in parts:
        for node in part.find_all(exp.Column, exp.Star) if part is not None else ():
            if isinstance(node, exp.Star):
                found += _starred(node, settled) if node.parent_select is select else []
            elif not _is_aggregated(node, select):
                source = scopes.source(node)
                if source is not None and source[2] is settled.get(source[0]):
                    found.append((source[0], source[1].name))
    return found


def _starred(star: exp.Star, settled: dict[str, Table]) -> list[tuple[str, str]]:
    """The columns of `*` and `t.*` in a list; those of `count(*)` are none."""
    owner = star.parent
    if isinstance(owner, exp.Column):
        return [(owner.table, c.name) for c in _columns(settled, owner.table)]
    if not isinstance(owner, exp.Select):
        return []
    return [(alias, column.name) for alias in settled for column in _columns(settled, alias)]


def _columns(settled: dict[str, Table], alias: str) -> tuple[Column, ...]:
    table = settled.get(alias)
    return table.columns if table is not None else ()


def _is_aggregated(node: exp.Expr, select: exp.Select) -> bool:
    """True inside an aggregate of the query that is no window function's."""
    parent = node.parent
    while parent is not None and parent is not select:
        if isinstance(parent, exp.AggFunc) and not isinstance(parent.parent, exp.Window):
            return True
        parent = parent.parent
    return False
