"""The registry as rows: SHOW FUNCTIONS, pg_proc and information_schema.routines."""

from __future__ import annotations

import zlib
from functools import cache

from sql.functions.index import FUNCTIONS
from sql.functions.registry import Function, Kind
from sql.session import Wire

_OID_BASE = 0x7000_0000  # far above the OIDs that user objects are given, in order of creation


@cache
def offered(wire: Wire) -> tuple[tuple[str, Function], ...]:
    """(name, entry) of every function on a wire, one for each name, in order of names."""
    found = {(name, f.signature): f for f in FUNCTIONS if wire in f.wires for name in f.names}
    return tuple((name, entry) for (name, _), entry in sorted(found.items()))


def signature(name: str, entry: Function) -> str:
    """The signature under one of its names."""
    return name + entry.signature.removeprefix(entry.name)


def show_rows(wire: Wire) -> list[tuple[str, str, str, str, str]]:
    """SHOW FUNCTIONS: name, signature, kind, category, description."""
    return [
        (name, signature(name, entry), entry.kind.value, entry.category, entry.doc)
        for name, entry in offered(wire)
    ]


def oid(name: str, entry: Function) -> int:
    """The function's OID: the same in every server, as it is made of the signature."""
    return _OID_BASE + zlib.crc32(signature(name, entry).encode()) % 0x0FFF_FFFF


KINDS = {Kind.SCALAR: "f", Kind.TABLE: "f", Kind.AGGREGATE: "a", Kind.WINDOW: "w"}
