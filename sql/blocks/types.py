"""Types that variables are declared with: names, %TYPE and %ROWTYPE.

Called by run.py. https://www.postgresql.org/docs/15/plpgsql-declarations.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.blocks.values import Names, Variable
from sql.system.pg_catalog.relations import shown_type
from sql.system.pg_catalog.types import BY_OID
from sql.system.pg_regtypes import identifier_parts, type_oid

if TYPE_CHECKING:
    from sql.client_session import ClientSession


def declared(session: ClientSession, names: Names, text: str) -> Variable:
    """A variable of a type as it is written. Raises: DbError UNDEFINED_OBJECT."""
    word = " ".join(text.split())
    lower = word.lower()
    if lower.endswith("%type"):
        path = identifier_parts(word[: -len("%type")].strip())
        known = names.find(*path)
        return Variable(known.type) if known is not None else Variable(_column(session, path))
    if lower.endswith("%rowtype"):
        table = _table(session, identifier_parts(word[: -len("%rowtype")].strip()))
        if table is None:
            raise DbError(ErrorKind.UNDEFINED_TABLE, f'relation "{word}" does not exist')
        return row_of(table)
    if lower in ("record", "refcursor"):
        return Variable(lower)
    oid = type_oid(word)
    if oid is not None:
        sized = "(" in word and not lower.startswith(("char", "varchar"))
        return Variable(word if sized else BY_OID[oid].spelled)
    table = _table(session, identifier_parts(word))
    return Variable(word) if table is None else row_of(table)


def row_of(table: Table) -> Variable:
    """A row of a table, without values."""
    fields = {c.name: Variable(shown_type(c).split("(")[0]) for c in table.columns}
    return Variable(table.name, fields=fields)


def _table(session: ClientSession, path: list[str]) -> Table | None:
    database = path[-2] if len(path) > 1 else session.database
    return session.lookup(database, path[-1])


def _column(session: ClientSession, path: list[str]) -> str:
    table = _table(session, path[:-1]) if len(path) > 1 else None
    found = [c for c in table.columns if c.name == path[-1]] if table is not None else []
    if not found:
        raise DbError(ErrorKind.UNDEFINED_COLUMN, f'there is no column "{".".join(path)}"')
    return shown_type(found[0]).split("(")[0]
