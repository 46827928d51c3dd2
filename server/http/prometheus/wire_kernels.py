"""Pieces of kernels that read protobuf: numbers, lengths, samples, and what is stepped over.

Compiled into the kernels of remote write. Positions are never negative, errors are: whoever calls
passes them on. Every kernel has its own loop over fields: pieces that took the loop's beginning, or
a message's, cost a request of unknown series a fifth to a half of its time.
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import numpy as np
from numba import types as nt

from engine.jit import Bytes, UInt64s, part
from engine.words import load_word

WRITE_UINT64 = nt.uint64[::1]

# Errors, below every position.
BAD_VARINT, CUT_OFF, BAD_WIRE_TYPE, BAD_FIELD, BAD_SYMBOL = -1, -2, -3, -4, -5
# Wire types.
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
# What is said of an error to the sender.
WORDS = {
    BAD_VARINT: "a number is longer than ten bytes",
    CUT_OFF: "it ends in the middle of a value",
    BAD_WIRE_TYPE: "it has a value of an unknown kind",
    BAD_FIELD: "a field has a value of the wrong kind",
    BAD_SYMBOL: "it refers to a symbol that it does not have",
}


@part
def varint(data: Bytes, at: int, end: int, out: UInt64s) -> int:
    """Reads a varint into out[0]; returns the place after it, or an error."""
    if at < end and data[at] < 128:
        out[0] = data[at]
        return at + 1
    value = np.uint64(0)
    shift = np.uint64(0)
    for _ in range(10):
        if at >= end:
            return CUT_OFF
        byte = data[at]
        at += 1
        value |= np.uint64(byte & 127) << shift
        if byte < 128:
            out[0] = value
            return at
        shift += np.uint64(7)
    return BAD_VARINT


@part
def length(data: Bytes, at: int, end: int, out: UInt64s) -> int:
    """Reads a length into out[0] and checks that so many bytes follow."""
    at = varint(data, at, end, out)
    if at >= 0 and out[0] > np.uint64(end - at):
        return CUT_OFF
    return at


@part
def fixed64(data: Bytes, at: int, end: int, out: UInt64s) -> int:
    """Reads eight bytes into out[0]; returns the place after them, or an error."""
    if at < 0 or end - at < 8 or end > data.size:
        return CUT_OFF
    out[0] = load_word(data, at)
    return at + 8


@part
def skip(data: Bytes, at: int, end: int, wire: int, out: UInt64s) -> int:
    """Steps over the value of a field nobody asks for."""
    if wire == VARINT:
        return varint(data, at, end, out)
    if wire == FIXED64:
        return at + 8 if end - at >= 8 else CUT_OFF
    if wire == LENGTH:
        at = length(data, at, end, out)
        return at if at < 0 else at + int(out[0])
    if wire == FIXED32:
        return at + 4 if end - at >= 4 else CUT_OFF
    return BAD_WIRE_TYPE


@part
def sample(data: Bytes, at: int, end: int, found: UInt64s, out: UInt64s) -> int:
    """Reads a Sample into found: the bits of its value and of its time."""
    found[0] = found[1] = np.uint64(0)
    while at < end:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if field == 1:
            if wire != FIXED64:
                return BAD_FIELD
            at = fixed64(data, at, end, out)
            found[0] = out[0]
        elif field == 2:
            if wire != VARINT:
                return BAD_FIELD
            at = varint(data, at, end, out)
            found[1] = out[0]
        else:
            at = skip(data, at, end, wire, out)
        if at < 0:
            return at
    return at


@part
def histogram(data: Bytes, at: int, end: int, found: UInt64s, out: UInt64s) -> int:
    """Steps over a Histogram; found[0] takes the bits of its time."""
    found[0] = np.uint64(0)
    while at < end:
        at = varint(data, at, end, out)
        if at < 0:
            return at
        field = int(out[0] >> np.uint64(3))
        wire = int(out[0] & np.uint64(7))
        if field == 15:
            if wire != VARINT:
                return BAD_FIELD
            at = varint(data, at, end, out)
            found[0] = out[0]
        else:
            at = skip(data, at, end, wire, out)
        if at < 0:
            return at
    return at
