"""Durations and sizes as people write them."""

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


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("7d", "7days"),
        ("1hour 12min 5s", "1h 12m 5s"),
        ("1 month", "1month"),
        ("24h", "1day"),
        ("forever", "forever"),
        ("", "forever"),
        ("0s", "forever"),
        ("NULL", "forever"),
        ("instant", "instant"),
    ],
)
def test_ttl_is_canonical(text: str, canonical: str) -> None:
    assert durations.canonical_ttl(text) == canonical
    assert durations.canonical_ttl(canonical) == canonical


def test_ttl_in_milliseconds() -> None:
    assert durations.ttl_ms(None) is None
    assert durations.ttl_ms("forever") is None
    assert durations.ttl_ms("instant") == 0
    assert durations.ttl_ms("7days") == 7 * durations.DAY_MS


@pytest.mark.parametrize("text", ["7", "d", "7 parsecs", "-1d", "1d,2h"])
def test_bad_human_durations(text: str) -> None:
    with pytest.raises(DbError) as caught:
        durations.parse_human(text)
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT


def test_sizes() -> None:
    assert durations.format_size(durations.parse_size("1KiB")) == "1.0KiB"
    assert durations.parse_size("512MB") == 512 * 2**20
    assert durations.format_size(durations.parse_size("1536 MiB")) == "1.5GiB"
    with pytest.raises(DbError):
        durations.parse_size("many")
