"""PostgreSQL's types whose values are carried as text: ranges, enums, addresses, money and others.

A `DataType` of strings has a `Named` beside it then, so that whatever treats it as text goes on
working and whatever shows types (the PostgreSQL wire, pg_catalog, casts) knows better. The text is
always the form that PostgreSQL prints; sql/named/ makes it, server/postgres/types/ packs it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.datatypes import DataType


class NamedKind(Enum):
    """Who says what its values are."""

    BASE = "base"  # PostgreSQL itself
    EXTENSION = "extension"  # what CREATE EXTENSION brought in, which `name` tells
    ENUM = "enum"  # its labels, in their order
    COMPOSITE = "composite"  # its fields
    RANGE = "range"  # its subtype, the one field


@dataclass(frozen=True, slots=True)
class Named:
    """A type with a name and a number of its own. What users made has no name here: it may change.

    `oid` and `array` are its numbers and those of arrays of it; `length` is of its binary form, -1
    if that varies.
    """

    kind: NamedKind
    oid: int
    array: int
    name: str = ""
    length: int = -1
    labels: tuple[str, ...] = ()
    fields: tuple[tuple[str, DataType], ...] = ()

    @property
    def tag(self) -> str:
        """All of it as text; `datatypes.from_tag` reads it back equal."""
        if self.kind is NamedKind.BASE:
            return self.name
        return json.dumps(
            {
                "kind": self.kind.value,
                "oid": self.oid,
                "array": self.array,
                **({"name": self.name} if self.name else {}),
                **({"labels": self.labels} if self.labels else {}),
                **({"fields": [_field(*field) for field in self.fields]} if self.fields else {}),
            },
            separators=(",", ":"),
        )


def _field(name: str, type_: DataType) -> list[str]:
    inner = type_.innermost.named
    return [name, type_.name, "" if inner is None else inner.tag]


# name oid array-oid length: https://www.postgresql.org/docs/15/catalog-pg-type.html
_BASE = """
tid 27 1010 6
xml 142 143 -1
cidr 650 651 -1
macaddr8 774 775 8
money 790 791 8
macaddr 829 1040 6
inet 869 1041 -1
timetz 1266 1270 12
bit 1560 1561 -1
varbit 1562 1563 -1
jsonpath 4072 4073 -1
pg_lsn 3220 3221 8
tsvector 3614 3643 -1
tsquery 3615 3645 -1
regconfig 3734 3735 4
txid_snapshot 2970 2949 -1
pg_snapshot 5038 5039 -1
xid8 5069 271 8
point 600 1017 16
lseg 601 1018 32
path 602 1019 -1
box 603 1020 32
polygon 604 1027 -1
line 628 629 24
circle 718 719 24
int4range 3904 3905 -1
numrange 3906 3907 -1
tsrange 3908 3909 -1
tstzrange 3910 3911 -1
daterange 3912 3913 -1
int8range 3926 3927 -1
int4multirange 4451 6150 -1
nummultirange 4532 6151 -1
tsmultirange 4533 6152 -1
tstzmultirange 4534 6153 -1
datemultirange 4535 6155 -1
int8multirange 4536 6157 -1
"""


def _base(line: str) -> Named:
    name, oid, array, length = line.split()
    return Named(NamedKind.BASE, int(oid), int(array), name, int(length))


BASE_TYPES = {named.name: named for named in map(_base, _BASE.strip().splitlines())}
# Types that only columns of results have: inside, their values are plain numbers and texts.
_SHOWN = """
char 18 1002 1
name 19 1003 64
oid 26 1028 4
xid 28 1011 4
cid 29 1012 4
bpchar 1042 1014 -1
void 2278 0 4
jsonb 3802 3807 -1
"""
SHOWN_TYPES = {named.name: named for named in map(_base, _SHOWN.strip().splitlines())}
WIDE_NUMERIC = Named(NamedKind.BASE, 1700, 1231, "numeric")  # what no DECIMAL holds, as text
BY_OID = {named.oid: named for named in BASE_TYPES.values()}
BY_ARRAY = {named.array: named for named in BASE_TYPES.values()}
