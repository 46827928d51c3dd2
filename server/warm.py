"""Makes the Numba kernels ready ahead of the first request that needs them.

`gnomon warm` does so for the on-disk cache; a server does so in a background thread at start. If
it finds nothing there, a process of its own compiles: in this one that would take the GIL from all
statements for a minute or two. Who needs a kernel sooner compiles just that (engine/jit.py).
"""

from __future__ import annotations

import gc
import importlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter
from types import ModuleType

from engine import jit

logger = logging.getLogger(__name__)

# Every module with kernels on a hot path. Each has a function `warm() -> None` that compiles all
# of them (or loads them from the cache). What nearly everybody needs comes first.
KERNEL_MODULES: tuple[str, ...] = (
    "server.encode.text",
    "server.encode.assemble",
    "server.postgres.types.results",
    "server.mysql.rows",
    "sql.decode.values",
    "sql.decode.text",
    "engine.memtable.kernels",
    "server.http.prometheus.write_request",
    "engine.samples.kernels",
    "sql.promql.evaluate",
    "sql.promql.source_series",
    "server.http.influx.lines",
    "sql.decode.copy",
    "server.encode.delimited",
    "server.http.prometheus.read_answer",
    "sql.decode.ndjson",
    "server.http.opentsdb_points",
)

# Objects that may hold others, made since the last look for unreachable cycles. Python's 700 is one
# small request; half a million objects of libraries are then walked again and again.
_CYCLES_EVERY = (5_000, 10, 10)


_SAID_EVERY_SECONDS = 10
_HELPER = "import os; os.nice(10); from server.warm import fill_cache; fill_cache()"
_SHARER = "from server.warm import make_share; make_share({}, {})"
_SHARES_MAX = 4  # each needs some 500 MB


def warm_all(one_done: Callable[[bool, int], None] | None = None) -> float:
    """Warms every module; returns the seconds it took. `one_done`: see `jit.warm`."""
    started = perf_counter()
    modules = _import_all()
    jit.warm(one_done)
    for module in modules:
        module.warm()
    return perf_counter() - started


def _import_all() -> list[ModuleType]:
    return [importlib.import_module(name) for name in KERNEL_MODULES]


def _environment() -> dict[str, str]:
    """For another process that finds the same modules."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def warm_together() -> float:
    """As `warm_all`, by several processes at once if there is nothing in the cache."""
    started = perf_counter()
    _import_all()
    shares = min(_SHARES_MAX, len(os.sched_getaffinity(0))) if jit.is_cold() else 1
    others = [
        subprocess.Popen([sys.executable, "-c", _SHARER.format(n, shares)], env=_environment())
        for n in range(1, shares)
    ]
    try:
        if others:
            make_share(0, shares)
        for other in others:
            other.wait()
    finally:
        for other in others:  # nothing to an ended one
            other.kill()
            other.wait()
    warm_all()  # what one has failed to make is made here, or tells why not
    return perf_counter() - started


def make_share(number: int, shares: int) -> None:
    """Compiles one of several shares of all kernels."""
    _import_all()
    jit.make_ready(slice(number, None, shares))


def fill_cache() -> None:
    """Compiles all kernels into the on-disk cache; tells on stdout how many are left."""

    def tell(was_cold: bool, left: int) -> None:
        del was_cold
        sys.stdout.write(f"{left}\n")
        sys.stdout.flush()

    warm_all(tell)


class ServerWarming:
    """Makes a server's kernels ready while it serves: `run` in a thread, `stop` from any other."""

    def __init__(self) -> None:
        self._helper: subprocess.Popen[str] | None = None
        self._was_helped = False
        self._is_stopped = False

    def run(self) -> None:
        """Ends when all are ready. One that does not compile fails again, visibly, when used."""
        try:
            if jit.is_cold():
                self._help()
            seconds = warm_all(self._after_one)
        except Exception:
            logger.exception("kernels could not be compiled ahead")
            return
        settle_garbage()
        logger.info("kernels are compiled", extra={"seconds": round(seconds, 3)})

    def stop(self) -> None:
        """Ends the process that compiles, if there is one."""
        self._is_stopped = True
        if self._helper is not None:
            self._helper.kill()

    def _after_one(self, was_cold: bool, left: int) -> None:
        if was_cold and left:
            self._help()

    def _help(self) -> None:
        """Waits until another process has filled the cache, or has failed to; but once."""
        if self._was_helped or self._is_stopped:
            return
        self._was_helped = True
        logger.info("kernels are not in the cache: they are compiled now")
        command = [sys.executable, "-c", _HELPER]
        quiet = subprocess.DEVNULL
        said = perf_counter()
        with (
            jit.filling(),
            subprocess.Popen(
                command,
                env=_environment(),
                stdin=quiet,
                stdout=subprocess.PIPE,
                stderr=quiet,
                text=True,
            ) as self._helper,
        ):
            assert self._helper.stdout is not None
            if self._is_stopped:  # meanwhile
                self._helper.kill()
            for line in self._helper.stdout:
                if perf_counter() - said > _SAID_EVERY_SECONDS:
                    said = perf_counter()
                    logger.info("kernels are being compiled", extra={"left": int(line)})


def settle_garbage() -> None:
    """Takes what is there now out of the search for unreachable cycles: it lives as long as we do.

    That search took a sixth of the time of small writes.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_CYCLES_EVERY)
