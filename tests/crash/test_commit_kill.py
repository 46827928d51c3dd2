"""A COMMIT over both stores with DDL in it is all or nothing, wherever the process dies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.commit_kill import run

ROUNDS = 12


@pytest.mark.slow
def test_a_killed_commit_is_whole_or_absent(tmp_path: Path) -> None:
    seen = run(ROUNDS, seed=7, home=tmp_path)
    assert seen.rounds == ROUNDS
    assert seen.committed > ROUNDS // 4, "hardly anything was committed"
