"""Durations as PromQL writes them."""

from __future__ import annotations

import pytest

from engine.errors import DbError, ErrorKind
from sql import durations


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5s", 5_000), ("1h30m", 5_400_000), ("1w", 604_800_000), ("250ms", 250), ("1d", 86_400_000)],
)
def test_promql(text: str, expected: int) -> None:
    assert durations.parse_promql(text) == expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("not_time", ErrorKind.SYNTAX),
        ("", ErrorKind.SYNTAX),
        ("5", ErrorKind.SYNTAX),
        ("5s1h", ErrorKind.SYNTAX),
        ("0s", ErrorKind.PLAN),
        ("9999999999999y", ErrorKind.PLAN),
    ],
)
def test_bad_promql(text: str, kind: ErrorKind) -> None:
    with pytest.raises(DbError) as caught:
        durations.parse_promql(text)
    assert caught.value.kind is kind
