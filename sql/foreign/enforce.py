"""Foreign keys and deferrable UNIQUE are kept to: when statements end, or at COMMIT if deferred.

Called by the session around every statement that writes, and before COMMIT. Whatever wrote (INSERT,
COPY, MERGE, …) left the old and the new rows in the transaction; here a few queries over whole
sets find what is broken, or what follows from ON DELETE and ON UPDATE, which in turn leaves rows to
look at until none are left. https://www.postgresql.org/docs/15/ddl-constraints.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from catalog.details import Constraint, KeyAction
from catalog.records import Table
from sql.foreign import actions, lookup, unique, violations
from sql.foreign.guard import Keys, joined
from sql.foreign.keys import (
    ForeignKey,
    deferrable_uniques,
    is_checked,
    keys_of,
    keys_onto,
    present,
    resolved,
)
from sql.foreign.pending import End, Written

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.transaction import Transaction


@dataclass
class _Work:
    """One statement's checks: what to look for once nothing follows any more."""

    session: ClientSession
    transaction: Transaction
    open: list[Callable[[], None]] = field(default_factory=list)


def end_statement(session: ClientSession, transaction: Transaction) -> None:
    """Does what follows from the rows written and checks what has to hold now.

    Raises: DbError FOREIGN_KEY_VIOLATION, STILL_REFERENCED, SERIALIZATION_FAILURE; what a column
    refuses (NOT NULL under SET NULL).
    """
    written, whole = transaction.keys.written, transaction.keys.whole
    if not written and not whole:
        return
    work = _Work(session, transaction)
    try:
        while written:
            one = written.popleft()
            table = present(session, one.table.id)
            if table is not None:
                _follow(work, one, table)
        _check_whole(session, transaction)
    finally:
        written.clear()
        whole.clear()
    for look in work.open:
        look()


def _check_whole(session: ClientSession, transaction: Transaction) -> None:
    for table_id, end in transaction.keys.whole:
        table = present(session, table_id)
        if table is None:
            continue
        for constraint in deferrable_uniques(table) if end is End.CHILD else ():
            unique.check(session, table, constraint, unique.everything(table, constraint))
        if not is_checked(session):
            continue
        for key in keys_of(session, table) if end is End.CHILD else keys_onto(session, table):
            say = session.server.keys.want if end is End.CHILD else session.server.keys.take
            everything = lookup.everything(key)
            say(transaction.keys.claims, key.constraint.id, everything, lookup.meeting(session))
            check_stored(session, key, end)


def check_stored(session: ClientSession, key: ForeignKey, end: End = End.CHILD) -> None:
    """Raises: DbError if any stored child has no parent."""
    if key.reference.match_full and lookup.has_mixed_rows(session, key):
        raise violations.mixed(key, session.wire)
    found = lookup.orphans(session, key)
    if found is not None:
        told = violations.missing if end is End.CHILD else violations.still_referenced
        raise told(key, lookup.first(session, found), session.wire)


def commit_checked(session: ClientSession, transaction: Transaction) -> None:
    """Commits, if what was deferred holds now. Raises: as `check_deferred` and COMMIT itself."""
    try:
        check_deferred(session, transaction)
    except BaseException:
        transaction.rollback()
        raise
    transaction.commit()


def check_deferred(
    session: ClientSession, transaction: Transaction, wanted: set[int] | None = None
) -> None:
    """Checks what was deferred, of all keys or those of these ids. Raises: as `end_statement`."""
    # They stay: ROLLBACK TO may take away what makes them hold now.
    for (child_id, key_id, end), found in transaction.keys.deferred.items():
        if wanted is not None and key_id not in wanted:
            continue
        if end is End.UNIQUE:
            _check_unique(session, child_id, key_id, found)
            continue
        key = _present_key(session, child_id, key_id)
        for keys in joined(found) if key is not None else ():
            assert key is not None
            check(session, key, end, keys)


def _check_unique(
    session: ClientSession, table_id: int, key_id: int, found: Sequence[Keys]
) -> None:
    table = present(session, table_id)
    for constraint in deferrable_uniques(table) if table is not None else ():
        if constraint.id == key_id and table is not None:
            for keys in joined(found):
                unique.check(session, table, constraint, keys)


def _present_key(session: ClientSession, child_id: int, key_id: int) -> ForeignKey | None:
    child = present(session, child_id)
    for one in child.constraints if child is not None else ():
        if one.id == key_id and child is not None:
            return resolved(child, one, lambda i: present(session, i), session.lookup)
    return None


def _follow(work: _Work, one: Written, table: Table) -> None:
    """One table's rows: which keys they want, and what follows from those that are gone."""
    for constraint in deferrable_uniques(table) if one.new is not None else ():
        _added(work, table, constraint, one)
    if not is_checked(work.session):
        return
    if one.new is not None:
        for key in keys_of(work.session, table):
            _came(work, key, one)
    if one.old is not None:
        for key in keys_onto(work.session, table):
            _went(work, key, one)


def _added(work: _Work, table: Table, constraint: Constraint, one: Written) -> None:
    """Keys that no other row may have."""
    assert one.new is not None
    session, pending = work.session, work.transaction.keys
    rows = lookup.named(one.new, constraint.columns)
    if one.old is not None:
        others = lookup.named(one.old, constraint.columns)
        rows = lookup.differing(session, rows, others, table, constraint.columns)
    keys = lookup.distinct(session, rows, table, constraint.columns)
    if keys.rows is None or not keys.rows.num_rows:
        return
    session.server.keys.add(pending.claims, constraint.id, keys, lookup.meeting(session))
    if _waits(work.transaction, constraint.id, deferred=constraint.deferred):
        pending.deferred.setdefault((table.id, constraint.id, End.UNIQUE), []).append(keys)
    else:
        work.open.append(partial(unique.check, session, table, constraint, keys))


def _came(work: _Work, key: ForeignKey, one: Written) -> None:
    assert one.new is not None
    rows = lookup.named(one.new, key.columns)
    if one.old is not None:
        others = lookup.named(one.old, key.columns)
        rows = lookup.differing(work.session, rows, others, key.child, key.columns)
    if key.reference.match_full and lookup.has_mixed(rows):
        raise violations.mixed(key, work.session.wire)
    keys = lookup.distinct(work.session, rows, key.child, key.columns)
    if keys.rows is None or not keys.rows.num_rows:
        return
    session = work.session
    claims, meet = work.transaction.keys.claims, lookup.meeting(session)
    session.server.keys.want(claims, key.constraint.id, keys, meet)
    _remember(work, key, End.CHILD, keys)


def _went(work: _Work, key: ForeignKey, one: Written) -> None:
    assert one.old is not None
    session = work.session
    old = lookup.named(one.old, key.parent_columns)
    moved = None
    if one.new is not None:
        new = lookup.named(one.new, key.parent_columns)
        moved = lookup.moved(old, new)
        old = lookup.differing(session, old, new, key.parent, key.parent_columns)
    keys = lookup.distinct(session, old, key.parent, key.parent_columns)
    if keys.rows is None or not keys.rows.num_rows:
        return
    claims, meet = work.transaction.keys.claims, lookup.meeting(session)
    session.server.keys.take(claims, key.constraint.id, keys, meet)
    action = key.reference.on_delete if moved is None else key.reference.on_update
    if action is KeyAction.NO_ACTION:
        _remember(work, key, End.PARENT, keys)
    elif action is KeyAction.RESTRICT:
        found = lookup.in_child(session, key, keys)
        if found is not None:
            raise violations.still_referenced(key, lookup.first(session, found), session.wire)
    else:
        actions.act(session, work.transaction, key, keys, moved, action)


def _remember(work: _Work, key: ForeignKey, end: End, keys: Keys) -> None:
    pending = work.transaction.keys
    if not is_deferred(work.transaction, key):
        work.open.append(partial(check, work.session, key, end, keys))
        return
    name = key.child.id, key.constraint.id, end
    pending.deferred.setdefault(name, []).append(keys)


def is_deferred(transaction: Transaction, key: ForeignKey) -> bool:
    """True if COMMIT checks the key, in this transaction."""
    reference = key.reference
    return reference.deferrable and _waits(
        transaction, key.constraint.id, deferred=reference.deferred
    )


def _waits(transaction: Transaction, key_id: int, *, deferred: bool) -> bool:
    """What SET CONSTRAINTS said of a deferrable key, else what was declared."""
    pending = transaction.keys
    said = pending.modes.get(key_id, pending.all_deferred)
    return deferred if said is None else said


def check(session: ClientSession, key: ForeignKey, end: End, keys: Keys) -> None:
    """Raises: DbError if a child has one of these keys and no parent has it."""
    found: Keys | None
    if end is End.CHILD:
        found = lookup.not_in_parent(session, key, keys)
        found = found and lookup.in_child(session, key, found)
    else:
        found = lookup.in_child(session, key, keys)
        found = found and lookup.not_in_parent(session, key, found)
    if found:
        told = violations.missing if end is End.CHILD else violations.still_referenced
        raise told(key, lookup.first(session, found), session.wire)
