"""The space of partition values, cut into cells by the literals of the rules.

Along each column the literals cut the line into cells: cell 2i+1 holds exactly literal i, the even
cells what lies between two literals, below the first or above the last. All values of a cell are
alike to every rule, so what holds for cells holds for rows. NULL sorts below every value and lies
in cell 0; NaN sorts above every value, in the last cell, as PostgreSQL and DuckDB order it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from catalog.records import Column
from engine.datatypes import TypeId
from sql.partition.rules import All, Compare, Key, Not, Op, Rule, comparisons

Mask = npt.NDArray[np.bool_]

_BITS = {
    TypeId.INT8: (-(2**7), 2**7 - 1),
    TypeId.INT16: (-(2**15), 2**15 - 1),
    TypeId.INT32: (-(2**31), 2**31 - 1),
    TypeId.INT64: (-(2**63), 2**63 - 1),
    TypeId.UINT8: (0, 2**8 - 1),
    TypeId.UINT16: (0, 2**16 - 1),
    TypeId.UINT32: (0, 2**32 - 1),
    TypeId.UINT64: (0, 2**64 - 1),
    TypeId.BOOLEAN: (0, 1),
    TypeId.DATE: (-(2**31), 2**31 - 1),
}
_EPOCHS = (-(2**63), 2**63 - 1)


@dataclass(frozen=True)
class Axis:
    """One partition column and the literals that cut it, ascending."""

    column: Column
    keys: tuple[Key, ...]

    @property
    def cells(self) -> int:
        """How many cells the column is cut into, the impossible ones counted."""
        return 2 * len(self.keys) + 1

    def cell(self, value: Key) -> int:
        """The cell of a value; numbers of any kind may be asked for."""
        return bisect_left(self.keys, value) + bisect_right(self.keys, value)

    def holds(self, op: Op, key: Key) -> Mask:
        """For each cell, whether `column op key` is true there. Requires: key is a literal."""
        at = self.cell(key)
        assert at % 2 == 1
        cells = np.arange(self.cells)
        return compared(cells, op, at)

    @cached_property
    def possible(self) -> Mask:
        """False for cells that no value of the column can be in."""
        found = np.ones(self.cells, np.bool_)
        if not self.keys:
            return found
        low, high = self._bounds()
        found[0] = self.column.nullable or low is None or self.keys[0] > low
        found[-1] = high is None or self.keys[-1] < high
        for index in range(1, len(self.keys)):
            found[2 * index] = self._apart(self.keys[index - 1], self.keys[index])
        return found

    def describe(self, cell: int) -> str:
        """A cell in words: `a=5`, `a>5`, `5<a<9`."""
        name, at = self.column.name, cell // 2
        if not self.keys:
            return f"{name}=any"
        if cell % 2:
            return f"{name}={self.shown(at)}"
        if cell == 0:
            only_null = self.column.nullable and self.keys[0] == self._bounds()[0]
            return f"{name}=NULL" if only_null else f"{name}<{self.shown(0)}"
        if at == len(self.keys):
            return f"{name}>{self.shown(at - 1)}"
        return f"{self.shown(at - 1)}<{name}<{self.shown(at)}"

    def shown(self, index: int) -> str:
        """Literal `index` as text."""
        key = self.keys[index]
        if self.column.type.id is TypeId.BOOLEAN:
            return "true" if key else "false"
        if self.column.type.id is TypeId.TIMESTAMP_TZ:
            return str(pa.scalar(key, pa.int64()).cast(pa.timestamp("us")).cast(pa.string()))
        if self.column.type.is_timestamp:
            return str(pa.scalar(key, pa.int64()).cast(self.column.type.arrow).cast(pa.string()))
        if self.column.type.id is TypeId.DATE:
            return str(pa.scalar(key, pa.int32()).cast(pa.date32()))
        return str(key)

    def _bounds(self) -> tuple[Key | None, Key | None]:
        """The least and the greatest value of the type; None: there is always another."""
        kind = self.column.type
        if kind.id in (TypeId.FLOAT32, TypeId.FLOAT64):
            return -math.inf, None  # NaN is above infinity
        if kind.id is TypeId.STRING:
            return "", None
        if kind.id is TypeId.DECIMAL:
            greatest = Decimal(10**kind.precision - 1).scaleb(-kind.scale)
            return -greatest, greatest
        return _BITS.get(kind.id, _EPOCHS)

    def _apart(self, low: Key, high: Key) -> bool:
        """True if some value of the type lies between two of its values."""
        kind = self.column.type
        if isinstance(low, str):
            return bool(high != low + "\0")
        if isinstance(low, Decimal):
            return bool((high - low).scaleb(kind.scale) > 1)
        if kind.id is TypeId.FLOAT32:
            return bool(np.nextafter(np.float32(low), np.float32(np.inf)) < high)
        if isinstance(low, float):
            return bool(math.nextafter(low, math.inf) < high)
        return bool(high - low > 1)


def compared(cells: npt.NDArray[np.int64], op: Op, at: int) -> Mask:
    """`cell op at` for each cell."""
    found: dict[Op, Mask] = {
        Op.EQ: cells == at,
        Op.NE: cells != at,
        Op.LT: cells < at,
        Op.LE: cells <= at,
        Op.GT: cells > at,
        Op.GE: cells >= at,
    }
    return found[op]


@dataclass(frozen=True)
class Space:
    """All axes, in the order of the partition columns."""

    axes: tuple[Axis, ...]

    @classmethod
    def of(cls, columns: Sequence[Column], rules: Sequence[Rule]) -> Space:
        """The space the rules speak of. Requires: they name only these columns."""
        keys: dict[str, set[Key]] = {column.name: set() for column in columns}
        for rule in rules:
            for one in comparisons(rule):
                keys[one.column].add(one.key)
        return cls(tuple(Axis(c, tuple(sorted(keys[c.name]))) for c in columns))

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return tuple(axis.cells for axis in self.axes)

    def position(self, column: str) -> int | None:
        """The number of a column's axis."""
        names = [axis.column.name for axis in self.axes]
        return names.index(column) if column in names else None

    def spread(self, position: int, mask: Mask) -> Mask:
        """A mask along one axis, shaped so that it combines with those along others."""
        shape = [1] * len(self.axes)
        shape[position] = len(mask)
        return mask.reshape(shape)

    def holds(self, rule: Rule) -> Mask:
        """Where a rule is true; the result broadcasts to `shape`."""
        if isinstance(rule, Compare):
            position = self.position(rule.column)
            assert position is not None
            return self.spread(position, self.axes[position].holds(rule.op, rule.key))
        if isinstance(rule, Not):
            return ~self.holds(rule.part)
        parts = [self.holds(part) for part in rule.parts]
        join = np.logical_and if isinstance(rule, All) else np.logical_or
        found = parts[0]
        for part in parts[1:]:
            found = join(found, part)
        return found

    def possible(self) -> Mask:
        """Which cells of the whole space some row can be in."""
        found = np.ones((1,) * len(self.axes), np.bool_)
        for position, axis in enumerate(self.axes):
            found = found & self.spread(position, axis.possible)
        return found

    def describe(self, flat: int) -> str:
        """A cell of the whole space in words."""
        places = np.unravel_index(flat, self.shape)
        parts = [a.describe(int(at)) for a, at in zip(self.axes, places, strict=True) if a.keys]
        return ", ".join(parts) or "any value"
