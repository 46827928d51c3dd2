"""Cells of UTF-8 in another encoding, whole columns at a time.

Called by the PostgreSQL and MySQL wires for clients that want one. Which encoding a client has,
and what is said of characters it lacks, is theirs.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from server.encode.cells import Bytes, VarCells, from_arrow

_SINGLE = ("ascii", "cp125", "cp8", "hp_", "iso8859", "koi8", "mac_", "tis_")
_WIDE = ("utf-16", "utf-32")  # their letters hold zero bytes


def encoded_cells(cells: VarCells, codec: str, errors: str = "strict") -> VarCells:
    """The cells in Python's `codec`. Requires: `errors` replaces one character by one.

    Raises: UnicodeEncodeError if `errors` is strict.
    """
    if not len(cells):
        return cells
    first, last = int(cells.offsets[0]), int(cells.offsets[-1])
    data = cells.data[first:last]
    wide = codec.startswith(_WIDE)
    if not data.size or (not wide and int(data.max()) < 128):
        return cells
    if codec.startswith(_SINGLE):
        return _single_bytes(cells, data, first, codec, errors)
    if wide or not data.all():
        rows = [None if c is None else c.decode().encode(codec, errors) for c in cells.to_list()]
        return from_arrow(pa.array(rows, pa.binary()))
    return _separated(cells, data, first, codec, errors)


def _single_bytes(cells: VarCells, data: Bytes, first: int, codec: str, errors: str) -> VarCells:
    """In an encoding of single bytes, places are counts of characters."""
    out = data.tobytes().decode().encode(codec, errors)
    characters = np.zeros(data.size + 1, np.int32)
    np.cumsum((data & 0xC0) != 0x80, out=characters[1:])
    return VarCells(characters[cells.offsets - first], np.frombuffer(out, np.uint8), cells.valid)


def _separated(cells: VarCells, data: Bytes, first: int, codec: str, errors: str) -> VarCells:
    """With a zero byte behind each cell, the ends are found again in what comes out.

    Requires: no cell holds one, and it is part of no other character in `codec`.
    """
    ends = (cells.offsets[1:] - first).astype(np.int64)
    out = np.frombuffer(np.insert(data, ends, 0).tobytes().decode().encode(codec, errors), np.uint8)
    offsets = np.zeros(len(cells) + 1, np.int32)
    offsets[1:] = np.flatnonzero(out == 0) - np.arange(len(cells))
    return VarCells(offsets, out[out != 0], cells.valid)
