"""Where the pages of a Parquet file are, so that few rows can be read without their row groups.

Made once per file by `engine.fulltext.build` from the footer and its offset indexes, kept beside
the text index, and used by `engine.sst.pages`. Files whose columns have no pages in common (nested
ones, or none of bounded size) have no map.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from engine.jit import Int64s
from engine.sst.thrift import LIST, STRUCT, Walker

_TAIL_BYTES = 8  # length of the footer and the magic
_Page = tuple[int, int, int]  # offset, size, first row in the row group


@dataclass(frozen=True, slots=True)
class PageMap:
    """The pages of a file.

    `starts` are the first rows of all pages and the end of the last; `groups` the first page of
    each row group and the end of the last. By column and page: `offsets` and `sizes` (with its
    header). By column and row group: `dictionaries` and `dictionary_sizes`, 0 where there is none.
    `elements`: the columns' encoded SchemaElements. `facts`: of each row group and column, the
    encoded fields 1 to 4 of its metadata (type, encodings, path, codec). Nested columns are left
    out.
    """

    names: tuple[str, ...]
    elements: tuple[bytes, ...]
    facts: tuple[tuple[bytes, bytes, bytes, bytes], ...]
    starts: Int64s
    groups: Int64s
    offsets: Int64s
    sizes: Int64s
    dictionaries: Int64s
    dictionary_sizes: Int64s

    @property
    def nbytes(self) -> int:
        """About its memory."""
        arrays = (self.starts, self.offsets, self.sizes, self.dictionaries, self.dictionary_sizes)
        return sum(int(array.nbytes) for array in arrays) + 200 * len(self.names)


@dataclass(slots=True)
class _Chunk:
    """One column of one row group, as the footer tells."""

    name: str = ""
    facts: tuple[bytes, bytes, bytes, bytes] = (b"", b"", b"", b"")
    offset_index: int = 0
    dictionary: int = 0


def read_page_map(path: str) -> PageMap | None:
    """The map of a file, None if it has none. Raises: OSError."""
    try:
        return _read(path)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError):
        return None  # a Parquet file of another making: its row groups are read whole


def _read(path: str) -> PageMap | None:
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(size - _TAIL_BYTES)
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(0, size - _TAIL_BYTES - length))
        elements, groups = _footer(file.read(length))
        chunks = [chunk for group, _ in groups for chunk in group]
    if not chunks or not all(chunk.offset_index for chunk in chunks):
        return None
    first = min(chunk.offset_index for chunk in chunks)
    with open(path, "rb") as file:
        file.seek(first)
        indexes = file.read(size - _TAIL_BYTES - length - first)
    pages = [
        [_pages(indexes, chunk.offset_index - first) for chunk in group] for group, _ in groups
    ]
    return _assembled(elements, groups, pages)


_Group = tuple[list[_Chunk], int]  # and how many rows it has


def _footer(data: bytes) -> tuple[dict[str, bytes], list[_Group]]:
    """The schema's elements by name (without nested ones), and the row groups."""
    walker = Walker(data)
    elements: dict[str, bytes] = {}
    groups: list[_Group] = []
    for field, kind in walker.fields():
        if field == 2:
            _, count = walker.items()
            elements = _plain_elements([_element(walker) for _ in range(count)])
        elif field == 4:
            _, count = walker.items()
            groups = [_row_group(walker) for _ in range(count)]
        else:
            walker.skip(kind)
    flat = [([c for c in chunks if c.name in elements], rows) for chunks, rows in groups]
    return elements, flat


_Element = tuple[str, int, bytes]  # name, number of children, as it is encoded


def _element(walker: Walker) -> _Element:
    start, name, children = walker.at, "", 0
    for field, kind in walker.fields():
        if field == 4:
            name = walker.binary().decode()
        elif field == 5:
            children = walker.number()
        else:
            walker.skip(kind)
    return name, children, walker.data[start : walker.at]


def _plain_elements(elements: list[_Element]) -> dict[str, bytes]:
    """The top-level columns without children; the first element is the root."""
    found: dict[str, bytes] = {}
    inside = 0  # elements that belong to a nested column
    for name, children, raw in elements[1:]:
        if inside:
            inside += children - 1
        elif children:
            inside = children
        else:
            found[name] = raw
    return found


def _row_group(walker: Walker) -> _Group:
    chunks, rows = [], 0
    for field, kind in walker.fields():
        if field == 1 and kind == LIST:
            _, count = walker.items()
            chunks = [_column_chunk(walker) for _ in range(count)]
        elif field == 3:
            rows = walker.number()
        else:
            walker.skip(kind)
    return chunks, rows


def _column_chunk(walker: Walker) -> _Chunk:
    chunk = _Chunk()
    for field, kind in walker.fields():
        if field == 3 and kind == STRUCT:
            _column_metadata(walker, chunk)
        elif field == 4:
            chunk.offset_index = walker.number()
        else:
            walker.skip(kind)
    return chunk


def _column_metadata(walker: Walker, chunk: _Chunk) -> None:
    raw = {}
    is_nested = False
    for field, kind in walker.fields():
        if field == 3:
            start = walker.at
            _, count = walker.items()
            parts = [walker.binary().decode() for _ in range(count)]
            chunk.name, raw[3] = ".".join(parts), walker.data[start : walker.at]
            is_nested = count != 1
        elif field == 11:
            chunk.dictionary = walker.number()
        elif field <= 4:
            raw[field] = walker.raw(kind)
        else:
            walker.skip(kind)
    chunk.name = "" if is_nested else chunk.name
    chunk.facts = (raw[1], raw[2], raw[3], raw[4])


def _pages(data: bytes, at: int) -> list[_Page]:
    """Offset, size and first row (in the row group) of each page of a chunk."""
    walker = Walker(data, at)
    found = []
    for field, kind in walker.fields():
        if field != 1:
            walker.skip(kind)
            continue
        _, count = walker.items()
        for _ in range(count):
            values = [walker.number() for _ in walker.fields()]
            found.append((values[0], values[1], values[2]))
    return found


def _assembled(
    elements: dict[str, bytes], groups: list[_Group], pages: list[list[list[_Page]]]
) -> PageMap | None:
    """The map, None if the columns do not have the same pages."""
    starts: list[int] = []
    first_pages, row = [0], 0
    for (_, count), group in zip(groups, pages, strict=True):
        rows = [page[2] for page in group[0]]
        if not rows or rows[0] or any([page[2] for page in column] != rows for column in group):
            return None
        starts += [row + first for first in rows]
        first_pages.append(len(starts))
        row += count
    columns = range(len(groups[0][0]))
    of = [[page for group in pages for page in group[column]] for column in columns]
    dictionaries = [[chunks[column].dictionary for chunks, _ in groups] for column in columns]
    firsts = [[group[column][0][0] for group in pages] for column in columns]
    begins = np.array(dictionaries, np.int64)
    return PageMap(
        names=tuple(chunk.name for chunk in groups[0][0]),
        elements=tuple(elements[chunk.name] for chunk in groups[0][0]),
        facts=tuple(chunk.facts for chunks, _ in groups for chunk in chunks),
        starts=np.array([*starts, row], np.int64),
        groups=np.array(first_pages, np.int64),
        offsets=np.array([[page[0] for page in column] for column in of], np.int64),
        sizes=np.array([[page[1] for page in column] for column in of], np.int64),
        dictionaries=begins,
        dictionary_sizes=np.where(begins > 0, np.array(firsts, np.int64) - begins, 0),
    )
