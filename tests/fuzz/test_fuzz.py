"""Whatever the text: an answer or a precise error, on every wire, and soon.

`python -m tests.fuzz.run` feeds as many inputs as one likes; what it found is in `FOUND`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.fuzz.harness import Harness
from tests.fuzz.inputs import seeds, statement

INPUTS = 700  # each of them on three wires

FOUND = (
    "DELETE host m WHERE v = 4",
    "INSERT FROM t (used) ts ('10s')",
    "MERGE INTO (SELECT 1) x USING fz ON true WHEN MATCHED THEN DELETE",
    "INSERT INTO (SELECT 1) VALUES (1)",
    "ADMIN compact_table('cpu''regular', '3600')",
    "CREATE VIEW IF NOT EXISTS hosts",
    "SELECT ((ts, sum(v))) RANGE '1d' FROM fz ALIGN '1d' BY () ORDER BY ts",
    "UPDATE rel SETb, host",
    "MERGE INTO rel USING (SELECT 1 AS h) AS s ON rel.id = s.h WHEN NOT MATCHED THEN INSERT (s) ",
    "MERGE INTO SELECT USING (SELECT 1 AS h) AS s ON p.host = s.h WHEN MATCHED THEN DELETE",
    "SELECT m, s FROM $1 t",
    "SELECT host FROM @x m WHERE m.host = '7'",
)


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    made = Harness(tmp_path_factory.mktemp("fuzz") / "data")
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_broken_statements_end_in_answers_or_errors(harness: Harness, seed: int) -> None:
    harness.problems.clear()
    assert len(seeds()) > 1000, "the corpus is there"
    for number in range(INPUTS):
        chance = random.Random(seed * 1_000_003 + number)
        harness.feed(statement(chance), run=chance.random() < 0.3)
    assert not harness.problems


@pytest.mark.slow
@pytest.mark.parametrize("text", FOUND)
def test_what_once_failed_is_told(harness: Harness, text: str) -> None:
    harness.problems.clear()
    harness.feed(text, run=True)
    assert not harness.problems
