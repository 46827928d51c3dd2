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
from sql.plan.named_values import typed_as
from sql.types import duckdb_name


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

    Raises: DbError DATATYPE_MISMATCH if the column has no elements, UNSUPPORTED for elements of
    arrays within arrays.
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
    if len(keys) != 1:
        message = "only elements of a one-dimensional array can be set"
        raise DbError(ErrorKind.UNSUPPORTED, message)
    if isinstance(keys[0], exp.Slice):
        return _slice(column, keys[0], whole, value)
    return composed(
        "list_concat(list_resize(coalesce({a}, []), {i} - 1), [{v}], coalesce({a}, [])[{i} + 1:])",
        a=whole,
        i=exp.paren(_asked(keys[0])),
        v=value,
    )


def _slice(column: Column, asked: exp.Slice, whole: exp.Expr, value: exp.Expr) -> exp.Expr:
    """`SET a[i:j] = b`: as many elements of b as the slice has; of a NULL none is taken.

    A bound that is left out is the array's own. Source:
    https://www.postgresql.org/docs/15/arrays.html#ARRAYS-MODIFYING
    """
    typed = column.type.innermost.named is not None
    given = (
        typed_as(value.copy(), column.type)
        if typed
        else exp.cast(value.copy(), exp.DataType.build(duckdb_name(column.type), dialect="duckdb"))
    )
    low = asked.this or exp.Literal.number(1)
    high = asked.expression or composed("len(coalesce({a}, []))", a=whole)
    return composed(
        "CASE WHEN {v} IS NULL THEN {a} WHEN len({v}) < {j} - {i} + 1"
        " THEN error('source array too small') ELSE list_concat(list_resize(coalesce({a}, []),"
        " {i} - 1), {v}[1:{j} - {i} + 1], coalesce({a}, [])[{j} + 1:]) END",
        a=whole,
        v=given,
        i=exp.paren(low.copy()),
        j=exp.paren(high.copy()),
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
