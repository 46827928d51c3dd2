"""What users' types add to pg_type, pg_enum, pg_range, pg_class and pg_attribute.

Tables and views have a composite type of their rows too, as in PostgreSQL. OIDs follow
`sql.user_types`: a type's is its number in the catalog.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from catalog.objects import TypeForm, UserType
from catalog.records import Column
from sql.system.arrow import fill, from_rows
from sql.system.facts import search_path
from sql.system.memo import Memo
from sql.system.pg_catalog import oids
from sql.system.pg_catalog.keys import quote
from sql.system.pg_catalog.oids import namespace_oid
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.pg_catalog.types import IO_FUNCTIONS, PG_TYPE, typed, typed_column
from sql.system.table import SystemContext
from sql.temporary import PG_TEMP
from sql.user_types import TypeSlot, field_type, slot_oid

TYPES = "#types"
TYPES_SCHEMA = pa.schema(
    [
        ("_oid", pa.int64()),
        ("_bare", pa.string()),  # the name alone, quoted if need be
        ("_qualified", pa.string()),  # schema.name
        ("_shown", pa.string()),  # as regtype prints it: qualified unless visible
        ("_visible", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of pg_type."""

    oid: int
    name: str
    database: str
    form: str  # typtype
    category: str
    stem: str  # of its functions
    length: int = -1
    relation: int = 0
    element: int = 0
    array: int = 0
    base: int = 0
    role: str = ""
    not_null: bool = False
    default: str | None = None


def user_types(context: SystemContext) -> list[UserType]:
    """All that the session sees."""
    return [one for one in context.objects if isinstance(one, UserType)]


_LETTERS = {
    TypeForm.ENUM: ("e", "E", "enum_", 4),
    TypeForm.COMPOSITE: ("c", "C", "record_", -1),
    TypeForm.RANGE: ("r", "R", "range_", -1),
    TypeForm.DOMAIN: ("d", "U", "domain_", -1),
    TypeForm.BASE: ("b", "U", "text", -1),
}


def _rows(context: SystemContext) -> Iterator[_Row]:
    for one in user_types(context):
        form, category, stem, length = _LETTERS[one.form]
        base = 0
        if one.name == "citext" and form == "b":
            category = "S"
        if one.form is TypeForm.DOMAIN:
            over = typed(field_type(one.fields[0])).type
            base, category, length = over.oid, over.category, over.length
        made = _Row(
            one.id,
            one.name,
            one.database,
            form,
            category,
            stem,
            length,
            relation=slot_oid(one.id, TypeSlot.ROW) if form == "c" else 0,
            array=slot_oid(one.id, TypeSlot.ARRAY),
            base=base,
            role=one.role,
            not_null=one.not_null,
            default=one.default,
        )
        yield made
        yield _array(made)
    for table in context.tables:
        made = _Row(
            slot_oid(table.id, TypeSlot.ROW),
            table.name,
            table.database,
            *("c", "C", "record_"),
            relation=table.id,
            array=slot_oid(table.id, TypeSlot.ROW_ARRAY),
            role=table.owner,
        )
        yield made
        yield _array(made)


def _array(of: _Row) -> _Row:
    name = f"_{of.name}"[:63]
    return _Row(of.array, name, of.database, "b", "A", "array_", element=of.oid, role=of.role)


def _namespaces(context: SystemContext) -> dict[str, int]:
    found = {database.name: namespace_oid(database) for database in context.databases}
    return found | {PG_TEMP: oids.TEMPORARY}


def _pg_type(context: SystemContext) -> pa.Table:
    rows, schemas = list(_rows(context)), _namespaces(context)
    own = fill(
        SHAPES["pg_type"].schema,
        len(rows),
        {
            "oid": [row.oid for row in rows],
            "typname": [row.name for row in rows],
            "typnamespace": [schemas.get(row.database, 0) for row in rows],
            "typowner": [oids.role_oid(row.role or oids.OWNER_NAME) for row in rows],
            "typlen": [row.length for row in rows],
            "typbyval": [row.length == 4 for row in rows],
            "typtype": [row.form for row in rows],
            "typcategory": [row.category for row in rows],
            "typispreferred": False,
            "typisdefined": True,
            "typdelim": ",",
            "typrelid": [row.relation for row in rows],
            "typsubscript": 0,
            "typelem": [row.element for row in rows],
            "typarray": [row.array for row in rows],
            "typinput": [IO_FUNCTIONS[f"{row.stem}in"] for row in rows],
            "typoutput": [IO_FUNCTIONS[f"{_out(row)}out"] for row in rows],
            "typreceive": [IO_FUNCTIONS[f"{row.stem}recv"] for row in rows],
            "typsend": [IO_FUNCTIONS[f"{_out(row)}send"] for row in rows],
            "typmodin": 0,
            "typmodout": 0,
            "typanalyze": 0,
            "typalign": "i",
            "typstorage": ["p" if row.length == 4 else "x" for row in rows],
            "typnotnull": [row.not_null for row in rows],
            "typbasetype": [row.base for row in rows],
            "typtypmod": -1,
            "typndims": 0,
            "typcollation": 0,
            "typdefault": [row.default for row in rows],
        },
    )
    return pa.concat_tables([PG_TYPE, own])


def _out(row: _Row) -> str:
    """A domain is written as what it is over, which records do as well as any."""
    return "record_" if row.form == "d" else row.stem


pg_type = Memo(_pg_type, lambda _: None)
"""Base types and their arrays, then those of users and of tables' rows."""


def _pg_enum(context: SystemContext) -> pa.Table:
    rows = [
        (oids.label_oid(one.id, at), one.id, float(at), label)
        for one in user_types(context)
        for at, label in enumerate(one.labels, 1)
    ]
    schema = SHAPES["pg_enum"].schema
    return from_rows(schema, rows)


pg_enum = Memo(_pg_enum, lambda _: None)
"""The labels of enums, in their order."""


def pg_range(context: SystemContext, built_in: pa.Table) -> pa.Table:
    """Range types: those of PostgreSQL, then those of users."""
    found = [one for one in user_types(context) if one.form is TypeForm.RANGE]
    own = fill(
        SHAPES["pg_range"].schema,
        len(found),
        {
            "rngtypid": [one.id for one in found],
            "rngsubtype": [typed(field_type(one.fields[0])).type.oid for one in found],
            "rngmultitypid": 0,
            "rngcollation": 0,
            "rngsubopc": 0,
            "rngcanonical": 0,
            "rngsubdiff": 0,
        },
    )
    return pa.concat_tables([built_in, own])


def composites(context: SystemContext) -> list[tuple[int, UserType]]:
    """(OID in pg_class, type) of the composite types."""
    found = (one for one in user_types(context) if one.form is TypeForm.COMPOSITE)
    return [(slot_oid(one.id, TypeSlot.ROW), one) for one in found]


def attribute_rows(context: SystemContext) -> pa.Table:
    """The fields of composite types, as rows of pg_attribute."""
    found = [
        (relation, place, field.name, typed_column(Column(field.name, field_type(field))).type)
        for relation, one in composites(context)
        for place, field in enumerate(one.fields, 1)
    ]
    types = [row[3] for row in found]
    return fill(
        SHAPES["pg_attribute"].schema,
        len(found),
        {
            "attrelid": [row[0] for row in found],
            "attname": [row[2] for row in found],
            "atttypid": [t.oid for t in types],
            "attstattarget": -1,
            "attlen": [t.length for t in types],
            "attnum": [row[1] for row in found],
            "attndims": [1 if t.category == "A" else 0 for t in types],
            "attcacheoff": -1,
            "atttypmod": -1,
            "attbyval": [t.by_value for t in types],
            "attalign": [t.align for t in types],
            "attstorage": [t.storage for t in types],
            "attcompression": "",
            "attnotnull": False,
            "atthasdef": False,
            "atthasmissing": False,
            "attidentity": "",
            "attgenerated": "",
            "attisdropped": False,
            "attislocal": True,
            "attinhcount": 0,
            "attcollation": [t.collation for t in types],
        },
    )


def class_rows(context: SystemContext, namespaces: dict[str, int]) -> dict[str, object]:
    """What pg_class says of composite types, by column."""
    found = composites(context)
    return {
        "oid": [relation for relation, _ in found],
        "relname": [one.name for _, one in found],
        "relnamespace": [namespaces.get(one.database, 0) for _, one in found],
        "reltype": [one.id for _, one in found],
        "relowner": [oids.role_oid(one.role or oids.OWNER_NAME) for _, one in found],
        "relam": 0,
        "relfilenode": 0,
        "relhasindex": False,
        "relpersistence": "p",
        "relkind": "c",
        "relnatts": [len(one.fields) for _, one in found],
        "relhasrules": False,
        "relreplident": "n",
    }


def _names(context: SystemContext) -> pa.Table:
    path = search_path(context.session)
    rows = []
    for row in _rows(context):
        bare = quote(row.name)
        if row.category == "A":
            bare = f"{quote(row.name.removeprefix('_'))}[]"
        qualified = f"{quote(row.database)}.{bare}"
        visible = row.database in path
        rows.append((row.oid, bare, qualified, bare if visible else qualified, visible))
    return from_rows(TYPES_SCHEMA, rows)


names = Memo(_names, lambda context: tuple(search_path(context.session)))
"""Names of users' types, by OID: what regtype and format_type() look up."""
