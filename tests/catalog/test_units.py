"""Durations and sizes in option values."""

from __future__ import annotations

import pytest

from catalog import units
from engine.errors import DbError, ErrorKind


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
    assert units.canonical_ttl(text) == canonical
    assert units.canonical_ttl(canonical) == canonical


def test_ttl_in_milliseconds() -> None:
    assert units.ttl_ms(None) is None
    assert units.ttl_ms("forever") is None
    assert units.ttl_ms("instant") == 0
    assert units.ttl_ms("7days") == 7 * units.DAY_MS


@pytest.mark.parametrize("text", ["7", "d", "7 parsecs", "-1d", "1d,2h"])
def test_bad_human_durations(text: str) -> None:
    with pytest.raises(DbError) as caught:
        units.parse_human(text)
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT


def test_sizes() -> None:
    assert units.format_size(units.parse_size("1KiB")) == "1.0KiB"
    assert units.parse_size("512MB") == 512 * 2**20
    assert units.format_size(units.parse_size("1536 MiB")) == "1.5GiB"
    with pytest.raises(DbError):
        units.parse_size("many")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("64MB", "64.0MiB"), ("1.5 GB", "1.5GiB"), ("1000001", "1000001B"), ("0.5KiB", "512B")],
)
def test_canonical_sizes_lose_nothing(text: str, canonical: str) -> None:
    assert units.canonical_size(text) == canonical
    assert units.parse_size(canonical) == units.parse_size(text)
