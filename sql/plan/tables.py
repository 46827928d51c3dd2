"""The first rule: every table name becomes something DuckDB can read.

Time-series tables and system tables become placeholders (filled in when the statement runs),
relational tables their name in the embedded database, views their query.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.records import Table, TableKind
from engine.errors import DbError, ErrorKind
from engine.schema import RegionSchema
from sql.dialect.nodes import Tql
from sql.dialect.pieces import SPELLING
from sql.plan.context import MYSQL_DATABASES, PlanContext
from sql.plan.numbers import dual, is_dual, is_numbers, numbers, sequence_state
from sql.run.duck import ARROW_PREFIX
from sql.run.errors import position_of
from sql.session import Wire
from sql.temporary import PG_TEMP, stored_name

if TYPE_CHECKING:
    from sql.partition.prune import Filter
    from sql.plan.search import Alternatives

# Placeholders are replaced in the generated text, so no client text may ever contain one: they
# carry a number nobody outside can guess.
_SECRET = secrets.token_hex(6)
SCAN_PREFIX = f"__scan_{_SECRET}_"
SYSTEM_PREFIX = f"__system_{_SECRET}_"
TQL_PREFIX = f"__tql_{_SECRET}_"
FILES_PREFIX = f"__files_{_SECRET}_"
NOW = f"__now_{_SECRET}"

_VIEW_DEPTH_MAX = 32  # views over views; a cycle cannot be created, but a limit costs nothing

# Table functions that touch only their arguments. Everything else (files, DuckDB's own catalog,
# settings of the process) is no business of a client.
_TABLE_FUNCTIONS = frozenset({"generate_series", "range", "unnest", "repeat", "json_each"})


@dataclass(frozen=True, slots=True)
class TagKey:
    """A tag must equal one of these literals or parameters."""

    column: str
    values: tuple[exp.Expr, ...]


@dataclass(frozen=True, slots=True)
class LatestRule:
    """The newest row of each series is all a scan has to show, if each of `ones` is 1."""

    ones: tuple[exp.Expr, ...] = ()
    distinct: tuple[str, ...] = ()  # the plain columns of DISTINCT ON


@dataclass(frozen=True, slots=True)
class Reference:
    """One placeholder in the tree: which table it stands for."""

    placeholder: str
    alias: str
    node_id: int
    table: Table
    schema: RegionSchema  # what the engine is to show its rows in
    columns: tuple[str, ...] = ()  # those the statement may read, in table order
    keys: tuple[TagKey, ...] = ()  # what WHERE demands of tags
    partitions: Filter | None = None  # what it demands of the partition columns
    latest: LatestRule | None = None
    texts: tuple[Alternatives, ...] = ()  # what WHERE demands of texts that have an index
    fine_times: bool = False  # a result may read seconds and milliseconds as microseconds


@dataclass(frozen=True, slots=True)
class FileReference:
    """One placeholder in the tree that stands for an external table."""

    placeholder: str
    node_id: int
    table: Table
    columns: tuple[str, ...] = ()  # those the statement may read


Scanned = Reference | FileReference


@dataclass
class Resolved:
    """What the tree's table names turned out to be."""

    tables: dict[int, Table] = field(default_factory=dict)  # by id() of the node, for Scopes
    stored: set[int] = field(default_factory=set)  # ids of ordinary ones
    scans: list[Reference] = field(default_factory=list)
    files: list[FileReference] = field(default_factory=list)
    systems: dict[str, tuple[str, str]] = field(default_factory=dict)  # placeholder → name
    tqls: dict[str, Tql] = field(default_factory=dict)  # placeholder → PromQL in a CTE
    depth: int = 0


def resolve_tables(tree: exp.Expr, context: PlanContext, resolved: Resolved) -> exp.Expr:
    """Replaces table names in place; the tree must be the caller's own copy.

    Raises: DbError UNDEFINED_TABLE, UNDEFINED_DATABASE, UNSUPPORTED (a table function).
    """
    for tql in list(tree.find_all(Tql)):
        _resolve_tql(tql, resolved)
    for node in list(tree.find_all(exp.Table)):
        if not isinstance(node.this, exp.Identifier):
            _check_function(node)
        elif node.name in context.given:
            resolved.tables[id(node)] = context.given[node.name]
        elif not _is_cte(node) and not node.name.startswith((ARROW_PREFIX, TQL_PREFIX)):
            _resolve(node, context, resolved)
    for column in tree.find_all(exp.Column):
        database = column.args.get("db")
        if database is not None:  # aliases have no database part
            _check_database(column, database.name, resolved)
            column.set("catalog", None)
            column.set("db", None)
    return tree


def _resolve_tql(tql: Tql, resolved: Resolved) -> None:
    if str(tql.this) != "EVAL":
        raise DbError(ErrorKind.SYNTAX, f"TQL {tql.this} cannot stand in a query: only EVAL can")
    placeholder = f"{TQL_PREFIX}{len(resolved.tqls)}"
    resolved.tqls[placeholder] = tql.copy()
    tql.replace(exp.select("*").from_(exp.to_identifier(placeholder, quoted=True)))


def _check_database(column: exp.Column, database: str, resolved: Resolved) -> None:
    """Raises: DbError UNDEFINED_TABLE if the table of that name is another database's."""
    select = column.find_ancestor(exp.Select)
    from_ = select.args.get("from_") if select is not None else None
    if select is None or from_ is None or select.args.get("joins"):
        return
    table = resolved.tables.get(id(from_.this))
    named = from_.this.alias_or_name == column.table
    if named and table is not None and table.database != database:
        raise DbError(
            ErrorKind.UNDEFINED_TABLE,
            f'there is no table "{database}.{column.table}" in FROM',
            hint=f'"{column.table}" is a table of database "{table.database}"',
        )


def table_name(node: exp.Table, context: PlanContext) -> tuple[str, str]:
    """(database, name) a table node means in this session. Raises: DbError UNDEFINED_DATABASE."""
    if node.catalog and node.catalog not in context.catalogs:
        raise DbError(
            ErrorKind.UNDEFINED_DATABASE,
            f'cross-database references are not implemented: "{node.catalog}"',
            hint=f'the catalog is "{next(iter(sorted(context.catalogs)))}"',
        )
    if not node.db and context.temporary(node.name):
        return PG_TEMP, node.name
    database = node.db or context.database
    spelled = node.this.meta.get(SPELLING) if isinstance(node.this, exp.Identifier) else None
    if spelled and not context.lookup(database, node.name) and context.lookup(database, spelled):
        return database, spelled  # MySQL's names keep their case, quoted or not
    return database, node.name


def known_table(node: exp.Table, context: PlanContext) -> Table | None:
    """The table a node names, None for what only plans and sequences are. Raises: DbError."""
    if not isinstance(node.this, exp.Identifier) or _is_cte(node):
        return None
    if node.name.startswith(ARROW_PREFIX):
        return context.given.get(node.name)
    if system_name(node, context) is not None:
        return None
    named = table_name(node, context)
    missing = context.lookup(*named) is None
    if missing and (context.is_sequence(*named) or is_numbers(node, context)):
        return None
    return find_table(node, context)


def is_there(node: exp.Table, context: PlanContext) -> bool:
    """True if the session's catalog has a table of just that name. Raises: DbError."""
    return context.lookup(*table_name(node, context)) is not None


def find_table(node: exp.Table, context: PlanContext) -> Table:
    """The catalog's record of a named table. Raises: DbError UNDEFINED_TABLE."""
    database, name = table_name(node, context)
    table = context.lookup(database, name)
    if table is None:
        raise undefined_table(node, context)
    return table


def undefined_table(node: exp.Table, context: PlanContext) -> DbError:
    """The error for a name nothing has, in the wire's manner of naming."""
    database, name = table_name(node, context)
    position = position_of(name, context.text)
    if node.db and not context.has_database(database):
        message = f'database "{database}" does not exist'
        return DbError(ErrorKind.UNDEFINED_TABLE, message, position=position)
    shown = f"{database}.{name}" if node.db or context.wire is not Wire.POSTGRES else name
    noun = "relation" if context.wire is Wire.POSTGRES else "table"
    message = f'{noun} "{shown}" does not exist'
    return DbError(ErrorKind.UNDEFINED_TABLE, message, position=position)


def _resolve(node: exp.Table, context: PlanContext, resolved: Resolved) -> None:
    node.set("only", None)  # no table has children
    database, name = table_name(node, context)
    table = context.lookup(database, name)
    if table is None:
        system = system_name(node, context)
        if system is None:
            if is_dual(node, context):
                node.replace(dual(node))
                return
            if is_numbers(node, context):
                node.replace(numbers(node))
                return
            if not context.is_sequence(database, name):
                raise undefined_table(node, context)
            state = sequence_state(node, database, name)
            _resolve(next(state.find_all(exp.Table)), context, resolved)
            node.replace(state)
            return
        placeholder = f"{SYSTEM_PREFIX}{len(resolved.systems)}"
        resolved.systems[placeholder] = system
        _rename(node, placeholder, None)
    elif table.kind is TableKind.VIEW:
        _expand_view(node, table, context, resolved)
    elif table.is_time_series:
        table = context.shown(table) if table.is_store else table
        placeholder = f"{SCAN_PREFIX}{len(resolved.scans)}"
        alias = node.alias_or_name
        _rename(node, placeholder, None)
        resolved.tables[id(node)] = table
        resolved.scans.append(Reference(placeholder, alias, id(node), table, table.region_schema()))
    elif table.temporary:
        _rename(node, stored_name(table), None)
        resolved.tables[id(node)] = table
    elif table.kind is TableKind.EXTERNAL:
        placeholder = f"{FILES_PREFIX}{len(resolved.files)}_"
        _rename(node, placeholder, None)
        resolved.tables[id(node)] = table
        resolved.files.append(FileReference(placeholder, id(node), table))
    else:
        _check_populated(table, context)
        _rename(node, table.name, table.database)
        resolved.tables[id(node)] = table
        resolved.stored.add(table.id)


def _check_populated(table: Table, context: PlanContext) -> None:
    """A materialized view made WITH NO DATA says so, rather than show no rows."""
    if table.is_materialized and not table.is_populated:
        raise DbError(
            ErrorKind.NOT_READY,
            f'materialized view "{table.name}" has not been populated',
            hint="use REFRESH MATERIALIZED VIEW",
            position=position_of(table.name, context.text),
        )


def _rename(node: exp.Table, name: str, database: str | None) -> None:
    alias = node.alias_or_name
    node.set("this", exp.to_identifier(name, quoted=True))
    node.set("db", exp.to_identifier(database, quoted=True) if database else None)
    node.set("catalog", None)
    if not node.alias:
        node.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))


def _expand_view(node: exp.Table, view: Table, context: PlanContext, resolved: Resolved) -> None:
    if resolved.depth >= _VIEW_DEPTH_MAX:
        raise DbError(ErrorKind.LIMIT_EXCEEDED, f"views are nested over {_VIEW_DEPTH_MAX} deep")
    query = context.parse_view(view)
    resolved.depth += 1
    resolve_tables(query, context, resolved)
    resolved.depth -= 1
    if view.outputs:
        query = narrowed(query, view)
    given = node.args.get("alias")
    names = given.columns if given is not None else []
    columns = names or [exp.to_identifier(c.name, quoted=True) for c in view.columns]
    alias = exp.TableAlias(this=exp.to_identifier(node.alias_or_name, quoted=True), columns=columns)
    subquery = exp.Subquery(this=query, alias=alias)
    if node.args.get("joins"):
        subquery.set("joins", node.args["joins"])
    node.replace(subquery)


def narrowed(query: exp.Expr, view: Table) -> exp.Expr:
    """The columns that a query with `*` had when the view was made, whatever came since.

    Requires: view.outputs.
    """
    names = [exp.column(exp.to_identifier(name, quoted=True)) for name in view.outputs]
    alias = exp.TableAlias(this=exp.to_identifier(view.name, quoted=True))
    return exp.select(*names).from_(exp.Subquery(this=query, alias=alias))


def system_name(node: exp.Table, context: PlanContext) -> tuple[str, str] | None:
    """(database, name) of the system table a node may mean, None if there is none so called."""
    name = node.name.lower()
    if node.db:
        hidden = node.db.lower() in MYSQL_DATABASES and context.wire is not Wire.MYSQL
        candidates = [] if hidden else [node.db.lower()]
    elif context.database == "information_schema" or context.database in MYSQL_DATABASES:
        candidates = [context.database]
    elif context.wire is Wire.POSTGRES:
        candidates = ["pg_catalog"]
    else:
        candidates = []
    for database in candidates:
        if context.is_system(database, name):
            return database, name
    return None


def _check_function(node: exp.Table) -> None:
    call = node.this
    if not isinstance(call, exp.Func | exp.Anonymous):
        raise DbError(ErrorKind.SYNTAX, "syntax error: a table is read by its name")
    name = call.name if isinstance(call, exp.Anonymous) else call.sql_name()
    allowed = isinstance(call, exp.ExplodingGenerateSeries | exp.GenerateSeries | exp.Unnest)
    if not allowed and name.lower() not in _TABLE_FUNCTIONS:
        raise DbError(ErrorKind.UNDEFINED_FUNCTION, f"table function {name.lower()} does not exist")


def _is_cte(node: exp.Table) -> bool:
    """True if the name is that of a common table expression visible here.

    A CTE sees those before it (and, when recursive, itself and all others); the query sees all.
    """
    if node.db:
        return False
    inner: exp.Expr = node
    outer = node.parent
    within: exp.Expr | None = None
    while outer is not None:
        if isinstance(outer, exp.CTE):
            within = outer
        with_ = outer.args.get("with_")
        if with_ is not None:
            visible = with_.expressions
            if inner is with_ and not with_.args.get("recursive"):
                visible = visible[: next(i for i, cte in enumerate(visible) if cte is within)]
            if any(cte.alias == node.name for cte in visible):
                return True
        inner, outer = outer, outer.parent
    return False
