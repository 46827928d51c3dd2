"""kill -9 at random moments loses nothing that was acknowledged and shows nothing half done."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.harness import Harness

ROUNDS = 5


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_acknowledged_units_survive_and_others_are_whole(tmp_path: Path, seed: int) -> None:
    harness = Harness(tmp_path, seed)
    try:
        harness.prepare()
        for _ in range(ROUNDS):
            harness.round()
            assert not harness.summary.problems, "\n".join(harness.summary.problems[:20])
        assert harness.summary.units > ROUNDS * 5, "hardly anything was written"
    finally:
        harness.server.stop()
