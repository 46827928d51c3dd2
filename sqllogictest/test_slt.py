"""Every .slt file over every wire has to give the answers written in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqllogictest.runner import run_file


def test_slt(case: Path, wire: str, server: Any) -> None:
    """One file over one wire, in a database of its own."""
    failures = run_file(case, wire, ("127.0.0.1", server.port(wire)))
    assert not failures, "\n\n" + "\n\n".join(f.show(case, wire) for f in failures)
