"""Outputs as PostgreSQL has them: a table's name is its row, and there may be none at all.

Called by plan.py for PostgreSQL's clients, before rules change the tree. Clients read the name of a
table, `SELECT t FROM t`, as they read `ROW(…)`. Only outputs are replaced: what
a function is given (`row_to_json(t)`, `count(t)`) stays a value with named fields.
https://www.postgresql.org/docs/15/rowtypes.html#ROWTYPES-USAGE
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from catalog.records import Table


def has_no_list(tree: exp.Expr | None) -> bool:
    """True for `SELECT FROM t`, whose rows have no columns."""
    return isinstance(tree, exp.Select) and not tree.expressions


def fill_lists(tree: exp.Expr) -> None:
    """The embedded database wants a column: one of NULLs. Changes the tree."""
    for select in list(tree.find_all(exp.Select)):
        if has_no_list(select):
            select.set("expressions", [exp.null()])


def whole_rows(tree: exp.Expr, table_of: Callable[[exp.Table], Table | None]) -> None:
    """Changes the tree. `table_of` tells which table a node means, None if none of the catalog."""
    if not isinstance(tree, exp.Select) or tree.args.get("from_") is None:
        return
    sources = [tree.args["from_"].this, *(join.this for join in tree.args.get("joins") or [])]
    tables = {
        source.alias_or_name: table
        for source in sources
        if isinstance(source, exp.Table)
        and isinstance(source.this, exp.Identifier)
        and (table := table_of(source)) is not None
    }
    if len(tables) < len(sources):
        return  # something else may have a column of that name
    for item in list(tree.expressions):
        output = item.unalias()
        if isinstance(output, exp.Column) and not output.table and output.name in tables:
            _replace(item, output, tables)


def _replace(item: exp.Expr, output: exp.Column, tables: dict[str, Table]) -> None:
    name = output.name
    if any(table.column(name) is not None for table in tables.values()):
        return
    fields = [
        exp.column(column.name, table=exp.to_identifier(name, quoted=True), quoted=True)
        for column in tables[name].columns
    ]
    row = exp.Anonymous(this="row", expressions=fields)
    if item is output:
        item.replace(exp.alias_(row, name, quoted=True))
    else:
        output.replace(row)
