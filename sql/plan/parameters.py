"""Types of placeholders, from what stands beside them (drivers such as asyncpg rely on this).

A type the client declared wins; then casts, comparisons, arithmetic, LIMIT and assignment to a
column; what nothing determines is text, as in PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
from sqlglot import exp

from catalog.records import Table
from engine import datatypes
from engine.datatypes import DataType, TypeId
from sql.plan.scopes import Scopes
from sql.plan.typed import inferred_type
from sql.session import Wire
from sql.types import duckdb_name, from_sql

_LIKE_TEXT = (exp.Like, exp.ILike, exp.SimilarTo, exp.RegexpLike, exp.RegexpILike, exp.DPipe)


def parameter_number(node: exp.Expr) -> int | None:
    """The n of `$n`, None for other nodes."""
    if isinstance(node, exp.Parameter):
        number = node.args["this"]
        if isinstance(number, exp.Literal):
            return int(number.args["this"])
    return None


def infer_types(
    tree: exp.Expr,
    scopes: Scopes,
    count: int,
    declared: Sequence[DataType | None] = (),
    target: tuple[Table, Sequence[str]] | None = None,
    called: Sequence[DataType | None] = (),
    wire: Wire = Wire.HTTP,
) -> tuple[DataType, ...]:
    """One type per placeholder.

    `target`: the table and columns an INSERT fills, if it is one; `called`: what functions take
    (argument_types.py).
    """
    types = [*called, *[None] * (count - len(called))]
    if target is not None:
        _from_values(tree, target, types)
    for node in tree.find_all(exp.Parameter):
        number = parameter_number(node)
        if number is not None and 0 < number <= count and types[number - 1] is None:
            found = _beside(node, scopes)
            is_cast = wire is Wire.POSTGRES and isinstance(node.parent, exp.Cast)
            types[number - 1] = found.on_wall if found is not None and is_cast else found
    for index, given in enumerate(declared[:count]):
        if given is not None:
            types[index] = _given(given, types[index], wire)
    return tuple(found or datatypes.STRING for found in types)


def _given(type_: DataType, beside: DataType | None, wire: Wire) -> DataType:
    """A declared type; whether a time is one on a wall is told by what stands beside it."""
    meets = beside is not None and beside.is_timestamp
    if type_.id is TypeId.TIMESTAMP_TZ:
        return replace(type_, wall=True) if beside is not None and meets and beside.wall else type_
    if meets and beside is not None:
        return type_.on_wall if beside.wall else type_
    zoned = beside is not None and beside.id is TypeId.TIMESTAMP_TZ
    return type_.on_wall if wire is Wire.POSTGRES and not zoned else type_


def _from_values(
    tree: exp.Expr, target: tuple[Table, Sequence[str]], types: list[DataType | None]
) -> None:
    table, names = target
    rows: list[list[exp.Expr]] = []
    if isinstance(tree, exp.Values):
        rows = [list(getattr(row, "expressions", [])) for row in tree.expressions]
    elif isinstance(tree, exp.Select):
        rows = [[item.unalias() for item in tree.expressions]]
    for row in rows:
        for name, value in zip(names, row, strict=False):
            number = parameter_number(value)
            column = table.column(name)
            if number is not None and column is not None and types[number - 1] is None:
                types[number - 1] = column.type


def _beside(node: exp.Expr, scopes: Scopes) -> DataType | None:
    parent = node.parent
    if isinstance(parent, exp.Tuple) and (found := _in_tuple(node, parent, scopes)) is not None:
        return found
    if isinstance(parent, exp.Paren | exp.Neg | exp.Tuple | exp.Alias):
        return _beside(parent, scopes)
    if isinstance(parent, exp.Cast):
        return from_sql(parent.to)
    if isinstance(parent, exp.Any | exp.All):
        return datatypes.list_of(_beside(parent, scopes) or datatypes.STRING)
    if isinstance(parent, exp.Limit | exp.Offset | exp.Fetch):
        return datatypes.INT64
    if isinstance(parent, _LIKE_TEXT):
        return datatypes.STRING
    if isinstance(parent, exp.Between | exp.In):
        others = [parent.this, parent.args.get("low"), parent.args.get("high")]
        others += parent.expressions
        return _first_type([o for o in others if o is not None and o is not node], scopes)
    if isinstance(parent, exp.Binary):
        return _opposite(node, parent, scopes)
    if isinstance(parent, exp.Coalesce | exp.If | exp.Case | exp.Greatest | exp.Least):
        return _first_type([c for c in parent.iter_expressions() if c is not node], scopes)
    if isinstance(parent, exp.And | exp.Or | exp.Not | exp.Where):
        return datatypes.BOOLEAN
    return None


def _opposite(node: exp.Expr, parent: exp.Binary, scopes: Scopes) -> DataType | None:
    """The type of one operand, from the other."""
    other = parent.right if parent.left is node else parent.left
    if (row := _row(other)) is not None:
        return _record([type_of(item, scopes) or datatypes.STRING for item in row])
    found = type_of(other, scopes)
    if isinstance(parent, exp.Add | exp.Sub) and found and found.is_timestamp:
        return datatypes.INTERVAL
    return found


def _row(node: exp.Expr) -> list[exp.Expr] | None:
    """The items of `(a, b)` or ROW(…)."""
    is_call = isinstance(node, exp.Anonymous) and node.name.lower() == "row"
    return list(node.expressions) if is_call or isinstance(node, exp.Tuple) else None


def _record(types: Sequence[DataType]) -> DataType:
    """The type of rows without a type."""
    fields = [pa.field(f"f{place}", type_.arrow) for place, type_ in enumerate(types, 1)]
    return DataType(TypeId.STRUCT, arrow_nested=pa.struct(fields))


def _in_tuple(node: exp.Expr, row: exp.Tuple, scopes: Scopes) -> DataType | None:
    """The type at the same place of the row that this one is compared with."""
    compared = row.parent
    others: list[exp.Expr] = []
    if isinstance(compared, exp.In):
        others = [compared.this, *compared.expressions]
    elif isinstance(compared, exp.Binary):
        others = [compared.left, compared.right]
    at = node.index or 0
    rows = [one.expressions for one in others if isinstance(one, exp.Tuple) and one is not row]
    return _first_type([items[at] for items in rows if at < len(items)], scopes)


def cast_outputs(tree: exp.Expr, types: Sequence[DataType]) -> None:
    """Outputs and items of VALUES that plainly are parameters get their types; changes the tree.

    A value's own type may be another: a moment with a zone is bound without one, small integers as
    larger ones. Text, decimals and intervals are what their values are.
    """
    rows = [tree]
    for values in tree.find_all(exp.Values):
        rows += values.expressions
    for item in [item for row in rows for item in row.expressions]:
        output = item.unalias()
        number = parameter_number(output)
        if number is not None and _is_certain(types[number - 1]):
            name = exp.DataType.build(duckdb_name(types[number - 1]), dialect="duckdb")
            output.replace(exp.Cast(this=output.copy(), to=name))


_OF_THEIR_VALUES = (TypeId.STRING, TypeId.DECIMAL, TypeId.INTERVAL, TypeId.NULL)


def _is_certain(type_: DataType) -> bool:
    while type_.element is not None:
        type_ = type_.element
    return type_.id not in _OF_THEIR_VALUES


def _first_type(nodes: Sequence[exp.Expr], scopes: Scopes) -> DataType | None:
    for node in nodes:
        found = type_of(node, scopes)
        if found is not None:
            return found
    return None


def type_of(node: exp.Expr, scopes: Scopes) -> DataType | None:
    """The type of an expression where its form or its subqueries tell it."""
    column = scopes.column(node)
    if column is not None:
        return column.type
    if isinstance(node, exp.Cast):
        return from_sql(node.to)
    if isinstance(node, exp.Literal):
        if node.is_string:
            return datatypes.STRING
        if not node.name.isdigit():
            return datatypes.FLOAT64
        return datatypes.INT32 if int(node.name) < 2**31 else datatypes.INT64
    if isinstance(node, exp.Boolean):
        return datatypes.BOOLEAN
    if isinstance(node, exp.Count | exp.Length | exp.Extract):
        return datatypes.INT64
    if isinstance(node, exp.Paren | exp.Neg | exp.Max | exp.Min | exp.Abs):
        return type_of(node.this, scopes)
    if isinstance(node, exp.Avg):
        return datatypes.FLOAT64
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod):
        return type_of(node.left, scopes) or type_of(node.right, scopes)
    if isinstance(node, exp.Lower | exp.Upper | exp.Concat | exp.Substring | exp.Trim):
        return datatypes.STRING
    return inferred_type(scopes, node) or _of_array(node, scopes) or _of_series(node)


def _of_array(node: exp.Expr, scopes: Scopes) -> DataType | None:
    item = _first_type(node.expressions, scopes) if isinstance(node, exp.Array) else None
    return None if item is None else datatypes.list_of(item)


def _of_series(node: exp.Expr) -> DataType | None:
    """Numbers of generate_series() are whole ones, unless its ends are moments."""
    select = node.find_ancestor(exp.Select) if isinstance(node, exp.Column) else None
    from_ = select.args.get("from_") if select is not None else None
    if from_ is None or not isinstance(from_.this, exp.Table):
        return None
    source = from_.this
    series = source.this
    if series.key not in ("generateseries", "explodinggenerateseries"):
        return None
    if node.name not in (source.alias_or_name, *source.alias_column_names):
        return None
    ends = [series.args.get("start"), series.args.get("end")]
    plain = all(isinstance(end, exp.Literal | exp.Parameter) for end in ends)
    return datatypes.INT32 if plain else None
