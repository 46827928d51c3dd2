"""Which table columns the outputs of a query plainly are, for what clients are told about them.

Called by plan.py. It decides nothing about how the query runs: an output that is not found here
is only described with less. A star is followed as far as its tables are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from catalog.records import Table
from sql.plan.scopes import Scopes
from sql.system.pg_catalog.records import PG_CATALOG, record_of

_ONE_SIDED = ("SEMI", "ANTI")


@dataclass(frozen=True, slots=True)
class Origin:
    """One output's column; `alias` is what the query calls its table.

    `starred`: found by counting a star's columns, so the output must also have the column's name.
    """

    table: Table
    column: str
    alias: str
    starred: bool = False


def origins(
    tree: exp.Expr, scopes: Scopes, systems: Mapping[str, tuple[str, str]]
) -> tuple[Origin | None, ...]:
    """One of each output, None for what is computed; nothing behind a star of unknown columns.

    `systems`: placeholder → (database, name) of system tables; those of pg_catalog are known.
    """
    if not isinstance(tree, exp.Select):
        return ()
    relations = _system_sources(tree, systems) if systems else {}
    found: list[Origin | None] = []
    for item in tree.expressions:
        if item.is_star:
            several = _of_star(tree, item, scopes) or _of_system_star(item, relations)
            if several is None:
                break
            found += several
            continue
        source = scopes.source(item.unalias())
        origin = None if source is None else Origin(source[2], source[1].name, source[0])
        found.append(origin or _system_column(item.unalias(), relations))
    return tuple(found)


def _system_sources(
    select: exp.Select, systems: Mapping[str, tuple[str, str]]
) -> dict[str, Table | None]:
    from_ = select.args.get("from_")
    joined = [join.this for join in select.args.get("joins") or ()]
    sources: dict[str, Table | None] = {}
    for node in ([] if from_ is None else [from_.this]) + joined:
        database, name = (
            systems.get(node.name, ("", "")) if isinstance(node, exp.Table) else ("", "")
        )
        sources[node.alias_or_name] = record_of(name) if database == PG_CATALOG else None
    return sources


def _of_system_star(item: exp.Expr, sources: Mapping[str, Table | None]) -> list[Origin] | None:
    """The columns of `*` over one relation of pg_catalog."""
    if type(item) is not exp.Star or _is_changed(item) or len(sources) != 1:
        return None
    ((alias, table),) = sources.items()
    return None if table is None else _columns(alias, table)


def _system_column(node: exp.Expr, sources: Mapping[str, Table | None]) -> Origin | None:
    if not isinstance(node, exp.Column):
        return None
    if not node.table and None in sources.values():
        return None  # it may be one of theirs
    for alias, table in sources.items():
        if table is not None and node.table in ("", alias) and table.column(node.name) is not None:
            return Origin(table, node.name, alias)
    return None


def _of_star(select: exp.Select, item: exp.Expr, scopes: Scopes) -> list[Origin] | None:
    """The columns of `*` or `alias.*`; None if they are not known."""
    sources = scopes.sources(select)
    if isinstance(item, exp.Column):
        table = sources.get(item.table)
        return None if table is None or _is_changed(item.this) else _columns(item.table, table)
    if type(item) is not exp.Star or _is_changed(item) or _merges_columns(select):
        return None
    columns: list[Origin] = []
    for alias, table in sources.items():
        if table is None:
            return None
        columns += _columns(alias, table)
    return columns


def _is_changed(star: exp.Expr) -> bool:
    """True with EXCEPT, REPLACE or RENAME."""
    return any(star.args.values())


def _merges_columns(select: exp.Select) -> bool:
    """True if the columns of the joined tables are not simply put side by side."""
    if select.args.get("laterals"):
        return True
    return any(
        join.args.get("using") or join.args.get("method") or join.args.get("kind") in _ONE_SIDED
        for join in select.find_all(exp.Join)
    )


def _columns(alias: str, table: Table) -> list[Origin]:
    return [Origin(table, column.name, alias, starred=True) for column in table.columns]
