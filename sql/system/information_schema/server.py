"""information_schema tables about the server itself: engines, character sets, sessions."""

from __future__ import annotations

import pyarrow as pa

from catalog.details import Grant
from sql.session import SessionApi, Wire
from sql.settings import PRODUCT_VERSION, Settings
from sql.system.arrow import fill, from_rows
from sql.system.facts import activities, catalog_name
from sql.system.information_schema.shapes import SHAPES
from sql.system.pg_catalog.oids import OWNER_NAME
from sql.system.table import SystemContext

_CHARACTER_SETS = (("utf8", "utf8_bin", "UTF-8 Unicode", 4),)
_COLLATIONS = (("utf8_bin", "utf8", 1, "Yes", "Yes", 1),)
_ENGINES = (
    ("mito", "DEFAULT", "Storage engine for time-series data", "YES", "NO", "YES"),
    ("metric", "YES", "Many small metric tables over one physical table", "YES", "NO", "YES"),
    ("duckdb", "YES", "Ordinary tables without a time index", "YES", "NO", "YES"),
)

_LOGINS = ("caching_sha2_password", "mysql_native_password")


def character_sets(context: SystemContext) -> pa.Table:
    """UTF-8, the only one."""
    return _padded("character_sets", _CHARACTER_SETS)


def collations(context: SystemContext) -> pa.Table:
    """Binary comparison, the only one."""
    return _padded("collations", _COLLATIONS)


def collation_applicability(context: SystemContext) -> pa.Table:
    """The collation's character set."""
    return _padded("collation_character_set_applicability", (("utf8_bin", "utf8"),))


def engines(context: SystemContext) -> pa.Table:
    """Where tables can live."""
    return _padded("engines", _ENGINES)


def build_info(context: SystemContext) -> pa.Table:
    """The product's version; commits are known to its packager only."""
    return _padded("build_info", (("", "", "", "true", PRODUCT_VERSION),))


def _padded(name: str, rows: tuple[tuple[object, ...], ...]) -> pa.Table:
    """Rows of the leading columns; the others are NULL."""
    schema = SHAPES[name]
    return from_rows(schema, [(*row, *[None] * (len(schema) - len(row))) for row in rows])


def variables(name: str, context: SystemContext) -> pa.Table:
    """global_variables and session_variables: MySQL's, with the session's values in the latter."""
    session = context.session
    rows = dict(Settings(Wire.MYSQL).all())
    if name == "session_variables" and session.wire is Wire.MYSQL:
        rows = {known: session.show(known) for known in rows}
    return from_rows(SHAPES[name], list(rows.items()))


def plugins(context: SystemContext) -> pa.Table:
    """The table engines and the ways to log in, none of which can be unloaded."""
    kinds = [(name, "STORAGE ENGINE") for name, *_ in _ENGINES]
    kinds += [(name, "AUTHENTICATION") for name in _LOGINS]
    return fill(
        SHAPES["plugins"],
        len(kinds),
        {
            "plugin_name": [name for name, _ in kinds],
            "plugin_version": PRODUCT_VERSION,
            "plugin_status": "ACTIVE",
            "plugin_type": [kind for _, kind in kinds],
            "plugin_license": "Apache-2.0",
            "load_option": "FORCE",
        },
    )


def process_list(context: SystemContext) -> pa.Table:
    """Sessions and what they run."""
    sessions = activities(context)
    now = context.clock.now_ms()
    return fill(
        SHAPES["process_list"],
        len(sessions),
        {
            "id": [process_id(session) for session, _ in sessions],
            "catalog": catalog_name(context.session),
            "schemas": [session.database for session, _ in sessions],
            "query": [activity.query for _, activity in sessions],
            "client": [client_of(session) for session, _ in sessions],
            "frontend": "",
            "start_timestamp": [activity.started_ms or None for _, activity in sessions],
            "elapsed_time": [elapsed_ms(activity.started_ms, now) for _, activity in sessions],
        },
    )


def process_id(session: SessionApi) -> str:
    """The id that KILL takes."""
    return f"{session.client.address}/{session.id}"


def client_of(session: SessionApi) -> str:
    """How the client came: `mysql[user@host:port]`."""
    return f"{session.wire.value}[{session.client.user}@{session.client.address}]"


def elapsed_ms(started_ms: int, now_ms: int) -> int:
    """Milliseconds since a start; 0 if there was none."""
    return max(0, now_ms - started_ms) if started_ms else 0


def mysql_process_list(context: SystemContext) -> pa.Table:
    """MySQL's PROCESSLIST."""
    sessions = activities(context)
    now = context.clock.now_ms()
    return fill(
        SHAPES["processlist"],
        len(sessions),
        {
            "id": [session.id for session, _ in sessions],
            "user": [session.client.user for session, _ in sessions],
            "host": [session.client.address for session, _ in sessions],
            "db": [session.database for session, _ in sessions],
            "command": ["Query" if a.state == "active" else "Sleep" for _, a in sessions],
            "time": [elapsed_ms(a.started_ms, now) // 1000 for _, a in sessions],
            "state": [activity.state for _, activity in sessions],
            "info": [activity.query or None for _, activity in sessions],
        },
    )


def procedure_info(context: SystemContext) -> pa.Table:
    """Work in the background since the start of the server."""
    found = context.procedures
    return fill(
        SHAPES["procedure_info"],
        len(found),
        {
            "procedure_id": [one.id for one in found],
            "procedure_type": [one.kind for one in found],
            "start_time": [one.start_ms for one in found],
            "end_time": [one.end_ms for one in found],
            "status": [one.status for one in found],
            "lock_keys": [one.subject for one in found],
        },
    )


def enabled_roles(context: SystemContext) -> pa.Table:
    """The roles of the session."""
    return from_rows(SHAPES["enabled_roles"], [(context.session.client.user,)])


def catalog_name_row(context: SystemContext) -> pa.Table:
    """information_schema_catalog_name: one row."""
    name = catalog_name(context.session)
    return from_rows(SHAPES["information_schema_catalog_name"], [(name,)])


_PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


def table_grants(name: str, context: SystemContext) -> pa.Table:
    """table_privileges and role_table_grants: the owner may do everything, others what they got."""
    found = [
        (table, Grant(owner, right, owner, grantable=True))
        for table in context.tables
        for owner in [table.owner or OWNER_NAME]
        for right in _PRIVILEGES
    ]
    found += [(table, grant) for table in context.tables for grant in table.grants]
    if (
        name == "role_table_grants"
    ):  # https://www.postgresql.org/docs/15/infoschema-role-table-grants.html
        found = [row for row in found if row[1].grantee != "public"]
    return fill(
        SHAPES[name],
        len(found),
        {
            "grantor": [grant.grantor for _, grant in found],
            "grantee": [_shown_grantee(grant.grantee) for _, grant in found],
            "table_catalog": catalog_name(context.session),
            "table_schema": [table.database for table, _ in found],
            "table_name": [table.name for table, _ in found],
            "privilege_type": [grant.privilege for _, grant in found],
            "is_grantable": ["YES" if grant.grantable else "NO" for _, grant in found],
            "with_hierarchy": ["YES" if g.privilege == "SELECT" else "NO" for _, g in found],
        },
    )


def _shown_grantee(name: str) -> str:
    return "PUBLIC" if name == "public" else name
