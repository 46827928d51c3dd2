"""TSBS's questions about CPU readings, beside DuckDB on one ideal sorted Parquet file.

python -m bench tsbs

4.32 M rows of 1000 hosts over 12 hours go into a table; both sides answer the same questions with
the same parameters in turn and give Arrow batches, in this process, with the same threads.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from bench import tsbs_questions
from bench.report import Figure
from bench.tsbs_questions import Question
from engine.api import KeyFilter, Op, ScanRequest, TimeRange, Write
from engine.schema import RegionSchema
from sql.client_session import ClientSession
from sql.database import Database, DatabaseOptions
from sql.results import Rows
from sql.session import ClientInfo, Wire

HOSTS = 1000
STEP_MS = 10_000
START_MS = 1_704_067_200_000  # 2024-01-01
BATCH_STEPS = 50
TAGS = (
    *("hostname", "region", "datacenter", "rack", "os", "arch", "team"),
    *("service", "service_version", "service_environment"),
)
FIELDS = (
    *("usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait"),
    *("usage_irq", "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice"),
)
_KINDS = {"region": 9, "datacenter": 25, "rack": 100, "os": 3, "arch": 2, "team": 4}
TEXTS = 8  # other hosts and times of one question
SLOW_MS = 100.0  # of slower questions two are enough
WARM_UPS = 3
MEMORY_ROWS = 300_000
LATE_SHARE = 0.01
SMALL_FILES = 5_000
SMALL_FILE_HOSTS = 20
SMALL_FILE_STEPS = 6  # a minute each


def ddl(name: str, options: str = "") -> str:
    """The table, tags in TSBS's order."""
    tags = ", ".join(f"{tag} STRING" for tag in TAGS)
    fields = ", ".join(f"{field} DOUBLE" for field in FIELDS)
    keys = f"TIME INDEX (ts), PRIMARY KEY ({', '.join(TAGS)})"
    return f"CREATE TABLE {name} ({tags}, ts TIMESTAMP(3), {fields}, {keys}){options}"


def readings(first: int, steps: int, hosts: int = HOSTS, count: int = 0) -> pa.Table:
    """All hosts at each of some instants; `count` takes only so many rows of them, at random."""
    random_ = np.random.default_rng(first + 1)
    number = np.arange(first * hosts, (first + steps) * hosts)
    if count:
        number = np.sort(random_.choice(number, count, replace=False))
    host = number % hosts
    columns: dict[str, pa.Array] = {}
    for place, tag in enumerate(TAGS):
        kinds = hosts if tag == "hostname" else _KINDS.get(tag, 20)
        word = "host" if tag == "hostname" else tag
        names = pa.array([f"{word}_{i}" for i in range(kinds)])
        columns[tag] = names.take(pa.array((host * (place * 7 + 1)) % kinds))
    columns["ts"] = pa.array(START_MS + number // hosts * STEP_MS, pa.timestamp("ms"))
    for field in FIELDS:
        columns[field] = pa.array(random_.integers(0, 101, len(number)).astype(np.float64))
    return pa.table(columns)


class Ours:
    """A database in a directory, asked by a session as a PostgreSQL client's would be."""

    def __init__(self, directory: Path) -> None:
        self.database = Database.open(directory, DatabaseOptions())
        client = ClientInfo(user="bench", database="public", address="127.0.0.1:1")
        session = self.database.connect(Wire.POSTGRES, client)
        assert isinstance(session, ClientSession)
        self.session = session

    def ask(self, text: str) -> pa.Table:
        """All rows of a query."""
        for statement in self.session.parse(text):
            result = self.session.execute(statement)
            if not isinstance(result, Rows):
                return pa.table({})
            schema = pa.schema([pa.field(c.name, c.type.arrow) for c in result.columns])
            try:
                return pa.Table.from_batches(list(result), schema)
            finally:
                result.close()
        raise AssertionError(text)

    def region(self, name: str) -> tuple[int, RegionSchema]:
        """The id and the schema of a table's only region."""
        table = self.session.catalog.table(self.session.duck.cursor, "public", name)
        assert table is not None
        return table.region_ids[0], table.region_schema()

    def load(self, name: str, parts: Iterator[pa.Table]) -> None:
        """Writes rows; they stay in memory as long as the engine likes."""
        region_id, schema = self.region(name)
        for part in parts:
            rows = part.select(schema.arrow.names).cast(schema.arrow)
            self.database.regions.write([Write(region_id, Op.PUT, rows)])

    def settle(self, name: str) -> None:
        """Flushes, and compacts where the engine can."""
        region_id, _ = self.region(name)
        self.database.regions.flush(region_id)
        self.database.regions.compact(region_id)


class Ideal:
    """DuckDB alone, on one file in the best order."""

    def __init__(self, path: Path, parts: Iterator[pa.Table]) -> None:
        self.connection = duckdb.connect(":memory:")
        rows = pa.concat_tables(list(parts))
        self.connection.register("source", rows)
        order = ", ".join((*TAGS, "ts"))
        self.connection.execute(
            f"COPY (SELECT * FROM source ORDER BY {order}) TO '{path}' (FORMAT parquet, "
            "COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
        )
        self.connection.unregister("source")
        self.connection.execute(f"CREATE VIEW cpu AS SELECT * FROM read_parquet('{path}')")
        self.connection.execute("SET parquet_metadata_cache = true")

    def ask(self, text: str) -> pa.Table:
        """All rows of a query."""
        return self.connection.sql(text).to_arrow_table()


def run(rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """Returns: figures and versions."""
    steps = rows // HOSTS
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(Path(folder) / "ours")
        try:
            ours.ask(ddl("cpu"))
            ours.load("cpu", parts_of(steps))
            ours.settle("cpu")
            ideal = Ideal(Path(folder) / "ideal.parquet", parts_of(steps))
            span = (START_MS, START_MS + steps * STEP_MS)
            region_id, _ = ours.region("cpu")
            files = ours.database.regions.statistics(region_id).files
            figures = _side_by_side(ours, ideal, span, times, f"settled, {files} files")
            figures += _engine(ours, span, times)
            ours.load("cpu", _fresh(steps))
            figures += _side_by_side(ours, ideal, span, times, "300 k rows in memory, 1 % late")
            figures.append(_small_files(ours, max(100, SMALL_FILES * rows // 4_320_000), times))
        finally:
            ours.database.close()
    return figures, [f"DuckDB {duckdb.__version__} on one sorted file"]


def parts_of(steps: int) -> Iterator[pa.Table]:
    """All hosts over some steps, piece by piece."""
    for first in range(0, steps, BATCH_STEPS):
        yield readings(first, min(BATCH_STEPS, steps - first))


def _fresh(steps: int) -> Iterator[pa.Table]:
    """Rows that are newer than all others, and a few for the last hour that is stored."""
    late = int(MEMORY_ROWS * LATE_SHARE)
    for first in range(steps, steps + MEMORY_ROWS // HOSTS, 5):
        yield readings(first, 5)
    yield readings(max(0, steps - 360), min(360, steps), count=late)


def _side_by_side(
    ours: Ours, ideal: Ideal, span: tuple[int, int], times: int, state: str
) -> list[Figure]:
    """Both sides warm, in turn: the median over questions of the least time of each."""
    return [_asked(question, ours, ideal, span, times, state) for question in tsbs_questions.ALL]


def _asked(
    question: Question, ours: Ours, ideal: Ideal, span: tuple[int, int], times: int, state: str
) -> Figure:
    chance = random.Random(question.name)
    texts = [question.text(chance, span, HOSTS) for _ in range(TEXTS)]
    if _milliseconds(lambda: ideal.ask(texts[0])) > SLOW_MS:
        texts = texts[:2]
    for _ in range(WARM_UPS):  # the engine keeps what is asked for again and again
        for text in texts:
            answers = ideal.ask(text), ours.ask(text)
            if state.startswith("settled"):
                _same(question, *answers)
    took: dict[str, list[float]] = {"ours": [], "ideal": []}
    for text in texts:
        least = {"ours": float("inf"), "ideal": float("inf")}
        for _ in range(2 * times):
            for who, ask in (("ideal", ideal.ask), ("ours", ours.ask)):
                least[who] = min(least[who], _milliseconds(partial(ask, text)))
        for who, value in least.items():
            took[who].append(value)
    mine, theirs = statistics.median(took["ours"]), statistics.median(took["ideal"])
    return Figure(f"{question.name} ({state})", "ms", mine, theirs, "DuckDB", True)


def _milliseconds(job: Callable[[], object]) -> float:
    began = time.perf_counter()
    job()
    return (time.perf_counter() - began) * 1000


def _same(question: Question, one: pa.Table, other: pa.Table) -> None:
    """Fails unless two answers are the same but for rounding."""
    assert one.num_rows == other.num_rows, (question.name, one.num_rows, other.num_rows)
    keys = [name for name in one.column_names if not pa.types.is_floating(one[name].type)]
    order = [(name, "ascending") for name in keys or one.column_names]
    one, other = one.sort_by(order), other.rename_columns(one.column_names).sort_by(order)
    for name in one.column_names:
        left, right = one[name], other[name]
        if pa.types.is_floating(left.type):
            assert np.allclose(left.to_numpy(), right.to_numpy()), (question.name, name)
        else:
            assert left.cast(right.type).equals(right), (question.name, name)


def _engine(ours: Ours, span: tuple[int, int], times: int) -> list[Figure]:
    """What the engine alone needs, warm."""
    region_id, _ = ours.region("cpu")
    regions = ours.database.regions
    chance = random.Random(1)
    hours = []
    for _ in range(40):
        start = chance.randrange(span[0], max(span[0] + 1, span[1] - 3_600_000))
        key = KeyFilter("hostname", (f"host_{chance.randrange(HOSTS)}",))
        wanted = TimeRange(start, start + 3_600_000)
        hours.append(ScanRequest(("hostname", "ts", "usage_user"), wanted, keys=(key,)))
    newest = ScanRequest((*TAGS, "ts", *FIELDS), latest=True)
    figures = []
    for name, requests in (
        ("one host, one hour, as Arrow", hours),
        ("newest row of each host, as Arrow", [newest] * 20),
    ):
        for request in requests * WARM_UPS:
            regions.scan(region_id, request).close()
        took = []
        for request in requests * times:
            began = time.perf_counter()
            snapshot = regions.scan(region_id, request)
            took.append((time.perf_counter() - began) * 1000)
            assert not snapshot.files, "rows were left to be read"
            snapshot.close()
        figures.append(
            Figure(f"engine: {name}", "ms", statistics.median(took), lower_is_better=True)
        )
    return figures


def _small_files(ours: Ours, files: int, times: int) -> Figure:
    """An hour out of a table of thousands of files that nobody compacts."""
    ours.ask(ddl("small", " WITH ('compaction.twcs.trigger_file_num'='1000000')"))
    region_id, _ = ours.region("small")
    for number in range(files):
        part = readings(number * SMALL_FILE_STEPS, SMALL_FILE_STEPS, SMALL_FILE_HOSTS)
        ours.load("small", iter((part,)))
        ours.database.regions.flush(region_id)
    span = (START_MS, START_MS + files * SMALL_FILE_STEPS * STEP_MS)
    chance = random.Random(2)
    took = []
    for _ in range(10 + 10 * times):
        start = chance.randrange(span[0], max(span[0] + 1, span[1] - 3_600_000))
        low, high = (tsbs_questions.moment(at) for at in (start, start + 3_600_000))
        text = (
            "SELECT date_trunc('minute', ts) AS minute, max(usage_user) FROM small "
            f"WHERE ts >= '{low}' AND ts < '{high}' GROUP BY minute ORDER BY minute"
        )
        began = time.perf_counter()
        assert ours.ask(text).num_rows >= 60
        took.append((time.perf_counter() - began) * 1000)
    count = ours.database.regions.statistics(region_id).files
    name = f"one hour out of {count} files"
    return Figure(name, "ms", statistics.median(took), lower_is_better=True)
