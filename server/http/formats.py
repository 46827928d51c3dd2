"""The layouts in which `/v1/sql` answers: one class per value of its `format` parameter.

sql.py drives them from a worker thread: `start`, then `rows` or `affected` per statement, then
`finish`; every method gives the next bytes of the body, so results of any size stream.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from engine.datatypes import UNITS_PER_SECOND, DataType, TypeId
from engine.errors import DbError, ErrorKind
from server.http.json_text import json_arrays, json_column, json_objects, plain_decimals
from sql.results import Rows

JSON_TYPE = "application/json"
CSV_TYPE = "text/csv; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"
ARROW_TYPE = "application/arrow"


class Format(Protocol):
    """One layout, for one response."""

    name: str  # sent back as x-greptime-format
    content_type: str
    several: bool  # True: the layout can hold the results of several statements

    def start(self) -> bytes:
        """The body's beginning."""

    def rows(self, index: int, rows: Rows) -> Iterator[bytes]:
        """The result of statement `index` (from 0), piece by piece."""

    def affected(self, index: int, count: int) -> bytes:
        """The answer to a statement that returns no rows."""

    def finish(self, elapsed_ms: int) -> bytes:
        """The body's end."""


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _columns(batch: pa.RecordBatch, rows: Rows) -> list[pa.Array]:
    """The batch's columns as JSON texts."""
    pairs = zip(batch.columns, rows.columns, strict=True)
    return [json_column(array, column.type) for array, column in pairs]


def _separated(pieces: Iterator[pa.Buffer]) -> Iterator[bytes]:
    """Runs of `item,` without the comma after the very last item."""
    previous = b""
    for piece in pieces:
        if piece.size:
            if previous:
                yield previous
            previous = piece.to_pybytes()
    yield previous[:-1]


class GreptimeV1:
    """`{"output":[{"records":…}|{"affectedrows":n}],"execution_time_ms":n}`, the default."""

    name = "greptimedb_v1"
    content_type = JSON_TYPE
    several = True

    def start(self) -> bytes:
        """Opens the list of outputs."""
        return b'{"output":['

    def rows(self, index: int, rows: Rows) -> Iterator[bytes]:
        """One records object; the number of rows comes last, when it is known."""
        schemas = [{"name": column.name, "data_type": column.type.name} for column in rows.columns]
        yield b"," if index else b""
        yield b'{"records":{"schema":' + _json({"column_schemas": schemas}) + b',"rows":['
        total = 0

        def texts() -> Iterator[pa.Buffer]:
            nonlocal total
            for batch in rows:
                total += batch.num_rows
                yield json_arrays(_columns(batch, rows), ",")

        yield from _separated(texts())
        yield b'],"total_rows":%d}}' % total

    def affected(self, index: int, count: int) -> bytes:
        """One affectedrows object."""
        return (b"," if index else b"") + b'{"affectedrows":%d}' % count

    def finish(self, elapsed_ms: int) -> bytes:
        """Closes the list."""
        return b'],"execution_time_ms":%d}' % elapsed_ms


# Nanoseconds in one unit of InfluxDB's `epoch` parameter.
EPOCH_NANOSECONDS = {
    "ns": 1,
    "u": 1_000,
    "µ": 1_000,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}


class InfluxV1:
    """InfluxDB 1.x query results; `epoch` converts timestamps to its unit."""

    name = "influxdb_v1"
    content_type = JSON_TYPE
    several = True

    def __init__(self, epoch: str | None = None) -> None:
        """Raises: DbError INVALID_ARGUMENT for an unknown epoch."""
        if epoch is not None and epoch not in EPOCH_NANOSECONDS:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f"unknown epoch {epoch!r}",
                hint=f"one of {', '.join(EPOCH_NANOSECONDS)}",
            )
        self._epoch_ns = None if epoch is None else EPOCH_NANOSECONDS[epoch]

    def start(self) -> bytes:
        """Opens the list of results."""
        return b'{"results":['

    def rows(self, index: int, rows: Rows) -> Iterator[bytes]:
        """One result with one unnamed series."""
        names = _json([column.name for column in rows.columns])
        yield (b"," if index else b"") + b'{"statement_id":%d,"series":[{"name":"",' % index
        yield b'"columns":' + names + b',"values":['
        yield from _separated(
            json_arrays(_columns(self._converted(batch), rows), ",") for batch in rows
        )
        yield b"]}]}"

    def affected(self, index: int, count: int) -> bytes:
        """A result without series."""
        del count
        return (b"," if index else b"") + b'{"statement_id":%d,"series":[]}' % index

    def finish(self, elapsed_ms: int) -> bytes:
        """Closes the list."""
        return b'],"execution_time_ms":%d}' % elapsed_ms

    def _converted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if self._epoch_ns is None:
            return batch
        columns = [
            _in_epoch(array, self._epoch_ns) if pa.types.is_timestamp(array.type) else array
            for array in batch.columns
        ]
        return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _in_epoch(array: pa.Array, epoch_ns: int) -> pa.Array:
    """A timestamp column as whole units of `epoch_ns` nanoseconds, rounded down."""
    unit_ns = 1_000_000_000 // UNITS_PER_SECOND[array.type.unit]
    numbers = array.cast(pa.int64())
    if unit_ns >= epoch_ns:
        try:
            return pc.multiply_checked(numbers, unit_ns // epoch_ns)
        except pa.ArrowInvalid:
            raise DbError(
                ErrorKind.DATETIME_OVERFLOW, "a timestamp is out of range for this epoch"
            ) from None
    divisor = epoch_ns // unit_ns
    # Integer division truncates; a negative remainder means one unit too many.
    quotient = pc.divide(numbers, divisor)
    below = pc.less(numbers, pc.multiply(quotient, divisor))
    return pc.subtract(quotient, below.cast(pa.int64()))


class JsonObjects:
    """`{"data":[{column:value,…}],"execution_time_ms":n}`."""

    name = "json"
    content_type = JSON_TYPE
    several = False

    def start(self) -> bytes:
        """Opens the list of rows."""
        return b'{"data":['

    def rows(self, index: int, rows: Rows) -> Iterator[bytes]:
        """One object per row."""
        del index
        names = tuple(column.name for column in rows.columns)
        yield from _separated(json_objects(names, _columns(batch, rows), ",") for batch in rows)

    def affected(self, index: int, count: int) -> bytes:
        """No rows."""
        del index, count
        return b""

    def finish(self, elapsed_ms: int) -> bytes:
        """Closes the list."""
        return b'],"execution_time_ms":%d}' % elapsed_ms


class Csv:
    """Comma-separated values; strings quoted, nulls empty, numbers and times as in JSON."""

    content_type = CSV_TYPE
    several = False

    def __init__(self, name: str = "csv", *, names: bool = False, types: bool = False) -> None:
        self.name = name
        self._names = names
        self._types = types

    def start(self) -> bytes:
        """Nothing comes before the header."""
        return b""

    def rows(self, index: int, rows: Rows) -> Iterator[bytes]:
        """Header lines as asked for, then one line per row."""
        del index
        if self._names:
            yield _csv_line([column.name for column in rows.columns])
        if self._types:
            yield _csv_line([column.type.name for column in rows.columns])
        types = [column.type for column in rows.columns]
        options = pa_csv.WriteOptions(include_header=False, quoting_style="needed")
        for batch in rows:
            columns = [
                _csv_column(array, data_type)
                for array, data_type in zip(batch.columns, types, strict=True)
            ]
            sink = pa.BufferOutputStream()
            table = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
            pa_csv.write_csv(table, sink, options)
            yield sink.getvalue().to_pybytes()

    def affected(self, index: int, count: int) -> bytes:
        """The number alone."""
        del index
        return b"%d\n" % count

    def finish(self, elapsed_ms: int) -> bytes:
        """Nothing comes after the last line."""
        del elapsed_ms
        return b""


def _csv_line(words: list[str]) -> bytes:
    quoted = ['"' + word.replace('"', '""') + '"' for word in words]
    return (",".join(quoted) + "\n").encode()


_CSV_AS_JSON = frozenset(
    {TypeId.BINARY, TypeId.INTERVAL, TypeId.LIST, TypeId.STRUCT, TypeId.MAP},
)


def _csv_column(array: pa.Array, data_type: DataType) -> pa.Array:
    """What Arrow's CSV writer can spell: numbers, booleans and strings."""
    if data_type.id in _CSV_AS_JSON:
        text = json_column(array, data_type)
        return pc.if_else(pc.is_valid(array), text, pa.scalar(None, text.type))
    if data_type.id is TypeId.DECIMAL:
        return plain_decimals(array)
    if pa.types.is_temporal(array.type):
        return array.cast(pa.int32() if array.type.bit_width == 32 else pa.int64())
    return array


class Arrow:
    """An Arrow IPC stream, optionally compressed; empty when there are no rows to send."""

    name = "arrow"
    content_type = ARROW_TYPE
    several = False

    def __init__(self, compression: str | None = None) -> None:
        """Raises: DbError INVALID_ARGUMENT for an unknown compression."""
        if compression not in (None, "", "zstd", "lz4"):
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f"unknown compression {compression!r}",
                hint="zstd or lz4",
            )
        self._options = pa.ipc.IpcWriteOptions(compression=compression or None)

    def start(self) -> bytes:
        """The stream begins with its schema, in `rows`."""
        return b""

    def rows(self, index: int, rows: Rows) -> Iterator[bytes]:
        """Schema, batches, end of stream."""
        del index
        schema = pa.schema(
            [pa.field(column.name, column.type.arrow, column.nullable) for column in rows.columns]
        )
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, schema, options=self._options) as writer:
            for batch in rows:
                writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
                yield _taken(sink)
        yield _taken(sink)

    def affected(self, index: int, count: int) -> bytes:
        """A stream of one row with the count, so that every answer is an Arrow stream."""
        del index
        table = pa.table({"affected_rows": pa.array([count], pa.int64())})
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema, options=self._options) as writer:
            writer.write_table(table)
        return sink.getvalue()

    def finish(self, elapsed_ms: int) -> bytes:
        """The stream has ended itself."""
        del elapsed_ms
        return b""


def _taken(sink: io.BytesIO) -> bytes:
    """What was written since the last call."""
    data = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return data


class Table:
    """A box drawn with line characters, for people. Widths need all rows: nothing streams."""

    name = "table"
    content_type = TEXT_TYPE
    several = False

    def start(self) -> bytes:
        """The box begins in `rows`."""
        return b""

    def rows(self, index: int, rows: Rows) -> Iterator[bytes]:
        """The whole box."""
        del index
        names = [column.name for column in rows.columns]
        columns: list[list[str]] = [[] for _ in names]
        for batch in rows:
            for texts, cells in zip(columns, _columns(batch, rows), strict=True):
                texts.extend(cells.to_pylist())
        widths = [max(map(len, [name, *texts])) for name, texts in zip(names, columns, strict=True)]
        head = [
            "─" + name.ljust(width, "─") + "─" for name, width in zip(names, widths, strict=True)
        ]
        lines = ["┌" + "┬".join(head) + "┐"]
        for row in zip(*columns, strict=True):
            cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
            lines.append("│ " + " │ ".join(cells) + " │")
        lines.append("└" + "┴".join("─" * (width + 2) for width in widths) + "┘")
        yield ("\n".join(lines) + "\n").encode()

    def affected(self, index: int, count: int) -> bytes:
        """The number alone."""
        del index
        return b"%d\n" % count

    def finish(self, elapsed_ms: int) -> bytes:
        """The box is complete."""
        del elapsed_ms
        return b""


class Null:
    """Runs everything and sends only counts: for measuring."""

    name = "null"
    content_type = TEXT_TYPE
    several = True

    def start(self) -> bytes:
        """No heading."""
        return b""

    def rows(self, index: int, rows: Rows) -> Iterator[bytes]:
        """Counts the rows."""
        del index
        yield b"%d rows in set.\n" % sum(batch.num_rows for batch in rows)

    def affected(self, index: int, count: int) -> bytes:
        """Counts the changes."""
        del index
        return b"%d rows affected.\n" % count

    def finish(self, elapsed_ms: int) -> bytes:
        """The time it took."""
        return b"Elapsed: %d.%03ds\n" % divmod(elapsed_ms, 1_000)


_FORMATS: dict[str, Callable[[str | None, str | None], Format]] = {
    "greptimedb_v1": lambda epoch, compression: GreptimeV1(),
    "influxdb_v1": lambda epoch, compression: InfluxV1(epoch),
    "json": lambda epoch, compression: JsonObjects(),
    "csv": lambda epoch, compression: Csv("csv"),
    "csvwithnames": lambda epoch, compression: Csv("csvWithNames", names=True),
    "csvwithnamesandtypes": lambda epoch, compression: Csv(
        "csvWithNamesAndTypes", names=True, types=True
    ),
    "arrow": lambda epoch, compression: Arrow(compression),
    "table": lambda epoch, compression: Table(),
    "null": lambda epoch, compression: Null(),
}


def format_named(name: str, epoch: str | None, compression: str | None) -> Format:
    """The layout of that name, in any case. Raises: DbError INVALID_ARGUMENT."""
    make = _FORMATS.get(name.lower())
    if make is None:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"unknown format {name!r}",
            hint=f"one of {', '.join(_FORMATS)}",
        )
    return make(epoch, compression)
