"""Results of evaluations as Arrow tables with the columns of a `Shape`: what TQL returns.

Called by tql.py. One row per present cell, sorted by tags, then time, unless the expression asks
for another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from sql.promql.labels import NAME, LabelTable, stack
from sql.promql.model import Kind, Result
from sql.promql.shape import Shape
from sql.promql.source_tables import FIELD
from sql.promql.tree import Aggregate, Call, Node, Text, unwrap

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Cells:
    """The answer cell by cell: whose labels, when, and one value per field (NaN and a mask)."""

    labels: LabelTable
    series: Rows
    times: Rows
    values: list[Floats]
    present: list[NDArray[np.bool_]]


def answer_table(results: Sequence[Result], shape: Shape, tree: Node) -> pa.Table:
    """The rows of one evaluation per field. Raises: DbError UNSUPPORTED for native histograms."""
    if results[0].kind is Kind.STRING:
        return _text_table(results[0], shape)
    parts = [_cells(result) for result in results]
    cells = parts[0] if len(parts) == 1 else _joined(parts)
    order = _order(cells, unwrap(tree))
    if order is not None:
        cells = _Cells(
            cells.labels,
            cells.series[order],
            cells.times[order],
            [values[order] for values in cells.values],
            [mask[order] for mask in cells.present],
        )
    return _table(cells, shape)


def _text_table(result: Result, shape: Shape) -> pa.Table:
    times = pa.array(result.times[-1:], pa.timestamp("ms"))
    columns = {shape.time: times, shape.fields[0]: pa.array([result.text])}
    return pa.table(columns)


def _cells(result: Result) -> _Cells:
    if result.histograms is not None and any(one is not None for one in result.histograms.flat):
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "TQL cannot show native histograms",
            hint="apply histogram_quantile, histogram_sum or histogram_count",
        )
    if result.samples is not None:
        samples = result.samples
        series = np.repeat(np.arange(samples.count), np.diff(samples.offsets))
        present = np.ones(len(series), np.bool_)
        return _Cells(result.labels, series, samples.times, [samples.values], [present])
    labels = result.labels
    if result.kind is Kind.SCALAR:
        labels = LabelTable.empty_rows(len(result.values))
    series, steps = np.nonzero(result.present)
    values = result.values[series, steps]
    present = np.ones(len(series), np.bool_)
    return _Cells(labels, series, result.times[steps], [values], [present])


def _joined(parts: Sequence[_Cells]) -> _Cells:
    """One row per series and time that any field has."""
    labels = stack([part.labels for part in parts])
    groups, first = labels.groups()
    starts = np.cumsum([0, *(part.labels.count for part in parts)])
    series = [groups[part.series + start] for part, start in zip(parts, starts, strict=False)]
    times = np.concatenate([part.times for part in parts])
    distinct, slots = np.unique(times, return_inverse=True)
    keys = np.concatenate(series) * np.int64(max(len(distinct), 1)) + slots
    rows, places = np.unique(keys, return_inverse=True)
    values, present, at = [], [], 0
    for part in parts:
        mine = places[at : at + len(part.series)]
        at += len(part.series)
        column, mask = np.zeros(len(rows)), np.zeros(len(rows), np.bool_)
        column[mine], mask[mine] = part.values[0], True
        values.append(column)
        present.append(mask)
    width = max(len(distinct), 1)
    return _Cells(labels.take(first), rows // width, distinct[rows % width], values, present)


# --- Order ----------------------------------------------------------------------------------------


def _order(cells: _Cells, tree: Node) -> Rows | None:
    """The order an expression asks for; None: as it is."""
    if isinstance(tree, Aggregate) and tree.op in ("topk", "bottomk"):
        keys = _value_key(cells, descending=tree.op == "topk")
        return np.lexsort((cells.series, keys, cells.times)).astype(np.int64)
    if not isinstance(tree, Call) or not tree.name.startswith("sort"):
        return None
    if tree.name in ("sort", "sort_desc"):
        keys = _value_key(cells, descending=tree.name == "sort_desc")
        return np.lexsort((cells.times, cells.series, keys)).astype(np.int64)
    names = [one.value for one in tree.arguments[1:] if isinstance(one, Text)]
    rank = _ranks(cells.labels, names, descending=tree.name.endswith("_desc"))
    return np.lexsort((cells.times, rank[cells.series])).astype(np.int64)


def _value_key(cells: _Cells, *, descending: bool) -> Floats:
    """NaN comes last either way."""
    return -cells.values[0] if descending else cells.values[0]


def _ranks(labels: LabelTable, names: Sequence[str], *, descending: bool) -> Rows:
    """The place of each series by the text of these labels."""
    keys = list(zip(*(labels.column(name).strings() for name in names), strict=True))
    order = sorted(range(labels.count), key=lambda row: keys[row], reverse=descending)
    ranks = np.empty(labels.count, np.int64)
    ranks[order] = np.arange(labels.count)
    return ranks


# --- Columns --------------------------------------------------------------------------------------


def _table(cells: _Cells, shape: Shape) -> pa.Table:
    columns = [*shape.columns, *_further(cells.labels, shape)]
    arrays = [_column(cells, shape, name) for name in columns]
    return pa.Table.from_arrays(arrays, names=columns)


def _further(labels: LabelTable, shape: Shape) -> list[str]:
    """Labels that no column of the shape shows."""
    shown = {*shape.columns, NAME, FIELD}
    return sorted(n for n, c in labels.columns.items() if n not in shown and c.codes.any())


def _column(cells: _Cells, shape: Shape, name: str) -> pa.Array:
    if name == shape.time:
        return pa.array(cells.times, pa.timestamp("ms"))
    if name in shape.fields:
        number = shape.fields.index(name)
        number = min(number, len(cells.values) - 1)
        return _field(cells, shape, number)
    column = cells.labels.columns.get(name)
    if column is None:
        return pa.nulls(len(cells.series), pa.string())
    codes = column.codes[cells.series]
    return pa.array(column.values, pa.string()).take(pa.array(codes, mask=codes == 0))


def _field(cells: _Cells, shape: Shape, number: int) -> pa.Array:
    """Untouched fields keep their column's type where it can hold the values."""
    values = pa.array(cells.values[number], mask=~cells.present[number])
    if number < len(shape.origins) and shape.origins[number].type.is_integer:
        return values.cast(shape.origins[number].type.arrow, safe=False)
    return values.cast(dt.FLOAT64.arrow)
