"""Foreign keys as a session sees them: each with the tables at both its ends.

Asked by statements that write, by ALTER and DROP, and by the system tables. A key's record is in
the child table; a parent knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from catalog.details import Constraint, ConstraintKind, Reference
from catalog.records import Table
from sql.session import Wire
from sql.settings import check_boolean

if TYPE_CHECKING:
    from sql.client_session import ClientSession

ById = Callable[[int], Table | None]
ByName = Callable[[str, str], Table | None]


@dataclass(frozen=True)
class ForeignKey:
    """A key whose both tables are there; `columns` of the child match `parent_columns`."""

    constraint: Constraint
    child: Table
    parent: Table
    parent_columns: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the child."""
        return self.constraint.columns

    @property
    def reference(self) -> Reference:
        """The key's other end and its actions."""
        assert self.constraint.references is not None
        return self.constraint.references


def foreign_constraints(table: Table) -> list[Constraint]:
    """The table's own keys, resolved or not."""
    return [one for one in table.constraints if one.references is not None]


def deferrable_uniques(table: Table) -> list[Constraint]:
    """The table's UNIQUE constraints that DuckDB is told nothing of."""
    return [c for c in table.constraints if c.deferrable and c.kind is ConstraintKind.UNIQUE]


def resolved(
    child: Table, constraint: Constraint, by_id: ById, by_name: ByName
) -> ForeignKey | None:
    """The key with its parent; None while MySQL's parent is not there."""
    reference = constraint.references
    assert reference is not None
    if reference.table_id:
        parent = child if reference.table_id == child.id else by_id(reference.table_id)
    else:
        parent = by_name(reference.database, reference.table)
    return None if parent is None else _key(child, constraint, parent)


def _key(child: Table, constraint: Constraint, parent: Table) -> ForeignKey:
    """With the names that the parent has now."""
    assert constraint.references is not None
    names = parent_columns(constraint.references, parent)
    there = replace(
        constraint.references, database=parent.database, table=parent.name, columns=names
    )
    return ForeignKey(replace(constraint, references=there), child, parent, names)


def parent_columns(reference: Reference, parent: Table) -> tuple[str, ...]:
    """What the referenced columns are called now."""
    if not reference.column_ids:
        return reference.columns or parent.primary_key
    names = {column.id: column.name for column in parent.columns}
    return tuple(names[column_id] for column_id in reference.column_ids)


def points_at(reference: Reference, table: Table) -> bool:
    """True if the key's parent is that table."""
    if reference.table_id:
        return reference.table_id == table.id
    return (reference.database, reference.table) == (table.database, table.name)


def present(session: ClientSession, table_id: int) -> Table | None:
    """The table of that id as it is now, a temporary one among them."""
    return session.temporary.lookup_id(table_id) or session.table_of(table_id)


def keys_of(session: ClientSession, table: Table) -> list[ForeignKey]:
    """The keys that the table's rows have to keep to."""
    found = (
        resolved(table, one, lambda number: present(session, number), session.lookup)
        for one in foreign_constraints(table)
    )
    return [key for key in found if key is not None]


def keys_onto(session: ClientSession, table: Table) -> list[ForeignKey]:
    """The keys of any table that point at this one."""
    found = []
    for child, one in _all(session):
        assert one.references is not None
        if points_at(one.references, table):
            found.append(_key(child, one, table))
    return found


def _all(session: ClientSession) -> Iterator[tuple[Table, Constraint]]:
    children: Iterable[Table] = session.catalog.referring(session.duck.cursor)
    for child in (*children, *session.temporary.all()):
        for one in foreign_constraints(child):
            yield child, one


def with_present_names(session: ClientSession, table: Table) -> Table:
    """The table with its keys pointing at what their parents are called now."""
    if not table.has_foreign_keys:
        return table
    now = {key.constraint.id: key.constraint for key in keys_of(session, table)}
    return replace(table, constraints=tuple(now.get(c.id, c) for c in table.constraints))


def watched(session: ClientSession, table: Table) -> frozenset[str]:
    """The columns of keys that are checked by us: foreign ones of either direction, and UNIQUE."""
    if table.is_time_series:
        return frozenset()
    own = frozenset(name for one in deferrable_uniques(table) for name in one.columns)
    if not is_checked(session):
        return own
    mine = (name for one in foreign_constraints(table) for name in one.columns)
    theirs = (name for key in keys_onto(session, table) for name in key.parent_columns)
    return own.union(mine, theirs)


def is_checked(session: ClientSession) -> bool:
    """False after MySQL's `SET foreign_key_checks = 0`, as dumps say while they are read."""
    if session.wire is not Wire.MYSQL:
        return True
    name = "foreign_key_checks"
    return check_boolean(name, session.settings.get(name)) == "on"
