"""Locks of rows that UPDATE and DELETE name by their whole primary key.

Called by found.py before DuckDB changes its own table. Such a row is locked by its key, whether it
is there or not, and not by its number: no query has to find it. What makes these locks useful is
sql/repeats.py: a transaction that meets newer rows can repeat what it did to rows it has locked.
Changes that name no key do not ask for these locks; repeats notice them by `Changes.loose`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sqlglot import exp

from catalog.records import Column, Table
from engine.datatypes import TypeId
from sql.acts.row_locks import Wanted
from sql.foreign.keys import watched
from sql.plan.parameters import parameter_number
from sql.repeats import not_repeated
from sql.statements.joined import Joined
from sql.statements.lock_waits import lock_rows
from sql.statements.parts import Pieces

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.transaction import Transaction

_WHOLE = frozenset({TypeId.INT8, TypeId.INT16, TypeId.INT32, TypeId.INT64})
# What looks at nothing but the row and the statement's own values.
_OWN = (
    exp.Column,
    exp.Identifier,
    exp.Literal,
    exp.Parameter,
    exp.Boolean,
    exp.Null,
    exp.Paren,
    exp.Neg,
    exp.Not,
    exp.Binary,
    exp.Between,
    exp.In,
    exp.Cast,
    exp.DataType,
    exp.Coalesce,
    exp.Concat,
    exp.Lower,
    exp.Upper,
    exp.Abs,
    exp.Greatest,
    exp.Least,
    exp.Case,
    exp.If,
    exp.Where,
    exp.CurrentTimestamp,  # a statement that is run again has the clock it had
)
Source = int | str  # a parameter's number, or the text of a literal


def lock_key(pieces: Pieces, joined: Joined) -> bool:
    """Locks the one row that a statement changes; False if it may change others, or their keys.

    Requires: DuckDB changes its own table, without others. Raises: DbError LOCK_TIMEOUT, DEADLOCK,
    SERIALIZATION_FAILURE if it waited in a transaction that has changes, which can be repeated.
    """
    session, table = pieces.session, joined.targets[0].table
    if table.temporary or not table.primary_key:
        return False
    sources = pieces.kept("key", lambda: _sources(session, joined.tree, table))
    values = _values(table, sources, pieces.parameters)
    if values is None:
        return False
    number = hash((table.home_id, values)) & (2**63 - 1)
    # Below zero: no table's own rows.
    wanted = [Wanted(-table.home_id, np.array([number], np.int64))]
    waited = False
    while not lock_rows(session, wanted):
        waited = True
    open_ = session.transaction
    if waited and open_ is not None and open_.has_changes:  # its snapshot is older
        raise not_repeated("another transaction has changed the row meanwhile")
    # One that gives the row another key locks the old one, so that others wait for it: to DuckDB
    # it deletes the row, and what they change in it meanwhile would be gone.
    return pieces.kept("keeps its key", lambda: _keeps_key(joined.tree, table))


def check_count(transaction: Transaction, matched: int) -> None:
    """As many rows are there when the statement is run again.

    Raises: DbError SERIALIZATION_FAILURE.
    """
    if transaction.fixed(lambda: matched) != matched:
        raise not_repeated("rows that it looked for came or went meanwhile")


def _sources(session: ClientSession, tree: exp.Expr, table: Table) -> tuple[Source, ...] | None:
    """Where the values of the key's columns stand; None for other conditions."""
    where = tree.args.get("where")
    others = ("from_", "using", "with_", "tables", "order", "limit")
    if where is None or any(tree.args.get(name) for name in others) or watched(session, table):
        return None
    parts = [where, *(item for item in tree.expressions if isinstance(tree, exp.Update))]
    if not all(isinstance(node, _OWN) for part in parts for node in part.walk()):
        return None
    named = dict(_equalities(where.this))
    found = [named.get(name) for name in table.primary_key]
    return None if None in found else tuple(one for one in found if one is not None)


def _keeps_key(tree: exp.Expr, table: Table) -> bool:
    """True if the key stays as it is."""
    if not isinstance(tree, exp.Update):
        return True
    names = {i.this.name if isinstance(i.this, exp.Column) else "" for i in tree.expressions}
    keys = {name.lower() for name in ("", *table.primary_key)}
    return not any(name.lower() in keys for name in names)


def _equalities(node: exp.Expr) -> Iterator[tuple[str, Source]]:
    """Columns that have to be equal to a value, of conditions that all have to hold."""
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.And):
        yield from _equalities(node.this)
        yield from _equalities(node.expression)
    elif isinstance(node, exp.EQ):
        left, right = node.this, node.expression
        column, value = (left, right) if isinstance(left, exp.Column) else (right, left)
        number = parameter_number(value)
        if isinstance(column, exp.Column) and number is not None:
            yield column.name, number
        elif isinstance(column, exp.Column) and isinstance(value, exp.Literal):
            yield column.name, str(value.this)


def _values(
    table: Table, sources: tuple[Source, ...] | None, parameters: Sequence[object]
) -> tuple[object, ...] | None:
    """The key; None if its values may be written in several ways."""
    found = []
    for name, source in zip(table.primary_key, sources or (), strict=False):
        column = table.column(name)
        assert column is not None
        given = parameters[source - 1] if isinstance(source, int) else source
        value = _value(column, given)
        if value is None:
            return None
        found.append(value)
    return tuple(found) or None


def _value(column: Column, given: object) -> object:
    if column.type.id in _WHOLE:
        plain = isinstance(given, str) and given.isascii() and given.isdecimal()
        return int(str(given)) if plain or type(given) is int else None
    is_text = column.type.id is TypeId.STRING and column.type.named is None
    if is_text and not (column.declared or column.collation) and isinstance(given, str):
        return given
    return None
