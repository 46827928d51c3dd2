"""One seeded history: random steps done to the engine and to the model, with failures between.

`run_seed` raises AssertionError (with the steps so far) at the first difference. The same seed
always makes the same history.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
from fix_engine import ALWAYS, rows_in
from simulated_disk import SimulatedDisk
from simulated_model import ModelRegion, Row, canonical, cast, initial, to_write

from engine.api import KeyFilter, Op, ScanRequest, TimeRange, Write
from engine.clock import ManualClock
from engine.datatypes import FLOAT64, INT64, STRING, TIMESTAMP_MILLISECOND, DataType
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import MergeMode, RegionColumn, RegionOptions, RegionSchema, Semantic

START_MS = 1_000_000
VALUES: dict[DataType, list[Any]] = {
    INT64: [0, 1, 7, -3, None],
    FLOAT64: [0.0, -0.0, 1.5, 2.0, float("nan"), None],
    STRING: ["", "x", "7", "1.5", "é\x00", None],
}
FIRST = RegionSchema(
    (
        RegionColumn("host", STRING, Semantic.TAG, id=0),
        RegionColumn("core", INT64, Semantic.TAG, id=1),
        RegionColumn("ts", TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, nullable=False, id=2),
        RegionColumn("a", FLOAT64, Semantic.FIELD, id=3),
        RegionColumn("b", STRING, Semantic.FIELD, id=4),
    ),
    ("host", "core"),
)
MODES = (
    RegionOptions(),
    RegionOptions(merge_mode=MergeMode.LAST_NON_NULL),
    RegionOptions(append_mode=True),
)
States = dict[int, ModelRegion]


class Simulation:
    """A seed's engine, disk and model."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.random = Random(seed)
        self.disk = SimulatedDisk(directory, Random(seed + 1))
        self.clock = ManualClock(START_MS)
        self.options = EngineOptions(
            wal_segment_bytes=self.random.choice([500, 4000, 1 << 20]),
            row_group_rows=self.random.choice([2, 7, 1000]),
            manifest_checkpoint_actions=self.random.choice([1, 3, 32]),
            compaction_threads=0,
        )
        self.models: States = {}
        self.past: dict[int, RegionSchema] = {}
        self.next_column = 5
        self.prepared: list[tuple[str, list[tuple[int, Op, RegionSchema, list[Row]]]]] = []
        self.transactions = 0
        self.rolls_forward = False  # the last change was an ALTER
        self.log: list[str] = []
        self.engine = self.open()
        for region_id in (1, 2):
            mode = self.random.choice(MODES)
            self.engine.create(region_id, FIRST, mode)
            self.models[region_id] = ModelRegion(FIRST, mode)
            self.past[region_id] = FIRST

    def open(self) -> LocalRegions:
        return LocalRegions(
            self.disk.directory,
            self.options,
            self.clock,
            store=self.disk.store,
            log_folder=self.disk.log,
        )

    # Steps.

    def run(self, steps: int) -> None:
        """Does random steps, then compares a last time after a restart."""
        choices: list[tuple[int, Callable[[], None]]] = [
            (9, self.write),
            (1, self.write_often),
            (2, self.prepare),
            (2, self.decide),
            (4, self.flush),
            (3, self.compact),
            (1, self.collect),
            (2, self.alter),
            (1, self.age),
            (3, self.look),
            (1, self.reopen),
            (2, self.crash_in_a_step),
            (2, self.fail_in_a_step),
        ]
        weights = [weight for weight, _ in choices]
        for _ in range(steps):
            step = self.random.choices(choices, weights)[0][1]
            self.log.append(step.__name__)
            step()
        self.compare()
        self.reopen()
        self.compare()
        self.engine.close()

    def region_id(self) -> int:
        return self.random.choice(list(self.models))

    def rows(self, schema: RegionSchema) -> list[Row]:
        return [self.row(schema) for _ in range(self.random.choice([1, 1, 2, 3, 6, 20]))]

    def row(self, schema: RegionSchema) -> Row:
        return {id_: self.value(column) for id_, column in schema.by_id.items()}

    def value(self, column: RegionColumn) -> Any:
        if column.semantic is Semantic.TIMESTAMP:
            return START_MS + self.random.choice([0, 1, 2, 3, 3_600_000, 90_000_000])
        if column.semantic is Semantic.TAG:
            return self.random.choice(["a", "b", None] if column.type == STRING else [1, None])
        return self.random.choice(VALUES[column.type])

    def batch(self, region_id: int) -> list[tuple[int, Op, RegionSchema, list[Row]]]:
        """A put, a delete, or both (an update) in the current schema or the one before it."""
        model = self.models[region_id]
        schema = self.past[region_id] if self.random.random() < 0.1 else model.schema
        put = (region_id, Op.PUT, schema, self.rows(schema))
        gone = self.some_rows(model, schema)
        delete = (region_id, Op.DELETE, schema, gone)
        return self.random.choice([[put], [put], [delete], [delete, put]])

    def some_rows(self, model: ModelRegion, schema: RegionSchema) -> list[Row]:
        """Rows to delete: often some that exist."""
        rows = self.rows(schema)
        if schema is model.schema and model.rows:
            rows += self.random.sample(model.rows, min(2, len(model.rows)))
        return [{**row} for row in rows]

    def batches(self) -> list[tuple[int, Op, RegionSchema, list[Row]]]:
        found = self.batch(self.region_id())
        return found + (self.batch(self.region_id()) if self.random.random() < 0.3 else [])

    def writes(self, batches: list[tuple[int, Op, RegionSchema, list[Row]]]) -> list[Write]:
        return [
            to_write(region_id, op, schema, self.models[region_id].options, rows)
            for region_id, op, schema, rows in batches
        ]

    def write(self) -> None:
        batches = self.batches()
        self.change(lambda: self.engine.write(self.writes(batches)), lambda: self.apply(batches))

    def write_often(self) -> None:
        """Many writes of different sizes: a memtable merges them by size."""
        for _ in range(self.random.randint(10, 40)):
            self.write()

    def apply(self, batches: list[tuple[int, Op, RegionSchema, list[Row]]]) -> None:
        for region_id, op, schema, rows in batches:
            self.models[region_id].apply([(op, schema, rows)])

    def prepare(self) -> None:
        self.transactions += 1
        name, batches = f"t{self.transactions}", self.batches()
        self.change(
            lambda: self.engine.prepare(name, self.writes(batches)),
            lambda: self.prepared.append((name, batches)),
        )

    def decide(self) -> None:
        if not self.prepared:
            return
        entry = self.random.choice(self.prepared)
        name, batches = entry
        commits = self.random.random() < 0.7

        def model() -> None:
            self.prepared.remove(entry)
            if commits:
                self.apply(batches)

        decide = self.engine.commit_prepared if commits else self.engine.abort_prepared
        self.change(lambda: decide(name), model)

    def flush(self) -> None:
        region_id = self.region_id()
        self.change(lambda: self.engine.flush(region_id), lambda: None)

    def compact(self) -> None:
        region_id, kind = self.region_id(), self.random.choice(["due", "all", "strict"])

        def work() -> None:
            if kind == "due":
                self.engine.compact_due(region_id)
            else:
                window = 3_600_000 if kind == "strict" else None
                self.engine.compact(region_id, window, strict=kind == "strict")

        self.change(work, lambda: None)

    def collect(self) -> None:
        region_id = self.region_id()
        self.clock.advance(self.random.choice([0, 700_000]))
        self.change(lambda: self.engine.collect(region_id) and None, lambda: None)

    def alter(self) -> None:
        region_id = self.region_id()
        model = self.models[region_id]
        options = model.options
        if self.random.random() < 0.15:
            options = replace(options, append_mode=True, merge_mode=MergeMode.LAST_ROW)
        schema = self.altered(model.schema)
        if any(region == region_id for _, batch in self.prepared for region, *_ in batch):
            options = model.options  # a deletion by key cannot be applied in append mode

        def change() -> None:
            self.past[region_id] = model.schema if options == model.options else schema
            self.models[region_id].alter(schema, options)

        self.rolls_forward = True
        self.change(lambda: self.engine.alter(region_id, schema, options), change)

    def altered(self, schema: RegionSchema) -> RegionSchema:
        """A column more, less, renamed, moved or of another type; now and then a tag more."""
        columns = list(schema.columns)
        fields = [c for c in columns if c.semantic is Semantic.FIELD]
        key = schema.primary_key
        kind = self.random.choice(["add", "add", "drop", "rename", "type", "type", "tag"])
        if kind in ("add", "tag") and len(columns) < 9:
            type_ = STRING if kind == "tag" else self.random.choice(list(VALUES))
            first = self.random.choice(["z", None] if kind == "tag" else VALUES[type_])
            semantic = Semantic.TAG if kind == "tag" else Semantic.FIELD
            scalar = None if first is None else pa.scalar(first, type_.arrow)
            name = self.random.choice([f"c{self.next_column}", "x", "y"])
            if any(c.name == name for c in columns):
                return schema
            new = RegionColumn(name, type_, semantic, True, self.next_column, scalar)
            self.next_column += 1
            columns.insert(self.random.randint(0, len(columns)), new)
            key += (name,) if kind == "tag" else ()
        elif kind == "drop" and len(fields) > 1:
            columns.remove(self.random.choice(fields))
        elif fields:
            old = self.random.choice(fields)
            new = replace(old, name=f"{old.name[:1]}{schema.version}")
            if kind == "type":
                type_ = self.random.choice([t for t in VALUES if t != old.type])
                first = cast(initial(old), type_)
                scalar = None if first is None else pa.scalar(first, type_.arrow)
                new = replace(old, type=type_, past=(*old.past, old.type), initial=scalar)
            if any(c.name == new.name for c in columns if c is not old):
                return schema
            columns[columns.index(old)] = new
        return RegionSchema(tuple(columns), key, schema.version + 1)

    def age(self) -> None:
        """Time goes on; a region may get a time to live, never a longer one."""
        self.clock.advance(self.random.choice([1, 3_600_000]))
        region_id = self.region_id()
        model = self.models[region_id]
        ttl = min(model.options.ttl_ms or 2**40, self.random.choice([2, 4_000_000, 2**40]))
        options = replace(model.options, ttl_ms=ttl)

        def change() -> None:
            self.models[region_id].alter(model.schema, options)

        self.change(lambda: self.engine.alter(region_id, model.schema, options), change)

    # Looking.

    def look(self) -> None:
        """A scan of everything, or for some times, tags, newest rows, with staged writes."""
        if self.random.random() < 0.2:
            self.compare()
            return
        region_id = self.region_id()
        model = self.models[region_id].copy()
        staged: tuple[Write, ...] = ()
        if self.random.random() < 0.4:
            batches = self.batch(region_id)
            staged = tuple(self.writes(batches))
            model.apply([(op, schema, rows) for _, op, schema, rows in batches])
        wanted = ALWAYS
        if self.random.random() < 0.4:
            start = START_MS + self.random.choice([0, 1, 2, 3_600_000])
            wanted = TimeRange(start, start + self.random.choice([1, 2, 100_000_000]))
        keys = tuple(self.filters(model.schema))
        latest = self.random.random() < 0.3
        request = ScanRequest((), wanted, staged, keys, latest, model.schema)
        found = self.engine_rows(region_id, request)
        expected = model.visible(self.clock.now_ms(), wanted)
        narrow = [passing(rows, model.schema, keys) for rows in (found, expected)]
        if latest:
            narrow = [newest(rows, model.schema) for rows in narrow]
        same(narrow[0], narrow[1], f"region {region_id}, {keys}, {wanted}, latest {latest}")

    def filters(self, schema: RegionSchema) -> Iterator[KeyFilter]:
        """Some values of some tags."""
        for name in schema.primary_key:
            if self.random.random() < 0.3:
                is_text = schema.by_id[schema.ids[name]].type == STRING
                values = self.random.sample(["a", "b", "z", "q"] if is_text else [1, 2, 9], 2)
                yield KeyFilter(name, tuple(values[: self.random.randint(1, 2)]))

    def engine_rows(self, region_id: int, request: ScanRequest) -> list[tuple[Any, ...]]:
        assert request.schema is not None
        rows = rows_in(self.engine, request.schema, region_id, request=request)
        return sorted((tuple(canonical(value) for value in row) for row in rows), key=repr)

    def all_rows(self, region_id: int, schema: RegionSchema) -> list[tuple[Any, ...]]:
        return self.engine_rows(region_id, ScanRequest((), schema=schema))

    def compare(self) -> None:
        for region_id, model in self.models.items():
            found = self.all_rows(region_id, model.schema)
            same(found, model.visible(self.clock.now_ms()), f"region {region_id}")

    def matches(self, models: States) -> bool:
        return all(
            self.all_rows(region_id, model.schema) == model.visible(self.clock.now_ms())
            for region_id, model in models.items()
        )

    # Failures.

    def change(self, engine: Callable[[], None], model: Callable[[], None]) -> None:
        """A step that changes something."""
        engine()
        model()

    def reopen(self) -> None:
        self.engine.close()
        self.engine = self.open()
        assert self.engine.prepared() == {name for name, _ in self.prepared}

    def faulty_step(self) -> Callable[[], None]:
        steps = [self.write, self.write, self.flush, self.compact, self.alter, self.prepare]
        step = self.random.choice([*steps, self.decide])
        self.log.append(f"  {step.__name__}")
        return step

    def fail_in_a_step(self) -> None:
        """The disk fails or is full for some calls: what fails has no effect, reads go on."""
        self.disk.arm(
            self.random.randint(0, 6),
            count=self.random.choice([1, 1, 2, 5]),
            code=self.random.choice([errno.EIO, errno.ENOSPC]),
        )

        def attempt(engine: Callable[[], None], model: Callable[[], None]) -> None:
            kinds = (ErrorKind.DISK_FULL, ErrorKind.STORAGE_UNAVAILABLE)
            try:
                engine()
            except DbError as error:
                if error.kind not in kinds:
                    raise AssertionError(f"not the disk's error: {error!r}") from error
                self.log.append(f"  {error.message}")
            else:
                model()

        self.with_change(attempt, self.faulty_step())
        self.disk.heal()
        self.compare()

    def crash_in_a_step(self) -> None:
        """The power goes during a step: afterwards it was done whole, or not at all."""
        self.disk.arm(self.random.randint(0, 12), count=1 << 60, late=self.random.random() < 0.3)
        outcomes: list[Callable[[], None]] = []
        self.rolls_forward = False

        def attempt(engine: Callable[[], None], model: Callable[[], None]) -> None:
            try:
                engine()
            except DbError:
                outcomes.append(model)  # it may have happened all the same
            else:
                model()

        self.with_change(attempt, self.faulty_step())
        self.crash()
        self.settle(outcomes)

    def with_change(self, attempt: Callable[..., None], step: Callable[[], None]) -> None:
        self.change = attempt  # type: ignore[method-assign]
        try:
            with suppress(DbError):  # `alter` repeats itself, as the catalog does
                step()
        finally:
            del self.change

    def crash(self) -> None:
        if not self.disk.has_failed:
            self.disk.arm(0, count=1 << 60)
        with suppress(DbError, OSError):
            self.engine.close()
        self.disk.lose_power()
        self.engine = self.open()

    def settle(self, outcomes: list[Callable[[], None]]) -> None:
        """Finds out which of the possible outcomes it was, and goes on from there."""
        done = self.engine.prepared()
        if not outcomes:
            assert done == {name for name, _ in self.prepared}
            self.compare()
            return
        if self.rolls_forward:  # the catalog's commit has decided: it is done again
            for outcome in outcomes:
                outcome()
            for region_id, model in self.models.items():
                self.engine.alter(region_id, model.schema, model.options)
        elif done != {name for name, _ in self.prepared} or not self.matches(self.models):
            for outcome in outcomes:
                outcome()
        assert done == {name for name, _ in self.prepared}
        self.compare()


def passing(
    rows: list[Any], schema: RegionSchema, keys: Sequence[KeyFilter]
) -> list[tuple[Any, ...]]:
    """The rows that pass all filters."""
    at = {column.name: i for i, column in enumerate(schema.columns)}
    return [row for row in rows if all(row[at[key.column]] in key.values for key in keys)]


def newest(rows: list[Any], schema: RegionSchema) -> list[tuple[Any, ...]]:
    """The rows of each series with the greatest time."""
    names = [column.name for column in schema.columns]
    tags, time = [names.index(tag) for tag in schema.primary_key], names.index(schema.time_index)
    last: dict[tuple[Any, ...], int] = {}
    for row in rows:
        series = tuple(row[tag] for tag in tags)
        last[series] = max(last.get(series, row[time]), row[time])
    return [row for row in rows if row[time] == last[tuple(row[tag] for tag in tags)]]


def same(found: list[Any], expected: list[Any], where: str) -> None:
    """Raises: AssertionError with the rows that differ."""
    if found != expected:
        more = [row for row in found if row not in expected]
        less = [row for row in expected if row not in found]
        raise AssertionError(f"{where}: {len(found)} rows, not wanted {more}, missing {less}")


def run_seed(seed: int, directory: Path, steps: int = 30) -> None:
    """Runs one history. Raises: AssertionError with what was done."""
    simulation = Simulation(seed, directory)
    try:
        simulation.run(steps)
    except BaseException as error:
        history = "\n".join(simulation.log)
        raise AssertionError(f"seed {seed}: {error!r}\n{history}") from error
