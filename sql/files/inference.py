"""The columns of files, found out by looking into them: for external tables without a column list.

Called by sql/statements/external.py. Files of columns tell their types; of text, the beginning is
read. Several files have the columns of all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.json as json

from engine import datatypes
from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from sql.files.options import FileFormat, FileOptions, Header
from sql.files.places import Source
from sql.files.readers import open_columns
from sql.files.streams import pieces, reading
from sql.types import from_arrow

_FILES_MAX = 64  # more are taken to be like these
_TIME_INDEX = b"greptime:time_index"  # how the peer's files mark it


class Found:
    """Columns in the order of their first file; `time_index` if a file marks one."""

    def __init__(self) -> None:
        self.types: dict[str, pa.DataType] = {}
        self.time_index: str | None = None

    def add(self, schema: Any, source: Source) -> None:
        """Takes a file's columns. Raises: DbError DATATYPE_MISMATCH, DUPLICATE_COLUMN."""
        for name in schema.names:
            if schema.names.count(name) > 1:
                message = f'"{source.name}" has two columns "{name}"'
                raise DbError(ErrorKind.DUPLICATE_COLUMN, message)
        for field in schema:
            self.types[field.name] = self._common(field, source)
            if (field.metadata or {}).get(_TIME_INDEX) == b"true":
                self.time_index = self.time_index or field.name

    def _common(self, field: Any, source: Source) -> Any:
        known = self.types.get(field.name, field.type)
        if known == field.type:
            return known
        pair = [pa.schema([(field.name, one)]) for one in (known, field.type)]
        try:
            return pa.unify_schemas(pair, promote_options="permissive").field(0).type
        except pa.ArrowException as error:
            raise DbError(
                ErrorKind.DATATYPE_MISMATCH,
                f'column "{field.name}" is {field.type} in "{source.name}", {known} in others',
                hint="declare the columns, or give the location of files that are alike",
            ) from error

    def columns(self) -> list[tuple[str, DataType]]:
        """Names and types. Raises: DbError UNSUPPORTED for a type we do not have."""
        return [(name, _type_of(type_)) for name, type_ in self.types.items()]


def infer(sources: Sequence[Source], options: FileOptions) -> Found:
    """The columns of some files. Raises: DbError BAD_COPY_DATA for one that cannot be read."""
    found = Found()
    for source in sources[:_FILES_MAX]:
        found.add(_schema(source, options), source)
    if not found.types:
        message = f'"{sources[0].name}" has no columns'
        hint = "an empty file tells none: declare them"
        raise DbError(ErrorKind.BAD_COPY_DATA, message, hint=hint)
    return found


def _schema(source: Source, options: FileOptions) -> Any:
    if not options.format.is_text:
        with source.open() as file, reading(source.name):
            return open_columns(file, options.format)[1]
    beginning = _beginning(source, options)
    with reading(source.name):
        if not beginning.strip():
            return pa.schema([])
        if options.format is FileFormat.JSON:
            whole = json.ReadOptions(block_size=len(beginning) + 1)
            return _of_text(json.read_json(pa.BufferReader(beginning), whole))
        return _of_text(_csv_table(beginning, options))


def _beginning(source: Source, options: FileOptions) -> bytes:
    """Whole lines from the beginning of a text file."""
    stream = pieces(source, options.compression_of(source.name))
    content = next(stream, b"")
    more = next(stream, b"")
    end = content.rfind(b"\n") + 1
    return content[:end] if more and end else content + more


def _of_text(table: Any) -> Any:
    """The columns of a text's beginning; times in the coarsest unit from millis on that fits."""
    fields = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        found = column.type
        if pa.types.is_timestamp(found):
            found = pa.timestamp(_unit(column))  # all times are moments in UTC, said or not
        fields.append((name, found))
    return pa.schema(fields)


def _unit(column: Any) -> str:
    if column.type.unit == "s":
        return "ms"  # whole seconds so far may have fractions later
    nanos = column.cast(pa.timestamp("ns", column.type.tz)).cast(pa.int64())
    for unit, length in (("ms", 1_000_000), ("us", 1_000)):
        whole = pc.multiply(pc.divide(nanos, length), length)
        if pc.all(pc.equal(whole, nanos)).as_py() is not False:
            return unit
    return "ns"


def _csv_table(beginning: bytes, options: FileOptions) -> Any:
    given = options.delimited
    named = options.header is Header.NONE
    parsing = csv.ParseOptions(
        delimiter=given.delimiter or ",",
        quote_char=given.quote or '"',
        newlines_in_values=True,
    )
    reading_ = csv.ReadOptions(autogenerate_column_names=named)
    converting = csv.ConvertOptions(null_values=[given.null], quoted_strings_can_be_null=False)
    converting.strings_can_be_null = True
    table = csv.read_csv(pa.BufferReader(beginning), reading_, parsing, converting)
    if not named:
        return table
    return table.rename_columns([f"column_{at + 1}" for at in range(table.num_columns)])


def _type_of(arrow: Any) -> DataType:
    if pa.types.is_null(arrow):
        return datatypes.STRING
    if pa.types.is_struct(arrow) or pa.types.is_map(arrow):
        return datatypes.JSON
    if pa.types.is_list(arrow) and pa.types.is_nested(arrow.value_type):
        return datatypes.JSON
    found = from_arrow(arrow)
    # Files keep durations as numbers of some unit.
    return datatypes.INT64 if found.id is TypeId.INTERVAL else found
