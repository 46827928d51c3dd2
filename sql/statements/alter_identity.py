"""ALTER COLUMN … ADD GENERATED AS IDENTITY, DROP IDENTITY, SET GENERATED and RESTART.

Called by alter.py. Rows that are there keep their values: the sequence numbers those to come.
https://www.postgresql.org/docs/15/sql-altertable.html
"""

from __future__ import annotations

from dataclasses import replace

from catalog.records import Column, TableKind
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.dialect.key_nodes import IdentityAction
from sql.plan.tables import table_name
from sql.results import Notice
from sql.sequences import sequences_of
from sql.statements.alteration import Alteration
from sql.statements.sequence import alter, drop_sequence_of, numbered_column

_NUMBERS = frozenset({TypeId.INT16, TypeId.INT32, TypeId.INT64})


def run(change: Alteration, action: IdentityAction) -> None:
    """Raises: DbError UNDEFINED_COLUMN, NOT_READY, INVALID_ARGUMENT, UNSUPPORTED."""
    if change.table.kind is not TableKind.RELATIONAL:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "identity columns are not supported on tables with a time index",
            hint="tags and time index already name a row",
        )
    column, verb = change.column(action.args["column"].name), action.name
    if verb == "ADD":
        _add(change, column, action)
        return
    if not column.identity:
        shown = (
            f'column "{column.name}" of relation "{change.table.name}" is not an identity column'
        )
        if not action.args.get("exists"):
            raise DbError(ErrorKind.NOT_READY, shown)
        change.session.notice(Notice(f"{shown}, skipping"))
    elif verb == "DROP":
        drop_sequence_of(change.session, change.table, column)
        change.put(replace(column, default=None, identity=""))
    elif verb == "SET":
        change.put(replace(column, identity=_kind(action)))
    else:
        _restart(change, column, action)


def _kind(action: IdentityAction) -> str:
    return "always" if action.args.get("always") else "by default"


def _add(change: Alteration, column: Column, action: IdentityAction) -> None:
    session, table = change.session, change.table
    if column.type.id not in _NUMBERS:
        message = "identity column type must be smallint, integer, or bigint"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    where = f'column "{column.name}" of relation "{table.name}"'
    stands = {
        f"{where} must be declared NOT NULL before identity can be added": column.nullable,
        f"{where} is already an identity column": bool(column.identity),
        f"{where} already has a default value": column.default is not None,
    }
    for message, is_so in stands.items():
        if is_so:
            raise DbError(ErrorKind.NOT_READY, message)
    node = action.args.get("sequence")
    named = None
    if node is not None:
        database, name = table_name(node, session.plan_context(change.text))
        named = (database if node.db else table.database, name)
    made = numbered_column(session, table, column, action.expressions or (), named)
    change.put(replace(made, identity=_kind(action)))


def _restart(change: Alteration, column: Column, action: IdentityAction) -> None:
    own = (change.table.id, column.id)
    found = [one for one in sequences_of(change.session, own[0]) if one.owner == own]
    if not found:
        message = "RESTART of a temporary table's identity column is not supported"
        raise DbError(ErrorKind.UNSUPPORTED, message)
    alter(change.session, found[0], action.expressions)
