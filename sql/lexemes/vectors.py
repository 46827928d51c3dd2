"""tsvector: lexemes with their places in a text and weights of these, as text and back.

Called for casts to tsvector and by its functions. https://www.postgresql.org/docs/15/datatype-textsearch.html
"""

from __future__ import annotations

import re
import struct

from engine.errors import DbError, ErrorKind

POSITION_MAX = 16_383
_PLACES_MAX = 256  # of one lexeme
_WEIGHTS = "DCBA"
Vector = dict[str, dict[int, str]]  # lexeme → place → weight; no place if it was stripped

_LEXEME = re.compile(
    r"\s*(?:'((?:[^'\\]|''|\\.)*)'|((?:[^\s':\\]|\\.)(?:[^\s:\\]|\\.)*))(:\d[\dA-Da-d*,]*)?(?=\s|$)",
    re.DOTALL,
)
_PLACE = re.compile(r"(\d+)([A-Da-d*]?)")


def add(vector: Vector, lexeme: str, place: int, weight: str) -> None:
    """One more place of a lexeme; the higher weight stays."""
    places = vector.setdefault(lexeme, {})
    if len(places) < _PLACES_MAX or place in places:
        places[place] = max(places.get(place, "D"), weight, key=_WEIGHTS.index)


def read_vector(text: str) -> Vector:
    """`'fat':1A cat` as a vector. Raises: DbError SYNTAX_ERROR."""
    vector: Vector = {}
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _LEXEME.match(text, at)
        if found is None:
            raise DbError(ErrorKind.SYNTAX, f'syntax error in tsvector: "{text}"')
        lexeme = unquoted(found[1]) if found[1] is not None else unquoted(found[2])
        vector.setdefault(lexeme, {})
        for number, weight in _PLACE.findall(found[3] or ""):
            if int(number) == 0:
                raise DbError(ErrorKind.SYNTAX, f'wrong position info in tsvector: "{text}"')
            weight = "A" if weight == "*" else weight.upper() or "D"
            add(vector, lexeme, min(int(number), POSITION_MAX), weight)
        at = found.end()
    return vector


def unquoted(text: str) -> str:
    """A lexeme without the signs that protect its characters."""
    return re.sub(r"\\(.)|'(')", lambda m: m[1] or m[2], text, flags=re.DOTALL)


def quoted(lexeme: str) -> str:
    """A lexeme as tsvector and tsquery print it."""
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def ordered(vector: Vector) -> list[str]:
    """Its lexemes in the order of their bytes."""
    return sorted(vector, key=str.encode)


def show_vector(vector: Vector) -> str:
    """>>> show_vector(read_vector("fat:2,1a 'a b' cat"))
    "'a b' 'cat' 'fat':1A,2"
    """
    return " ".join(quoted(lexeme) + _places(vector[lexeme]) for lexeme in ordered(vector))


def _places(places: dict[int, str]) -> str:
    shown = ",".join(f"{place}{places[place].removesuffix('D')}" for place in sorted(places))
    return ":" + shown if shown else ""


def tsvector(text: str, timezone: str) -> str:
    """A text as tsvector prints it."""
    return show_vector(read_vector(text))


# --- Functions ------------------------------------------------------------------------------------


def joined(left: Vector, right: Vector) -> Vector:
    """`a || b`: the places of b come behind those of a."""
    behind = max((place for places in left.values() for place in places), default=0)
    made = {lexeme: dict(places) for lexeme, places in left.items()}
    for lexeme, places in right.items():
        made.setdefault(lexeme, {})
        for place, weight in places.items():
            add(made, lexeme, min(place + behind, POSITION_MAX), weight)
    return made


def weighted(vector: Vector, weight: str, only: frozenset[str] | None = None) -> Vector:
    """setweight(). Raises: DbError INVALID_ARGUMENT."""
    mark = weight.upper()
    if mark not in _WEIGHTS or len(mark) != 1:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f'unrecognized weight: "{weight}"')
    return {
        lexeme: dict.fromkeys(places, mark) if only is None or lexeme in only else places
        for lexeme, places in vector.items()
    }


# --- Binary form ----------------------------------------------------------------------------------


def pack_vector(text: str) -> bytes:
    """As tsvectorsend of PostgreSQL's src/backend/utils/adt/tsvector.c."""
    vector = read_vector(text)
    out = [struct.pack("!I", len(vector))]
    for lexeme in ordered(vector):
        places = vector[lexeme]
        out.append(lexeme.encode() + b"\0" + struct.pack("!H", len(places)))
        marks = (_WEIGHTS.index(places[place]) << 14 | place for place in sorted(places))
        out += [struct.pack("!H", mark) for mark in marks]
    return b"".join(out)


def unpack_vector(data: bytes) -> str:
    """The inverse. Raises: ValueError, struct.error for bytes that are none."""
    (count,) = struct.unpack_from("!I", data)
    at, vector = 4, Vector()
    for _ in range(count):
        end = data.index(b"\0", at)
        lexeme = data[at:end].decode()
        (places,) = struct.unpack_from("!H", data, end + 1)
        at = end + 3
        vector[lexeme] = {}
        for mark in struct.unpack_from(f"!{places}H", data, at):
            vector[lexeme][mark & POSITION_MAX] = _WEIGHTS[mark >> 14]
        at += 2 * places
    return show_vector(vector)
