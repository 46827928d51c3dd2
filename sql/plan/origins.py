"""Which table columns the outputs of a query plainly are, for what clients are told about them.

Called by plan.py. It decides nothing about how the query runs: an output that is not found here
is only described with less. A star is followed as far as its tables are known.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from catalog.records import Table
from sql.plan.scopes import Scopes

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


def origins(tree: exp.Expr, scopes: Scopes) -> tuple[Origin | None, ...]:
    """One of each output, None for what is computed; nothing behind a star of unknown columns."""
    if not isinstance(tree, exp.Select):
        return ()
    found: list[Origin | None] = []
    for item in tree.expressions:
        if item.is_star:
            several = _of_star(tree, item, scopes)
            if several is None:
                break
            found += several
            continue
        source = scopes.source(item.unalias())
        found.append(Origin(source[2], source[1].name, source[0]) if source is not None else None)
    return tuple(found)


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
