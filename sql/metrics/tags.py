"""The tags of tables, as all of sql/metrics names them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from catalog.records import Column, Table
from engine.schema import Semantic

Ids = NDArray[np.int64]  # of series


def tag_columns(table: Table) -> list[Column]:
    """The tags of a table, in its order."""
    return [column for column in table.columns if column.semantic is Semantic.TAG]
