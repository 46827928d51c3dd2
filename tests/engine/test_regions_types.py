"""Every type of column through log, file, lookup and restart."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from fix_engine import pinned

from engine import datatypes
from engine.api import Op, Write
from engine.clock import ManualClock
from engine.datatypes import DataType, TypeId, decimal, list_of
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionColumn, RegionOptions, RegionSchema, Semantic


def test_every_type_of_column_is_stored(tmp_path: Path) -> None:
    struct = DataType(TypeId.STRUCT, arrow_nested=pa.struct([("a", pa.int64())]))
    values = {
        datatypes.BOOLEAN: True,
        datatypes.INT8: -8,
        datatypes.UINT64: 2**64 - 1,
        datatypes.FLOAT32: 1.5,
        decimal(20, 3): "1.250",
        datatypes.STRING: "ä",
        datatypes.BINARY: b"\0\xff",
        datatypes.JSON: "{}",
        datatypes.DATE: 19000,
        datatypes.TIME: 123_456,
        datatypes.TIMESTAMP_SECOND: 1_700_000_000,
        datatypes.TIMESTAMP_NANOSECOND: 1,
        datatypes.TIMESTAMP_TZ: 5,
        list_of(datatypes.INT64): [1, None],
        struct: {"a": 1},
    }
    for mode in (RegionOptions(), RegionOptions(append_mode=True)):
        columns = tuple(
            RegionColumn(f"c{i}", type_, Semantic.FIELD) for i, type_ in enumerate(values)
        )
        tag = RegionColumn("flag", datatypes.BOOLEAN, Semantic.TAG)
        ts = RegionColumn("ts", datatypes.TIMESTAMP_SECOND, Semantic.TIMESTAMP, False)
        schema = RegionSchema((*columns, tag, ts), ("flag",))
        region = int(mode.append_mode) + 1
        engine = LocalRegions(tmp_path, EngineOptions(), ManualClock())
        engine.create(region, schema, mode)
        names = schema.arrow.names
        arrays = [
            pa.array([v], pa.string()).cast(t.arrow)
            if t.id is TypeId.DECIMAL
            else pa.array([v], t.arrow)
            for t, v in values.items()
        ]
        arrays += [pa.array([None], pa.bool_()), pa.array([7], pa.timestamp("s"))]
        rows = pa.Table.from_arrays(arrays, schema=schema.arrow)
        engine.write([Write(region, Op.PUT, rows)])
        engine.flush(region)
        with pinned(engine, region, tuple(names)) as snapshot:
            assert pq.read_table(snapshot.files[0].path).cast(rows.schema).equals(rows)
        key = rows if mode.append_mode else rows.select(schema.sort_key)
        engine.write([Write(region, Op.DELETE, key)])
        engine.flush(region)
        engine.close()
        engine = LocalRegions(tmp_path, EngineOptions(), ManualClock())
        assert engine.statistics(region).rows == 0
        engine.close()
