"""`make demo` as a user runs it: the tour ends well and says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_prometheus_and_gnomon_answer_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo.monitoring", "--seconds", "12"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "13 of 13 answers" in done.stdout


@pytest.mark.slow
def test_the_tour_survives_restart_and_kill() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo", "--seconds", "1.5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 of 10 answers are byte for byte the same after the restart" in done.stdout
    assert "10 of 10 answers are byte for byte the same after the kill -9" in done.stdout
    assert "acknowledged just before the kill: all there" in done.stdout
    assert "Microsoft" in done.stdout
