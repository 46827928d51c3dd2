"""MySQL's collations: which texts are equal, and how the store is told so.

Used by definitions (a column's COLLATE is kept in its record), by the planner (COLLATE in queries)
and by what lists collations. The store compares bytes, and columns of a `_ci` collation without
case and accents; `_as_ci` keeps accents. What differs from MySQL: spaces at the end count always,
and letters that a language orders in its own way are ordered by their plain forms.
Source: MySQL 8.4 reference, "Collation Naming Conventions", "The binary Collation".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from catalog.records import Column
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from engine.named import NamedKind
from sql.types import duckdb_name, quote

BINARY = "utf8mb4_bin"  # what text compares by unless something else is said
_CASELESS, _ACCENTED, _BYTES = "nocase.noaccent", "nocase", "C"
# Character sets whose collations may be named; all text is UTF-8 anyway.
_CHARSETS = frozenset(
    {"utf8mb4", "utf8mb3", "utf8", "latin1", "latin2", "latin5", "latin7", "ascii", "binary"}
    | {"ucs2", "utf16", "utf16le", "utf32", "cp1250", "cp1251", "cp1256", "cp1257", "cp850"}
    | {"cp852", "cp866", "cp932", "big5", "gbk", "gb2312", "gb18030", "sjis", "ujis", "euckr"}
    | {"eucjpms", "greek", "hebrew", "koi8r", "koi8u", "macce", "macroman", "swe7", "tis620"}
    | {"armscii8", "geostd8", "dec8", "hp8", "keybcs2"}
)


TABLE_OPTION = "collation"  # of a relational table or a database: what new columns compare by


def stored_collation(name: str) -> str:
    """The store's collation for one of MySQL's; empty for those that compare bytes.

    Raises: DbError UNDEFINED_OBJECT for a `_ci` one of no character set that is known.
    """
    if not name.lower().endswith("_ci"):
        return ""
    if name.lower().partition("_")[0] not in _CHARSETS:
        error = DbError(ErrorKind.UNDEFINED_OBJECT, f"Unknown collation: '{name}'")
        error.mysql = (1273, "HY000")
        raise error
    return _ACCENTED if name.lower().endswith("_as_ci") else _CASELESS


def query_collation(name: str) -> str:
    """What a COLLATE in a query becomes, whatever the column has."""
    return stored_collation(name) or _BYTES


def kept_collation(name: str, column: Column) -> str:
    """What the record of a column keeps; empty for other kinds than text, and for bytes."""
    is_text = column.type.id is TypeId.STRING and column.type.named is None
    return name.lower() if is_text and stored_collation(name) else ""


def collated(columns: Iterable[Column], said: Mapping[str, str], name: str) -> Iterator[Column]:
    """New columns with the collations `said` of them, or else the table's `name`."""
    for column in columns:
        yield replace(column, collation=kept_collation(said.get(column.name) or name, column))


def shown(column: Column) -> str | None:
    """The collation of a text column as clients are told it; None for other kinds."""
    return (column.collation or BINARY) if column.type.id is TypeId.STRING else None


def column_type(column: Column) -> str:
    """The column's type in the store, with how it compares."""
    collation = compared_by(column)
    return duckdb_name(column.type) + (f" COLLATE {collation}" if collation else "")


def compared_by(column: Column) -> str:
    """The store's collation of a column: that of its own, or of PostgreSQL's citext."""
    named = column.type.named
    if named is not None and named.kind is NamedKind.EXTENSION and named.name == "citext":
        return _ACCENTED
    return stored_collation(column.collation)


def has_own_keys(column: Column) -> bool:
    """False for intervals, of which the store makes no keys."""
    return column.type.id is not TypeId.INTERVAL


def unique_key(column: Column) -> str:
    """What has to differ between two rows for the column to differ, as the store's SQL."""
    name, collation = quote(column.name), compared_by(column)
    if not has_own_keys(column):
        return f"(epoch_us({name}))"
    if not collation:
        return name
    return f"(lower(strip_accents({name})))" if collation == _CASELESS else f"(lower({name}))"
