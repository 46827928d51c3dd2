"""Searches with text indexes give what reading everything gives, whatever happens to the rows."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from fix_engine import COLUMNS, CPU, cpu_keys, cpu_rows, materialise
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import Needle, Op, ScanRequest, TextFilter, TimeRange, Write
from engine.clock import ManualClock
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import MergeMode, RegionOptions

WORDS = ["error", "Error", "errors", "disk", "GET", "a1", "x", "café", "中文", "中", "文", "Kelvin"]
WORDS += ["\u212aelvin", "\u0130x", "русский", "v1", "0", ""]
MARKS = [" ", "-", "/", ", ", "", ".", "_", "\n"]


def some_text(source: random.Random) -> str | None:
    if source.random() < 0.05:
        return None
    parts = []
    for _ in range(source.randrange(5)):
        parts += [source.choice(WORDS), source.choice(MARKS)]
    return "".join(parts)


def options(kind: str, **more: object) -> RegionOptions:
    text = json.dumps({"note": {"fold": True, "pairs": True, **more}, "host": {"whole": True}})
    return RegionOptions(
        append_mode=kind == "append",
        merge_mode=MergeMode.LAST_NON_NULL if kind == "partial" else MergeMode.LAST_ROW,
        row_group_rows=1200,
        extra={"text": text},
    )


def is_held(needle: Needle, value: str | None) -> bool:
    """What a needle asks, in the plainest way."""
    if value is None:
        return False
    value = value.lower() if needle.folded else value
    if needle.whole:
        return value == needle.text
    before = "(?<![0-9A-Za-z])" if needle.starts and needle.text[:1].isascii() else ""
    after = "(?![0-9A-Za-z])" if needle.ends and needle.text[-1:].isascii() else ""
    return re.search(before + re.escape(needle.text) + after, value) is not None


def passes(row: dict[str, object], filters: Sequence[TextFilter]) -> bool:
    return all(
        any(all(is_held(n, row[n.column]) for n in some) for some in filter_.alternatives)
        for filter_ in filters
    )


@dataclass(frozen=True)
class Stored:
    regions: LocalRegions
    everything: list[dict[str, object]] = field(repr=False)


def milliseconds(moment: object) -> int:
    assert isinstance(moment, datetime)
    return (moment - datetime(1970, 1, 1)) // timedelta(milliseconds=1)  # noqa: DTZ001 - rows hold naive UTC


def rows_of(regions: LocalRegions, request: ScanRequest) -> tuple[list[dict[str, object]], int]:
    snapshot = regions.scan(1, request)
    try:
        rows = materialise(snapshot, request.columns).to_pylist()
        return rows, snapshot.facts.searched
    finally:
        snapshot.close()


def fill(regions: LocalRegions, kind: str, source: random.Random) -> None:
    """Five files of some blocks each, deletions, late rows, rows in memory."""
    for step in range(5):
        rows = [
            (f"h{source.randrange(40)}", source.choice([1, None]), step * 1000 + i, float(i), text)
            for i in range(1500)
            for text in [some_text(source)]
        ]
        regions.write([Write(1, Op.PUT, cpu_rows(rows))])
        if kind != "append":
            doomed = [(r[0], r[1], r[2]) for r in source.sample(rows, 100)]
            regions.write([Write(1, Op.DELETE, cpu_keys(doomed))])
        if step < 4:
            regions.flush(1)


@pytest.fixture(scope="module", params=["append", "upsert", "partial", "merged", "backfilled"])
def stored(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stored]:
    kind = request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.fulltext.picking._SHARE_MAX", 1.0)
        patch.setattr("engine.fulltext.postings._PART_ENTRIES", 1500)
        patch.setattr("engine.fulltext.postings._SLICE_BYTES", 20_000)
        engine = EngineOptions(compaction_threads=0)
        regions = LocalRegions(tmp_path_factory.mktemp("stored"), engine, ManualClock(1000))
        wanted = options(kind)
        first = replace(wanted, extra={}) if kind == "backfilled" else wanted
        regions.create(1, CPU, first)
        fill(regions, kind, random.Random(3))
        if kind == "merged":
            regions.compact(1)
        if kind == "backfilled":
            regions.alter(1, CPU, wanted)
            assert regions.build_indexes(1) == 4
            assert regions.build_indexes(1) == 0
        yield Stored(regions, rows_of(regions, ScanRequest(COLUMNS))[0])
        regions.close()


needles = st.builds(
    Needle,
    st.just("note"),
    st.lists(st.sampled_from(WORDS + MARKS), max_size=4).map("".join),
    whole=st.booleans(),
    starts=st.booleans(),
    ends=st.booleans(),
    folded=st.booleans(),
) | st.builds(
    Needle, st.just("host"), st.sampled_from(["h1", "h2", "h99", ""]), whole=st.just(True)
)
filters = st.lists(
    st.lists(st.lists(needles, max_size=3).map(tuple), min_size=1, max_size=2).map(
        lambda some: TextFilter(tuple(some))
    ),
    min_size=1,
    max_size=2,
).map(tuple)


def as_lower(filter_: TextFilter) -> TextFilter:
    """Folded needles are in lower case, as whoever asks must give them."""
    return TextFilter(
        tuple(
            tuple(replace(n, text=n.text.lower()) if n.folded else n for n in some)
            for some in filter_.alternatives
        )
    )


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(filters, st.integers(-10, 5_000), st.integers(0, 5_000))
def test_what_a_search_leaves_out_does_not_pass(
    stored: Stored, filters: tuple[TextFilter, ...], start: int, length: int
) -> None:
    filters = tuple(map(as_lower, filters))
    times = TimeRange(start, start + length)
    found, _ = rows_of(stored.regions, ScanRequest(COLUMNS, times, texts=filters))

    def wanted(rows: list[dict[str, object]]) -> list[str]:
        return sorted(
            repr(row)
            for row in rows
            if passes(row, filters) and start <= milliseconds(row["ts"]) < start + length
        )

    assert wanted(found) == wanted(stored.everything)


def test_a_rare_word_is_found_without_reading_files_whole(stored: Stored) -> None:
    term = Needle("note", "nowhere", starts=True, ends=True)
    request = ScanRequest(COLUMNS, texts=(TextFilter(((term,),)),))
    snapshot = stored.regions.scan(1, request)
    try:
        assert snapshot.files == ()
        assert snapshot.selected is None
        assert snapshot.facts.blocks_read == 0 < snapshot.facts.blocks
    finally:
        snapshot.close()
