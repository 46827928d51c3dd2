"""`numeric` in PostgreSQL's binary form, with as many digits after the point as were written.

Groups of four digits, highest first: https://doxygen.postgresql.org/numeric_8c_source.html
"""

from __future__ import annotations

import struct
from decimal import Decimal

_SPECIAL = {"NaN": 0xC000, "Infinity": 0xD000, "-Infinity": 0xF000}
_WORDS = {code: word for word, code in _SPECIAL.items()}
_GROUPS_MAX = 250  # cheap to refuse, and far beyond what a bound is


def pack_numeric(text: str) -> bytes:
    """Requires: the text is as `plain_text` gives it."""
    if text in _SPECIAL:
        return struct.pack("!hhHH", 0, 0, _SPECIAL[text], 0)
    whole, _, part = text.removeprefix("-").partition(".")
    digits = whole.zfill(-(-len(whole) // 4) * 4) + part.ljust(-(-len(part) // 4) * 4, "0")
    groups = [int(digits[at : at + 4]) for at in range(0, len(digits), 4)]
    weight = -(-len(whole) // 4) - 1
    while groups and groups[0] == 0:
        groups.pop(0)
        weight -= 1
    while groups and groups[-1] == 0:
        groups.pop()
    sign = 0x4000 if text.startswith("-") and groups else 0
    head = struct.pack("!hhHH", len(groups), weight if groups else 0, sign, len(part))
    return head + struct.pack(f"!{len(groups)}h", *groups)


def unpack_numeric(data: bytes) -> str:
    """Raises: ValueError or struct.error when the bytes do not fit."""
    count, weight, sign, scale = struct.unpack_from("!hhHH", data)
    if sign in _WORDS:
        return _WORDS[sign]
    groups = struct.unpack(f"!{count}h", data[8:])
    if sign not in (0, 0x4000) or any(not 0 <= group < 10_000 for group in groups):
        raise ValueError(data)
    if count > _GROUPS_MAX or abs(weight) > _GROUPS_MAX or scale > 4 * _GROUPS_MAX:
        raise ValueError(data)
    number = int("".join(f"{group:04}" for group in groups) or "0")
    value = Decimal(f"{'-' if sign else ''}{number}E{4 * (weight - count + 1)}")
    return f"{value:.{scale}f}"
