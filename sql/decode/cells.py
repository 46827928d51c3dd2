"""One column's values as slices of a byte array, before they have a type.

Built by the readers of VALUES and COPY and by `text.column_from_text`; consumed by the converters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from engine.errors import DbError, ErrorKind
from sql.decode import kernels
from sql.decode.jit import Bytes, Int32s, Int64s
from sql.decode.kernels import ESCAPED, KIND, NULL, STRING

Place = Callable[[int], str]  # row (0-based) -> words for an error's detail
_SHOWN = 120  # characters of a value in an error message


class Unescape(NamedTuple):
    """How flagged cells are unescaped; `quote` and `escape` matter to CSV only."""

    mode: int
    quote: int = 0
    escape: int = 0


class Cells(NamedTuple):
    """A column of `size` cells: cell `first + row * step` is data[starts:ends] of that kind.

    I1. All arrays are C-contiguous; offsets are 32 bits and inside `data`.
    I2. `seen` has bit 1 << kind for every kind that occurs, and the flags that occur.
    """

    data: Bytes
    starts: Int32s
    ends: Int32s
    kinds: Bytes
    first: int
    step: int
    size: int
    seen: int
    unescape: Unescape
    place: Place

    @property
    def slices(self) -> tuple[Bytes, Int32s, Int32s, Bytes, int, int, int]:
        """The arguments with which every kernel on one column begins."""
        return self.data, self.starts, self.ends, self.kinds, self.first, self.step, self.size

    @property
    def has_nulls(self) -> bool:
        """True if a cell is NULL."""
        return bool(self.seen & (1 << NULL))

    @property
    def has_values(self) -> bool:
        """True if a cell is not NULL."""
        return bool(self.seen & ~(1 << NULL))

    def has(self, *kinds: int) -> bool:
        """True if a cell is of one of these kinds."""
        return any(self.seen & (1 << kind) for kind in kinds)

    def first_of(self, *kinds: int) -> int:
        """The first row of one of these kinds. Requires: has(kinds)."""
        return int(np.argmax(np.isin(self.row_kinds(), kinds)))

    def row_kinds(self) -> Bytes:
        """The kind of each row, without flags."""
        stop = self.first + self.step * self.size
        return self.kinds[self.first : stop : self.step] & np.uint8(KIND)

    def text(self, row: int) -> str:
        """One cell as text, unescaped."""
        only = self.take(np.array([row]))
        return str(strings(only)[0].as_py() or "")

    def fail(self, row: int, kind: ErrorKind, message: str) -> DbError:
        """An error about one cell; `{}` in the message stands for its value."""
        text = self.text(row)
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        return DbError(kind, message.replace("{}", f'"{shown}"'), detail=self.place(row))

    def take(self, rows: Int64s) -> Cells:
        """The cells of some rows, in that order."""
        index = self.first + rows * self.step
        place = self.place
        return self._replace(
            starts=self.starts[index],
            ends=self.ends[index],
            kinds=self.kinds[index],
            first=0,
            step=1,
            size=len(index),
            place=lambda row: place(int(rows[row])),
        )

    def plain(self) -> Cells:
        """The same cells without escapes."""
        if not self.seen & ESCAPED:
            return self
        kinds = self.row_kinds()
        seen = self.seen & ~ESCAPED
        return from_strings(strings(self), self.place)._replace(kinds=kinds, seen=seen)


def from_strings(array: Any, place: Place) -> Cells:
    """The cells of an Arrow string array."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    count = len(array)
    _, offsets, data = array.buffers()
    # Arrow may leave the buffers of an empty array out.
    bounds = np.zeros(1, np.int32)
    if count:
        bounds = np.frombuffer(offsets, np.int32)[array.offset : array.offset + count + 1]
    kinds = np.full(count, STRING, np.uint8)
    seen = 1 << STRING
    if array.null_count:
        kinds[array.is_null().to_numpy(zero_copy_only=False)] = NULL
        seen |= 1 << NULL
    content = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return Cells(content, bounds[:-1], bounds[1:], kinds, 0, 1, count, seen, Unescape(0), place)


def validity(cells: Cells) -> Any:
    """Arrow's validity bitmap of the cells, None when there is no NULL."""
    if not cells.has_nulls:
        return None
    return pa.py_buffer(np.packbits(cells.row_kinds() != NULL, bitorder="little"))


def array_of(cells: Cells, arrow: Any, values: Any) -> Any:
    """A fixed-width Arrow array from its values and the cells' NULLs."""
    return pa.Array.from_buffers(arrow, cells.size, [validity(cells), pa.py_buffer(values)])


def variable(cells: Cells, arrow: Any, offsets: Int32s, content: Bytes) -> Any:
    """A string or binary Arrow array from its buffers and the cells' NULLs."""
    buffers = [validity(cells), pa.py_buffer(offsets), pa.py_buffer(content)]
    return pa.Array.from_buffers(arrow, cells.size, buffers)


def strings(cells: Cells, arrow: Any = None) -> Any:
    """The cells gathered and unescaped into an Arrow string (or binary) array."""
    size = kernels.total_length(*cells.slices)
    out = np.empty(size, np.uint8)
    offsets = np.empty(cells.size + 1, np.int32)
    end = kernels.gather(*cells.slices, *cells.unescape, out, offsets)
    return variable(cells, arrow or pa.string(), offsets, out[:end])
