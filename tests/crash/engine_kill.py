"""Kills the engine's process again and again while it writes, flushes, compacts, alters and drops.

`python -m tests.crash.engine_kill --rounds 1000`. Each round forks a child that opens the directory
and works; the parent kills it with SIGKILL at a random moment and lets another child compare what
is there with what was acknowledged. A writer's operations follow from its number alone, so that the
state after any count of them can be computed.
"""

from __future__ import annotations

import argparse
import os
import select
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any

import pyarrow as pa

from engine.api import Op, ScanRequest, Write
from engine.clock import SystemClock
from engine.datatypes import FLOAT64, INT64, STRING, TIMESTAMP_MILLISECOND
from engine.errors import DbError
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import MergeMode, RegionColumn, RegionOptions, RegionSchema, Semantic

OPTIONS = EngineOptions(
    wal_segment_bytes=64 << 10,
    wal_bytes_max=512 << 10,
    memtable_region_bytes=40 << 10,
    memtable_total_bytes=160 << 10,
    row_group_rows=200,
    manifest_checkpoint_actions=4,
    stall_seconds=60,
)
SCHEMA = RegionSchema(
    (
        RegionColumn("writer", STRING, Semantic.TAG, id=0),
        RegionColumn("series", INT64, Semantic.TAG, id=1),
        RegionColumn("ts", TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, nullable=False, id=2),
        RegionColumn("a", FLOAT64, Semantic.FIELD, id=3),
        RegionColumn("b", INT64, Semantic.FIELD, id=4),
    ),
    ("writer", "series"),
)
MODES = {
    1: RegionOptions(),
    2: RegionOptions(merge_mode=MergeMode.LAST_NON_NULL),
    3: RegionOptions(append_mode=True),
}
WRITERS = 3
SCRATCH = 100  # regions from here on are created and dropped again
ALTERER = 250  # who says how often a region was altered
_EVENT = struct.Struct("<BQ")
Rows = dict[tuple[int, tuple[Any, ...]], Any]


def operation(writer: int, number: int) -> list[tuple[int, Op, list[tuple[Any, ...]]]]:
    """What a writer does as its operation of that number: always the same."""
    random = Random(writer * 1_000_003 + number)
    done = []
    for region in random.sample(list(MODES), random.choice([1, 1, 2])):
        rows = [
            (
                random.randrange(8),
                random.randrange(40) * 600_000 + (number if region == 3 else 0),
                random.choice([None, float(number)]),
                random.choice([None, number]),
            )
            for _ in range(random.choice([1, 5, 60]))
        ]
        kind = Op.DELETE if region != 3 and random.random() < 0.2 else Op.PUT
        done.append((region, kind, rows))
    return done


def apply(state: Rows, writer: int, number: int) -> None:
    """The operation's effect on a model of the writer's rows."""
    for region, op, rows in operation(writer, number):
        for at, (series, ts, a, b) in enumerate(rows):
            key = (region, (series, ts) if region != 3 else (series, ts, number, at))
            if op is Op.DELETE:
                state.pop(key, None)
            elif region == 2:
                old = state.get(key, (None, None))
                state[key] = (old[0] if a is None else a, old[1] if b is None else b)
            else:
                state[key] = (a, b)


def to_write(writer: int, region: int, op: Op, rows: list[tuple[Any, ...]]) -> Write:
    """The same for the engine."""
    columns = list(zip(*((f"w{writer}", *row) for row in rows), strict=True))
    names = SCHEMA.arrow.names if op is Op.PUT else list(SCHEMA.sort_key)
    arrays = []
    for name, values in zip(names, columns, strict=False):
        type_ = SCHEMA.arrow.field(name).type
        stored = pa.int64() if pa.types.is_timestamp(type_) else type_
        arrays.append(pa.array(list(values), stored).cast(type_))
    fields = [SCHEMA.arrow.field(name) for name in names]
    return Write(region, op, pa.Table.from_arrays(arrays, schema=pa.schema(fields)), SCHEMA)


@dataclass
class Acknowledged:
    """What the parent knows to have happened."""

    done: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(WRITERS), 0))
    scratch: int = 0  # regions created and dropped so far
    altered: int = 0


# The child that works.


def work(directory: Path, known: Acknowledged, out: int) -> None:
    """Writes, flushes, compacts, alters and drops until it is killed."""
    regions = LocalRegions(directory, OPTIONS, SystemClock())
    tell(out, 255, 0)
    jobs: list[Callable[[], None]] = [
        *(lambda w=w: write_for_ever(regions, w, known.done[w], out) for w in range(WRITERS)),
        lambda: maintain(regions),
        lambda: change_schemas(regions, known.altered, out),
        lambda: create_and_drop(regions, known.scratch, out),
    ]
    threads = [Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def tell(out: int, who: int, number: int) -> None:
    os.write(out, _EVENT.pack(who, number))


def write_for_ever(regions: LocalRegions, writer: int, number: int, out: int) -> None:
    while True:
        number += 1
        writes = [to_write(writer, *part) for part in operation(writer, number)]
        if number % 7 == 0:
            name = f"w{writer}-{number}-{os.getpid()}"
            regions.prepare(name, writes)
            regions.commit_prepared(name)
        else:
            regions.write(writes)
        tell(out, writer, number)


def maintain(regions: LocalRegions) -> None:
    random = Random(os.getpid())
    while True:
        region = random.choice(list(MODES))
        random.choice([regions.flush, regions.flush, regions.compact])(region)


def change_schemas(regions: LocalRegions, number: int, out: int) -> None:
    while True:
        number += 1
        for region, options in MODES.items():
            regions.alter(region, schema_of(number), replace(options, trigger_files=2 + number % 3))
        tell(out, ALTERER, number)


def schema_of(number: int) -> RegionSchema:
    """The schema after so many changes: one column comes and goes, always a new one."""
    if number % 2 == 0:
        return replace(SCHEMA, version=number)
    column = RegionColumn(f"c{number}", INT64, Semantic.FIELD, id=4 + number)
    return RegionSchema((*SCHEMA.columns, column), SCHEMA.primary_key, number)


def create_and_drop(regions: LocalRegions, number: int, out: int) -> None:
    while True:
        number += 1
        region = SCRATCH + number
        regions.create(region, SCHEMA, MODES[1])
        regions.write([to_write(9, region, Op.PUT, [(1, 1, 1.0, 1)])])
        if number % 2:
            regions.flush(region)
        regions.drop(region)
        tell(out, SCRATCH, number)


# The child that looks.


def verify(directory: Path, known: Acknowledged, states: list[Rows], out: int) -> None:
    """Compares; tells how many operations of each writer there are. Raises: AssertionError."""
    regions = LocalRegions(directory, OPTIONS, SystemClock())
    for name in regions.prepared():
        regions.abort_prepared(name)
    extra = {r for r in regions.region_ids() if r >= SCRATCH} - {SCRATCH + known.scratch + 1}
    assert not extra, f"regions {extra} were dropped"
    found = [stored(regions, writer) for writer in range(WRITERS)]
    for writer, state in enumerate(states):
        number = known.done[writer]
        if found[writer] != state:
            number += 1  # the operation that was on its way has come through
            apply(state, writer, number)
        assert found[writer] == state, difference(writer, number, found[writer], state)
        tell(out, writer, number)
    for region in sorted(r for r in regions.region_ids() if r >= SCRATCH):
        regions.drop(region)
    regions.close()


def stored(regions: LocalRegions, writer: int) -> Rows:
    """What the engine has of a writer, in the model's form."""
    rows: Rows = {}
    for region in MODES:
        table = read(regions, region).filter(pa.compute.field("writer") == f"w{writer}")
        columns = [
            c.cast(pa.int64()) if pa.types.is_timestamp(c.type) else c for c in table.columns
        ]
        for _, series, ts, a, b in zip(*(c.to_pylist() for c in columns), strict=True):
            key: tuple[Any, ...] = (series, ts)
            if region == 3:  # rows without identity: told apart by counting equal ones
                number = ts % 600_000
                same = [
                    r for r, at in enumerate(numbered(writer, number)) if at == (series, ts, a, b)
                ]
                key = next(
                    (*key, number, r) for r in same if (region, (*key, number, r)) not in rows
                )
            assert (region, key) not in rows, f"region {region} holds {key} twice"
            rows[region, key] = (a, b)
    return rows


def numbered(writer: int, number: int) -> list[tuple[Any, ...]]:
    """The rows that an operation put into the region in append mode."""
    return [row for region, _, rows in operation(writer, number) if region == 3 for row in rows]


def read(regions: LocalRegions, region: int) -> pa.Table:
    """All live rows of a region."""
    from fix_engine import materialise  # imports DuckDB: only in the child that needs it

    columns = tuple(SCHEMA.arrow.names)
    snapshot = regions.scan(region, ScanRequest(columns))
    try:
        return materialise(snapshot, columns)
    finally:
        snapshot.close()


def difference(writer: int, number: int, found: Rows, state: Rows) -> str:
    lost = {key: value for key, value in state.items() if found.get(key) != value}
    more = {key: value for key, value in found.items() if state.get(key) != value}
    return f"writer {writer} after {number}: lost or other {lost}, not wanted {more}"


# The parent.


def in_child(job: Callable[[int], None]) -> tuple[int, int]:
    """Runs a job in a forked process; gives its id and the end of a pipe it writes to."""
    source, sink = os.pipe()
    pid = os.fork()
    if pid:
        os.close(sink)
        return pid, source
    try:
        os.close(source)
        job(sink)
    except BaseException as error:  # noqa: BLE001 - the parent reads the exit code
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def events(source: int, seconds: float) -> list[tuple[int, int]]:
    """What a child tells within so many seconds, or until it ends."""
    data, until = b"", time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not select.select([source], [], [], left)[0]:
            break
        part = os.read(source, 1 << 16)
        if not part:
            break
        data += part
    return list(_EVENT.iter_unpack(data[: len(data) // _EVENT.size * _EVENT.size]))


def kill_round(directory: Path, known: Acknowledged, states: list[Rows], random: Random) -> None:
    """Lets a child work for a moment, kills it, and compares. Raises: AssertionError."""
    pid, source = in_child(lambda out: work(directory, known, out))
    told = events(source, random.choice([0.02, 0.1, 0.3, 0.8]) + random.random() * 0.2)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    told += events(source, 10)
    os.close(source)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "the child ended by itself"
    learn(known, states, told)
    pid, source = in_child(lambda out: verify(directory, known, states, out))
    told = events(source, 120)
    os.close(source)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "what is there is not what was acknowledged"
    learn(known, states, told)


def learn(known: Acknowledged, states: list[Rows], told: list[tuple[int, int]]) -> None:
    for who, number in told:
        if who < WRITERS:
            for each in range(known.done[who] + 1, number + 1):
                apply(states[who], who, each)
            known.done[who] = number
        elif who == SCRATCH:
            known.scratch = number
        elif who == ALTERER:
            known.altered = number


def run(rounds: int, seed: int, directory: Path, rounds_per_directory: int = 25) -> int:
    """Kills so many times; gives the number of acknowledged operations. Raises: AssertionError."""
    random = Random(seed)
    operations = 0
    for first in range(0, rounds, rounds_per_directory):
        data = directory / f"data{first}"
        known, states = Acknowledged(), [Rows() for _ in range(WRITERS)]
        pid, source = in_child(lambda _, data=data: prepare(data))
        os.close(source)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        for number in range(first, min(first + rounds_per_directory, rounds)):
            try:
                kill_round(data, known, states, random)
            except AssertionError as error:
                raise AssertionError(f"round {number} of seed {seed}: {error}") from error
        operations += sum(known.done.values())
        shutil.rmtree(data)
    return operations


def prepare(directory: Path) -> None:
    regions = LocalRegions(directory, OPTIONS, SystemClock())
    for region, options in MODES.items():
        regions.create(region, SCHEMA, options)
    regions.close()


def main() -> int:
    """Prints what was found; 1 after a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1]))
    directory = options.directory or Path(tempfile.mkdtemp())
    started = time.monotonic()
    try:
        done = run(options.rounds, options.seed, directory)
    except (AssertionError, DbError) as error:
        print(f"{error}\nthe directory is kept: {directory}")
        return 1
    print(f"{options.rounds} kills, {done} operations, {time.monotonic() - started:.0f} s, no loss")
    return 0


if __name__ == "__main__":
    sys.exit(main())
