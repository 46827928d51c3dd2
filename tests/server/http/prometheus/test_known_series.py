"""Remote write again and again: series that are known are written without reading their labels."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
import write_requests as wr

from engine.errors import DbError
from server.http.prometheus.peel import peelable

UP = {"__name__": "up", "job": "a"}
DOWN = {"__name__": "down", "job": "b"}


async def rows(prom: Any, table: str) -> Any:
    return await prom.sql(f"SELECT job, greptime_value FROM {table} ORDER BY greptime_timestamp")


async def test_samples_of_known_series_are_written_and_counted(prom: Any) -> None:
    await prom.write((UP, [(1, 1.0)]), (DOWN, [(1, 2.0)]))
    answer = await prom.write((UP, [(2, 3.0), (3, 4.0)]), (DOWN, [(2, 5.0)]))
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "3"
    assert await rows(prom, "up") == [["a", 1.0], ["a", 3.0], ["a", 4.0]]
    assert await rows(prom, "down") == [["b", 2.0], ["b", 5.0]]


async def test_known_and_new_series_in_one_request(prom: Any) -> None:
    await prom.write((UP, [(1, 1.0)]))
    new = {"__name__": "up", "job": "c"}
    answer = await prom.write((new, [(2, 2.0)]), (UP, [(3, 3.0)]), (DOWN, [(1, 9.0)]))
    assert answer.headers["x-prometheus-remote-write-samples-written"] == "3"
    assert await rows(prom, "up") == [["a", 1.0], ["c", 2.0], ["a", 3.0]]
    await prom.write((new, [(4, 4.0)]), (DOWN, [(2, 8.0)]))
    assert await rows(prom, "up") == [["a", 1.0], ["c", 2.0], ["a", 3.0], ["c", 4.0]]
    assert await rows(prom, "down") == [["b", 9.0], ["b", 8.0]]


async def test_a_known_series_of_a_dropped_table_makes_a_new_one(prom: Any) -> None:
    await prom.write((UP, [(1, 1.0)]))
    await prom.write((UP, [(2, 2.0)]))
    await prom.sql("DROP TABLE up")
    await prom.write((UP, [(3, 3.0)]))
    await prom.write((UP, [(4, 4.0)]))
    assert await rows(prom, "up") == [["a", 3.0], ["a", 4.0]]


async def test_a_known_series_of_a_renamed_table_goes_by_its_name(prom: Any) -> None:
    await prom.write((UP, [(1, 1.0)]))
    await prom.sql("ALTER TABLE up RENAME kept")
    await prom.write((UP, [(2, 2.0)]))
    assert await rows(prom, "kept") == [["a", 1.0]]
    assert await rows(prom, "up") == [["a", 2.0]]


async def test_a_known_series_of_a_renamed_tag_goes_by_its_labels(prom: Any) -> None:
    await prom.write((UP, [(1, 1.0)]))
    await prom.sql("ALTER TABLE up RENAME COLUMN job TO task")
    await prom.write((UP, [(2, 2.0)]))
    found = await prom.sql("SELECT task, job, greptime_value FROM up ORDER BY greptime_value")
    assert found == [["a", None, 1.0], [None, "a", 2.0]]


async def test_a_known_series_of_an_emptied_table(prom: Any) -> None:
    await prom.write((UP, [(1, 1.0)]))
    await prom.sql("TRUNCATE TABLE up")
    await prom.write((UP, [(2, 2.0)]))
    await prom.write((UP, [(3, 3.0)]))
    assert await rows(prom, "up") == [["a", 2.0], ["a", 3.0]]


async def test_new_columns_leave_known_series_known(prom: Any) -> None:
    await prom.write((UP, [(1, 1.0)]))
    await prom.write(({**UP, "pod": "p"}, [(1, 2.0)]))
    await prom.write((UP, [(2, 3.0)]))
    found = await prom.sql("SELECT job, pod, greptime_value FROM up ORDER BY greptime_value")
    assert found == [["a", None, 1.0], ["a", "p", 2.0], ["a", None, 3.0]]


async def test_the_last_of_equal_times_counts(prom: Any) -> None:
    await prom.write((UP, [(1, 1.0)]))
    await prom.write((UP, [(2, 1.0), (2, 2.0)]), (UP, [(2, 3.0)]))
    assert await rows(prom, "up") == [["a", 1.0], ["a", 3.0]]


async def test_physical_tables_remember_for_themselves(prom: Any) -> None:
    await prom.sql("CREATE DATABASE d")
    for value in (1.0, 2.0):
        await prom.write((UP, [(int(value), value)]))
        await prom.write((UP, [(int(value), 10 * value)]), db="d")
    assert await rows(prom, "up") == [["a", 1.0], ["a", 2.0]]
    assert await rows(prom, "d.up") == [["a", 10.0], ["a", 20.0]]


async def test_routed_series_go_where_their_labels_say(prom: Any) -> None:
    await prom.sql("CREATE DATABASE d")
    routed = {**UP, "x_greptime_database": "d"}
    for value in (1.0, 2.0):
        await prom.write((routed, [(int(value), value)]))
    assert await rows(prom, "d.up") == [["a", 1.0], ["a", 2.0]]


async def test_histograms_of_known_series_are_kept(prom: Any) -> None:
    labels = {"__name__": "h", "job": "a"}
    await prom.write((labels, [(1, 1.0)]))
    body = wr.series(labels, wr.histogram(1000, 4))
    answer = await prom.post(wr.compressed(body))
    assert answer.headers["x-prometheus-remote-write-histograms-written"] == "1"
    found = await prom.sql("SELECT greptime_value, greptime_native_histogram IS NULL FROM h")
    assert sorted(found, key=str) == [[1.0, True], [None, False]]


def test_series_are_found_in_a_message() -> None:
    data = wr.message((UP, [(1, 1.0), (2, 2.0)]), (DOWN, []))
    found = peelable(data)
    assert found.plain.tolist() == [True, True]
    assert found.sample_series.tolist() == [0, 0]
    assert found.sample_times.tolist() == [1, 2]
    assert found.sample_values.tolist() == [1.0, 2.0]
    first, last = found.labels[0]
    assert data[first:last] == wr.label("__name__", "up") + wr.label("job", "a")
    assert found.without(np.array([True, False])) == wr.message((DOWN, []))
    assert found.without(np.array([False, True])) == wr.message((UP, [(1, 1.0), (2, 2.0)]))


def test_what_is_not_plain_stays() -> None:
    scattered = wr.piece(1, wr.label("__name__", "up") + wr.sample(1, 1.0) + wr.label("a", "b"))
    metadata = wr.piece(3, wr.piece(2, b"up"))
    exemplar = wr.series(UP, wr.sample(1, 1.0), wr.piece(3, b""))
    data = scattered + metadata + wr.message((UP, [(1, 1.0)])) + exemplar
    found = peelable(data)
    assert found.plain.tolist() == [False, True, False]
    assert found.without(np.array([False, True, False])) == scattered + metadata + exemplar


def test_small_series_need_larger_arrays() -> None:
    data = wr.piece(1, wr.piece(2, b"")) * 5_000
    found = peelable(data)
    assert len(found.plain) == len(found.sample_values) == 5_000


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_message_that_is_cut_off_is_refused(cut: int) -> None:
    data = wr.message((UP, [(1, 1.0)]))
    with pytest.raises(DbError, match="not a remote write request"):
        peelable(data[:cut])


def written(answer: Any) -> tuple[str, ...]:
    """The counts of an answer."""
    kinds = ("samples", "histograms", "exemplars")
    return tuple(answer.headers[f"x-prometheus-remote-write-{kind}-written"] for kind in kinds)


async def test_requests_at_one_moment_are_taken_and_refused_one_by_one(prom: Any) -> None:
    await prom.write((UP, [(1, 1.0)]))
    known = [wr.message((UP, [(time, float(time))])) for time in range(2, 22)]
    new = []
    for n in range(100, 120):
        labels = {"__name__": "up", "job": f"j{n}"}
        new.append(wr.message((labels, [(n, 1.0)]), (DOWN, [(n, 0.5), (n + 1, 1.0)])))
    cut = [wr.message((UP, [(1000, 1000.0)]))[:-3]] * 20
    # A series that is open where the next message begins, as if that were within it.
    swallows = [wr.series(UP, wr.sample(2000, 1.0)) + b"\x0a\x7f"] * 20
    fours = zip(known, new, cut, swallows, strict=True)
    bodies = [wr.compressed(one) for four in fours for one in four] + [b"no snappy"]
    answers = await asyncio.gather(*map(prom.post, bodies))
    assert [answer.status_code for answer in answers] == [204, 204, 400, 400] * 20 + [400]
    assert {written(answer) for answer in answers[0::4][:20]} == {("1", "0", "0")}
    assert {written(answer) for answer in answers[1::4]} == {("3", "0", "0")}
    found = await rows(prom, "up")
    assert [row for row in found if row[0] == "a"] == [["a", float(n)] for n in range(1, 22)]
    assert len(found) == 21 + 20
    assert (await prom.sql("SELECT count(*) FROM down"))[0] == [21]


async def test_requests_with_histograms_count_their_own(prom: Any) -> None:
    await prom.write((UP, [(1, 1.0)]))
    plain = wr.compressed(wr.message((UP, [(2, 2.0)])))
    labels = {"__name__": "sizes", "job": "a"}
    mixed = wr.compressed(wr.series(labels, wr.histogram(5), wr.histogram(6)))
    answers = await asyncio.gather(*map(prom.post, [plain, mixed] * 4))
    assert [written(answer) for answer in answers] == [("1", "0", "0"), ("0", "2", "0")] * 4
