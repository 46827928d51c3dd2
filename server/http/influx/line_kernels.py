"""Kernels that take line protocol apart: which bytes are whose name, tag, field and time.

Called by lines.py. A line that is malformed is reported and leaves nothing; the next one is read as
if it had not been there. Numbers are checked for syntax and range here and converted elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types as nt

from engine.jit import Bytes, Int32s, Int64s, loop_part, part
from server.encode.kernel import (
    INT,
    READ_BYTES,
    WRITE_BYTES,
    WRITE_INT32,
    WRITE_INT64,
    array_kernel,
    kernel,
)
from server.http.influx.line_values import (
    BACKSLASH,
    BAD_TAG,
    BAD_VALUE,
    COMMA,
    CONFLICT,
    EQUALS,
    ESCAPED,
    HASH,
    KIND,
    NO_FIELD_KEY,
    NO_FIELD_VALUE,
    NO_FIELDS,
    NO_MEASUREMENT,
    NO_TAG_KEY,
    NO_TAG_VALUE,
    QUOTE,
    SPACE,
    TAG,
    TEXT,
    TOO_MANY,
    TWICE,
    line_ends,
    name,
    skip_line,
    spaces,
    time_of,
    value_of,
)

READ_INT32S = nt.Array(nt.int32, 1, "C", readonly=True)

# Places in `state`.
PAIRS, LINES, COLUMNS, MEASURES, ERRORS, TRIES, KEY_START, KEY_END, LAST = range(9)
STATE_SIZE = 9

# Numbers per entry of the arrays that `scan` fills.
PAIR, LINE, COLUMN, MEASURE, ERROR = 4, 2, 6, 3, 4

_FACTOR: Any = np.uint64(0xBF58476D1CE4E5B9)
_SEED: Any = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Any = np.uint64(29)
_TWO: Any = np.uint64(2)


@part
def _hash(data: Bytes, start: int, end: int, seed: int) -> int:
    value = np.uint64(seed) ^ _SEED
    for at in range(start, end):
        value = (value ^ np.uint64(data[at])) * _FACTOR
        value ^= value >> _SHIFT
    return int(value >> _TWO)


@loop_part
def _same(data: Bytes, start: int, end: int, other: int, other_end: int) -> bool:
    if end - start != other_end - other or min(start, other) < 0:
        return False
    if end > data.size or other_end > data.size:
        return False
    for k in range(end - start):  # noqa: SIM110 (kernels have no generators)
        if data[start + k] != data[other + k]:
            return False
    return True


@part
def _measure(
    data: Bytes, start: int, end: int, seed: int, measures: Int32s, slots: Int32s, state: Int64s
) -> int:
    """The number of the measurement of that name."""
    mask = slots.size - 1
    slot = _hash(data, start, end, seed) & mask
    while slots[slot] > 0:
        k = int(slots[slot]) - 1
        if _same(data, start, end, measures[MEASURE * k], measures[MEASURE * k + 1]):
            return k
        slot = (slot + 1) & mask
    k = int(state[MEASURES])
    if (k + 1) * 2 > slots.size:
        return TOO_MANY
    slots[slot] = k + 1
    measures[MEASURE * k] = start
    measures[MEASURE * k + 1] = end
    measures[MEASURE * k + 2] = 0
    state[MEASURES] += 1
    return k


@part
def _column(
    data: Bytes,
    measure: int,
    start: int,
    end: int,
    seed: int,
    columns: Int32s,
    slots: Int32s,
    state: Int64s,
) -> int:
    """The number of the column of that name in that measurement."""
    mask = slots.size - 1
    slot = _hash(data, start, end, seed + measure * 0x2545F491) & mask
    while slots[slot] > 0:
        k = int(slots[slot]) - 1
        if columns[COLUMN * k] == measure and _same(
            data, start, end, columns[COLUMN * k + 1], columns[COLUMN * k + 2]
        ):
            return k
        slot = (slot + 1) & mask
    k = int(state[COLUMNS])
    if (k + 1) * 2 > slots.size:
        return TOO_MANY
    slots[slot] = k + 1
    columns[COLUMN * k] = measure
    columns[COLUMN * k + 1] = start
    columns[COLUMN * k + 2] = end
    columns[COLUMN * k + 3] = 0
    columns[COLUMN * k + 4] = -1
    columns[COLUMN * k + 5] = 0
    state[COLUMNS] += 1
    return k


@part
def _add(
    kind: int,
    column: int,
    start: int,
    end: int,
    flag: int,
    columns: Int32s,
    pairs: Int32s,
    kinds: Bytes,
    state: Int64s,
) -> int:
    """Notes a value of the present line. Returns: 0, or TWICE, CONFLICT."""
    place = COLUMN * column
    if columns[place + 4] == state[TRIES]:
        return TWICE
    known = columns[place + 3]
    if known != 0 and known != kind:
        return CONFLICT
    columns[place + 4] = state[TRIES]
    k = state[PAIRS]
    pairs[PAIR * k] = column
    pairs[PAIR * k + 1] = state[LINES]
    pairs[PAIR * k + 2] = start
    pairs[PAIR * k + 3] = end
    kinds[k] = kind | flag
    state[PAIRS] += 1
    return 0


@part
def _guessed(data: Bytes, at: int, end: int, column: int, columns: Int32s) -> int:
    """The end of the key at `at` if it is that column's and an equals sign follows, else -1.

    Names never end in a backslash, so an equals sign after one ends it.
    """
    start = int(columns[COLUMN * column + 1])
    size = int(columns[COLUMN * column + 2]) - start
    stop = at + size
    if stop >= end or data[stop] != EQUALS or not _same(data, start, start + size, at, stop):
        return -1
    return stop


@part
def _key(
    data: Bytes,
    at: int,
    end: int,
    seed: int,
    measure: int,
    measures: Int32s,
    columns: Int32s,
    slots: Int32s,
    state: Int64s,
) -> tuple[int, int, int]:
    """Reads a key: (its end, its column or an error, 1 if an equals sign follows).

    The column is -1 for an empty key; no column is made where no equals sign follows.
    """
    start = at
    last = state[LAST]
    guess = int(measures[MEASURE * measure + 2] if last < 0 else columns[COLUMN * last + 5]) - 1
    if guess >= 0:
        at = _guessed(data, start, end, guess, columns)
        if at >= 0:
            state[KEY_START] = start
            state[KEY_END] = at
            state[LAST] = guess
            return at, guess, 1
        at = start
    at, _ = name(data, start, end, True)
    state[KEY_START] = start
    state[KEY_END] = at
    if at == start:
        return at, -1, 0
    if at >= end or data[at] != EQUALS:
        return at, 0, 0
    column = _column(data, measure, start, at, seed, columns, slots, state)
    if column >= 0:
        if last < 0:
            measures[MEASURE * measure + 2] = column + 1
        else:
            columns[COLUMN * last + 5] = column + 1
        state[LAST] = column
    return at, column, 1


@part
def _tags(
    data: Bytes,
    at: int,
    end: int,
    seed: int,
    measure: int,
    measures: Int32s,
    columns: Int32s,
    slots: Int32s,
    pairs: Int32s,
    kinds: Bytes,
    state: Int64s,
) -> int:
    """Reads `,key=value` as often as it comes; returns the place after, or an error."""
    while at < end and data[at] == COMMA:
        at, column, follows = _key(
            data, at + 1, end, seed, measure, measures, columns, slots, state
        )
        if follows == 0:
            return NO_TAG_KEY if column < 0 else NO_TAG_VALUE
        if column < 0:
            return column
        start = at + 1
        at, flag = name(data, start, end, True)
        if at == start:
            return NO_TAG_VALUE
        if at < end and data[at] == EQUALS:
            return BAD_TAG
        code = _add(TAG, column, start, at, flag, columns, pairs, kinds, state)
        if code < 0:
            return code
    return at


@part
def _fields(
    data: Bytes,
    at: int,
    end: int,
    seed: int,
    measure: int,
    measures: Int32s,
    columns: Int32s,
    slots: Int32s,
    pairs: Int32s,
    kinds: Bytes,
    state: Int64s,
    found: Int64s,
) -> int:
    """Reads `key=value` and more after commas; returns the place after, or an error."""
    at -= 1
    while True:
        at, column, follows = _key(
            data, at + 1, end, seed, measure, measures, columns, slots, state
        )
        if follows == 0:
            return NO_FIELD_KEY if column < 0 else NO_FIELD_VALUE
        if column < 0:
            return column
        at = value_of(data, at + 1, end, found)
        if at < 0:
            return at
        code = _add(found[2], column, found[0], found[1], found[3], columns, pairs, kinds, state)
        if code < 0:
            return code
        if at >= end or data[at] != COMMA:
            break
    if at < end and data[at] != SPACE and not line_ends(data, at, end):
        return BAD_VALUE
    return at


@part
def _line(
    data: Bytes,
    at: int,
    end: int,
    unit: int,
    now: int,
    seed: int,
    measures: Int32s,
    measure_slots: Int32s,
    columns: Int32s,
    slots: Int32s,
    pairs: Int32s,
    kinds: Bytes,
    state: Int64s,
    found: Int64s,
) -> int:
    """Reads a line into found[4], its measurement, and found[5], its time.

    Returns: the end of the line, or an error.
    """
    start = at
    at, _ = name(data, at, end, False)
    if at == start:
        return NO_MEASUREMENT
    measure = _measure(data, start, at, seed, measures, measure_slots, state)
    if measure < 0:
        return measure
    state[LAST] = -1
    at = _tags(data, at, end, seed, measure, measures, columns, slots, pairs, kinds, state)
    if at < 0:
        return at
    at = spaces(data, at, end)
    if line_ends(data, at, end):
        return NO_FIELDS
    at = _fields(data, at, end, seed, measure, measures, columns, slots, pairs, kinds, state, found)
    if at < 0:
        return at
    found[4] = measure
    return time_of(data, at, end, unit, now, found[5:])


@part
def _keep(
    start: int,
    pair: int,
    found: Int64s,
    columns: Int32s,
    pairs: Int32s,
    kinds: Bytes,
    lines: Int32s,
    times: Int64s,
    state: Int64s,
) -> None:
    """Counts a good line, whose values begin with number `pair`."""
    for k in range(pair, state[PAIRS]):
        columns[COLUMN * pairs[PAIR * k] + 3] = kinds[k] & KIND
    k = state[LINES]
    lines[LINE * k] = start
    lines[LINE * k + 1] = found[4]
    times[k] = found[5]
    state[LINES] += 1


@part
def _drop(code: int, start: int, pair: int, errors: Int32s, state: Int64s) -> None:
    """Reports a bad line and forgets its values."""
    state[PAIRS] = pair
    k = state[ERRORS]
    errors[ERROR * k] = code
    errors[ERROR * k + 1] = start
    errors[ERROR * k + 2] = state[KEY_START]
    errors[ERROR * k + 3] = state[KEY_END]
    state[ERRORS] += 1


@array_kernel(
    INT(
        READ_BYTES, INT, INT, INT, INT, WRITE_INT32, WRITE_INT32, WRITE_INT32, WRITE_INT32,
        WRITE_INT32, WRITE_BYTES, WRITE_INT32, WRITE_INT64, WRITE_INT32, WRITE_INT64,
    )
)  # fmt: skip
def scan(
    data: Bytes,
    at: int,
    unit: int,
    now: int,
    seed: int,
    measures: Int32s,
    measure_slots: Int32s,
    columns: Int32s,
    slots: Int32s,
    pairs: Int32s,
    kinds: Bytes,
    lines: Int32s,
    times: Int64s,
    errors: Int32s,
    state: Int64s,
) -> int:
    """Reads all lines from a place on, and adds them to those of other calls. Returns 0.

    Args:
        unit: nanoseconds per unit of the times, 0 to guess it from each.
        now: the time of lines without one, nanoseconds.
        measures: of each measurement the name's start and end, and one more than the column that
            came first in the last line; at most half as many as slots.
        measure_slots, slots: hash tables; 0 everywhere before, their sizes powers of two.
        columns: of each column its measurement, its name's start and end, its kind (0 when only
            bad lines have it), the line that used it last, and one more than the column that came
            next: lines of one agent have the same keys in the same order.
        pairs: of each value its column, line, start and end; room for every equals sign.
        kinds: of each value, with the flag ESCAPED.
        lines: of each good line where it starts, and its measurement; room for every newline.
        times: of each good line, nanoseconds.
        errors: of each bad line the code, its start, and start and end of the key in question.
        state: zero before the first call; counts of pairs, lines, columns, measurements and errors.
    """
    found = np.zeros(6, np.int64)
    end = data.size
    while at < end:
        start = spaces(data, at, end)
        at = start
        if at < end and data[at] != HASH and not line_ends(data, at, end):
            pair = state[PAIRS]
            state[TRIES] += 1
            state[KEY_START] = start
            state[KEY_END] = start
            found[1] = start
            at = _line(
                data, start, end, unit, now, seed, measures, measure_slots, columns, slots, pairs,
                kinds, state, found,
            )  # fmt: skip
            if at >= 0:
                _keep(start, pair, found, columns, pairs, kinds, lines, times, state)
            else:
                _drop(at, start, pair, errors, state)
                # Past every text that was closed: what was read as a name is read once.
                at = max(state[KEY_END], found[1])
        at = skip_line(data, at, end) + 1
    return 0


@kernel(INT(READ_BYTES, READ_INT32S, READ_INT32S, READ_BYTES, WRITE_BYTES, WRITE_INT32))
def gather(
    data: Bytes, starts: Int32s, ends: Int32s, kinds: Bytes, out: Bytes, offsets: Int32s
) -> int:
    """Copies texts one after another without their escapes; returns how many bytes they have.

    Kind 0 is empty. Requires: `out` has room for all bytes, `offsets` for one more than texts.
    """
    at = 0
    for k in range(starts.size):
        offsets[k] = at
        if kinds[k] == 0:
            continue
        escaped = kinds[k] & ESCAPED != 0
        quoted = kinds[k] & 63 == TEXT
        place = starts[k]
        end = ends[k]
        while place < end:
            byte = data[place]
            if escaped and byte == BACKSLASH and place + 1 < end:
                following = data[place + 1]
                if quoted:
                    special = following in (QUOTE, BACKSLASH)
                else:
                    special = following in (COMMA, SPACE, EQUALS)
                if special:
                    byte = following
                    place += 1
            out[at] = byte
            at += 1
            place += 1
    offsets[starts.size] = at
    return at
