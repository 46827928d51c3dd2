"""The series of a store in memory: which labels each has, and which series have these labels.

Used by sql/metrics, which keeps the definitions in a region. It holds arrays only, no object per
series: about 30 bytes and 4 per label for each, and every distinct text once. It reads and writes
no file. `series = metric << 32 | n`, n counting from 0 within the metric.

I1. A label set of a metric has one id, for as long as the index lives; ids are never used again.
I2. Labels are equal if their texts are; a label that is absent differs from an empty one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.errors import DbError, ErrorKind
from engine.jit import Int32s, Int64s
from engine.series import kernels
from engine.series.hashing import words_of
from engine.series.symbols import Symbols, grown

_RECENT_MAX = 10_000  # texts whose numbers are remembered
_TEXTS_MAX = 20_000  # series whose labels are remembered
SERIES_BITS = 32  # of a series' id that count within its metric


@dataclass(frozen=True)
class Labels:
    """One label of many series: its distinct values, and for each series the place of its own.

    A code of -1: the series has no such label.
    """

    values: pa.StringArray
    codes: Int32s

    @staticmethod
    def of(column: pa.Array | pa.ChunkedArray) -> Labels:
        """A column of text with NULLs where there is no label."""
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if not pa.types.is_dictionary(array.type):
            array = array.dictionary_encode()
        codes = array.indices.fill_null(-1).to_numpy().astype(np.int32)
        return Labels(array.dictionary, codes)

    def strings(self) -> pa.StringArray:
        """One value per series, NULL where there is none."""
        return self.values.take(pa.array(self.codes, mask=self.codes < 0))


@dataclass(frozen=True)
class Condition:
    """What is asked of one label of a series.

    `values`: it must be one of them. Otherwise `accepts` tells for each of some distinct values
    whether it will do. `absent`: series without the label pass.
    """

    tag: int
    values: tuple[str, ...] | None = None
    accepts: Callable[[pa.StringArray], NDArray[np.bool_]] | None = None
    absent: bool = False


@dataclass(frozen=True)
class SeriesSet:
    """Series of one metric: their ids, ascending, and some of their labels by the tag's id."""

    ids: Int64s
    labels: Mapping[int, Labels]


@dataclass(frozen=True)
class Found:
    """Ids for some rows, and those that no row had before, ascending."""

    ids: Int64s
    fresh: Int64s


def _no_series() -> Int32s:
    return np.empty(0, np.int32)


@dataclass
class _Metric:
    """One metric: `positions` of tags in its series' codes; `head` is its newest series.

    `series` and `columns` are what was listed last; `listed` was the newest then.
    """

    number: int
    slot: int
    positions: dict[int, int] = field(default_factory=dict)
    head: int = -1
    count: int = 0  # ids given out
    series: Int32s = field(default_factory=_no_series)  # alive ones, ascending by id
    columns: dict[int, Int32s] = field(default_factory=dict)  # codes of those, by position
    listed: int = -1


class SeriesIndex:
    """Every method may be called from any thread."""

    def __init__(self) -> None:
        # Guarded by _lock.
        self._lock = RLock()
        self._symbols = Symbols()
        self._metrics: dict[int, _Metric] = {}
        self._slots = 0
        self._count = 0
        self._key = secrets.randbits(62)
        self._table = np.full(1 << 10, -1, np.int32)
        self._metric_of = np.empty(256, np.int32)
        self._number_of = np.empty(256, np.uint32)
        self._previous = np.empty(256, np.int32)
        self._starts = np.zeros(257, np.int64)
        self._arena = np.empty(2048, np.int32)
        self._marks = np.full(256, -1, np.int32)
        self._recent: dict[str, int] = {}
        self._texts: dict[int, dict[int, str]] = {}  # labels of series that were read, by tag
        self._recent_of = 0  # how many texts were known when unknown ones were looked for

    @property
    def count(self) -> int:
        """How many series there ever were."""
        return self._count

    @property
    def memory_bytes(self) -> int:
        """Memory in use, less what is kept of recent look-ups."""
        arrays = (
            self._table, self._metric_of, self._number_of, self._previous, self._starts,
            self._arena, self._marks,
        )  # fmt: skip
        return self._symbols.memory_bytes + sum(array.nbytes for array in arrays)

    def metrics(self) -> list[int]:
        """The numbers of all metrics that have, or had, series."""
        with self._lock:
            return list(self._metrics)

    def size(self, metric: int) -> int:
        """How many ids of a metric were given out."""
        with self._lock:
            known = self._metrics.get(metric)
            return 0 if known is None else known.count

    # Finding.

    def find(self, metric: int, labels: Mapping[int, Labels], rows: int) -> Int64s:
        """The id of each row's label set, -1 for unknown ones. Keys are the tags' ids."""
        with self._lock:
            known = self._metrics.get(metric)
            if known is None:
                return np.full(rows, -1, np.int64)
            series = self._rows(known, labels, rows, add=False)
            return self._ids(known, series)

    def find_or_add(self, metric: int, labels: Mapping[int, Labels], rows: int) -> Found:
        """The id of each row's label set; new ones get new ids."""
        with self._lock:
            known = self._known(metric)
            before = known.count
            series = self._rows(known, labels, rows, add=True)
            fresh = np.arange(before, known.count, dtype=np.int64) | metric << SERIES_BITS
            return Found(self._ids(known, series), fresh)

    def _known(self, metric: int) -> _Metric:
        known = self._metrics.get(metric)
        if known is None:
            known = self._metrics[metric] = _Metric(metric, self._slots)
            self._slots += 1
        return known

    def _ids(self, metric: _Metric, series: Int32s) -> Int64s:
        ids = self._number_of[series].astype(np.int64) | metric.number << SERIES_BITS
        return np.where(series < 0, np.int64(-1), ids)

    def _rows(
        self, metric: _Metric, labels: Mapping[int, Labels], rows: int, *, add: bool
    ) -> Int32s:
        for tag in sorted(labels) if add else ():
            metric.positions.setdefault(tag, len(metric.positions))
        codes = np.full((rows, len(metric.positions)), -1, np.int32)
        unknown = np.zeros(rows, np.bool_)
        for tag, given in labels.items():
            numbers = np.append(self._symbols.numbers(given.values, add=add), np.int32(-1))
            found = numbers[given.codes]
            unknown |= (found < 0) & (given.codes >= 0)
            if tag in metric.positions:
                codes[:, metric.positions[tag]] = found
            else:
                unknown |= given.codes >= 0
        if add:
            return self._add(metric, codes)
        out = np.empty(rows, np.int32)
        self._find_or_add(metric, codes, 0, 0, out)
        out[unknown] = -1
        return out

    def _find_or_add(
        self, metric: _Metric, codes: Int32s, begin: int, add: int, out: Int32s
    ) -> tuple[int, int]:
        flat = np.ascontiguousarray(codes).reshape(-1)
        return kernels.find_or_add(
            metric.slot, flat, codes.shape[1], begin, self._count, add, self._key,
            self._table, self._metric_of, self._starts, self._arena, out,
        )  # fmt: skip

    def _add(self, metric: _Metric, codes: Int32s, numbers: Int64s | None = None) -> Int32s:
        """Finds or adds series. `numbers`: their places in the metric, None for the next ones."""
        out = np.empty(len(codes), np.int32)
        before, done = self._count, 0
        while True:
            done, self._count = self._find_or_add(metric, codes, done, 1, out)
            if done == len(out):
                break
            self._grow(codes.shape[1])
        new = self._count - before
        if new:
            self._number_of = grown(self._number_of, len(self._metric_of))
            self._previous = grown(self._previous, len(self._metric_of))
            self._link(metric, before, out, numbers)
        return out

    def _link(self, metric: _Metric, before: int, out: Int32s, numbers: Int64s | None) -> None:
        """Numbers the series from `before` on and adds them to the metric's chain."""
        new = self._count - before
        if numbers is None:
            own = np.arange(metric.count, metric.count + new)
        else:
            own = np.empty(new, np.int64)
            own[out - before] = numbers
        self._number_of[before : self._count] = own
        self._previous[before] = metric.head
        self._previous[before + 1 : self._count] = np.arange(before, self._count - 1)
        metric.head = self._count - 1
        metric.count = max(metric.count, int(own.max()) + 1)

    def _grow(self, width: int) -> None:
        self._metric_of = grown(self._metric_of, self._count + 1)
        self._starts = grown(self._starts, len(self._metric_of) + 1)
        self._arena = grown(self._arena, int(self._starts[self._count]) + width)
        if 2 * self._count >= len(self._table):
            self._table = np.full(2 * len(self._table), -1, np.int32)
            self._place_all()

    def _place_all(self) -> None:
        kernels.place_all(
            self._count, self._key, self._table, self._metric_of, self._starts, self._arena
        )

    # Selecting.

    def select(
        self, metric: int, conditions: Sequence[Condition] = (), tags: Sequence[int] = ()
    ) -> SeriesSet:
        """A metric's series that meet all conditions, with these labels."""
        with self._lock:
            known = self._metrics.get(metric)
            if known is None:
                nothing = Labels(pa.array([], pa.string()), np.zeros(0, np.int32))
                return SeriesSet(np.zeros(0, np.int64), dict.fromkeys(tags, nothing))
            series = self._alive(known)
            chosen: Int64s | None = None
            for condition in conditions:
                codes = self._column(known, condition.tag)
                codes = codes if chosen is None else codes[chosen]
                passing = np.flatnonzero(self._accepted(condition, codes))
                chosen = passing if chosen is None else chosen[passing]
            if chosen is not None:
                series = series[chosen]
            labels = {}
            for tag in tags:
                codes = self._column(known, tag)
                labels[tag] = self._labels(codes.copy() if chosen is None else codes[chosen])
            return SeriesSet(self._ids(known, series), labels)

    def labels(self, metric: int, ids: Int64s, tag: int) -> Labels:
        """One label of some of a metric's series, in any order."""
        with self._lock:
            known = self._metrics[metric]
            numbers = self._number_of[self._alive(known)].astype(np.int64)
            wanted = ids & ((1 << SERIES_BITS) - 1)
            column = self._column(known, tag)
            if np.array_equal(numbers, wanted):
                return self._labels(column.copy())
            places = np.searchsorted(numbers, wanted)
            there = np.append(numbers, -1)[places] == wanted
            return self._labels(np.append(column, np.int32(-1))[np.where(there, places, -1)])

    def texts(self, metric: int, ids: Int64s, tags: Sequence[int]) -> dict[int, list[str | None]]:
        """Labels of a few of a metric's series, in any order; None: it has no such label."""
        with self._lock:
            rows = [
                self._texts.get(number) or self._read(metric, number) for number in ids.tolist()
            ]
        return {tag: [row.get(tag) for row in rows] for tag in tags}

    def _read(self, metric: int, number: int) -> dict[int, str]:
        """All labels of a series by tag, remembered: a series never changes."""
        known = self._metrics[metric]
        series = self._alive(known)
        wanted = number & ((1 << SERIES_BITS) - 1)
        numbers = self._number_of[series]
        at = int(np.searchsorted(numbers, wanted))
        if at == len(series) or numbers[at] != wanted:
            return {}
        begin, end = self._starts[series[at] : series[at] + 2].tolist()
        codes = self._arena[begin:end].tolist()
        tags = sorted(known.positions, key=known.positions.__getitem__)[: len(codes)]
        found = {
            tag: self._symbols.text(code)
            for tag, code in zip(tags, codes, strict=True)
            if code >= 0
        }
        if len(self._texts) >= _TEXTS_MAX:
            self._texts.clear()
        self._texts[number] = found
        return found

    def knows_empty(self) -> bool:
        """Whether some label is, or was, there with an empty text."""
        with self._lock:
            return self._number("") >= 0

    def _number(self, text: str) -> int:
        """The number of a text, -1 if it is not known. Recent ones are remembered."""
        if self._recent_of != self._symbols.count or len(self._recent) > _RECENT_MAX:
            self._recent.clear()
            self._recent_of = self._symbols.count
        if text not in self._recent:
            found = self._symbols.numbers(pa.array([text], pa.string()), add=False)
            self._recent[text] = int(found[0])
        return self._recent[text]

    def _alive(self, metric: _Metric) -> Int32s:
        """All series that are alive, ascending by id. Only those that are new cost anything."""
        if metric.listed != metric.head:
            new = self._newest(metric, metric.listed, self._count)
            before = len(metric.series)
            for position, codes in metric.columns.items():
                metric.columns[position] = np.append(codes, self._codes(new, position))
            metric.series = np.append(metric.series, new)
            metric.listed = metric.head
            numbers = self._number_of[metric.series[max(before - 1, 0) :]]
            if (numbers[1:] < numbers[:-1]).any():
                metric.series = metric.series[np.argsort(self._number_of[metric.series])]
                metric.columns.clear()
        return metric.series

    def _newest(self, metric: _Metric, until: int, most: int) -> Int32s:
        """The last that came, at most so many and none up to `until`; in order of arrival."""
        found = np.empty(min(most, self._count - 1 - until), np.int32)
        count = kernels.collect(metric.head, until, self._previous, self._metric_of, found)
        return np.ascontiguousarray(found[:count][::-1])

    def _column(self, metric: _Metric, tag: int) -> Int32s:
        series = self._alive(metric)
        position = metric.positions.get(tag)
        if position is None:
            return np.full(len(series), -1, np.int32)
        codes = metric.columns.get(position)
        if codes is None:
            codes = metric.columns[position] = self._codes(series, position)
        return codes

    def _codes(self, series: Int32s, position: int) -> Int32s:
        codes = np.empty(len(series), np.int32)
        kernels.column(series, position, self._starts, self._arena, codes)
        return codes

    def _labels(self, codes: Int32s) -> Labels:
        """The texts of codes, which are replaced."""
        self._marks = grown(self._marks, self._symbols.count, -1)
        values = np.empty(min(len(codes), self._symbols.count), np.int32)
        count = kernels.make_dense(codes, self._marks, values)
        return Labels(self._symbols.texts(values[:count]), codes)

    def _accepted(self, condition: Condition, codes: Int32s) -> NDArray[np.bool_]:
        passing: NDArray[np.bool_]
        if condition.values is not None:
            numbers = [self._number(value) for value in condition.values]
            wanted = np.array([number for number in numbers if number >= 0], np.int32)
            passing = codes == wanted[0] if len(wanted) == 1 else np.isin(codes, wanted)
        else:
            assert condition.accepts is not None
            labels = self._labels(codes.copy())
            allowed = np.append(condition.accepts(labels.values), False)
            passing = allowed[labels.codes]
        return passing | (codes < 0) if condition.absent else passing

    # Definitions.

    def definitions(self, ids: Int64s) -> pa.Table:
        """What `load` reads: the ids of one metric's series and their labels as bytes."""
        with self._lock:
            known = self._metrics[int(ids[0]) >> SERIES_BITS]
            wanted = ids & ((1 << SERIES_BITS) - 1)
            series = self._newest(known, -1, len(ids))  # nearly always it is they
            if not np.array_equal(self._number_of[series], wanted):
                series = self._alive(known)
                series = series[np.searchsorted(self._number_of[series], wanted)]
            return pa.table({"series": ids, "labels": self._encoded(known, series)})

    def _encoded(self, metric: _Metric, series: Int32s) -> pa.BinaryArray:
        tags = np.array(sorted(metric.positions), np.int64)
        positions = np.array([metric.positions[int(tag)] for tag in tags], np.int64)
        ends = np.zeros(len(series) + 1, np.int32)
        room = 64 * len(series) + 1024
        while True:
            out = np.empty(room, np.uint8)
            size = kernels.encode(
                series, positions, tags, self._starts, self._arena, *self._symbols.arrays,
                ends, out,
            )  # fmt: skip
            if size >= 0:
                buffers = [None, pa.py_buffer(ends), pa.py_buffer(out[:size])]
                return pa.Array.from_buffers(pa.binary(), len(series), buffers)
            room *= 2

    def load(self, ids: Int64s, labels: pa.BinaryArray) -> None:
        """Adds series as they were stored. Requires: `ids` ascend; none is known.

        Raises: DbError CORRUPTED.
        """
        if not len(ids):
            return
        buffers = labels.buffers()
        ends = np.frombuffer(buffers[1], np.int32)[labels.offset : labels.offset + len(ids) + 1]
        low = int(ends[0])
        data, words = words_of(memoryview(buffers[2] or b"")[low : int(ends[-1])])
        ends = ends - np.int32(low)
        nothing = np.zeros(0, np.int64)
        count = kernels.decode(data, ends, nothing, nothing, nothing)
        if count < 0:
            raise DbError(ErrorKind.CORRUPTED, "labels of a series cannot be read")
        rows, tags, spans = (np.empty(size, np.int64) for size in (count, count, 2 * count))
        kernels.decode(data, ends, rows, tags, spans)
        with self._lock:
            symbols = self._symbols.of_spans(data, words, spans)
            metrics = ids >> SERIES_BITS
            starts = np.flatnonzero(np.append(True, metrics[1:] != metrics[:-1]))
            bounds = np.append(starts, len(ids))
            cuts = np.searchsorted(rows, bounds)
            for k, start in enumerate(starts.tolist()):
                mine = slice(int(cuts[k]), int(cuts[k + 1]))
                own = ids[start : bounds[k + 1]]
                self._load(own, rows[mine] - start, tags[mine], symbols[mine])

    def _load(self, ids: Int64s, rows: Int64s, tags: Int64s, symbols: Int32s) -> None:
        metric = self._known(int(ids[0]) >> SERIES_BITS)
        for tag in np.unique(tags).tolist():
            metric.positions.setdefault(tag, len(metric.positions))
        place = np.zeros(int(tags.max(initial=0)) + 1, np.int64)
        place[list(metric.positions)] = list(metric.positions.values())
        codes = np.full((len(ids), len(metric.positions)), -1, np.int32)
        codes[rows, place[tags]] = symbols
        before = self._count
        self._add(metric, codes, ids & ((1 << SERIES_BITS) - 1))
        if self._count - before != len(ids):
            raise DbError(ErrorKind.CORRUPTED, "two series of a metric have the same labels")

    # Forgetting.

    def forget(self, metric: int) -> None:
        """Drops a metric: nothing finds its series any more."""
        with self._lock:
            known = self._metrics.pop(metric, None)
            if known is not None:
                self._kill(self._alive(known))

    def _kill(self, series: Int32s) -> None:
        if len(series):
            self._metric_of[series] = kernels.DEAD
            self._table[:] = -1
            self._place_all()
