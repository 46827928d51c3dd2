"""GRANT and REVOKE on sequences and on what everybody may use; ALTER DEFAULT PRIVILEGES.

Called by roles.py, which has tables, schemas and memberships. Grants on a sequence are part of its
record, those on what is not there yet part of its maker's.
https://www.postgresql.org/docs/15/sql-grant.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from catalog import objects
from catalog.details import DefaultGrant, Grant, Role
from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.dialect.object_nodes import DefaultPrivileges
from sql.plan.tables import table_name
from sql.privileges import (
    SEQUENCE_PRIVILEGES,
    TABLE_PRIVILEGES,
    check_owner,
    is_superuser,
    maker,
    role_exists,
)
from sql.results import Affected, Notice, Result, Severity
from sql.routines import postgres as routines
from sql.sequences import find_sequence
from sql.system.pg_catalog.oids import OWNER, OWNER_NAME

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

# Everybody may call all functions of ours and use all types and languages.
_CALLED = frozenset({"FUNCTION", "PROCEDURE", "ROUTINE"} | {"FUNCTIONS", "PROCEDURES", "ROUTINES"})
_USED = frozenset({"LANGUAGE", "TYPE", "DOMAIN", "TYPES", "SCHEMAS"})
_IN_SCHEMA = " IN SCHEMA"
_KEPT = {"TABLES": ("TABLE", TABLE_PRIVILEGES), "SEQUENCES": ("SEQUENCE", SEQUENCE_PRIVILEGES)}


def grantees(session: ClientSession, tree: nodes.GrantStatement) -> list[str]:
    """Whom a GRANT or REVOKE names. Raises: DbError UNDEFINED_OBJECT."""
    names = [node.name for node in tree.args["grantees"]]
    for name in names:
        _check_role(session, name)
    return names


def _check_role(session: ClientSession, name: str) -> None:
    if not role_exists(session, name):
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'role "{name}" does not exist')


def rights(tree: nodes.GrantStatement, known: Sequence[str]) -> list[str]:
    """The privileges that are granted; ALL is all known. Raises: DbError SYNTAX for others."""
    wanted = nodes.words_of(tree, "privileges")
    for word in wanted:
        if word != "ALL" and word not in known:
            raise DbError(
                ErrorKind.SYNTAX, f'unrecognized privilege type "{word.lower()}" for this object'
            )
    return list(known) if "ALL" in wanted else wanted


def changed(
    session: ClientSession,
    tree: nodes.GrantStatement,
    old: Iterable[Grant],
    names: Sequence[str],
    privileges: Sequence[str],
) -> tuple[Grant, ...]:
    """The grants on one thing once the statement is done."""
    option = bool(tree.args.get("option"))
    found = {(one.grantee, one.privilege): one for one in old}
    for key in ((name, right) for name in names for right in privileges):
        before = found.get(key)
        if not tree.args.get("revoke"):
            grantable = option or (before is not None and before.grantable)
            found[key] = Grant(*key, session.role, grantable)
        elif option and before is not None:
            found[key] = replace(before, grantable=False)
        elif not option:
            found.pop(key, None)
    return tuple(found.values())


def are_objects(session: ClientSession, tree: nodes.GrantStatement) -> bool:
    """True for what `grant` is for; a sequence may be named as if it were a table."""
    kind = str(tree.this)
    if kind != "TABLE":
        return kind.removesuffix(_IN_SCHEMA) in {*_CALLED, *_USED, "SEQUENCE", "SEQUENCES"}
    names = [table_name(node, session.plan_context()) for node in tree.expressions]
    return all(find_sequence(session, *name) and not session.lookup(*name) for name in names)


def grant(session: ClientSession, tree: nodes.GrantStatement, names: Sequence[str]) -> None:
    """Requires: inside `writing`, the store is marked as changed.

    Raises: DbError SYNTAX, UNDEFINED_TABLE, UNDEFINED_SCHEMA, ACCESS_DENIED.
    """
    kind = str(tree.this).removesuffix(_IN_SCHEMA)
    if kind in _CALLED and routines.grant(session, tree, names):
        rights(tree, ("EXECUTE",))
        return
    if kind in _CALLED | _USED:
        _everybodys(session, tree, kind)
        return
    privileges = rights(tree, SEQUENCE_PRIVILEGES)
    for one in _sequences(session, tree):
        check_owner(session, one.role, f"sequence {one.name}")
        made = replace(one, grants=changed(session, tree, one.grants, names, privileges))
        session.catalog.put_object(session.duck.cursor, made)


def _everybodys(session: ClientSession, tree: nodes.GrantStatement, kind: str) -> None:
    rights(tree, ("EXECUTE",) if kind in _CALLED else ("USAGE", "CREATE"))
    if str(tree.this).endswith(_IN_SCHEMA):
        for node in tree.expressions:
            _check_schema(session, node.name)
    if tree.args.get("revoke"):
        what = f"everybody may use every {kind.lower().removesuffix('s')}"
        message = f"no privileges could be revoked: {what}"
        session.notice(Notice(message, Severity.WARNING, "01006"))


def _check_schema(session: ClientSession, name: str) -> int:
    found = session.catalog.database(session.duck.cursor, name)
    if found is None:
        raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'schema "{name}" does not exist')
    return found.id


def _sequences(session: ClientSession, tree: nodes.GrantStatement) -> list[objects.Sequence]:
    if str(tree.this).endswith(_IN_SCHEMA):
        schemas = {node.name for node in tree.expressions}
        for schema in schemas:
            _check_schema(session, schema)
        known = session.catalog.objects(session.duck.cursor)
        return [o for o in known if isinstance(o, objects.Sequence) and o.database in schemas]
    found = []
    for node in tree.expressions:
        database, name = table_name(node, session.plan_context())
        one = find_sequence(session, database, name)
        if one is None:
            raise DbError(ErrorKind.UNDEFINED_TABLE, f'relation "{name}" does not exist')
        found.append(one)
    return found


def check_ungranted(session: ClientSession, name: str) -> None:
    """Before a role goes. Raises: DbError DEPENDENT_OBJECTS if it has or was granted something."""
    cursor = session.duck.cursor
    for one in session.catalog.objects(cursor):
        if one.role == name:  # a function would run with nobody's rights, which are all of them
            raise needed(name, f"owner of {one.kind.value} {one.name}")
        if isinstance(one, objects.Sequence) and any(g.grantee == name for g in one.grants):
            raise needed(name, f"privileges for sequence {one.name}")
        if isinstance(one, objects.Routine) and name in (one.grants or ()):
            raise needed(name, f"privileges for function {one.key}")
    for role in session.catalog.roles(cursor):
        if role.name != name and any(one.grantee == name for one in role.defaults):
            detail = f"default privileges on new relations belonging to role {role.name}"
            raise needed(name, detail)


def needed(name: str, detail: str) -> DbError:
    """Why a role cannot be dropped."""
    message = f'role "{name}" cannot be dropped because some objects depend on it'
    return DbError(ErrorKind.DEPENDENT_OBJECTS, message, detail=detail)


# --- What is not there yet ------------------------------------------------------------------------


def run_default(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """ALTER DEFAULT PRIVILEGES. Raises: DbError UNDEFINED_OBJECT, ACCESS_DENIED, SYNTAX."""
    tree = statement.tree
    assert isinstance(tree, DefaultPrivileges)
    given = tree.this
    names, what = grantees(session, given), str(given.this)
    with session.writing() as transaction:
        transaction.change_store()
        schemas = [_check_schema(session, node.name) for node in tree.args.get("schemas") or ()]
        if what not in _KEPT:
            _everybodys(session, given, what)
            return Affected("ALTER DEFAULT PRIVILEGES")
        kind, known = _KEPT[what]
        privileges = rights(given, known)
        for role in _makers(session, tree):
            kept = role.defaults
            for schema in schemas or [0]:
                kept = _with_defaults(session, given, kept, (kind, schema), names, privileges)
            session.catalog.put_role(session.duck.cursor, replace(role, defaults=kept))
    return Affected("ALTER DEFAULT PRIVILEGES")


def _makers(session: ClientSession, tree: DefaultPrivileges) -> list[Role]:
    """The roles whose tables and sequences it is about; else that of the session."""
    named = [node.name for node in tree.args.get("roles") or ()]
    for name in named:
        _check_role(session, name)
        if not is_superuser(session):
            check_owner(session, name, f"what {name} makes")
    found = (maker(session, name) for name in named or [session.role])
    return [one or Role(OWNER, OWNER_NAME, True, True, True, True) for one in found]


def _with_defaults(
    session: ClientSession,
    tree: nodes.GrantStatement,
    kept: tuple[DefaultGrant, ...],
    place: tuple[str, int],
    names: Sequence[str],
    privileges: Sequence[str],
) -> tuple[DefaultGrant, ...]:
    here = [one for one in kept if (one.kind, one.schema) == place]
    old = (Grant(one.grantee, one.privilege, "", one.grantable) for one in here)
    made = changed(session, tree, old, names, privileges)
    rest = (one for one in kept if one not in here)
    return (*rest, *(DefaultGrant(*place, g.grantee, g.privilege, g.grantable) for g in made))
