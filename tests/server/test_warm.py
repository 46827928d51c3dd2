"""The registry of kernels: complete, and every entry can be warmed."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from server.warm import KERNEL_MODULES

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
