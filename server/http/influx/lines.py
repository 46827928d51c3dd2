"""Line protocol as rows of tables: a measurement is a table, its tags and fields are columns.

Called by write.py with the uncompressed text. Nothing is looked up or written here.
https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from server.http.influx import line_kernels as kernels
from server.http.influx import line_values as codes
from server.http.influx.known import TYPES, Form, KnownLines, Parsed
from server.http.influx.line_columns import columns_of, in_order
from sql.decode.cells import Cells, Place, Unescape
from sql.decode.kernels import INTEGER, NULL
from sql.decode.text import convert
from sql.ingest.batch import IngestColumn, IngestTable
from sql.ingest.metrics import TIME

BYTES_MAX = (1 << 31) - 1  # places in the text are 32 bits
NAMES_MAX = 1 << 20  # distinct columns, and distinct measurements, of one request
_SHOWN = 100  # characters of a line in an error
_SEED = secrets.randbits(62)  # no client knows which names share a slot

_WORDS = {
    codes.NO_MEASUREMENT: "missing measurement",
    codes.NO_TAG_KEY: "missing tag key",
    codes.NO_TAG_VALUE: 'missing value of tag "{}"',
    codes.NO_FIELDS: "missing fields",
    codes.NO_FIELD_KEY: "missing field key",
    codes.NO_FIELD_VALUE: 'missing value of field "{}"',
    codes.BAD_VALUE: 'the value of "{}" is neither a number nor quoted text',
    codes.BAD_TAG: 'the value of tag "{}" has an equals sign without a backslash before it',
    codes.BAD_BOOLEAN: 'the value of "{}" is neither true nor false, and no quoted text',
    codes.UNTERMINATED: 'the text of field "{}" has no closing quote',
    codes.NUMBER_RANGE: 'the integer of field "{}" does not fit 64 bits',
    codes.BAD_TIME: "the timestamp is not a whole number",
    codes.TIME_RANGE: "the timestamp is outside the years 1677 to 2262",
    codes.TWICE: '"{}" is given twice',
    codes.CONFLICT: 'field type conflict: "{}" has another type in a line before',
    codes.TOO_MANY: f"more than {NAMES_MAX} distinct columns or measurements in one request",
}
_ESCAPE = re.compile(rb"\\([, =])")
_MEASUREMENT_ESCAPE = re.compile(rb"\\([, ])")

Ints = NDArray[np.int32]
_KNOWN = KnownLines()


@dataclass(frozen=True)
class LineError:
    """Why a line was left out. Lines count from 1."""

    line: int
    text: str
    why: str

    def __str__(self) -> str:
        return f"line {self.line}: unable to parse '{self.text}': {self.why}"


@dataclass(frozen=True)
class Lines:
    """The good lines as rows, one entry per measurement, and what is wrong with the others."""

    tables: Sequence[IngestTable]
    errors: Sequence[LineError]


@dataclass(frozen=True)
class _Scanned:
    """What the kernel found; see `line_kernels.scan` for the layout of each array."""

    data: NDArray[np.uint8]
    content: bytes
    measures: Ints
    columns: Ints
    pairs: Ints
    kinds: NDArray[np.uint8]
    lines: Ints
    times: NDArray[np.int64]
    errors: Ints

    def number(self, at: int) -> int:
        """The line, from 1, in which a byte lies."""
        return self.content.count(b"\n", 0, at) + 1


def read_lines(
    content: bytes,
    unit: int,
    now_ns: int,
    options: Mapping[str, str] | None = None,
    stops: Sequence[int] | None = None,
) -> Lines:
    """The rows of a text.

    Args:
        unit: nanoseconds per unit of the times; 0 guesses it from the size of each.
        now_ns: the time of lines without one.
        options: of tables that have to be made.
        stops: where texts end of which the content consists, each read by itself: a line or a
            character that one leaves open is not ended by the next.

    Raises: DbError INVALID_ENCODING for text that is not UTF-8, LIMIT_EXCEEDED for more than
    BYTES_MAX, OUT_OF_RANGE for a number beyond all floats.
    """
    stops = stops or (len(content),)
    if len(content) > BYTES_MAX:
        raise DbError(ErrorKind.LIMIT_EXCEEDED, f"the text is longer than {BYTES_MAX} bytes")
    known = _KNOWN.read(content, stops, unit, now_ns, options or {})
    if known is None or known[1]:
        _check_text(content, stops)
    if known is not None:
        return Lines(known[0], ())
    scanned = _scan(content, unit, now_ns, stops)
    errors = [_error(scanned, entry) for entry in scanned.errors.reshape(-1, kernels.ERROR)]
    lines = Lines(list(_tables(scanned, options or {})), errors)
    if not errors:
        _learn(scanned)
    return lines


def warm() -> None:
    """Reads one line: this pays what the first one costs."""
    read_lines(b't,a=b f=1,i=1i,u=1u,s="x",b=t 1', 1, 0)


# --- Taking apart ---------------------------------------------------------------------------------


def _check_text(content: bytes, stops: Sequence[int]) -> None:
    at = content.find(b"\0")
    if at < 0 and not content.isascii():
        start = 0
        for stop in stops:
            try:
                content[start:stop].decode()
            except UnicodeDecodeError as error:
                at = start + error.start
                break
            start = stop
    if at >= 0:
        line = content.count(b"\n", 0, at) + 1
        raise DbError(
            ErrorKind.INVALID_ENCODING,
            f"line {line}: unable to parse: the byte 0x{content[at]:02x} is no UTF-8 text",
        )


def _scan(content: bytes, unit: int, now_ns: int, stops: Sequence[int]) -> _Scanned:
    data = np.frombuffer(content, np.uint8)
    lines_max = content.count(b"\n") + len(stops)
    pairs_max = content.count(b"=")
    measures_max, columns_max = min(lines_max, NAMES_MAX), min(pairs_max, NAMES_MAX)
    measures = np.empty(kernels.MEASURE * measures_max, np.int32)
    columns = np.empty(kernels.COLUMN * columns_max, np.int32)
    pairs, kinds = np.empty(kernels.PAIR * pairs_max, np.int32), np.empty(pairs_max, np.uint8)
    lines, times = np.empty(kernels.LINE * lines_max, np.int32), np.empty(lines_max, np.int64)
    errors, state = (
        np.empty(kernels.ERROR * lines_max, np.int32),
        np.zeros(kernels.STATE_SIZE, np.int64),
    )
    measure_slots, slots, start = _slots(measures_max), _slots(columns_max), 0
    for stop in stops:
        kernels.scan(
            data[:stop], start, unit, now_ns, _SEED, measures, measure_slots, columns, slots,
            pairs, kinds, lines, times, errors, state,
        )  # fmt: skip
        start = stop
    return _Scanned(
        data,
        content,
        measures[: kernels.MEASURE * state[kernels.MEASURES]],
        columns[: kernels.COLUMN * state[kernels.COLUMNS]],
        pairs[: kernels.PAIR * state[kernels.PAIRS]],
        kinds[: state[kernels.PAIRS]],
        lines[: kernels.LINE * state[kernels.LINES]],
        times[: state[kernels.LINES]],
        errors[: kernels.ERROR * state[kernels.ERRORS]],
    )


def _learn(scanned: _Scanned) -> None:
    """Remembers the lines, none of which is bad."""
    numbers = scanned.pairs[:: kernels.PAIR]
    columns = scanned.columns.reshape(-1, kernels.COLUMN)

    def form_of(line: int, first: int, stop: int) -> Form:
        entries = columns[numbers[first:stop]].tolist()
        fields = [entry for entry in entries if entry[3] != codes.TAG]
        return Form(
            _measurement(scanned, int(scanned.lines[kernels.LINE * line + 1])),
            tuple(_name(scanned, entry) for entry in entries if entry[3] == codes.TAG),
            tuple((_name(scanned, entry), entry[3]) for entry in fields),
            tuple(scanned.content[entry[1] : entry[2]] + b"=" for entry in fields),
        )

    parsed = Parsed(scanned.data, scanned.lines, scanned.measures, scanned.pairs, scanned.kinds)
    _KNOWN.learn(parsed, form_of)


def _slots(entries: int) -> Ints:
    """A hash table with room for that many, half empty then."""
    return np.zeros(1 << max(2 * entries - 1, 1).bit_length(), np.int32)


def _error(scanned: _Scanned, entry: Ints) -> LineError:
    code, at, start, end = entry.tolist()
    content = scanned.content
    stop = content.find(b"\n", at)
    text = content[at : stop if stop >= 0 else len(content)].decode(errors="replace").rstrip("\r")
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    key = _ESCAPE.sub(rb"\1", content[start:end]).decode(errors="replace")[:_SHOWN]
    return LineError(scanned.number(at), shown, _WORDS[code].format(key))


# --- Rows -----------------------------------------------------------------------------------------


def _order(entries: Ints, step: int, place: int, keys: int) -> tuple[Ints, Ints]:
    """Entries by a key below `keys`, stable: their numbers, and where those of each key begin."""
    found = entries.reshape(-1, step)[:, place]
    starts = np.zeros(keys + 1, np.int32)
    np.cumsum(np.bincount(found, minlength=keys), out=starts[1:])
    order = np.empty(len(found), np.int32)
    in_order(entries, step, place, starts[:-1].copy(), order)
    return order, starts


def _tables(scanned: _Scanned, options: Mapping[str, str]) -> Iterator[IngestTable]:
    alike = _alike(scanned)
    if alike is not None:
        measure = int(scanned.lines[1])
        yield _table(scanned, measure, alike, scanned.times, options)
        return
    columns = scanned.columns.reshape(-1, kernels.COLUMN)
    measures = scanned.measures.reshape(-1, kernels.MEASURE)
    by_measure, first_line = _order(scanned.lines, kernels.LINE, 1, len(measures))
    by_column, first_pair = _order(scanned.pairs, kernels.PAIR, 0, len(columns))
    columns_of, first_column = _order(scanned.columns, kernels.COLUMN, 0, len(measures))
    local = np.empty(len(scanned.times), np.int32)  # of each line its row in its table
    local[by_measure] = np.arange(len(local)) - np.repeat(first_line[:-1], np.diff(first_line))
    for measure in range(len(measures)):
        lines = by_measure[first_line[measure] : first_line[measure + 1]]
        if not len(lines):
            continue
        made: list[IngestColumn] = []
        for column in columns_of[first_column[measure] : first_column[measure + 1]].tolist():
            pairs = by_column[first_pair[column] : first_pair[column + 1]]
            if len(pairs):
                made.append(_column(scanned, columns[column], pairs, lines, local))
        yield _table(scanned, measure, made, scanned.times[lines], options)


def _table(
    scanned: _Scanned,
    measure: int,
    columns: Sequence[IngestColumn],
    times: NDArray[np.int64],
    options: Mapping[str, str],
) -> IngestTable:
    name = _measurement(scanned, measure)
    _check_names(name, columns)
    tags = [column for column in columns if column.semantic is Semantic.TAG]
    fields = [column for column in columns if column.semantic is not Semantic.TAG]
    tags.sort(key=lambda tag: tag.name)
    moments = pa.array(times, dt.TIMESTAMP_NANOSECOND.arrow)
    time = IngestColumn(TIME, dt.TIMESTAMP_NANOSECOND, Semantic.TIMESTAMP, moments)
    return IngestTable(name, (*tags, *fields, time), options=dict(options), exact=True)


def _measurement(scanned: _Scanned, measure: int) -> str:
    start, end, _ = scanned.measures.reshape(-1, kernels.MEASURE)[measure].tolist()
    return _MEASUREMENT_ESCAPE.sub(rb"\1", scanned.content[start:end]).decode()


def _alike(scanned: _Scanned) -> list[IngestColumn] | None:
    """The columns, if all lines have the same ones in the same order; else None."""
    rows, pairs = len(scanned.times), len(scanned.kinds)
    if not rows or pairs % rows:
        return None
    starts, ends = np.empty(pairs, np.int32), np.empty(pairs, np.int32)
    flags = np.empty(pairs, np.uint8)
    if not columns_of(scanned.pairs, scanned.kinds, rows, starts, ends, flags):
        return None
    width = pairs // rows
    numbers = scanned.pairs[: kernels.PAIR * width : kernels.PAIR]
    entries = scanned.columns.reshape(-1, kernels.COLUMN)[numbers].tolist()
    found: list[IngestColumn] = []
    while len(found) < width:
        # Neighbours of one kind are read together.
        first, kind = len(found), entries[len(found)][3]
        others = (k for k in range(first, width) if entries[k][3] != kind)
        stop = next(others, width)
        names = [_name(scanned, entry) for entry in entries[first:stop]]

        def place(row: int, names: Sequence[str] = names) -> str:
            return _place(scanned, row % rows, names[row // rows])

        some = slice(first * rows, stop * rows)
        values = _values(scanned.data, starts[some], ends[some], flags[some], kind, place)
        for k, name in enumerate(names):
            found.append(_made(name, kind, values.slice(k * rows, rows)))
    return found


def _name(scanned: _Scanned, entry: Sequence[int]) -> str:
    return _ESCAPE.sub(rb"\1", scanned.content[entry[1] : entry[2]]).decode()


def _place(scanned: _Scanned, line: int, column: str) -> str:
    """Where a value of a good line is, for errors."""
    number = scanned.number(int(scanned.lines[kernels.LINE * line]))
    return f'line {number}, column "{column}"'


def _made(name: str, kind: int, values: pa.Array) -> IngestColumn:
    semantic = Semantic.TAG if kind == codes.TAG else Semantic.FIELD
    return IngestColumn(name, TYPES[kind], semantic, values)


def _check_names(measurement: str, columns: Sequence[IngestColumn]) -> None:
    if any(column.name == TIME for column in columns):
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f'unable to parse: "{TIME}" is the time of a row, measurement "{measurement}"'
            " cannot have a tag or field of that name",
        )


def _column(scanned: _Scanned, entry: Ints, pairs: Ints, lines: Ints, local: Ints) -> IngestColumn:
    kind = int(entry[3])
    name = _name(scanned, entry.tolist())
    spans = scanned.pairs.reshape(-1, kernels.PAIR)[pairs]
    kinds = scanned.kinds[pairs]
    starts, ends = np.ascontiguousarray(spans[:, 2]), np.ascontiguousarray(spans[:, 3])
    size = len(lines)
    if len(pairs) < size:
        rows = local[spans[:, 1]]
        starts, ends = _spread(starts, rows, size), _spread(ends, rows, size)
        kinds = _spread(kinds, rows, size)

    def place(row: int) -> str:
        return _place(scanned, int(lines[row]), name)

    return _made(name, kind, _values(scanned.data, starts, ends, kinds, kind, place))


def _spread(values: Any, rows: Ints, size: int) -> Any:
    """The values at their rows, 0 elsewhere."""
    out = np.zeros(size, values.dtype)
    out[rows] = values
    return out


def _values(
    data: NDArray[np.uint8],
    starts: Ints,
    ends: Ints,
    kinds: NDArray[np.uint8],
    kind: int,
    place: Place,
) -> pa.Array:
    """One column's values; NULL where the kind is 0."""
    absent = kinds == 0
    some_absent = bool(absent.any())
    if kind in (codes.TAG, codes.TEXT):
        return _texts(data, starts, ends, kinds, absent if some_absent else None)
    if kind == codes.BOOLEAN:
        first = data[starts] | 32  # of t, true, f, false in any case
        return pa.array(first == ord("t"), mask=absent)
    cell_kinds = np.where(absent, np.uint8(NULL), np.uint8(INTEGER))
    seen = 1 << INTEGER | some_absent << NULL
    cells = Cells(data, starts, ends, cell_kinds, 0, 1, len(starts), seen, Unescape(0), place)
    return convert(cells, TYPES[kind], "UTC")


def _texts(
    data: NDArray[np.uint8],
    starts: Ints,
    ends: Ints,
    kinds: NDArray[np.uint8],
    absent: NDArray[np.bool_] | None,
) -> pa.Array:
    out = np.empty(int(np.sum(ends - starts, dtype=np.int64)), np.uint8)
    offsets = np.empty(len(starts) + 1, np.int32)
    size = kernels.gather(data, starts, ends, kinds, out, offsets)
    bits = None
    if absent is not None:
        bits = pa.py_buffer(np.packbits(~absent, bitorder="little"))
    buffers = [bits, pa.py_buffer(offsets), pa.py_buffer(out[:size])]
    return pa.Array.from_buffers(pa.string(), len(starts), buffers)
