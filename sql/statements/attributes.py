"""ALTER TYPE … ATTRIBUTE: the fields of composite types, and the rows that hold such values.

Called by user_types.py. Rows of ordinary tables are rewritten; a table with a time index, or an
array of such values, stands in the way of adding and dropping.
https://www.postgresql.org/docs/15/sql-altertype.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.objects import Field, TypeForm, UserType
from catalog.records import Column
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql import types
from sql.dialect.object_nodes import ObjectStatement
from sql.results import Notice
from sql.user_types import field_of

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_TypeOf = Callable[["ClientSession", exp.Expr], DataType]
_Places = list[int | None]  # where each field was before; None: it is new


def altered(
    session: ClientSession, one: UserType, tree: ObjectStatement, type_of: _TypeOf
) -> tuple[UserType, _Places]:
    """The type after the statement. Raises: DbError WRONG_OBJECT_TYPE, UNDEFINED_COLUMN, …"""
    if one.form is not TypeForm.COMPOSITE:
        raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{one.name}" is not a composite type')
    fields = list(one.fields)
    now: _Places = [*range(len(fields))]
    for action in tree.expressions:
        what, subject = str(action.this), action.expression
        if what == "add":
            _check_free(fields, subject.name, one)
            fields.append(field_of(subject.name, type_of(session, subject.args["kind"])))
            now.append(None)
            continue
        at = _place(fields, subject.name)
        if at is None and what == "drop if exists":
            message = f'column "{subject.name}" of relation "{one.name}" does not exist, skipping'
            session.notice(Notice(message))
        elif at is None:
            message = f'column "{subject.name}" of relation "{one.name}" does not exist'
            raise DbError(ErrorKind.UNDEFINED_COLUMN, message)
        elif what == "type":
            fields[at] = field_of(subject.name, type_of(session, subject.args["kind"]))
        else:
            del fields[at], now[at]
    return replace(one, fields=tuple(fields)), now


def renamed(one: UserType, tree: ObjectStatement) -> UserType:
    """The type after RENAME ATTRIBUTE. Raises: DbError as `altered`."""
    old, new = (node.name for node in tree.expressions)
    fields = list(one.fields)
    at = _place(fields, old)
    if one.form is not TypeForm.COMPOSITE or at is None:
        message = f'column "{old}" of relation "{one.name}" does not exist'
        raise DbError(ErrorKind.UNDEFINED_COLUMN, message)
    _check_free(fields, new, one)
    fields[at] = replace(fields[at], name=new)
    return replace(one, fields=tuple(fields))


def changes_types(tree: ObjectStatement) -> bool:
    """True if a field gets another type."""
    return any(str(action.this) == "type" for action in tree.expressions)


def moved(column: Column, places: _Places) -> str:
    """DuckDB text for a column's values with their fields at other places. Raises: DbError."""
    if column.type.element is not None:
        message = f'column "{column.name}" is an array of the type, whose attributes stay then'
        raise DbError(ErrorKind.UNSUPPORTED, message)
    value = f"CAST({types.quote(column.name)} AS VARCHAR)"
    fields = ", ".join(
        "NULL" if place is None else f"gn_record_field({value}, {place})" for place in places
    )
    shown = f"gn_show_record(CAST([{fields}] AS VARCHAR[]))"
    return f"CASE WHEN {value} IS NOT NULL THEN {shown} END"


def _place(fields: list[Field], name: str) -> int | None:
    return next((at for at, field in enumerate(fields) if field.name == name), None)


def _check_free(fields: list[Field], name: str, one: UserType) -> None:
    if _place(fields, name) is not None:
        message = f'column "{name}" of relation "{one.name}" already exists'
        raise DbError(ErrorKind.DUPLICATE_COLUMN, message)
