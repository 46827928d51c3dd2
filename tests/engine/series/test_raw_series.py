"""Ids are found by the bytes of labels, wherever in a request they lie."""

from __future__ import annotations

import numpy as np

from engine.series.raw import RawSeries


def spans_of(texts: list[bytes]) -> np.ndarray:
    ends = np.cumsum([0, *(len(text) for text in texts)])
    return np.column_stack((ends[:-1], ends[1:])).reshape(-1).astype(np.int64)


def test_the_same_bytes_have_the_same_key_at_any_place() -> None:
    known = RawSeries()
    text = bytes(range(100, 153))
    for size in range(len(text)):
        pieces = [part for shift in range(9) for part in (b"-" * shift, text[:size])]
        keys = known.keys(b"".join(pieces), spans_of(pieces)).reshape(-1, 2)[1::2]
        assert len({key.tobytes() for key in keys}) == 1


def test_near_texts_have_other_keys() -> None:
    known = RawSeries()
    texts = [b"", b"\0", b"\0\0", b"a", b"a\0", b"b", *(b"%d" % n for n in range(10_000))]
    keys = known.keys(b"".join(texts), spans_of(texts)).reshape(-1, 2)
    assert len({key.tobytes() for key in keys}) == len(texts)


def test_keys_differ_between_processes() -> None:
    spans = np.array([0, 4], np.int64)
    assert RawSeries().keys(b"host", spans).tolist() != RawSeries().keys(b"host", spans).tolist()


def test_ids_are_remembered_and_unknown_ones_are_not() -> None:
    known = RawSeries()
    texts = [b"series %d" % n for n in range(20_000)]
    keys = known.keys(b"".join(texts), spans_of(texts))
    ids = np.arange(20_000, dtype=np.int64) + (1 << 40)
    ids[7] = -1
    assert known.find(keys).tolist() == [-1] * 20_000
    for begin in range(0, 20_000, 1_000):
        part = slice(begin, begin + 1_000)
        known.remember(keys.reshape(-1, 2)[part].reshape(-1).copy(), ids[part])
    assert known.find(keys).tolist() == ids.tolist()
    known.remember(keys[:2].copy(), np.array([5], np.int64))
    assert known.find(keys[:2].copy()).tolist() == [5]


def test_it_forgets_rather_than_grow_beyond_its_bound() -> None:
    known = RawSeries(entries_max=1_000)
    texts = [b"%d" % n for n in range(3_000)]
    keys = known.keys(b"".join(texts), spans_of(texts)).reshape(-1, 2)
    for begin in range(0, 3_000, 500):
        part = keys[begin : begin + 500].reshape(-1).copy()
        known.remember(part, np.arange(500, dtype=np.int64))
    assert known.memory_bytes < 100_000
    assert known.find(keys[-500:].reshape(-1).copy()).tolist() == list(range(500))
