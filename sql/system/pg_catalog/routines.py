"""Stored functions and procedures in pg_proc, information_schema and the texts about them.

Called by functions.py, relations.py and lookups.py. PostgreSQL's sessions see those that they can
call, MySQL's theirs.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from catalog.objects import Argument, Routine, UserType
from sql.session import Wire
from sql.system.arrow import fill
from sql.system.facts import catalog_name
from sql.system.information_schema.shapes import SHAPES as INFORMATION_SCHEMA
from sql.system.pg_catalog import oids
from sql.system.pg_catalog.routine_texts import arguments_of, definition_of, result_of
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.pg_catalog.types import BY_NAME, TYPES
from sql.system.table import SystemContext
from sql.user_types import TypeSlot, slot_oid

LANGUAGES = {"internal": 12, "sql": 14, "plpgsql": 13_001}
_MODES = {"IN": "i", "OUT": "o", "INOUT": "b", "VARIADIC": "v", "TABLE": "t"}
_PSEUDO = {
    "void": 2278, "record": 2249, "trigger": 2279, "event_trigger": 3838, "anyelement": 2283,
    "anyarray": 2277, "any": 2276, "anynonarray": 2776, "anyenum": 3500, "anyrange": 3831,
    "anycompatible": 5077, "anycompatiblearray": 5078, "anycompatiblenonarray": 5079,
    "anycompatiblerange": 5080, "anymultirange": 4537,
}  # fmt: skip


def stored(context: SystemContext) -> list[Routine]:
    """The routines that the session's wire can call, in order of their making."""
    mysql = context.session.wire is Wire.MYSQL
    found = (one for one in context.objects if isinstance(one, Routine))
    return [one for one in found if (one.language == "mysql") == mysql]


def pg_proc(context: SystemContext) -> pa.Table:
    """Their rows of pg_proc."""
    found = stored(context)
    spaces = {one.name: oids.namespace_oid(one) for one in context.databases}
    types = {t.spelled: t.oid for t in TYPES} | {t.name: t.oid for t in TYPES} | _PSEUDO
    types |= {one.name: one.id for one in context.objects if isinstance(one, UserType)}
    rows = {table.name: slot_oid(table.id, TypeSlot.ROW) for table in context.tables}

    def type_oid(name: str) -> int:
        bare = name.rpartition(".")[2]
        return types.get(name) or types.get(bare) or rows.get(bare) or 0

    given = [one.given if one.is_function else one.arguments for one in found]
    told = [dict(one.told) for one in found]
    all_listed = [any(a.mode != "IN" for a in one.arguments) for one in found]
    return fill(
        SHAPES["pg_proc"].schema,
        len(found),
        {
            "oid": [one.id for one in found],
            "proname": [one.name for one in found],
            "pronamespace": [spaces.get(one.database, 0) for one in found],
            "proowner": [oids.role_oid(one.role or oids.OWNER_NAME) for one in found],
            "prolang": [LANGUAGES[one.language] for one in found],
            "procost": [float(one.get("COST", 100)) for one in told],
            "prorows": [
                float(said.get("ROWS", 1000 if one.returns_set else 0))
                for one, said in zip(found, told, strict=True)
            ],
            "provariadic": [_variadic(one, type_oid) for one in found],
            "prosupport": 0,
            "prokind": ["f" if one.is_function else "p" for one in found],
            "prosecdef": [one.definer for one in found],
            "proleakproof": False,
            "proisstrict": [one.strict for one in found],
            "proretset": [one.returns_set for one in found],
            "provolatile": [one.volatility for one in found],
            "proparallel": [one.get("PARALLEL", "unsafe")[0].lower() for one in told],
            "pronargs": [len(each) for each in given],
            "pronargdefaults": [sum(a.default is not None for a in each) for each in given],
            "prorettype": [type_oid(one.returns or "void") for one in found],
            "proargtypes": [[type_oid(a.type) for a in each] for each in given],
            "proallargtypes": [
                [type_oid(a.type) for a in one.arguments] if listed else None
                for one, listed in zip(found, all_listed, strict=True)
            ],
            "proargmodes": [
                [_MODES[a.mode] for a in one.arguments] if listed else None
                for one, listed in zip(found, all_listed, strict=True)
            ],
            "proargnames": [_names(one.arguments) for one in found],
            "proargdefaults": [
                ", ".join(a.default for a in each if a.default is not None) or None
                for each in given
            ],
            "prosrc": ["" if one.is_standard else one.body for one in found],
            "prosqlbody": [one.body if one.is_standard else None for one in found],
            "proconfig": [
                [value for name, value in one.told if name == "SET"] or None for one in found
            ],
        },
    )


def _variadic(one: Routine, type_oid: object) -> int:
    assert callable(type_oid)
    last = one.given[-1] if one.given else None
    if last is None or last.mode != "VARIADIC":
        return 0
    return int(type_oid(last.type.removesuffix("[]")))


def _names(arguments: tuple[Argument, ...]) -> list[str] | None:
    names = [one.name for one in arguments]
    return names if any(names) else None


def texts(context: SystemContext) -> Iterator[tuple[str, int, int, str]]:
    """(kind, OID, 0, text) of what pg_get_functiondef() and its kin say; see lookups.Kind."""
    if context.session.wire is Wire.MYSQL:
        return
    for one in stored(context):
        types = ",".join(given.type for given in one.given)
        yield "function", one.id, 0, one.name
        yield "procedure", one.id, 0, f"{one.name}({types})"
        yield "definition", one.id, 0, definition_of(one)
        yield "arguments", one.id, 0, arguments_of(one, defaults=True)
        yield "identity arguments", one.id, 0, arguments_of(one, defaults=False)
        result = result_of(one)
        if result is not None:
            yield "result", one.id, 0, result
        if one.is_standard:
            yield "body", one.id, 0, one.body
        if one.comment:
            yield "comment", one.id, 0, one.comment


def routines(context: SystemContext) -> pa.Table:
    """Their rows of information_schema.routines."""
    found = stored(context)
    mysql = context.session.wire is Wire.MYSQL
    catalog = catalog_name(context.session)
    return fill(
        INFORMATION_SCHEMA["routines"],
        len(found),
        {
            "specific_catalog": catalog,
            "specific_schema": [one.database for one in found],
            "specific_name": [_specific(one, mysql=mysql) for one in found],
            "routine_catalog": "def" if mysql else catalog,
            "routine_schema": [one.database for one in found],
            "routine_name": [one.name for one in found],
            "routine_type": ["FUNCTION" if one.is_function else "PROCEDURE" for one in found],
            "data_type": [_result_type(one, mysql=mysql) for one in found],
            "dtd_identifier": [one.returns or None for one in found],
            "type_udt_catalog": catalog,
            "type_udt_schema": "pg_catalog",
            "type_udt_name": [_udt_name(one.returns) for one in found],
            "routine_body": ["SQL" if one.language != "plpgsql" else "EXTERNAL" for one in found],
            "routine_definition": [one.body for one in found],
            "external_language": [one.language.upper() for one in found],
            "parameter_style": "SQL" if mysql else "GENERAL",
            "is_deterministic": ["YES" if one.volatility == "i" else "NO" for one in found],
            "sql_data_access": "CONTAINS SQL" if mysql else "MODIFIES",
            "security_type": ["DEFINER" if one.definer else "INVOKER" for one in found],
            "routine_comment": [one.comment for one in found],
            "definer": [one.role for one in found],
        },
    )


def _specific(one: Routine, *, mysql: bool) -> str:
    return one.name if mysql else f"{one.name}_{one.id}"


def _result_type(one: Routine, *, mysql: bool) -> str | None:
    if not one.is_function:
        return "" if mysql else None
    return _bare(one.returns) if mysql else _plain_type(one.returns)


def _bare(written: str) -> str:
    """MySQL's type without its length."""
    return written.split("(")[0].split(" ")[0].lower()


def _plain_type(name: str) -> str:
    return "ARRAY" if name.endswith("[]") else name


def _udt_name(name: str) -> str | None:
    found = next((t.name for t in TYPES if t.spelled == name), None)
    return found if found is not None else (name if name in BY_NAME or name in _PSEUDO else None)


def parameters(context: SystemContext) -> pa.Table:
    """information_schema.parameters; MySQL's functions have what they return as number 0."""
    mysql = context.session.wire is Wire.MYSQL
    rows: list[tuple[Routine, int, Argument]] = []
    for one in stored(context):
        if mysql and one.is_function:
            rows.append((one, 0, Argument("", "", one.returns)))
        rows += [(one, n, argument) for n, argument in enumerate(one.arguments, 1)]
    catalog = catalog_name(context.session)
    modes = {"TABLE": "OUT", "VARIADIC": "IN", "": None}
    return fill(
        INFORMATION_SCHEMA["parameters"],
        len(rows),
        {
            "specific_catalog": "def" if mysql else catalog,
            "specific_schema": [one.database for one, _, _ in rows],
            "specific_name": [_specific(one, mysql=mysql) for one, _, _ in rows],
            "ordinal_position": [place for _, place, _ in rows],
            "parameter_mode": [modes.get(a.mode, a.mode) for _, _, a in rows],
            "is_result": "NO",
            "as_locator": "NO",
            "parameter_name": [a.name or None for _, _, a in rows],
            "data_type": [_bare(a.type) if mysql else _plain_type(a.type) for _, _, a in rows],
            "dtd_identifier": [a.type if mysql else str(place) for _, place, a in rows],
            "udt_catalog": catalog,
            "udt_schema": "pg_catalog",
            "udt_name": [_udt_name(a.type) for _, _, a in rows],
            "parameter_default": [a.default for _, _, a in rows],
            "routine_type": ["FUNCTION" if one.is_function else "PROCEDURE" for one, _, _ in rows],
        },
    )
