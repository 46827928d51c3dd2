"""CREATE DATABASE and TABLE (both kinds, LIKE, AS query); views are made by views.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.details import Constraint, ConstraintKind, Index
from catalog.options import with_templates
from catalog.records import UNLOGGED, Column, Table, TableKind
from catalog.shapes import STORE_REGIONS, has_store, shapes
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from sql.collations import TABLE_OPTION
from sql.dialect.create import read_create_table
from sql.dialect.definitions import TableDefinition
from sql.dialect.json2 import check_append
from sql.dialect.nodes import MATERIALIZED, IgnoredProperty, TableOptions
from sql.dialect.options import database_options
from sql.dialect.pieces import collation_of
from sql.dialect.wall_times import mark_wall_times
from sql.partition.check import with_rules
from sql.partition.layout import new_region_ids
from sql.plan.named_types import resolve_types
from sql.plan.plan import plan_query
from sql.plan.tables import find_table
from sql.privileges import default_grants, owner_of_new, owns_schema
from sql.results import Affected, Notice, Result, ResultColumn
from sql.session import Wire
from sql.statements.constraints import described, free_key_name, stored_constraints
from sql.statements.defaults import settled
from sql.statements.external import create_external
from sql.statements.foreign_keys import settled_keys
from sql.statements.indexes import build_keys, create_index
from sql.statements.metric_engine import LOGICAL, PHYSICAL, check_logical, fitted, in_order
from sql.statements.query import bind
from sql.statements.sequence import with_sequences
from sql.statements.target import complete, insert_results, relational_ddl
from sql.statements.views import create_materialized, create_view
from sql.temporary import DELETE_ROWS, DROP, ON_COMMIT, PG_TEMP

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement
    from sql.transaction import Transaction


_NOT_STORABLE = frozenset({TypeId.NULL, TypeId.STRUCT, TypeId.MAP})


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Creates what the statement names. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, exp.Create)
    kind = str(tree.args["kind"]).upper()
    if kind in ("DATABASE", "SCHEMA"):
        return _create_database(session, tree, kind)
    if kind == "TABLE":
        return _create_table(session, statement, tree, parameters)
    if kind == "VIEW":
        return create_view(session, statement, tree)
    if kind == MATERIALIZED:
        return create_materialized(session, statement, tree)
    if kind == "INDEX":
        return create_index(session, tree, statement.text)
    raise DbError(ErrorKind.UNSUPPORTED, f"CREATE {kind} is not supported")


def _create_database(session: ClientSession, tree: exp.Create, kind: str) -> Result:
    name = tree.this.db
    options: dict[str, str] = {}
    properties = tree.args.get("properties")
    for found in properties.find_all(TableOptions) if properties is not None else ():
        options.update(database_options(found.expressions))
    said = properties.find_all(IgnoredProperty) if properties is not None else ()
    collation = collation_of(one.name for one in said)
    if collation:
        options[TABLE_OPTION] = collation
    tag = f"CREATE {kind}"
    if session.has_database(name) and tree.args.get("exists"):
        session.notice(
            Notice(f'schema "{name}" already exists, skipping', sqlstate="42P06", errno=1007)
        )
        return Affected(tag, 1)
    with session.writing() as transaction:
        transaction.change_store()
        made = session.catalog.create_database(session.duck.cursor, name, options)
        owns_schema(session, made.id)
    return Affected(tag, 1)


def _create_table(
    session: ClientSession,
    statement: ParsedStatement,
    tree: exp.Create,
    parameters: Sequence[object],
) -> Result:
    if session.wire is not Wire.MYSQL:
        tree = resolve_types(tree.copy(), session.plan_context().type_named)
    mark_wall_times(tree, session.wire)
    definition = read_create_table(tree, _default_collation(session, tree))
    if definition.external:
        return create_external(session, definition)
    context = session.plan_context(statement.text)
    database, name = _home(session, definition), definition.name
    if definition.temporary:
        there = session.temporary.lookup(database, name)
    else:
        there = session.catalog.table(session.duck.cursor, database, name)
    if there is not None and definition.if_not_exists:
        message = f'relation "{name}" already exists, skipping'
        session.notice(Notice(message, sqlstate="42P07", errno=1050))
        return Affected("CREATE TABLE", 0)
    if definition.like is not None:
        source_database, source_name = definition.like
        node = exp.table_(source_name, source_database, quoted=True)
        definition = _like(find_table(node, context), definition)
        if definition.temporary:
            plain = tuple(replace(c, semantic=None) for c in definition.columns)
            definition = replace(definition, columns=plain, partition_columns=())
    with session.writing() as transaction:
        if definition.as_query is None:
            make_table(session, transaction, definition, database)
            return Affected("CREATE TABLE", 0)
        return _create_as(session, transaction, statement, definition, database, parameters)


def _default_collation(session: ClientSession, tree: exp.Create) -> str:
    """What text in a new table compares by if its definition says nothing."""
    if session.wire is not Wire.MYSQL:
        return ""
    node = tree.find(exp.Table)
    name = (node.db if node is not None else "") or session.database
    database = session.catalog.database(session.duck.cursor, name)
    return database.options.get(TABLE_OPTION, "") if database is not None else ""


def _home(session: ClientSession, definition: TableDefinition) -> str:
    """The database of a new table."""
    named = definition.database
    if not definition.temporary:
        return named or session.database
    if definition.is_time_series:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "a temporary table cannot have a time index",
            hint="leave TIME INDEX out: the table is gone with the session anyway",
        )
    if session.wire is Wire.MYSQL:
        return named or session.database
    if named not in (None, PG_TEMP):
        raise DbError(
            ErrorKind.INVALID_TABLE_DEFINITION,
            f'a temporary table cannot be created in database "{named}"',
            hint="leave the database out",
        )
    return PG_TEMP


def _like(source: Table, definition: TableDefinition) -> TableDefinition:
    if source.kind is TableKind.VIEW:
        raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{source.name}" is a view')
    external = source.kind is TableKind.EXTERNAL  # the new one has rows of its own
    return replace(
        definition,
        columns=tuple(_as_new(column) for column in source.columns),
        primary_key=() if definition.temporary and source.is_time_series else source.primary_key,
        time_index=None if definition.temporary else source.time_index,
        options={} if external else dict(source.options),
        engine="mito" if external else source.engine,
        partition_columns=source.partition_columns,
        partition_rules=source.partition_rules,
        comment=source.comment,
    )


def _as_new(column: Column) -> Column:
    """The column without the history of the table it comes from."""
    return replace(column, id=-1, initial=None, past=(), holds_nulls=False)


def make_table(
    session: ClientSession, transaction: Transaction, definition: TableDefinition, database: str
) -> Table:
    """The empty table, in the catalog and in the store that will hold its rows."""
    transaction.change_store()
    definition = fitted(definition, database, session.lookup)
    cursor = session.duck.cursor
    table_id = session.next_id()
    table = Table(
        id=table_id,
        database=database,
        name=definition.name,
        kind=TableKind.TIME_SERIES if definition.time_index else TableKind.RELATIONAL,
        columns=in_order(definition.columns, definition.options)
        if not definition.as_query
        else definition.columns,  # its rows come in the order written
        primary_key=definition.primary_key,
        options=_options(session, definition, database),
        engine=definition.engine,
        comment=definition.comment,
        temporary=definition.temporary,
        owner=owner_of_new(session),
        grants=default_grants(session, "TABLE", database),
        created_ms=session.server.clock.now_ms(),
    )
    if table.is_time_series:
        _check_storable(table)
        check_append(table.columns, table.options)
        check_logical(table, session.lookup)
        columns, rules = definition.partition_columns, definition.partition_rules
        zone = "UTC" if definition.like else session.timezone  # stored rules have their moments so
        table = with_rules(table, columns, rules, zone)
        table = _with_regions(session, table)
    elif definition.partition_columns:
        raise DbError(
            ErrorKind.INVALID_TABLE_DEFINITION,
            f'"{table.name}" has no time index: only time-series tables have partitions',
        )
    if not table.is_time_series:
        table = with_sequences(session, table, definition)
    table = replace(table, columns=tuple(settled(session, c) for c in table.columns))
    if not table.is_time_series:
        complete(session, table, (), pa.table({}))  # generated columns can be computed
        found = described(
            table,
            definition.constraints,
            definition.key_name,
            session.next_id,
            session.wire,
            [name for name, *_ in definition.indexes if name],
        )
        table = replace(table, constraints=found, indexes=_indexes(session, definition, found))
        table = settled_keys(session, transaction, table)
    session.put_table(table)
    if table.is_time_series:
        home = session.catalog.database(cursor, database)
        for region_id, shape in shapes(table, home).items():
            transaction.create_region(region_id, *shape)
        transaction.follow(table)
    else:
        texts = stored_constraints(definition.constraints, table)
        session.duck.execute(relational_ddl(table, texts))
        build_keys(session, table)
    return table


def _with_regions(session: ClientSession, table: Table) -> Table:
    """The table with ids of regions of its own, or as one of those in a series store."""
    physical = session.lookup(table.database, table.options.get(LOGICAL, ""))
    if physical is not None and physical.is_store:
        return replace(table, store_id=physical.id, metric=table.id)
    if PHYSICAL in table.options and has_store(table):
        region_ids = new_region_ids(table, STORE_REGIONS, ())
        return replace(table, region_ids=region_ids, store_id=table.id)
    region_ids = new_region_ids(table, max(len(table.partition_rules), 1), ())
    return replace(table, region_ids=region_ids)


def _indexes(
    session: ClientSession, definition: TableDefinition, constraints: Sequence[Constraint]
) -> tuple[Index, ...]:
    """MySQL's KEY clauses. One without a name has that of its first column."""
    taken = {one.name for one in constraints if one.kind is ConstraintKind.UNIQUE}
    found = []
    for given, columns, method, lengths in definition.indexes:
        name = free_key_name(given or columns[0], taken)
        taken.add(name)
        number = session.catalog.next_table_id(session.duck.cursor)
        found.append(Index(number, name, columns, method=method, lengths=lengths))
    return tuple(found)


def _options(session: ClientSession, definition: TableDefinition, database: str) -> dict[str, str]:
    """A time-series table copies what its database is a template for."""
    if definition.temporary:
        if definition.drop_on_commit:
            return {ON_COMMIT: DROP}
        return {ON_COMMIT: DELETE_ROWS} if definition.empty_on_commit else {}
    if definition.time_index is None:
        said = {TABLE_OPTION: definition.collation} if definition.collation else {}
        return definition.options | ({UNLOGGED: "true"} if definition.unlogged else {}) | said
    home = session.catalog.database(session.duck.cursor, database)
    return with_templates(definition.options, home)


def _check_storable(table: Table) -> None:
    """What the region engine cannot do is refused."""
    for column in table.columns:
        check_column_storable(column)


def check_column_storable(column: Column) -> None:
    """Raises: DbError UNSUPPORTED for a type that no time-series table can hold."""
    element = column.type.element
    inside = element is not None and element.id in _NOT_STORABLE | {TypeId.INTERVAL}
    keyed = column.semantic is not Semantic.FIELD and column.type.id is TypeId.INTERVAL
    if column.type.id in _NOT_STORABLE or inside or keyed:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f'column "{column.name}": a time-series table cannot hold {column.type.name}',
        )


def _create_as(
    session: ClientSession,
    transaction: Transaction,
    statement: ParsedStatement,
    definition: TableDefinition,
    database: str,
    parameters: Sequence[object],
) -> Result:
    assert definition.as_query is not None
    plan = plan_query(
        definition.as_query,
        session.plan_context(statement.text),
        parameter_count=statement.parameter_count,
    )
    values = bind(parameters, plan.parameter_types, session.timezone)
    rows = session.runner.collect(plan, values, statement.text, tag="SELECT")
    if not definition.columns:
        columns = tuple(_queried(c, definition) for c in rows.columns)
        definition = replace(definition, columns=columns)
        _check_keys(definition)
    if len(definition.columns) != len(rows.columns):
        raise DbError(
            ErrorKind.COLUMN_COUNT,
            f"the table has {len(definition.columns)} columns, its query {len(rows.columns)}",
        )
    table = make_table(session, transaction, definition, database)
    count = insert_results(session, transaction, table, rows)
    return Affected("SELECT", count)


def _queried(column: ResultColumn, definition: TableDefinition) -> Column:
    """A column that only the query describes."""
    is_key, is_time = column.name in definition.primary_key, column.name == definition.time_index
    if definition.time_index is None:
        return Column(column.name, column.type, nullable=not is_key)
    semantic = Semantic.TAG if is_key else Semantic.FIELD
    if is_time:
        semantic = Semantic.TIMESTAMP
    return Column(column.name, column.type, nullable=not is_time, semantic=semantic)


def _check_keys(definition: TableDefinition) -> None:
    """TIME INDEX (ts) and PRIMARY KEY (…) of CREATE TABLE … AS name columns of the query."""
    columns = {column.name: column for column in definition.columns}
    time_index = definition.time_index
    for name in (*definition.primary_key, *filter(None, [time_index])):
        if name not in columns:
            raise DbError(ErrorKind.UNDEFINED_COLUMN, f'column "{name}" does not exist')
    if time_index is not None and not columns[time_index].type.is_timestamp:
        raise DbError(
            ErrorKind.INVALID_TABLE_DEFINITION,
            f'column "{time_index}" is no timestamp and cannot be the time index',
            hint=f"CAST({time_index} AS TIMESTAMP) in the query",
        )
