"""Who may do what, as rows: the helper relation behind has_table_privilege() and its kin.

pg_privileges.py turns the calls into questions to it. sql/privileges.py is what forbids; both read
the same records.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import pyarrow as pa

from catalog.details import Role
from sql.system.arrow import from_rows
from sql.system.memo import Memo
from sql.system.pg_catalog import oids
from sql.system.pg_catalog.cluster import all_roles
from sql.system.pg_catalog.oids import namespace_oid, role_oid
from sql.system.pg_catalog.relations import system_relations
from sql.system.pg_catalog.sequences import sequences
from sql.system.table import SystemContext

PRIVILEGES = "#privileges"
PRIVILEGES_SCHEMA = pa.schema(
    [
        ("_kind", pa.string()),
        ("_role", pa.string()),
        ("_oid", pa.int64()),  # of the object; EVERYTHING for superusers
        ("_privilege", pa.string()),
    ]
)
EVERYTHING = 0
GRANTABLE = " WITH GRANT OPTION"
PUBLIC = "public"

_Row = tuple[str, str, int, str]


class Object(Enum):
    """What a privilege is on, with the privileges there are."""

    RELATION = ("INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    SEQUENCE = ("USAGE", "SELECT", "UPDATE")
    SCHEMA = ("USAGE", "CREATE")
    DATABASE = ("CONNECT", "CREATE", "TEMPORARY", "TEMP")  # all are one here: its OID is nobody's
    ROLE = ("MEMBER", "USAGE", "SET")


ANY_DATABASE = 1


def _rows(context: SystemContext) -> pa.Table:
    roles = all_roles(context)
    known = {role.name: role for role in roles}
    found: list[_Row] = []
    for role in roles:
        if role.superuser:
            found += [(kind.name, role.name, EVERYTHING, "") for kind in Object]
        else:
            names = _names(role, known)
            found += _on_relations(context, role, names)
            found += _on_sequences(context, role, names)
            found += _on_schemas(context, role, [known[name] for name in names if name in known])
            found += _on_database_and_roles(role, names)
    return from_rows(PRIVILEGES_SCHEMA, found)


privileges = Memo(_rows, lambda context: repr(all_roles(context)))


def _names(role: Role, known: dict[str, Role]) -> frozenset[str]:
    """The role, all it is a member of, and everybody."""
    found, todo = {PUBLIC}, [role.name]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += known[name].member_of if name in known else ()
    return frozenset(found)


def _on_relations(context: SystemContext, role: Role, names: frozenset[str]) -> Iterator[_Row]:
    kind = Object.RELATION
    for oid, *_ in system_relations():
        yield kind.name, role.name, oid, "SELECT"
    for table in context.tables:
        if table.owner in names:
            for privilege in kind.value:
                yield kind.name, role.name, table.id, privilege
                yield kind.name, role.name, table.id, privilege + GRANTABLE
        for grant in table.grants:
            if grant.grantee in names:
                yield kind.name, role.name, table.id, grant.privilege
                if grant.grantable:
                    yield kind.name, role.name, table.id, grant.privilege + GRANTABLE


def _on_sequences(context: SystemContext, role: Role, names: frozenset[str]) -> Iterator[_Row]:
    kind = Object.SEQUENCE
    for one in sequences(context):
        if one.role in names:
            for privilege in kind.value:
                yield kind.name, role.name, one.id, privilege
                yield kind.name, role.name, one.id, privilege + GRANTABLE
        for grant in one.grants:
            if grant.grantee in names:
                option = GRANTABLE if grant.grantable else ""
                yield kind.name, role.name, one.id, grant.privilege
                yield kind.name, role.name, one.id, grant.privilege + option


def _on_schemas(context: SystemContext, role: Role, roles: list[Role]) -> Iterator[_Row]:
    """Everybody may use every schema."""
    kind = Object.SCHEMA.name
    yield kind, role.name, oids.PG_CATALOG, "USAGE"
    yield kind, role.name, oids.INFORMATION_SCHEMA, "USAGE"
    for database in context.databases:
        yield kind, role.name, namespace_oid(database), "USAGE"
        for one in roles:
            for privilege in one.schemas.get(str(database.id), ()):
                yield kind, role.name, namespace_oid(database), privilege


def _on_database_and_roles(role: Role, names: frozenset[str]) -> Iterator[_Row]:
    for privilege in Object.DATABASE.value:
        if privilege != "CREATE" or role.create_database:
            yield Object.DATABASE.name, role.name, ANY_DATABASE, privilege
    for name in names - {PUBLIC}:
        for privilege in Object.ROLE.value:
            yield Object.ROLE.name, role.name, role_oid(name), privilege
