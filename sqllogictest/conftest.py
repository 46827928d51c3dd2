"""Makes every .slt file times every wire a pytest case, on the server that the other tests use."""

from __future__ import annotations

import pytest

from sqllogictest.parse import WIRES
from sqllogictest.runner import CASES, find

pytest_plugins = ["fix_server"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrizes tests that take `case` and `wire`."""
    if {"case", "wire"} <= set(metafunc.fixturenames):
        cases = [(path, wire) for path in find([]) for wire in WIRES]
        names = [f"{path.relative_to(CASES).with_suffix('')}-{wire}" for path, wire in cases]
        metafunc.parametrize(("case", "wire"), cases, ids=names)
