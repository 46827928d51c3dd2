"""Rows of one time-series table as Arrow, without a statement: what PromQL's sources read.

Called by sql/promql. It plans nothing: the caller says which columns, times and keys it wants. What
a session's open transaction has staged is seen; what the time to live has ended is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog.records import Table
from engine.api import ALWAYS, KeyFilter, ScanRequest, Snapshot, TimeRange
from engine.errors import DbError, ErrorKind
from sql.partition.prune import wanted_regions
from sql.plan.tables import Reference
from sql.run.pin import pin
from sql.run.relation import relation
from sql.run.scan import Runner
from sql.types import quote

_MEMORY_ROWS_MAX = 50_000  # more are grouped faster by DuckDB


@dataclass(frozen=True)
class Wanted:
    """What to read of a table.

    `keys` only prune. `condition` is DuckDB text over the columns of `f`, empty for none; rows that
    it is not true of may come as well. Beyond `rows_max` rows is LIMIT_EXCEEDED.
    """

    table: Table
    columns: tuple[str, ...]
    time_range: TimeRange = ALWAYS
    keys: tuple[KeyFilter, ...] = ()
    condition: str = ""
    rows_max: int = 2**62


@dataclass(frozen=True)
class Groups:
    """Rows, those with equal values of some columns together.

    Attributes:
        keys: these columns, one row per group; several groups may be equal.
        sizes: rows of each group; None: one.
        values: the other columns, group after group.
    """

    keys: pa.Table
    sizes: NDArray[np.int64] | None
    values: pa.Table


def read_groups(runner: Runner, wanted: Wanted, by: Sequence[str]) -> Groups:
    """The rows, by some of the wanted columns; times may come as microseconds.

    Raises: DbError LIMIT_EXCEEDED, CANCELLED, and what scans raise.
    """
    others = [name for name in wanted.columns if name not in by]
    with ExitStack() as stack:
        source = _Source(runner, wanted, stack)
        rows = source.in_memory()
        if rows is None and by:
            source.check_count()
            lists = source.from_files(_grouping(by, others))
            sizes = pc.list_value_length(lists.column(others[0])).to_numpy().astype(np.int64)
            values = [pc.list_flatten(lists.column(name)) for name in others]
            return Groups(lists.select(by), sizes, pa.table(values, names=others))
        if rows is None:
            rows = source.from_files(_listing("SELECT", others))
        return Groups(rows.select(by), None, rows.select(others))


def read_distinct(runner: Runner, wanted: Wanted) -> pa.Table:
    """The rows; equal ones may come once. Raises: as `read_groups`."""
    with ExitStack() as stack:
        source = _Source(runner, wanted, stack)
        rows = source.in_memory()
        if rows is None:
            rows = source.from_files(_listing("SELECT DISTINCT", wanted.columns))
        return rows


def _listing(verb: str, names: Sequence[str]) -> str:
    return f"{verb} {', '.join(f'f.{quote(name)}' for name in names)} FROM {{}}"


def _grouping(by: Sequence[str], others: Sequence[str]) -> str:
    """One list a group: text is made once for each of them, not for each row."""
    keys = ", ".join(f"f.{quote(name)}" for name in by)
    lists = ", ".join(f"list(f.{quote(name)}) AS {quote(name)}" for name in others)
    return f"SELECT {keys}, {lists} FROM {{}} GROUP BY {keys}"


def _is_converted(wanted: Wanted) -> bool:
    """True if a region keeps one of the columns as something else."""
    arrow = wanted.table.region_schema().arrow
    columns = [c for c in wanted.table.columns if c.name in wanted.columns]
    return any(arrow.field(c.name).type != c.type.arrow for c in columns)


class _Source:
    """The pinned rows of a table while they are read."""

    def __init__(self, runner: Runner, wanted: Wanted, stack: ExitStack) -> None:
        schema = wanted.table.region_schema()
        self._runner = runner
        self._wanted = wanted
        self._stack = stack
        self._reference = Reference("", "f", 0, wanted.table, schema, wanted.columns)
        self._metric = runner.metrics.scan(self._reference, wanted.keys)
        self._snapshots = self._pinned()

    def _pinned(self) -> tuple[Snapshot, ...]:
        runner, wanted = self._runner, self._wanted
        staged = runner.staged()
        reference, keys = self._reference, wanted.keys
        if self._metric is not None:
            reference, keys = self._metric.reference, self._metric.keys

        def scan(region_id: int) -> Snapshot:
            request = ScanRequest(
                columns=reference.columns,
                time_range=wanted.time_range,
                staged=tuple(write for write in staged if write.region_id == region_id),
                keys=keys,
                schema=reference.schema,
            )
            return runner.regions.scan(region_id, request)

        def present() -> tuple[int, tuple[int, ...]]:
            table = runner.table_of(wanted.table.id) or wanted.table
            regions = wanted_regions(table, self._reference, (), wanted.time_range)
            return len(table.row_regions), regions

        return pin(present, scan, runner.regions.scanning_several, self._stack).snapshots

    def in_memory(self) -> pa.Table | None:
        """All rows if they are few and need no file: DuckDB would only copy them."""
        if self._metric is not None or _is_converted(self._wanted):
            return None
        if any(snapshot.files for snapshot in self._snapshots):
            return None
        found = [t for s in self._snapshots for t in (s.memory, s.selected) if t is not None]
        count = sum(table.num_rows for table in found)
        _check(count, self._wanted)
        if count > _MEMORY_ROWS_MAX:
            return None
        tables = [table.select(self._wanted.columns) for table in found if table.num_rows]
        if tables:
            return pa.concat_tables(tables, promote_options="permissive")
        arrow = self._wanted.table.region_schema().arrow
        return pa.schema([arrow.field(name) for name in self._wanted.columns]).empty_table()

    def check_count(self) -> None:
        """Counts rows where there may be too many. Raises: DbError LIMIT_EXCEEDED."""
        most = 0
        for snapshot in self._snapshots:
            most += sum(file.rows for file in snapshot.files) + snapshot.memory.num_rows
            most += 0 if snapshot.selected is None else snapshot.selected.num_rows
        if most > self._wanted.rows_max:
            counted = self.from_files("SELECT count(*) FROM {}")
            _check(counted.column(0)[0].as_py(), self._wanted)

    def from_files(self, query: str) -> pa.Table:
        """What a query over `{}`, the rows, gives. Raises: DbError LIMIT_EXCEEDED."""
        duck, wanted = self._runner.duck, self._wanted
        duck.settle()
        if self._metric is None:
            rows = relation(self._reference, self._snapshots, self._register, fine=True)
        else:
            inner = relation(self._metric.reference, self._snapshots, self._register, fine=True)
            rows = self._metric.wrap(inner, self._register)
        if wanted.condition:
            rows = f"(SELECT * FROM {rows} AS f WHERE {wanted.condition})"
        result = duck.open(query.format(f"{rows} AS f"))
        batches, count = [], 0
        try:
            for batch in result:
                batches.append(batch)
                count += batch.num_rows
                _check(count, wanted)
        finally:
            result.close()
        return pa.Table.from_batches(batches, result.schema)

    def _register(self, table: pa.Table) -> str:
        name = self._runner.duck.register(table)
        self._stack.callback(self._runner.duck.unregister, [name])
        return name


def _check(count: int, wanted: Wanted) -> None:
    if count > wanted.rows_max:
        raise DbError(
            ErrorKind.LIMIT_EXCEEDED,
            f'the query would load more than {wanted.rows_max} samples of "{wanted.table.name}"',
            hint="select fewer series or a shorter time",
        )
