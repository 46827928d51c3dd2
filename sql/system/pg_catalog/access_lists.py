"""Privileges as PostgreSQL prints them (aclitem), and pg_default_acl.

Used by the relations that have a column of them; sql/privileges.py is what forbids.
https://www.postgresql.org/docs/15/ddl-priv.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

from catalog.details import DefaultGrant, Grant, Role
from sql.system.arrow import fill
from sql.system.pg_catalog import oids
from sql.system.pg_catalog.keys import quote
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.table import SystemContext

ON_TABLE = {
    "INSERT": "a",
    "SELECT": "r",
    "UPDATE": "w",
    "DELETE": "d",
    "TRUNCATE": "D",
    "REFERENCES": "x",
    "TRIGGER": "t",
}
ON_SEQUENCE = {"SELECT": "r", "UPDATE": "w", "USAGE": "U"}
_KINDS = {"TABLE": ("r", ON_TABLE), "SEQUENCE": ("S", ON_SEQUENCE)}


def access_list(
    owner: str, grants: Iterable[Grant], letters: Mapping[str, str]
) -> list[str] | None:
    """The privileges on one thing; None while only the owner has any."""
    order = [*letters]
    listed = sorted(grants, key=lambda grant: order.index(grant.privilege))
    if not listed:
        return None
    owner = owner or oids.OWNER_NAME
    found = {(quote(owner), quote(owner)): "".join(letters.values())}
    for grant in listed:
        key = ("" if grant.grantee == "public" else quote(grant.grantee), quote(grant.grantor))
        letter = letters[grant.privilege] + ("*" if grant.grantable else "")
        found[key] = found.get(key, "") + letter
    return [f"{grantee}={held}/{grantor}" for (grantee, grantor), held in found.items()]


def pg_default_acl(context: SystemContext) -> pa.Table:
    """What ALTER DEFAULT PRIVILEGES left with the roles that make things."""
    places = [
        (role, place)
        for role in context.roles
        for place in dict.fromkeys((one.kind, one.schema) for one in role.defaults)
    ]
    schemas = {one.id: oids.namespace_oid(one) for one in context.databases} | {0: 0}
    return fill(
        SHAPES["pg_default_acl"].schema,
        len(places),
        {
            "oid": list(range(1, len(places) + 1)),
            "defaclrole": [oids.role_oid(role.name) for role, _ in places],
            "defaclnamespace": [schemas.get(schema, 0) for _, (_, schema) in places],
            "defaclobjtype": [_KINDS[kind][0] for _, (kind, _) in places],
            "defaclacl": [_default_list(role, kind, schema) for role, (kind, schema) in places],
        },
    )


def _default_list(role: Role, kind: str, schema: int) -> list[str] | None:
    """Of one schema only what is added; of all schemas the maker's own privileges, too."""
    here: list[DefaultGrant] = [
        one for one in role.defaults if (one.kind, one.schema) == (kind, schema)
    ]
    grants = [Grant(one.grantee, one.privilege, role.name, one.grantable) for one in here]
    found = access_list(role.name, grants, _KINDS[kind][1])
    return found[1:] if schema and found else found
