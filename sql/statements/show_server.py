"""The rows of SHOW statements about the server: sessions, settings, warnings, engines, charsets."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from engine.errors import DbError
from sql.functions.listing import show_rows
from sql.results import Notice, Severity
from sql.session import SessionApi, Wire
from sql.settings import Settings
from sql.system.arrow import from_rows, integers, strings
from sql.system.facts import activities, catalog_name
from sql.system.information_schema import server
from sql.system.table import SystemContext

_WARNING_CODE = 1000  # GreptimeDB's number for a warning without one of MySQL's


def warnings(notices: Sequence[Notice]) -> pa.Table:
    """SHOW WARNINGS: what the last statement had to say."""
    schema = pa.schema([*strings("Level"), *integers("Code"), *strings("Message")])
    levels = {Severity.WARNING: "Warning", Severity.ERROR: "Error"}
    rows = [
        (
            levels.get(notice.severity, "Note"),
            notice.errno or _WARNING_CODE,
            notice.message,
        )
        for notice in notices
    ]
    return from_rows(schema, rows)


def functions(context: SystemContext) -> pa.Table:
    """SHOW FUNCTIONS: what the wire offers."""
    names = ("Function", "Signature", "Kind", "Category", "Description")
    return from_rows(pa.schema(strings(*names)), show_rows(context.session.wire))


def processes(context: SystemContext, *, full: bool) -> pa.Table:
    """SHOW PROCESSLIST: MySQL's own columns on MySQL sessions, GreptimeDB's elsewhere."""
    if context.session.wire is Wire.MYSQL:
        return _mysql_processes(context)
    names = ["Id", "Catalog", "Query", "Elapsed Time"]
    if full:
        names = ["Id", "Catalog", "Schema", "Query", "Client", "Frontend", "Start Time"]
        names.append("Elapsed Time")
    catalog, now = catalog_name(context.session), context.clock.now_ms()
    told = [_process(session, catalog, now) for session in context.sessions]
    rows = [[process[name] for name in names] for process in told]
    return from_rows(pa.schema([_process_field(name) for name in names]), rows)


def _process_field(name: str) -> pa.Field:
    kinds = {"Start Time": pa.timestamp("ms"), "Elapsed Time": pa.int64()}
    return pa.field(name, kinds.get(name, pa.string()))


def _process(session: SessionApi, catalog: str, now_ms: int) -> dict[str, object]:
    activity = session.activity
    return {
        "Id": server.process_id(session),
        "Catalog": catalog,
        "Schema": session.database,
        "Query": activity.query,
        "Client": server.client_of(session),
        "Frontend": "",
        "Start Time": activity.started_ms or None,
        "Elapsed Time": server.elapsed_ms(activity.started_ms, now_ms),
    }


def _mysql_processes(context: SystemContext) -> pa.Table:
    rows = server.mysql_process_list(context)
    return rows.rename_columns(["Id", "User", "Host", "db", "Command", "Time", "State", "Info"])


def character_sets(context: SystemContext) -> pa.Table:
    """SHOW CHARSET."""
    schema = pa.schema(
        [*strings("Charset", "Description", "Default collation"), *integers("Maxlen")]
    )
    return from_rows(schema, [("utf8", "UTF-8 Unicode", "utf8_bin", 4)])


def collations(context: SystemContext) -> pa.Table:
    """SHOW COLLATION."""
    words, flags = strings("Collation", "Charset"), strings("Default", "Compiled")
    schema = pa.schema([*words, *integers("Id"), *flags, *integers("Sortlen")])
    return from_rows(schema, [("utf8_bin", "utf8", 1, "Yes", "Yes", 1)])


def engines(context: SystemContext) -> pa.Table:
    """SHOW ENGINES."""
    names = ["Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"]
    return server.engines(context).rename_columns(names)


def plugins(context: SystemContext) -> pa.Table:
    """SHOW PLUGINS."""
    names = ["plugin_name", "plugin_status", "plugin_type", "plugin_library", "plugin_license"]
    shown = ["Name", "Status", "Type", "Library", "License"]
    return server.plugins(context).select(names).rename_columns(shown)


def variables(context: SystemContext) -> pa.Table:
    """SHOW VARIABLES: every setting of the session."""
    session = context.session
    known = Settings(session.wire).all()
    rows = [(name, _value(session, name, default)) for name, default in known]
    return from_rows(pa.schema(strings("Variable_name", "Value")), rows)


def variable(session: SessionApi, name: str, timezone: str) -> pa.Table:
    """SHOW VARIABLES name, GreptimeDB's own form: one column of that name.

    A time zone left to the server is shown as the one in effect, `timezone`; MySQL's variables
    show their defaults on other wires. No rows for a variable that does not exist.
    """
    schema = pa.schema(strings(name.upper()))
    try:
        value = session.show(name.lower())
    except DbError:
        known = dict(Settings(Wire.MYSQL).all())
        if name.lower() not in known:
            return from_rows(schema, [])
        value = known[name.lower()]
    return from_rows(schema, [(timezone if value == "SYSTEM" else value,)])


def _value(session: SessionApi, name: str, default: str) -> str:
    try:
        return session.show(name)
    except DbError:  # known by default, but not to this session
        return default


def status(context: SystemContext) -> pa.Table:
    """SHOW STATUS: how the session is connected, and the little that is counted."""
    client = context.session.client
    cipher, version = client.cipher
    rows = [
        ("Compression", "ON" if client.compressed else "OFF"),
        ("Ssl_cipher", cipher),
        ("Ssl_version", version),
        ("Threads_connected", str(len(context.sessions))),
        ("Threads_running", str(_running(context))),
    ]
    return from_rows(pa.schema(strings("Variable_name", "Value")), rows)


def _running(context: SystemContext) -> int:
    """Sessions with a statement under way."""
    return sum(activity.state == "active" for _, activity in activities(context))


def privileges(context: SystemContext) -> pa.Table:
    """SHOW PRIVILEGES: none that could be granted."""
    return from_rows(pa.schema(strings("Privilege", "Context", "Comment")), [])


def grants(context: SystemContext) -> pa.Table:
    """SHOW GRANTS: whoever is connected may do what their user's permission says."""
    user = context.session.client.user
    grant = f"GRANT ALL PRIVILEGES ON *.* TO `{user}`@`%`"
    return from_rows(pa.schema(strings(f"Grants for {user}@%")), [(grant,)])
