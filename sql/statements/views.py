"""CREATE VIEW, and materialized views: made, filled again, emptied.

Called by create.py and execute.py. A view is its query (sql/views.py reads it); a materialized view
is a relational table that keeps the query its rows came from. Nothing here watches what a
materialized view reads: its rows change by REFRESH only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.records import UNPOPULATED, Column, Table, TableKind
from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.dialect.dialects import to_sql
from sql.plan.plan import plan_query
from sql.plan.tables import find_table, narrowed, table_name
from sql.privileges import default_grants, owner_of_new
from sql.results import Affected, Notice, Result, ResultColumn
from sql.session import Wire
from sql.statements.indexes import without_indexes
from sql.statements.target import insert_results, quoted, relational_ddl
from sql.system.facts import SYSTEM_DATABASES
from sql.temporary import PG_TEMP
from sql.views import tables_read

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement
    from sql.transaction import Transaction


def create_view(session: ClientSession, statement: ParsedStatement, tree: exp.Create) -> Result:
    """CREATE [OR REPLACE] VIEW. Raises: DbError."""
    database, name = _home(session, tree)
    query = _query(tree)
    if tree.args.get("exists") and tree.args.get("replace"):
        raise DbError(ErrorKind.SYNTAX, "a view is created OR REPLACE, or IF NOT EXISTS, not both")
    columns, outputs = _columns(session, tree, query, statement.text)
    old = session.lookup(database, name)
    if old is not None and old.kind is not TableKind.VIEW:
        raise DbError(ErrorKind.DUPLICATE_TABLE, f'"{name}" already exists and is not a view')
    if old is not None and tree.args.get("exists"):
        return Affected("CREATE VIEW", 0)
    if old is not None and not tree.args.get("replace"):
        raise DbError(ErrorKind.DUPLICATE_TABLE, f'view "{name}" already exists')
    with session.writing() as transaction:
        transaction.change_store()
        view = _record(session, tree, database, name, TableKind.VIEW, columns, outputs)
        if old is not None:
            view = replace(view, id=old.id, grants=old.grants, owner=old.owner)
        session.put_table(view)
    return Affected("CREATE VIEW", 0)


def create_materialized(
    session: ClientSession, statement: ParsedStatement, tree: exp.Create
) -> Result:
    """CREATE MATERIALIZED VIEW … [WITH NO DATA]; its rows are the query's. Raises: DbError."""
    database, name = _home(session, tree)
    query, empty = _query(tree), tree.find(exp.WithDataProperty) is not None
    if session.lookup(database, name) is not None:
        if not tree.args.get("exists"):
            raise DbError(ErrorKind.DUPLICATE_TABLE, f'relation "{name}" already exists')
        message = f'relation "{name}" already exists, skipping'
        session.notice(Notice(message, sqlstate="42P07", errno=1050))
        return Affected("CREATE MATERIALIZED VIEW", None)
    columns, outputs = _columns(session, tree, query, statement.text)
    with session.writing() as transaction:
        transaction.change_store()
        kind = TableKind.RELATIONAL
        made = _record(session, tree, database, name, kind, columns, outputs)
        made = replace(made, options=UNPOPULATED if empty else {})
        session.put_table(made)
        session.duck.execute(relational_ddl(made, ()))
        if empty:
            return Affected("CREATE MATERIALIZED VIEW", None)
        count = _fill(session, transaction, made, statement.text)
    return Affected("SELECT", count)


def run_refresh(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """REFRESH MATERIALIZED VIEW [CONCURRENTLY] … [WITH NO DATA]. Raises: DbError.

    Readers go on seeing the old rows until the transaction commits, with CONCURRENTLY or without.
    """
    tree = statement.tree
    assert isinstance(tree, nodes.RefreshView)
    context = session.plan_context(statement.text)
    empty = bool(tree.args.get("empty"))
    if empty and tree.args.get("concurrently"):
        message = "REFRESH options CONCURRENTLY and WITH NO DATA cannot be used together"
        raise DbError(ErrorKind.SYNTAX, message)
    with session.writing() as transaction:
        # Locked before DuckDB's transaction begins, as ALTER does: one refresh follows another.
        session.catalog.lock(session.duck.cursor, *table_name(tree.this, context))
        transaction.change_store()
        table = find_table(tree.this, context)
        if not table.is_materialized:
            message = f'"{table.name}" is not a materialized view'
            raise DbError(ErrorKind.WRONG_OBJECT_TYPE, message)
        if tree.args.get("concurrently"):
            _check_concurrently(table)
        with without_indexes(session, table) as after:
            # Made anew: DuckDB checks no unique index over rows deleted in the same transaction.
            session.duck.execute(f"DROP TABLE {quoted(table)}")
            session.duck.execute(relational_ddl(table, ()))
            if not empty:
                _fill(session, transaction, table, statement.text)
            after.append(table)
        if table.is_populated == empty:
            session.put_table(replace(table, options=UNPOPULATED if empty else {}))
    return Affected("REFRESH MATERIALIZED VIEW", None)


def _check_concurrently(table: Table) -> None:
    """PostgreSQL compares old and new rows by a unique index; clients are told of the same rule."""
    if not table.is_populated:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "CONCURRENTLY cannot be used when the materialized view is not populated",
        )
    if not any(index.unique for index in table.indexes):
        raise DbError(
            ErrorKind.NOT_READY,
            f'cannot refresh materialized view "{table.database}.{table.name}" concurrently',
            hint="create a unique index on one or more of its columns",
        )


def _fill(session: ClientSession, transaction: Transaction, table: Table, text: str) -> int:
    """Runs the view's query and stores its rows; how many."""
    context = session.plan_context(text)
    query = context.parse_view(table)
    plan = plan_query(narrowed(query, table) if table.outputs else query, context)
    rows = session.runner.collect(plan, [], text, tag="SELECT")
    return insert_results(session, transaction, table, rows)


def _query(tree: exp.Create) -> exp.Expr:
    query = tree.expression
    if query is None:
        raise DbError(ErrorKind.SYNTAX, "syntax error: a view is made AS a query")
    return query  # type: ignore[no-any-return]


def _columns(
    session: ClientSession, tree: exp.Create, query: exp.Expr, text: str
) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """The view's columns, and what its `*` stands for."""
    names: list[str] = []
    if isinstance(tree.this, exp.Schema):
        listed = tree.this.expressions
        names = [e.this.name if isinstance(e, exp.ColumnDef) else e.name for e in listed]
    plan = plan_query(query, session.plan_context(text))
    found = session.runner.describe(plan, text)
    if len(names) > len(found):
        raise DbError(ErrorKind.COLUMN_COUNT, "the view has more column names than columns")
    names += [column.name for column in found[len(names) :]]
    columns = tuple(
        Column(n, c.type, declared=_spelled(c)) for n, c in zip(names, found, strict=True)
    )
    return columns, _outputs(query, found)


def _spelled(column: ResultColumn) -> str:
    """How the table that the column comes from spells its type; of an expression nothing."""
    own = column.table and column.database not in SYSTEM_DATABASES
    return column.declared if own else ""


def _record(
    session: ClientSession,
    tree: exp.Create,
    database: str,
    name: str,
    kind: TableKind,
    columns: tuple[Column, ...],
    outputs: tuple[str, ...],
) -> Table:
    by_id = session.wire is Wire.POSTGRES
    qualified = _qualified(tree.expression, session, temporary=database == PG_TEMP)
    return Table(
        id=session.next_id(),
        database=database,
        name=name,
        kind=kind,
        columns=columns,
        definition=to_sql(qualified, session.wire),
        reads=tables_read(qualified, session.lookup) if by_id else (),
        dialect=session.wire.value,
        options=_as_written(tree),
        outputs=outputs,
        temporary=database == PG_TEMP,
        owner=owner_of_new(session),
        grants=default_grants(session, "TABLE", database),
        created_ms=session.server.clock.now_ms(),
    )


def _home(session: ClientSession, tree: exp.Create) -> tuple[str, str]:
    """Where a new view goes and its name; a temporary one is the session's own."""
    node = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    if tree.find(exp.TemporaryProperty) is not None:
        if session.wire is Wire.MYSQL:
            raise DbError(ErrorKind.UNSUPPORTED, "MySQL has no temporary views")
        return PG_TEMP, node.name
    if not node.db:
        return session.database, node.name
    return table_name(node, session.plan_context())[0], node.name


def _as_written(tree: exp.Create) -> dict[str, str]:
    """What SHOW CREATE VIEW repeats of the statement."""
    said = {"or_replace": tree.args.get("replace"), "columns": isinstance(tree.this, exp.Schema)}
    return {key: "true" for key, value in said.items() if value}


def _outputs(query: exp.Expr, found: Sequence[ResultColumn]) -> tuple[str, ...]:
    """What `*` stands for is settled when the view is made, as in PostgreSQL.

    Columns of equal names cannot be told apart later; such a view keeps to their positions.
    """
    names = tuple(column.name for column in found)
    has_star = any(not isinstance(star.parent, exp.Count) for star in query.find_all(exp.Star))
    return names if has_star and len(set(map(str.lower, names))) == len(names) else ()


def _qualified(query: exp.Expr, session: ClientSession, *, temporary: bool) -> exp.Expr:
    """The view's query with every table's database written out: a view means the same anywhere.

    Raises: DbError UNSUPPORTED for a lasting view of a temporary table.
    """
    query = query.copy()
    context = session.plan_context()
    for node in query.find_all(exp.Table):
        plain = isinstance(node.this, exp.Identifier) and not node.db
        if plain and (table := session.lookup(*table_name(node, context))) and table.temporary:
            if not temporary:
                message = f'a view cannot read the temporary table "{table.name}"'
                raise DbError(ErrorKind.UNSUPPORTED, message, hint="CREATE TEMPORARY VIEW can")
        elif plain and session.lookup(session.database, node.name) is not None:
            node.set("db", exp.to_identifier(session.database, quoted=True))
    return query
