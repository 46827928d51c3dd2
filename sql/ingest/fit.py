"""How rows of agents fit a table, remembered: they send the same columns again and again.

Used by ingest.py, which checks the first such rows in full. Only the plain case is here: every
value has its column's very type, and columns without values are NULL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from catalog.records import Column, Table
from engine.api import Op, Write
from engine.datatypes import TypeId
from sql.ingest.batch import IngestColumn, IngestTable
from sql.partition import route

_FITS_MAX = 4096
_COMPUTED = frozenset({TypeId.JSON, TypeId.INTERVAL})  # what is stored is not what is given

_Key = tuple[object, ...]


@dataclass(frozen=True)
class Fit:
    """Where the columns of a table come from.

    Attributes:
        table: the record that was looked at.
        given: the columns of the first such rows, without values; they keep the types alive that
            the key names.
        sources: for each column of the table its place among the given ones, -1 for NULLs, and its
            type.
        required: places of values that must not be NULL.
    """

    table: Table
    given: Sequence[IngestColumn]
    sources: Sequence[tuple[int, pa.DataType]]
    required: Sequence[int]

    def writes(self, given: IngestTable) -> list[Write] | None:
        """The rows as writes to regions; None if a value is missing that must be there."""
        columns = given.columns
        for place in self.required:
            if columns[place].values.null_count:
                return None
        arrays = [
            columns[place].values if place >= 0 else pa.nulls(given.rows, kind)
            for place, kind in self.sources
        ]
        rows = pa.Table.from_arrays(arrays, schema=self.table.region_schema().arrow)
        return route.writes_of(self.table, Op.PUT, rows)


_known: dict[_Key, Fit] = {}


def _key(table: Table, given: IngestTable) -> _Key:
    if given.alike is not None:
        return id(table), given.exact, given.alike
    columns = given.columns
    kinds = tuple((id(column.type), column.semantic) for column in columns)
    return id(table), given.exact, tuple([column.name for column in columns]), kinds


def fit_of(table: Table | None, given: IngestTable) -> Fit | None:
    """How such rows fit, if they were noted before."""
    if table is None:
        return None
    fit = _known.get(_key(table, given))
    return fit if fit is not None and fit.table is table else None


def note_fit(table: Table, given: IngestTable, named: Sequence[IngestColumn]) -> None:
    """Remembers that such rows fit. `named`: their columns by the table's names.

    Requires: the table has all of them, and takes these kinds of values.
    """
    places = {column.name: place for place, column in enumerate(named)}
    plain = all(
        _is_plain(column, named[places[column.name]] if column.name in places else None)
        for column in table.columns
    )
    if table.metric or not plain:
        return
    if len(_known) >= _FITS_MAX:
        _known.clear()
    required = [places[column.name] for column in table.columns if not column.nullable]
    order = [places.get(column.name, -1) for column in table.columns]
    sources = list(zip(order, table.region_schema().arrow.types, strict=True))
    # A kind of the key is told by the place of its object in memory: these keep it there.
    kept = [column._replace(values=None) for column in given.columns]
    _known[_key(table, given)] = Fit(table, kept, sources, required)


def _is_plain(column: Column, given: IngestColumn | None) -> bool:
    if column.generated or column.declared or column.type.id in _COMPUTED:
        return False
    if given is None:
        return column.default is None and column.nullable
    return column.type.arrow == given.type.arrow and not column.type.dimensions
