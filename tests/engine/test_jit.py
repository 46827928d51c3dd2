"""Kernels are compiled by one thread while others import more of them."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import NamedTuple

import numba
import numpy as np
import pytest

from engine import jit


class Stats(NamedTuple):
    """What Numba tells of a dispatcher's cache."""

    cache_misses: dict[object, int]


class Slow:
    """A kernel whose compilation ends when it is told to, as one that waits for an import."""

    stats = Stats({})

    def __init__(self) -> None:
        self.begun, self.may_end = Event(), Event()
        self.compiled = False

    def compile(self, signature: object) -> None:
        self.begun.set()
        assert self.may_end.wait(60)

    def disable_compile(self) -> None:
        self.compiled = True


def test_a_module_may_declare_kernels_while_others_are_compiled() -> None:
    jit.warm()
    slow, later = Slow(), Slow()
    later.may_end.set()
    with ThreadPoolExecutor(2) as pool:
        jit.declare(slow, ())
        compiling = pool.submit(jit.warm)
        assert slow.begun.wait(60)
        pool.submit(jit.declare, later, ()).result(10)  # it would wait for ever behind a lock
        slow.may_end.set()
        compiling.result(30)
    jit.warm()
    assert slow.compiled
    assert later.compiled


def test_a_kernel_is_ready_when_warm_returns() -> None:
    @jit.part
    def doubled(value: int) -> int:
        return 2 * value

    def total(values: jit.Int64s) -> int:
        result = 0
        for value in values:
            result += doubled(value)
        return result

    compiled = numba.njit(total)
    jit.declare(compiled, (jit.INT64S,))
    jit.warm()
    assert compiled(np.arange(4, dtype=np.int64)) == 12


def test_who_calls_a_kernel_first_compiles_that_one_alone() -> None:
    jit.warm()
    slow = Slow()
    compiled = numba.njit(lambda values: 2 * len(values))
    with ThreadPoolExecutor(2) as pool:
        jit.declare(slow, ())
        jit.declare(compiled, (jit.INT64S,))
        compiling = pool.submit(jit.warm)
        assert slow.begun.wait(60)
        writable = np.arange(4, dtype=np.int64)
        assert pool.submit(compiled, writable).result(60) == 8
        slow.may_end.set()
        compiling.result(30)
    assert len(compiled.signatures) == 1  # what was declared, not what the call had
    with pytest.raises(TypeError):
        compiled("text")


def test_many_who_call_a_kernel_at_once_compile_it_once() -> None:
    compiled = numba.njit(lambda values: len(values))
    misses = compiled.stats.cache_misses
    jit.declare(compiled, (jit.INT64S,))
    with ThreadPoolExecutor(8) as pool:
        values = [np.arange(size, dtype=np.int64) for size in range(8)]
        assert list(pool.map(compiled, values)) == list(range(8))
    assert sum(misses.values()) == 1
    jit.warm()


MODULE = """
from engine import jit
from {parts} import FACTOR, changed

def _total(values):
    return changed(len(values)) + FACTOR

total = jit.kernel(jit.INT64S)(_total)
"""


@pytest.mark.slow
def test_a_kernel_is_compiled_anew_once_its_part_or_a_constant_has_changed(
    tmp_path: Path,
) -> None:
    (tmp_path / "kernel_of_parts.py").write_text(MODULE.format(parts="parts_of_kernel"))
    answers = [_asked_anew(tmp_path, step, factor) for step, factor in ((1, 10), (2, 10), (2, 30))]
    assert answers == ["14", "15", "35"]


def _asked_anew(home: Path, step: int, factor: int) -> str:
    """What a process of its own says, with the cache that the others have left."""
    (home / "parts_of_kernel.py").write_text(
        f"from engine import jit\n"
        f"FACTOR = {factor}\n\n"
        f"@jit.part\n"
        f"def changed(count: int) -> int:\n"
        f"    return count + {step}\n"
    )
    ask = "import numpy as np; from kernel_of_parts import total; print(total(np.arange(3)))"
    return _said(home, ask)


def _said(home: Path, ask: str) -> str:
    """What a process prints that finds modules, and the cache, in a folder."""
    path = os.pathsep.join([str(home), *sys.path])
    done = subprocess.run(
        [sys.executable, "-B", "-c", ask],
        env={**os.environ, "PYTHONPATH": path, "NUMBA_CACHE_DIR": str(home / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


INNER = """
import numpy as np
from engine import jit

def _count(values):
    return len(values)

count = jit.kernel(jit.INT64S)(_count)
"""
OUTER = """
from engine import jit
from inner_kernel import count

def _twice(values):
    return 2 * count(values)

twice = jit.kernel(jit.INT64S)(_twice)
"""


@pytest.mark.slow
def test_a_kernel_that_another_calls_is_in_the_cache_once_that_was_compiled(
    tmp_path: Path,
) -> None:
    (tmp_path / "inner_kernel.py").write_text(INNER)
    (tmp_path / "outer_kernel.py").write_text(OUTER)
    ask = "from outer_kernel import jit, twice; import numpy as np; print(twice(np.arange(3)))"
    assert _said(tmp_path, ask) == "6"
    ask += "; jit.warm(lambda was_cold, left: print(was_cold))"
    assert _said(tmp_path, ask).split() == ["6", "False", "False"]


class Together(list[object]):
    """A list from which two threads take what is first at the same time."""

    def __init__(self, *items: object) -> None:
        super().__init__(items)
        self._both = Barrier(2)

    def remove(self, item: object) -> None:
        self._both.wait(60)
        super().remove(item)


def test_two_threads_may_make_the_same_kernel_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    jit.warm()
    slow = Slow()
    jit.declare(slow, ())
    slow.may_end.set()
    monkeypatch.setattr(jit, "_declared", Together(*jit._declared))
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(jit.warm) for _ in range(2)]:
            done.result(30)
    assert slow.compiled
    assert jit._declared == []


def test_a_kernel_is_pending_while_others_fill_the_cache_until_it_is_ready() -> None:
    compiled = numba.njit(lambda values: len(values))
    jit.declare(compiled, (jit.INT64S,))
    assert not jit.is_pending(compiled)
    with jit.filling():
        assert jit.is_pending(compiled)
        assert compiled(np.arange(3, dtype=np.int64)) == 3
        assert not jit.is_pending(compiled)
    jit.warm()


def test_a_part_that_returns_an_array_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "_declared", [])  # it stays there, as one that is not ready

    @jit.part
    def same(words: jit.Int64s) -> jit.Int64s:
        return words

    @jit.kernel(jit.OUT_INT64)
    def first(words: jit.Int64s) -> int:
        return int(same(words)[0])

    with pytest.raises(TypeError, match="same returns an array"):
        first(np.zeros(1, np.int64))
