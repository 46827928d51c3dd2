"""CREATE and DROP EXTENSION: hstore and citext, whose types and functions are built in.

Called by sql/statements/schema_object.py and drop.py. Making one makes its types' records, in the
schema that is named; without them nothing of the extension is known. What other extensions bring
is refused here, or passed over with IF NOT EXISTS, which migrations say to make sure.
https://www.postgresql.org/docs/15/sql-createextension.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.objects import Extension, TypeForm, UserType
from engine.errors import DbError, ErrorKind
from sql.dialect.object_nodes import ObjectStatement
from sql.privileges import owner_of_new
from sql.results import Affected, Notice, Result, Severity
from sql.statements.user_types import check_new_type, drop_type
from sql.user_types import extension_of, types_of

if TYPE_CHECKING:
    from sql.client_session import ClientSession

VERSIONS = {"citext": "1.6", "hstore": "1.8", "plpgsql": "1.0"}  # those of PostgreSQL 15
_BUILT_IN = "plpgsql"


def run_create(session: ClientSession, tree: ObjectStatement) -> Result:
    """CREATE EXTENSION. Raises: DbError DUPLICATE_OBJECT, UNDEFINED_SCHEMA, UNSUPPORTED."""
    name, schema = tree.args["table"].name, tree.args["table"].db or session.database
    exists = bool(tree.args.get("exists"))
    if name == _BUILT_IN or extension_of(session, name) is not None:
        message = f'extension "{name}" already exists'
        if not exists:
            raise DbError(ErrorKind.DUPLICATE_OBJECT, message)
        session.notice(Notice(f"{message}, skipping", sqlstate="42710"))
        return Affected("CREATE EXTENSION")
    if name not in VERSIONS:
        return _unknown(session, name, exists=exists)
    if session.catalog.database(session.duck.cursor, schema) is None:
        raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'schema "{schema}" does not exist')
    check_new_type(session, schema, name)
    with session.writing() as transaction:
        transaction.change_store()
        role, cursor = owner_of_new(session), session.duck.cursor
        of = UserType(session.next_id(), schema, name, TypeForm.BASE, role=role)
        session.catalog.put_object(cursor, of)
        made = Extension(session.next_id(), schema, name, VERSIONS[name], (of.id,), role)
        session.catalog.put_object(cursor, made)
    return Affected("CREATE EXTENSION")


def _unknown(session: ClientSession, name: str, *, exists: bool) -> Result:
    message = f'extension "{name}" is not available'
    if not exists:
        hint = "hstore and citext are; much of what others bring is built in"
        raise DbError(ErrorKind.UNSUPPORTED, message, hint=hint)
    message += ": what is built in stays as it is"
    session.notice(Notice(message, Severity.WARNING, "01000"))
    return Affected("CREATE EXTENSION")


def run_drop(session: ClientSession, tree: exp.Drop) -> Result:
    """DROP EXTENSION with its types. Raises: DbError UNDEFINED_OBJECT, DEPENDENT_OBJECTS."""
    cascade = bool(tree.args.get("cascade"))
    with session.writing() as transaction:
        transaction.change_store()
        for node in tree.args["tables"]:
            one = extension_of(session, node.name)
            if one is not None:
                _drop(session, one, cascade=cascade)
                continue
            message = f'extension "{node.name}" does not exist'
            if not tree.args.get("exists"):
                raise DbError(ErrorKind.UNDEFINED_OBJECT, message)
            session.notice(Notice(f"{message}, skipping"))
    return Affected("DROP EXTENSION")


def _drop(session: ClientSession, one: Extension, *, cascade: bool) -> None:
    for type_ in types_of(session):
        if type_.id in one.types:
            drop_type(session, type_, cascade=cascade)
    session.catalog.remove_object(session.duck.cursor, one)
