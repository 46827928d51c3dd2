"""CREATE and ALTER of what a schema holds beside tables: sequences and types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from catalog import objects
from catalog.objects import SchemaObject
from engine.errors import DbError, ErrorKind
from sql.dialect.object_nodes import ObjectStatement
from sql.results import Result
from sql.statements import domains, extensions, sequence, user_types

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

_HANDLERS: dict[str, Callable[[ClientSession, ObjectStatement], Result]] = {
    "CREATE SEQUENCE": sequence.run_create,
    "ALTER SEQUENCE": sequence.run_alter,
    "CREATE TYPE": user_types.run_create,
    "CREATE DOMAIN": domains.run_create,
    "CREATE EXTENSION": extensions.run_create,
    "ALTER TYPE": user_types.run_alter,
    "ALTER DOMAIN": user_types.run_alter,
}


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Does what the statement says. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, ObjectStatement)
    handler = _HANDLERS.get(str(tree.this))
    if handler is None:
        raise DbError(ErrorKind.UNSUPPORTED, f"{tree.this} is not supported")
    return handler(session, tree)


def objects_in(session: ClientSession, database: str) -> list[SchemaObject]:
    """The sequences and types of a schema."""
    return [one for one in session.catalog.objects(session.duck.cursor) if one.database == database]


def drop_object(session: ClientSession, one: SchemaObject) -> None:
    """Forgets a sequence or type of a schema that goes, and what columns elsewhere have of it.

    Requires: inside `writing`, the store is marked as changed.
    """
    if isinstance(one, objects.Sequence):
        sequence.release(session, one, cascade=True)
        sequence.remove(session, one)
    else:
        session.catalog.remove_object(session.duck.cursor, one)
