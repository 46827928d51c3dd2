"""The contract of ingestion: rows for tables that may not be there yet, or lack columns.

Every protocol that writes without a schema (remote write, line protocol, OTLP, logs) turns its
request into `IngestTable`s and runs one `Ingest` (ingest.py). Nothing in here computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.datatypes import DataType
from engine.schema import Semantic


class IngestColumn(NamedTuple):
    """One column of some rows.

    `type` and `semantic` say what the column becomes if the table lacks it; a column that is there
    keeps its own, and the values are assigned to it. `values` have the Arrow type of `type`.
    """

    name: str
    type: DataType
    semantic: Semantic
    values: pa.Array | pa.ChunkedArray


@dataclass(frozen=True)
class IngestTable:
    """Rows of one table; columns of the table that are not here take their defaults.

    `database` is "" for the session's. `engine` and `options` are those of a table that has to be
    made; in a logical table of the metric engine the physical one is made, too. `exact`: a field
    whose column is of another family of types, or is a tag, is refused, as is a tag whose column is
    a field; otherwise values are assigned as by INSERT. The time is that of the table, however the
    table calls it.
    `keys`: two words for each row that tell its tags, for hashed.py. `alike`: an object of its own
    for rows whose columns have the same names, types and semantics in the same order, for fit.py.
    Requires: equally long columns, one of them the TIMESTAMP; no name twice.
    """

    name: str
    columns: tuple[IngestColumn, ...]
    database: str = ""
    engine: str = "mito"
    options: Mapping[str, str] = field(default_factory=dict)
    exact: bool = False
    keys: NDArray[np.uint64] | None = None
    alike: object | None = None

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.columns[0].values) if self.columns else 0
