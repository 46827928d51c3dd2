"""Views over a table that has changed: they go on with its new columns, or the change is refused.

Called by ALTER and DROP; sql/views.py says what a view goes on reading after a rename.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.records import Table, TableKind
from engine.errors import DbError, ErrorKind
from sql.dialect.nodes import MATERIALIZED
from sql.plan.plan import plan_query
from sql.plan.tables import narrowed

if TYPE_CHECKING:
    from sql.client_session import ClientSession


def refresh_views(session: ClientSession, table: Table, *, cascade: bool) -> None:
    """Brings the column types of all views over a table up to date, views over views included.

    Requires: the catalog has the changed table already. With `cascade` views that cannot go on are
    dropped. Raises: DbError DEPENDENT_OBJECTS otherwise, and for every materialized view whose
    columns would not be what they are: its rows are stored.
    """
    cursor = session.duck.cursor
    views = [t for t in session.catalog.tables(cursor) if t.definition]
    changed = [table]
    for one in changed:  # grows on the way
        for view in [v for v in views if _names(session, v, one)]:
            views.remove(view)
            changed.append(view)
            try:
                session.catalog.put_table(cursor, _described(session, view))
            except DbError as error:
                if not cascade or view.is_materialized:
                    raise _refused(table, view, error) from error
                session.catalog.remove_table(cursor, view)


def kind_of(table: Table) -> str:
    """What DROP calls it: TABLE, VIEW or MATERIALIZED VIEW."""
    if table.is_materialized:
        return MATERIALIZED
    return "VIEW" if table.kind is TableKind.VIEW else "TABLE"


def views_over(session: ClientSession, table: Table) -> list[Table]:
    """The views that read a table, those over these views included."""
    cursor = session.duck.cursor
    views = [t for t in session.catalog.tables(cursor) if t.definition and t.id != table.id]
    changed = [table]
    for one in changed:  # grows on the way
        changed += [v for v in views if v not in changed and _names(session, v, one)]
    return changed[1:]


def _names(session: ClientSession, view: Table, table: Table) -> bool:
    """True if the view's query reads the table."""
    if any(table_id == table.id for _, _, table_id in view.reads):
        return True
    if table.name.lower() not in view.definition.lower():
        return False
    query = session.plan_context().parse_view(view)
    return any(
        node.name == table.name and (node.db or session.database) == table.database
        for node in query.find_all(exp.Table)
    )


def _described(session: ClientSession, view: Table) -> Table:
    """The view with the columns it has now. Raises: DbError if it has not what it had."""
    context = session.plan_context(view.definition)
    query: exp.Expr = exp.select("*").from_(exp.table_(view.name, view.database, quoted=True))
    if view.is_materialized:
        query = context.parse_view(view)
        query = narrowed(query, view) if view.outputs else query
    found = session.runner.describe(plan_query(query, context), view.definition)
    if view.is_materialized:
        if [c.type for c in found] != [c.type for c in view.columns]:
            raise DbError(ErrorKind.DEPENDENT_OBJECTS, "its columns would not be the same")
        return view
    if [c.name for c in found] != [c.name for c in view.columns]:
        raise DbError(ErrorKind.DEPENDENT_OBJECTS, "its columns would not be the same")
    columns = [replace(c, type=now.type) for c, now in zip(view.columns, found, strict=True)]
    return replace(view, columns=tuple(columns))


def _refused(table: Table, view: Table, error: DbError) -> DbError:
    what = f'{kind_of(view).lower()} "{view.name}"'
    return DbError(
        ErrorKind.DEPENDENT_OBJECTS,
        f'cannot alter table "{table.name}" because {what} depends on it',
        detail=error.message,
        hint="drop the view, alter the table and create the view again",
    )
