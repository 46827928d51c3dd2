"""Compiles the Numba kernels ahead of the first request that needs them.

`gnomon warm` does so for the on-disk cache; a server does so in a background thread at start.
"""

from __future__ import annotations

import gc
import importlib
from time import perf_counter

from sql.decode import jit

# Every module with kernels on a hot path. Each has a function `warm() -> None` that compiles all
# of them (or loads them from the cache).
KERNEL_MODULES: tuple[str, ...] = (
    "engine.memtable.kernels",
    "engine.samples.kernels",
    "server.encode.assemble",
    "server.encode.delimited",
    "server.encode.text",
    "server.http.influx.lines",
    "server.http.opentsdb_points",
    "server.http.prometheus.read_answer",
    "server.http.prometheus.write_request",
    "server.mysql.rows",
    "server.postgres.types.results",
    "sql.decode.copy",
    "sql.decode.ndjson",
    "sql.decode.text",
    "sql.decode.values",
    "sql.promql.evaluate",
    "sql.promql.source_series",
)

# Objects that may hold others, made since the last look for unreachable cycles. Python's 700 is one
# small request; half a million objects of libraries are then walked again and again.
_CYCLES_EVERY = (5_000, 10, 10)


def warm_all() -> float:
    """Warms every module; returns the seconds it took."""
    started = perf_counter()
    modules = [importlib.import_module(name) for name in KERNEL_MODULES]
    jit.warm()
    for module in modules:
        module.warm()
    return perf_counter() - started


def settle_garbage() -> None:
    """Takes what is there now out of the search for unreachable cycles: it lives as long as we do.

    That search took a sixth of the time of small writes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_CYCLES_EVERY)
