"""Rows of a table as series: tags become label columns, rows are ordered by (series, time).

Called by source.py. Everything is done a whole column at a time; a label that is empty and one
that is NULL are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.datatypes import UNITS_PER_SECOND
from sql.promql import regex, source_kernels
from sql.promql.labels import LabelColumn, LabelTable
from sql.promql.model import Match, Matcher, Samples, SelectedSeries

Codes = NDArray[np.int32]
Times = NDArray[np.int64]


def warm() -> None:
    """Orders one row: this pays what first calls cost."""
    ordered(np.zeros(1, np.int32), np.zeros(1, np.int64), 1)


def matches(values: Sequence[str], matcher: Matcher) -> NDArray[np.bool_]:
    """For each value whether the matcher accepts it.

    >>> matches(["", "a", "ab"], Matcher("l", Match.REGEX, "a.*")).tolist()
    [False, True, True]

    Raises: DbError SYNTAX for a regular expression that is none.
    """
    if matcher.op in (Match.EQUAL, Match.NOT_EQUAL):
        accepted = np.fromiter((v == matcher.value for v in values), np.bool_, len(values))
    else:
        accepted = regex.matches(values, matcher.value)
    return ~accepted if matcher.op in (Match.NOT_EQUAL, Match.NOT_REGEX) else accepted


def milliseconds(column: pa.ChunkedArray) -> Times:
    """Timestamps of any unit as milliseconds since 1970, rounded down."""
    unit = UNITS_PER_SECOND[column.type.unit]
    numbers: Times = column.cast(pa.int64()).to_numpy()
    if unit > 1_000:
        return numbers // (unit // 1_000)
    return numbers * (1_000 // unit)


def label_column(column: pa.ChunkedArray) -> LabelColumn:
    """The text of a tag for each row."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = pc.dictionary_encode(array)
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    values = encoded.dictionary.cast(pa.string()).to_pylist()
    codes = pc.fill_null(encoded.indices, -1).to_numpy()
    return LabelColumn.of_dictionary(values, codes)


def accepted_rows(
    labels: dict[str, LabelColumn], matchers: Sequence[Matcher]
) -> NDArray[np.bool_] | None:
    """Which rows all matchers accept; None: all of them. Requires: each names a label."""
    wanted: NDArray[np.bool_] | None = None
    for matcher in matchers:
        column = labels[matcher.name]
        fits = matches(column.values, matcher)
        if not fits.all():
            rows = fits[column.codes]
            wanted = rows if wanted is None else wanted & rows
    return wanted


def series_codes(labels: dict[str, LabelColumn], count: int) -> tuple[Codes, Times]:
    """Numbers rows by equal labels, by first appearance; and each series' first row."""
    if count == 0:
        return np.zeros(0, np.int32), np.zeros(0, np.int64)
    keys = np.zeros(count, np.int64)
    width = 1
    for column in labels.values():
        size = len(column.values)
        if size <= 1:
            continue
        if width * size >= 2**62:
            keys, width = _dense(keys)
        keys = keys * size + column.codes
        width *= size
    if width == 1:
        return np.zeros(count, np.int32), np.zeros(1, np.int64)
    codes = pc.dictionary_encode(pa.array(keys)).indices.to_numpy()
    newest = np.maximum.accumulate(codes)
    first = np.flatnonzero(np.append(True, newest[1:] != newest[:-1]))
    return codes, first


def _dense(keys: Times) -> tuple[Times, int]:
    encoded = pc.dictionary_encode(pa.array(keys))
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)


@dataclass(frozen=True)
class Block:
    """Rows of a table with their labels, group by group.

    Attributes:
        labels: one row per group; groups may have equal labels.
        sizes: rows of each group; None: one.
        times: per row, milliseconds.
    """

    labels: dict[str, LabelColumn]
    count: int
    sizes: Times | None
    times: Times

    def accepted(self, matchers: Sequence[Matcher]) -> NDArray[np.bool_] | None:
        """Which rows all matchers accept; None: all of them."""
        groups = accepted_rows(self.labels, matchers)
        return groups if groups is None or self.sizes is None else np.repeat(groups, self.sizes)

    def series(self) -> tuple[Codes, LabelTable]:
        """Per row its series, and the labels of the series."""
        codes, first = series_codes(self.labels, self.count)
        columns = {name: column.take(first) for name, column in self.labels.items()}
        table = LabelTable(len(first), {n: c for n, c in columns.items() if c.codes.any()})
        return codes if self.sizes is None else np.repeat(codes, self.sizes), table


def selected(
    codes: Codes,
    labels: LabelTable,
    times: Times,
    values: NDArray[np.float64],
    present: NDArray[np.bool_] | None,
    histograms: NDArray[np.object_] | None = None,
    starts: Times | None = None,
) -> SelectedSeries:
    """The samples of one value each row; rows that are not `present` (None: all are) have none.

    A row with a histogram (not None) has that in place of its value. Series without samples are
    left out.
    """
    if present is not None and not present.all():
        rows = np.flatnonzero(present)
        codes, times, values = codes[rows], times[rows], values[rows]
        histograms = None if histograms is None else histograms[rows]
        starts = None if starts is None else starts[rows]
    order, offsets = ordered(codes, times, labels.count)
    objects = None if histograms is None else histograms[order]
    starts = None if starts is None else starts[order]
    there = np.flatnonzero(np.diff(offsets))
    if len(there) < labels.count:
        labels, offsets = labels.take(there), np.append(np.int64(0), offsets[1:][there])
    return SelectedSeries(labels, Samples(offsets, times[order], values[order], objects, starts))


def ordered(codes: Codes, times: Times, count: int) -> tuple[Times, Times]:
    """Row numbers by (series, time), and where each of `count` series begins."""
    places = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(codes, minlength=count), out=places[1:])
    order = np.empty(len(codes), np.int64)
    offsets = np.zeros(count + 1, np.int64)
    total = source_kernels.series_order(
        codes, np.ascontiguousarray(times), places[:-1].copy(), order, offsets
    )
    return order[:total], offsets
