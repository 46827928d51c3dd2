"""Parts of a table's record beyond its columns, and roles: frozen records, stored as JSON.

Made by sql/statements/, shown by sql/system/. They say what was declared; DuckDB enforces the
constraints of relational tables, sql/privileges.py the grants.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any


class ConstraintKind(Enum):
    """PostgreSQL's letters (pg_constraint.contype).

    Primary keys are the table's own field; one that was given a name is also here.
    """

    PRIMARY_KEY = "p"
    UNIQUE = "u"
    CHECK = "c"
    FOREIGN_KEY = "f"


class KeyAction(Enum):
    """What becomes of rows whose foreign key points at a row that goes; PostgreSQL's letters."""

    NO_ACTION = "a"
    RESTRICT = "r"
    CASCADE = "c"
    SET_NULL = "n"
    SET_DEFAULT = "d"

    @property
    def words(self) -> str:
        """As it stands in SQL."""
        return self.name.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Reference:
    """What a foreign key points at, and what happens then.

    `table_id` and `column_ids` tell the parent whatever it is called by now. A `table_id` of 0
    means whatever table has the name: the parent was not there when the key was made, or the key is
    of an older store. `null_columns`: what ON DELETE SET NULL or DEFAULT sets, none for all.
    """

    database: str
    table: str
    columns: tuple[str, ...] = ()  # none: the primary key
    table_id: int = 0
    column_ids: tuple[int, ...] = ()
    on_delete: KeyAction = KeyAction.NO_ACTION
    on_update: KeyAction = KeyAction.NO_ACTION
    match_full: bool = False
    null_columns: tuple[str, ...] = ()
    deferrable: bool = False
    deferred: bool = False  # at first; SET CONSTRAINTS changes it for a transaction


@dataclass(frozen=True, slots=True)
class Constraint:
    """One constraint of a relational table.

    `id` is from the catalog's numbers, as tables' are. `expression` is a CHECK's SQL text,
    `references` a foreign key's other end.
    """

    id: int
    name: str
    kind: ConstraintKind
    columns: tuple[str, ...] = ()
    expression: str = ""
    references: Reference | None = None
    comment: str = ""
    valid: bool = True  # False: rows that were there before it may break it
    deferrable: bool = False  # of UNIQUE; sql/foreign/unique.py keeps to it then
    deferred: bool = False  # at first; SET CONSTRAINTS changes it for a transaction
    nulls_distinct: bool = True  # of UNIQUE: NULL is equal to no other NULL


@dataclass(frozen=True, slots=True)
class Index:
    """An index somebody asked for by CREATE INDEX or MySQL's KEY.

    `columns` are names, or expressions as SQL text in parentheses. Only a unique one of a
    relational table exists in the store, for the others the engine's own order serves.

    `suffixes` is what follows each column in PostgreSQL's spelling (` DESC`, ` text_pattern_ops`),
    empty if nothing follows any. `where` is the predicate of a partial index as SQL text, `storage`
    what WITH said. `lengths`: how many characters of each column MySQL's `a(10)` names, 0 for all;
    they are told only. `nulls_distinct`: NULL is equal to no other NULL in a unique index.
    """

    id: int
    name: str
    columns: tuple[str, ...]
    unique: bool = False
    method: str = "btree"
    comment: str = ""
    include: tuple[str, ...] = ()  # columns that INCLUDE adds to the key
    suffixes: tuple[str, ...] = ()
    where: str = ""
    storage: tuple[str, ...] = ()
    nulls_distinct: bool = True
    lengths: tuple[int, ...] = ()

    @property
    def is_key(self) -> bool:
        """True if its columns, where none is NULL, tell a row from all others."""
        return self.unique and not self.where


@dataclass(frozen=True, slots=True)
class Grant:
    """One privilege on a table or sequence, as in PostgreSQL; `grantee` is `public` for everybody.

    On tables: SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER.
    """

    grantee: str
    privilege: str
    grantor: str
    grantable: bool = False


@dataclass(frozen=True, slots=True)
class DefaultGrant:
    """A privilege on what a role makes from now on, by ALTER DEFAULT PRIVILEGES.

    `kind` is TABLE or SEQUENCE; `schema` the database's id, 0 for all of them.
    """

    kind: str
    schema: int
    grantee: str
    privilege: str
    grantable: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """Somebody who can be granted something.

    `schemas` maps ids of databases to privileges (USAGE, CREATE); `member_of` names roles whose
    privileges it has too. `password` holds verifiers by their scheme (scram, md5, mysql_native,
    caching_sha2), never the password; empty: none was given.
    """

    id: int
    name: str
    superuser: bool = False
    login: bool = False
    create_database: bool = False
    create_role: bool = False
    inherit: bool = True
    comment: str = ""
    member_of: tuple[str, ...] = ()
    schemas: dict[str, tuple[str, ...]] = field(default_factory=dict)
    password: dict[str, str] = field(default_factory=dict)
    valid_until: int | None = None  # of the password: microseconds of Unix time
    connections_max: int = -1  # -1: no limit of its own
    defaults: tuple[DefaultGrant, ...] = ()  # others' privileges on what it makes


def details_to_dict(
    constraints: tuple[Constraint, ...], indexes: tuple[Index, ...], grants: tuple[Grant, ...]
) -> dict[str, Any]:
    """A table's details as its stored record holds them; empty ones are left out."""
    found: dict[str, Any] = {}
    if constraints:
        found["constraints"] = [_constraint_to_dict(c) for c in constraints]
    if indexes:
        found["declared_indexes"] = [asdict(index) for index in indexes]
    if grants:
        found["grants"] = [asdict(grant) for grant in grants]
    return found


def _constraint_to_dict(constraint: Constraint) -> dict[str, Any]:
    made = {**asdict(constraint), "kind": constraint.kind.value}
    if constraint.references is not None:
        for event in ("on_delete", "on_update"):
            made["references"][event] = made["references"][event].value
    return made


def constraints_from(data: dict[str, Any]) -> tuple[Constraint, ...]:
    """Reads what `details_to_dict` made."""
    return tuple(map(_constraint, data.get("constraints", ())))


def _constraint(data: dict[str, Any]) -> Constraint:
    return Constraint(
        id=data["id"],
        name=data["name"],
        kind=ConstraintKind(data["kind"]),
        columns=tuple(data["columns"]),
        expression=data["expression"],
        references=_reference(data["references"]),
        comment=data.get("comment", ""),
        valid=data.get("valid", data.get("enforced", True)),  # the older name
        deferrable=data.get("deferrable", False),
        deferred=data.get("deferred", False),
        nulls_distinct=data.get("nulls_distinct", True),
    )


def _reference(data: Any) -> Reference | None:
    if data is None:
        return None
    if isinstance(data, list):  # before there were actions: database, table, columns
        return Reference(data[0], data[1], tuple(data[2]))
    listed = ("columns", "column_ids", "null_columns")
    actions = ("on_delete", "on_update")
    return Reference(
        **{
            **data,
            **{name: tuple(data[name]) for name in listed},
            **{name: KeyAction(data[name]) for name in actions},
        }
    )


def indexes_from(data: dict[str, Any]) -> tuple[Index, ...]:
    """Reads what `details_to_dict` made."""
    found = data.get("declared_indexes", ())
    return tuple(map(_index, found))


_INDEX_LISTS = ("columns", "include", "suffixes", "storage", "lengths")


def _index(data: dict[str, Any]) -> Index:
    listed = {name: tuple(data.get(name, ())) for name in _INDEX_LISTS}
    return Index(**{**data, **listed})


def grants_from(data: dict[str, Any]) -> tuple[Grant, ...]:
    """Reads what `details_to_dict` made."""
    return tuple(Grant(**one) for one in data.get("grants", ()))


def role_to_dict(role: Role) -> dict[str, Any]:
    """The stored record, without id and name; `role_from_dict` reads it back equal."""
    data = asdict(role)
    del data["id"], data["name"]
    return data


def role_from_dict(role_id: int, name: str, data: dict[str, Any]) -> Role:
    """Reads a stored record."""
    schemas = {key: tuple(rights) for key, rights in data["schemas"].items()}
    rest = {**data, "member_of": tuple(data["member_of"]), "schemas": schemas}
    rest["defaults"] = tuple(DefaultGrant(**one) for one in data.get("defaults", ()))
    return Role(id=role_id, name=name, **rest)
