"""Values of PostgreSQL's extension hstore: texts by keys, carried as the text it prints.

Called by sql/named/ for reading and unpacking, by the wire for packing, and by the functions in
sql/functions/arrow/hstore.py. A value is a dict in the order PostgreSQL prints it.

https://www.postgresql.org/docs/15/hstore.html
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterable, Mapping, Sequence

from engine.errors import DbError, ErrorKind

Pairs = dict[str, str | None]

_QUOTED = r'"((?:[^"\\]|\\.)*)"'
_KEY = re.compile(rf"\s*(?:{_QUOTED}|((?:[^\s=\"\\]|\\.)(?:[^\s=\\]|\\.)*))\s*=>", re.DOTALL)
_VALUE = re.compile(rf"\s*(?:{_QUOTED}|((?:[^\s\"\\]|\\.)(?:[^\s,\\]|\\.)*))\s*(,|\Z)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL = re.compile(r'(["\\])')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NULL = -1


def read_pairs(text: str) -> Pairs:
    """Any spelling of a value. Raises: DbError INVALID_TEXT.

    >>> read_pairs('b=>NULL, "a b" => "x\\\\"y",')
    {'b': None, 'a b': 'x"y'}
    """
    found: Pairs = {}
    at = 0
    while text[at:].strip():
        key = _KEY.match(text, at)
        value = _VALUE.match(text, key.end()) if key is not None else None
        if key is None or value is None:
            near = text[key.end() if key is not None else at :].strip()
            message = f'syntax error in hstore near "{near[:20]}"' if near else None
            raise DbError(ErrorKind.INVALID_TEXT, message or "unexpected end of string in hstore")
        found.setdefault(_word(key) or "", _word(value, null=True))
        at = value.end()
    return _ordered(found.items())


def _word(match: re.Match[str], *, null: bool = False) -> str | None:
    """What stands between quotes, or alone, where NULL may be none."""
    quoted, bare = match[1], match[2]
    if quoted is None and null and bare.lower() == "null":
        return None
    return _ESCAPED.sub(r"\1", bare if quoted is None else quoted)


def _ordered(pairs: Iterable[tuple[str, str | None]]) -> Pairs:
    """By the keys' length in bytes, then by their bytes."""
    coded = ((key.encode(), key, value) for key, value in pairs)
    return {key: value for _, key, value in sorted(coded, key=lambda p: (len(p[0]), p[0]))}


def show_pairs(pairs: Mapping[str, str | None]) -> str:
    """The text PostgreSQL prints.

    >>> show_pairs({"bb": None, "a": 'x"'})
    '"a"=>"x\\\\"", "bb"=>NULL'
    """
    ordered = _ordered(pairs.items()).items()
    return ", ".join(f"{_quoted(k)}=>{'NULL' if v is None else _quoted(v)}" for k, v in ordered)


def _quoted(text: str) -> str:
    return '"' + _SPECIAL.sub(r"\\\1", text) + '"'


def hstore(text: str, timezone: str) -> str:
    """A text in the form PostgreSQL prints. Raises: DbError INVALID_TEXT."""
    return show_pairs(read_pairs(text))


def made_of(keys: Sequence[str | None], values: Sequence[str | None]) -> Pairs:
    """The first value of each key. Raises: DbError INVALID_ARGUMENT for a NULL as key."""
    found: Pairs = {}
    if len(keys) != len(values):
        message = "arrays of keys and values must have the same number of elements"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    for key, value in zip(keys, values, strict=True):
        if key is None:
            raise DbError(ErrorKind.INVALID_ARGUMENT, "null value not allowed for hstore key")
        found.setdefault(key, value)
    return found


def to_json(text: str, *, loose: bool = False) -> str:
    """A JSON object of texts; loosely of numbers and booleans where they look so."""

    def shown(value: str | None) -> str:
        if loose and value in ("t", "f"):
            return "true" if value == "t" else "false"
        plain = loose and value is not None and _NUMBER.fullmatch(value) is not None
        return value if plain and value else json.dumps(value, ensure_ascii=False)

    pairs = ((json.dumps(k, ensure_ascii=False), v) for k, v in read_pairs(text).items())
    return "{" + ", ".join(f"{key}: {shown(value)}" for key, value in pairs) + "}"


# --- The binary form: hstore_send of contrib/hstore/hstore_io.c ---------------------------------


def pack_hstore(text: str) -> bytes:
    """A count, then keys and values, each behind its length; -1 stands for NULL."""
    pairs = read_pairs(text)
    parts = [struct.pack("!i", len(pairs))]
    for key, value in pairs.items():
        parts += (_sized(key), struct.pack("!i", _NULL) if value is None else _sized(value))
    return b"".join(parts)


def _sized(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!i", len(data)) + data


def unpack_hstore(data: bytes) -> str:
    """The inverse of `pack_hstore`. Raises: ValueError, struct.error for other bytes."""
    (count,) = struct.unpack_from("!i", data)
    at = 4
    texts: list[str | None] = []
    for _ in range(2 * count):
        (length,) = struct.unpack_from("!i", data, at)
        at += 4
        if length > len(data) - at or length < _NULL:
            raise ValueError(length)
        texts.append(None if length == _NULL else data[at : at + length].decode())
        at += max(length, 0)
    if at != len(data):
        raise ValueError(at)
    return show_pairs(made_of(texts[::2], texts[1::2]))
