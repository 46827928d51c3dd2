"""The rows that the measurements write: CPU readings of many hosts, as TSBS has them.

Every form of the same rows (CSV, COPY text, COPY binary, VALUES lists) is made before a clock runs.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyarrow import csv

FIELDS = tuple(f"usage_{i}" for i in range(10))
COLUMNS = ("host", "ts", *FIELDS)
START_US = 1_704_067_200_000_000  # 2024-01-01
STEP_US = 10_000_000
CHUNK_ROWS = 20_000
_POSTGRES_EPOCH_US = 946_684_800_000_000
_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)


def ddl(server: str, table: str) -> str:
    """CREATE TABLE as a user of each server would write it; PostgreSQL gets no index to keep."""
    if server == "gnomon":
        fields = ", ".join(f"{name} DOUBLE" for name in FIELDS)
        keys = "TIME INDEX (ts), PRIMARY KEY (host)"
        return f"CREATE TABLE {table} (host STRING, ts TIMESTAMP(6), {fields}, {keys})"
    if server == "mariadb":
        fields = ", ".join(f"{name} DOUBLE" for name in FIELDS)
        return f"CREATE TABLE {table} (host VARCHAR(20), ts DATETIME(6), {fields})"
    fields = ", ".join(f"{name} DOUBLE PRECISION" for name in FIELDS)
    return f"CREATE TABLE {table} (host TEXT, ts TIMESTAMP, {fields})"


def rows(count: int, hosts: int, first: int = 0) -> pa.Table:
    """`count` rows in time order, all hosts at each instant; `first` shifts to later instants."""
    number = np.arange(first, first + count, dtype=np.int64)
    names = pa.array([f"host_{i:04}" for i in range(hosts)])
    random = np.random.default_rng(first + 1)
    table = {
        "host": names.take(pa.array(number % hosts)),
        "ts": pa.array(START_US + number // hosts * STEP_US, pa.timestamp("us")),
    }
    for name in FIELDS:
        table[name] = pa.array(random.integers(0, 10_000, count) / 100)
    return pa.table(table)


def csv_chunks(table: pa.Table, delimiter: str = ",") -> list[bytes]:
    """COPY data without a header; with a tab it is COPY's text format (no value needs escapes)."""
    options = csv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style="none")
    chunks = []
    for batch in table.to_batches(CHUNK_ROWS):
        sink = io.BytesIO()
        csv.write_csv(batch, sink, options)
        chunks.append(sink.getvalue())
    return chunks


def binary_chunks(table: pa.Table) -> list[bytes]:
    """COPY data in PostgreSQL's binary format. Requires: host names of one length."""
    width = len(table["host"][0].as_py())
    fields = [("n", ">i2"), ("lh", ">i4"), ("host", f"S{width}"), ("lt", ">i4"), ("ts", ">i8")]
    for name in FIELDS:
        fields += [(f"l_{name}", ">i4"), (name, ">f8")]
    chunks = [_SIGNATURE]
    for batch in table.to_batches(CHUNK_ROWS):
        out = np.zeros(batch.num_rows, dtype=np.dtype(fields))
        out["n"], out["lh"], out["lt"] = len(COLUMNS), width, 8
        out["host"] = batch["host"].to_numpy(zero_copy_only=False).astype(f"S{width}")
        out["ts"] = batch["ts"].cast(pa.int64()).to_numpy() - _POSTGRES_EPOCH_US
        for name in FIELDS:
            out[f"l_{name}"] = 8
            out[name] = batch[name].to_numpy()
        chunks.append(out.tobytes())
    return [*chunks, struct.pack("!h", -1)]


def statements(table: pa.Table, name: str, rows_each: int = 1000) -> Iterator[bytes]:
    """INSERT ... VALUES statements of `rows_each` rows."""
    for batch in table.to_batches(rows_each):
        sink = io.BytesIO()
        options = csv.WriteOptions(include_header=False, quoting_style="none")
        csv.write_csv(batch, sink, options)
        values = []
        for line in sink.getvalue().decode().splitlines():
            host, moment, rest = line.split(",", 2)
            values.append(f"('{host}','{moment}',{rest})")
        yield f"INSERT INTO {name} VALUES {','.join(values)}".encode()
