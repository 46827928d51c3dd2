"""One flipped bit in any file of the engine: an error that names the file, never other rows."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import pytest
from fix_engine import CPU, cpu_keys, cpu_rows, live_rows

from engine.api import Op, Write
from engine.clock import ManualClock
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions

FLIPS = 60  # of each kind of file


def opened(directory: Path) -> LocalRegions:
    return LocalRegions(directory, EngineOptions(), ManualClock())


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Path, list[tuple]]:
    """A directory with rows in the log, in a file, and a deletion vector; and its rows."""
    directory = tmp_path / "whole"
    regions = opened(directory)
    regions.create(1, CPU, RegionOptions())
    rows = [("a", i % 3, i, i / 2, "note") for i in range(50)]
    regions.write([Write(1, Op.PUT, cpu_rows(rows))])
    regions.flush(1)
    regions.write([Write(1, Op.DELETE, cpu_keys([row[:3] for row in rows[::5]]))])
    regions.flush(1)
    regions.write([Write(1, Op.PUT, cpu_rows([("b", 1, i, 1.0, "log") for i in range(20)]))])
    expected = live_rows(regions)
    regions.close()
    return directory, expected


@pytest.mark.parametrize("pattern", ["wal/*.wal", "regions/*/manifest/*", "regions/*/sst/*.dv"])
def test_a_flipped_bit_is_an_error_or_changes_nothing(
    whole: tuple[Path, list[tuple]], tmp_path: Path, pattern: str
) -> None:
    source, expected = whole
    random = Random(7)
    damaged = 0
    for number in range(FLIPS):
        directory = tmp_path / f"copy{number}"
        shutil.copytree(source, directory)
        path = random.choice(sorted(directory.glob(pattern)))
        data = bytearray(path.read_bytes())
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        path.write_bytes(data)
        try:
            regions = opened(directory)
            try:
                assert live_rows(regions) == expected
            finally:
                regions.close()
        except DbError as error:
            assert error.kind is ErrorKind.CORRUPTED, error  # noqa: PT017
            damaged += 1
    assert damaged > FLIPS // 2
