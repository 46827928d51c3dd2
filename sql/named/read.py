"""Texts of types with a name of their own, read and put into the form PostgreSQL prints.

Called wherever text becomes such a value: casts, VALUES, COPY, parameters. Each distinct text is
read once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from engine.named import Named, NamedKind
from sql.decode.arrays import Item, MalformedArrayError, parse_array
from sql.named.errors import malformed
from sql.named.plain import plain_text
from sql.named.ranges import is_multirange, read_multirange, read_range, shown_multirange
from sql.named.records import read_record, show_record
from sql.named.scalars import SCALARS


def read(named: Named, text: str, timezone: str = "UTC") -> str:
    """The text as the type prints its value. Raises: DbError INVALID_TEXT, OUT_OF_RANGE, …"""
    return _reader(named)(text, timezone)


@lru_cache(maxsize=256)
def _reader(named: Named) -> Callable[[str, str], str]:
    if named.kind is NamedKind.ENUM:
        return lambda text, timezone: _label(named, text)
    if named.kind is NamedKind.COMPOSITE:
        return lambda text, timezone: _record(named, text, timezone)
    scalar = SCALARS.get(named.name)
    if scalar is not None:
        return scalar
    if is_multirange(named):
        return lambda text, zone: shown_multirange(read_multirange(named, text, zone))
    return lambda text, timezone: str(read_range(named, text, timezone))


def _label(named: Named, text: str) -> str:
    if text not in named.labels:
        message = f'invalid input value for enum: "{text}"'
        shown = ", ".join(f'"{label}"' for label in named.labels[:10])
        raise DbError(ErrorKind.INVALID_TEXT, message, detail=f"its labels are {shown}")
    return text


def _record(named: Named, text: str, timezone: str) -> str:
    fields = read_record(text)
    if len(fields) == 0 and len(named.fields) == 1:
        fields = [None]
    if len(fields) != len(named.fields):
        few = len(fields) < len(named.fields)
        raise malformed("record", text, "Too few columns." if few else "Too many columns.")
    types = (type_ for _, type_ in named.fields)
    pairs = zip(types, fields, strict=True)
    return show_record(None if f is None else read_value(t, f, timezone) for t, f in pairs)


def read_value(type_: DataType, text: str, timezone: str = "UTC") -> str:
    """A text of any type as the type prints its value. Raises: DbError."""
    if type_.named is not None:
        return read(type_.named, text, timezone)
    if type_.id is TypeId.LIST:
        try:
            return _array(parse_array(text), type_.innermost, timezone)
        except MalformedArrayError:
            raise malformed("array", text, "it is no array") from None
    return plain_text(type_, text, timezone)


def _array(items: list[Item], type_: DataType, timezone: str) -> str:
    def shown(item: Item) -> str:
        if item is None:
            return "NULL"
        if isinstance(item, list):
            return _array(item, type_, timezone)
        return array_item(read_value(type_, item, timezone))

    return "{" + ",".join(map(shown, items)) + "}"


def array_item(text: str) -> str:
    """A text as it stands in an array's."""
    plain = text and text.lower() != "null" and not any(c in '{}",\\' or c.isspace() for c in text)
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def read_column(
    texts: pa.Array,
    named: Named,
    timezone: str = "UTC",
    failed: Callable[[int, DbError], DbError] | None = None,
) -> pa.Array:
    """A column of texts; NULL stays NULL. `failed` may add the row (0-based) to an error."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    distinct = texts.dictionary_encode()
    values: list[str] = []
    for code, text in enumerate(distinct.dictionary.to_pylist()):
        try:
            values.append(read(named, text, timezone))
        except DbError as error:
            if failed is None:
                raise
            row = pc.index(distinct.indices, pa.scalar(code, distinct.indices.type)).as_py()
            raise failed(row, error) from error
    return pa.array(values, pa.string()).take(distinct.indices)
