"""Index files: gone with their file, and never believed when damaged."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fix_engine import COLUMNS, CPU, cpu_rows, materialise
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import Needle, Op, ScanRequest, TextFilter, TimeRange, Write
from engine.clock import ManualClock
from engine.doctor.files import examine_file
from engine.doctor.report import Report
from engine.errors import DbError, ErrorKind
from engine.fulltext import codec
from engine.fulltext.postings import BLOCK_SHIFT
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions
from engine.sst.page_map import read_page_map
from engine.sst.pages import read_rows

OPTIONS = RegionOptions(append_mode=True, extra={"text": json.dumps({"note": {"fold": True}})})
WORD = (TextFilter(((Needle("note", "w7", starts=True, ends=True),),)),)


def opened(directory: Path) -> LocalRegions:
    return LocalRegions(directory, EngineOptions(compaction_threads=0), ManualClock(1000))


@pytest.fixture
def regions(tmp_path: Path) -> Iterator[LocalRegions]:
    found = opened(tmp_path)
    found.create(1, CPU, OPTIONS)
    for step in range(2):
        rows = [("a", 1, step * 4000 + i, 0.5, f"w{i // 3} line {i % 7}") for i in range(4000)]
        found.write([Write(1, Op.PUT, cpu_rows(rows))])
        found.flush(1)
    yield found
    found.close()


def found_by_word(regions: LocalRegions) -> tuple[int, int]:
    """How many lines have the word w7, and how many files an index was asked about."""
    snapshot = regions.scan(1, ScanRequest(COLUMNS, texts=WORD))
    try:
        notes = materialise(snapshot, COLUMNS)["note"].to_pylist()
        return sum("w7" in note.split() for note in notes), snapshot.facts.searched
    finally:
        snapshot.close()


def index_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("regions/1/sst/*.txt-index"))


def test_an_index_goes_with_its_file(regions: LocalRegions, tmp_path: Path) -> None:
    assert found_by_word(regions) == (6, 2)
    assert len(index_files(tmp_path)) == 2
    assert all(file.index_bytes for file in regions.files(1))
    regions.compact(1)
    assert found_by_word(regions) == (6, 1)
    assert len(index_files(tmp_path)) == 1
    regions.drop(1)
    assert not index_files(tmp_path)


def test_it_is_there_after_a_restart_and_leftovers_are_not(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.create(1, CPU, OPTIONS)
    first.write([Write(1, Op.PUT, cpu_rows([("a", 1, 1, 0.5, "w7")]))])
    first.flush(1)
    first.close()
    leftover = tmp_path / "regions/1/sst/0000000099-00000000.txt-index"
    leftover.write_bytes(b"left")
    again = opened(tmp_path)
    assert found_by_word(again) == (1, 1)
    again.close()
    assert not leftover.exists()


@pytest.mark.parametrize("damage", ["gone", "cut", "empty", "tail", "body"])
def test_a_damaged_index_is_not_used(regions: LocalRegions, tmp_path: Path, damage: str) -> None:
    for path in index_files(tmp_path):
        content = bytearray(path.read_bytes())
        if damage == "gone":
            path.unlink()
            continue
        if damage == "cut":
            del content[-9:]
        elif damage == "empty":
            content.clear()
        else:
            places = range(len(content) - 20) if damage == "body" else [len(content) - 30]
            for place in places:
                content[place] ^= 255
        path.write_bytes(bytes(content))
    assert found_by_word(regions) == (6, 0)
    version = regions._region(1).version
    report = Report()
    assert examine_file(regions._store, 1, version, version.files[0], report) is not None
    assert any("text index" in finding.message for finding in report.findings)
    capture = regions.backup([1])
    try:
        indexes = [file for file in capture.files if "txt-index" in file.path]
        assert len(indexes) == (2 if damage in ("tail", "body") else 0)
        for file in capture.files:
            file.open().close()
    finally:
        capture.close()
    assert regions.build_indexes(1) == 2
    assert found_by_word(regions) == (6, 2)


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "index"
    with path.open("wb") as file:
        writer = codec.IndexWriter(file)
        writer.add(bytes(range(256)) * 200)
        writer.finish({"rows": 1})
    good = path.read_bytes()
    assert codec.verify(str(path)).header == {"rows": 1}
    for place in random.Random(1).sample(range(len(good)), 300):
        bad = bytearray(good)
        bad[place] ^= 1 << place % 8
        path.write_bytes(bytes(bad))
        with pytest.raises((DbError, ValueError)):
            codec.verify(str(path))


def test_a_failed_build_fails_the_flush_and_loses_nothing(
    regions: LocalRegions, monkeypatch: pytest.MonkeyPatch
) -> None:
    regions.write([Write(1, Op.PUT, cpu_rows([("a", 1, 9000, 0.5, "w7 more")]))])

    def refuse(*_: object) -> None:
        raise DbError(ErrorKind.DISK_FULL, "no space")

    with monkeypatch.context() as patch:
        patch.setattr("engine.flush_files.build", refuse)
        with pytest.raises(DbError, match="no space"):
            regions.flush(1)
    assert found_by_word(regions) == (7, 2)
    regions.flush(1)
    assert found_by_word(regions) == (7, 3)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_rows_out_of_pages_are_those_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, 9000))
    numbers = np.arange(count)
    rows = pa.table(
        {
            "number": pa.array(numbers),
            "text": pa.array([None if n % 11 == 0 else f"t{n % 300}" for n in range(count)]),
            "nested": pa.array([[n] for n in range(count)]),
            "time": pa.array(numbers, pa.timestamp("ms")),
        }
    )
    path = tmp_path_factory.mktemp("pages") / "file.parquet"
    pq.write_table(
        *(rows, path),
        row_group_size=data.draw(st.sampled_from([1000, 4096, 20_000])),
        max_rows_per_page=1 << BLOCK_SHIFT,
        write_page_index=True,
        compression=data.draw(st.sampled_from(["zstd", "none", "snappy"])),
        use_dictionary=data.draw(st.booleans()),
    )
    found = read_page_map(str(path))
    assert found is not None
    assert "nested" not in "".join(found.names)
    wanted = np.array(sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=1))))
    names = data.draw(st.sampled_from([["text"], ["time", "number"], ["number", "text", "time"]]))
    assert read_rows(str(path), found, wanted, names).equals(rows.select(names).take(wanted))


def test_files_without_small_pages_have_no_map(tmp_path: Path) -> None:
    path = tmp_path / "plain.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path)
    assert read_page_map(str(path)) is None
    path.write_bytes(b"PAR1 no footer at all PAR1")
    assert read_page_map(str(path)) is None


def test_times_leave_blocks_out(regions: LocalRegions) -> None:
    request = ScanRequest(COLUMNS, TimeRange(4000, 4100), texts=WORD)
    snapshot = regions.scan(1, request)
    try:
        assert snapshot.facts.blocks_read == 1
        assert snapshot.selected is not None
        assert snapshot.selected.num_rows == 3
    finally:
        snapshot.close()
