"""What SPLIT, MERGE and PARTITION ON COLUMNS make of a table: new rules, and which regions stay.

Pure: it reads and makes catalog records. sql/partition/move.py moves the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from catalog.records import Column, Table
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.partition.check import check_movable, partitioning_of, with_rules
from sql.partition.rules import Key, read_rules, settled
from sql.partition.space import Axis, Mask, Space
from sql.types import quote


@dataclass(frozen=True)
class Change:
    """`table` has the new columns and rules, and the old regions.

    `kept` has, for each new rule, the region that stays its own; None for one to be filled.
    """

    table: Table
    kept: tuple[int | None, ...]

    def sources(self) -> tuple[int, ...]:
        """The regions whose rows move."""
        return tuple(r for r in self.table.region_ids if r not in self.kept)


def _with_rules(table: Table, columns: Sequence[str], rules: Sequence[str], zone: str) -> Table:
    table = with_rules(table, columns, rules, zone)
    check_movable(table)
    return table


def partitioned(table: Table, columns: Sequence[str], rules: Sequence[str], zone: str) -> Change:
    """A table of one region, divided. Raises: DbError."""
    if len(table.region_ids) > 1:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f'table "{table.name}" is partitioned already',
            hint="use SPLIT PARTITION or MERGE PARTITION",
        )
    return Change(_with_rules(table, columns, rules, zone), (None,) * len(rules))


def split(
    table: Table, source: str, columns: Sequence[str], rules: Sequence[str], zone: str
) -> Change:
    """One partition divided; `columns` may add partition columns. Raises: DbError."""
    at = _find(table, source, zone)
    names = [*table.partition_columns, *(n for n in columns if n not in table.partition_columns)]
    into = [settled(rule, _columns(table, names), zone) for rule in rules]
    old = table.partition_rules
    texts = [*old[:at], *into, *old[at + 1 :]]
    kept = (*table.region_ids[:at], *(None for _ in into), *table.region_ids[at + 1 :])
    return Change(_with_rules(table, names, texts, "UTC"), kept)


def merge(table: Table, sources: Sequence[str], zone: str) -> Change:
    """Partitions made one, in the place of the first named. Raises: DbError."""
    found = [_find(table, source, zone) for source in sources]
    if len(set(found)) < max(len(found), 2):
        raise DbError(ErrorKind.INVALID_ARGUMENT, "MERGE PARTITION needs two or more partitions")
    rest = [at for at in range(len(table.region_ids)) if at == found[0] or at not in found]
    if len(rest) == 1:
        whole = replace(table, partition_columns=(), partition_rules=())
        return Change(whole, (None,))
    joined = _union(table, sorted(found))
    texts = [joined if at == found[0] else table.partition_rules[at] for at in rest]
    kept = tuple(None if at == found[0] else table.region_ids[at] for at in rest)
    return Change(_with_rules(table, table.partition_columns, texts, "UTC"), kept)


def _columns(table: Table, names: Sequence[str]) -> list[Column]:
    return [column for name in names if (column := table.column(name)) is not None]


def _find(table: Table, text: str, zone: str) -> int:
    """The position of the partition that a rule names: they are true for the same values."""
    if partitioning_of(table) is None:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f'table "{table.name}" is not partitioned',
            hint="use ALTER TABLE … PARTITION ON COLUMNS",
        )
    columns = _columns(table, table.partition_columns)
    wanted = settled(text, columns, zone)
    rules = read_rules([*table.partition_rules, wanted], columns)
    space = Space.of(columns, rules)
    possible = space.possible()
    asked = np.broadcast_to(space.holds(rules[-1]) & possible, space.shape)
    for position, rule in enumerate(rules[:-1]):
        if np.array_equal(asked, np.broadcast_to(space.holds(rule) & possible, space.shape)):
            return position
    raise DbError(
        ErrorKind.INVALID_ARGUMENT,
        f'no partition of "{table.name}" has the rule {wanted}',
        hint="SHOW CREATE TABLE shows the rules",
    )


def _union(table: Table, positions: Sequence[int]) -> str:
    """One rule for what several are true for."""
    partitioning = partitioning_of(table)
    assert partitioning is not None
    space = partitioning.space
    inside = np.isin(partitioning.numbers, positions)
    texts = " ".join(table.partition_rules)
    names = [quoted if (quoted := quote(n)) in texts else n for n in table.partition_columns]
    text = _box(space, names, inside, np.broadcast_to(space.possible(), space.shape))
    return text or " OR ".join(f"({table.partition_rules[at]})" for at in positions)


def _box(space: Space, names: Sequence[str], inside: Mask, possible: Mask) -> str | None:
    """A rule for cells that are one range along each axis; None if they are not."""
    parts: list[str] = []
    box = np.ones((1,) * len(space.axes), np.bool_)
    for position, axis in enumerate(space.axes):
        others = tuple(other for other in range(len(space.axes)) if other != position)
        reached = np.flatnonzero(inside.any(axis=others))
        span = np.zeros(axis.cells, np.bool_)
        span[reached[0] : reached[-1] + 1] = True
        parts += _range(axis, names[position], int(reached[0]), int(reached[-1]))
        box = box & space.spread(position, span)
    if not np.array_equal(box & possible, inside):
        return None
    return " AND ".join(parts) or None


def _range(axis: Axis, name: str, first: int, last: int) -> list[str]:
    """The comparisons that hold in a range of cells."""
    lowest, highest = np.flatnonzero(axis.possible)[[0, -1]]
    parts = []
    if first > lowest:
        parts.append(f"{name} {'>=' if first % 2 else '>'} {_literal(axis, (first - 1) // 2)}")
    if last < highest:
        parts.append(f"{name} {'<=' if last % 2 else '<'} {_literal(axis, last // 2)}")
    return parts


def _literal(axis: Axis, index: int) -> str:
    key: Key = axis.keys[index]
    kind = axis.column.type
    shown = axis.shown(index)
    if kind.id is TypeId.BOOLEAN:
        return "TRUE" if key else "FALSE"
    if kind.is_timestamp or kind.id is TypeId.TIMESTAMP_TZ:
        return f"'{shown}+00:00'"
    if kind.id in (TypeId.STRING, TypeId.DATE):
        return "'" + shown.replace("'", "''") + "'"
    return repr(key) if isinstance(key, float) else shown
