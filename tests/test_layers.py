"""Imports point one way: server -> sql -> catalog -> engine; wires do not know each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("server", "sql", "catalog", "engine")  # each may import those to its right
WIRES = ("server.postgres", "server.mysql", "server.http", "server.flight")
FILES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Every imported module with its line, wherever in the file it is imported."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
            for alias in node.names:
                yield node.lineno, f"{'.' * node.level}{node.module}.{alias.name}"


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def wrong_imports(own: str, source: str) -> list[str]:
    """What the rules forbid in module `own`."""
    layer = LAYERS.index(own.split(".", maxsplit=1)[0])
    wire = next((wire for wire in WIRES if is_within(own, wire)), None)
    wrong = []
    for line, module in imports(source):
        if module.startswith("."):
            wrong.append(f"line {line}: relative import {module}")
        if any(is_within(module, upper) for upper in LAYERS[:layer]):
            wrong.append(f"line {line}: {module} is above {LAYERS[layer]}")
        if wire and any(is_within(module, other) for other in WIRES if other != wire):
            wrong.append(f"line {line}: wire {wire} imports another wire, {module}")
        if is_within(module, "tests"):
            wrong.append(f"line {line}: product code imports tests")
    return wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_is_below_it(path: Path) -> None:
    own = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    assert wrong_imports(own, path.read_text(encoding="utf-8")) == []


def test_the_rules_catch_what_they_forbid() -> None:
    assert wrong_imports("engine.region", "def f():\n    from sql import session")
    assert wrong_imports("catalog.records", "import server.app")
    assert wrong_imports("server.mysql.rows", "from server.postgres import messages")
    assert wrong_imports("server.mysql.rows", "from server import postgres")
    assert wrong_imports("sql.types", "from . import session")
    assert not wrong_imports("server.app", "from server.mysql import listener\nimport engine.api")
