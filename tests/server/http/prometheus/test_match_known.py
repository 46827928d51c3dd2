"""Requests with nothing but samples of known series: read in one go, or not at all."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest
import write_requests as wr

from engine.errors import DbError
from engine.series.hashing import words_of
from engine.series.raw import RawSeries
from server.http.prometheus.match import known_samples
from server.http.prometheus.peel import peelable

ALL = [{"__name__": "up", "job": "x" * size} for size in (1, 7, 40, 126, 300, 1500)]


def remembered() -> RawSeries:
    """All of ALL, with the ids 0, 1 …"""
    raw = RawSeries()
    data = wr.message(*((labels, []) for labels in ALL))
    raw.remember(raw.keys(data, peelable(data).labels.ravel()), np.arange(len(ALL)))
    return raw


def matched(data: bytes, raw: RawSeries, stops: Sequence[int] = ()) -> object:
    """Id, time and value of each sample, and how many each request has."""
    found = known_samples(*words_of(data), stops or [len(data)], raw)
    if found is None:
        return None
    (ids, times, values), counts = found
    return list(zip(ids.tolist(), times.tolist(), values.tolist(), strict=True)), counts


def peeled(data: bytes, raw: RawSeries) -> list[tuple[int, int, float]] | None:
    """The same by the way of all requests; None if there is anything else."""
    found = peelable(data)
    ids = raw.find(raw.keys(data, found.labels.ravel()))
    if not found.plain.all() or (ids < 0).any() or found.without(found.plain):
        return None
    return [
        (int(ids[series]), int(time), float(value))
        for series, time, value in zip(
            found.sample_series, found.sample_times, found.sample_values, strict=True
        )
    ]


def test_one_sample_of_each_series() -> None:
    data = wr.message(*((labels, [(1_700_000_000_000 + k, k / 3)]) for k, labels in enumerate(ALL)))
    expected = [(k, 1_700_000_000_000 + k, k / 3) for k in range(len(ALL))]
    assert matched(data, remembered()) == (expected, [len(ALL)])


def test_several_requests_and_several_samples() -> None:
    first = wr.message((ALL[1], [(1, 1.0), (2, 2.0)]), (ALL[0], []), (ALL[2], [(-3, 3.0)]))
    second = wr.message((ALL[1], [(4, 4.0)]))
    found = matched(first + second, remembered(), [len(first), len(first + second)])
    assert found == ([(1, 1, 1.0), (1, 2, 2.0), (2, -3, 3.0), (1, 4, 4.0)], [3, 1])


def test_a_series_without_samples_before_others() -> None:
    data = wr.message((ALL[0], []), (ALL[1], []), (ALL[1], [(1, 1.0)]), (ALL[2], []))
    assert matched(data, remembered()) == ([(1, 1, 1.0)], [1])


def test_a_sample_spelled_otherwise() -> None:
    late_value = wr.piece(2, b"\x10" + wr.varint(5) + b"\x09" + bytes(6) + b"\xf0\x3f")
    only_time = wr.piece(2, b"\x10" + wr.varint(6))
    assert matched(wr.series(ALL[4], late_value, only_time), remembered()) == (
        [(4, 5, 1.0), (4, 6, 0.0)],
        [2],
    )


@pytest.mark.parametrize(
    "other",
    [
        wr.message(({"__name__": "new"}, [(1, 1.0)])),
        wr.series(ALL[0], wr.histogram(1)),
        wr.series(ALL[0], wr.sample(1, 1.0), wr.piece(3, b"")),
        wr.piece(1, wr.label("__name__", "up") + wr.sample(1, 1.0) + wr.label("job", "x")),
        wr.piece(3, wr.piece(2, b"up")),
        wr.piece(1, b""),
        wr.message((ALL[0], [(1, 1.0)]))[:-1],
        b"\xff" * 12,
    ],
)
def test_whatever_else_there_is_is_left_to_others(other: bytes) -> None:
    known = wr.message((ALL[0], [(1, 1.0)]), (ALL[1], [(1, 1.0)]))
    assert matched(known, remembered()) is not None
    assert matched(known + other, remembered()) is None
    assert matched(other + known, remembered()) is None


def test_changed_requests_are_read_as_by_the_other_way_or_not_at_all() -> None:
    chance, raw = random.Random(3), remembered()
    read = 0
    for _ in range(3000):
        series = [(chance.choice(ALL), [(chance.randrange(99), 1.5)]) for _ in range(3)]
        data = bytearray(wr.message(*series))
        for _ in range(chance.randrange(3)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        found = matched(bytes(data), raw)
        if found is None:
            continue
        read += 1
        assert repr(found) == repr((peeled(bytes(data), raw), [3]))  # NaN is not itself
    assert read > 500


def test_hashes_tell_texts_apart_that_differ_in_a_byte_or_in_their_length() -> None:
    raw = RawSeries()
    text = bytes(2000)
    keys = set()
    spans = [(0, size) for size in range(1200)] + [(3, 3 + size) for size in range(1200)]
    zeros = raw.keys(text, np.array(spans).ravel()).reshape(-1, 2)
    assert [tuple(k) for k in zeros[:1200]] == [tuple(k) for k in zeros[1200:]]
    keys.update(tuple(k) for k in zeros.tolist())
    assert len(keys) == 1200
    for place in range(1100):
        changed = bytearray(1100)
        changed[place] = 1
        keys.add(tuple(raw.keys(bytes(changed), np.array([0, 1100])).tolist()))
        keys.add(tuple(raw.keys(bytes(changed[:1000]), np.array([0, 1000])).tolist()))
    assert len(keys) == 1200 + 1100 + 1000


def test_a_table_that_changes_while_it_is_read_is_read_again() -> None:
    raw = remembered()
    calls = []

    def read(key: object, table: object) -> int:
        calls.append(table)
        if len(calls) == 1:
            raw.remember(np.array([5, 6], np.uint64), np.array([7]))
        return len(calls)

    assert raw.reading(read) == 2


def test_a_malformed_request_is_refused_by_the_other_way() -> None:
    with pytest.raises(DbError, match="not a remote write request"):
        peelable(wr.message((ALL[0], [(1, 1.0)]))[:-1])
