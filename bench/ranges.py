"""RANGE … ALIGN beside the GROUP BY that one would write for DuckDB by hand.

python -m bench ranges

8.64 M rows of 1000 hosts over 24 hours, settled; DuckDB reads one ideal sorted file. Both answer in
this process and give Arrow, in turn.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import duckdb

from bench.report import Figure, interleaved, seconds
from bench.tsbs import HOSTS, TAGS, Ideal, Ours, ddl, parts_of

# What both are asked: RANGE and the same by hand. Windows are aligned to the epoch by both.
PAIRS = (
    (
        "avg of 1 field, 1 h by host",
        "SELECT ts, hostname, avg(usage_user) RANGE '1h' FROM cpu ALIGN '1h' BY (hostname)",
        "SELECT time_bucket(INTERVAL '1h', ts), hostname, avg(usage_user) FROM cpu GROUP BY 1, 2",
    ),
    (
        "avg of 5 fields, 1 h by host",
        "SELECT ts, hostname, {} FROM cpu ALIGN '1h' BY (hostname)".format(
            ", ".join(
                f"avg({name}) RANGE '1h'"
                for name in (
                    *("usage_user", "usage_system", "usage_idle", "usage_nice", "usage_iowait"),
                )
            )
        ),
        "SELECT time_bucket(INTERVAL '1h', ts), hostname, avg(usage_user), avg(usage_system), "
        "avg(usage_idle), avg(usage_nice), avg(usage_iowait) FROM cpu GROUP BY 1, 2",
    ),
    (
        "max, 5 min by region",
        "SELECT ts, region, max(usage_user) RANGE '5m' FROM cpu ALIGN '5m' BY (region)",
        "SELECT time_bucket(INTERVAL '5m', ts), region, max(usage_user) FROM cpu GROUP BY 1, 2",
    ),
    (
        "avg, 1 min over all",
        "SELECT ts, avg(usage_user) RANGE '1m' FROM cpu ALIGN '1m' BY ()",
        "SELECT time_bucket(INTERVAL '1m', ts), avg(usage_user) FROM cpu GROUP BY 1",
    ),
    (
        "avg, 1 h by all tags, FILL PREV",
        "SELECT ts, hostname, avg(usage_user) RANGE '1h' FILL PREV FROM cpu ALIGN '1h'",
        "SELECT time_bucket(INTERVAL '1h', ts), {0}, avg(usage_user) FROM cpu "
        "GROUP BY 1, {0}".format(", ".join(TAGS)),
    ),
    (
        "avg, 2 h every hour by host",
        "SELECT ts, hostname, avg(usage_user) RANGE '2h' FROM cpu ALIGN '1h' BY (hostname)",
        "SELECT unnest([b, b - INTERVAL '1h']), hostname, sum(s) / sum(n) FROM (SELECT "
        "time_bucket(INTERVAL '1h', ts) AS b, hostname, sum(usage_user) AS s, count(usage_user) "
        "AS n FROM cpu GROUP BY 1, 2) GROUP BY 1, 2",
    ),
)


def run(rows: int, times: int) -> tuple[list[Figure], list[str]]:
    """Returns: figures and versions."""
    steps = rows // HOSTS
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(Path(folder) / "ours")
        try:
            ours.ask(ddl("cpu"))
            ours.load("cpu", parts_of(steps))
            ours.settle("cpu")
            ideal = Ideal(Path(folder) / "ideal.parquet", parts_of(steps))
            for name, mine, theirs in PAIRS:
                ask = {
                    "ours": partial(seconds, partial(ours.ask, mine)),
                    "ideal": partial(seconds, partial(ideal.ask, theirs)),
                }
                took = interleaved(ask, 2 * times + 1)
                figures.append(
                    Figure(name, "ms", took["ours"] * 1000, took["ideal"] * 1000, "DuckDB", True)
                )
        finally:
            ours.database.close()
    return figures, [f"DuckDB {duckdb.__version__} on one sorted file"]
