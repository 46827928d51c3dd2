"""A kernel that reads OpenTSDB's points as agents spell them, without an object per point.

Called by opentsdb_points.py, twice for each body: first to count, then to fill arrays. It knows
objects with `metric`, `timestamp`, `value` and `tags`, numbers and texts without escapes; whatever
else JSON allows, and all that is wrong, is UNUSUAL and read by Python's own reader.
"""

from __future__ import annotations

from engine.jit import Bytes, Int64s, part
from server.encode.kernel import BOOL, INT, READ_BYTES, WRITE_INT64, kernel

UNUSUAL = -1
# Places in `counts`.
POINTS, TAGS, COUNTS = 0, 1, 2
_METRIC, _TIME, _VALUE, _TAGS = 1, 2, 4, 8
_SECONDS_MAX = 9_999_999_999  # larger timestamps are milliseconds
_DIGITS_MAX = 18
_TAGS_MAX = 64  # of one point: names are compared with each other

_QUOTE, _BACKSLASH, _COMMA, _COLON = 34, 92, 44, 58
_OPEN, _CLOSE, _ARRAY, _ARRAY_END = 123, 125, 91, 93
_ZERO, _NINE, _MINUS, _PLUS, _POINT = 48, 57, 45, 43, 46


@part
def _space(data: Bytes, at: int, end: int) -> int:
    """The place of what comes after white space."""
    while at < end and (data[at] == 32 or data[at] == 10 or data[at] == 13 or data[at] == 9):
        at += 1
    return at


@part
def _after(data: Bytes, at: int, end: int, wanted: int) -> int:
    """The place after one character and white space around it, or UNUSUAL."""
    at = _space(data, at, end)
    if at >= end or data[at] != wanted:
        return UNUSUAL
    return _space(data, at + 1, end)


@part
def _text(data: Bytes, at: int, end: int) -> int:
    """The place of the quote that ends the text which begins here, or UNUSUAL."""
    if at >= end or data[at] != _QUOTE:
        return UNUSUAL
    at += 1
    while at < end and data[at] != _QUOTE:
        if data[at] == _BACKSLASH or data[at] < 32:
            return UNUSUAL
        at += 1
    return at if at < end else UNUSUAL


@part
def _digits(data: Bytes, at: int, end: int) -> int:
    """The place after one digit or more, or UNUSUAL."""
    start = at
    while at < end and _ZERO <= data[at] <= _NINE:
        at += 1
    return at if at > start else UNUSUAL


@part
def _number(data: Bytes, at: int, end: int) -> int:
    """The place after a number as JSON spells it, or UNUSUAL."""
    if at < end and data[at] == _MINUS:
        at += 1
    start = at
    at = _digits(data, at, end)
    if at < 0 or (data[start] == _ZERO and at - start > 1):
        return UNUSUAL
    if at < end and data[at] == _POINT:
        at = _digits(data, at + 1, end)
    if 0 <= at < end and (data[at] == 69 or data[at] == 101):
        at += 1
        if at < end and (data[at] == _PLUS or data[at] == _MINUS):
            at += 1
        at = _digits(data, at, end)
    return at


@part
def _is(data: Bytes, start: int, stop: int, other: int, other_stop: int) -> bool:
    same = stop - start == other_stop - other
    k = 0
    while same and k < stop - start:
        same = data[start + k] == data[other + k]
        k += 1
    return same


@part
def _field(data: Bytes, start: int, stop: int) -> int:
    """Which of the four a key is, 0 for others."""
    size = stop - start
    if size == 4 and data[start] == 116 and data[start + 1] == 97 and data[start + 2] == 103:
        return _TAGS if data[start + 3] == 115 else 0
    word = b"metric" if size == 6 else (b"value" if size == 5 else b"timestamp")
    if size != len(word):
        return 0
    for k in range(size):
        if data[start + k] != word[k]:
            return 0
    return _METRIC if size == 6 else (_VALUE if size == 5 else _TIME)


@part
def _tags(
    data: Bytes, at: int, end: int, fill: bool, counts: Int64s, owners: Int64s, tags: Int64s
) -> int:
    """Reads an object of texts; the place after it, or UNUSUAL."""
    at = _after(data, at, end, _OPEN)
    if at < 0 or at >= end:
        return UNUSUAL
    if data[at] == _CLOSE:
        return at + 1
    first = counts[TAGS]
    while True:
        name_end = _text(data, at, end)
        if name_end < 0 or name_end == at + 1 or counts[TAGS] - first >= _TAGS_MAX:
            return UNUSUAL
        value = _after(data, name_end + 1, end, _COLON)
        value_end = UNUSUAL if value < 0 else _text(data, value, end)
        if value_end < 0 or value_end == value + 1:
            return UNUSUAL
        if fill:
            k = counts[TAGS]
            owners[k] = counts[POINTS]
            tags[4 * k] = at + 1
            tags[4 * k + 1] = name_end
            tags[4 * k + 2] = value + 1
            tags[4 * k + 3] = value_end
            for other in range(first, k):
                if _is(data, at + 1, name_end, tags[4 * other], tags[4 * other + 1]):
                    return UNUSUAL
        counts[TAGS] += 1
        at = _space(data, value_end + 1, end)
        if at < end and data[at] == _CLOSE:
            return at + 1
        at = _after(data, at, end, _COMMA)
        if at < 0:
            return UNUSUAL


@part
def _time(data: Bytes, at: int, end: int, fill: bool, place: int, times: Int64s) -> int:
    stop = _digits(data, at, end)
    if stop < 0 or stop - at > _DIGITS_MAX or (data[at] == _ZERO and stop - at > 1):
        return UNUSUAL
    if fill:
        time = 0
        for k in range(at, stop):
            time = time * 10 + (data[k] - _ZERO)
        times[place] = time * 1000 if time <= _SECONDS_MAX else time
    return stop


@part
def _member(
    data: Bytes, field: int, at: int, end: int, fill: bool, counts: Int64s, metrics: Int64s,
    times: Int64s, values: Int64s, owners: Int64s, tags: Int64s,
) -> int:  # fmt: skip
    """Reads the value of one field of a point; the place after it, or UNUSUAL."""
    place = counts[POINTS]
    if field == _TIME:
        return _time(data, at, end, fill, place, times)
    if field == _TAGS:
        return _tags(data, at, end, fill, counts, owners, tags)
    if field == _VALUE:
        stop = _number(data, at, end)
        if fill and stop >= 0:
            values[2 * place] = at
            values[2 * place + 1] = stop
        return stop
    stop = _text(data, at, end)
    if stop <= at + 1:
        return UNUSUAL
    if fill:
        metrics[2 * place] = at + 1
        metrics[2 * place + 1] = stop
    return stop + 1


@part
def _point(
    data: Bytes, at: int, end: int, fill: bool, counts: Int64s, metrics: Int64s, times: Int64s,
    values: Int64s, owners: Int64s, tags: Int64s,
) -> int:  # fmt: skip
    """Reads an object; the place after it, or UNUSUAL."""
    seen = 0
    at = _after(data, at, end, _OPEN)
    while at >= 0:
        stop = _text(data, at, end)
        field = 0 if stop < 0 else _field(data, at + 1, stop)
        if field == 0 or seen & field:
            return UNUSUAL
        seen |= field
        at = _after(data, stop + 1, end, _COLON)
        if at < 0:
            return UNUSUAL
        at = _member(data, field, at, end, fill, counts, metrics, times, values, owners, tags)
        if at < 0:
            return UNUSUAL
        at = _space(data, at, end)
        if at < end and data[at] == _CLOSE:
            if seen & 7 != 7:
                return UNUSUAL
            counts[POINTS] += 1
            return at + 1
        at = _after(data, at, end, _COMMA)
    return UNUSUAL


@kernel(
    INT(
        READ_BYTES, BOOL, WRITE_INT64, WRITE_INT64, WRITE_INT64, WRITE_INT64, WRITE_INT64,
        WRITE_INT64,
    )
)  # fmt: skip
def read_points(
    data: Bytes,
    fill: bool,
    counts: Int64s,
    metrics: Int64s,
    times: Int64s,
    values: Int64s,
    owners: Int64s,
    tags: Int64s,
) -> int:
    """Reads a point or an array of points; without `fill` only counts.

    Args:
        counts: zero before.
        metrics, values: per point, start and end of its metric's name and of its number.
        times: per point, milliseconds.
        owners: per tag, the number of its point.
        tags: per tag, start and end of its name and of its value.

    Returns: 0, or UNUSUAL.
    """
    end = data.size
    at = _space(data, 0, end)
    many = at < end and data[at] == _ARRAY
    if many:
        at += 1
    while True:
        at = _point(data, at, end, fill, counts, metrics, times, values, owners, tags)
        if at < 0:
            return UNUSUAL
        at = _space(data, at, end)
        if not many or at >= end or data[at] != _COMMA:
            break
        at += 1
    if many:
        if at >= end or data[at] != _ARRAY_END:
            return UNUSUAL
        at = _space(data, at + 1, end)
    return 0 if at == end else UNUSUAL
