"""Ranges and multiranges: their literals in canonical form.

Ranges of whole numbers and days include their lower bound and exclude the upper one; equal ranges
then have equal texts. https://www.postgresql.org/docs/15/rangetypes.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from engine import datatypes as dt
from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from engine.named import BASE_TYPES, Named, NamedKind
from sql.named.errors import malformed
from sql.named.plain import plain_text

_SUBTYPES = {
    "int4": dt.INT32,
    "int8": dt.INT64,
    "num": dt.decimal(38, 10),
    "date": dt.DATE,
    "ts": dt.TIMESTAMP_MICROSECOND,
    "tstz": dt.TIMESTAMP_TZ,
}
EMPTY = "empty"
_BOUND = re.compile(r'"((?:[^"\\]|\\.|"")*)"|\\(.)|([^",()\[\]\\]+)', re.S)
_QUOTED = re.compile(r'[\s"\\()\[\],]')


def is_multirange(named: Named) -> bool:
    """True for the built-in multirange types."""
    return named.name.endswith("multirange")


def is_range(named: Named) -> bool:
    """True for range types, of users too; false for multiranges."""
    return named.kind is NamedKind.RANGE or (
        named.name.endswith("range") and not is_multirange(named)
    )


def subtype(named: Named) -> DataType:
    """What the bounds of a range or multirange are. Requires: it is one."""
    if named.kind is NamedKind.RANGE:
        return named.fields[0][1]
    return _SUBTYPES[named.name.removesuffix("range").removesuffix("multi")]


def range_of(multirange: Named) -> Named:
    """The type of a multirange's members. Requires: it is one."""
    return BASE_TYPES[multirange.name.replace("multirange", "range")]


@dataclass(frozen=True, slots=True)
class Range:
    """A range: None as a bound is unlimited; of an empty one nothing else counts."""

    lower: str | None = None
    upper: str | None = None
    lower_inc: bool = False
    upper_inc: bool = False
    empty: bool = False

    def __str__(self) -> str:
        if self.empty:
            return EMPTY
        ends = f"{_shown(self.lower)},{_shown(self.upper)}"
        return f"{'[' if self.lower_inc else '('}{ends}{']' if self.upper_inc else ')'}"


def _shown(bound: str | None) -> str:
    if bound is None:
        return ""
    if bound and not _QUOTED.search(bound):
        return bound
    return '"' + bound.replace("\\", "\\\\").replace('"', '""') + '"'


def read_range(named: Named, text: str, timezone: str = "UTC") -> Range:
    """A literal, canonical. Raises: DbError INVALID_TEXT, INVALID_RANGE."""
    found, at = _scan(text, _spaces(text, 0))
    if text[at:].strip():
        raise malformed("range", text, "Junk after right parenthesis or bracket.")
    return canonical(found, subtype(named), timezone)


def read_printed(text: str) -> Range:
    """A range from its own text: canonical as it is. Raises: DbError INVALID_TEXT."""
    return _scan(text, 0)[0]


def _spaces(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _scan(text: str, at: int) -> tuple[Range, int]:
    """A range and the place after it, its bounds as written."""
    if text[at : at + 5].lower() == EMPTY:
        return Range(empty=True), at + 5
    if text[at : at + 1] not in ("[", "(") or not text[at : at + 1]:
        raise malformed("range", text, "Missing left parenthesis or bracket.")
    lower_inc = text[at] == "["
    lower, at = _bound(text, at + 1)
    if text[at : at + 1] != ",":
        raise malformed("range", text, "Missing comma after lower bound.")
    upper, at = _bound(text, at + 1)
    if text[at : at + 1] not in ("]", ")") or not text[at : at + 1]:
        detail = "Too many commas." if text[at : at + 1] == "," else "Unexpected end of input."
        raise malformed("range", text, detail)
    return Range(lower, upper, lower_inc, text[at] == "]"), at + 1


def _bound(text: str, at: int) -> tuple[str | None, int]:
    """A bound and the place after it; nothing at all is no bound."""
    parts: list[str] = []
    while (match := _BOUND.match(text, at)) is not None:
        quoted, escaped, bare = match.groups()
        if quoted is not None:
            parts.append(re.sub(r'\\(.)|"(")', r"\1\2", quoted, flags=re.S))
        else:
            parts.append(escaped if escaped is not None else bare)
        at = match.end()
    return ("".join(parts) if parts else None), at


def canonical(found: Range, of: DataType, timezone: str = "UTC") -> Range:
    """The range with its bounds as their type prints them, in the one form that equal ones have.

    Raises: DbError INVALID_RANGE, and what the type raises of a bound.
    """
    if found.empty:
        return Range(empty=True)
    lower = None if found.lower is None else plain_text(of, found.lower, timezone)
    upper = None if found.upper is None else plain_text(of, found.upper, timezone)
    lower_inc = found.lower_inc and lower is not None
    upper_inc = found.upper_inc and upper is not None
    if lower is not None and upper is not None and key_of(of)(lower) > key_of(of)(upper):
        message = "range lower bound must be less than or equal to range upper bound"
        raise DbError(ErrorKind.DATA_EXCEPTION, message)
    step = _STEPS.get(of.id)
    if step is not None:
        if lower is not None and not lower_inc and "infinity" not in lower:
            lower, lower_inc = step(lower), True
        if upper is not None and upper_inc and "infinity" not in upper:
            upper, upper_inc = step(upper), False
    if lower is not None and lower == upper and not (lower_inc and upper_inc):
        return Range(empty=True)
    return Range(lower, upper, lower_inc, upper_inc)


def _next_number(text: str) -> str:
    return str(int(text) + 1)


def _next_day(text: str) -> str:
    try:
        return (date.fromisoformat(text) + timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        raise DbError(ErrorKind.DATETIME_OVERFLOW, f'date out of range: "{text}"') from None


_STEPS: dict[TypeId, Callable[[str], str]] = {
    TypeId.INT32: _next_number,
    TypeId.INT64: _next_number,
    TypeId.DATE: _next_day,
}


def key_of(of: DataType) -> Callable[[str], Any]:
    """What a bound's printed text is ordered by."""
    if of.is_integer:
        return int
    if of.id is TypeId.DECIMAL:
        return _number
    if of.id in (TypeId.FLOAT32, TypeId.FLOAT64):
        return float
    if of.id is TypeId.DATE or of.is_timestamp or of.id is TypeId.TIMESTAMP_TZ:
        return _moment
    return str


def _number(text: str) -> tuple[bool, Decimal]:
    value = Decimal(text)
    return (True, Decimal(0)) if value.is_nan() else (False, value)


_PARTS = re.compile(r"(\d+)-(\d+)-(\d+)(?: ([\d:.]+))?")


def _moment(text: str) -> tuple[int, ...] | tuple[int, int, int, int, str]:
    if "infinity" in text:
        return (-1 if text.startswith("-") else 1,)
    match = _PARTS.match(text)
    assert match is not None, text
    year = 1 - int(match[1]) if text.endswith("BC") else int(match[1])
    return 0, year, int(match[2]), int(match[3]), match[4] or ""


# --- Multiranges ----------------------------------------------------------------------------------


def read_multirange(named: Named, text: str, timezone: str = "UTC") -> list[Range]:
    """A literal's ranges, ordered, none touching another. Raises: DbError INVALID_TEXT."""
    of = subtype(named)
    return merged([canonical(found, of, timezone) for found in _members(text)], of)


def _members(text: str) -> list[Range]:
    at = _spaces(text, 0)
    if text[at : at + 1] != "{":
        raise malformed("multirange", text, "Missing left brace.")
    at = _spaces(text, at + 1)
    found: list[Range] = []
    while text[at : at + 1] != "}":
        if found:
            if text[at : at + 1] != ",":
                raise malformed("multirange", text, "Expected comma or end of multirange.")
            at = _spaces(text, at + 1)
        one, at = _scan(text, at)
        found.append(one)
        at = _spaces(text, at)
    if text[at + 1 :].strip():
        raise malformed("multirange", text, "Junk after closing right brace.")
    return found


def shown_multirange(ranges: list[Range]) -> str:
    """As PostgreSQL prints it."""
    return "{" + ",".join(map(str, ranges)) + "}"


def compare_lower(a: Range, b: Range, of: DataType) -> int:
    """Less than 0 if a begins before b. Requires: neither is empty."""
    if a.lower is None or b.lower is None:
        return (a.lower is not None) - (b.lower is not None)
    x, y = key_of(of)(a.lower), key_of(of)(b.lower)
    if x != y:
        return -1 if x < y else 1
    return b.lower_inc - a.lower_inc


def compare_upper(a: Range, b: Range, of: DataType) -> int:
    """Less than 0 if a ends before b. Requires: neither is empty."""
    if a.upper is None or b.upper is None:
        return (b.upper is not None) - (a.upper is not None)
    x, y = key_of(of)(a.upper), key_of(of)(b.upper)
    if x != y:
        return -1 if x < y else 1
    return a.upper_inc - b.upper_inc


def gap(a: Range, b: Range, of: DataType) -> int:
    """1 if something lies between the end of a and the beginning of b, 0 if they meet without
    overlapping, -1 if they overlap (or b begins before a ends). Requires: neither is empty.
    """
    if a.upper is None or b.lower is None:
        return -1
    x, y = key_of(of)(a.upper), key_of(of)(b.lower)
    if x != y:
        return 1 if x < y else -1
    return 1 - (a.upper_inc + b.lower_inc)


def merged(ranges: list[Range], of: DataType) -> list[Range]:
    """The same values as ranges in order, none touching another."""

    def compare(a: Range, b: Range) -> int:
        return compare_lower(a, b, of) or compare_upper(a, b, of)

    found: list[Range] = []
    for one in sorted((r for r in ranges if not r.empty), key=cmp_to_key(compare)):
        if not found or gap(found[-1], one, of) > 0:
            found.append(one)
        elif compare_upper(found[-1], one, of) < 0:
            last = found[-1]
            found[-1] = Range(last.lower, one.upper, last.lower_inc, one.upper_inc)
    return found
