"""DuckDB text for the rows of external tables, made anew for every statement.

Called by sql/run/scan.py for the placeholders of external tables. Local Parquet files are read by
DuckDB itself, by names it is lent (sql/files/links.py), so that columns, row groups and LIMIT are
pruned there. Everything else is read by COPY's readers and streams into DuckDB, of which only the
wanted columns are decoded. Nothing is kept of a file between statements but its schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from catalog.records import Column
from engine.api import TimeRange
from engine.errors import DbError
from sql.decode.assign import assign
from sql.files.external import external_files, is_made_up
from sql.files.links import Links
from sql.files.options import FileFormat, FileOptions
from sql.files.places import LocalFiles, Source
from sql.files.readers import read_rows
from sql.files.target import Target
from sql.plan.tables import FileReference
from sql.run.duck import Duck
from sql.run.files import literal
from sql.run.relation import moment
from sql.types import duckdb_name, from_arrow, quote

_ZONE = "UTC"  # times without a zone in files: the same for every session that reads them

Register = Callable[[Any], str]


@dataclass(frozen=True)
class _Shape:
    """The wanted columns, and what they are in files that lack them."""

    reference: FileReference
    columns: tuple[Column, ...]
    defaults: dict[str, Any]  # by name, scalars of the column's type

    def default(self, column: Column) -> Any:
        return self.defaults.get(column.name)


class _FileTarget(Target):
    """Rows of the wanted columns; a file may have none of them."""

    def check_columns(self, given: object, file: str) -> None:
        """Whatever a file lacks has its default, or is NULL."""


class FileRows:
    """Rows of files as DuckDB asks for them, from the beginning each time."""

    def __init__(
        self, schema: Any, read: Callable[[], Iterator[Any]], fail: Callable[[DbError], None]
    ) -> None:
        self.schema = schema
        self._read = read
        self._fail = fail

    def __arrow_c_schema__(self) -> object:
        return self.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        reader = pa.RecordBatchReader.from_batches(self.schema, self._batches())
        return reader.__arrow_c_stream__(requested_schema)

    def _batches(self) -> Iterator[Any]:
        try:
            for rows in self._read():
                yield from rows.to_batches()
        except DbError as error:
            self._fail(error)  # what passes DuckDB would lose its kind and its details
            raise pa.ArrowInvalid(error.message) from error


@dataclass(frozen=True)
class FileScans:
    """The files of one session's statements."""

    files: LocalFiles
    links: Links
    duck: Duck
    evaluate: Callable[[str, int], Any]  # a stored expression, for so many rows

    def relation(
        self, reference: FileReference, wanted: TimeRange, register: Register, stack: ExitStack
    ) -> str:
        """A parenthesised query of the wanted columns of all files.

        Raises: DbError UNDEFINED_FILE, ACCESS_DENIED, BAD_COPY_DATA, STORAGE_UNAVAILABLE.
        """
        external = external_files(reference.table.options)
        sources = external.sources(self.files)
        shape = self._shape(reference)
        if external.options.format is FileFormat.PARQUET:
            parts, sources = self._parquet(sources, shape, wanted, stack)
        else:
            parts = []
        if sources:
            rows = self._stream(sources, shape, external.options)
            names = ", ".join(f"f.{quote(c.name)}" for c in shape.columns)
            parts.append(f"SELECT {names} FROM {register(rows)} AS f")
        return "(" + " UNION ALL ".join(parts) + ")"

    def _shape(self, reference: FileReference) -> _Shape:
        table = reference.table
        columns = tuple(c for c in table.columns if c.name in reference.columns)
        columns = columns or table.columns[:1]
        defaults = {
            column.name: assign(self.evaluate(column.default, 1), column, _ZONE)[0]
            for column in columns
            if column.default is not None
        }
        return _Shape(reference, columns, defaults)

    # Parquet, read by DuckDB.

    def _parquet(
        self, sources: Sequence[Source], shape: _Shape, wanted: TimeRange, stack: ExitStack
    ) -> tuple[list[str], list[Source]]:
        """Queries of what DuckDB can read, and the other files."""
        alike: dict[Any, list[str]] = {}
        others: list[Source] = []
        for source in sources:
            with source.open() as file:
                path = self.links.lend(file)
                if path is None:
                    others.append(source)
                    continue
                stack.callback(self.links.give_back, path)
                schema = self.links.schema(file, source.name)
            key = tuple((field.name, field.type) for field in schema)
            alike.setdefault(key, []).append(path)
        return [_read(paths, dict(key), shape, wanted) for key, paths in alike.items()], others

    # Everything else, read by us.

    def _stream(self, sources: Sequence[Source], shape: _Shape, options: FileOptions) -> FileRows:
        schema = pa.schema([pa.field(c.name, c.type.arrow) for c in shape.columns])
        named = options.format is FileFormat.JSON or options.header.finds_names
        named = named or not options.format.is_text
        whole = tuple(c for c in shape.reference.table.columns if not is_made_up(c))
        target = _FileTarget(
            replace(shape.reference.table, columns=shape.columns),
            shape.columns if named else whole,
            _ZONE,
            lambda column, rows: pa.repeat(shape.default(column), rows),
        )

        def read() -> Iterator[Any]:
            for source in sources:
                for rows in read_rows(source, target, options):
                    self.duck.check()
                    yield rows.select(schema.names).cast(schema)

        return FileRows(schema, read, self.duck.interrupt)


def _read(paths: Sequence[str], given: dict[str, Any], shape: _Shape, wanted: TimeRange) -> str:
    """A query of files that have the same columns."""
    items = ", ".join(_item(column, given, shape) for column in shape.columns)
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    where = _range(given, shape, wanted)
    return f"SELECT {items} FROM read_parquet([{listed}]) AS f{where}"


def _item(column: Column, given: dict[str, Any], shape: _Shape) -> str:
    name, type_ = quote(column.name), duckdb_name(column.type)
    if column.name not in given:
        return f"{literal(shape.default(column), type_)} AS {name}"
    if _is_same(column, given[column.name]):
        return f"f.{name}"
    return f"CAST(f.{name} AS {type_}) AS {name}"


def _is_same(column: Column, arrow: Any) -> bool:
    """True if DuckDB reads the file's column as the declared type; Parquet has micros at least."""
    wider = column.type.is_timestamp and column.type.unit in ("s", "ms")
    try:
        return not wider and from_arrow(arrow) == column.type
    except DbError:
        return False


def _range(given: dict[str, Any], shape: _Shape, wanted: TimeRange) -> str:
    """Time bounds below the casts, where they prune row groups. The statement filters anyway."""
    index = shape.reference.table.column(shape.reference.table.time_index or "")
    arrow = given.get(index.name) if index is not None else None
    if index is None or arrow is None or not pa.types.is_timestamp(arrow) or arrow.tz is not None:
        return ""
    unit, name = index.type.unit, quote(index.name)
    bounds = []
    if wanted.start is not None:
        bounds.append(f"f.{name} >= {moment(wanted.start, unit)}")
    if wanted.end is not None:
        bounds.append(f"f.{name} < {moment(wanted.end, unit)}")
    return " WHERE " + " AND ".join(bounds) if bounds else ""
