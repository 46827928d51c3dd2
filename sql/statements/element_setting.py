"""`SET column[key] = value`: one element of a JSON document or of an array is replaced.

Called by setting.py, which hands over what the column is so far: the column itself, or what an
earlier item of the same SET has made of it. Missing objects on the way are made; a JSON array does
not grow by an index beyond its end.
https://www.postgresql.org/docs/15/datatype-json.html#JSONB-SUBSCRIPTING
"""

from __future__ import annotations

from sqlglot import exp

from catalog.records import Column
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.dialect.pieces import cast_to, composed


def is_element(item: exp.EQ) -> bool:
    """True for an item of SET that replaces part of a column."""
    return isinstance(item.this, exp.Bracket)


def base_column(node: exp.Expr) -> exp.Column | None:
    """The column that `a[1]['b']` is an element of; None for anything else."""
    while isinstance(node, exp.Bracket):
        node = node.this
    return node if isinstance(node, exp.Column) else None


def with_element(column: Column, place: exp.Expr, whole: exp.Expr, value: exp.Expr) -> exp.Expr:
    """The whole with the element at `place` replaced.

    Raises: DbError DATATYPE_MISMATCH if the column has no elements, UNSUPPORTED for slices and
    elements of arrays within arrays.
    """
    keys: list[exp.Expr] = []
    while isinstance(place, exp.Bracket):
        keys[:0] = place.expressions
        place = place.this
    if column.type.id is TypeId.JSON:
        return _json(whole, keys, value)
    if column.type.id is not TypeId.LIST:
        message = f"cannot subscript type {column.type.name} because it does not support it"
        raise DbError(ErrorKind.DATATYPE_MISMATCH, message)
    if len(keys) != 1 or isinstance(keys[0], exp.Slice):
        message = "only one element of a one-dimensional array can be set"
        raise DbError(ErrorKind.UNSUPPORTED, message)
    return composed(
        "list_concat(list_resize(coalesce({a}, []), {i} - 1), [{v}], coalesce({a}, [])[{i} + 1:])",
        a=whole,
        i=exp.paren(_asked(keys[0])),
        v=value,
    )


def _json(whole: exp.Expr, keys: list[exp.Expr], value: exp.Expr) -> exp.Expr:
    path: exp.Expr = exp.Literal.string("$")
    for key in keys:
        path = exp.DPipe(this=path, expression=_step(key), safe=True)
    document = exp.Coalesce(this=whole.copy(), expressions=[exp.Literal.string("{}")])
    parts = [cast_to(document, "JSON"), path, cast_to(value, "JSON")]
    return exp.Anonymous(this="json_set", expressions=parts)


def _step(key: exp.Expr) -> exp.Expr:
    """One key as a step of a path: names in quotes, numbers in brackets."""
    if _is_number(key):
        return composed("'[' || {key} || ']'", key=exp.paren(_asked(key)))
    return composed("'.\"' || {key} || '\"'", key=key)


def _is_number(key: exp.Expr) -> bool:
    plain = key.unnest()
    if isinstance(plain, exp.Binary | exp.Neg):
        return True  # the parser has taken one off
    if isinstance(plain, exp.Cast):
        return plain.to.this in exp.DataType.INTEGER_TYPES
    return isinstance(plain, exp.Literal) and not plain.is_string


def _asked(key: exp.Expr) -> exp.Expr:
    """A subscript as it was written: the parser counts from 0 and has taken one off."""
    if isinstance(key, exp.Literal) and not key.is_string:
        return exp.Literal.number(int(key.name) + 1)
    return exp.Add(this=exp.paren(key.copy()), expression=exp.Literal.number(1))
