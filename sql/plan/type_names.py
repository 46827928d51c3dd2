"""`pg_typeof(x)` where only the statement knows the type, and what a client declares of parameters.

Called by plan.py before rules change the tree. The values inside are plain texts and numbers, so
the function itself could tell no more than that.
https://www.postgresql.org/docs/15/functions-info.html#FUNCTIONS-INFO-CATALOG
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlglot import exp

from engine.datatypes import DataType, TypeId
from engine.named import SHOWN_TYPES
from sql.plan.parameters import parameter_number
from sql.plan.shown_types import Shown
from sql.types import duckdb_name

_NAME = "pg_typeof"
_CARRIERS = {"oid": TypeId.INT64, "jsonb": TypeId.JSON}  # others are texts


def plain_types(declared: Sequence[DataType | None]) -> tuple[DataType | None, ...]:
    """What carries the values of declared types."""
    return tuple(None if type_ is None else _plain(type_) for type_ in declared)


def _plain(type_: DataType) -> DataType:
    if type_.element is not None:
        return replace(type_, element=_plain(type_.element))
    if type_.named is None or type_.named.name not in SHOWN_TYPES:
        return type_
    return DataType(_CARRIERS.get(type_.named.name, TypeId.STRING))


def name_types(
    tree: exp.Expr,
    declared: Sequence[DataType | None],
    shown_of: Callable[[exp.Expr], Shown],
) -> None:
    """Calls of pg_typeof become what they give, as far as it is known. Changes the tree."""
    for call in list(tree.find_all(exp.Anonymous)):
        if call.name.lower() == _NAME and len(call.expressions) == 1:
            _as_number(call)
            _name(call, declared, shown_of)


def _name(
    call: exp.Anonymous,
    declared: Sequence[DataType | None],
    shown_of: Callable[[exp.Expr], Shown],
) -> None:
    value = call.expressions[0]
    number = parameter_number(value) or 0
    type_ = declared[number - 1] if 0 < number <= len(declared) else shown_of(value)
    named = type_.innermost.named if type_ is not None else None
    if type_ is not None and named is not None:
        number_of = exp.Literal.number(named.oid if type_.element is None else named.array)
        if isinstance(call.parent, exp.Cast) and _is_kind(call.parent.to, "REGTYPE"):
            call.replace(number_of)
        else:
            call.replace(exp.Anonymous(this="format_type", expressions=[number_of, exp.null()]))
    elif type_ is not None and type_.id is TypeId.DECIMAL:
        call.replace(exp.Literal.string("numeric"))
    elif type_ is not None:
        name = exp.DataType.build(duckdb_name(type_), dialect="duckdb")
        value.replace(exp.Cast(this=value.copy(), to=name))
    elif isinstance(value, exp.Null) or (isinstance(value, exp.Literal) and value.is_string):
        call.replace(exp.Literal.string("unknown"))


def _as_number(call: exp.Anonymous) -> None:
    """`pg_typeof(x)::oid` is a type's number, and so is what is compared with a regtype."""
    parent = call.parent
    if isinstance(parent, exp.Cast) and parent.this is call:
        compared = _is_kind(parent.to, "OID")
    elif isinstance(parent, exp.EQ | exp.NEQ):
        other = parent.right if parent.left is call else parent.left
        compared = isinstance(other, exp.Cast) and _is_kind(other.to, "REGTYPE")
    else:
        return
    if compared:
        kind = exp.ObjectIdentifier(this="REGTYPE")
        cast = exp.Cast(this=exp.Placeholder(), to=kind)
        call.replace(cast)
        cast.set("this", call)


def _is_kind(kind: exp.Expr, name: str) -> bool:
    return isinstance(kind, exp.ObjectIdentifier) and kind.name.upper() == name


def shown_declared(type_: DataType | None) -> Shown:
    """A declared type, if it is one that values inside do not have."""
    named = None if type_ is None else type_.innermost.named
    return type_ if named is not None and named.name in SHOWN_TYPES else None
