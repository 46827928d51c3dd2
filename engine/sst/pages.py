"""Some rows of a file out of their pages alone.

The chosen pages are copied behind a small footer of their own: a Parquet file in memory, which
Arrow decodes (page checksums verified). Called by `engine.fulltext.picking`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.jit import Int64s
from engine.sst.page_map import PageMap
from engine.sst.thrift import BINARY, I32, I64, LIST, STRUCT, StructWriter

_MAGIC = b"PAR1"
_GAP_MAX = 32 << 10  # pages this near are read with one request
_PAGES_AT_ONCE = 64  # decoded together; only the rows asked for are kept


def pages_of(map_: PageMap, rows: Int64s) -> Int64s:
    """The pages that hold some rows. Requires: rows ascending, within the file."""
    return np.unique(np.searchsorted(map_.starts, rows, side="right") - 1)


def read_rows(path: str, map_: PageMap, rows: Int64s, names: Sequence[str]) -> pa.Table:
    """The named columns of the rows at ascending positions.

    Requires: the map is the file's, and has the columns; some rows.
    Raises: OSError, pa.ArrowException.
    """
    pages = pages_of(map_, rows)
    firsts = map_.starts[pages[::_PAGES_AT_ONCE]]
    cuts = np.searchsorted(rows, firsts).tolist()
    parts = [
        _read_few(path, map_, rows[low:high], names) for low, high in pairwise([*cuts, len(rows)])
    ]
    return parts[0] if len(parts) == 1 else pa.concat_tables(parts)


def _read_few(path: str, map_: PageMap, rows: Int64s, names: Sequence[str]) -> pa.Table:
    pages = pages_of(map_, rows)
    counts = map_.starts[pages + 1] - map_.starts[pages]
    table = _read_pages(path, map_, pages, counts, names)
    # Where the chosen rows are among those of the chosen pages.
    before = np.cumsum(counts) - counts
    of = np.searchsorted(pages, np.searchsorted(map_.starts, rows, side="right") - 1)
    places = rows - map_.starts[pages][of] + before[of]
    return table.take(pa.array(places)) if len(places) < table.num_rows else table


def _read_pages(
    path: str, map_: PageMap, pages: Int64s, counts: Int64s, names: Sequence[str]
) -> pa.Table:
    groups = np.searchsorted(map_.groups, pages, side="right") - 1
    columns = [map_.names.index(name) for name in names]
    content = bytearray(_MAGIC)
    row_groups = []
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for group in np.unique(groups).tolist():
            mine = groups == group
            own, rows = pages[mine], int(counts[mine].sum())
            chunks = [_chunk(descriptor, map_, c, group, own, rows, content) for c in columns]
            row_group = StructWriter().structs(1, chunks).number(2, I64, len(content))
            row_groups.append(row_group.number(3, I64, rows).bytes())
    finally:
        os.close(descriptor)
    footer = _footer([map_.elements[c] for c in columns], row_groups, int(counts.sum()))
    content += footer + len(footer).to_bytes(4, "little") + _MAGIC
    source = pa.BufferReader(pa.py_buffer(content))
    with pq.ParquetFile(source, page_checksum_verification=True) as file:
        return file.read(list(names), use_threads=len(pages) > 4)


def _footer(elements: list[bytes], row_groups: list[bytes], rows: int) -> bytes:
    """Thrift's FileMetaData."""
    root = StructWriter().raw(4, BINARY, b"\6schema").number(5, I32, len(elements)).bytes()
    writer = StructWriter().number(1, I32, 2).structs(2, [root, *elements])
    return writer.number(3, I64, rows).structs(4, row_groups).bytes()


def _chunk(
    descriptor: int,
    map_: PageMap,
    column: int,
    group: int,
    pages: Int64s,
    rows: int,
    content: bytearray,
) -> bytes:
    """Copies the dictionary and the pages of a column of a row group; its ColumnChunk."""
    start = len(content)
    dictionary = int(map_.dictionaries[column, group])
    if dictionary:
        _copy(descriptor, dictionary, int(map_.dictionary_sizes[column, group]), content)
    first = len(content)
    offsets, sizes = map_.offsets[column, pages], map_.sizes[column, pages]
    for low, high in _runs(offsets, sizes):
        begin = int(offsets[low])
        data = os.pread(descriptor, int(offsets[high] + sizes[high]) - begin, begin)
        for place in range(low, high + 1):
            at = int(offsets[place]) - begin
            content += data[at : at + int(sizes[place])]
    size = len(content) - start
    type_, encodings, path, codec = map_.facts[group * len(map_.names) + column]
    writer = StructWriter().raw(1, I32, type_).raw(2, LIST, encodings).raw(3, LIST, path)
    writer.raw(4, I32, codec).number(5, I64, rows).number(6, I64, size).number(7, I64, size)
    writer.number(9, I64, first)
    if dictionary:
        writer.number(11, I64, start)
    return StructWriter().number(2, I64, start).raw(3, STRUCT, writer.bytes()).bytes()


def _copy(descriptor: int, offset: int, size: int, content: bytearray) -> None:
    content += os.pread(descriptor, size, offset)


def _runs(offsets: Int64s, sizes: Int64s) -> list[tuple[int, int]]:
    """First and last of the pages that are read together."""
    gaps = offsets[1:] - (offsets[:-1] + sizes[:-1])
    cuts = np.flatnonzero(gaps > _GAP_MAX)
    firsts = [0, *(cuts + 1).tolist()]
    lasts = [*cuts.tolist(), len(offsets) - 1]
    return list(zip(firsts, lasts, strict=True))
