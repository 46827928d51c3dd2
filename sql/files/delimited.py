"""CSV and PostgreSQL's text format: lines of a file to columns of a table.

Called by readers.py. Splitting and conversion are sql/decode/copy.py's; this module finds out which
field is which column, and passes over bad records when asked to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from catalog.records import Column
from engine import datatypes
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.decode.cells import from_strings
from sql.decode.copy import CopyReader, header_names
from sql.decode.text import convert
from sql.files.options import FileOptions, Header
from sql.files.places import Source
from sql.files.streams import pieces
from sql.files.target import Target

_RETRY_ROWS = 1024  # rows converted at once where some of them are bad


@dataclass
class DelimitedFile:
    """One file. Bad records that are passed over are counted in the target."""

    source: Source
    target: Target
    options: FileOptions
    _columns: tuple[Column, ...] = field(default=())

    @property
    def _label(self) -> str:
        """What errors say behind COPY."""
        return f'{self.target.table.name} from "{self.source.name}"'

    def rows(self) -> Iterator[Any]:
        """The rows as tables of some of the target's columns. Raises: DbError."""
        data = pieces(self.source, self.options.compression_of(self.source.name))
        first = self._find_columns(data)
        if first is None:
            return
        reader = self._reader()
        for piece in chain([first], data):
            if reader.ended and piece.strip():
                raise self._after_end()
            yield from self._converted(reader.feed(piece))
        yield from self._converted(reader.finish())
        self.target.skipped += reader.skipped

    def _find_columns(self, data: Iterator[bytes]) -> bytes | None:
        """Reads as far as the header goes and gives those bytes back; None for an empty file."""
        content = next(data, b"")
        if not content:
            return None
        if self.options.header is not Header.NAMES:
            self._columns = self.target.columns
            return content
        names = None
        ended = False
        while names is None:
            names = header_names(content, self.options.delimited, final=ended, table=self._label)
            if names is None:
                more = next(data, b"")
                content, ended = content + more, not more
        self._match(names)
        return content

    def _match(self, names: Sequence[str]) -> None:
        """Which column each field is; those that the table lacks are read as nothing."""
        name = self.source.name
        known = [self.target.column(one) for one in names]
        twice = sorted({one for one in names if names.count(one) > 1})
        missing = [c.name for c in self.target.columns if c.name not in names]
        unknown = [n for n, column in zip(names, known, strict=True) if column is None]
        if self.options.strict_headers and (twice or missing or unknown):
            lists = {"unknown": unknown, "missing": missing, "duplicate": twice}
            detail = "; ".join(f"{k}: {', '.join(v)}" for k, v in lists.items() if v)
            message = f'the header of "{name}" is not that of table "{self.target.table.name}"'
            raise DbError(ErrorKind.BAD_COPY_DATA, message, detail=detail)
        for one in twice:
            if self.target.column(one) is not None:
                message = f'column "{one}" occurs twice in the header of "{name}"'
                raise DbError(ErrorKind.DUPLICATE_COLUMN, message)
        self.target.check_columns(names, name)
        self._columns = tuple(
            column or Column(n, datatypes.NULL) for n, column in zip(names, known, strict=True)
        )

    def _reader(self) -> CopyReader:
        skip = self.options.skip_bad_records
        header = self.options.header
        options = replace(
            self.options.delimited,
            header=header is not Header.NONE,
            match_header=header is Header.MATCH,
        )
        columns = self._columns
        if skip:
            columns = tuple(
                c if c.type.id is datatypes.NULL.id else replace(c, type=datatypes.STRING)
                for c in columns
            )
        zone = self.target.timezone
        return CopyReader(columns, options, zone, table=self._label, skip_ragged=skip)

    def _converted(self, tables: Sequence[Any]) -> Iterator[Any]:
        for table in tables:
            rows = self._tolerant(table) if self.options.skip_bad_records else table
            if rows.num_rows:
                yield rows

    def _tolerant(self, table: Any) -> Any:
        """Typed columns without the rows of which a value is none of its column's."""
        good = np.ones(table.num_rows, np.bool_)
        arrays, names = [], []
        for index, column in enumerate(self._columns):
            if column.type.id is datatypes.NULL.id:
                continue
            texts = table.column(index).combine_chunks()
            values, bad = converted(texts, column.type, self.target.timezone)
            good &= ~bad
            if not column.nullable:
                good &= values.is_valid().to_numpy(zero_copy_only=False)
            arrays.append(values)
            names.append(column.name)
        self.target.skipped += int(table.num_rows - good.sum())
        rows = pa.table(arrays, names=names)
        return rows if good.all() else rows.filter(pa.array(good))

    def _after_end(self) -> DbError:
        return DbError(
            ErrorKind.BAD_COPY_DATA,
            f'"{self.source.name}" goes on after its end-of-data marker (\\.)',
        )


def converted(texts: Any, type_: DataType, timezone: str) -> tuple[Any, Any]:
    """Texts as a type, and a mask of those that are none of it (NULL in the result)."""
    bad = np.zeros(len(texts), np.bool_)
    whole, failed = _attempt(texts, type_, timezone)
    if failed is None:
        return whole, bad
    parts = []
    for start in range(0, len(texts), _RETRY_ROWS):
        stop = min(start + _RETRY_ROWS, len(texts))
        at = start
        while at < stop:
            part, failed = _attempt(texts.slice(at, stop - at), type_, timezone)
            if failed is not None:
                part, _ = _attempt(texts.slice(at, failed), type_, timezone)
                bad[at + failed] = True
                part = pa.concat_arrays([part, pa.nulls(1, type_.arrow)])
            parts.append(part)
            at += len(part)
    return pa.concat_arrays(parts), bad


def _attempt(texts: Any, type_: DataType, timezone: str) -> tuple[Any, int | None]:
    """The converted texts, or the first row that cannot be converted."""
    failed: list[int] = []

    def place(row: int) -> str:
        failed.append(row)
        return ""

    try:
        return convert(from_strings(texts, place), type_, timezone), None
    except DbError:
        if not failed:
            raise
        return None, failed[0]
