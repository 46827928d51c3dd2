"""Random PromQL gets the answers that Debian's Prometheus gives.

`python -m tests.differential.promql` asks as many queries as one likes. What once differed is in
`FOUND`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.differential.promql import START_S, Asked, Side, asked, both, difference

pytestmark = pytest.mark.slow

FOUND = {"rank 0 in an empty bucket": "histogram_quantile(0, rate(latency_bucket[1m]))"}


@pytest.fixture(scope="module")
def sides() -> Iterator[tuple[Side, Side]]:
    with both(1) as found:
        yield found


@pytest.mark.parametrize("seed", range(8))
def test_random_queries_get_the_same_answers(sides: tuple[Side, Side], seed: int) -> None:
    for number in range(25):
        one = asked(random.Random(1000 * seed + number))
        assert difference(one.text, sides[0].ask(one), sides[1].ask(one)) is None, one


@pytest.mark.parametrize("text", FOUND.values(), ids=list(FOUND))
def test_what_once_differed(sides: tuple[Side, Side], text: str) -> None:
    one = Asked(text, START_S + 600, START_S + 3000, 300)
    ours, theirs = sides[0].ask(one), sides[1].ask(one)
    assert difference(text, ours, theirs) is None
    assert theirs.samples
