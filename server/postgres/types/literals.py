"""Texts with an inner structure: array literals and intervals.

Called by parameters.py.
https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-INTERVAL-INPUT
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

from engine.errors import DbError, ErrorKind

_DEPTH_MAX = 6  # PostgreSQL's MAXDIM

_PART = re.compile(
    r"\s*(?:(?P<sign>[+-]?)(?P<hours>\d+):(?P<minutes>\d+)(?::(?P<seconds>\d+(?:\.\d+)?))?"
    r"|(?P<count>[+-]?\d+(?:\.\d+)?)\s*(?P<unit>[a-z]+)),?\s*"
)
_UNITS = {
    **dict.fromkeys(("us", "microsecond", "microseconds"), timedelta(microseconds=1)),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), timedelta(milliseconds=1)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), timedelta(seconds=1)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("w", "week", "weeks"), timedelta(weeks=1)),
}


def read_array(text: str, read: Callable[[str], object]) -> list[object]:
    """`{1,NULL,"a b",{…}}` as a list. Raises: DbError INVALID_TEXT, and what `read` raises."""
    start = text.find("{")
    prefix = text[:start].strip()
    if start < 0 or (prefix and not re.fullmatch(r"(\[-?\d+:-?\d+\])+\s*=", prefix)):
        raise _malformed(text)
    items, at = _read_list(text, start, read, 1)
    if text[at:].strip():
        raise _malformed(text)
    return items


def _read_list(
    text: str, at: int, read: Callable[[str], object], depth: int
) -> tuple[list[object], int]:
    if depth > _DEPTH_MAX:
        raise _malformed(text)
    items: list[object] = []
    at = _spaces(text, at + 1)
    if text[at : at + 1] == "}":
        return items, at + 1
    while True:
        item, at = _read_item(text, _spaces(text, at), read, depth)
        items.append(item)
        at = _spaces(text, at)
        separator = text[at : at + 1]
        at += 1
        if separator == "}":
            return items, at
        if separator != ",":
            raise _malformed(text)


def _read_item(text: str, at: int, read: Callable[[str], object], depth: int) -> tuple[object, int]:
    if text[at : at + 1] == "{":
        return _read_list(text, at, read, depth + 1)
    if text[at : at + 1] == '"':
        word, at = _read_quoted(text, at + 1)
        return read(word), at
    word, at = _read_bare(text, at)
    return (None if word.upper() == "NULL" else read(word)), at


def _read_quoted(text: str, at: int) -> tuple[str, int]:
    letters: list[str] = []
    while at < len(text):
        if text[at] == '"':
            return "".join(letters), at + 1
        if text[at] == "\\":
            at += 1
        letters.append(text[at : at + 1])
        at += 1
    raise _malformed(text)


def _read_bare(text: str, at: int) -> tuple[str, int]:
    letters: list[str] = []
    while at < len(text) and text[at] not in ",}":
        if text[at] in '{"':
            raise _malformed(text)
        if text[at] == "\\":
            at += 1
        letters.append(text[at : at + 1])
        at += 1
    word = "".join(letters).strip()
    if not word:
        raise _malformed(text)
    return word, at


def _spaces(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _malformed(text: str) -> DbError:
    return DbError(ErrorKind.INVALID_TEXT, f'malformed array literal: "{text}"')


def read_interval(text: str) -> timedelta | str:
    """An interval as a timedelta; with months or in a rarer spelling it stays text.

    >>> read_interval("1 day -02:30:00")
    datetime.timedelta(seconds=77400)
    >>> read_interval("2 mons")
    '2 mons'
    """
    total = timedelta()
    at = 0
    words = text.lower()
    while at < len(words):
        match = _PART.match(words, at)
        if match is None:
            return text
        part = _interval_part(match)
        if part is None:
            return text
        total += part
        at = match.end()
    return total if at else text


def _interval_part(match: re.Match[str]) -> timedelta | None:
    if match["hours"] is not None:
        part = timedelta(
            hours=int(match["hours"]),
            minutes=int(match["minutes"]),
            seconds=float(match["seconds"] or 0),
        )
        return -part if match["sign"] == "-" else part
    unit = _UNITS.get(match["unit"])
    if unit is None:
        return None
    count = match["count"]
    return unit * (float(count) if "." in count else int(count))
