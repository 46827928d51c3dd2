"""Which times of which flows still have to be computed, held so that no crash forgets any.

Every write to regions passes `Ledger.writing`; the scheduler takes what is dirty and gives back
what failed. Only the least and greatest time of a write are looked at.

I1. Before rows of a flow's source are acknowledged, the flow's durable ranges cover their times.
I2. Rows are noted as dirty after they are visible: an evaluation that missed them is not the last.
I3. Durable ranges are a superset of what is dirty, being evaluated or being written.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from catalog.api import Catalog
from catalog.flows import Flow
from catalog.records import REGION_BITS, SERIES
from catalog.store import SYSTEM_SCHEMA
from engine.api import Write
from engine.series.index import SERIES_BITS
from sql.gate import CommitGate

_LOG = logging.getLogger(__name__)

Range = tuple[int, int]  # nanoseconds since 1970, both ends included
ALL: Range = (-(1 << 80), 1 << 80)
RANGES_MAX = 16  # a flow keeps no more: the nearest are joined
_PAD_NS = 600 * 10**9  # covered ahead, so that rows of now need a durable note every 10 minutes
_TABLE = f"{SYSTEM_SCHEMA}.flow_dirt"


def joined(ranges: Sequence[Range], most: int = RANGES_MAX) -> list[Range]:
    """The ranges without overlaps, in order, at most so many; what lies between may come along.

    >>> joined([(5, 9), (1, 6)])
    [(1, 9)]
    """
    found: list[Range] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    while len(found) > most:
        at = min(range(len(found) - 1), key=lambda i: found[i + 1][0] - found[i][1])
        found[at : at + 2] = [(found[at][0], found[at + 1][1])]
    return found


@dataclass
class _State:
    """What is known of one flow."""

    updated_ms: int
    windowed: bool
    dirty: list[Range] = field(default_factory=list)
    running: list[Range] = field(default_factory=list)
    writing: list[Range] = field(default_factory=list)
    durable: list[Range] = field(default_factory=list)


@dataclass(frozen=True)
class _Source:
    """A table that flows read."""

    time_index: str
    unit_ns: int
    flows: tuple[int, ...]
    metric: int = 0  # its number, if its rows are among others in a series store


class Ledger:
    """Every method may be called from any thread."""

    def __init__(
        self, catalog: Catalog, cursor: duckdb.DuckDBPyConnection, gate: CommitGate
    ) -> None:
        self._catalog = catalog
        self._gate = gate
        # Guarded by _lock.
        self._lock = Lock()
        self._cursor = cursor
        self._version = -1
        self._sources: dict[int, list[_Source]] = {}  # by the table with the regions
        self._states: dict[int, _State] = {}
        self._load()

    def _load(self) -> None:
        """What was not known to be computed when the server ended is dirty."""
        stored = dict(self._cursor.execute(f"SELECT flow_id, ranges FROM {_TABLE}").fetchall())
        self._follow()
        for flow_id, state in self._states.items():
            if flow_id in stored:
                state.durable = [(low, high) for low, high in json.loads(stored[flow_id])]
                state.dirty = list(state.durable) if state.windowed else [ALL]
        for flow_id in stored.keys() - self._states.keys():
            self._cursor.execute(f"DELETE FROM {_TABLE} WHERE flow_id = ?", [flow_id])

    def _follow(self) -> None:
        """Looks at the catalog again if it has changed. Requires: _lock, or nobody else is here."""
        version = self._catalog.version
        if version == self._version:
            return
        readers: dict[int, list[int]] = {}
        tables = {}
        states: dict[int, _State] = {}
        for flow in self._catalog.flows(self._cursor):
            states[flow.id] = self._state_of(flow)
            for database, name in flow.sources:
                table = self._catalog.table(self._cursor, database, name)
                if table is not None and table.is_time_series:
                    tables[table.id] = table
                    readers.setdefault(table.id, []).append(flow.id)
        self._states = states
        self._sources = {}
        for table_id, table in tables.items():
            column = table.column(table.time_index or "")
            assert column is not None
            unit = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[column.type.arrow.unit]
            home = self._catalog.table_of(self._cursor, table.home_id) or table
            name = str(home.time_index) if table.metric else column.name
            source = _Source(name, unit, tuple(readers[table_id]), table.metric)
            self._sources.setdefault(table.home_id, []).append(source)
        self._version = version

    def _state_of(self, flow: Flow) -> _State:
        known = self._states.get(flow.id)
        if known is not None and known.updated_ms == flow.updated_ms:
            return known
        state = known or _State(flow.updated_ms, flow.windowed)
        state.updated_ms, state.windowed = flow.updated_ms, flow.windowed
        if not flow.windowed:
            state.dirty = [ALL]
        return state

    @contextmanager
    def writing(self, writes: Sequence[Write]) -> Iterator[None]:
        """Around making rows durable and visible. Requires: the gate is not passed inside already.

        Costs a comparison where no flow is concerned. Raises: nothing of its own.
        """
        if self._catalog.version != self._version:
            with self._lock:
                self._follow()
        marks = self._marks(writes) if self._sources else []
        if not marks:
            yield
            return
        self._begin(marks)
        try:
            yield
        finally:
            self._end(marks)

    def _marks(self, writes: Sequence[Write]) -> list[tuple[_State, Range]]:
        sources, states = self._sources, self._states
        found = []
        for write in writes:
            for source in sources.get(write.region_id >> REGION_BITS, ()):
                rows = _rows_of(write, source)
                if rows.num_rows:
                    touched = _times(rows, source)
                    found += [(states[id_], touched) for id_ in source.flows if id_ in states]
        return found

    def _begin(self, marks: Sequence[tuple[_State, Range]]) -> None:
        with self._lock:
            uncovered = {}
            for state, touched in marks:
                state.writing.append(touched)
                if state.windowed and not _covered(touched, state.durable):
                    uncovered[id(state)] = state
            for state in uncovered.values():
                padded = [(low, high + max(_PAD_NS, high - low)) for low, high in state.writing]
                self._store(state, [*state.dirty, *state.running, *padded])

    def _end(self, marks: Sequence[tuple[_State, Range]]) -> None:
        with self._lock:
            for state, touched in marks:
                state.writing.remove(touched)
                state.dirty = joined([*state.dirty, touched])

    def _store(self, state: _State, ranges: Sequence[Range]) -> None:
        """Makes a flow's ranges durable. Requires: _lock."""
        flow_id = next((id_ for id_, known in self._states.items() if known is state), None)
        if flow_id is None:
            return
        wanted = joined(ranges)
        try:
            with self._gate.passing():
                self._cursor.execute("BEGIN TRANSACTION")
                self._cursor.execute(f"DELETE FROM {_TABLE} WHERE flow_id = ?", [flow_id])
                text = json.dumps(wanted)
                self._cursor.execute(f"INSERT INTO {_TABLE} VALUES (?, ?)", [flow_id, text])
                self._cursor.execute("COMMIT")
            state.durable = wanted
        except duckdb.Error as error:
            # Rows are worth more than what is computed of them: the write goes on.
            _LOG.error("flow %d: what is to be computed could not be stored: %s", flow_id, error)
            try:
                self._cursor.execute("ROLLBACK")
            except duckdb.Error:
                _LOG.debug("there was no transaction left to roll back")

    def is_dirty(self, flow_id: int) -> bool:
        """True if rows came that no evaluation has seen."""
        with self._lock:
            self._follow()
            state = self._states.get(flow_id)
            return state is not None and bool(state.dirty)

    def take(self, flow_id: int) -> list[Range]:
        """What is to be evaluated now. Requires: `give_back` of an earlier one was called."""
        with self._lock:
            self._follow()
            state = self._states.get(flow_id)
            if state is None:
                return []
            state.running, state.dirty = state.dirty, []
            return list(state.running)

    def give_back(self, flow_id: int, *, failed: bool) -> None:
        """The evaluation of what was taken has ended."""
        with self._lock:
            state = self._states.get(flow_id)
            if state is None:
                return
            if failed:
                state.dirty = joined([*state.dirty, *state.running])
            state.running = []

    def close(self) -> None:
        """Stores what is dirty exactly. Requires: nobody writes any more."""
        with self._lock:
            for state in self._states.values():
                wanted = joined([*state.dirty, *state.running, *state.writing])
                if state.windowed and wanted != state.durable:
                    self._store(state, wanted)
            self._cursor.close()


def _rows_of(write: Write, source: _Source) -> pa.Table:
    """The rows that are the source's."""
    if not source.metric:
        return write.rows
    numbers = pc.shift_right(write.rows.column(SERIES), SERIES_BITS)
    return write.rows.filter(pc.equal(numbers, source.metric))


def _times(rows: pa.Table, source: _Source) -> Range:
    if source.time_index not in rows.column_names:  # renamed since the write was planned
        return ALL
    ends = pc.min_max(rows.column(source.time_index))
    low, high = ends["min"].value, ends["max"].value
    if low is None or high is None:
        return ALL
    return low * source.unit_ns, high * source.unit_ns


def _covered(wanted: Range, ranges: Sequence[Range]) -> bool:
    return any(low <= wanted[0] and wanted[1] <= high for low, high in ranges)
