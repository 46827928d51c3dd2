"""The query of a view: stored as text, read with the names its tables have now.

In PostgreSQL a view holds on to the tables it was made over, whatever they are called later (dbt
swaps tables so); in MySQL it finds them by name each time. Views made by PostgreSQL's sessions
therefore keep the ids of what they read. A table that is gone is looked for by its name again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp

from catalog.records import Table
from sql.dialect.dialects import to_sql
from sql.dialect.parser import parse
from sql.session import Wire

TableOf = Callable[[int], Table | None]


def tables_read(
    query: exp.Expr, lookup: Callable[[str, str], Table | None]
) -> tuple[tuple[str, str, int], ...]:
    """(database, name, id) of every table a query names. Requires: databases are written out."""
    found = {}
    for node in query.find_all(exp.Table):
        table = lookup(node.db, node.name) if node.db else None
        if table is not None:
            found[node.db, node.name] = table.id
    return tuple((*name, table_id) for name, table_id in found.items())


def query_of(view: Table, table_of: TableOf) -> exp.Expr:
    """The view's query, to be planned now."""
    tree = parse(view.definition, Wire(view.dialect))[0].tree
    assert tree is not None, "a stored view has a query"
    moved = dict(_moved(view, table_of))
    if moved:
        for node in tree.find_all(exp.Table):
            table = moved.get((node.db, node.name))
            if table is not None:
                _rename(node, table)
    return tree


def text_of_view(view: Table, table_of: TableOf) -> str:
    """The view's query as it would be written now."""
    if not any(_moved(view, table_of)):
        return view.definition
    return to_sql(query_of(view, table_of), Wire(view.dialect))


def _moved(view: Table, table_of: TableOf) -> Iterator[tuple[tuple[str, str], Table]]:
    """What the view reads that has another name now."""
    for database, name, table_id in view.reads:
        table = table_of(table_id)
        if table is not None and (table.database, table.name) != (database, name):
            yield (database, name), table


def _rename(node: exp.Table, table: Table) -> None:
    """Other parts of the query go on calling it by its old name."""
    if not node.alias:
        alias = exp.to_identifier(node.name, quoted=True)
        node.set("alias", exp.TableAlias(this=alias))
    node.set("this", exp.to_identifier(table.name, quoted=True))
    node.set("db", exp.to_identifier(table.database, quoted=True))
