"""CREATE, ALTER and DROP ROLE; GRANT and REVOKE.

Grants on tables are part of the tables' records, so they follow renames and end with the table;
those on schemas and memberships are part of the role's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from catalog.details import Role
from catalog.records import Table
from engine.datatypes import TIMESTAMP_TZ
from engine.errors import DbError, ErrorKind
from sql import verifiers
from sql.decode.cells import from_strings
from sql.decode.times import timestamps
from sql.dialect import nodes
from sql.plan.tables import find_table
from sql.privileges import (
    PUBLIC,
    SCHEMA_PRIVILEGES,
    TABLE_PRIVILEGES,
    database_key,
    is_superuser,
    may,
    role_exists,
    roles_of,
)
from sql.results import Affected, Notice, Result
from sql.statements import object_grants
from sql.system.pg_catalog.oids import OWNER, OWNER_NAME

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

_FLAGS = {
    "SUPERUSER": "superuser",
    "LOGIN": "login",
    "CREATEDB": "create_database",
    "CREATEROLE": "create_role",
    "INHERIT": "inherit",
}
_WITHOUT_MEANING = frozenset({"REPLICATION", "NOREPLICATION", "BYPASSRLS", "NOBYPASSRLS"})
_MD5 = re.compile(r"md5[0-9a-f]{32}")
_DATABASE_PRIVILEGES = ("CONNECT", "CREATE", "TEMPORARY", "TEMP")


# --- Roles ----------------------------------------------------------------------------------------


def run_role(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """CREATE, ALTER or DROP ROLE. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, nodes.RoleStatement)
    verb = str(tree.this)
    _check_may(session, tree)
    with session.writing() as transaction:
        transaction.change_store()
        for node in tree.expressions:
            _ROLE_VERBS[verb](session, tree, node.name)
    return Affected(f"{verb} ROLE", 0)


def _create(session: ClientSession, tree: nodes.RoleStatement, name: str) -> None:
    cursor = session.duck.cursor
    if name in (OWNER_NAME, PUBLIC) or session.catalog.role(cursor, name) is not None:
        raise DbError(ErrorKind.DUPLICATE_OBJECT, f'role "{name}" already exists')
    role_id = session.next_id()
    role = Role(id=role_id, name=name, login=tree.args["kind"] == "USER")
    session.catalog.put_role(cursor, _with_options(session, role, tree))


def _alter(session: ClientSession, tree: nodes.RoleStatement, name: str) -> None:
    role = superuser(session) if name == OWNER_NAME else _existing(session, name)
    session.catalog.put_role(session.duck.cursor, _with_options(session, role, tree))


def superuser(session: ClientSession) -> Role:
    """The owner of everything, who is in no need of a record until it has a password."""
    known = session.catalog.role(session.duck.cursor, OWNER_NAME)
    return known or Role(OWNER, OWNER_NAME, True, True, True, True)


def _with_options(session: ClientSession, role: Role, tree: nodes.RoleStatement) -> Role:
    changes: dict[str, Any] = {}
    for option in nodes.words_of(tree, "options"):
        flag, negated = _FLAGS.get(option), _FLAGS.get(option.removeprefix("NO"))
        if option.startswith("IN "):
            _existing(session, option[3:])
            role = replace(role, member_of=(*role.member_of, option[3:]))
        elif flag is not None:
            changes[flag] = True
        elif negated is not None:
            changes[negated] = False
        elif option.startswith("PASSWORD "):
            changes["password"] = _verifiers(session, role.name, option.removeprefix("PASSWORD "))
        elif option == "NOPASSWORD":
            changes["password"] = {}
        elif option.startswith("VALID UNTIL "):
            changes["valid_until"] = _moment(session, option.removeprefix("VALID UNTIL "))
        elif option.startswith("CONNECTION LIMIT "):
            changes["connections_max"] = _limit(option.removeprefix("CONNECTION LIMIT "))
        elif option not in _WITHOUT_MEANING:
            raise DbError(ErrorKind.SYNTAX, f'unrecognized role option "{option.lower()}"')
    return replace(role, **changes)


def _verifiers(session: ClientSession, name: str, password: str) -> dict[str, str]:
    """What is kept of a password; one that a client has hashed already is kept as it came."""
    if not password:
        session.notice(Notice("empty string is not a valid password, clearing password"))
        return {}
    if _MD5.fullmatch(password):
        return {"md5": password}
    if password.startswith("SCRAM-SHA-256$"):
        try:
            verifiers.parse_scram(password)
        except ValueError as error:
            message = f"invalid SCRAM verifier: {error}"
            raise DbError(ErrorKind.INVALID_ARGUMENT, message) from None
        return {"scram": password}
    found = {
        "mysql_native": verifiers.mysql_native(password).hex(),
        "caching_sha2": verifiers.caching_sha2(password).hex(),
    }
    if session.settings.known("password_encryption") and (
        session.settings.get("password_encryption") == "md5"
    ):
        return {"md5": verifiers.md5(password, name), **found}
    return {"scram": verifiers.scram_verifier(password), **found}


def _moment(session: ClientSession, text: str) -> int | None:
    """A timestamp in microseconds of Unix time; without an offset it is of the session's zone."""
    if text.strip().lower() == "infinity":
        return None
    cells = from_strings(pa.array([text]), lambda _: "in VALID UNTIL")
    array = timestamps(cells, TIMESTAMP_TZ, session.timezone)
    return int(array.cast(pa.int64())[0].as_py())


def _limit(text: str) -> int:
    """Raises: DbError INVALID_ARGUMENT."""
    if not re.fullmatch(r"-1|\d{1,9}", text):
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"invalid connection limit: {text}")
    return int(text)


def _check_may(session: ClientSession, tree: nodes.RoleStatement) -> None:
    """Superusers may; CREATEROLE may unless it is about superusers; all may change their password.

    https://www.postgresql.org/docs/15/sql-alterrole.html
    """
    cursor = session.duck.cursor
    own = session.catalog.role(cursor, session.role)
    if own is None or own.superuser:
        return
    names = [node.name for node in tree.expressions]
    options = nodes.words_of(tree, "options")
    is_own_password = all(option.startswith("PASSWORD ") for option in options)
    if tree.this == "ALTER" and names == [own.name] and is_own_password:
        return
    if not own.create_role:
        raise DbError(
            ErrorKind.ACCESS_DENIED, f"permission denied to {str(tree.this).lower()} role"
        )
    targets = [session.catalog.role(cursor, name) for name in names]
    if OWNER_NAME in names or any(role is not None and role.superuser for role in targets):
        raise DbError(ErrorKind.ACCESS_DENIED, "must be superuser to alter superuser roles")
    if "SUPERUSER" in options:
        raise DbError(ErrorKind.ACCESS_DENIED, "must be superuser to create superusers")


def _drop(session: ClientSession, tree: nodes.RoleStatement, name: str) -> None:
    cursor = session.duck.cursor
    role = session.catalog.role(cursor, name)
    if role is None and tree.args.get("exists"):
        session.notice(Notice(f'role "{name}" does not exist, skipping'))
        return
    role = role or _existing(session, name)
    for table in session.catalog.tables(cursor):
        if table.owner == name or any(grant.grantee == name for grant in table.grants):
            raise object_grants.needed(name, f"privileges for table {table.name}")
    object_grants.check_ungranted(session, name)
    for other in session.catalog.roles(cursor):
        if name in other.member_of:
            rest = tuple(one for one in other.member_of if one != name)
            session.catalog.put_role(cursor, replace(other, member_of=rest))
    session.catalog.remove_role(cursor, role)


_ROLE_VERBS: dict[str, Callable[[ClientSession, nodes.RoleStatement, str], None]] = {
    "CREATE": _create,
    "ALTER": _alter,
    "DROP": _drop,
}


def _existing(session: ClientSession, name: str) -> Role:
    role = session.catalog.role(session.duck.cursor, name)
    if role is None:
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'role "{name}" does not exist')
    return role


# --- GRANT and REVOKE -----------------------------------------------------------------------------


def run_grant(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """GRANT or REVOKE. Raises: DbError ACCESS_DENIED, UNDEFINED_OBJECT, UNDEFINED_TABLE."""
    tree = statement.tree
    assert isinstance(tree, nodes.GrantStatement)
    kind = str(tree.this)
    grantees = object_grants.grantees(session, tree)
    with session.writing() as transaction:
        transaction.change_store()
        if object_grants.are_objects(session, tree):
            object_grants.grant(session, tree, grantees)
        elif kind in ("TABLE", "TABLES IN SCHEMA"):
            for table in _tables(session, tree, statement.text):
                _grant_table(session, tree, table, grantees)
        elif kind == "SCHEMA":
            _check_superuser(session)
            for node in tree.expressions:
                _grant_schema(session, tree, node.name, grantees)
        elif kind == "ROLE":
            _check_superuser(session)
            _grant_roles(session, tree, grantees)
        else:  # DATABASE: everybody may connect, as by PostgreSQL's own default
            rights = set(object_grants.rights(tree, _DATABASE_PRIVILEGES))
            if "CREATE" in rights:
                _grant_databases(session, tree, grantees)
    return Affected("REVOKE" if tree.args.get("revoke") else "GRANT")


def _check_superuser(session: ClientSession) -> None:
    if not is_superuser(session):
        raise DbError(ErrorKind.ACCESS_DENIED, "permission denied: must be superuser")


def _tables(session: ClientSession, tree: nodes.GrantStatement, text: str) -> list[Table]:
    if tree.this == "TABLE":
        context = session.plan_context(text)
        return [find_table(node, context) for node in tree.expressions]
    found: list[Table] = []
    for node in tree.expressions:
        if not session.has_database(node.name):
            raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'schema "{node.name}" does not exist')
        found += session.catalog.tables(session.duck.cursor, node.name)
    return found


def _grant_table(
    session: ClientSession, tree: nodes.GrantStatement, table: Table, grantees: Sequence[str]
) -> None:
    rights = object_grants.rights(tree, TABLE_PRIVILEGES)
    if not is_superuser(session):
        names = roles_of(session, _existing(session, session.role))
        if not all(may(table, names, right, grantable=True) for right in rights):
            raise DbError(ErrorKind.ACCESS_DENIED, f"permission denied for table {table.name}")
    grants = object_grants.changed(session, tree, table.grants, grantees, rights)
    session.change_table(table, replace(table, grants=grants))


def _grant_schema(
    session: ClientSession, tree: nodes.GrantStatement, schema: str, grantees: Sequence[str]
) -> None:
    cursor = session.duck.cursor
    database = session.catalog.database(cursor, schema)
    if database is None:
        raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'schema "{schema}" does not exist')
    rights = set(object_grants.rights(tree, SCHEMA_PRIVILEGES))
    _change_rights(session, tree, grantees, str(database.id), rights)


def _grant_databases(
    session: ClientSession, tree: nodes.GrantStatement, grantees: Sequence[str]
) -> None:
    """CREATE on databases: the right to make schemas."""
    _check_superuser(session)
    for node in tree.expressions:
        database = session.catalog.database(session.duck.cursor, node.name)
        if database is None:
            message = f'database "{node.name}" does not exist'
            raise DbError(ErrorKind.UNDEFINED_DATABASE, message)
        _change_rights(session, tree, grantees, database_key(database.id), {"CREATE"})


def _change_rights(
    session: ClientSession,
    tree: nodes.GrantStatement,
    grantees: Sequence[str],
    key: str,
    rights: set[str],
) -> None:
    for name in grantees:
        role = session.catalog.role(session.duck.cursor, name)
        if role is None:  # superusers and everybody: nothing to give
            continue
        held = set(role.schemas.get(key, ()))
        held = held - rights if tree.args.get("revoke") else held | rights
        schemas = {**role.schemas, key: tuple(sorted(held))}
        session.catalog.put_role(session.duck.cursor, replace(role, schemas=schemas))


def _grant_roles(
    session: ClientSession, tree: nodes.GrantStatement, members: Sequence[str]
) -> None:
    for node in tree.expressions:
        group = _existing(session, node.name)
        for name in members:
            role = _existing(session, name)
            if role.name in roles_of(session, group):
                raise DbError(
                    ErrorKind.INVALID_ARGUMENT,
                    f'role "{group.name}" is a member of role "{role.name}"',
                )
            kept = tuple(one for one in role.member_of if one != group.name)
            added = kept if tree.args.get("revoke") else (*kept, group.name)
            session.catalog.put_role(session.duck.cursor, replace(role, member_of=added))


def set_role(session: ClientSession, name: str) -> None:
    """SET ROLE: from here on the session may do what that role may. Raises: DbError."""
    if name.lower() in ("none", "default"):
        session.role = session.client.user
        return
    if not role_exists(session, name):
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'role "{name}" does not exist')
    own = session.catalog.role(session.duck.cursor, session.client.user)
    if own is not None and not own.superuser and name not in roles_of(session, own):
        raise DbError(ErrorKind.ACCESS_DENIED, f'permission denied to set role "{name}"')
    session.role = name
