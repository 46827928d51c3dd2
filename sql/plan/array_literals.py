"""Casts of array literals that DuckDB's own cast would misread: `'{{1,2},{3,4}}'::int[]`.

Called by cast_literals.py: literals of more than one dimension, which PostgreSQL's types do not
count, of bounds, and of bytes. Bounds are dropped: arrays here count from one. Never reads others.
"""

from __future__ import annotations

import re

import pyarrow as pa
from sqlglot import exp

from engine.datatypes import DataType, TypeId, list_of
from engine.errors import DbError, ErrorKind
from sql.decode.arrays import DeepArrayError, Item, MalformedArrayError, parse_array
from sql.decode.text import column_from_text

_RICH = re.compile(r"\s*(?:\[[^\]]*\]\s*)+=\s*\{|\s*\{\s*\{")  # with bounds, or nested
_CHECKED = frozenset({TypeId.INT16, TypeId.INT32, TypeId.INT64, TypeId.FLOAT32, TypeId.FLOAT64})
_READ = _CHECKED | {
    *(TypeId.STRING, TypeId.BOOLEAN, TypeId.DECIMAL, TypeId.UUID, TypeId.BINARY),
}


def read_array_literal(cast: exp.Cast, type_: DataType) -> None:
    """Makes `ARRAY[…]` of the literal, in place. Requires: a cast of a text to a LIST.

    Raises: DbError INVALID_TEXT, OUT_OF_RANGE.
    """
    text, element = cast.this.name, type_.innermost
    binary = element.id is TypeId.BINARY  # of which DuckDB reads other escapes
    if element.named is not None or element.id not in _READ:
        return
    if not binary and not _RICH.match(text):
        return
    try:
        items = parse_array(text)
        _shape(items)
    except DeepArrayError as deep:
        raise DbError(ErrorKind.LIMIT_EXCEEDED, str(deep)) from deep
    except MalformedArrayError as bad:
        raise DbError(ErrorKind.INVALID_TEXT, f'malformed array literal: "{text}"') from bad
    inner = cast.to
    while inner.this is exp.DType.ARRAY and inner.expressions:
        inner = inner.expressions[0]
    made, whole = inner.copy(), element
    for _ in _shape(items):
        made = exp.DataType(this=exp.DType.ARRAY, expressions=[made], nested=True)
        whole = list_of(whole)
    if element.id in _CHECKED:
        try:
            column_from_text(pa.array([text]), whole, "UTC", column="")
        except DbError as error:
            raise DbError(error.kind, error.message) from error  # there is no column to speak of
    cast.set("this", _array(items))
    if binary:
        for item in list(cast.this.find_all(exp.Literal)):
            item.replace(exp.cast(item.copy(), exp.DType.VARBINARY))  # see binary_literals
    cast.set("to", made)


def _shape(items: list[Item]) -> list[int]:
    """The length of each dimension. Raises: MalformedArrayError if arrays beside others differ."""
    inner = [_shape(item) if isinstance(item, list) else [] for item in items]
    if any(shape != inner[0] for shape in inner):
        raise MalformedArrayError
    return [len(items), *(inner[0] if inner else [])]


def _array(items: list[Item]) -> exp.Array:
    return exp.Array(expressions=[_item(item) for item in items])


def _item(item: Item) -> exp.Expr:
    if isinstance(item, list):
        return _array(item)
    return exp.null() if item is None else exp.Literal.string(item)
