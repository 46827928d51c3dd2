"""The proof that partition rules are complete and disjoint, and what comes out of it.

Every cell of the space of partition values (sql/partition/space.py) must satisfy exactly one rule.
The proof leaves behind the table cell → rule, which routing and pruning only look up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod

import numpy as np
import numpy.typing as npt

from catalog.records import Column, Table
from engine.errors import DbError, ErrorKind
from sql.partition.rules import Rule, columns_of, is_partitionable, read_rules, settled
from sql.partition.space import Space

PARTITIONS_MAX = 1_024  # every region has its own log needs, memtable and files
CELLS_MAX = 1 << 20  # the table takes two bytes a cell; 1 000 literals in one column take 2 001
COLUMNS_MAX = 8

Numbers = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Partitioning:
    """Rules proved complete and disjoint: `numbers` has, for each cell, the position of its rule.

    Cells that no row can be in have -1.
    """

    space: Space
    numbers: Numbers
    count: int  # of rules


def proved(columns: Sequence[Column], rules: Sequence[Rule]) -> Partitioning:
    """The partitioning of these columns by these rules.

    Raises: DbError INVALID_ARGUMENT naming a value that no rule or more than one rule is for;
    LIMIT_EXCEEDED.
    """
    _check_limits(columns, rules)
    space = Space.of(columns, rules)
    if prod(space.shape) > CELLS_MAX:
        raise DbError(
            ErrorKind.LIMIT_EXCEEDED,
            f"the partition rules cut their columns into over {CELLS_MAX} cells",
            hint="use fewer different literals",
        )
    numbers = np.full(space.shape, -1, np.int16)
    possible = space.possible()
    for position, rule in enumerate(rules):
        held = np.broadcast_to(space.holds(rule) & possible, space.shape)
        twice = held & (numbers >= 0)
        if twice.any():
            _refuse(space, twice, "is overlapped", "two rules are true for it")
        numbers[held] = position
    bare = np.broadcast_to(possible, space.shape) & (numbers < 0)
    if bare.any():
        _refuse(space, bare, "is not covered", "no rule is true for it")
    for position in range(len(rules)):
        if not (numbers == position).any():
            raise DbError(
                ErrorKind.INVALID_ARGUMENT, f"partition rule {position + 1} is true for no value"
            )
    return Partitioning(space, numbers, len(rules))


def _refuse(space: Space, wrong: npt.NDArray[np.bool_], problem: str, why: str) -> None:
    where = space.describe(int(np.flatnonzero(wrong)[0]))
    raise DbError(
        ErrorKind.INVALID_ARGUMENT,
        f"Checkpoint `{where}` {problem}",
        detail=f"{why}; every value must belong to exactly one partition (NULL is below all)",
    )


def _check_limits(columns: Sequence[Column], rules: Sequence[Rule]) -> None:
    if len(columns) > COLUMNS_MAX or len(rules) > PARTITIONS_MAX:
        raise DbError(
            ErrorKind.LIMIT_EXCEEDED,
            f"a table has at most {PARTITIONS_MAX} partitions by {COLUMNS_MAX} columns",
        )
    for column in columns:
        if not is_partitionable(column.type):
            raise DbError(
                ErrorKind.UNSUPPORTED,
                f'column "{column.name}" of type {column.type.name} cannot be a partition column',
            )
    names = {column.name for column in columns}
    assert all(names.issuperset(columns_of(rule)) for rule in rules)


def partitioning_of(table: Table) -> Partitioning | None:
    """The partitions of a table; None if one region has all rows."""
    if len(table.region_ids) < 2:
        return None
    return _known(_typed(table), table.partition_rules)


def _typed(table: Table) -> tuple[tuple[object, ...], ...]:
    columns = (column for name in table.partition_columns if (column := table.column(name)))
    return tuple((c.name, c.type, c.nullable) for c in columns)


@lru_cache(maxsize=512)
def _known(columns: tuple[tuple[object, ...], ...], rules: tuple[str, ...]) -> Partitioning:
    typed = [Column(*column) for column in columns]  # type: ignore[arg-type]
    return proved(typed, read_rules(rules, typed))


def with_rules(table: Table, columns: Sequence[str], rules: Sequence[str], timezone: str) -> Table:
    """The table partitioned by these rules, which are proved; it still has its old regions.

    Raises: DbError as `proved`, `check_identity` and `sql.partition.rules.settled`.
    """
    named = []
    for name in columns:
        column = table.column(name)
        if column is None or column in named:
            raise DbError(
                ErrorKind.DUPLICATE_COLUMN if column else ErrorKind.UNDEFINED_COLUMN,
                f'partition column "{name}" '
                + ("is named twice" if column else f'does not exist in "{table.name}"'),
            )
        named.append(column)
    kept = tuple(settled(rule, named, timezone) for rule in rules)
    table = replace(table, partition_columns=tuple(columns), partition_rules=kept)
    read = read_rules(kept, named)
    check_identity(table)
    if kept:
        proved(named, read)
    return table


def check_identity(table: Table) -> None:
    """Rows of one identity may be in several regions only where each write replaces whole rows.

    Raises: DbError INVALID_TABLE_DEFINITION.
    """
    name = _beyond(table)
    if name is not None and table.keeps_non_null:
        raise DbError(
            ErrorKind.INVALID_TABLE_DEFINITION,
            f'partition column "{name}" must be in the primary key or the time index',
            detail="a row with merge_mode = 'last_non_null' keeps fields of older rows, and those"
            " could be in another partition",
            hint="add it to the PRIMARY KEY, or use another merge_mode",
        )


def is_exclusive(table: Table) -> bool:
    """True if a written row has to be removed from the regions it does not belong to.

    Partition columns outside of the identity (tags and time index) decide where a row is: the one
    that it replaces may be elsewhere.
    """
    return _beyond(table) is not None


def check_movable(table: Table) -> None:
    """Raises: DbError INVALID_TABLE_DEFINITION if rows are replaced across the table's partitions.

    What changed in one region while rows move would have to be told apart from what another one
    did to the same keys.
    """
    name = _beyond(table)
    if name is not None:
        raise DbError(
            ErrorKind.INVALID_TABLE_DEFINITION,
            f'the partitions of "{table.name}" cannot be changed: partition column "{name}" must be'
            " in the primary key or the time index",
            hint="create another table with such partitions and INSERT … SELECT into it",
        )


def _beyond(table: Table) -> str | None:
    """A partition column that decides about rows of one identity, None if there is none.

    A partition column of which no rule speaks decides nothing.
    """
    outside = [
        name
        for name in table.partition_columns
        if name not in table.primary_key and name != table.time_index
    ]
    if not outside or table.append_mode:
        return None
    deciding = _deciding(_typed(table), table.partition_rules)
    return next((name for name in outside if name in deciding), None)


@lru_cache(maxsize=512)
def _deciding(columns: tuple[tuple[object, ...], ...], rules: tuple[str, ...]) -> frozenset[str]:
    """The columns that the rules speak of."""
    typed = [Column(*column) for column in columns]  # type: ignore[arg-type]
    return frozenset(name for rule in read_rules(rules, typed) for name in columns_of(rule))
