"""Kernels are compiled by one thread while others import more of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numba
import numpy as np

from engine import jit


class Slow:
    """A kernel whose compilation ends when it is told to, as one that waits for an import."""

    def __init__(self) -> None:
        self.begun, self.may_end = Event(), Event()
        self.compiled = False

    def compile(self, signature: object) -> None:
        self.begun.set()
        assert self.may_end.wait(30)

    def disable_compile(self) -> None:
        self.compiled = True


def test_a_module_may_declare_kernels_while_others_are_compiled() -> None:
    jit.warm()
    slow, later = Slow(), Slow()
    later.may_end.set()
    with ThreadPoolExecutor(2) as pool:
        jit.declare(slow, ())
        compiling = pool.submit(jit.warm)
        assert slow.begun.wait(30)
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
