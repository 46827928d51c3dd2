"""pg_type: the base types with their real OIDs, and which of them our data types appear as.

Used by the other makers of this package and by pg_rewrites.py (names ↔ OIDs of types). The wire
itself keeps its own table of OIDs; both follow `pg_type.dat`'s fixed numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa

from catalog.records import Column
from engine.datatypes import DataType, TypeId
from engine.named import Named, NamedKind
from sql.decode.interval_fields import modifier as interval_modifier
from sql.decode.interval_fields import spelled as spelled_interval
from sql.decode.lengths import bits_declared
from sql.system.arrow import fill
from sql.system.pg_catalog.oids import OWNER, PG_CATALOG
from sql.system.pg_catalog.shapes import SHAPES

# name oid array-oid length type+category value/reference(!: preferred) align+storage input-function
_BASE = """
bool 16 1000 1 bB v! cp boolin
bytea 17 1001 -1 bU r ix byteain
char 18 1002 1 bZ v cp charin
name 19 1003 64 bS r cp namein
int8 20 1016 8 bN v dp int8in
int2 21 1005 2 bN v sp int2in
int2vector 22 1006 -1 bA r ip int2vectorin
int4 23 1007 4 bN v ip int4in
regproc 24 1008 4 bN v ip regprocin
text 25 1009 -1 bS r! ix textin
oid 26 1028 4 bN v! ip oidin
tid 27 1010 6 bU r sp tidin
xid 28 1011 4 bU v ip xidin
cid 29 1012 4 bU v ip cidin
oidvector 30 1013 -1 bA r ip oidvectorin
json 114 199 -1 bU r ix json_in
xml 142 143 -1 bU r ix xml_in
pg_node_tree 194 0 -1 bZ r ix pg_node_tree_in
point 600 1017 16 bG r dp point_in
lseg 601 1018 32 bG r dp lseg_in
path 602 1019 -1 bG r dx path_in
box 603 1020 32 bG r dp box_in
polygon 604 1027 -1 bG r dx poly_in
line 628 629 24 bG r dp line_in
cidr 650 651 -1 bI r im cidr_in
float4 700 1021 4 bN v ip float4in
float8 701 1022 8 bN v! dp float8in
unknown 705 0 -2 pX r cp unknownin
circle 718 719 24 bG r dp circle_in
macaddr8 774 775 8 bU r ip macaddr8_in
money 790 791 8 bN v dp cash_in
macaddr 829 1040 6 bU r ip macaddr_in
inet 869 1041 -1 bI r! im inet_in
aclitem 1033 1034 12 bU r ip aclitemin
bpchar 1042 1014 -1 bS r ix bpcharin
varchar 1043 1015 -1 bS r ix varcharin
date 1082 1182 4 bD v ip date_in
time 1083 1183 8 bD v dp time_in
timestamp 1114 1115 8 bD v dp timestamp_in
timestamptz 1184 1185 8 bD v! dp timestamptz_in
interval 1186 1187 16 bT r! dp interval_in
timetz 1266 1270 12 bD r dp timetz_in
bit 1560 1561 -1 bV r ix bit_in
varbit 1562 1563 -1 bV r! ix varbit_in
numeric 1700 1231 -1 bN r im numeric_in
refcursor 1790 2201 -1 bU r ix textin
regprocedure 2202 2207 4 bN v ip regprocedurein
regoper 2203 2208 4 bN v ip regoperin
regoperator 2204 2209 4 bN v ip regoperatorin
regclass 2205 2210 4 bN v ip regclassin
regtype 2206 2211 4 bN v ip regtypein
record 2249 2287 -1 pP r dx record_in
cstring 2275 1263 -2 pP r cp cstring_in
any 2276 0 4 pP v ip any_in
anyarray 2277 0 -1 pP r dx anyarray_in
void 2278 0 4 pP v ip void_in
trigger 2279 0 4 pP v ip trigger_in
language_handler 2280 0 4 pP v ip language_handler_in
internal 2281 0 8 pP v dp internal_in
anyelement 2283 0 4 pP v ip anyelement_in
anynonarray 2776 0 4 pP v ip anynonarray_in
uuid 2950 2951 16 bU r cp uuid_in
txid_snapshot 2970 2949 -1 bU r dx txid_snapshot_in
pg_lsn 3220 3221 8 bU v dp pg_lsn_in
anyenum 3500 0 4 pP v ip anyenum_in
tsvector 3614 3643 -1 bU r ix tsvectorin
tsquery 3615 3645 -1 bU r ip tsqueryin
regconfig 3734 3735 4 bN v ip regconfigin
regdictionary 3769 3770 4 bN v ip regdictionaryin
jsonb 3802 3807 -1 bU r ix jsonb_in
anyrange 3831 0 -1 pP r dx anyrange_in
event_trigger 3838 0 4 pP v ip event_trigger_in
int4range 3904 3905 -1 rR r ix range_in
numrange 3906 3907 -1 rR r ix range_in
tsrange 3908 3909 -1 rR r dx range_in
tstzrange 3910 3911 -1 rR r dx range_in
daterange 3912 3913 -1 rR r ix range_in
int8range 3926 3927 -1 rR r dx range_in
jsonpath 4072 4073 -1 bU r ix jsonpath_in
regnamespace 4089 4090 4 bN v ip regnamespacein
regrole 4096 4097 4 bN v ip regrolein
regcollation 4191 4192 4 bN v ip regcollationin
int4multirange 4451 6150 -1 mR r ix multirange_in
nummultirange 4532 6151 -1 mR r ix multirange_in
tsmultirange 4533 6152 -1 mR r dx multirange_in
tstzmultirange 4534 6153 -1 mR r dx multirange_in
datemultirange 4535 6155 -1 mR r ix multirange_in
int8multirange 4536 6157 -1 mR r dx multirange_in
anymultirange 4537 0 -1 pP r dx anymultirange_in
anycompatiblemultirange 4538 0 -1 pP r dx anycompatiblemultirange_in
pg_snapshot 5038 5039 -1 bU r dx pg_snapshot_in
xid8 5069 271 8 bU v dp xid8in
anycompatible 5077 0 4 pP v ip anycompatible_in
anycompatiblearray 5078 0 -1 pP r dx anycompatiblearray_in
anycompatiblenonarray 5079 0 4 pP v ip anycompatiblenonarray_in
anycompatiblerange 5080 0 -1 pP r dx anycompatiblerange_in
"""
# How SQL spells them where that differs: https://www.postgresql.org/docs/15/datatype.html
_SPELLED = {
    "bool": "boolean",
    "char": '"char"',
    "any": '"any"',
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "bpchar": "character",
    "varchar": "character varying",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "varbit": "bit varying",
    "numeric": "numeric",
}
_ELEMENTS = {"name": 18, "int2vector": 21, "oidvector": 26, "point": 701, "line": 701}
_ELEMENTS |= {"lseg": 600, "box": 600}
_COLLATED = frozenset({"text", "varchar", "bpchar"})
DEFAULT_COLLATION = 100
C_COLLATION = 950
VARCHAR = 1043
BIT = 1560
VARBIT = 1562
BPCHAR = 1042
NUMERIC = 1700
TIMESTAMP = 1114


@dataclass(frozen=True, slots=True)
class PgType:
    """One row of pg_type; `spelled` is its name in SQL."""

    name: str
    oid: int
    array: int
    length: int
    type: str
    category: str
    by_value: bool
    preferred: bool
    align: str
    storage: str
    stem: str  # of its input, output, receive and send functions
    element: int
    spelled: str

    @property
    def binary(self) -> bool:
        """True if it has receive and send functions."""
        return self.stem != "aclitem" and not (self.type == "p" and self.stem.endswith("handler_"))

    @property
    def collation(self) -> int:
        """The type's collation, 0 without one."""
        return {"name": C_COLLATION}.get(self.name, DEFAULT_COLLATION * (self.name in _COLLATED))


def _base(line: str) -> PgType:
    name, oid, array, length, kind, value, layout, read = line.split()
    return PgType(
        name=name,
        oid=int(oid),
        array=int(array),
        length=int(length),
        type=kind[0],
        category=kind[1],
        by_value=value[0] == "v",
        preferred=value.endswith("!"),
        align=layout[0],
        storage=layout[1],
        stem=read.removesuffix("in"),
        element=_ELEMENTS.get(name, 0),
        spelled=_SPELLED.get(name, name),
    )


def _array_of(base: PgType) -> PgType:
    pseudo = base.name == "record"
    return PgType(
        name=f"_{base.name}",
        oid=base.array,
        array=0,
        length=-1,
        type="p" if pseudo else "b",
        category="P" if pseudo else "A",
        by_value=False,
        preferred=False,
        align="d" if base.align == "d" else "i",
        storage="x",
        stem="array_",
        element=base.oid,
        spelled=f"{base.spelled}[]",
    )


_BASES = [_base(line) for line in _BASE.strip().splitlines()]
TYPES = tuple(sorted([*_BASES, *(_array_of(b) for b in _BASES if b.array)], key=lambda t: t.oid))
BY_NAME = {t.name: t for t in TYPES}
BY_OID = {t.oid: t for t in TYPES}

# Functions by which types are read and written; 750 and its like are PostgreSQL's own numbers.
_FIXED_FUNCTIONS = {"array_in": 750, "array_out": 751, "array_recv": 2400, "array_send": 2401}
_FUNCTION_BASE = 10_000  # below 12000: never given to user objects


def _functions() -> dict[str, int]:
    names: dict[str, None] = {}
    names |= dict.fromkeys(f"enum_{what}" for what in ("in", "out", "recv", "send"))
    names |= dict.fromkeys(("domain_in", "domain_recv"))
    for t in TYPES:
        names |= dict.fromkeys((f"{t.stem}in", f"{t.stem}out"))
        if t.binary:
            names |= dict.fromkeys((f"{t.stem}recv", f"{t.stem}send"))
    numbered = {name: _FUNCTION_BASE + at for at, name in enumerate(names)}
    return numbered | _FIXED_FUNCTIONS


IO_FUNCTIONS = _functions()


def _static() -> pa.Table:
    """pg_type's rows are the same for everyone."""
    binary = [t.binary for t in TYPES]
    return fill(
        SHAPES["pg_type"].schema,
        len(TYPES),
        {
            "oid": [t.oid for t in TYPES],
            "typname": [t.name for t in TYPES],
            "typnamespace": PG_CATALOG,
            "typowner": OWNER,
            "typlen": [t.length for t in TYPES],
            "typbyval": [t.by_value for t in TYPES],
            "typtype": [t.type for t in TYPES],
            "typcategory": [t.category for t in TYPES],
            "typispreferred": [t.preferred for t in TYPES],
            "typisdefined": True,
            "typdelim": [";" if t.name in ("box", "_box") else "," for t in TYPES],
            "typrelid": 0,
            "typsubscript": 0,
            "typelem": [t.element for t in TYPES],
            "typarray": [t.array for t in TYPES],
            "typinput": [IO_FUNCTIONS[f"{t.stem}in"] for t in TYPES],
            "typoutput": [IO_FUNCTIONS[f"{t.stem}out"] for t in TYPES],
            "typreceive": _io_functions("recv", binary),
            "typsend": _io_functions("send", binary),
            "typmodin": 0,
            "typmodout": 0,
            "typanalyze": 0,
            "typalign": [t.align for t in TYPES],
            "typstorage": [t.storage for t in TYPES],
            "typnotnull": False,
            "typbasetype": 0,
            "typtypmod": -1,
            "typndims": 0,
            "typcollation": [t.collation for t in TYPES],
        },
    )


def _io_functions(suffix: str, present: list[bool]) -> list[int]:
    pairs = zip(TYPES, present, strict=True)
    return [IO_FUNCTIONS[f"{t.stem}{suffix}"] if there else 0 for t, there in pairs]


PG_TYPE = _static()
"""pg_type's rows that are the same for everyone."""


# --- Our data types as PostgreSQL types -----------------------------------------------------------

_NAMES = {
    TypeId.NULL: "text",
    TypeId.BOOLEAN: "bool",
    TypeId.INT8: "int2",
    TypeId.INT16: "int2",
    TypeId.INT32: "int4",
    TypeId.INT64: "int8",
    TypeId.UINT8: "int2",
    TypeId.UINT16: "int4",
    TypeId.UINT32: "int8",
    TypeId.UINT64: "numeric",
    TypeId.FLOAT32: "float4",
    TypeId.FLOAT64: "float8",
    TypeId.DECIMAL: "numeric",
    TypeId.STRING: "text",
    TypeId.BINARY: "bytea",
    TypeId.JSON: "json",
    TypeId.UUID: "uuid",
    TypeId.DATE: "date",
    TypeId.TIME: "time",
    TypeId.TIMESTAMP_SECOND: "timestamp",
    TypeId.TIMESTAMP_MILLISECOND: "timestamp",
    TypeId.TIMESTAMP_MICROSECOND: "timestamp",
    TypeId.TIMESTAMP_NANOSECOND: "timestamp",
    TypeId.TIMESTAMP_TZ: "timestamptz",
    TypeId.INTERVAL: "interval",
    TypeId.STRUCT: "json",
    TypeId.MAP: "json",
}
_TIMESTAMP_DIGITS = {
    TypeId.TIMESTAMP_SECOND: 0,
    TypeId.TIMESTAMP_MILLISECOND: 3,
    TypeId.TIMESTAMP_NANOSECOND: 9,
}
_HEADER = 4  # typmod of strings and numerics counts a varlena header


@dataclass(frozen=True, slots=True)
class Typed:
    """A type as a column has it: pg_type row and type modifier (-1: none)."""

    type: PgType
    modifier: int = -1


def _numeric_modifier(precision: int, scale: int) -> int:
    return (precision << 16 | scale) + _HEADER


def _of_user(named: Named, name: str, *, array: bool) -> PgType:
    """A type that users made, or an array of it."""
    category, length = _USER_FORMS[named.kind]
    is_text = named.name == "citext"
    return PgType(
        name=f"_{name}" if array else name,
        oid=named.array if array else named.oid,
        array=0 if array else named.array,
        length=-1 if array else length,
        type="b" if array or named.name else named.kind.value[0],
        category="A" if array else "S" if is_text else category,
        by_value=length == 4 and not array,
        preferred=False,
        align="i",
        storage="x" if array or length < 0 else "p",
        stem="array_",
        element=named.oid if array else 0,
        spelled=f"{name}[]" if array else name,
    )


_USER_FORMS = {
    NamedKind.ENUM: ("E", 4),
    NamedKind.COMPOSITE: ("C", -1),
    NamedKind.RANGE: ("R", -1),
    NamedKind.EXTENSION: ("U", -1),
}


def typed(data_type: DataType, name: str = "") -> Typed:
    """The PostgreSQL type that stands for one of ours; `name` is that of a type of users'."""
    named = data_type.innermost.named
    if named is not None and named.kind is not NamedKind.BASE:
        is_array = data_type.element is not None
        return Typed(_of_user(named, name or named.name or f"type_{named.oid}", array=is_array))
    if named is not None:
        return Typed(BY_OID[named.oid if data_type.element is None else named.array])
    if data_type.id is TypeId.LIST:
        assert data_type.element is not None
        element = data_type.element
        while element.element is not None:  # PostgreSQL's arrays have any number of dimensions
            element = element.element
        return Typed(BY_OID[typed(element).type.array])
    found = BY_NAME[_NAMES[data_type.id]]
    if data_type.id is TypeId.DECIMAL:
        return Typed(found, _numeric_modifier(data_type.precision, data_type.scale))
    if data_type.id is TypeId.UINT64:
        return Typed(found, _numeric_modifier(20, 0))
    return Typed(found, _TIMESTAMP_DIGITS.get(data_type.id, -1))


_DECLARED = re.compile(
    r"\s*(text|character varying|varchar|character|char|bpchar)\s*(?:\(\s*(\d+)\s*\))?\s*",
    re.IGNORECASE,
)
_DECLARED_NAMES = {"text": "text", "char": "bpchar", "character": "bpchar", "bpchar": "bpchar"}


def typed_column(column: Column) -> Typed:
    """The type of a column, with the spelling and length it was declared with."""
    if column.type.innermost.named is not None:
        found, bits = typed(column.type, column.declared), bits_declared(column)
        return found if bits is None else Typed(found.type, bits[0])
    if column.type.id is TypeId.JSON and column.declared == "jsonb":
        return Typed(BY_NAME["jsonb"])
    if column.type.id is TypeId.INTERVAL and column.declared:
        return Typed(BY_NAME["interval"], interval_modifier(column.declared))
    return typed_text(column.declared) if column.type.id is TypeId.STRING else typed(column.type)


def typed_text(declared: str) -> Typed:
    """The type of a column of text that was declared so; text if nothing tells more."""
    match = _DECLARED.fullmatch(declared)
    if match is None:
        return Typed(BY_NAME["text"])
    name = _DECLARED_NAMES.get(match[1].lower(), "varchar")
    if name == "text" or match[2] is None:
        return Typed(BY_NAME[name])
    return Typed(BY_NAME[name], int(match[2]) + _HEADER)


def format_type(typed_: Typed) -> str:
    """What PostgreSQL's format_type() says, e.g. `numeric(10,2)` or `character varying[]`."""
    found, modifier = typed_.type, typed_.modifier
    if modifier < 0:
        return found.spelled
    if found.oid == NUMERIC:
        value = modifier - _HEADER
        return f"numeric({value >> 16},{value & 0xFFFF})"
    if found.oid in (VARCHAR, BPCHAR):
        return f"{found.spelled}({modifier - _HEADER})"
    if found.oid in (BIT, VARBIT):
        return f"{found.spelled}({modifier})"
    if found.name == "interval":
        return spelled_interval(modifier)
    if found.oid == TIMESTAMP:
        return f"timestamp({modifier}) without time zone"
    return found.spelled
