"""Lines that begin as earlier ones did: agents repeat measurement, tags and keys byte for byte.

Called by lines.py before it takes a text apart, and after it has, to remember what it found. The
lines of one process are remembered, whoever sent them: nothing but text is in here. A text with one
line that is new, malformed or out of the ordinary is not read here at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, pairwise
from threading import Lock

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine import datatypes as dt
from engine import jit
from engine.datatypes import DataType
from engine.jit import Bytes, Int32s, Int64s, UInt64s
from engine.schema import Semantic
from engine.words import new_seed
from server.http.influx import known_kernels as kernels
from server.http.influx import learn_kernels as learning
from server.http.influx import line_values as codes
from server.http.influx.line_kernels import LINE, gather
from server.http.scratch import SCRATCH
from sql.ingest.batch import IngestColumn, IngestTable
from sql.ingest.metrics import TIME

_LINE_BYTES_MIN, _FIELD_BYTES_MIN = 6, 4  # "m f=1\n", "f=1,"
_SLACK = 8  # bytes that let `copy_bytes` write whole words
_EXAMPLES_MAX = 256  # forms of one text; lines of further ones are not remembered
_FORMS_MAX = 1 << 12
# Room at first for texts (bytes), heads and values of tags; it doubles ten times at the most, to
# 64 MiB of texts, 5 MiB of heads and 32 MiB of values.
_ARENA, _HEADS, _SPANS, _DOUBLED_MAX = 1 << 16, 1 << 8, 1 << 12, 10
_FRUITLESS_MAX = 64  # texts that are not tried after attempts that neither read nor learned

TYPES: Mapping[int, DataType] = {
    codes.TAG: dt.STRING,
    codes.TEXT: dt.STRING,
    codes.FLOAT: dt.FLOAT64,
    codes.INTEGER: dt.INT64,
    codes.UNSIGNED: dt.UINT64,
    codes.BOOLEAN: dt.BOOLEAN,
}
# Arrow's types of values that are in a cell as they are.
_PLAIN = {kind: TYPES[kind].arrow for kind in (codes.FLOAT, codes.INTEGER, codes.UNSIGNED)}


@dataclass(frozen=True)
class Form:
    """What lines with the same measurement, tags and fields look like; names without escapes.

    `keys` are the keys of the fields as they stand in a line, each with its equals sign.
    """

    measurement: str
    tags: tuple[str, ...]
    fields: tuple[tuple[str, int], ...]  # name and kind
    keys: tuple[bytes, ...]

    @cached_property
    def ordered(self) -> Sequence[tuple[str, int]]:
        """The tags by name, each with its place in a line."""
        return sorted((name, place) for place, name in enumerate(self.tags))

    @cached_property
    def alike(self) -> object:
        """What all rows of the form share, see `IngestTable`."""
        return object()


@dataclass(frozen=True)
class Parsed:
    """A text that was taken apart without errors: what `line_kernels.scan` has found."""

    data: Bytes
    lines: Int32s
    measures: Int32s
    pairs: Int32s
    kinds: Bytes


FormOf = Callable[[int, int, int], Form]  # of a line, its first value and the one behind its last


@dataclass(frozen=True)
class _Tables:
    """What the kernels read; see known_kernels.py. Entries that are in use never change."""

    doubled: int
    arena: Bytes
    heads: Int32s
    spans: Int32s
    slots: Int32s


def _tables(doubled: int) -> _Tables:
    return _Tables(
        doubled,
        np.empty(_ARENA << doubled, np.uint8),
        np.empty(kernels.HEAD * _HEADS << doubled, np.int32),
        np.empty(2 * _SPANS << doubled, np.int32),
        np.zeros(2 * _HEADS << doubled, np.int32),
    )


@dataclass
class _Names:
    """The numbers of measurements, of shapes (a measurement with its tags) and of forms."""

    measurements: dict[str, int] = field(default_factory=dict)
    shapes: dict[tuple[str, tuple[str, ...]], int] = field(default_factory=dict)
    forms: dict[Form, int] = field(default_factory=dict)
    form_of: list[int] = field(default_factory=list)  # of each shape its form now
    changes: int = 0  # of `form_of`

    def add(self, form: Form) -> int:
        """The shape of a form, which is the shape's form from now on."""
        number = self.forms.setdefault(form, len(self.forms))
        self.measurements.setdefault(form.measurement, len(self.measurements))
        shape = self.shapes.setdefault((form.measurement, form.tags), len(self.shapes))
        if self.form_of[shape : shape + 1] != [number]:
            self.form_of[shape : shape + 1] = [number]
            self.changes += 1
        return shape


def _nothing() -> Int32s:
    return np.empty(0, np.int32)


@dataclass(frozen=True)
class _Forms:
    """What the kernels know of forms, at one moment."""

    known: tuple[Form, ...] = ()
    measurements: int = 0
    shapes: Int32s = field(default_factory=_nothing)
    entries: Int32s = field(default_factory=_nothing)
    fields: Int32s = field(default_factory=_nothing)
    keys: bytes = b""

    def now(self, names: _Names, new: Sequence[Form]) -> _Forms:
        """With those that were added."""
        entries: list[int] = []
        fields: list[int] = []
        keys = b""
        for form in new:
            first = (len(self.fields) + len(fields)) // kernels.FIELD
            entries += [names.measurements[form.measurement], first, len(form.fields)]
            for key, (_, kind) in zip(form.keys, form.fields, strict=True):
                fields += [len(self.keys) + len(keys), len(key), kind]
                keys += key
        return _Forms(
            (*self.known, *new),
            len(names.measurements),
            np.array(names.form_of, np.int32),
            np.append(self.entries, np.array(entries, np.int32)),
            np.append(self.fields, np.array(fields, np.int32)),
            self.keys + keys,
        )


class KnownLines:
    """What lines begin with. Any thread.

    I1. Kernels of other threads read the tables while one thread adds to them: an entry is whole
        before it can be found, and tables are replaced when they grow.
    """

    def __init__(self) -> None:
        # Constant after construction.
        self._seed: UInt64s = new_seed()
        self._lock = Lock()
        # Replaced together, by who holds _lock; any thread reads them. A head's shape has a form.
        self._now = _tables(0), _Forms()
        # Guarded by _lock.
        self._names = _Names()
        self._sizes: Int64s = np.zeros(learning.SIZES, np.int64)
        self._refused = 0  # lines for which there was no room
        # Changed by any thread: what is lost costs an attempt.
        self._fruitless = 0
        self._pause = 0

    def read(
        self,
        content: bytes,
        stops: Sequence[int],
        unit: int,
        now_ns: int,
        options: Mapping[str, str],
    ) -> tuple[list[IngestTable], bool] | None:
        """The rows of texts of which every line is known, and whether they have fields of text.

        Arguments as of `lines.read_lines`. None if some line is not known.
        """
        tables, forms = self._now
        self._pause -= 1
        if not forms.known or self._pause > 0:
            return None
        data, keys = np.frombuffer(content, np.uint8), np.frombuffer(forms.keys, np.uint8)
        rows = SCRATCH.of("line heads", len(data) // _LINE_BYTES_MIN + len(stops), np.int32)
        times = SCRATCH.of("line times", len(rows), np.int64)
        cells = SCRATCH.of("line cells", len(data) // _FIELD_BYTES_MIN + len(stops), np.uint64)
        used = np.zeros(forms.measurements, np.int32)
        state = np.zeros(kernels.STATE_SIZE, np.int64)
        start = 0
        for stop in stops:
            if kernels.scan_known(
                data, start, stop, unit, now_ns, self._seed, tables.arena, tables.heads,
                tables.slots, forms.shapes, forms.entries, forms.fields, keys, used, rows,
                times, cells, state,
            ):  # fmt: skip
                return None
            start = stop
        self._fruitless = 0
        count = int(state[kernels.ROWS])
        found = _Found(tables, forms, data, rows[:count], times[:count], cells, options)
        numbers = (used[used > 0] - 1).tolist()
        has_text = any(kind == codes.TEXT for n in numbers for _, kind in forms.known[n].fields)
        return list(found.tables(numbers)), has_text

    def learn(self, parsed: Parsed, form_of: FormOf) -> None:
        """Remembers the lines of a text, but not while the kernels for it are being compiled."""
        if jit.is_pending(learning.learn_heads):
            return
        count = len(parsed.lines) // LINE
        first, form = np.empty(count + 1, np.int32), np.empty(count, np.int32)
        examples = np.empty(_EXAMPLES_MAX, np.int32)
        size = learning.forms_of(parsed.lines, parsed.pairs, parsed.kinds, first, form, examples)
        forms = [
            form_of(line, int(first[line]), int(first[line + 1]))
            for line in examples[:size].tolist()
        ]
        with self._lock:
            if not self._learn_locked(parsed, first, form, forms):
                self._fruitless = min(2 * self._fruitless + 1, _FRUITLESS_MAX)
                self._pause = self._fruitless

    def _learn_locked(
        self, parsed: Parsed, first: Int32s, form: Int32s, forms: Sequence[Form]
    ) -> bool:
        """True if anything is new."""
        tables, known = self._now
        if len(self._names.forms) + len(forms) > _FORMS_MAX or self._refused > _HEADS:
            tables, known = _tables(0), _Forms()
            self._names, self._refused = _Names(), 0
            self._sizes[:] = 0
        names, changes = self._names, self._names.changes
        shape_of = np.array([names.add(one) for one in forms], np.int32)
        changed = names.changes != changes
        if changed:
            known = known.now(names, list(islice(names.forms, len(known.known), None)))
        before = begin = int(self._sizes[learning.HEADS])
        while learning.learn_heads(
            parsed.data, parsed.lines, parsed.measures, first, parsed.pairs, parsed.kinds, form,
            shape_of, self._seed, tables.arena, tables.heads, tables.spans, tables.slots,
            self._sizes,
        ):  # fmt: skip
            if tables.doubled == _DOUBLED_MAX:
                self._refused += 1
                break
            begin = int(self._sizes[learning.HEADS])
            tables = self._doubled_locked(tables, begin)
        end = int(self._sizes[learning.HEADS])
        self._now = tables, known
        # I1: in a call of its own, so that nothing is published before it is written.
        learning.publish(tables.arena, tables.heads, begin, end, self._seed, tables.slots)
        return changed or end > before

    def _doubled_locked(self, tables: _Tables, heads: int) -> _Tables:
        """Tables twice as large, in which so many heads are found."""
        larger = _tables(tables.doubled + 1)
        larger.arena[: len(tables.arena)] = tables.arena
        larger.heads[: len(tables.heads)] = tables.heads
        larger.spans[: len(tables.spans)] = tables.spans
        learning.publish(larger.arena, larger.heads, 0, heads, self._seed, larger.slots)
        return larger


@dataclass(frozen=True)
class _Found:
    """Lines that were read; see `scan_known`."""

    memory: _Tables
    forms: _Forms
    data: Bytes
    rows: Int32s
    times: Int64s
    cells: UInt64s
    options: Mapping[str, str]

    def tables(self, forms: Sequence[int]) -> Iterator[IngestTable]:
        """The rows of each of these forms, which are all there are."""
        if not len(self.rows):
            return
        if len(forms) == 1:
            form = self.forms.known[forms[0]]
            cells = self.cells[: len(self.rows) * len(form.fields)]
            yield self._table(form, self.rows, self.times, cells.reshape(len(self.rows), -1))
            return
        shapes = self.memory.heads[kernels.HEAD * self.rows + kernels.SHAPE]
        numbers = self.forms.shapes[shapes]
        widths = self.forms.entries[kernels.COUNT :: kernels.FORM][numbers]
        starts = np.cumsum(widths, dtype=np.int64) - widths
        order = np.argsort(numbers, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
        for part in sorted(parts, key=lambda part: int(part[0])):
            form = self.forms.known[numbers[part[0]]]
            places = starts[part][:, None] + np.arange(len(form.fields))
            yield self._table(form, self.rows[part], self.times[part], self.cells[places])

    def _table(
        self, form: Form, rows: Int32s, times: Int64s, cells: NDArray[np.uint64]
    ) -> IngestTable:
        tags = self._tags(len(form.tags), rows)
        columns = [
            IngestColumn(name, dt.STRING, Semantic.TAG, tags[place]) for name, place in form.ordered
        ]
        matrix = np.array(cells.T, order="C")  # a copy, of what is used again
        memory, size = pa.py_buffer(matrix), len(rows)
        for place, (name, kind) in enumerate(form.fields):
            plain = _PLAIN.get(kind)
            if plain is None:
                array = self._converted(kind, matrix[place])
            else:
                part = memory.slice(8 * size * place, 8 * size)
                array = pa.Array.from_buffers(plain, size, [None, part])
            columns.append(IngestColumn(name, TYPES[kind], Semantic.FIELD, array))
        moments = [None, pa.py_buffer(times.tobytes())]
        array = pa.Array.from_buffers(dt.TIMESTAMP_NANOSECOND.arrow, size, moments)
        columns.append(IngestColumn(TIME, dt.TIMESTAMP_NANOSECOND, Semantic.TIMESTAMP, array))
        options = dict(self.options)
        return IngestTable(
            form.measurement, tuple(columns), options=options, exact=True, alike=form.alike
        )

    def _tags(self, count: int, rows: Int32s) -> list[pa.Array]:
        size = len(rows)
        offsets, starts = np.empty(count * (size + 1), np.int32), np.empty(count + 1, np.int32)
        memory = self.memory
        room = int(memory.heads[kernels.HEAD * rows + kernels.SIZE].sum()) + _SLACK
        out = SCRATCH.of("line texts", room, np.uint8)
        kernels.tags_of(memory.arena, memory.heads, memory.spans, rows, count, offsets, starts, out)
        bounds = starts.tolist()
        places, texts = pa.py_buffer(offsets), pa.py_buffer(out[: bounds[count]].tobytes())
        step = 4 * (size + 1)
        return [
            pa.Array.from_buffers(
                pa.string(),
                size,
                [None, places.slice(k * step, step), texts.slice(start, stop - start)],
            )
            for k, (start, stop) in enumerate(pairwise(bounds))
        ]

    def _converted(self, kind: int, values: UInt64s) -> pa.Array:
        """Values that Arrow does not keep as 64 bits."""
        if kind == codes.BOOLEAN:
            return pa.array(values.astype(np.bool_))
        assert kind == codes.TEXT
        starts = (values & np.uint64(0xFFFFFFFF)).astype(np.int32)
        stops = (values >> np.uint64(32)).astype(np.int32)
        kinds = np.full(len(values), codes.TEXT | codes.ESCAPED, np.uint8)
        out = np.empty(int(np.sum(stops - starts, dtype=np.int64)), np.uint8)
        offsets = np.empty(len(values) + 1, np.int32)
        size = gather(self.data, starts, stops, kinds, out, offsets)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(out[:size])]
        return pa.Array.from_buffers(pa.string(), len(values), buffers)
