"""How types with a name of their own look to DuckDB, and back.

DuckDB keeps no names of types, but those of a union's members, and labels of enums. So enums have a
last label that tells whose they are (they are ordered as they should be then), and other types are
unions of one member: text becomes such a union, and a union text, wherever one is wanted.
"""

from __future__ import annotations

import re

from engine import datatypes as dt
from engine.datatypes import DataType
from engine.named import BASE_TYPES, SHOWN_TYPES, Named, NamedKind

ENUM_MARK = "\x01"  # begins the label that an enum has last: it holds the type's OIDs
_UNION = re.compile(r'UNION\((?:"((?:[^"]|"")*)"|(\w+)) VARCHAR\)', re.DOTALL)
_LABEL = re.compile(r"'((?:[^']|'')*)'", re.DOTALL)


def named_text(named: Named) -> str:
    """The type as DuckDB's DDL and casts spell it."""
    if named.kind is not NamedKind.ENUM:
        tag = named.tag.replace('"', '""')
        return f'UNION("{tag}" VARCHAR)'
    labels = [*named.labels, f"{ENUM_MARK}{named.oid} {named.array}"]
    return "ENUM(" + ", ".join(map(_literal, labels)) + ")"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def named_from(text: str) -> DataType | None:
    """Reads such a type as DuckDB prints it; None for unions and enums of others."""
    union = _UNION.fullmatch(text)
    if union is not None:
        member = (union[1] or union[2]).replace('""', '"')
        known = member in BASE_TYPES or member in SHOWN_TYPES or member.startswith("{")
        return dt.named_type(dt.from_tag(member)) if known else None
    labels = [label.replace("''", "'") for label in _LABEL.findall(text)]
    if not text.startswith("ENUM(") or not labels or not labels[-1].startswith(ENUM_MARK):
        return None
    oid, array = map(int, labels[-1].removeprefix(ENUM_MARK).split())
    return dt.named_type(Named(NamedKind.ENUM, oid, array, labels=tuple(labels[:-1])))
