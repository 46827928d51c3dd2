"""Which PostgreSQL type stands for each of ours, by OID, and back.

Called by replies.py (RowDescription), extended.py (ParameterDescription) and parameters.py. OIDs
are those of PostgreSQL's pg_type.dat; they never change.
"""

from __future__ import annotations

from typing import NamedTuple

from engine import datatypes as dt
from engine.datatypes import DataType, TypeId
from engine.named import BY_ARRAY, BY_OID, SHOWN_TYPES
from sql.results import ResultColumn
from sql.system.pg_catalog.records import PG_CATALOG
from sql.system.pg_catalog.types import typed_text

BOOL, BYTEA, CHAR, NAME = 16, 17, 18, 19
INT8, INT2, INT4, REGPROC, TEXT, OID = 20, 21, 23, 24, 25, 26
JSON, FLOAT4, FLOAT8, UNKNOWN, BPCHAR, VARCHAR = 114, 700, 701, 705, 1042, 1043
XID, INT2VECTOR, OIDVECTOR = 28, 22, 30
DATE, TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL = 1082, 1083, 1114, 1184, 1186
RECORD, RECORDS = 2249, 2287
NUMERIC, UUID, JSONB, REGCLASS, REGTYPE = 1700, 2950, 3802, 2205, 2206


class Kind(NamedTuple):
    """A type as RowDescription shows it: length is -1 for variable, modifier -1 for none."""

    oid: int
    length: int
    modifier: int = -1


ARRAYS = {
    BOOL: 1000,
    BYTEA: 1001,
    CHAR: 1002,
    NAME: 1003,
    INT2: 1005,
    INT4: 1007,
    TEXT: 1009,
    BPCHAR: 1014,
    VARCHAR: 1015,
    INT8: 1016,
    FLOAT4: 1021,
    FLOAT8: 1022,
    OID: 1028,
    TIMESTAMP: 1115,
    DATE: 1182,
    TIME: 1183,
    TIMESTAMPTZ: 1185,
    INTERVAL: 1187,
    NUMERIC: 1231,
    UUID: 2951,
    JSON: 199,
    JSONB: 3807,
}
ELEMENTS = {array: element for element, array in ARRAYS.items()}

_KINDS = {
    TypeId.NULL: Kind(TEXT, -1),
    TypeId.BOOLEAN: Kind(BOOL, 1),
    TypeId.INT8: Kind(INT2, 2),
    TypeId.INT16: Kind(INT2, 2),
    TypeId.INT32: Kind(INT4, 4),
    TypeId.INT64: Kind(INT8, 8),
    TypeId.UINT8: Kind(INT2, 2),
    TypeId.UINT16: Kind(INT4, 4),
    TypeId.UINT32: Kind(INT8, 8),
    TypeId.UINT64: Kind(NUMERIC, -1),
    TypeId.FLOAT32: Kind(FLOAT4, 4),
    TypeId.FLOAT64: Kind(FLOAT8, 8),
    TypeId.STRING: Kind(TEXT, -1),
    TypeId.BINARY: Kind(BYTEA, -1),
    TypeId.JSON: Kind(JSON, -1),
    TypeId.UUID: Kind(UUID, 16),
    TypeId.DATE: Kind(DATE, 4),
    TypeId.TIME: Kind(TIME, 8),
    # The modifier of a timestamp is its number of fraction digits.
    TypeId.TIMESTAMP_SECOND: Kind(TIMESTAMP, 8, 0),
    TypeId.TIMESTAMP_MILLISECOND: Kind(TIMESTAMP, 8, 3),
    TypeId.TIMESTAMP_MICROSECOND: Kind(TIMESTAMP, 8),
    TypeId.TIMESTAMP_NANOSECOND: Kind(TIMESTAMP, 8),
    TypeId.TIMESTAMP_TZ: Kind(TIMESTAMPTZ, 8),
    TypeId.INTERVAL: Kind(INTERVAL, 16),
    TypeId.STRUCT: Kind(JSON, -1),
    TypeId.MAP: Kind(JSON, -1),
}

_TYPES = {
    BOOL: dt.BOOLEAN,
    BYTEA: dt.BINARY,
    CHAR: dt.STRING,
    NAME: dt.STRING,
    INT8: dt.INT64,
    INT2: dt.INT16,
    INT4: dt.INT32,
    TEXT: dt.STRING,
    OID: dt.INT64,
    REGPROC: dt.INT64,
    REGCLASS: dt.INT64,
    REGTYPE: dt.INT64,
    JSON: dt.JSON,
    JSONB: dt.JSON,
    FLOAT4: dt.FLOAT32,
    FLOAT8: dt.FLOAT64,
    BPCHAR: dt.STRING,
    VARCHAR: dt.STRING,
    DATE: dt.DATE,
    TIME: dt.TIME,
    TIMESTAMP: dt.TIMESTAMP_MICROSECOND,
    TIMESTAMPTZ: dt.TIMESTAMP_TZ,
    INTERVAL: dt.INTERVAL,
    NUMERIC: dt.decimal(38, 10),
    UUID: dt.UUID,
}


def is_record(data_type: DataType) -> bool:
    """True for rows without a type, whose fields are f1, f2, …"""
    if data_type.id is not TypeId.STRUCT or data_type.arrow_nested is None:
        return False
    return all(f.name == f"f{n}" for n, f in enumerate(data_type.arrow_nested, 1))


def describe(data_type: DataType) -> Kind:
    """The PostgreSQL type that carries values of ours."""
    if data_type.named is not None:
        modifier = data_type.precision + 4 if data_type.precision else -1  # CHAR(n)
        return Kind(data_type.named.oid, data_type.named.length, modifier)
    if is_record(data_type):
        return Kind(RECORD, -1)
    if data_type.id is TypeId.DECIMAL:
        # numeric(p, s) packs both into the modifier, plus the length of a varlena header.
        return Kind(NUMERIC, -1, ((data_type.precision << 16) | data_type.scale) + 4)
    if data_type.id is TypeId.LIST:
        inner = data_type
        while inner.element is not None:  # arrays of arrays have the type of their innermost items
            inner = inner.element
        if inner.named is not None:
            return Kind(inner.named.array, -1)
        return Kind(RECORDS if is_record(inner) else ARRAYS[describe(inner).oid], -1)
    return _KINDS[data_type.id]


def describe_column(column: ResultColumn) -> Kind:
    """As `describe`, and what the definition of a table's column says: its length, say."""
    if column.vector_oid:
        return Kind(column.vector_oid, -1)
    if column.database == PG_CATALOG and column.declared in _SYSTEM:
        return _SYSTEM[column.declared]
    if column.type.id is not TypeId.STRING or column.type.named or not column.table_id:
        return describe(column.type)
    found = typed_text(column.declared)
    return Kind(found.type.oid, -1, found.modifier)


def shown_oid(name: str, *, array: bool) -> int:
    """The OID of a type that only the wire tells from others. Requires: it is in SHOWN_TYPES."""
    named = SHOWN_TYPES[name]
    return named.array if array else named.oid


def read_as(oid: int) -> int:
    """The type by which clients read a value of that type: all texts are read alike."""
    return TEXT if oid in (BPCHAR, VARCHAR) else oid


# Columns of pg_catalog whose types no other column has; `char` is PostgreSQL's one-byte "char".
_SYSTEM = {"oid": Kind(OID, 4), "name": Kind(NAME, 64), "char": Kind(CHAR, 1), "xid": Kind(XID, 4)}


# What a client declares of parameters, where results show more than values inside have.
_DECLARED = {named.oid: dt.named_type(named) for named in SHOWN_TYPES.values()} | {
    named.array: dt.list_of(dt.named_type(named)) for named in SHOWN_TYPES.values() if named.array
}


def declared_type(oid: int) -> DataType | None:
    """As `from_oid`, and more exactly for types that only results have."""
    return _DECLARED.get(oid) or from_oid(oid)


def from_oid(oid: int) -> DataType | None:
    """Our type for a client's parameter type; None when it is left open or unknown to us."""
    if oid in ELEMENTS:
        return dt.list_of(_TYPES[ELEMENTS[oid]])
    if oid in BY_ARRAY:
        return dt.list_of(dt.named_type(BY_ARRAY[oid]))
    if oid in BY_OID:
        return dt.named_type(BY_OID[oid])
    return _TYPES.get(oid)
