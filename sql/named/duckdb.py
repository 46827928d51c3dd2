"""How types with a name of their own look to DuckDB, and back.

Enums are DuckDB's, so that they are ordered as they were declared; DuckDB keeps no names of types,
so a last label tells whose they are. Others are plain text there: sql/plan/shown_types.py finds out
what outputs are called. (Unions of one text, which could carry a name, have no NULL of their own.)
"""

from __future__ import annotations

import re

from engine import datatypes as dt
from engine.datatypes import DataType
from engine.named import Named, NamedKind

ENUM_MARK = "\x01"  # begins the label that an enum has last: it holds the type's OIDs
_LABEL = re.compile(r"'((?:[^']|'')*)'", re.DOTALL)


def named_text(named: Named) -> str:
    """The type as DuckDB's DDL and casts spell it."""
    if named.kind is not NamedKind.ENUM:
        return "VARCHAR"
    labels = [*named.labels, f"{ENUM_MARK}{named.oid} {named.array}"]
    return "ENUM(" + ", ".join(map(_literal, labels)) + ")"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def named_from(text: str) -> DataType | None:
    """Reads an enum's type as DuckDB prints it; None for enums of others."""
    labels = [label.replace("''", "'") for label in _LABEL.findall(text)]
    if not text.startswith("ENUM(") or not labels or not labels[-1].startswith(ENUM_MARK):
        return None
    oid, array = map(int, labels[-1].removeprefix(ENUM_MARK).split())
    return dt.named_type(Named(NamedKind.ENUM, oid, array, labels=tuple(labels[:-1])))
