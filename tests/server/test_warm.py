"""The registry of kernels: complete, and every entry can be warmed."""

from __future__ import annotations

import ast
import gc
import importlib
import subprocess
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server import warm
from server.warm import KERNEL_MODULES, ServerWarming, settle_garbage

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


def test_a_cold_cache_is_filled_by_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    helpers: list[list[str]] = []
    done: list[str] = []

    class Helper(subprocess.Popen[str]):
        def __init__(self, command: list[str], **options: Any) -> None:
            helpers.append(command)
            super().__init__([*command[:2], "print(2); print(1); print(0)"], **options)

    def warm_all(one_done: Callable[[bool, int], None]) -> float:
        one_done(True, 1)  # another that is not in the cache
        done.append("ready")
        return 0.0

    monkeypatch.setattr(warm.jit, "is_cold", lambda: True)
    monkeypatch.setattr(warm.subprocess, "Popen", Helper)
    monkeypatch.setattr(warm, "warm_all", warm_all)
    ServerWarming().run()
    assert (len(helpers), done) == (1, ["ready"])
    assert "fill_cache" in helpers[0][-1]


# Says how many kernels are left, and then nothing until it is ended.
_ENDLESS = "import threading; print(3, flush=True); threading.Event().wait()"


def test_a_server_that_stops_ends_who_compiles_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm.jit, "is_cold", lambda: True)
    monkeypatch.setattr(warm, "warm_all", lambda one_done: 0.0)
    monkeypatch.setattr(warm, "_HELPER", _ENDLESS)
    warming = ServerWarming()
    running = threading.Thread(target=warming.run)
    running.start()
    while warming._helper is None and running.is_alive():
        running.join(0.01)
    warming.stop()
    running.join(60)
    assert not running.is_alive()


def test_several_processes_share_an_empty_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shares: list[slice] = []
    note = "import pathlib; pathlib.Path({!r}, '{{}} of {{}}').touch()"
    monkeypatch.setattr(warm, "_SHARER", note.format(str(tmp_path)))
    monkeypatch.setattr(warm.os, "sched_getaffinity", lambda process: {0, 1, 2})
    monkeypatch.setattr(warm.jit, "is_cold", lambda: True)
    monkeypatch.setattr(warm.jit, "make_ready", shares.append)
    monkeypatch.setattr(warm, "warm_all", lambda: 0.0)
    warm.warm_together()
    assert shares == [slice(0, None, 3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1 of 3", "2 of 3"]
