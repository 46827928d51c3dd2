"""A schema's sequences, types, routines and extensions: frozen records, kept as JSON.

Made by sql/statements/sequence.py and types.py, shown by sql/system/. A sequence counts in the
embedded store, under the name it was made with; the record says what it is and whose it is.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from catalog.details import Grant

_MAXIMA = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}


class ObjectKind(Enum):
    """Which namespace a name is in; tables and views are not in any of these."""

    SEQUENCE = "sequence"
    TYPE = "type"
    ROUTINE = "routine"
    EXTENSION = "extension"


@dataclass(frozen=True, slots=True)
class Sequence:
    """A counter, with PostgreSQL's options. `id` is stable for its life and never used again.

    `type` is smallint, integer or bigint. `owner` is (table id, column id) of the column it goes
    with. `stored` is its name in the embedded store, which it keeps when it is renamed; empty: the
    name it has.
    """

    id: int
    database: str
    name: str
    type: str = "bigint"
    start: int = 1
    increment: int = 1
    minimum: int = 1
    maximum: int = _MAXIMA["bigint"]
    cycle: bool = False
    cache: int = 1  # told, not needed
    owner: tuple[int, int] | None = None
    role: str = ""  # who made it; empty: the superuser
    comment: str = ""
    stored: str = ""
    grants: tuple[Grant, ...] = ()  # of USAGE, SELECT and UPDATE

    @property
    def kind(self) -> ObjectKind:
        """Its namespace."""
        return ObjectKind.SEQUENCE

    @property
    def counter(self) -> str:
        """Its name in the embedded store, in the schema it is in."""
        return self.stored or self.name


class TypeForm(Enum):
    """What CREATE TYPE, CREATE DOMAIN or CREATE EXTENSION made."""

    ENUM = "enum"
    COMPOSITE = "composite"
    RANGE = "range"
    DOMAIN = "domain"
    BASE = "base"  # of an extension: its name tells what it is


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a composite type, the subtype of a range or what a domain is over.

    `type` is a `DataType.name`, `tag` the `Named.tag` of a type with a name of its own.
    """

    name: str
    type: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class UserType:
    """A type made by CREATE TYPE or CREATE DOMAIN. `id` is its OID.

    `labels` of an enum, in their order. `checks` of a domain are (name, SQL text over VALUE).
    """

    id: int
    database: str
    name: str
    form: TypeForm = TypeForm.ENUM
    labels: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    not_null: bool = False
    default: str | None = None
    checks: tuple[tuple[str, str], ...] = ()
    role: str = ""
    comment: str = ""

    @property
    def kind(self) -> ObjectKind:
        """Its namespace."""
        return ObjectKind.TYPE


@dataclass(frozen=True, slots=True)
class Argument:
    """What a routine is called with, or gives. `mode` is IN, OUT, INOUT, VARIADIC or TABLE.

    `type` is as it was written on MySQL's wire, as PostgreSQL prints it on its own. `default` is
    an expression of SQL.
    """

    mode: str
    name: str
    type: str
    default: str | None = None

    @property
    def is_given(self) -> bool:
        """True if a caller of a function passes it."""
        return self.mode not in ("OUT", "TABLE")


@dataclass(frozen=True, slots=True)
class Routine:
    """A stored procedure or function: `body` is its text, `created_ms` Unix milliseconds.

    `language` is the body's: mysql, or PostgreSQL's sql and plpgsql. `returns` is a function's
    type, as `Argument.type` is; `volatility` PostgreSQL's letter (i, s, v). `is_standard`: the body
    is SQL's own (RETURN, BEGIN ATOMIC), no text in quotes. `told` is kept to be shown: COST, ROWS,
    PARALLEL, SET. `grants`: who may execute it beside its owner; None: everybody.
    """

    id: int
    database: str
    name: str
    arguments: tuple[Argument, ...] = ()
    body: str = ""
    created_ms: int = 0
    role: str = ""
    comment: str = ""
    language: str = "mysql"
    is_function: bool = False
    returns: str = ""
    returns_set: bool = False
    volatility: str = "v"
    strict: bool = False
    definer: bool = False
    is_standard: bool = False
    told: tuple[tuple[str, str], ...] = ()
    grants: tuple[str, ...] | None = None

    @property
    def kind(self) -> ObjectKind:
        """Its namespace."""
        return ObjectKind.ROUTINE

    @property
    def key(self) -> str:
        """What tells it from the schema's others: PostgreSQL's may differ in arguments alone."""
        if self.language != "mysql":
            return f"{self.name}({', '.join(one.type for one in self.given)})"
        return f"{self.name.lower()}()" if self.is_function else self.name

    @property
    def given(self) -> tuple[Argument, ...]:
        """The arguments that name a function, and that its callers pass."""
        return tuple(one for one in self.arguments if one.is_given)

    @property
    def outputs(self) -> tuple[Argument, ...]:
        """The columns it gives; none if it gives one value without a name."""
        return tuple(one for one in self.arguments if one.mode in ("OUT", "INOUT", "TABLE"))


@dataclass(frozen=True, slots=True)
class Extension:
    """What CREATE EXTENSION made, in a schema: its types stand beside it as `UserType`s."""

    id: int
    database: str
    name: str
    version: str
    types: tuple[int, ...] = ()  # their ids
    role: str = ""
    comment: str = ""

    @property
    def kind(self) -> ObjectKind:
        """Its namespace."""
        return ObjectKind.EXTENSION


SchemaObject = Sequence | UserType | Routine | Extension


def limits(type_: str, increment: int) -> tuple[int, int]:
    """The least and the greatest number of a sequence without MINVALUE and MAXVALUE."""
    greatest = _MAXIMA[type_]
    return (1, greatest) if increment > 0 else (-greatest - 1, -1)


def object_to_json(one: SchemaObject) -> str:
    """The record as stored; `object_from_json` reads it back equal."""
    return json.dumps(asdict(one), default=lambda value: value.value)


def object_from_json(kind: ObjectKind, text: str) -> SchemaObject:
    """Reads a stored record."""
    data: dict[str, Any] = json.loads(text)
    if kind is ObjectKind.TYPE:
        return UserType(
            **{
                **data,
                "form": TypeForm(data.get("form", TypeForm.ENUM.value)),
                "labels": tuple(data["labels"]),
                "fields": tuple(Field(**field) for field in data.get("fields", ())),
                "checks": tuple((name, text) for name, text in data.get("checks", ())),
            }
        )
    if kind is ObjectKind.ROUTINE:
        arguments = tuple(Argument(**argument) for argument in data.get("arguments", ()))
        told = tuple((name, value) for name, value in data.get("told", ()))
        grants = data.get("grants")
        made = {"arguments": arguments, "told": told}
        return Routine(**{**data, **made, "grants": None if grants is None else tuple(grants)})
    if kind is ObjectKind.EXTENSION:
        return Extension(**{**data, "types": tuple(data["types"])})
    owner = data["owner"]
    grants = tuple(Grant(**grant) for grant in data.get("grants", ()))
    owned = None if owner is None else (owner[0], owner[1])
    return Sequence(**{**data, "owner": owned, "grants": grants})
