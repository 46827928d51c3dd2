"""Searches in access logs, beside DuckDB on the very same Parquet files without any index.

python -m bench logs

2 M lines of a web server over a day go into an append-only table with a full-text index on the line
and a skipping index on the trace id; the same lines go into a table without indexes, to see what
these cost. Both sides answer the same questions in turn and give Arrow batches, in this process.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.report import Figure
from bench.tsbs import Ours

START_MS = 1_767_225_600_000  # 2026-01-01
DAY_MS = 86_400_000
BATCH_ROWS = 50_000
HOSTS = 40
RARE_LINES = 20  # of the whole day have the rare word
PATHS = ("/", "/login", "/cart", "/checkout", "/search", "/help", "/static/app.js", "/favicon.ico")
PATHS += tuple(f"/api/v{version}/{what}" for version in (1, 2) for what in ("orders", "users"))
PATHS += tuple(f"/products/{name}" for name in ("lamp", "chair", "table", "sofa", "rug", "mirror"))
SHARES = (0.2, 0.04, 0.05, 0.01, 0.1, 0.02, 0.1, 0.05, 0.1, 0.06, 0.06, 0.04)
SHARES += (0.05, 0.04, 0.03, 0.02, 0.02, 0.01)
_SYSTEMS = ("X11; Linux x86_64", "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X")
AGENTS = (
    *("curl/8.5.0", "python-requests/2.32", "kube-probe/1.29", "Googlebot/2.1"),
    *(
        f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML) Chrome/{version}.0.0.0 Safari/537.36"
        for system in _SYSTEMS
        for version in range(118, 132)
    ),
)
METHODS, STATUS = ("GET", "POST", "HEAD"), (200, 304, 404, 302, 500, 503)
TABLE = (
    "CREATE TABLE {name} (ts TIMESTAMP(3) TIME INDEX, host STRING, status INT, took_ms DOUBLE, "
    "trace_id STRING{skipping}, message STRING{fulltext}) WITH ('append_mode'='true')"
)


@dataclass(frozen=True, slots=True)
class Question:
    """One search: the condition of ours and the same for DuckDB."""

    name: str
    select: str
    ours: str
    duckdb: str
    tail: str = ""
    times: int = 7


def lines(first: int, count: int, total: int) -> pa.Table:
    """Some neighbouring lines of the day, the same at every run."""
    chance = np.random.default_rng(first + 7)
    number = np.arange(first, first + count)
    times = START_MS + number * DAY_MS // total + chance.integers(0, 40, count)
    status = chance.choice(STATUS, count, p=(0.86, 0.06, 0.05, 0.02, 0.008, 0.002))
    return pa.table(
        {
            "ts": pa.array(times, pa.timestamp("ms")),
            "host": _picked(chance, [f"web-{i:02}" for i in range(HOSTS)], count),
            "status": pa.array(status, pa.int32()),
            "took_ms": pa.array(np.round(chance.lognormal(2.5, 1.0, count), 1)),
            "trace_id": _hexadecimal(chance, count),
            "message": _messages(chance, number, total, times, status),
        }
    )


def _messages(
    chance: np.random.Generator, number: np.ndarray, total: int, times: np.ndarray, status: object
) -> pa.Array:
    count = len(number)
    parts = [pa.array(chance.integers(1, 255, count)).cast(pa.string()) for _ in range(4)]
    address = pc.binary_join_element_wise(*parts, ".")
    seconds = pa.array(times, pa.timestamp("ms")).cast(pa.timestamp("s"), safe=False)
    moment = pc.strftime(seconds, format="%d/%b/%Y:%H:%M:%S +0000")
    path = chance.choice(len(PATHS), count, p=np.array(SHARES) / sum(SHARES))
    names = pa.array(PATHS).take(pa.array(path))
    ids = pa.array(chance.integers(0, 400_000, count)).cast(pa.string())
    is_item = pa.array(path >= PATHS.index("/api/v1/orders"))
    target = pc.if_else(is_item, pc.binary_join_element_wise(names, ids, "/"), names)
    rare = pa.array(number % (total // RARE_LINES) == 4242 % (total // RARE_LINES))
    target = pc.if_else(rare, pc.binary_join_element_wise(target, "?debug=segfault", ""), target)
    size = pa.array(np.minimum(chance.lognormal(8, 1.5, count), 9e6).astype(np.int64))
    return pc.binary_join_element_wise(
        *(address, " - - [", moment, '] "', _picked(chance, METHODS, count, (0.8, 0.18, 0.02))),
        *(" ", target, ' HTTP/1.1" ', pa.array(status).cast(pa.string()), " "),
        *(size.cast(pa.string()), ' "-" "', _picked(chance, AGENTS, count), '"', ""),
    )


def _picked(
    chance: np.random.Generator, values: object, count: int, shares: object = None
) -> pa.Array:
    array = pa.array(values)
    return array.take(pa.array(chance.choice(len(array), count, p=shares)))


def _hexadecimal(chance: np.random.Generator, count: int) -> pa.Array:
    """Random ids of 16 bytes as hexadecimal digits."""
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    text = digits[chance.integers(0, 16, (count, 32))]
    offsets = np.arange(0, 32 * count + 1, 32, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text.tobytes()))


def questions(trace: str) -> list[Question]:
    """What is asked; `trace` is the trace id of some line."""
    edge, close = "(?:^|[^0-9A-Za-z])", "(?:[^0-9A-Za-z]|$)"

    def word(text: str) -> tuple[str, str]:
        plain = f"contains(message, '{text}') AND regexp_matches(message, '{edge}{text}{close}')"
        return f"matches_term(message, '{text}')", plain

    everything = "ts, host, status, took_ms, trace_id, message"
    newest = " ORDER BY ts DESC LIMIT 100"
    order = "/api/v1/orders/1234"
    return [
        Question(f"a word of {RARE_LINES} lines, all columns", everything, *word("segfault")),
        Question(f"a word of {RARE_LINES} lines, counted", "count(*)", *word("segfault")),
        Question("a trace id", everything, f"trace_id = '{trace}'", f"trace_id = '{trace}'"),
        Question("a path with its id", everything, *word(f"{order}")),
        Question("the newest 100 lines, word of 1 %", "ts, message", *word("checkout"), newest),
        Question("the newest 100 lines, rare word", "ts, message", *word("segfault"), newest),
        Question(
            "a word nobody wrote", everything, *word("nosuchword")
        ),
        Question("a word of 18 %, counted", "count(*)", *word("POST"), times=2),
        Question(
            "a part of a word, counted", "count(*)",
            "message LIKE '%egfaul%'", "message LIKE '%egfaul%'", times=2,
        ),
    ]  # fmt: skip


def run(rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """Returns: figures and versions."""
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(Path(folder) / "ours")
        try:
            figures = _ingest(ours, rows)
            files = _settled(ours, Path(folder) / "ours")
            region_id, _ = ours.region("access")
            facts = ours.database.regions.statistics(region_id)
            size, index = facts.file_bytes + facts.index_bytes, facts.index_bytes
            mib = 1 << 20
            note = f"indexes {index / mib:.1f}"
            figures.append(
                Figure("on disk, in all", "MiB", size / mib, lower_is_better=True, note=note)
            )
            trace = lines(rows // BATCH_ROWS // 2 * BATCH_ROWS, 10, rows)["trace_id"][5].as_py()
            with duckdb.connect() as plain:
                plain.execute("SET parquet_metadata_cache = true")
                plain.execute(f"CREATE VIEW access AS SELECT * FROM read_parquet({files})")
                for question in questions(trace):
                    figures.append(_asked(question, ours, plain, times))
        finally:
            ours.database.close()
    return figures, [f"DuckDB {duckdb.__version__} on the same {len(files)} files, unindexed"]


def _ingest(ours: Ours, rows: int) -> list[Figure]:
    """Both tables filled to files: acknowledged, flushed and merged."""
    ours.ask(TABLE.format(name="plain", skipping="", fulltext=""))
    ours.ask(TABLE.format(name="access", skipping=" SKIPPING INDEX", fulltext=" FULLTEXT INDEX"))
    ours.load("plain", iter([lines(0, 1000, rows)]))  # kernels
    ours.load("access", iter([lines(0, 1000, rows)]))
    for name in ("plain", "access"):
        ours.settle(name)
        ours.ask(f"TRUNCATE TABLE {name}")
    took = {"plain": 0.0, "access": 0.0}
    for name in took:
        for part in _parts(rows):
            began = time.perf_counter()
            ours.load(name, iter([part]))
            took[name] += time.perf_counter() - began
        began = time.perf_counter()
        ours.database.regions.flush(ours.region(name)[0])
        took[name] += time.perf_counter() - began
    rate = {name: rows / seconds for name, seconds in took.items()}
    ours.ask("DROP TABLE plain")
    return [
        Figure(
            "ingest until all is in files, with both indexes",
            "lines/s", rate["access"], rate["plain"], "ours without indexes",
        )
    ]  # fmt: skip


def _parts(rows: int) -> Iterator[pa.Table]:
    for first in range(0, rows, BATCH_ROWS):
        yield lines(first, min(BATCH_ROWS, rows - first), rows)


def _settled(ours: Ours, folder: Path) -> list[str]:
    """Merges the files as the background would; where they are."""
    ours.settle("access")
    region_id, _ = ours.region("access")
    return [str(folder / "engine" / file.path) for file in ours.database.regions.files(region_id)]


def _asked(question: Question, ours: Ours, plain: duckdb.DuckDBPyConnection, times: int) -> Figure:
    """Both sides warm, in turn: the least time of each, since others use the machine, too."""
    mine = f"SELECT {question.select} FROM access WHERE {question.ours}{question.tail}"
    theirs = f"SELECT {question.select} FROM access WHERE {question.duckdb}{question.tail}"
    asks: dict[str, Callable[[], pa.Table]] = {
        "ours": partial(ours.ask, mine),
        "DuckDB": lambda: plain.sql(theirs).to_arrow_table(),
    }
    rows = {who: ask().num_rows for who, ask in asks.items()}
    assert rows["ours"] == rows["DuckDB"], (question.name, rows)
    took: dict[str, list[float]] = {who: [] for who in asks}
    for _ in range(question.times * times):
        for who, ask in asks.items():
            began = time.perf_counter()
            ask()
            took[who].append((time.perf_counter() - began) * 1000)
    note = f"median {statistics.median(took['ours']):.1f} ms"
    least = {who: min(values) for who, values in took.items()}
    return Figure(question.name, "ms", least["ours"], least["DuckDB"], "DuckDB", True, note)
