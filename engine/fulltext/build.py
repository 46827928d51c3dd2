"""Makes the index file of an SST that is written already.

Called by flush, compaction and `ADMIN build_index`. It reads the indexed columns of the finished
file back, a row group at a time: what it indexes is what readers will see.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.fulltext import kernels
from engine.fulltext.codec import Header, IndexWriter
from engine.fulltext.postings import BLOCK_SHIFT, Postings
from engine.schema import RegionOptions, RegionSchema
from engine.sst.file import FileMeta, IndexFile
from engine.sst.page_map import PageMap, read_page_map
from engine.sst.reader import opened
from engine.store.local import translated
from engine.store.store import ObjectStore, reading

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class TextColumn:
    """How a column is to be indexed: `options` are bits of `kernels`."""

    options: int
    false_positives: float


def wanted_columns(options: RegionOptions, schema: RegionSchema) -> dict[str, TextColumn]:
    """The text columns of a region that get an index, by name; from the region's options."""
    told: dict[str, Any] = json.loads(options.extra.get("text", "{}"))
    found = {}
    for column in schema.columns:
        if column.name in told and pa.types.is_string(column.type.arrow):
            own = told[column.name]
            bits = kernels.WHOLE if own.get("whole") else 0
            bits |= kernels.FOLD if own.get("fold") else 0
            bits |= kernels.PAIRS if own.get("pairs") else 0
            found[column.name] = TextColumn(bits, float(own.get("false_positives", 0.01)))
    return found


def build(
    store: ObjectStore,
    path: str,
    file: FileMeta,
    schema: RegionSchema,
    columns: Mapping[str, TextColumn],
) -> IndexFile | None:
    """Writes the index of a file that has that schema to a path; None if there is none to make.

    Raises: DbError.
    """
    columns = {name: columns[name] for name in columns if name in schema.ids}
    if not columns or not file.rows:
        return None
    with (
        reading(store, file.path) as source,
        store.create(path) as temporary,
        translated(f"write {path}"),
        open(temporary, "wb") as out,
    ):
        writer = IndexWriter(out)
        header = _contents(source, schema, columns, writer)
        size = writer.finish(header)
    return IndexFile(path, size, described(schema, columns))


def described(schema: RegionSchema, columns: Mapping[str, TextColumn]) -> str:
    """What `IndexFile.columns` says of an index of these columns."""
    some = (name for name in sorted(columns) if name in schema.ids)
    return ",".join(f"{schema.ids[name]}:{columns[name].options}" for name in some)


def _contents(
    source: str, schema: RegionSchema, columns: Mapping[str, TextColumn], writer: IndexWriter
) -> Header:
    """Writes all sections; the header."""
    postings = {
        name: Postings(writer, column.options, column.false_positives)
        for name, column in columns.items()
    }
    times = _BlockTimes()
    with opened(source) as parquet:
        rows = parquet.metadata.num_rows
        for group in range(parquet.num_row_groups):
            _add_group(parquet, group, schema, postings, times)
    for column in postings.values():
        column.close_part()
    return {
        "format": FORMAT_VERSION,
        "rows": rows,
        "block_shift": BLOCK_SHIFT,
        "columns": [
            {"id": schema.ids[name], "options": columns[name].options, "parts": column.parts}
            for name, column in postings.items()
        ],
        "times": times.write(writer),
        "pages": write_pages(read_page_map(source), writer),
    }


def _add_group(
    parquet: pq.ParquetFile,
    group: int,
    schema: RegionSchema,
    postings: Mapping[str, Postings],
    times: _BlockTimes,
) -> None:
    for name, column in postings.items():
        found = parquet.read_row_group(group, columns=[name], use_threads=False).column(0)
        for chunk in found.chunks:
            column.add(chunk)
    moments = parquet.read_row_group(group, columns=[schema.time_index], use_threads=False)
    times.add(moments.column(0).cast(schema.time_type.arrow))


class _BlockTimes:
    """First and last time of each block of rows."""

    def __init__(self) -> None:
        self._waiting: list[np.ndarray] = []

    def add(self, times: pa.ChunkedArray) -> None:
        self._waiting += [chunk.view(pa.int64()).to_numpy() for chunk in times.chunks]

    def write(self, writer: IndexWriter) -> list[int]:
        """Where the section begins, and how many blocks it has: all firsts, then all lasts."""
        times = np.concatenate([np.empty(0, np.int64), *self._waiting])
        starts = np.arange(0, len(times), 1 << BLOCK_SHIFT)
        first = np.minimum.reduceat(times, starts)
        last = np.maximum.reduceat(times, starts)
        return [writer.add(np.concatenate([first, last]).astype("<i8").tobytes()), len(starts)]


def write_pages(map_: PageMap | None, writer: IndexWriter) -> Header | None:
    """The page map as sections and what the header says of it."""
    if map_ is None:
        return None
    places = (map_.starts, map_.groups, map_.offsets, map_.sizes)
    arrays = (*places, map_.dictionaries, map_.dictionary_sizes)
    content = b"".join(array.astype("<i8").tobytes() for array in arrays)
    texts = [*map_.elements, *(part for chunk in map_.facts for part in chunk)]
    return {
        "names": list(map_.names),
        "pages": len(map_.starts) - 1,
        "groups": len(map_.groups) - 1,
        "numbers": [writer.add(content), len(content)],
        "text_bytes": [len(text) for text in texts],
        "texts": [writer.add(b"".join(texts)), sum(map(len, texts))],
    }


def read_pages(header: Header, numbers: np.ndarray, texts: bytes) -> PageMap:
    """The inverse of `write_pages`. Raises: ValueError."""
    names = tuple(header["names"])
    pages, groups, width = header["pages"], header["groups"], len(names)
    sizes = [pages + 1, groups + 1, width * pages, width * pages, width * groups, width * groups]
    starts, firsts, offsets, lengths, dictionaries, theirs = np.split(
        numbers.astype(np.int64), np.cumsum(sizes)[:-1]
    )
    cuts = np.cumsum([0, *header["text_bytes"]]).tolist()
    parts = [texts[low:high] for low, high in pairwise(cuts)]
    facts = [(*parts[at : at + 4],) for at in range(width, len(parts), 4)]
    return PageMap(
        names,
        tuple(parts[:width]),
        tuple(facts),  # type: ignore[arg-type]
        starts,
        firsts,
        offsets.reshape(width, pages),
        lengths.reshape(width, pages),
        dictionaries.reshape(width, groups),
        theirs.reshape(width, groups),
    )


__all__ = ["TextColumn", "build", "described", "read_pages", "wanted_columns"]
