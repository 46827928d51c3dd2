"""Which table a column name belongs to, as far as that is certain.

Used by the rules that need a column's declared type (literals compared with timestamps, parameter
types, time ranges). Binding itself is DuckDB's: a name not found here is simply left alone.
"""

from __future__ import annotations

from sqlglot import exp

from catalog.records import Column, Table

_HOLDERS = (exp.Select, exp.Update, exp.Delete, exp.Merge)


class Scopes:
    """Column lookups over one statement, after its tables were resolved.

    `tables` maps the id() of a resolved `exp.Table` node to its record.
    """

    def __init__(self, tables: dict[int, Table]) -> None:
        self._tables = tables
        self.tables = tuple(tables.values())
        self._sources: dict[int, dict[str, Table | None]] = {}

    def table(self, node: exp.Expr) -> Table | None:
        """The table that a resolved name stands for."""
        return self._tables.get(id(node))

    def column(self, node: exp.Expr) -> Column | None:
        """The declared column a plain column reference means, None when unknown."""
        found = self.source(node)
        return found[1] if found else None

    def source(self, node: exp.Expr) -> tuple[str, Column, Table] | None:
        """(alias, column, table) of a plain column reference."""
        if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
            return None
        holder: exp.Expr | None = node.find_ancestor(*_HOLDERS)
        while holder is not None:
            found = self._in(holder, node.table, node.name)
            if found is not None:
                return found
            if node.table and node.table in self.sources(holder):
                return None  # a derived table of that name hides outer ones
            holder = holder.find_ancestor(*_HOLDERS)
        return None

    def item(self, select: exp.Expr, node: exp.Expr) -> exp.Expr | None:
        """What an item of GROUP BY or ORDER BY stands for: a position, an alias or itself.

        None if that is not certain.
        """
        items = select.expressions
        if isinstance(node, exp.Literal):
            place = int(node.name) if node.name.isdigit() else 0
            known = 0 < place <= len(items) and not any(i.is_star for i in items)
            return items[place - 1].unalias() if known else None
        if not isinstance(node, exp.Column) or node.table:
            return node
        found = [i.this for i in items if isinstance(i, exp.Alias) and i.alias == node.name]
        if not found:
            return node
        if self.source(node) is not None and found[0] != node:
            return None  # a column's name, and another output's
        return found[0] if len(found) == 1 else None

    def _in(self, holder: exp.Expr, qualifier: str, name: str) -> tuple[str, Column, Table] | None:
        matches = [
            (alias, column, table)
            for alias, table in self.sources(holder).items()
            if table is not None
            and qualifier in ("", alias)
            and (column := table.column(name)) is not None
        ]
        return matches[0] if len(matches) == 1 else None

    def sources(self, holder: exp.Expr) -> dict[str, Table | None]:
        """Alias → table of everything a query reads from directly; None for derived tables."""
        known = self._sources.get(id(holder))
        if known is None:
            known = {}
            for node in _direct_sources(holder):
                known[node.alias_or_name] = self._tables.get(id(node))
            self._sources[id(holder)] = known
        return known


def _direct_sources(holder: exp.Expr) -> list[exp.Expr]:
    nodes: list[exp.Expr] = []
    if isinstance(holder, exp.Update | exp.Delete | exp.Merge):
        nodes.append(holder.this)
    from_ = holder.args.get("from_")
    if from_ is not None:
        nodes.append(from_.this)
    using = holder.args.get("using") or []
    nodes.extend(using if isinstance(using, list) else [using])
    nodes.extend(join.this for join in holder.args.get("joins") or [])
    for node in list(nodes):
        nodes.extend(join.this for join in node.args.get("joins") or [])
    return nodes
