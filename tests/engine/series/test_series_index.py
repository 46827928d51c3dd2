"""The index gives every label set one id, finds it again, and tells labels from texts exactly."""

from __future__ import annotations

from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import DbError
from engine.series.index import SERIES_BITS, Condition, Labels, SeriesIndex

METRIC = 20_000
HOST, ZONE, POD = 3, 1, 7


def columns(**texts: list[str | None]) -> dict[int, Labels]:
    tags = {"host": HOST, "zone": ZONE, "pod": POD}
    return {tags[name]: Labels.of(pa.array(values, pa.string())) for name, values in texts.items()}


def places(ids: np.ndarray) -> list[int]:
    return [int(one) & ((1 << SERIES_BITS) - 1) for one in ids]


def test_a_label_set_has_one_id_and_new_ones_count_on() -> None:
    index = SeriesIndex()
    found = index.find_or_add(METRIC, columns(host=["a", "b", "a"]), 3)
    assert places(found.ids) == [0, 1, 0]
    assert places(found.fresh) == [0, 1]
    assert {int(one) >> SERIES_BITS for one in found.ids} == {METRIC}
    again = index.find_or_add(METRIC, columns(host=["b", "c"]), 2)
    assert places(again.ids) == [1, 2]
    assert places(again.fresh) == [2]


def test_metrics_count_for_themselves() -> None:
    index = SeriesIndex()
    first = index.find_or_add(METRIC, columns(host=["a"]), 1)
    second = index.find_or_add(METRIC + 1, columns(host=["a"]), 1)
    assert places(first.ids) == places(second.ids) == [0]
    assert first.ids[0] != second.ids[0]
    assert index.metrics() == [METRIC, METRIC + 1]


def test_an_absent_label_is_not_an_empty_one() -> None:
    index = SeriesIndex()
    found = index.find_or_add(METRIC, columns(host=["a"] * 3, zone=[None, "", None]), 3)
    assert places(found.ids) == [0, 1, 0]
    assert places(index.find_or_add(METRIC, columns(host=["a"]), 1).ids) == [0]


def test_equal_texts_under_two_tags_are_two_series() -> None:
    index = SeriesIndex()
    labels = columns(host=["x", None], zone=[None, "x"])
    assert places(index.find_or_add(METRIC, labels, 2).ids) == [0, 1]


def test_series_without_any_label() -> None:
    index = SeriesIndex()
    assert places(index.find_or_add(METRIC, {}, 2).ids) == [0, 0]
    assert places(index.select(METRIC).ids) == [0]


def test_find_adds_nothing() -> None:
    index = SeriesIndex()
    assert index.find(METRIC, columns(host=["a"]), 1).tolist() == [-1]
    index.find_or_add(METRIC, columns(host=["a", "b"]), 2)
    labels = columns(host=["b", "c", "a"], zone=[None, None, "a"])
    assert index.find(METRIC, labels, 3).tolist() == [METRIC << SERIES_BITS | 1, -1, -1]
    assert index.size(METRIC) == 2


def test_select_by_values_patterns_and_absence() -> None:
    index = SeriesIndex()
    labels = columns(host=["a", "b", "c", "d"], zone=["eu", "us", None, "eu"])
    index.find_or_add(METRIC, labels, 4)

    def chosen(*conditions: Condition) -> list[int]:
        return places(index.select(METRIC, conditions).ids)

    assert chosen(Condition(ZONE, ("eu",))) == [0, 3]
    assert chosen(Condition(ZONE, ("eu", "us", "mars"))) == [0, 1, 3]
    assert chosen(Condition(ZONE, ("mars",))) == []
    assert chosen(Condition(ZONE, ("us",), absent=True)) == [1, 2]
    late = Condition(HOST, accepts=lambda values: np.array([v.as_py() >= "c" for v in values]))
    assert chosen(late) == [2, 3]
    assert chosen(Condition(ZONE, ("eu",)), late) == [3]
    assert chosen(Condition(POD, ("eu",))) == []
    assert chosen(Condition(POD, (), absent=True)) == [0, 1, 2, 3]


def test_select_gives_labels_with_their_distinct_values() -> None:
    index = SeriesIndex()
    index.find_or_add(METRIC, columns(host=["a", "b", "c"], zone=["eu", None, "eu"]), 3)
    found = index.select(METRIC, [Condition(HOST, ("b", "c"))], [HOST, ZONE, POD])
    assert found.labels[HOST].strings().to_pylist() == ["b", "c"]
    assert found.labels[ZONE].strings().to_pylist() == [None, "eu"]
    assert found.labels[ZONE].values.to_pylist() == ["eu"]
    assert found.labels[POD].strings().to_pylist() == [None, None]


def test_series_added_after_a_look_are_seen_by_the_next() -> None:
    index = SeriesIndex()
    index.find_or_add(METRIC, columns(host=["a"]), 1)
    assert places(index.select(METRIC, [Condition(HOST, ("b",))]).ids) == []
    index.find_or_add(METRIC, columns(host=["b"]), 1)
    assert places(index.select(METRIC, [Condition(HOST, ("b",))]).ids) == [1]


def test_definitions_are_read_back() -> None:
    index = SeriesIndex()
    hosts = [f"host_{n}" for n in range(3_000)]
    zones = [None if n % 3 else "z" * 300 for n in range(3_000)]
    fresh = index.find_or_add(METRIC, columns(host=hosts, zone=zones), 3_000).fresh
    other = index.find_or_add(METRIC + 1, columns(pod=["p", "é"]), 2).fresh
    stored = pa.concat_tables([index.definitions(fresh), index.definitions(other)])
    back = SeriesIndex()
    back.load(stored["series"].to_numpy(), stored["labels"].combine_chunks())
    assert back.find(METRIC, columns(host=hosts, zone=zones), 3_000).tolist() == fresh.tolist()
    assert back.select(METRIC + 1, (), [POD]).labels[POD].strings().to_pylist() == ["p", "é"]
    more = back.find_or_add(METRIC, columns(host=["new"]), 1)
    assert places(more.fresh) == [3_000]


def test_ids_that_were_given_out_are_not_used_again_after_loading() -> None:
    index = SeriesIndex()
    fresh = index.find_or_add(METRIC, columns(host=["a", "b", "c"]), 3).fresh
    stored = index.definitions(fresh[2:])
    back = SeriesIndex()
    back.load(stored["series"].to_numpy(), stored["labels"].combine_chunks())
    assert places(back.select(METRIC).ids) == [2]
    assert places(back.find_or_add(METRIC, columns(host=["d"]), 1).ids) == [3]


def test_damaged_definitions_are_refused() -> None:
    ids = np.array([METRIC << SERIES_BITS], np.int64)
    for broken in (b"\x03", b"\x03\x05ab", b"\x80" * 11, b"\xff" * 9 + b"\x01"):
        with pytest.raises(DbError, match="cannot be read"):
            SeriesIndex().load(ids, pa.array([broken], pa.binary()))


def test_a_forgotten_metric_leaves_nothing_behind() -> None:
    index = SeriesIndex()
    index.find_or_add(METRIC, columns(host=["a"]), 1)
    index.find_or_add(METRIC + 1, columns(host=["a"]), 1)
    index.forget(METRIC)
    assert places(index.select(METRIC).ids) == []
    assert index.find(METRIC, columns(host=["a"]), 1).tolist() == [-1]
    assert places(index.find(METRIC + 1, columns(host=["a"]), 1)) == [0]


_TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "b", "ab", "ba"]), st.text(max_size=9))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(_TEXTS, _TEXTS, _TEXTS), max_size=20), max_size=5))
def test_ids_are_those_of_a_dictionary(batches: list[list[tuple[str | None, ...]]]) -> None:
    index, model = SeriesIndex(), dict[tuple[str | None, ...], int]()
    for batch in batches:
        host, zone, pod = ([row[k] for row in batch] for k in range(3))
        found = index.find_or_add(METRIC, columns(host=host, zone=zone, pod=pod), len(batch))
        assert places(found.ids) == [model.setdefault(row, len(model)) for row in batch]
    labels = index.select(METRIC, (), [HOST, ZONE, POD]).labels
    texts = [labels[tag].strings().to_pylist() for tag in (HOST, ZONE, POD)]
    assert list(zip(*texts, strict=True)) == list(model)


def test_many_series_need_little_memory_each() -> None:
    index, count = SeriesIndex(), 200_000
    numbers = np.arange(count)
    labels = {
        tag: Labels(pa.array([f"v{n}" for n in range(50)]), (numbers // 50**tag % 50).astype("i4"))
        for tag in range(10)
    }
    assert len(index.find_or_add(METRIC, labels, count).fresh) == count
    assert index.memory_bytes / count < 100


def test_labels_of_some_series_in_any_order() -> None:
    index = SeriesIndex()
    hosts: list[str | None] = ["a", "b", None, "d"]
    labels = {1: Labels.of(pa.array(hosts, pa.string()))}
    ids = index.find_or_add(5, labels, 4).ids
    unknown = ids[-1] + 7
    wanted = np.array([ids[3], unknown, ids[0], ids[2]])
    assert index.labels(5, wanted, 1).strings().to_pylist() == ["d", None, "a", None]
    assert index.labels(5, wanted, 2).strings().to_pylist() == [None] * 4
    assert index.labels(5, ids, 1).strings().to_pylist() == hosts
    assert index.texts(5, wanted, [1, 2]) == {1: ["d", None, "a", None], 2: [None] * 4}


def test_an_empty_text_is_known_once_it_was_used() -> None:
    index = SeriesIndex()
    index.find_or_add(5, {1: Labels.of(pa.array(["a"]))}, 1)
    assert not index.knows_empty()
    index.find_or_add(6, {1: Labels.of(pa.array([""]))}, 1)
    assert index.knows_empty()


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 6)), max_size=12), st.randoms())
@settings(max_examples=40, deadline=None)
def test_looks_between_additions_see_what_a_new_index_would(
    steps: list[tuple[bool, int]], random: Random
) -> None:
    """Series come in order or, loaded, in any; what is listed is kept up."""
    index, texts, count = SeriesIndex(), dict[int, str](), 0
    for is_loaded, size in steps:
        names = [f"v{random.randrange(1000)}-{count + n}" for n in range(size)]
        numbers = list(range(count, count + size))
        if is_loaded:
            other = SeriesIndex()
            other.find_or_add(1, {5: Labels.of(pa.array(names))}, size)
            made = other.definitions(np.arange(size) | 1 << 32).column("labels").combine_chunks()
            later = [*numbers[1:], numbers[0]]  # the first of them comes last
            labels = made.take(pa.array([n - count for n in later]))
            for number, place in zip(later, range(size), strict=True):
                index.load(np.array([number | 1 << 32]), labels.slice(place, 1))
        else:
            found = index.find_or_add(1, {5: Labels.of(pa.array(names))}, size)
            assert found.ids.tolist() == [n | 1 << 32 for n in numbers]
        texts.update(zip(numbers, names, strict=True))
        count += size
        if random.random() < 0.7:
            index.select(1, (), [5])
        seen = index.select(1, (), [5])
        assert seen.ids.tolist() == [n | 1 << 32 for n in sorted(texts)]
        assert seen.labels[5].strings().to_pylist() == [texts[n] for n in sorted(texts)]
