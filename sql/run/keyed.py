"""Copies of ordinary tables in memory, by primary key: one row without DuckDB.

Called by sql/run/scan.py for plans of sql/plan/keyed.py. A copy is made once questions of one row
have cost as much as making it, is as committed at one moment, and counts only as long as no commit
has begun to change the table since (sql/gate.py): the first change, and DuckDB answers again. It
never holds what a transaction has not committed, nor serves one that has changed anything.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter

import numpy as np
import pyarrow as pa

from catalog.records import Table
from sql.gate import Changes, Version
from sql.partition.prune import constant
from sql.plan.keyed import Keyed, copied
from sql.run.duck import Duck
from sql.types import quote

BYTES_MAX = 64 << 20  # of one copy
TOTAL_BYTES_MAX = 256 << 20
ASKED_MIN = 16  # questions before a copy is thought of
QUESTION_SECONDS = 0.0003  # what DuckDB takes for one
# A copy is made for twice what the last one cost: changes may come again as soon.
_PATIENCE = 2
_SHOWN_MAX = 16  # selections of columns that a copy remembers
_INTEGERS = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Copy:
    """The rows of a table in order of its key, as they were at a version."""

    table: Table  # as whoever made it knew it: another may have been altered since
    version: Version
    rows: pa.RecordBatch
    keys: tuple[_INTEGERS | pa.Array, ...]
    _shown: dict[tuple[str, ...], tuple[pa.Schema, pa.RecordBatch]] = field(default_factory=dict)

    def shown(self, columns: tuple[str, ...], wanted: pa.Schema) -> pa.RecordBatch | None:
        """Some columns under the names of a result; None if that has other types."""
        known = self._shown.get(columns)
        if known is not None and known[0] is wanted:
            return known[1]
        rows = self.rows.select(list(columns))
        if rows.schema.types != wanted.types:
            return None
        if len(self._shown) >= _SHOWN_MAX:
            self._shown.clear()
        rows = pa.RecordBatch.from_arrays(rows.columns, schema=wanted)
        self._shown[columns] = wanted, rows
        return rows

    def place(self, key: Sequence[int | str]) -> int | None:
        """Where the row of a key is; None if there is none."""
        low, high = 0, self.rows.num_rows
        for values, value in zip(self.keys, key, strict=True):
            if isinstance(values, np.ndarray):
                part = values[low:high]
                left = low + int(part.searchsorted(value, "left"))
                if len(self.keys) == 1:  # the key is unique
                    return left if left < high and values[left] == value else None
                low, high = left, low + int(part.searchsorted(value, "right"))
            else:
                low, high = _texts_equal(values, str(value), low, high)
            if low == high:
                return None
        return low


def _texts_equal(texts: pa.Array, value: str, low: int, high: int) -> tuple[int, int]:
    """Where in a sorted part a text begins and ends; code points order as their UTF-8 does."""
    places = range(low, high)
    left = bisect.bisect_left(places, value, key=lambda at: texts[at].as_py())
    right = bisect.bisect_right(places, value, lo=left, key=lambda at: texts[at].as_py())
    return low + left, low + right


@dataclass
class _Demand:
    """What is known of a table that rows are asked of one by one."""

    version: Version
    asked: int = 0  # since the table changed
    needed: int = ASKED_MIN  # before a copy is worth its price


class Copies:
    """Copies of tables; shared by all sessions. Any thread."""

    def __init__(self, changes: Changes) -> None:
        # Constant after construction.
        self._changes = changes
        # Guarded by _lock; whoever finds a copy in _copies need not hold it.
        self._lock = Lock()
        self._copies: OrderedDict[int, Copy] = OrderedDict()
        self._demand: dict[int, _Demand] = {}

    def row_at_hand(
        self, keyed: Keyed, parameters: Sequence[object], wanted: pa.Schema
    ) -> pa.RecordBatch | None:
        """As `row`, None if there is no copy to find it in."""
        copy = self._copies.get(keyed.table.id)
        if copy is None or not self._is_of_now(copy, keyed.table):
            return None
        return _row(copy, keyed, parameters, wanted)

    def holds(self, table_id: int) -> bool:
        """True if rows of the table are in memory as they are now."""
        copy = self._copies.get(table_id)
        return copy is not None and copy.version == self._changes.version(table_id)

    def row(
        self, keyed: Keyed, parameters: Sequence[object], wanted: pa.Schema, duck: Duck
    ) -> pa.RecordBatch | None:
        """The row asked for, or none, as DuckDB would give it; None if it has to.

        Requires: the session sees what is committed and nothing else.
        """
        copy = self._copies.get(keyed.table.id)
        if copy is None or not self._is_of_now(copy, keyed.table):
            copy = self._made(keyed.table, duck)
            if copy is None:
                return None
        return _row(copy, keyed, parameters, wanted)

    def _is_of_now(self, copy: Copy, table: Table) -> bool:
        same = copy.table is table or copy.table == table
        return same and copy.version == self._changes.version(table.id)

    def _made(self, table: Table, duck: Duck) -> Copy | None:
        """A new copy, if it is asked for often enough and can be had."""
        version = self._changes.version(table.id)
        with self._lock:
            demand = self._demand.get(table.id)
            if demand is None:
                demand = self._demand[table.id] = _Demand(version)
            if demand.version != version:
                demand.version, demand.asked = version, 0
            demand.asked += 1
            if demand.asked < demand.needed or not self._changes.is_settled:
                return None
            demand.asked = 0
            self._copies.pop(table.id, None)
        started = perf_counter()
        copy = _read(table, version, duck)
        cost = int(_PATIENCE * (perf_counter() - started) / QUESTION_SECONDS)
        with self._lock:
            demand.needed = max(ASKED_MIN, demand.needed * 2 if copy is None else cost)
            if copy is None or self._changes.version(table.id) != version:
                return None
            self._copies[table.id] = copy
            while sum(kept.rows.nbytes for kept in self._copies.values()) > TOTAL_BYTES_MAX:
                self._copies.popitem(last=False)
        return copy


def _row(
    copy: Copy, keyed: Keyed, parameters: Sequence[object], wanted: pa.Schema
) -> pa.RecordBatch | None:
    """The row asked for, or none; None if only DuckDB can tell."""
    key = _key(keyed, copy, parameters)
    if key is None:
        return None
    rows = copy.shown(keyed.columns, wanted)
    if rows is None:
        return None
    place = copy.place(key)
    return rows.slice(0, 0) if place is None else rows.slice(place, 1)


def _read(table: Table, version: Version, duck: Duck) -> Copy | None:
    """The table as committed; None if it is too large."""
    names = copied(table)
    name = f"{quote(table.database)}.{quote(table.name)}"
    order = ", ".join(quote(name) for name in table.primary_key)
    sql = f"SELECT {', '.join(map(quote, names))} FROM {name} ORDER BY {order}"
    batches: list[pa.RecordBatch] = []
    held = 0
    result = duck.open(sql)
    try:
        for batch in result:
            batches.append(batch)
            held += batch.nbytes
            if held > BYTES_MAX:
                return None
    finally:
        result.close()
    kinds = {c.name: c.type.arrow for c in table.columns}
    schema = pa.schema([(name, kinds[name]) for name in names])
    try:
        found = pa.Table.from_batches(batches, result.schema).cast(schema).combine_chunks()
    except pa.ArrowInvalid:  # DuckDB's infinities, which coarse timestamps do not hold
        return None
    parts = found.to_batches()
    batch = parts[0] if parts else pa.RecordBatch.from_pylist([], schema=schema)
    return Copy(
        table, version, batch, tuple(_keys(batch.column(name)) for name in table.primary_key)
    )


def _keys(values: pa.Array) -> _INTEGERS | pa.Array:
    """A column of the key, as it is searched."""
    if not pa.types.is_integer(values.type):
        return values
    numbers: _INTEGERS = values.to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers


def _key(keyed: Keyed, copy: Copy, parameters: Sequence[object]) -> list[int | str] | None:
    """The values asked for; None for those that DuckDB would convert."""
    key: list[int | str] = []
    for node, values in zip(keyed.key, copy.keys, strict=True):
        value = constant(node, parameters)
        if isinstance(values, np.ndarray):
            if type(value) is not int or abs(value) >= 2**63:
                return None
            key.append(value)
        elif isinstance(value, str):
            key.append(value)
        else:
            return None
    return key
