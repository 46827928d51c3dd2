"""The questions of TSBS's cpu use case, in SQL that PostgreSQL, DuckDB and we all understand."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

METRICS = (
    *("usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait"),
    *("usage_irq", "usage_softirq", "usage_steal", "usage_guest", "usage_guest_nice"),
)
HOUR_MS = 3_600_000
Span = tuple[int, int]


@dataclass(frozen=True)
class Question:
    """A question; `text` fills in hosts and a range of time at random."""

    name: str
    text: Callable[[random.Random, Span, int], str]


def moment(at_ms: int) -> str:
    """A time as a literal without quotes."""
    seconds, rest = divmod(at_ms, 1000)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seconds))}.{rest:03}"


def _range(chance: random.Random, span: Span, hours: int) -> str:
    length = min(hours * HOUR_MS, span[1] - span[0])
    start = chance.randint(span[0], span[1] - length)
    return f"ts >= '{moment(start)}' AND ts < '{moment(start + length)}'"


def _hosts(chance: random.Random, count: int, hosts: int) -> str:
    names = ", ".join(f"'host_{n}'" for n in chance.sample(range(hosts), count))
    return f"hostname IN ({names})"


def _maxima(count: int) -> str:
    return ", ".join(f"max({name}) AS max_{name}" for name in METRICS[:count])


def _single(metrics: int, hosts: int, hours: int) -> Question:
    def text(chance: random.Random, span: Span, among: int) -> str:
        return (
            f"SELECT date_trunc('minute', ts) AS minute, {_maxima(metrics)} FROM cpu "
            f"WHERE {_hosts(chance, hosts, among)} AND {_range(chance, span, hours)} "
            "GROUP BY minute ORDER BY minute"
        )

    return Question(f"single-groupby-{metrics}-{hosts}-{hours}", text)


def _max_all(hosts: int) -> Question:
    def text(chance: random.Random, span: Span, among: int) -> str:
        return (
            f"SELECT date_trunc('hour', ts) AS hour, {_maxima(10)} FROM cpu "
            f"WHERE {_hosts(chance, hosts, among)} AND {_range(chance, span, 8)} "
            "GROUP BY hour ORDER BY hour"
        )

    return Question(f"cpu-max-all-{hosts}", text)


def _double(metrics: int) -> Question:
    averages = ", ".join(f"avg({name}) AS mean_{name}" for name in METRICS[:metrics])

    def text(chance: random.Random, span: Span, among: int) -> str:
        return (
            f"SELECT date_trunc('hour', ts) AS hour, hostname, {averages} FROM cpu "
            f"WHERE {_range(chance, span, 12)} GROUP BY hour, hostname ORDER BY hour, hostname"
        )

    return Question(f"double-groupby-{'all' if metrics == 10 else metrics}", text)


def _high(hosts: int) -> Question:
    def text(chance: random.Random, span: Span, among: int) -> str:
        some = f" AND {_hosts(chance, hosts, among)}" if hosts else ""
        return f"SELECT * FROM cpu WHERE usage_user > 90.0 AND {_range(chance, span, 12)}{some}"

    return Question(f"high-cpu-{hosts or 'all'}", text)


def _lastpoint(chance: random.Random, span: Span, among: int) -> str:
    return "SELECT DISTINCT ON (hostname) * FROM cpu ORDER BY hostname, ts DESC"


def _newest_minutes(chance: random.Random, span: Span, among: int) -> str:
    end = moment(chance.randint((span[0] + span[1]) // 2, span[1]))
    return (
        "SELECT date_trunc('minute', ts) AS minute, max(usage_user) FROM cpu "
        f"WHERE ts < '{end}' GROUP BY minute ORDER BY minute DESC LIMIT 5"
    )


ALL = (
    *(_single(1, 1, 1), _single(1, 1, 12), _single(1, 8, 1), _single(5, 1, 1), _single(5, 1, 12)),
    *(_single(5, 8, 1), _max_all(1), _max_all(8), _double(1), _double(5), _double(10)),
    *(_high(0), _high(1)),
    Question("lastpoint", _lastpoint),
    Question("groupby-orderby-limit", _newest_minutes),
)
