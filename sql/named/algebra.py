"""What is asked of ranges and multiranges, and what is made of two of them.

A range is the list of itself here, an empty one the empty list, so that multiranges need nothing of
their own. https://www.postgresql.org/docs/15/functions-range.html
"""

from __future__ import annotations

from collections.abc import Callable

from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from engine.named import Named
from sql.named.plain import plain_text
from sql.named.ranges import (
    Range,
    compare_lower,
    compare_upper,
    gap,
    is_multirange,
    merged,
    read_multirange,
    read_range,
    shown_multirange,
    subtype,
)

Ranges = list[Range]


def ranges_of(named: Named, text: str) -> Ranges:
    """The ranges of a value that is as its type prints it."""
    found = read_multirange(named, text) if is_multirange(named) else [read_range(named, text)]
    return [one for one in found if not one.empty]


def point(of: DataType, text: str) -> Ranges:
    """The one value as ranges."""
    value = plain_text(of, text)
    return [Range(value, value, True, True)]


def _inside(a: Range, b: Range, of: DataType) -> bool:
    return compare_lower(a, b, of) <= 0 and compare_upper(a, b, of) >= 0


def _overlap(a: Range, b: Range, of: DataType) -> bool:
    return gap(a, b, of) < 0 and gap(b, a, of) < 0


def contains(a: Ranges, b: Ranges, of: DataType) -> bool:
    """a @> b."""
    return all(any(_inside(x, y, of) for x in a) for y in b)


def overlaps(a: Ranges, b: Ranges, of: DataType) -> bool:
    """a && b."""
    return any(_overlap(x, y, of) for x in a for y in b)


def before(a: Ranges, b: Ranges, of: DataType) -> bool:
    """a << b."""
    return bool(a and b) and gap(a[-1], b[0], of) >= 0


def adjacent(a: Ranges, b: Ranges, of: DataType) -> bool:
    """a -|- b."""
    return bool(a and b) and (gap(a[-1], b[0], of) == 0 or gap(b[-1], a[0], of) == 0)


def not_right(a: Ranges, b: Ranges, of: DataType) -> bool:
    """a &< b."""
    return bool(a and b) and compare_upper(a[-1], b[-1], of) <= 0


def not_left(a: Ranges, b: Ranges, of: DataType) -> bool:
    """a &> b."""
    return bool(a and b) and compare_lower(a[0], b[0], of) >= 0


TESTS: dict[str, Callable[[Ranges, Ranges, DataType], bool]] = {
    "@>": contains,
    "<@": lambda a, b, of: contains(b, a, of),
    "&&": overlaps,
    "<<": before,
    ">>": lambda a, b, of: before(b, a, of),
    "-|-": adjacent,
    "&<": not_right,
    "&>": not_left,
}


def union(a: Ranges, b: Ranges, of: DataType) -> Ranges:
    """a + b."""
    return merged([*a, *b], of)


def common(a: Ranges, b: Ranges, of: DataType) -> Ranges:
    """a * b."""
    found = []
    for x in a:
        for y in b:
            if _overlap(x, y, of):
                low = y if compare_lower(x, y, of) < 0 else x
                high = x if compare_upper(x, y, of) < 0 else y
                found.append(Range(low.lower, high.upper, low.lower_inc, high.upper_inc))
    return merged(found, of)


def without(a: Ranges, b: Ranges, of: DataType) -> Ranges:
    """a - b."""
    left = list(a)
    for cut in b:
        pieces = []
        for one in left:
            if not _overlap(one, cut, of):
                pieces.append(one)
                continue
            if cut.lower is not None and compare_lower(one, cut, of) < 0:
                pieces.append(Range(one.lower, cut.lower, one.lower_inc, not cut.lower_inc))
            if cut.upper is not None and compare_upper(one, cut, of) > 0:
                pieces.append(Range(cut.upper, one.upper, not cut.upper_inc, one.upper_inc))
        left = pieces
    return left


def around(a: Ranges, b: Ranges, of: DataType) -> Ranges:
    """range_merge(a, b): the smallest range over both."""
    if not a or not b:
        return a or b
    low = a[0] if compare_lower(a[0], b[0], of) <= 0 else b[0]
    high = a[-1] if compare_upper(a[-1], b[-1], of) >= 0 else b[-1]
    return [Range(low.lower, high.upper, low.lower_inc, high.upper_inc)]


MADE: dict[str, Callable[[Ranges, Ranges, DataType], Ranges]] = {
    "+": union,
    "*": common,
    "-": without,
    "range_merge": around,
}


def shown(named: Named, ranges: Ranges) -> str:
    """Ranges as the type prints them. Raises: DbError DATA_EXCEPTION if they are not one."""
    if is_multirange(named):
        return shown_multirange(ranges)
    if len(ranges) > 1:
        message = "the result would not be one contiguous range"
        raise DbError(ErrorKind.DATA_EXCEPTION, message)
    return str(ranges[0] if ranges else Range(empty=True))


FACTS: dict[str, Callable[[Ranges], bool]] = {
    "isempty": lambda a: not a,
    "lower_inc": lambda a: bool(a) and a[0].lower_inc,
    "upper_inc": lambda a: bool(a) and a[-1].upper_inc,
    "lower_inf": lambda a: bool(a) and a[0].lower is None,
    "upper_inf": lambda a: bool(a) and a[-1].upper is None,
}


def bound(which: str, ranges: Ranges) -> str | None:
    """lower() or upper(): None if there is none."""
    if not ranges:
        return None
    return ranges[0].lower if which == "lower" else ranges[-1].upper


def made(named: Named, lower: str | None, upper: str | None, marks: str) -> str:
    """int4range(lower, upper, '[)') and its kin."""
    if len(marks) != 2 or marks[0] not in "[(" or marks[1] not in ")]":
        message = "invalid range bound flags"
        hint = 'Valid values are "[]", "[)", "(]", and "()".'
        raise DbError(ErrorKind.SYNTAX, message, hint=hint)
    raw = Range(lower, upper, marks[0] == "[", marks[1] == "]")
    return str(read_range(named, str(raw)))


def element_of(named: Named) -> DataType:
    """What is in such ranges."""
    return subtype(named)
