"""Object identifiers: who has which number, the same in every session and after a restart.

Tables and views have their catalog id, databases (PostgreSQL's schemas) theirs, except `public`,
which keeps PostgreSQL's number. What belongs to a table has

    OID = 2^30 + 8 * table id + slot

with the slots below. Table ids start at 16384 and stay under 2^27, so nothing collides with them or
leaves the 31 bits that clients store OIDs in. Roles have 2^29 + a 28-bit hash of the name.
"""

from __future__ import annotations

import zlib
from enum import IntEnum

from catalog.records import Column, Database, Table
from engine.schema import Semantic

PG_CATALOG = 11
INFORMATION_SCHEMA = 13183
PUBLIC = 2200
TEMPORARY = 13184  # the schema of a session's own temporary tables
OWNER = 10  # the bootstrap superuser
OWNER_NAME = "postgres"
HEAP = 2  # pg_am
DEFAULT_TABLESPACE = 1663
GLOBAL_TABLESPACE = 1664

_DEPENDENT = 1 << 30
_SLOTS = 8
_ROLE = 1 << 29
_COLUMN_DEFAULT = 1 << 31  # pg_attrdef rows are looked up by table, never by their own OID


class Slot(IntEnum):
    """What a dependent OID names."""

    PRIMARY_INDEX = 0
    TIME_INDEX = 1
    PRIMARY_CONSTRAINT = 2
    VIEW_RULE = 3


def dependent_oid(table: Table, slot: Slot) -> int:
    """The OID of something that belongs to a table."""
    assert 0 < table.id < 1 << 27
    return _DEPENDENT + table.id * _SLOTS + slot


def object_oid(number: int, slot: Slot) -> int:
    """The OID of something that has a number of its own from the catalog."""
    assert 0 < number < 1 << 27
    return _DEPENDENT + number * _SLOTS + slot


def default_oid(table: Table, ordinal: int) -> int:
    """The OID of a column default (`ordinal` is 1-based)."""
    return _COLUMN_DEFAULT + (table.id << 10 | ordinal & 1023) % (1 << 31)


def label_oid(number: int, place: int) -> int:
    """The OID of an enum's label (`place` is 1-based); looked up by type, never by itself."""
    return _COLUMN_DEFAULT + (number << 10 | place & 1023) % (1 << 31)


def namespace_oid(database: Database) -> int:
    """The OID of the schema that stands for a database."""
    return PUBLIC if database.name == "public" else database.id


def role_oid(name: str) -> int:
    """The OID of a role."""
    return OWNER if name == OWNER_NAME else _ROLE + (zlib.crc32(name.encode()) & 0x0FFF_FFFF)


def nullable(column: Column, table: Table) -> bool:
    """True if the column may hold NULL."""
    return column.nullable and column.semantic is not Semantic.TIMESTAMP
