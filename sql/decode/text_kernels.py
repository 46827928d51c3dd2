"""Kernels for text with an inner form: UUID, bytea and JSON.

They return -1 or the first bad row.
"""

from __future__ import annotations

import numpy as np

from sql.decode.jit import (
    BYTES,
    INT,
    OFFSETS,
    OUT_BYTES,
    OUT_INT32,
    Bytes,
    Int32s,
    kernel,
    part,
)
from sql.decode.kernels import KIND, NULL, hex_value, is_digit, skip_digits
from sql.decode.number_kernels import trim

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
MAX_DEPTH = 1000  # of nested JSON

# What a JSON reader expects next.
JSON_VALUE, _VALUE_OR_END, _KEY, _KEY_OR_END, JSON_AFTER, JSON_BAD = 0, 1, 2, 3, 4, 5


@part
def _uuid(data: Bytes, i: int, end: int, out: Bytes, at: int) -> bool:
    """Writes 36 bytes of canonical UUID; False if the slice is none."""
    i, end = trim(data, i, end)
    if end - i >= 2 and data[i] == 123 and data[end - 1] == 125:
        i, end = i + 1, end - 1
    nibbles = 0
    while i < end:
        byte = data[i]
        i += 1
        if byte == 45 and nibbles > 0 and nibbles % 4 == 0 and i < end and data[i] != 45:
            continue
        if hex_value(byte) < 0 or nibbles >= 32:
            return False
        if nibbles == 8 or nibbles == 12 or nibbles == 16 or nibbles == 20:
            out[at] = 45
            at += 1
        out[at] = _HEX[hex_value(byte)]
        at += 1
        nibbles += 1
    return nibbles == 32


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, OUT_BYTES, OUT_INT32)
def parse_uuids(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
    out: Bytes,
    offsets: Int32s,
) -> int:
    """UUIDs in lower case with hyphens. Requires: `out` holds 36 bytes for each row."""
    at = 0
    offsets[0] = 0
    for row in range(count):
        cell = first + row * step
        if kinds[cell] & KIND != NULL:
            if not _uuid(data, starts[cell], ends[cell], out, at):
                return row
            at += 36
        offsets[row + 1] = at
    return -1


@part
def _hex_bytes(data: Bytes, i: int, end: int, out: Bytes, at: int) -> int:
    """Pairs of hexadecimal digits; white space may stand between pairs. New end or -1."""
    while i < end:
        if data[i] == 32 or 9 <= data[i] <= 13:
            i += 1
            continue
        if i + 1 >= end or hex_value(data[i]) < 0 or hex_value(data[i + 1]) < 0:
            return -1
        out[at] = hex_value(data[i]) * 16 + hex_value(data[i + 1])
        at += 1
        i += 2
    return at


@part
def _escaped_bytes(data: Bytes, i: int, end: int, out: Bytes, at: int) -> int:
    """PostgreSQL's bytea escape format: `\\\\` and `\\ooo`. New end or -1."""
    while i < end:
        byte = data[i]
        i += 1
        if byte == 92:
            if i < end and data[i] == 92:
                i += 1
            elif i + 2 < end and 48 <= data[i] <= 51:
                if not 48 <= data[i + 1] <= 55 or not 48 <= data[i + 2] <= 55:
                    return -1
                byte = (data[i] - 48) * 64 + (data[i + 1] - 48) * 8 + (data[i + 2] - 48)
                i += 3
            else:
                return -1
        out[at] = byte
        at += 1
    return at


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT, OUT_BYTES, OUT_INT32)
def parse_bytea(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
    out: Bytes,
    offsets: Int32s,
) -> int:
    """Binary strings in hex or escape format. Requires: `out` holds total_length bytes."""
    at = 0
    offsets[0] = 0
    for row in range(count):
        cell = first + row * step
        if kinds[cell] & KIND != NULL:
            i, end = starts[cell], ends[cell]
            if i + 1 < end and data[i] == 92 and data[i + 1] == 120:
                at = _hex_bytes(data, i + 2, end, out, at)
            else:
                at = _escaped_bytes(data, i, end, out, at)
            if at < 0:
                return row
        offsets[row + 1] = at
    return -1


@part
def json_space(data: Bytes, i: int, end: int) -> int:
    """The first index at or after `i` that is not JSON's white space."""
    while i < end and (data[i] == 32 or data[i] == 9 or data[i] == 10 or data[i] == 13):
        i += 1
    return i


@part
def json_string(data: Bytes, i: int, end: int) -> int:
    """The index after a string from its opening quote, or -1."""
    i += 1
    while i < end:
        byte = data[i]
        if byte == 34:
            return i + 1
        if byte < 32:
            return -1
        i += 1
        if byte == 92:
            if i >= end:
                return -1
            i = _json_escape(data, i, end)
            if i < 0:
                return -1
    return -1


@part
def _json_escape(data: Bytes, i: int, end: int) -> int:
    """The index after an escape from the byte behind its backslash, or -1."""
    byte = data[i]
    if byte == 117:
        if i + 4 >= end:
            return -1
        for j in range(i + 1, i + 5):
            if hex_value(data[j]) < 0:
                return -1
        return i + 5
    plain = byte == 34 or byte == 92 or byte == 47
    control = byte == 98 or byte == 102 or byte == 110 or byte == 114 or byte == 116
    return i + 1 if plain or control else -1


@part
def _json_number(data: Bytes, i: int, end: int) -> int:
    """The index after a number, or -1."""
    if data[i] == 45:
        i += 1
    first = i
    i = skip_digits(data, i, end)
    if i == first or (data[first] == 48 and i - first > 1):
        return -1
    if i < end and data[i] == 46:
        first = i + 1
        i = skip_digits(data, first, end)
        if i == first:
            return -1
    if i < end and (data[i] | 32) == 101:
        i += 1
        if i < end and (data[i] == 43 or data[i] == 45):
            i += 1
        first = i
        i = skip_digits(data, first, end)
        if i == first:
            return -1
    return i


_JSON_NULL = np.frombuffer(b"null", np.uint8)
_JSON_TRUE = np.frombuffer(b"true", np.uint8)
_JSON_FALSE = np.frombuffer(b"false", np.uint8)


@part
def _json_word(data: Bytes, i: int, end: int, word: Bytes) -> int:
    """The index after the exact word, or -1."""
    if i + len(word) > end:
        return -1
    for j in range(len(word)):
        if data[i + j] != word[j]:
            return -1
    return i + len(word)


@part
def _json_scalar(data: Bytes, i: int, end: int) -> int:
    """The index after a string, number or word, or -1."""
    byte = data[i]
    if byte == 34:
        return json_string(data, i, end)
    if byte == 45 or is_digit(byte):
        return _json_number(data, i, end)
    if byte == 110:
        return _json_word(data, i, end, _JSON_NULL)
    if byte == 116:
        return _json_word(data, i, end, _JSON_TRUE)
    return _json_word(data, i, end, _JSON_FALSE)


@part
def _json_key(data: Bytes, i: int, end: int) -> int:
    """The index after `"key" :`, or -1."""
    if data[i] != 34:
        return -1
    i = json_string(data, i, end)
    if i < 0:
        return -1
    i = json_space(data, i, end)
    return i + 1 if i < end and data[i] == 58 else -1


@part
def json_step(
    data: Bytes, i: int, end: int, expect: int, stack: Bytes, depth: int
) -> tuple[int, int, int]:
    """Reads one token that is not white space: (next, what is expected, depth)."""
    byte = data[i]
    closes = expect in (_VALUE_OR_END, _KEY_OR_END, JSON_AFTER)
    if closes and depth > 0 and byte == stack[depth - 1]:
        return i + 1, JSON_AFTER, depth - 1
    if expect == JSON_AFTER:
        if depth == 0 or byte != 44:
            return i, JSON_BAD, depth
        return i + 1, (_KEY if stack[depth - 1] == 125 else JSON_VALUE), depth
    if expect in (_KEY, _KEY_OR_END):
        i = _json_key(data, i, end)
        return i, (JSON_VALUE if i >= 0 else JSON_BAD), depth
    if byte == 123 or byte == 91:
        if depth >= MAX_DEPTH:
            return i, JSON_BAD, depth
        stack[depth] = byte + 2
        return i + 1, (_KEY_OR_END if byte == 123 else _VALUE_OR_END), depth + 1
    i = _json_scalar(data, i, end)
    return i, (JSON_AFTER if i >= 0 else JSON_BAD), depth


@part
def _is_json(data: Bytes, i: int, end: int, stack: Bytes) -> bool:
    """True if the slice is one JSON value (RFC 8259)."""
    expect, depth = JSON_VALUE, 0
    while True:
        i = json_space(data, i, end)
        if i >= end:
            return expect == JSON_AFTER and depth == 0
        i, expect, depth = json_step(data, i, end, expect, stack, depth)
        if expect == JSON_BAD:
            return False


@kernel(BYTES, OFFSETS, OFFSETS, BYTES, INT, INT, INT)
def check_json(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    kinds: Bytes,
    first: int,
    step: int,
    count: int,
) -> int:
    """Checks that every cell is JSON. Returns -1 or the first row that is not."""
    stack = np.empty(MAX_DEPTH, np.uint8)
    for row in range(count):
        cell = first + row * step
        if kinds[cell] & KIND != NULL and not _is_json(data, starts[cell], ends[cell], stack):
            return row
    return -1
