"""The rows of SHOW and DESCRIBE.

`show` makes the answer of any SHOW that lists something; `describe` and `create_statement` those of
DESCRIBE and SHOW CREATE. The columns are GreptimeDB's where it has the statement, MySQL's
elsewhere. Nothing here parses, looks names up or checks permissions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from catalog.objects import Routine
from catalog.records import Column, Table, TableKind
from engine.errors import DbError, ErrorKind
from sql.dialect.json2 import native_name
from sql.results import Notice, Severity
from sql.session import Wire
from sql.statements import show_server
from sql.system.arrow import from_rows, integers, strings
from sql.system.facts import SYSTEM_DATABASES, Size, size_of, table_type
from sql.system.information_schema.columns import (
    column_key,
    default_text,
    extra,
    mysql_type,
    semantic_type,
)
from sql.system.information_schema.constraints import Key, indexed
from sql.system.information_schema.flows import flow_statistics
from sql.system.information_schema.records import listed_tables, system_tables
from sql.system.information_schema.tables import schema_names
from sql.system.pg_catalog.oids import nullable
from sql.system.pg_catalog.relations import shown_type
from sql.system.table import SystemContext
from sql.types import sql_name


@dataclass(frozen=True, slots=True)
class Request:
    """What a SHOW asks for; `database` is the current one unless the statement names another."""

    database: str
    table: Table | None = None  # SHOW COLUMNS, INDEX, REGION: resolved by the caller
    like: str | None = None
    full: bool = False
    notices: Sequence[Notice] = ()  # SHOW WARNINGS, ERRORS


Maker = Callable[[SystemContext, Request], pa.Table]


def show(what: str, context: SystemContext, request: Request) -> pa.Table:
    """The answer of `SHOW what`; `what` in upper case with synonyms folded, e.g. `TABLE STATUS`.

    LIKE is applied to the first column (to `Field` and `Variable_name` without regard to case).
    Raises: DbError UNSUPPORTED for what cannot be shown, or not with LIKE.
    """
    make = _MAKERS.get(what)
    if make is None:
        raise DbError(ErrorKind.UNSUPPORTED, f"SHOW {what} is not supported")
    if request.like is not None and what in _WITHOUT_LIKE:
        raise DbError(ErrorKind.UNSUPPORTED, f"SHOW {what} takes no LIKE", hint="use WHERE")
    rows = make(context, request)
    if request.like is None:
        return rows
    column = 1 if what in _NAMED_SECOND else 0
    return like(rows, request.like, ignore_case=what in _CASELESS, column=column)


def like(rows: pa.Table, pattern: str, *, ignore_case: bool = False, column: int = 0) -> pa.Table:
    """The rows of which a column matches a LIKE pattern (`%`, `_`, escaped by backslash)."""
    matches = pc.match_like(rows.column(column), pattern, ignore_case=ignore_case)
    return rows.filter(matches)


def describe(table: Table) -> pa.Table:
    """The answer of `DESCRIBE table`."""
    schema = pa.schema(strings("Column", "Type", "Key", "Null", "Default", "Semantic Type"))
    rows = [
        (
            column.name,
            native_name(column),
            "PRI" if column_key(table, column) in ("PRI", "TIME INDEX") else "",
            _yes_no(nullable(column, table)),
            _plain_default(column) or "",
            semantic_type(column),
        )
        for column in table.columns
    ]
    return from_rows(schema, rows)


def _plain_default(column: Column) -> str | None:
    """A default as its value: strings without their quotes."""
    return default_text(column, Wire.MYSQL)


def create_statement(kind: str, name: str, text: str) -> pa.Table:
    """The answer of `SHOW CREATE kind name`; `kind` as in the statement, e.g. `TABLE`."""
    noun = kind.capitalize()
    return from_rows(pa.schema(strings(noun, f"Create {noun}")), [(name, text)])


# --- Databases and tables -------------------------------------------------------------------------


def _databases(context: SystemContext, request: Request) -> pa.Table:
    names = schema_names(context)
    if not request.full:
        return from_rows(pa.schema(strings("Database")), [(name,) for name in names])
    options = {database.name: database.options for database in context.databases}
    rows = [(name, _options(options.get(name, {}))) for name in names]
    return from_rows(pa.schema(strings("Database", "Options")), rows)


def _options(options: dict[str, str]) -> str:
    return "".join(f"'{name}'='{value}'\n" for name, value in sorted(options.items()))


def _tables_of(context: SystemContext, database: str) -> list[Table]:
    system = database in SYSTEM_DATABASES
    found = system_tables(context.session.wire) if system else listed_tables(context)
    return sorted((t for t in found if t.database == database), key=lambda table: table.name)


def _tables(context: SystemContext, request: Request) -> pa.Table:
    found = _tables_of(context, request.database)
    title = f"Tables_in_{request.database}"
    if not request.full:
        return from_rows(pa.schema(strings(title)), [(table.name,) for table in found])
    system = request.database in SYSTEM_DATABASES
    rows = [
        (t.name, "LOCAL TEMPORARY" if system else table_type(t, context.session.wire))
        for t in found
    ]
    return from_rows(pa.schema(strings(title, "Table_type")), rows)


def _views(context: SystemContext, request: Request) -> pa.Table:
    found = [t for t in _tables_of(context, request.database) if t.kind is TableKind.VIEW]
    return from_rows(pa.schema(strings("Views")), [(view.name,) for view in found])


_STATUS = pa.schema(
    [
        *strings("Name", "Engine"),
        *integers("Version"),
        *strings("Row_format"),
        *integers("Rows", "Avg_row_length", "Data_length", "Max_data_length", "Index_length"),
        *integers("Data_free", "Auto_increment"),
        pa.field("Create_time", pa.timestamp("ms")),
        pa.field("Update_time", pa.timestamp("ms")),
        pa.field("Check_time", pa.timestamp("ms")),
        *strings("Collation"),
        *integers("Checksum"),
        *strings("Create_options", "Comment"),
    ]
)


def _table_status(context: SystemContext, request: Request) -> pa.Table:
    found = _tables_of(context, request.database)
    if request.like is not None:  # sizes are asked of the engine, of these tables only
        names = pa.table({"name": pa.array([table.name for table in found], pa.string())})
        kept = set(like(names, request.like).column(0).to_pylist())
        found = [table for table in found if table.name in kept]
    return from_rows(_STATUS, [_status(context, table) for table in found])


def _status(context: SystemContext, table: Table) -> tuple[object, ...]:
    if table.kind is TableKind.VIEW:
        return (table.name, *[None] * (len(_STATUS) - 2), "VIEW")
    size = size_of(context, table) or Size(0, 0)
    average = size.bytes // size.rows if size.rows else 0
    created = table.created_ms or None
    lengths = (size.rows, average, size.bytes, 0, 0, 0, None)
    times = (created, created, None)
    rest = ("utf8_bin", None, "", table.comment)
    return (table.name, table.engine, 11, "Fixed", *lengths, *times, *rest)


# --- Columns and indexes --------------------------------------------------------------------------

_COLUMNS = ("Field", "Type", "Null", "Key", "Default", "Extra", "Greptime_type")
_FULL_COLUMNS = (
    *("Field", "Type", "Collation", "Null", "Key", "Default", "Comment", "Privileges"),
    *("Extra", "Greptime_type"),
)


def _columns(context: SystemContext, request: Request) -> pa.Table:
    table, wire = _named(request), context.session.wire
    columns = list(table.columns)
    if wire is not Wire.MYSQL:  # MySQL's clients count on the columns' own order
        columns.sort(key=lambda column: column.name)
    names = _FULL_COLUMNS if request.full else _COLUMNS
    told = [_column(table, column, wire) for column in columns]
    return from_rows(pa.schema(strings(*names)), [[row[name] for name in names] for row in told])


def mysql_columns(table: Table) -> pa.Table:
    """The answer of MySQL's DESCRIBE."""
    names = _COLUMNS[:-1]
    told = [_column(table, column, Wire.MYSQL) for column in table.columns]
    return from_rows(pa.schema(strings(*names)), [[row[name] for name in names] for row in told])


def _named(request: Request) -> Table:
    assert request.table is not None
    return request.table


def _is_text(column: Column) -> bool:
    return bool(column.type.arrow == pa.string())


def _column(table: Table, column: Column, wire: Wire) -> dict[str, str | None]:
    return {
        "Field": column.name,
        "Type": _shown_type(column, wire),
        "Collation": (column.collation or "utf8_bin") if _is_text(column) else None,
        "Null": _yes_no(nullable(column, table)),
        "Key": column_key(table, column),
        "Default": default_text(column, wire),
        "Comment": column.comment,
        "Privileges": "select,insert",
        "Extra": extra(column),
        "Greptime_type": native_name(column),
    }


def _shown_type(column: Column, wire: Wire) -> str:
    if wire is Wire.MYSQL:
        return mysql_type(column)
    return shown_type(column) if wire is Wire.POSTGRES else sql_name(column.type, wire).lower()


def _yes_no(value: bool) -> str:
    return "YES" if value else "NO"


_INDEX = pa.schema(
    [
        *strings("Table"),
        *integers("Non_unique"),
        *strings("Key_name"),
        *integers("Seq_in_index"),
        *strings("Column_name", "Collation"),
        *integers("Cardinality", "Sub_part"),
        *strings("Packed", "Null", "Index_type", "Comment", "Index_comment", "Visible"),
        *strings("Expression"),
    ]
)


def _indexes(context: SystemContext, request: Request) -> pa.Table:
    tables = [_named(request)]
    found = indexed(tables, Wire.MYSQL)
    found.sort(key=lambda key: (key.name, key.position))
    return from_rows(_INDEX, [_index(key) for key in found])


def _index(key: Key) -> tuple[object, ...]:
    null = "YES" if nullable(key.column, key.table) else ""
    names = (key.table.name, int(not key.unique), key.name, key.position, key.column.name or None)
    kind = "BTREE" if key.type == "UNIQUE" else key.type
    return (*names, "A", None, key.length, None, null, kind, "", "", "YES", key.expression or None)


def _regions(context: SystemContext, request: Request) -> pa.Table:
    table = _named(request)
    numbers = [pa.field(name, pa.uint64()) for name in ("Region", "Peer")]
    schema = pa.schema([*strings("Table"), *numbers, *strings("Leader")])
    return from_rows(schema, [(table.name, region, 0, "Yes") for region in table.region_ids])


def _warnings(context: SystemContext, request: Request) -> pa.Table:
    return show_server.warnings(request.notices)


def _errors(context: SystemContext, request: Request) -> pa.Table:
    return show_server.warnings(_errors_of(request))


def _errors_of(request: Request) -> list[Notice]:
    return [one for one in request.notices if one.severity is Severity.ERROR]


def _count_warnings(_: SystemContext, request: Request) -> pa.Table:
    return from_rows(pa.schema(integers("@@session.warning_count")), [(len(request.notices),)])


def _count_errors(_: SystemContext, request: Request) -> pa.Table:
    return from_rows(pa.schema(integers("@@session.error_count")), [(len(_errors_of(request)),)])


def _processes(context: SystemContext, request: Request) -> pa.Table:
    return show_server.processes(context, full=request.full)


def _flows(context: SystemContext, request: Request) -> pa.Table:
    return from_rows(pa.schema(strings("Flows")), [(one.flow.name,) for one in context.flows])


def _flow_status(context: SystemContext, request: Request) -> pa.Table:
    """By name, for LIKE; the columns of information_schema.flow_statistics."""
    found = flow_statistics(context)
    return found.select(["flow_name", *(n for n in found.column_names if n != "flow_name")])


def _server(make: Callable[[SystemContext], pa.Table]) -> Maker:
    return lambda context, _: make(context)


def _nothing(*names: str) -> Maker:
    empty = from_rows(pa.schema(strings(*names)), [])
    return lambda _context, _request: empty


_ROUTINE_COLUMNS = (
    *("Db", "Name", "Type", "Language", "Definer", "Modified", "Created", "Security_type"),
    *("Comment", "character_set_client", "collation_connection", "Database Collation"),
)


def _routines(kind: str) -> Maker:
    return lambda context, _request: _stored(context, kind)


def _stored(context: SystemContext, kind: str) -> pa.Table:
    rows = [
        (
            *(one.database, one.name, kind, "SQL", one.role),
            *(_moment(one.created_ms), _moment(one.created_ms), "INVOKER", one.comment),
            *("utf8mb4", "utf8mb4_bin", "utf8mb4_bin"),
        )
        for one in context.objects
        if isinstance(one, Routine)
        and one.language == "mysql"
        and one.is_function == (kind == "FUNCTION")
    ]
    return from_rows(pa.schema(strings(*_ROUTINE_COLUMNS)), rows)


def _moment(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


_MAKERS: dict[str, Maker] = {
    "DATABASES": _databases,
    "TABLES": _tables,
    "VIEWS": _views,
    "TABLE STATUS": _table_status,
    "COLUMNS": _columns,
    "INDEX": _indexes,
    "REGION": _regions,
    "WARNINGS": _warnings,
    "ERRORS": _errors,
    "COUNT WARNINGS": _count_warnings,
    "COUNT ERRORS": _count_errors,
    "PROCESSLIST": _processes,
    "CHARSET": _server(show_server.character_sets),
    "COLLATION": _server(show_server.collations),
    "ENGINES": _server(show_server.engines),
    "FUNCTIONS": _server(show_server.functions),
    "VARIABLES": _server(show_server.variables),
    "STATUS": _server(show_server.status),
    "PRIVILEGES": _server(show_server.privileges),
    "GRANTS": _server(show_server.grants),
    "FLOWS": _flows,
    "FLOW STATUS": _flow_status,
    "TRIGGERS": _nothing(
        *("Trigger", "Event", "Table", "Statement", "Timing", "Created", "sql_mode", "Definer"),
        *("character_set_client", "collation_connection", "Database Collation"),
    ),
    "EVENTS": _nothing(
        *("Db", "Name", "Definer", "Time zone", "Type", "Execute at", "Interval value"),
        *("Interval field", "Starts", "Ends", "Status", "Originator", "character_set_client"),
        *("collation_connection", "Database Collation"),
    ),
    "PROCEDURE STATUS": _routines("PROCEDURE"),
    "FUNCTION STATUS": _routines("FUNCTION"),
    "OPEN TABLES": _nothing("Database", "Table", "In_use", "Name_locked"),
    "PLUGINS": _server(show_server.plugins),
    "MASTER STATUS": _nothing("File", "Position", "Binlog_Do_DB", "Binlog_Ignore_DB"),
    "REPLICA STATUS": _nothing("Replica_IO_State", "Source_Host"),
    "REPLICAS": _nothing("Server_Id", "Host", "Port", "Source_Id", "Replica_UUID"),
    "PROFILES": _nothing("Query_ID", "Duration", "Query"),
    "ENGINE": _nothing("Type", "Name", "Status"),
    "BINARY LOGS": _nothing("Log_name", "File_size", "Encrypted"),
}
_WITHOUT_LIKE = frozenset({"INDEX", "REGION", "WARNINGS", "ERRORS", "PROCESSLIST", "GRANTS"})
_NAMED_SECOND = ("PROCEDURE STATUS", "FUNCTION STATUS")  # behind their databases
_CASELESS = frozenset({"VARIABLES", "STATUS", "COLUMNS", "COLLATION", "CHARSET", *_NAMED_SECOND})
