"""Compiles the Numba kernels ahead of the first request that needs them.

`gnomon warm` does so for the on-disk cache; a server does so in a background thread at start.
"""

from __future__ import annotations

import importlib
import logging
from time import perf_counter

logger = logging.getLogger(__name__)

# Every module with kernels on a hot path. Each has a function `warm() -> None` that compiles all
# of them (or loads them from the cache).
KERNEL_MODULES: tuple[str, ...] = (
    "server.encode.assemble",
    "server.encode.delimited",
    "server.encode.text",
    "server.mysql.rows",
    "server.postgres.types.results",
    "sql.decode.copy",
    "sql.decode.text",
    "sql.decode.values",
)


def warm_all() -> float:
    """Warms every module; returns the seconds it took."""
    started = perf_counter()
    for name in KERNEL_MODULES:
        importlib.import_module(name).warm()
        logger.debug("kernels ready", extra={"module_name": name})
    return perf_counter() - started
