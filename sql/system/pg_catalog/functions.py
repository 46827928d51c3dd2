"""pg_proc and information_schema.routines: the registry's functions, and those of the types."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pyarrow as pa

from sql.functions.listing import KINDS, offered, oid, signature
from sql.functions.registry import Kind
from sql.large_objects import FUNCTIONS
from sql.session import Wire
from sql.system.arrow import fill
from sql.system.facts import catalog_name
from sql.system.information_schema.shapes import SHAPES as INFORMATION_SCHEMA
from sql.system.pg_catalog import oids
from sql.system.pg_catalog import routines as stored
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.pg_catalog.types import IO_FUNCTIONS, TYPES
from sql.system.table import SystemContext

_INTERNAL = 2281
_ANY, _ANY_ARRAY, _SQL = 2276, 2277, 12
# Types of signatures that PostgreSQL does not know: what stands for them there.
_OTHERS = {
    "vector": "bytea", "ubigint": "numeric", "uinteger": "int8", "h3": "numeric", "wkt": "text",
    "struct": "record", "map": "record", "void": "void", "oid": "oid", "decimal": "numeric",
    "timestamp": "timestamp", "time": "time",
}  # fmt: skip


@cache
def _oids_of_types() -> dict[str, int]:
    return {t.spelled: t.oid for t in TYPES} | {t.name: t.oid for t in TYPES}


def type_oid(name: str) -> int:
    """The OID of a signature's type; anything that PostgreSQL has no word for is `any`."""
    plain = name.removeprefix("setof ")
    if plain == "any[]":
        return _ANY_ARRAY
    element = plain.removesuffix("[]")
    element = _OTHERS.get(element, element)
    found = _oids_of_types().get(element, _ANY)
    if plain.endswith("[]"):
        known = next((t for t in TYPES if t.oid == found), None)
        return known.array if known is not None and known.array else _ANY_ARRAY
    return found


def pg_proc(context: SystemContext) -> pa.Table:
    """The functions that read and write types, by their own numbers, then the registry's."""
    made = [_io_functions(), _large_objects(), _registry_functions()]
    return pa.concat_tables([*made, stored.pg_proc(context)])


def large_objects(context: SystemContext) -> pa.Table:
    """pg_largeobject_metadata: the objects there are, which pg_dump asks for."""
    numbers = [oid for oid, _ in context.large_objects()]
    values: dict[str, object] = {"oid": numbers, "lomowner": oids.OWNER}
    return fill(SHAPES["pg_largeobject_metadata"].schema, len(numbers), values)


def with_large_objects(
    described: Callable[[SystemContext], pa.Table],
) -> Callable[[SystemContext], pa.Table]:
    """pg_description with what is said of large objects, which no catalog's record tells."""

    def made(context: SystemContext) -> pa.Table:
        said = context.large_object_comments()
        values: dict[str, object] = {
            "objoid": [oid for oid, _ in said],
            "classoid": SHAPES["pg_largeobject"].oid,
            "objsubid": 0,
            "description": [comment for _, comment in said],
        }
        own = fill(SHAPES["pg_description"].schema, len(said), values)
        return pa.concat_tables([described(context), own])

    return made


@cache
def _large_objects() -> pa.Table:
    forms = [(name, one) for name, found in FUNCTIONS.items() for one in found]
    types = [[type_oid(kind) for kind in one.takes] for _, one in forms]
    return fill(
        SHAPES["pg_proc"].schema,
        len(forms),
        _ALIKE
        | {
            "oid": [one.oid for _, one in forms],
            "proname": [name for name, _ in forms],
            "prokind": "f",
            "proretset": False,
            "provolatile": "v",
            "pronargs": [len(found) for found in types],
            "prorettype": [type_oid(one.gives) for _, one in forms],
            "proargtypes": types,
            "prosrc": [name for name, _ in forms],
        },
    )


@cache
def _io_functions() -> pa.Table:
    names = list(IO_FUNCTIONS)
    return fill(
        SHAPES["pg_proc"].schema,
        len(names),
        _ALIKE
        | {
            "oid": list(IO_FUNCTIONS.values()),
            "proname": names,
            "prokind": "f",
            "proretset": False,
            "provolatile": "i",
            "pronargs": 1,
            "prorettype": _INTERNAL,
            "proargtypes": (_INTERNAL,),
            "prosrc": names,
        },
    )


_ALIKE: dict[str, object] = {
    "pronamespace": oids.PG_CATALOG,
    "proowner": oids.OWNER,
    "prolang": _SQL,
    "procost": 1.0,
    "prorows": 0.0,
    "provariadic": 0,
    "prosupport": 0,
    "prosecdef": False,
    "proleakproof": False,
    "proisstrict": True,
    "proparallel": "s",
    "pronargdefaults": 0,
}


@cache
def _registry_functions() -> pa.Table:
    entries = offered(Wire.POSTGRES)
    types = [[type_oid(kind) for _, kind in entry.arguments] for _, entry in entries]
    return fill(
        SHAPES["pg_proc"].schema,
        len(entries),
        _ALIKE
        | {
            "oid": [oid(name, entry) for name, entry in entries],
            "proname": [name for name, _ in entries],
            "prokind": [KINDS[entry.kind] for _, entry in entries],
            "proretset": [entry.kind is Kind.TABLE for _, entry in entries],
            "provolatile": "s",
            "pronargs": [len(found) for found in types],
            "prorettype": [type_oid(entry.returns) for _, entry in entries],
            "proargtypes": types,
            "proargnames": [[name for name, _ in entry.arguments] for _, entry in entries],
            "prosrc": [name for name, _ in entries],
        },
    )


def routines(context: SystemContext) -> pa.Table:
    """information_schema.routines: what the session's wire offers."""
    entries = offered(context.session.wire)
    names = [name for name, _ in entries]
    catalog = catalog_name(context.session)
    built_in = fill(
        INFORMATION_SCHEMA["routines"],
        len(entries),
        {
            "specific_name": [f"{name}_{oid(name, entry)}" for name, entry in entries],
            "routine_catalog": catalog,
            "routine_schema": "pg_catalog" if context.session.wire is Wire.POSTGRES else "sys",
            "routine_name": names,
            "routine_type": "FUNCTION",
            "data_type": [entry.returns for _, entry in entries],
            "routine_body": "EXTERNAL",
            "routine_definition": [signature(name, entry) for name, entry in entries],
            "is_deterministic": "NO",
            "sql_data_access": "CONTAINS SQL",
            "security_type": "INVOKER",
            "routine_comment": [entry.doc for _, entry in entries],
        },
    )
    return pa.concat_tables([built_in, stored.routines(context)])
