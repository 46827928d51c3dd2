"""pg_am, pg_opclass and pg_opfamily: the ways of finding rows that CREATE INDEX may name.

Asked by tools that show how an index compares its keys (pg_index.indclass). Nothing is stored
differently for any of them. Names and numbers: those of PostgreSQL 15.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from catalog.records import Column
from sql.system.arrow import fill
from sql.system.pg_catalog.oids import HEAP, OWNER, PG_CATALOG
from sql.system.pg_catalog.shapes import SHAPES
from sql.system.pg_catalog.types import BY_NAME, typed_column
from sql.system.table import SystemContext

BTREE, HASH = 403, 405
_METHODS = {"btree": BTREE, "hash": HASH, "gist": 783, "gin": 2742, "spgist": 4000, "brin": 3580}

# method oid name family-oid family type default key-type
_CLASSES = """
btree 10000 array_ops 397 array_ops anyarray default 0
btree 10002 bit_ops 423 bit_ops bit default 0
btree 10003 bool_ops 424 bool_ops bool default 0
btree 10004 bpchar_ops 426 bpchar_ops bpchar default 0
btree 4219 bpchar_pattern_ops 2097 bpchar_pattern_ops bpchar - 0
btree 10006 bytea_ops 428 bytea_ops bytea default 0
btree 10007 char_ops 429 char_ops char default 0
btree 10009 cidr_ops 1974 network_ops inet - 0
btree 3122 date_ops 434 datetime_ops date default 0
btree 10069 enum_ops 3522 enum_ops anyenum default 0
btree 10012 float4_ops 1970 float_ops float4 default 0
btree 3123 float8_ops 1970 float_ops float8 default 0
btree 10015 inet_ops 1974 network_ops inet default 0
btree 1979 int2_ops 1976 integer_ops int2 default 0
btree 1978 int4_ops 1976 integer_ops int4 default 0
btree 3124 int8_ops 1976 integer_ops int8 default 0
btree 10022 interval_ops 1982 interval_ops interval default 0
btree 10088 jsonb_ops 4033 jsonb_ops jsonb default 0
btree 10026 macaddr8_ops 3371 macaddr8_ops macaddr8 default 0
btree 10024 macaddr_ops 1984 macaddr_ops macaddr default 0
btree 10047 money_ops 2099 money_ops money default 0
btree 10080 multirange_ops 4199 multirange_ops anymultirange default 0
btree 10028 name_ops 1994 text_ops name default 2275
btree 3125 numeric_ops 1988 numeric_ops numeric default 0
btree 1981 oid_ops 1989 oid_ops oid default 0
btree 10032 oidvector_ops 1991 oidvector_ops oidvector default 0
btree 10067 pg_lsn_ops 3253 pg_lsn_ops pg_lsn default 0
btree 10076 range_ops 3901 range_ops anyrange default 0
btree 10036 record_image_ops 3194 record_image_ops record - 0
btree 10034 record_ops 2994 record_ops record default 0
btree 3126 text_ops 1994 text_ops text default 0
btree 4217 text_pattern_ops 2095 text_pattern_ops text - 0
btree 10050 tid_ops 2789 tid_ops tid default 0
btree 10038 time_ops 1996 time_ops time default 0
btree 3128 timestamp_ops 434 datetime_ops timestamp default 0
btree 3127 timestamptz_ops 434 datetime_ops timestamptz default 0
btree 10041 timetz_ops 2000 timetz_ops timetz default 0
btree 10074 tsquery_ops 3683 tsquery_ops tsquery default 0
btree 10071 tsvector_ops 3626 tsvector_ops tsvector default 0
btree 10065 uuid_ops 2968 uuid_ops uuid default 0
btree 10043 varbit_ops 2002 varbit_ops varbit default 0
btree 10044 varchar_ops 1994 text_ops text - 0
btree 4218 varchar_pattern_ops 2095 text_pattern_ops text - 0
btree 10053 xid8_ops 5067 xid8_ops xid8 default 0
hash 10059 aclitem_ops 2235 aclitem_ops aclitem default 0
hash 10001 array_ops 627 array_ops anyarray default 0
hash 10048 bool_ops 2222 bool_ops bool default 0
hash 10005 bpchar_ops 427 bpchar_ops bpchar default 0
hash 10058 bpchar_pattern_ops 2231 bpchar_pattern_ops bpchar - 0
hash 10049 bytea_ops 2223 bytea_ops bytea default 0
hash 10008 char_ops 431 char_ops char default 0
hash 10054 cid_ops 2226 cid_ops cid default 0
hash 10010 cidr_ops 1975 network_ops inet - 0
hash 10011 date_ops 435 date_ops date default 0
hash 10070 enum_ops 3523 enum_ops anyenum default 0
hash 10013 float4_ops 1971 float_ops float4 default 0
hash 10014 float8_ops 1971 float_ops float8 default 0
hash 10016 inet_ops 1975 network_ops inet default 0
hash 10019 int2_ops 1977 integer_ops int2 default 0
hash 10020 int4_ops 1977 integer_ops int4 default 0
hash 10021 int8_ops 1977 integer_ops int8 default 0
hash 10023 interval_ops 1983 interval_ops interval default 0
hash 10089 jsonb_ops 4034 jsonb_ops jsonb default 0
hash 10027 macaddr8_ops 3372 macaddr8_ops macaddr8 default 0
hash 10025 macaddr_ops 1985 macaddr_ops macaddr default 0
hash 10081 multirange_ops 4225 multirange_ops anymultirange default 0
hash 10029 name_ops 1995 text_ops name default 0
hash 10030 numeric_ops 1998 numeric_ops numeric default 0
hash 10031 oid_ops 1990 oid_ops oid default 0
hash 10033 oidvector_ops 1992 oidvector_ops oidvector default 0
hash 10068 pg_lsn_ops 3254 pg_lsn_ops pg_lsn default 0
hash 10077 range_ops 3903 range_ops anyrange default 0
hash 10035 record_ops 6194 record_ops record default 0
hash 10037 text_ops 1995 text_ops text default 0
hash 10056 text_pattern_ops 2229 text_pattern_ops text - 0
hash 10055 tid_ops 2227 tid_ops tid default 0
hash 10039 time_ops 1997 time_ops time default 0
hash 10046 timestamp_ops 2040 timestamp_ops timestamp default 0
hash 10040 timestamptz_ops 1999 timestamptz_ops timestamptz default 0
hash 10042 timetz_ops 2001 timetz_ops timetz default 0
hash 10066 uuid_ops 2969 uuid_ops uuid default 0
hash 10045 varchar_ops 1995 text_ops text - 0
hash 10057 varchar_pattern_ops 2229 text_pattern_ops text - 0
hash 10052 xid8_ops 5032 xid8_ops xid8 default 0
hash 10051 xid_ops 2225 xid_ops xid default 0
gist 10060 box_ops 2593 box_ops box default 0
gist 10063 circle_ops 2595 circle_ops circle default 603
gist 10017 inet_ops 3550 network_ops inet - 0
gist 10082 multirange_ops 6158 multirange_ops anymultirange default 3831
gist 10061 point_ops 1029 point_ops point default 603
gist 10062 poly_ops 2594 poly_ops polygon default 603
gist 10078 range_ops 3919 range_ops anyrange default 0
gist 10075 tsquery_ops 3702 tsquery_ops tsquery default 20
gist 10072 tsvector_ops 3655 tsvector_ops tsvector default 3642
gin 10064 array_ops 2745 array_ops anyarray default 2283
gin 10090 jsonb_ops 4036 jsonb_ops jsonb default 25
gin 10091 jsonb_path_ops 4037 jsonb_path_ops jsonb - 23
gin 10073 tsvector_ops 3659 tsvector_ops tsvector default 25
spgist 10083 box_ops 5000 box_ops box default 0
spgist 10018 inet_ops 3794 network_ops inet default 0
spgist 10085 kd_point_ops 4016 kd_point_ops point - 0
spgist 10087 poly_ops 5008 poly_ops polygon default 603
spgist 10084 quad_point_ops 4015 quad_point_ops point default 0
spgist 10079 range_ops 3474 range_ops anyrange default 0
spgist 10086 text_ops 4017 text_ops text default 0
brin 10151 bit_minmax_ops 4079 bit_minmax_ops bit default 1560
brin 10163 box_inclusion_ops 4104 box_inclusion_ops box default 603
brin 10131 bpchar_minmax_ops 4076 bpchar_minmax_ops bpchar default 1042
brin 10092 bytea_minmax_ops 4064 bytea_minmax_ops bytea default 17
brin 10094 char_minmax_ops 4062 char_minmax_ops char default 18
brin 10136 date_minmax_ops 4059 datetime_minmax_ops date default 1082
brin 10115 float4_minmax_ops 4070 float_minmax_ops float4 default 700
brin 10118 float8_minmax_ops 4070 float_minmax_ops float8 default 701
brin 10130 inet_inclusion_ops 4102 network_inclusion_ops inet default 869
brin 10127 inet_minmax_ops 4075 network_minmax_ops inet - 869
brin 10101 int2_minmax_ops 4054 integer_minmax_ops int2 default 21
brin 10104 int4_minmax_ops 4054 integer_minmax_ops int4 default 23
brin 10098 int8_minmax_ops 4054 integer_minmax_ops int8 default 20
brin 10145 interval_minmax_ops 4078 interval_minmax_ops interval default 1186
brin 10124 macaddr8_minmax_ops 4109 macaddr8_minmax_ops macaddr8 default 774
brin 10121 macaddr_minmax_ops 4074 macaddr_minmax_ops macaddr default 829
brin 10096 name_minmax_ops 4065 name_minmax_ops name default 19
brin 10153 numeric_minmax_ops 4055 numeric_minmax_ops numeric default 1700
brin 10109 oid_minmax_ops 4068 oid_minmax_ops oid default 26
brin 10160 pg_lsn_minmax_ops 4082 pg_lsn_minmax_ops pg_lsn default 3220
brin 10159 range_inclusion_ops 4103 range_inclusion_ops anyrange default 3831
brin 10107 text_minmax_ops 4056 text_minmax_ops text default 25
brin 10112 tid_minmax_ops 4069 tid_minmax_ops tid default 27
brin 10133 time_minmax_ops 4077 time_minmax_ops time default 1083
brin 10139 timestamp_minmax_ops 4059 datetime_minmax_ops timestamp default 1114
brin 10142 timestamptz_minmax_ops 4059 datetime_minmax_ops timestamptz default 1184
brin 10148 timetz_minmax_ops 4058 timetz_minmax_ops timetz default 1266
brin 10156 uuid_minmax_ops 4081 uuid_minmax_ops uuid default 2950
brin 10152 varbit_minmax_ops 4080 varbit_minmax_ops varbit default 1562
"""


@dataclass(frozen=True, slots=True)
class _Class:
    method: str
    oid: int
    name: str
    family: int
    family_name: str
    type: str
    is_default: bool
    key_type: int


def _read(line: str) -> _Class:
    method, oid, name, family, family_name, type_, default, key_type = line.split()
    is_default = default == "default"
    return _Class(
        method, int(oid), name, int(family), family_name, type_, is_default, int(key_type)
    )


_READ = [_read(line) for line in _CLASSES.strip().splitlines()]
_NAMED = {(_METHODS[one.method], one.name): one.oid for one in _READ}
_DEFAULTS = {(_METHODS[one.method], one.type): one.oid for one in _READ if one.is_default}
# Types that share the classes of another one.
_AS = {"varchar": "text", "cidr": "inet", "xid": "oid"}
_GENERAL = {"A": "anyarray", "E": "anyenum", "R": "anyrange", "M": "anymultirange", "C": "record"}


def method_oid(name: str) -> int:
    """pg_am.oid of a method by its name, which may be an old one."""
    return _METHODS.get("gist" if name == "rtree" else name, BTREE)


def operator_class(method: str, column: Column, suffix: str) -> int:
    """pg_opclass.oid of one key of an index; 0 where the method knows no class for its type.

    `suffix` is what the definition says behind the key.
    """
    number = method_oid(method)
    for word in suffix.split():
        if (number, word) in _NAMED:
            return _NAMED[number, word]
    type_ = typed_column(column).type
    name = _AS.get(type_.name, type_.name)
    general = _GENERAL.get(type_.category, "")
    return _DEFAULTS.get((number, name)) or _DEFAULTS.get((number, general), 0)


def pg_am(context: SystemContext) -> pa.Table:
    """Access methods: clients join indexes and tables with them."""
    return fill(
        SHAPES["pg_am"].schema,
        1 + len(_METHODS),
        {
            "oid": [HEAP, *_METHODS.values()],
            "amname": ["heap", *_METHODS],
            "amhandler": 0,
            "amtype": ["t", *("i" for _ in _METHODS)],
        },
    )


def pg_opclass(context: SystemContext) -> pa.Table:
    """How each method compares values of each type."""
    return fill(
        SHAPES["pg_opclass"].schema,
        len(_READ),
        {
            "oid": [one.oid for one in _READ],
            "opcmethod": [_METHODS[one.method] for one in _READ],
            "opcname": [one.name for one in _READ],
            "opcnamespace": PG_CATALOG,
            "opcowner": OWNER,
            "opcfamily": [one.family for one in _READ],
            "opcintype": [BY_NAME[one.type].oid for one in _READ],
            "opcdefault": [one.is_default for one in _READ],
            "opckeytype": [one.key_type for one in _READ],
        },
    )


def pg_opfamily(context: SystemContext) -> pa.Table:
    """Classes whose types can be compared with one another."""
    found = {one.family: one for one in _READ}
    return fill(
        SHAPES["pg_opfamily"].schema,
        len(found),
        {
            "oid": list(found),
            "opfmethod": [_METHODS[one.method] for one in found.values()],
            "opfname": [one.family_name for one in found.values()],
            "opfnamespace": PG_CATALOG,
            "opfowner": OWNER,
        },
    )
