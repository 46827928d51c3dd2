"""The rows of a direct query (sql/plan/direct.py), from snapshots whose rows are all in memory.

Called by sql/run/scan.py. Whatever a value or a snapshot does not let be told exactly is left to
DuckDB, which says the same in its own time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from catalog.records import Table
from engine.api import Snapshot, TimeRange
from engine.datatypes import UNITS_PER_SECOND
from sql.partition.prune import constant
from sql.plan.direct import Direct
from sql.plan.literals import Bound
from sql.plan.parameters import parameter_number

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - plain timestamps have no zone
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d{1,9})?)?")
_FIRST, _LAST = -(2**63), 2**63 - 1


class Asked(NamedTuple):
    """What the query says with the values of one statement."""

    first: int  # times in the column's unit, both wanted
    last: int
    equal: tuple[tuple[str, str | int], ...]
    limit: int

    @property
    def times(self) -> TimeRange:
        """The times for the engine."""
        start = None if self.first == _FIRST else self.first
        return TimeRange(start, None if self.last == _LAST else self.last + 1)


class Question:
    """A direct query of a table, looked at once: what it asks for depends on values alone."""

    def __init__(self, direct: Direct, table: Table) -> None:
        time = table.column(str(table.time_index))
        assert time is not None
        # Constant after construction.
        self.direct = direct
        self._unit = str(time.type.unit)
        self._bounds = [(b.is_start, b.inclusive, *_moment_of(b)) for b in direct.bounds]
        self._equal = [
            (name, node, column.type.is_integer, pa.types.is_string(column.type.arrow))
            for name, node in direct.equal
            if (column := table.column(name)) is not None
        ]
        # Columns of the latest answer: those of a result, as far as types say.
        self.fitting: pa.Schema | None = None

    def asked(self, parameters: Sequence[object]) -> Asked | None:
        """What is asked for; None if a value leaves it to DuckDB."""
        limit = _LAST if self.direct.limit is None else _limit(self.direct.limit, parameters)
        ends = self._ends(parameters)
        if ends is None or limit is None or len(self._equal) < len(self.direct.equal):
            return None
        equal: list[tuple[str, str | int]] = []
        for name, node, is_integer, is_text in self._equal:
            value = constant(node, parameters)
            if is_text and isinstance(value, str):
                equal.append((name, value))
                continue
            if not is_integer or type(value) is not int or not _FIRST <= value <= _LAST:
                return None  # not of the tag's own kind: DuckDB converts it
            equal.append((name, value))
        return Asked(*ends, tuple(equal), limit)

    def _ends(self, parameters: Sequence[object]) -> tuple[int, int] | None:
        """First and last time in the column's unit, both wanted; None if that is not certain."""
        first, last = _FIRST, _LAST
        for is_start, inclusive, number, literal in self._bounds:
            at = _moment(parameters[number - 1] if number else literal, self._unit)
            if at is None or abs(at) > _LAST // 2:
                return None
            if is_start:
                first = max(first, at if inclusive else at + 1)
            else:
                last = min(last, at if inclusive else at - 1)
        return first, last


def _moment_of(bound: Bound) -> tuple[int, object]:
    """The number of a bound's parameter, 0 if it has none; its literal then."""
    number = parameter_number(bound.value)
    return (0, bound.value.this.name) if number is None else (number, None)


def direct_rows(
    direct: Direct, asked: Asked, table: Table, snapshots: Sequence[Snapshot], wanted: pa.Schema
) -> pa.RecordBatch | None:
    """The rows as DuckDB would give them; None if some of them are in files only."""
    if any(snapshot.files for snapshot in snapshots):
        return None
    if len(snapshots) == 1 and snapshots[0].facts.exact:
        return _ordered(direct, asked, snapshots[0].selected, wanted)
    found = [t for s in snapshots for t in (s.memory, s.selected) if t is not None and t.num_rows]
    if not found:
        return pa.RecordBatch.from_pylist([], schema=wanted)
    rows = pa.concat_tables(found) if len(found) > 1 else found[0]
    times = _times(rows, table)
    keep = (times >= asked.first) & (times <= asked.last)
    for name, value in asked.equal:
        column = rows.column(name)
        same = pc.equal(column, pa.scalar(value))
        keep &= (pc.fill_null(same, False) if column.null_count else same).to_numpy()
    places = np.flatnonzero(keep)
    if direct.descending is not None:
        order = np.argsort(times[places], kind="stable")
        places = places[order[::-1] if direct.descending else order]
    rows = rows.select(sorted(set(direct.columns))).take(places[: asked.limit])
    return _shown(rows, direct, wanted)


def _ordered(
    direct: Direct, asked: Asked, rows: pa.Table | None, wanted: pa.Schema
) -> pa.RecordBatch:
    """Of rows that are just those asked for, in order of time, as many as are wanted."""
    assert rows is not None
    count, limit = rows.num_rows, min(asked.limit, rows.num_rows)
    if not direct.descending:
        return _shown(rows.slice(0, limit), direct, wanted)
    places = np.arange(count - 1, count - 1 - limit, -1)
    return _shown(rows.select(sorted(set(direct.columns))).take(places), direct, wanted)


def _shown(rows: pa.Table, direct: Direct, wanted: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for name, field in zip(direct.columns, wanted, strict=True):
        array = rows.column(name).combine_chunks()
        arrays.append(array if array.type == field.type else array.cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=wanted)


def _times(rows: pa.Table, table: Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    found: np.ndarray[tuple[int], np.dtype[np.int64]] = (
        rows.column(str(table.time_index)).cast(pa.int64()).to_numpy()
    )
    return found


def _limit(node: exp.Expr, parameters: Sequence[object]) -> int | None:
    value = constant(node, parameters)
    return value if isinstance(value, int) and value >= 0 else None


def _moment(value: object, unit: str) -> int | None:
    """A bound in a unit, None if that cannot hold it."""
    if isinstance(value, datetime):
        delta = value - (_EPOCH if value.tzinfo is None else _EPOCH_UTC)
        micros = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
        if unit == "us":
            return micros
        at, rest = divmod(micros * UNITS_PER_SECOND[unit], 1_000_000)
        return None if rest else at
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        return None
    exact = np.array(value, "datetime64[ns]")
    coarse = np.array(value, f"datetime64[{unit}]")
    known = abs(int(coarse.astype("datetime64[s]").astype(np.int64))) < _LAST // 1_000_000_000
    same = known and coarse.astype("datetime64[ns]") == exact
    return int(coarse.astype(np.int64)) if same else None
