"""Types that users made: from their records to the data types that columns and casts have.

Called by planning (names in statements), by the PostgreSQL wire (numbers of parameters' types) and
by the statements that make and change types.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from catalog.objects import Extension, Field, ObjectKind, TypeForm, UserType
from engine import datatypes as dt
from engine.datatypes import DataType
from engine.named import Named, NamedKind
from sql.plan.context import Meaning

if TYPE_CHECKING:
    from sql.client_session import ClientSession

FIRST_OID = 16_384  # of what users made
_DEPENDENT = 1 << 30  # as in sql/system/pg_catalog/oids.py
_SLOTS = 8
_SHARED = "public"  # the schema whose extensions are seen from all
EXTENSION_TYPES = frozenset({"hstore", "citext"})
_KINDS = {
    TypeForm.ENUM: NamedKind.ENUM,
    TypeForm.COMPOSITE: NamedKind.COMPOSITE,
    TypeForm.RANGE: NamedKind.RANGE,
    TypeForm.BASE: NamedKind.EXTENSION,
}


class TypeSlot(IntEnum):
    """What else belongs to a type or table; slots below are those of `oids.Slot`."""

    ARRAY = 4
    ROW = 5
    ROW_ARRAY = 6


def slot_oid(number: int, slot: TypeSlot) -> int:
    """The OID of a type that goes with what has this number."""
    return _DEPENDENT + number * _SLOTS + slot


def field_type(field: Field) -> DataType:
    """The type of a field, of a range's bounds or of a domain's values."""
    return dt.from_name(field.type).tagged(dt.from_tag(field.tag) if field.tag else None)


def field_of(name: str, type_: DataType) -> Field:
    """The inverse of `field_type`."""
    inner = type_.innermost.named
    return Field(name, type_.name, "" if inner is None else inner.tag)


def data_type(one: UserType) -> DataType:
    """The type as columns have it; a domain's is what it is over."""
    if one.form is TypeForm.DOMAIN:
        return field_type(one.fields[0])
    fields = tuple((field.name, field_type(field)) for field in one.fields)
    array = slot_oid(one.id, TypeSlot.ARRAY)
    name = one.name if one.form is TypeForm.BASE else ""
    made = Named(_KINDS[one.form], one.id, array, name, labels=one.labels, fields=fields)
    return dt.named_type(made)


def find_type(session: ClientSession, database: str, name: str) -> UserType | None:
    """The record of that exact name; without a database, in the session's own."""
    schema = database or session.database
    found = session.catalog.object(session.duck.cursor, ObjectKind.TYPE, schema, name)
    return found if isinstance(found, UserType) else None


def types_of(session: ClientSession) -> list[UserType]:
    """All that the session sees."""
    found = session.catalog.objects(session.duck.cursor)
    return [one for one in found if isinstance(one, UserType)]


def extension_of(session: ClientSession, name: str) -> Extension | None:
    """The extension of that name in the session's schema, or else in the one that all share."""
    for schema in (session.database, _SHARED):
        one = session.catalog.object(session.duck.cursor, ObjectKind.EXTENSION, schema, name)
        if isinstance(one, Extension):
            return one
    return None


def type_named(session: ClientSession, database: str, name: str) -> Meaning | None:
    """What a name in a statement means."""
    one = find_type(session, database, name)
    if one is None and not database and name.removeprefix("_") in EXTENSION_TYPES:
        one = find_type(session, _SHARED, name)
    if one is None:
        return None
    return Meaning(data_type(one), one if one.form is TypeForm.DOMAIN else None)


def type_of_oid(session: ClientSession, oid: int) -> DataType | None:
    """The type (or array) of that number."""
    for one in types_of(session):
        if one.id == oid:
            return data_type(one)
        if slot_oid(one.id, TypeSlot.ARRAY) == oid:
            return dt.list_of(data_type(one))
    return None
