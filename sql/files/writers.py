"""Rows to a file: Parquet, or lines that may be compressed.

Called by sql/statements/copy_files.py with a file that is open for writing; a batch at a time, so
that memory holds one row group or one batch's text.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, BinaryIO, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from engine.datatypes import TypeId
from sql.files.lines import Lines
from sql.files.options import Compression, FileFormat, FileOptions, TimeFormats
from sql.files.texts import Texts
from sql.results import ResultColumn

ROW_GROUP_ROWS = 122_880  # DuckDB's own, its unit of parallel reading
ROW_GROUP_BYTES = 64 << 20
GZIP_LEVEL = 3  # twice as fast as the usual 6 and a few percent larger
TEXT_BATCH_BYTES = 16 << 20  # Arrow data whose text is made at once


class RowWriter(Protocol):
    """Takes rows for one file. The file itself is closed by whoever opened it."""

    def write(self, batch: Any) -> None:
        """Adds a batch of the columns' Arrow types."""

    def close(self) -> None:
        """Writes what is left, and the footer."""

    def abandon(self) -> None:
        """Frees what is held; the file is of no use."""


def open_writer(
    file: BinaryIO,
    name: str,
    columns: Sequence[ResultColumn],
    options: FileOptions,
    timezone: str,
) -> RowWriter:
    """The writer of a format. Raises: DbError."""
    if options.format is FileFormat.PARQUET:
        return ParquetRows(file, columns, timezone)
    return LineRows(file, options.compression_of(name), Lines(columns, options, timezone))


class ParquetRows:
    """A Parquet file, zstd, with Arrow's schema inside. Implements `RowWriter`.

    Intervals, which Parquet cannot hold whole, are ISO 8601 text.
    """

    def __init__(self, file: BinaryIO, columns: Sequence[ResultColumn], timezone: str) -> None:
        self._texts = Texts(TimeFormats(), timezone)
        self._columns = tuple(columns)
        self._is_text = [column.type.id is TypeId.INTERVAL for column in columns]
        fields = [
            pa.field(c.name, pa.string() if text else c.type.arrow)
            for c, text in zip(columns, self._is_text, strict=True)
        ]
        self._schema = pa.schema(fields)
        self._out = _Through(file)
        self._writer = pq.ParquetWriter(self._out, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._rows = self._bytes = 0

    def write(self, batch: Any) -> None:
        """See `RowWriter.write`."""
        arrays = [
            self._texts.plain(array, column.type) if text else array
            for array, column, text in zip(batch.columns, self._columns, self._is_text, strict=True)
        ]
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= ROW_GROUP_ROWS or self._bytes >= ROW_GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """See `RowWriter.close`."""
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """See `RowWriter.abandon`."""
        self._waiting.clear()
        self._out.is_void = True  # or the writer would complain of the file when it is collected
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, self._schema)
            self._waiting.clear()
            self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self._rows = self._bytes = 0


class LineRows:
    """Lines of text. Implements `RowWriter`."""

    def __init__(self, file: BinaryIO, compression: Compression, lines: Lines) -> None:
        self._lines = lines
        self._file = _Through(file)
        self._out = _compressed(self._file, compression)
        self._out.write(lines.header())

    def write(self, batch: Any) -> None:
        """See `RowWriter.write`."""
        for part in _parts(batch):
            self._out.write(self._lines.rows(part))

    def close(self) -> None:
        """See `RowWriter.close`."""
        self._out.close()

    def abandon(self) -> None:
        """See `RowWriter.abandon`."""
        self._file.is_void = True
        self._out.close()


def _parts(batch: Any) -> Iterator[Any]:
    """The batch in slices whose text is small enough to be made at once."""
    count = max(1, -(-batch.nbytes // TEXT_BATCH_BYTES))
    rows = max(1, -(-batch.num_rows // count))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


class _Through:
    """A file that stays open when what writes to it is closed; `is_void` drops what comes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.closed = False
        self.is_void = False

    def write(self, data: Any) -> int:
        return len(data) if self.is_void else self._file.write(data)

    def flush(self) -> None:
        if not self.is_void:
            self._file.flush()

    def close(self) -> None:
        self.closed = True


def _compressed(file: _Through, compression: Compression) -> Any:
    """What to write to; closing it ends the compression."""
    if compression is Compression.GZIP:
        return gzip.GzipFile("", "wb", GZIP_LEVEL, cast(BinaryIO, file), mtime=0)
    if compression is Compression.BZIP2:
        return bz2.BZ2File(cast(BinaryIO, file), "wb")
    if compression is Compression.XZ:
        return lzma.LZMAFile(cast(BinaryIO, file), "wb")
    if compression is Compression.ZSTD:
        return pa.CompressedOutputStream(file, "zstd")
    return file


def write_all(writer: RowWriter, batches: Iterator[Any]) -> int:
    """Writes every batch and closes the writer; returns the number of rows."""
    rows = 0
    with ExitStack() as undo:
        undo.callback(writer.abandon)
        for batch in batches:
            writer.write(batch)
            rows += batch.num_rows
        writer.close()
        undo.pop_all()
    return rows
