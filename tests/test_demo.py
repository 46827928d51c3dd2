"""`make demo` as a user runs it: the tour ends well and says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def output(module: str, seconds: str) -> str:
    """What a tour that ends well has printed."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--seconds", seconds],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_prometheus_and_gnomon_answer_the_same() -> None:
    assert "13 of 13 answers" in output("examples.demo.monitoring", "12")


@pytest.mark.slow
def test_the_tour_survives_restart_and_kill() -> None:
    text = output("examples.demo", "1.5")
    assert "10 of 10 answers are byte for byte the same after the restart" in text
    assert "10 of 10 answers are byte for byte the same after the kill -9" in text
    assert "acknowledged just before the kill: all there" in text
    assert "Microsoft" in text
