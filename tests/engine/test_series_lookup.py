"""Newer samples find the ones they replace in older files, whatever the order and the columns."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from engine.api import Op, SampleRequest, Write
from engine.clock import ManualClock
from engine.datatypes import FLOAT64, INT64, TIMESTAMP_MILLISECOND
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionColumn, RegionOptions, RegionSchema, Semantic
from engine.sst.series_lookup import applies


def schema_of(*, nullable: bool) -> RegionSchema:
    columns = (
        RegionColumn("series", INT64, Semantic.TAG, nullable=nullable),
        RegionColumn("at", TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, nullable=False),
        RegionColumn("value", FLOAT64, Semantic.FIELD),
    )
    return RegionSchema(columns, ("series",))


def test_it_is_used_for_series_alone() -> None:
    plain = schema_of(nullable=False)
    assert applies(plain, plain.sort_key)
    assert not applies(plain, ("series",))
    assert not applies(schema_of(nullable=True), plain.sort_key)


@pytest.mark.parametrize("nullable", [False, True])
def test_rewritten_and_deleted_samples_are_dead_in_older_files(
    tmp_path: Path, nullable: bool
) -> None:
    """The same writes with either way of looking rows up leave the same rows."""
    schema = schema_of(nullable=nullable)
    regions = LocalRegions(tmp_path, EngineOptions(), ManualClock(0))
    regions.create(1, schema, RegionOptions())
    chance, plain = random.Random(5), dict[tuple[int, int], float]()
    for step in range(12):
        keys = [(chance.randrange(50) - 10, chance.randrange(40)) for _ in range(300)]
        if step % 4 == 3:
            keys = sorted(set(keys), key=lambda key: key[1])
            rows = pa.table(
                {"series": [k[0] for k in keys], "at": pa.array([k[1] for k in keys])}
            ).cast(pa.schema([schema.arrow.field(0), schema.arrow.field(1)]))
            regions.write([Write(1, Op.DELETE, rows, schema)])
            plain = {key: value for key, value in plain.items() if key not in keys}
        else:
            values = [float(step * 1000 + n) for n in range(len(keys))]
            rows = pa.table(
                {
                    "series": [k[0] for k in keys],
                    "at": pa.array([k[1] for k in keys]),
                    "value": values,
                }
            ).cast(schema.arrow)
            regions.write([Write(1, Op.PUT, rows, schema)])
            plain.update(zip(keys, values, strict=True))
        regions.flush(1)
        live = sum(file.rows for file in regions.files(1)) - _dead(regions)
        assert live == len(plain)
    series = np.array(sorted({key[0] for key in plain}))
    found = regions.samples(1, SampleRequest(series))
    ids = np.repeat(series, np.diff(found.offsets))
    there = zip(zip(ids.tolist(), found.times.tolist(), strict=True), found.values, strict=True)
    assert dict(there) == plain
    regions.close()


def _dead(regions: LocalRegions) -> int:
    files = regions._region(1).version.files
    return sum(file.deletion.count for file in files if file.deletion)
