"""pg_catalog relations about the whole server: schemas, databases, roles, settings, sessions."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

import pyarrow as pa

from catalog.details import Role
from catalog.objects import Extension
from engine.errors import DbError
from sql.session import Activity, SessionApi, Wire
from sql.settings import Settings
from sql.system.arrow import fill
from sql.system.facts import activities, catalog_name
from sql.system.pg_catalog import oids, user_types
from sql.system.pg_catalog.oids import namespace_oid, role_oid
from sql.system.pg_catalog.routines import LANGUAGES
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.pg_catalog.types import C_COLLATION, DEFAULT_COLLATION
from sql.system.table import SystemContext
from sql.temporary import PG_TEMP

_UTF8 = 6  # PostgreSQL's number of the encoding


def schema(name: str) -> pa.Schema:
    """The columns of a pg_catalog relation."""
    return SHAPES[name].schema


def pg_namespace(context: SystemContext) -> pa.Table:
    """Schemas: our databases and the system's own."""
    found = [(oids.PG_CATALOG, "pg_catalog"), (oids.INFORMATION_SCHEMA, "information_schema")]
    found += [(namespace_oid(database), database.name) for database in context.databases]
    found += [(oids.TEMPORARY, PG_TEMP)]
    return fill(
        schema("pg_namespace"),
        len(found),
        {
            "oid": [oid for oid, _ in found],
            "nspname": [name for _, name in found],
            "nspowner": oids.OWNER,
        },
    )


def pg_database(context: SystemContext) -> pa.Table:
    """Every name a client can connect with, the one it did connect with included."""
    found = {database.name: database.id for database in context.databases}
    connected = catalog_name(context.session)
    found.setdefault(connected, 1 + (zlib.crc32(connected.encode()) & 0x0FFF_FFFF))
    return fill(
        schema("pg_database"),
        len(found),
        {
            "oid": list(found.values()),
            "datname": list(found),
            "datdba": oids.OWNER,
            "encoding": _UTF8,
            "datlocprovider": "c",
            "datistemplate": False,
            "datallowconn": True,
            "datconnlimit": -1,
            "datfrozenxid": 0,
            "datminmxid": 0,
            "dattablespace": oids.DEFAULT_TABLESPACE,
            "datcollate": "C",
            "datctype": "C",
        },
    )


def all_roles(context: SystemContext) -> list[Role]:
    """The owner of everything, whoever is connected or owns something, and the roles created."""
    created = {role.name: role for role in context.roles}
    users = {session.client.user for session in (context.session, *context.sessions)}
    users |= {table.owner for table in context.tables}
    users |= {one.role for one in context.objects if one.role}
    others = sorted(users - {oids.OWNER_NAME, ""} - set(created))
    return [
        created.pop(oids.OWNER_NAME, _superuser(oids.OWNER, oids.OWNER_NAME)),
        *(_superuser(role_oid(name), name) for name in others),
        *created.values(),
    ]


def _superuser(oid: int, name: str) -> Role:
    return Role(oid, name, superuser=True, login=True, create_database=True, create_role=True)


def _roles(context: SystemContext, name: str, columns: dict[str, str]) -> pa.Table:
    """A relation over roles; `columns` maps its column names to those of pg_authid."""
    roles = [
        role for role in all_roles(context) if role.login or name not in ("pg_user", "pg_shadow")
    ]
    values: dict[str, object] = {
        "oid": [role_oid(role.name) for role in roles],
        "rolname": [role.name for role in roles],
        "rolsuper": [role.superuser for role in roles],
        "rolinherit": [role.inherit for role in roles],
        "rolcreaterole": [role.create_role for role in roles],
        "rolcreatedb": [role.create_database for role in roles],
        "rolcanlogin": [role.login for role in roles],
        "rolreplication": False,
        "rolbypassrls": [role.superuser for role in roles],
        "rolconnlimit": [role.connections_max for role in roles],
        "rolpassword": [_shown_password(context, name, role) for role in roles],
        "rolvaliduntil": [role.valid_until for role in roles],
    }
    return fill(
        schema(name), len(roles), {column: values[origin] for column, origin in columns.items()}
    )


def _shown_password(context: SystemContext, relation: str, role: Role) -> str | None:
    """PostgreSQL's verifier, where superusers look; stars where everybody does."""
    if relation in ("pg_roles", "pg_user"):
        return "********"
    asking = next((r for r in context.roles if r.name == context.session.client.user), None)
    if asking is not None and not asking.superuser:
        return None
    return role.password.get("scram") or role.password.get("md5")


def pg_auth_members(context: SystemContext) -> pa.Table:
    """Who is a member of which role."""
    found = [(role_oid(group), role_oid(r.name)) for r in context.roles for group in r.member_of]
    return fill(
        schema("pg_auth_members"),
        len(found),
        {
            "roleid": [group for group, _ in found],
            "member": [member for _, member in found],
            "grantor": oids.OWNER,
            "admin_option": False,
        },
    )


_AUTHID = (
    *("oid", "rolname", "rolsuper", "rolinherit", "rolcreaterole", "rolcreatedb"),
    *("rolcanlogin", "rolreplication", "rolbypassrls", "rolconnlimit"),
    *("rolpassword", "rolvaliduntil"),
)
_USER = {
    "usename": "rolname",
    "usesysid": "oid",
    "usecreatedb": "rolcreatedb",
    "usesuper": "rolsuper",
    "userepl": "rolreplication",
    "usebypassrls": "rolbypassrls",
    "passwd": "rolpassword",
    "valuntil": "rolvaliduntil",
}


def pg_authid(context: SystemContext) -> pa.Table:
    """Roles."""
    return _roles(context, "pg_authid", {name: name for name in _AUTHID})


def pg_roles(context: SystemContext) -> pa.Table:
    """Roles, for everyone to read."""
    return _roles(context, "pg_roles", {name: name for name in _AUTHID})


def pg_user(context: SystemContext) -> pa.Table:
    """Roles that can log in."""
    return _roles(context, "pg_user", _USER)


def pg_shadow(context: SystemContext) -> pa.Table:
    """Like pg_user, with passwords for superusers."""
    return _roles(context, "pg_shadow", _USER)


def pg_settings(context: SystemContext) -> pa.Table:
    """Settings with the session's values."""
    session = context.session
    known = Settings(Wire.POSTGRES).all()
    values = [_value(session, name, default) for name, default in known]
    return fill(
        schema("pg_settings"),
        len(known),
        {
            "name": [name for name, _ in known],
            "setting": values,
            "category": "Client Connection Defaults",
            "short_desc": "",
            "context": "user",
            "vartype": ["bool" if value in ("on", "off") else "string" for value in values],
            "source": [
                "default" if value == default else "session"
                for value, (_, default) in zip(values, known, strict=True)
            ],
            "boot_val": [default for _, default in known],
            "reset_val": [default for _, default in known],
            "pending_restart": False,
        },
    )


def _value(session: SessionApi, name: str, default: str) -> str:
    try:
        return session.show(name)
    except DbError:  # a wire that does not know the setting
        return default


def pg_stat_activity(context: SystemContext) -> pa.Table:
    """Sessions and what they run."""
    sessions = activities(context)
    places = [session.client.address.rpartition(":") for session, _ in sessions]
    started = [_moment(activity.started_ms) for _, activity in sessions]
    databases = {database.name: database.id for database in context.databases}
    names = [session.client.database or session.database for session, _ in sessions]
    return fill(
        schema("pg_stat_activity"),
        len(sessions),
        {
            "datid": [databases.get(name, 0) for name in names],
            "datname": names,
            "pid": [session.id for session, _ in sessions],
            "usesysid": [role_oid(session.client.user) for session, _ in sessions],
            "usename": [session.client.user for session, _ in sessions],
            "application_name": [session.client.application for session, _ in sessions],
            "client_addr": [host or None for host, _, _ in places],
            "client_port": [int(port) if port.isdigit() else -1 for _, _, port in places],
            "backend_start": [_moment(activity.connected_ms) for _, activity in sessions],
            "xact_start": [
                None if session.transaction_status.value == "I" else begun
                for (session, _), begun in zip(sessions, started, strict=True)
            ],
            "query_start": started,
            "state_change": started,
            "wait_event_type": ["Lock" if one.waits_for else None for _, one in sessions],
            "wait_event": [activity.waits_for or None for _, activity in sessions],
            "state": [_state(session, activity) for session, activity in sessions],
            "query": [activity.query for _, activity in sessions],
            "backend_type": "client backend",
        },
    )


def _moment(milliseconds: int) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def _state(session: SessionApi, activity: Activity) -> str:
    if activity.state != "idle":
        return activity.state
    status = session.transaction_status.value
    return {"T": "idle in transaction", "E": "idle in transaction (aborted)"}.get(status, "idle")


_RANGES = (  # range type, subtype, multirange type
    *((3904, 23, 4451), (3906, 1700, 4532), (3908, 1114, 4533)),
    *((3910, 1184, 4534), (3912, 1082, 4535), (3926, 20, 4536)),
)


def pg_range(context: SystemContext) -> pa.Table:
    """The range types, built in and of users."""
    built_in = fill(
        schema("pg_range"),
        len(_RANGES),
        {
            "rngtypid": [row[0] for row in _RANGES],
            "rngsubtype": [row[1] for row in _RANGES],
            "rngmultitypid": [row[2] for row in _RANGES],
            "rngcollation": 0,
            "rngsubopc": 0,
            "rngcanonical": 0,
            "rngsubdiff": 0,
        },
    )
    return user_types.pg_range(context, built_in)


def pg_tablespace(context: SystemContext) -> pa.Table:
    """The two tablespaces every PostgreSQL has."""
    found = {oids.DEFAULT_TABLESPACE: "pg_default", oids.GLOBAL_TABLESPACE: "pg_global"}
    return fill(
        schema("pg_tablespace"),
        len(found),
        {"oid": list(found), "spcname": list(found.values()), "spcowner": oids.OWNER},
    )


def pg_collation(context: SystemContext) -> pa.Table:
    """The default collation and C: both compare bytes."""
    return fill(
        schema("pg_collation"),
        2,
        {
            "oid": [DEFAULT_COLLATION, C_COLLATION],
            "collname": ["default", "C"],
            "collnamespace": oids.PG_CATALOG,
            "collowner": oids.OWNER,
            "collprovider": ["d", "c"],
            "collisdeterministic": True,
            "collencoding": -1,
            "collcollate": [None, "C"],
            "collctype": [None, "C"],
        },
    )


def pg_language(context: SystemContext) -> pa.Table:
    """The languages of pg_proc's functions."""
    names = list(LANGUAGES)
    return fill(
        schema("pg_language"),
        len(names),
        {
            "oid": list(LANGUAGES.values()),
            "lanname": names,
            "lanowner": oids.OWNER,
            "lanispl": [name == "plpgsql" for name in names],
            "lanpltrusted": [name != "internal" for name in names],
            "lanplcallfoid": 0,
            "laninline": 0,
            "lanvalidator": 0,
        },
    )


def pg_extension(context: SystemContext) -> pa.Table:
    """plpgsql, which clients take every PostgreSQL to have, and those of the session's schema."""
    own, namespaces = extensions(context), {one.name: one for one in context.databases}
    return fill(
        schema("pg_extension"),
        1 + len(own),
        {
            "oid": [13_000, *(one.id for one in own)],
            "extname": ["plpgsql", *(one.name for one in own)],
            "extowner": [oids.OWNER, *(oids.role_oid(one.role or oids.OWNER_NAME) for one in own)],
            "extnamespace": [
                oids.PG_CATALOG,
                *(oids.namespace_oid(namespaces[one.database]) for one in own),
            ],
            "extrelocatable": [False, *(True for _ in own)],
            "extversion": ["1.0", *(one.version for one in own)],
        },
    )


def extensions(context: SystemContext) -> list[Extension]:
    """What CREATE EXTENSION made, as far as the session sees it: one of each name."""
    found = [one for one in context.objects if isinstance(one, Extension)]
    schemas = ("public", context.session.database)
    seen = {one.name: one for schema in schemas for one in found if one.database == schema}
    return list(seen.values())


def pg_available_extensions(context: SystemContext) -> pa.Table:
    """What CREATE EXTENSION can make."""
    there = {one.name: one.version for one in extensions(context)} | {"plpgsql": "1.0"}
    return fill(
        schema("pg_available_extensions"),
        len(_AVAILABLE),
        {
            "name": list(_AVAILABLE),
            "default_version": [version for version, _ in _AVAILABLE.values()],
            "installed_version": [there.get(name) for name in _AVAILABLE],
            "comment": [comment for _, comment in _AVAILABLE.values()],
        },
    )


_AVAILABLE = {
    "citext": ("1.6", "texts that compare without case"),
    "hstore": ("1.8", "texts by keys"),
    "plpgsql": ("1.0", "conditions and exceptions of DO blocks"),
}
