"""What MySQL takes for a column that is NOT NULL, has no DEFAULT and is given no value.

Called by ALTER TABLE for rows that are there, and by INSERT in sessions without strict mode.
Source: MySQL 8.4 reference, "Data Type Default Values".
"""

from __future__ import annotations

import pyarrow as pa

from engine.datatypes import DataType, TypeId

_ZEROS = {TypeId.STRING: "", TypeId.BINARY: b"", TypeId.BOOLEAN: False, TypeId.JSON: "null"}


def implicit_default(type_: DataType) -> pa.Scalar | None:
    """The value; None for times, which have no such value while zero dates are forbidden."""
    if type_.is_numeric:
        return pa.scalar(0)
    value = _ZEROS.get(type_.id)
    return None if value is None else pa.scalar(value)
