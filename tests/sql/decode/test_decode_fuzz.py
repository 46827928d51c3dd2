"""Broken input ends in rows or in a DbError, never in another exception."""

from __future__ import annotations

import pytest
from fuzz_decode import fuzz


def test_a_few_broken_inputs() -> None:
    good, bad = fuzz(2_000, seed=0)
    assert good > 200
    assert bad > 200


@pytest.mark.slow
def test_many_broken_inputs() -> None:
    good, bad = fuzz(100_000, seed=1)
    assert good + bad == 100_000
