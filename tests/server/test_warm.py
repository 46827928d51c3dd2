"""The registry of kernels: complete, and every entry can be warmed."""

from __future__ import annotations

import ast
import gc
import importlib
import weakref
from pathlib import Path

import pytest

from server.warm import KERNEL_MODULES, settle_garbage

ROOT = Path(__file__).parents[2]
NOT_ENTRIES = {"server.commands", "engine.jit"}  # the command; the machinery others call


def modules_with_warm() -> set[str]:
    """Every product module with a public `warm` of its own."""
    found = set()
    for folder in ("server", "sql", "catalog", "engine"):
        for path in (ROOT / folder).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if any(isinstance(node, ast.FunctionDef) and node.name == "warm" for node in tree.body):
                found.add(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return found - NOT_ENTRIES


def test_every_module_with_kernels_is_registered() -> None:
    assert set(KERNEL_MODULES) == modules_with_warm()


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNEL_MODULES)
def test_a_registered_module_warms_twice(name: str) -> None:
    module = importlib.import_module(name)
    module.warm()
    module.warm()


def test_what_is_there_at_start_is_not_searched_for_cycles_again() -> None:
    before = gc.get_threshold()
    try:
        settle_garbage()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold() > before
        assert len(gc.get_objects()) < 10_000
        made: list[object] = []
        made.append(made)
        gone = weakref.ref(Holder(made))
        del made
        gc.collect()
        assert gone() is None
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


class Holder:
    """Something that a weak reference can follow, in a cycle with what it holds."""

    def __init__(self, held: list[object]) -> None:
        held.append(self)
        self.held = held
