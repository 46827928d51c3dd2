"""What the roles made by CREATE ROLE may do, asked once per statement by sql/execute.py.

Whoever was not made by CREATE ROLE (every user of a server without roles) is a superuser here; the
users file limits those (server/observe.py). Only relations that the statement names itself are
looked at: a view reads its tables in its owner's name, as in PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb
from sqlglot import exp

from catalog.details import DefaultGrant, Grant, Role
from catalog.objects import ObjectKind, Routine
from catalog.objects import Sequence as SequenceRecord
from catalog.records import Table, TableKind
from engine.errors import DbError, ErrorKind
from sql.dialect import mysql_nodes, nodes
from sql.dialect.object_nodes import ObjectStatement
from sql.dialect.targets import changed_tables
from sql.plan.inline import body_of
from sql.plan.routines import calls_in
from sql.plan.tables import known_table
from sql.system.pg_catalog.oids import OWNER_NAME

if TYPE_CHECKING:
    from sql.client_session import ClientSession

TABLE_PRIVILEGES = (*("INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),)
SCHEMA_PRIVILEGES = ("USAGE", "CREATE")
SEQUENCE_PRIVILEGES = ("USAGE", "SELECT", "UPDATE")
PUBLIC = "public"

_OWNERS_ONLY = (exp.Drop, exp.Alter, exp.Comment, nodes.RenameTables, nodes.RefreshView)
_SUPERUSERS_ONLY = (nodes.Admin, exp.Kill)


def check_privileges(session: ClientSession, statement: Callable[[], exp.Expr]) -> None:
    """Raises: DbError ACCESS_DENIED if the session's role lacks a privilege."""
    role = session.catalog.role(session.duck.cursor, session.role)
    if role is None or role.superuser:
        return
    tree = statement()
    if isinstance(tree, nodes.ExecuteStatement):
        prepared = session.prepared.get(tree.this.name)
        inner = prepared.statement.tree if prepared is not None else None
        tree = inner if inner is not None else tree
    if isinstance(tree, _SUPERUSERS_ONLY) or _uses_files(tree) or _alters_database(tree):
        raise DbError(ErrorKind.ACCESS_DENIED, "permission denied: must be superuser")
    names = roles_of(session, role)
    for table, privilege in _needed(session, tree):
        if privilege == "OWNER":
            if table.owner not in names:
                raise _denied(f"must be owner of table {table.name}")
        elif not may(table, names, privilege):
            raise _denied(f"permission denied for table {table.name}")
    _check_calls(session, tree, names)
    _check_schemas(session, tree, names)
    if isinstance(tree, exp.Drop):
        _check_drop(session, tree, names)
    elif isinstance(tree, ObjectStatement):
        _check_object(session, tree, names)


def _check_calls(session: ClientSession, tree: exp.Expr, names: frozenset[str]) -> None:
    """Functions that the role may not execute, or whose query reads what it may not.

    Those that a view calls count as well: its owner was asked where names may have meant other
    tables. A body that is run statement by statement is asked at each of them.
    """
    context = session.plan_context()
    todo: list[tuple[exp.Expr, frozenset[str]]] = [(tree, names)] if context.routines else []
    seen: set[tuple[int, frozenset[str]]] = set()
    while todo:
        one, readers = todo.pop()
        for table, _ in _needed(session, one):
            if table.kind is TableKind.VIEW and (table.id, readers) not in seen:
                seen.add((table.id, readers))
                todo.append((context.parse_view(table), readers))
        for call in calls_in(one, context):
            check_execute(call.routine, readers)
            body = body_of(call.routine, session.wire)
            inside = _readers(session, call.routine, readers)
            if body is None or inside is None or (call.routine.id, inside) in seen:
                continue
            seen.add((call.routine.id, inside))
            check_reads(session, body, inside)
            todo.append((body, inside))


def _readers(
    session: ClientSession, routine: Routine, names: frozenset[str]
) -> frozenset[str] | None:
    """The roles whose privileges count in a function; None where nothing is forbidden."""
    if not routine.definer:
        return names
    role = session.catalog.role(session.duck.cursor, routine.role or OWNER_NAME)
    return None if role is None or role.superuser else roles_of(session, role)


def check_execute(routine: Routine, names: frozenset[str]) -> None:
    """Raises: DbError ACCESS_DENIED if none of the roles may call the routine."""
    if routine.grants is None or routine.role in names or names.intersection(routine.grants):
        return
    noun = "function" if routine.is_function else "procedure"
    raise _denied(f"permission denied for {noun} {routine.name}")


def check_reads(session: ClientSession, query: exp.Expr, names: frozenset[str]) -> None:
    """Raises: DbError ACCESS_DENIED if the roles may not read a table that the query names."""
    for table, privilege in _needed(session, query):
        if not may(table, names, privilege):
            raise _denied(f"permission denied for table {table.name}")


def check_body(session: ClientSession, body: exp.Expr) -> None:
    """As `check_reads`, of the session's role: who stores a query must be allowed to run it."""
    role = session.catalog.role(session.duck.cursor, session.role)
    if role is not None and not role.superuser:
        check_reads(session, body, roles_of(session, role))


def roles_of(session: ClientSession, role: Role) -> frozenset[str]:
    """The role, all it is a member of, and everybody."""
    found, todo = {PUBLIC}, [role.name]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            known = session.catalog.role(session.duck.cursor, name)
            todo += known.member_of if known is not None else ()
    return frozenset(found)


def may(table: Table, names: frozenset[str], privilege: str, *, grantable: bool = False) -> bool:
    """True if one of the roles owns the table or was granted the privilege on it."""
    return table.owner in names or any(
        grant.grantee in names
        and grant.privilege == privilege
        and (grant.grantable or not grantable)
        for grant in table.grants
    )


def check_table(session: ClientSession, table: Table, privilege: str) -> None:
    """For what names tables otherwise than SQL does: PromQL's selectors, rows of agents.

    Raises: DbError ACCESS_DENIED if the session's role lacks the privilege (or is not the OWNER).
    """
    role = session.catalog.role(session.duck.cursor, session.role)
    if role is None or role.superuser:
        return
    names = roles_of(session, role)
    if table.owner not in names if privilege == "OWNER" else not may(table, names, privilege):
        raise _denied(f"permission denied for table {table.name}")


def check_sequence(session: ClientSession, one: SequenceRecord, *privileges: str) -> None:
    """Raises: DbError ACCESS_DENIED if the session's role has none of the privileges on it."""
    role = session.catalog.role(session.duck.cursor, session.role)
    if role is None or role.superuser:
        return
    names = roles_of(session, role)
    held = {grant.privilege for grant in one.grants if grant.grantee in names}
    if one.role not in names and held.isdisjoint(privileges):
        raise _denied(f"permission denied for sequence {one.name}")


def default_grants(session: ClientSession, kind: str, database: str) -> tuple[Grant, ...]:
    """What others may do with a new TABLE or SEQUENCE of the session's in a schema."""
    cursor = session.duck.cursor
    made = maker(session)
    schema = session.catalog.database(cursor, database)
    if made is None or schema is None:
        return ()
    found: dict[tuple[str, str], DefaultGrant] = {}
    for one in made.defaults:
        key = one.grantee, one.privilege
        if one.kind == kind and one.schema in (0, schema.id):
            found[key] = one if one.grantable else found.get(key, one)
    return tuple(Grant(*key, session.role, one.grantable) for key, one in found.items())


def maker(session: ClientSession, name: str = "") -> Role | None:
    """The record of who makes what the session, or a role of that name, makes.

    Whoever was not made by CREATE ROLE makes it as the superuser, who may have no record either.
    """
    cursor = session.duck.cursor
    own = session.catalog.role(cursor, name or session.role)
    return own or session.catalog.role(cursor, OWNER_NAME)


def may_read(session: ClientSession, table: Table) -> bool:
    """True if the session's role may select from the table."""
    role = session.catalog.role(session.duck.cursor, session.role)
    if role is None or role.superuser:
        return True
    return may(table, roles_of(session, role), "SELECT")


def check_schema(session: ClientSession, database: str) -> None:
    """Raises: DbError ACCESS_DENIED if the session's role may not make tables there."""
    role = session.catalog.role(session.duck.cursor, session.role)
    if role is None or role.superuser:
        return
    if "CREATE" not in schema_privileges(session, database, roles_of(session, role)):
        raise _denied(f"permission denied for schema {database}")


def check_owner(session: ClientSession, owner: str, what: str) -> None:
    """Raises: DbError ACCESS_DENIED if the session's role is not that one, nor a member of it."""
    role = session.catalog.role(session.duck.cursor, session.role)
    if role is not None and not role.superuser and owner not in roles_of(session, role):
        raise _denied(f"must be owner of {what}")


def check_member(session: ClientSession, name: str) -> None:
    """Raises: DbError ACCESS_DENIED if the session's role may not give something to that one."""
    role = session.catalog.role(session.duck.cursor, session.role)
    if role is not None and not role.superuser and name not in roles_of(session, role):
        raise _denied(f'must be able to SET ROLE "{name}"')


def is_superuser(session: ClientSession) -> bool:
    """True if nothing is forbidden to the session's role."""
    role = session.catalog.role(session.duck.cursor, session.role)
    return role is None or role.superuser


def owner_of_new(session: ClientSession) -> str:
    """Whom a table belongs to that the session makes; empty for who owns everything anyway."""
    return "" if session.role == OWNER_NAME else session.role


def check_lockable(session: ClientSession, table: Table) -> None:
    """Raises: DbError ACCESS_DENIED if the session's role may not keep writers from the table."""
    role = session.catalog.role(session.duck.cursor, session.role)
    if role is not None and not role.superuser:
        names = roles_of(session, role)
        if not any(may(table, names, one) for one in ("UPDATE", "DELETE", "TRUNCATE")):
            raise _denied(f"permission denied for table {table.name}")


def _alters_database(tree: exp.Expr) -> bool:
    """True for what changes a database's options: how long rows live is one of them."""
    kind = str(tree.args.get("kind")).upper() if isinstance(tree, exp.Alter) else ""
    return kind in ("DATABASE", "SCHEMA")


def _uses_files(tree: exp.Expr) -> bool:
    """True for COPY and LOAD DATA with a file of the server's."""
    if isinstance(tree, mysql_nodes.LoadFile):
        return not tree.args.get("local")
    return isinstance(tree, nodes.CopyStatement) and not isinstance(
        tree.args.get("endpoint"), exp.Var
    )


def _denied(message: str) -> DbError:
    return DbError(ErrorKind.ACCESS_DENIED, message)


def _needed(session: ClientSession, tree: exp.Expr) -> Iterator[tuple[Table, str]]:
    """Every table the statement names, with what it does to it."""
    context = session.plan_context()
    targets: dict[int, set[str]] = {}
    for key, privilege in _targets(tree):
        targets.setdefault(key, set()).add(privilege)
    for node in tree.find_all(exp.Table):
        privileges = targets.get(id(node), {"SELECT"})
        if "CREATE" in privileges or not isinstance(node.this, exp.Identifier):
            continue
        try:
            table = known_table(node, context)
        except DbError:
            continue  # what is not there is refused when the statement runs
        if table is not None:
            yield from ((table, privilege) for privilege in sorted(privileges) if privilege)


def _targets(tree: exp.Expr) -> Iterator[tuple[int, str]]:
    """Ids of the table nodes that are not only read."""
    for node in tree.walk():
        if isinstance(node, exp.TruncateTable):
            yield from ((id(table), "TRUNCATE") for table in node.expressions)
        elif isinstance(node, _OWNERS_ONLY):
            yield from ((id(table), "OWNER") for table in node.find_all(exp.Table))
        elif isinstance(node, mysql_nodes.LoadFile):
            yield from _of_load(node)
        elif isinstance(node, nodes.CopyStatement) and node.args.get("into"):
            yield from _first(node.this, "INSERT")
        elif isinstance(node, exp.Create):
            yield from _first(node.this, "CREATE" if node.kind != "INDEX" else "OWNER")
        elif isinstance(node, (exp.Insert, exp.Update, exp.Delete, exp.Merge)):
            yield from changed_tables(node)


def _of_load(node: mysql_nodes.LoadFile) -> Iterator[tuple[int, str]]:
    yield from _first(node.this, "INSERT")
    if node.args.get("duplicates") == "REPLACE":
        yield from _first(node.this, "DELETE")


def _first(node: object, privilege: str) -> Sequence[tuple[int, str]]:
    table = node.find(exp.Table) if isinstance(node, exp.Expr) else None
    return [(id(table), privilege)] if table is not None else []


def _check_schemas(session: ClientSession, tree: exp.Expr, names: frozenset[str]) -> None:
    """CREATE needs the schema's privilege, or for a schema the role's own."""
    if not isinstance(tree, exp.Create) or tree.kind == "INDEX":
        return
    if tree.kind in ("DATABASE", "SCHEMA"):
        if not _makes_schemas(session, names):
            raise _denied("permission denied to create a schema")
        return
    if tree.args.get("temporary") or tree.find(exp.TemporaryProperty) is not None:
        return  # everybody may, as by PostgreSQL's own default
    table = tree.this.find(exp.Table)
    name = (table.db if table is not None else "") or session.database
    if "CREATE" not in schema_privileges(session, name, names):
        raise _denied(f"permission denied for schema {name}")


def database_key(database_id: int) -> str:
    """Where `Role.schemas` has privileges on a database itself, which is a schema, too."""
    return f"database {database_id}"


def _makes_schemas(session: ClientSession, names: frozenset[str]) -> bool:
    """True for CREATEDB of the role itself, and for CREATE on the database it is connected to."""
    cursor = session.duck.cursor
    role = session.catalog.role(cursor, session.role)
    if role is None or role.create_database:
        return True
    home = session.catalog.database(cursor, session.home)
    roles = [session.catalog.role(cursor, one) for one in names] if home is not None else []
    key = database_key(home.id) if home is not None else ""
    return any(one is not None and "CREATE" in one.schemas.get(key, ()) for one in roles)


def owns_schema(session: ClientSession, database_id: int) -> None:
    """Lets the session's role create in a schema that it has made. Requires: a transaction."""
    cursor = session.duck.cursor
    role = session.catalog.role(cursor, session.role)
    if role is not None:
        schemas = {**role.schemas, str(database_id): ("CREATE", "USAGE")}
        try:
            session.catalog.put_role(cursor, replace(role, schemas=schemas))
        except duckdb.Error as error:  # another session of the role makes one, too: run again
            raise session.duck.error_of(error, "") from error


def _check_object(session: ClientSession, tree: ObjectStatement, names: frozenset[str]) -> None:
    """Sequences and types: who makes one may create in the schema, who alters one owns it."""
    verb, _, noun = str(tree.this).partition(" ")
    if verb != "CREATE":
        _check_owned(session, [tree.args["table"]], noun, names)
        return
    schema = tree.args["table"].db or session.database
    if "CREATE" not in schema_privileges(session, schema, names):
        raise _denied(f"permission denied for schema {schema}")


def _check_drop(session: ClientSession, tree: exp.Drop, names: frozenset[str]) -> None:
    """What is no table: sequences, types, indexes, and schemas with all they hold."""
    kind, nodes_ = str(tree.args["kind"]).upper(), tree.args.get("tables") or []
    cursor = session.duck.cursor
    if kind in ("SEQUENCE", "TYPE", "DOMAIN", "EXTENSION"):
        _check_owned(session, nodes_, kind, names)
    elif kind in ("SCHEMA", "DATABASE"):
        for node in nodes_:
            held = [(one.name, one.owner) for one in session.catalog.tables(cursor, node.db)]
            objects = session.catalog.objects(cursor)
            held += [(one.name, one.role) for one in objects if one.database == node.db]
            if not _makes_schemas(session, names) or any(owner not in names for _, owner in held):
                raise _denied(f"must be owner of schema {node.db}")
    elif kind == "INDEX":
        wanted = {(node.db or session.database, node.name) for node in nodes_}
        for table in session.catalog.tables(cursor):
            for index in table.indexes:
                if (table.database, index.name) in wanted and table.owner not in names:
                    raise _denied(f"must be owner of index {index.name}")


def _check_owned(
    session: ClientSession, named: Sequence[exp.Table], noun: str, names: frozenset[str]
) -> None:
    wanted = {(node.db or session.database, node.name) for node in named}
    for one in session.catalog.objects(session.duck.cursor):
        is_kind = (one.kind is ObjectKind.SEQUENCE) == (noun == "SEQUENCE")
        if is_kind and (one.database, one.name) in wanted and one.role not in names:
            raise _denied(f"must be owner of {noun.lower()} {one.name}")


def schema_privileges(session: ClientSession, name: str, names: frozenset[str]) -> set[str]:
    """What the roles may do in a schema: everybody may use it, nobody create in it unasked."""
    cursor = session.duck.cursor
    database = session.catalog.database(cursor, name)
    found = {"USAGE"}
    if database is not None:
        for role in (session.catalog.role(cursor, one) for one in names):
            if role is not None:
                found.update(role.schemas.get(str(database.id), ()))
    return found


def role_exists(session: ClientSession, name: str) -> bool:
    """True for created roles, the superuser, everybody, and who is connected now."""
    if name in (OWNER_NAME, PUBLIC, session.client.user):
        return True
    if session.catalog.role(session.duck.cursor, name) is not None:
        return True
    return any(other.client.user == name for other in session.server.sessions())
