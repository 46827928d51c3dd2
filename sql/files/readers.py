"""Files to whole rows of a table, in bounded pieces: the one door to all formats on the way in.

Called by sql/statements/copy_files.py. No reader ever holds a whole file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc as ipc
import pyarrow.orc as orc
import pyarrow.parquet as pq

from catalog.records import Column
from engine.errors import DbError, ErrorKind
from sql.decode.assign import assign
from sql.decode.ndjson import ObjectReader
from sql.files.delimited import DelimitedFile
from sql.files.options import FileFormat, FileOptions
from sql.files.places import Source
from sql.files.streams import pieces, reading
from sql.files.target import Target

BATCH_ROWS = 65_536
_ARROW_FILE = b"ARROW1"


def read_rows(source: Source, target: Target, options: FileOptions) -> Iterator[Any]:
    """A file's rows as whole rows of the target's table, NOT NULL checked.

    Raises: DbError that names the file, and row and column where a value is bad.
    """
    if options.format.is_delimited:
        found = DelimitedFile(source, target, options).rows()
    elif options.format is FileFormat.JSON:
        found = _json(source, target, options)
    else:
        found = _arrow(source, target, options.format)
    before = 0
    for some in found:
        rows = target.whole(some)
        target.check_nulls(rows, source.name, before)
        before += some.num_rows
        if rows.num_rows:
            yield rows


def _json(source: Source, target: Target, options: FileOptions) -> Iterator[Any]:
    reader = ObjectReader(target.columns, target.timezone, name=source.name)
    for piece in pieces(source, options.compression_of(source.name)):
        for objects in reader.feed(piece):
            yield _with_defaults(objects.rows, objects.absent, target)
    for objects in reader.finish():
        yield _with_defaults(objects.rows, objects.absent, target)


def _with_defaults(rows: Any, absent: dict[str, Any], target: Target) -> Any:
    """Rows with the columns' defaults where an object had no such key."""
    for index, name in enumerate(rows.column_names):
        column = target.column(name)
        if name in absent and column is not None and column.default is not None:
            default = target.default(column, rows.num_rows)
            values = pc.if_else(absent[name], default, rows.column(index))
            rows = rows.set_column(index, name, values)
    return rows


def _arrow(source: Source, target: Target, format_: FileFormat) -> Iterator[Any]:
    """Parquet, ORC and Arrow: columns by name, assigned as INSERT … SELECT does."""
    with source.open() as file:
        with reading(source.name):
            opened, schema = open_columns(file, format_)
            names = schema.names
        for name in names:
            if names.count(name) > 1 and target.column(name) is not None:
                message = f'"{source.name}" has two columns "{name}"'
                raise DbError(ErrorKind.DUPLICATE_COLUMN, message)
        target.check_columns(names, source.name)
        wanted = [column for column in target.columns if column.name in names]
        before = 0
        for batch in _batches(source, opened, [column.name for column in wanted]):
            arrays = [
                _assigned(batch.column(column.name), column, source, target.timezone, before)
                for column in wanted
            ]
            before += batch.num_rows
            yield pa.table(arrays, names=[column.name for column in wanted])


def open_columns(file: BinaryIO, format_: FileFormat) -> tuple[Any, Any]:
    """A reader of a file of columns, and the file's Arrow schema. Raises: Arrow's errors."""
    if format_ is FileFormat.PARQUET:
        parquet = pq.ParquetFile(file)
        return parquet, parquet.schema_arrow
    if format_ is FileFormat.ORC:
        stripes = orc.ORCFile(file)
        return stripes, stripes.schema
    magic = file.read(len(_ARROW_FILE))
    file.seek(0)
    if magic == _ARROW_FILE:
        batches = ipc.open_file(file)
        return batches, batches.schema
    stream = ipc.open_stream(file)
    return stream, stream.schema


def _batches(source: Source, opened: Any, names: list[str]) -> Iterator[Any]:
    with reading(source.name):
        if isinstance(opened, pq.ParquetFile):
            yield from opened.iter_batches(BATCH_ROWS, columns=names)
            return
        if isinstance(opened, ipc.RecordBatchStreamReader):
            yield from (batch.select(names) for batch in opened)
            return
        if isinstance(opened, ipc.RecordBatchFileReader):
            numbers = range(opened.num_record_batches)
            yield from (opened.get_batch(number).select(names) for number in numbers)
            return
        for stripe in range(opened.nstripes):
            batch = opened.read_stripe(stripe, columns=names)
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.slice(start, BATCH_ROWS)


def _assigned(array: Any, column: Column, source: Source, timezone: str, before: int) -> Any:
    try:
        return assign(array, column, timezone)
    except DbError as error:
        row = before + _first_bad(array, column, timezone) + 1
        reason = f" ({error.detail})" if error.detail and "row" not in error.detail else ""
        detail = f'"{source.name}", row {row}, column "{column.name}"{reason}'
        raise DbError(error.kind, error.message, detail=detail, hint=error.hint) from error


def _first_bad(array: Any, column: Column, timezone: str) -> int:
    """The first row that cannot be assigned. Requires: one cannot."""
    good, bad = 0, len(array)  # the first `good` rows fit, the first `bad` ones do not
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            assign(array.slice(good, middle - good), column, timezone)
            good = middle
        except DbError:
            bad = middle
    return good
