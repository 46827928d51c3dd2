"""Parse + plan of typical dashboard queries, cold and from the plan cache: p50 in milliseconds.

python -m bench plan

In this process, on a database of its own, in processor time: it ends where DuckDB would be asked to
bind.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.report import Figure
from sql.client_session import ClientSession
from sql.database import Database, DatabaseOptions
from sql.dialect.parser import ParsedStatement
from sql.plan.cache import PlanCache
from sql.session import ClientInfo, Wire
from sql.statements import query

COLD_BAR_MS, CACHED_BAR_MS = 2.0, 0.3
SETUP = (
    "CREATE TABLE cpu (host STRING, region STRING, ts TIMESTAMP(3) TIME INDEX, usage_user DOUBLE, "
    "usage_system DOUBLE, usage_idle DOUBLE, PRIMARY KEY (host, region))",
    "CREATE TABLE logs (ts TIMESTAMP(6) TIME INDEX, level STRING, message STRING, trace STRING) "
    "WITH (append_mode = 'true')",
    "CREATE TABLE hosts (host TEXT PRIMARY KEY, team TEXT, rack INT)",
    "CREATE VIEW busy AS SELECT host, ts, usage_user FROM cpu WHERE usage_user > 90",
)
# Each holds a moment, so that a dashboard asks it with another one every time.
QUESTIONS: dict[str, str] = {
    "one host, per minute": (
        "SELECT date_trunc('minute', ts) AS t, max(usage_user) FROM cpu WHERE host = 'host_{n}' "
        "AND ts >= '{low}' AND ts < '{high}' GROUP BY t ORDER BY t"
    ),
    "all hosts, per hour": (
        "SELECT host, date_bin('1 hour', ts) AS t, avg(usage_user), avg(usage_system) FROM cpu "
        "WHERE ts >= '{low}' AND ts < '{high}' GROUP BY host, t ORDER BY t, host"
    ),
    "RANGE ALIGN FILL": (
        "SELECT ts, host, avg(usage_user) RANGE '5m' FILL PREV, max(usage_idle) RANGE '5m' "
        "FROM cpu WHERE ts >= '{low}' AND ts < '{high}' ALIGN '1m' BY (host) ORDER BY host, ts"
    ),
    "latest row of each host": (
        "SELECT host, last_value(usage_user ORDER BY ts) FROM cpu WHERE ts >= '{low}' GROUP BY host"
    ),
    "last log lines": (
        "SELECT ts, level, message FROM logs WHERE level IN ('error', 'warn_{n}') "
        "AND ts BETWEEN '{low}' AND '{high}' ORDER BY ts DESC LIMIT 100"
    ),
    "join with names": (
        "SELECT h.team, sum(c.usage_user) FROM cpu c JOIN hosts h ON h.host = c.host "
        "WHERE c.ts >= '{low}' AND h.rack = {n} GROUP BY h.team ORDER BY 2 DESC LIMIT 10"
    ),
    "CTE over a view": (
        "WITH b AS (SELECT host, count(*) AS n FROM busy WHERE ts >= '{low}' GROUP BY host) "
        "SELECT host, n FROM b WHERE n > {n} ORDER BY n DESC"
    ),
}


def run(_rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """Returns: figures and versions."""
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as home:
        database = Database.open(Path(home) / "data", DatabaseOptions())
        try:
            session = database.connect(Wire.POSTGRES, ClientInfo("me", "public", "127.0.0.1:1"))
            maker = database.connect(Wire.HTTP, ClientInfo("me", "public", "127.0.0.1:1"))
            for text in SETUP:
                maker.execute(maker.parse(text)[0])
            return _figures(session, 60 * times), []
        finally:
            database.close()


def _figures(session: ClientSession, count: int) -> list[Figure]:
    figures, cold, cached = [], [], []
    for name, question in QUESTIONS.items():
        slow = _measure(session, question, count, lambda: _forget(session))
        fast = _measure(session, question, count, lambda: None)
        cold += slow
        cached += fast
        figures.append(_figure(f"{name}: cold", slow, COLD_BAR_MS))
        figures.append(_figure(f"{name}: from the cache", fast, CACHED_BAR_MS))
    figures.append(_figure("all: cold", cold, COLD_BAR_MS))
    figures.append(_figure("all: from the cache", cached, CACHED_BAR_MS))
    return figures


def _figure(name: str, found: list[float], bar: float) -> Figure:
    p50 = statistics.median(found)
    return Figure(f"{name}, p50", "ms", p50, bar, "the bar", lower_is_better=True)


def _forget(session: ClientSession) -> None:
    session.server.plans = PlanCache()
    session._texts.clear()


def _measure(
    session: ClientSession, question: str, count: int, before: Callable[[], None]
) -> list[float]:
    """Milliseconds of each of `count` questions after some to warm up."""
    found = []
    for number in range(count + 5):
        low, high = f"2024-01-01 {number % 23:02}:00:00", f"2024-01-01 {number % 23 + 1:02}:00:00"
        text = question.format(n=number, low=low, high=high)
        before()
        began = time.thread_time()
        (statement,) = session.parse(text)
        assert isinstance(statement, ParsedStatement)
        form = query._form(statement) if isinstance(statement, query.LiftedQuery) else statement
        query.plan_of(session, form)
        found.append((time.thread_time() - began) * 1000)
    return found[5:]
