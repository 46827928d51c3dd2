"""Which rows of a file can hold what text filters ask, from its index.

Called by `engine.fulltext.picking`. Answers are never too small; the filters themselves are checked
by whoever asked. An index that is missing, of a later format or damaged answers nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.api import Needle, TextFilter, TimeRange
from engine.errors import DbError
from engine.fulltext import codec, packing, tokens
from engine.fulltext.build import FORMAT_VERSION, read_pages
from engine.fulltext.codec import Header, IndexBody, IndexFileHead
from engine.fulltext.packing import MapShape
from engine.fulltext.postings import BLOCK_SHIFT
from engine.jit import Int64s
from engine.schema import RegionSchema
from engine.sst.cache import ByteCache
from engine.sst.file import FileMeta, IndexFile
from engine.sst.page_map import PageMap
from engine.store.store import ObjectStore

_LOG = logging.getLogger(__name__)
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows of a file that may be wanted: certain `rows`, or (if None) all of some `blocks`."""

    rows: Int64s | None
    blocks: Mask

    def within(self, rows: int) -> Int64s:
        """The positions, ascending, in a file of so many rows."""
        if self.rows is not None:
            return self.rows
        places = np.flatnonzero(self.blocks)
        size = 1 << BLOCK_SHIFT
        found = (places[:, None] * size + np.arange(size)).ravel()
        return found[found < rows]


def both(left: Candidates, right: Candidates) -> Candidates:
    """What is in both."""
    if left.rows is not None and right.rows is not None:
        rows = np.intersect1d(left.rows, right.rows, assume_unique=True)
    elif left.rows is not None:
        rows = left.rows[right.blocks[left.rows >> BLOCK_SHIFT]]
    elif right.rows is not None:
        rows = right.rows[left.blocks[right.rows >> BLOCK_SHIFT]]
    else:
        return Candidates(None, left.blocks & right.blocks)
    return of_rows(rows, len(left.blocks))


def either(left: Candidates, right: Candidates) -> Candidates:
    """What is in one of them."""
    if left.rows is None or right.rows is None:
        return Candidates(None, left.blocks | right.blocks)
    return of_rows(np.union1d(left.rows, right.rows), len(left.blocks))


def of_rows(rows: Int64s, blocks: int) -> Candidates:
    """Certain rows of a file of so many blocks."""
    mask = np.zeros(blocks, np.bool_)
    mask[rows >> BLOCK_SHIFT] = True
    return Candidates(rows, mask)


class IndexReader:
    """Looks up files; keeps headers and page maps within a budget. Any thread.

    I1. A path in `_damaged` was read with a wrong checksum; files never change.
    """

    def __init__(self, store: ObjectStore, bytes_max: int) -> None:
        # Constant after construction.
        self._store = store
        self._cache = ByteCache(bytes_max)
        self._damaged: set[str] = set()  # only grows; adding is atomic

    def candidates(
        self,
        file: FileMeta,
        old: RegionSchema,
        wanted: RegionSchema,
        filters: tuple[TextFilter, ...],
        times: TimeRange,
    ) -> Candidates | None:
        """Rows of a file that may pass all filters, in the range of times; None: any may.

        `old` is the file's schema, `wanted` the one that the needles' columns are named in.
        """
        index = file.index
        if index is None or index.path in self._damaged:
            return None
        try:
            head = self._head(index)
            if head.header["format"] != FORMAT_VERSION or head.header["rows"] != file.rows:
                return None
            with codec.opened(self._store.local_path(index.path), head) as body:
                return _Lookup(head.header, body, old, wanted).candidates(filters, times)
        except (DbError, OSError, ValueError, KeyError, IndexError) as error:
            self._refuse(index, error)
            return None

    def pages(self, index: IndexFile) -> PageMap | None:
        """Where the pages of the file are; None if that is not known."""
        known = self._cache.get(("pages", index.path))
        if known is not None:
            return known if isinstance(known, PageMap) else None
        try:
            head = self._head(index)
            told = head.header["pages"]
            found = None
            if told is not None:
                with codec.opened(self._store.local_path(index.path), head) as body:
                    numbers = body.numbers(tuple(told["numbers"]), "<i8")
                    texts = body.read(*told["texts"]).tobytes()
                found = read_pages(told, numbers, texts)
        except (DbError, OSError, ValueError, KeyError, IndexError) as error:
            self._refuse(index, error)
            return None
        self._cache.put(("pages", index.path), found or "none", found.nbytes if found else 1)
        return found

    def _head(self, index: IndexFile) -> IndexFileHead:
        known: IndexFileHead | None = self._cache.get(("head", index.path))
        if known is None:
            known = codec.read_head(self._store.local_path(index.path))
            self._cache.put(("head", index.path), known, known.nbytes)
        return known

    def _refuse(self, index: IndexFile, error: Exception) -> None:
        _LOG.warning("searching without the text index %s: %s", index.path, error)
        self._damaged.add(index.path)


class _Lookup:
    """Searches in one open index; it lives as long as the call."""

    def __init__(
        self, header: Header, body: IndexBody, old: RegionSchema, wanted: RegionSchema
    ) -> None:
        self._header = header
        self._body = body
        self._old = old
        self._wanted = wanted
        self._columns = {column["id"]: column for column in header["columns"]}
        self._blocks = ((header["rows"] - 1) >> BLOCK_SHIFT) + 1

    def candidates(self, filters: tuple[TextFilter, ...], times: TimeRange) -> Candidates | None:
        """See `IndexReader.candidates`."""
        found: Candidates | None = None
        for filter_ in filters:
            some = self._filter(filter_)
            if some is not None:
                found = some if found is None else both(found, some)
        if found is None or (times.start is None and times.end is None):
            return found
        return both(found, Candidates(None, self._during(times)))

    def _during(self, times: TimeRange) -> Mask:
        """The blocks that may have rows of a range of times."""
        start, count = self._header["times"]
        first, last = self._body.numbers((start, 16 * count), "<i8").reshape(2, count)
        mask = np.ones(count, np.bool_)
        if times.start is not None:
            mask &= last >= times.start
        if times.end is not None:
            mask &= first < times.end
        return mask

    def _filter(self, filter_: TextFilter) -> Candidates | None:
        found: Candidates | None = None
        for needles in filter_.alternatives:
            some = self._all_of(needles)
            if some is None:
                return None
            found = some if found is None else either(found, some)
        return found

    def _all_of(self, needles: tuple[Needle, ...]) -> Candidates | None:
        found: Candidates | None = None
        for needle in needles:
            some = self._needle(needle)
            if some is not None:
                found = some if found is None else both(found, some)
        return found

    def _needle(self, needle: Needle) -> Candidates | None:
        """Rows that may hold a needle; None if the index cannot tell."""
        id_ = self._wanted.ids.get(needle.column)
        column = self._columns.get(id_)
        if id_ is None or column is None or id_ not in self._old.by_id:
            return None
        before, now = self._old.by_id[id_], self._wanted.by_id[id_]
        if before.type != now.type or before.past != now.past:
            return None  # its values are shown converted
        hashes = tokens.hashes(needle, column["options"])
        if hashes is None:
            return None
        rows: list[Int64s] = []
        mask = np.zeros(self._blocks, np.bool_)
        is_exact = True
        for part in column["parts"]:
            if needle.folded and part["odd"]:
                return None
            exact, found = self._part(part, sorted(set(hashes)))
            rows.append(found)
            mask[found >> BLOCK_SHIFT if exact else found] = True
            is_exact &= exact
        if is_exact:
            return Candidates(np.concatenate([np.empty(0, np.int64), *rows]), mask)
        return Candidates(None, mask)

    def _part(self, part: Header, hashes: list[int]) -> tuple[bool, Int64s]:
        """Rows of a part (True), or blocks of the file (False), that may hold all tokens."""
        rows: Int64s | None = None
        blocks: Mask | None = None
        first = part["row"]
        for hash_ in hashes:
            kind, numbers = self._token(part, hash_)
            if kind == packing.ROWS:
                rows = numbers if rows is None else np.intersect1d(rows, numbers)
            else:
                mask = np.zeros(((part["rows"] - 1) >> BLOCK_SHIFT) + 1, np.bool_)
                mask[numbers] = True
                blocks = mask if blocks is None else blocks & mask
            if rows is not None and not len(rows):
                return True, rows
        if rows is not None:
            if blocks is not None:
                rows = rows[blocks[rows >> BLOCK_SHIFT]]
            return True, rows + first
        assert blocks is not None
        return False, self._file_blocks(np.flatnonzero(blocks), part)

    def _file_blocks(self, blocks: Int64s, part: Header) -> Int64s:
        """Blocks of a part as blocks of the file, which may begin elsewhere."""
        low = part["row"] + (blocks << BLOCK_SHIFT)
        high = np.minimum(low + (1 << BLOCK_SHIFT), part["row"] + part["rows"]) - 1
        return np.union1d(low >> BLOCK_SHIFT, high >> BLOCK_SHIFT)

    def _token(self, part: Header, hash_: int) -> tuple[int, Int64s]:
        """The kind and numbers of a token's list: rows or blocks of the part."""
        rows = self._entries(part["inline"], hash_)
        kind = packing.ROWS
        for at in self._entries(part["lists"], hash_).tolist():
            of, numbers = self._list(part, at)
            if of != kind == packing.ROWS:  # rows of tokens that share a hash
                rows, kind = np.unique(rows >> BLOCK_SHIFT), packing.BLOCKS
            if of == packing.ROWS and kind == packing.BLOCKS:
                numbers = numbers >> BLOCK_SHIFT
            rows = np.union1d(rows, numbers)
        return kind, rows

    def _entries(self, told: Header, hash_: int) -> Int64s:
        """The numbers that a packed map has for a hash."""
        shape = MapShape(*told["shape"])
        if not shape.entries:
            return np.empty(0, np.int64)
        bucket = shape.bucket(hash_)
        start, stop = self._body.numbers((told["directory"] + 4 * bucket, 8), "<u4").tolist()
        if start >= stop:
            return np.empty(0, np.int64)
        low, high = start * shape.width, stop * shape.width
        data = self._body.read(told["at"] + (low >> 3), ((high + 7) >> 3) - (low >> 3))
        numbers = packing.unpack_entries(data, low & 7, stop - start, shape)
        same = numbers >> np.uint64(shape.value_bits) == np.uint64(shape.rest(hash_))
        values = numbers[same] & np.uint64((1 << shape.value_bits) - 1)
        found: Int64s = np.unique(values).astype(np.int64)
        return found

    def _list(self, part: Header, at: int) -> tuple[int, Int64s]:
        """The list at a place: rows or blocks of the part."""
        blocks = ((part["rows"] - 1) >> BLOCK_SHIFT) + 1
        room = part["bytes"] - at
        most = max(packing.LIST_HEAD_BYTES, 1 + ((blocks + 7) >> 3))
        head = self._body.read(part["at"] + at, min(room, most))
        if head[0] == packing.BITMAP:
            bits = np.unpackbits(head[1:], bitorder="little")
            return packing.BLOCKS, np.flatnonzero(bits[:blocks])
        head = head[: packing.LIST_HEAD_BYTES]
        size = packing.list_body_bytes(head)
        body = self._body.read(part["at"] + at + packing.LIST_HEAD_BYTES, size)
        return int(head[0]), packing.unpack_list(head, body)


__all__ = ["Candidates", "IndexReader"]
