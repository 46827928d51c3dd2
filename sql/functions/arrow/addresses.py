"""IP addresses as text, numbers and networks."""

from __future__ import annotations

import ipaddress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.errors import DbError, ErrorKind
from sql.functions.arrow.columns import numbers, spread, valid

_Array = np.ndarray[Any, Any]
_V4 = r"^(?P<a>\d{1,3})(?:\.(?P<b>\d{1,3}))?(?:\.(?P<c>\d{1,3}))?(?:\.(?P<d>\d{1,3}))?$"


def _error(kind: str, text: object) -> DbError:
    return DbError(ErrorKind.INVALID_ARGUMENT, f"{text!r} is no {kind}")


# --- IPv4 -----------------------------------------------------------------------------------------


def _v4(texts: pa.Array, *, partial: bool = False) -> tuple[_Array, _Array, _Array]:
    """(numbers, how many parts were given, which are addresses); no NULLs in the texts."""
    parts = pc.extract_regex(texts, _V4)
    shaped = np.asarray(pc.is_valid(parts))
    total = np.zeros(len(texts), dtype=np.int64)
    count = np.zeros(len(texts), dtype=np.int64)
    good = shaped.copy()
    for name in "abcd":
        part = pc.struct_field(parts, name)
        given = np.asarray(pc.fill_null(pc.not_equal(part, ""), False))
        number = pc.cast(pc.if_else(pa.array(given), part, "0"), pa.int64())
        value = np.asarray(pc.fill_null(number, 0))
        good &= value <= 255
        total = total * 256 + value
        count += given
    if not partial:
        good &= count == 4
    return total, count, good


def _v4_or_raise(texts: pa.Array) -> _Array:
    total, _, good = _v4(texts)
    if not good.all():
        raise _error("IPv4 address", texts[int(np.argmin(good))].as_py())
    return total


def _kept(texts: pa.Array, rows: _Array) -> pa.Array:
    return texts.filter(pa.array(rows)).cast(pa.string())


def ipv4_number(texts: pa.Array) -> pa.Array:
    """The number of each address. Raises: DbError INVALID_ARGUMENT."""
    rows = valid(texts)
    return spread(_v4_or_raise(_kept(texts, rows)), rows, pa.uint32())


def ipv4_or_null(texts: pa.Array) -> pa.Array:
    """The number of each address, NULL of other text."""
    rows = valid(texts)
    total, _, good = _v4(_kept(texts, rows))
    return spread(pa.array(total, pa.int64(), mask=~good), rows, pa.int64())


def _v4_text(values: _Array) -> pa.Array:
    parts = [pa.array((values >> shift) & 255).cast(pa.string()) for shift in (24, 16, 8, 0)]
    return pc.binary_join_element_wise(*parts, ".")


def _cidr(network: pa.Array, length: _Array) -> pa.Array:
    return pc.binary_join_element_wise(network, pa.array(length).cast(pa.string()), "/")


def _mask(length: _Array) -> _Array:
    return (np.int64(0xFFFFFFFF) << (32 - length)) & np.int64(0xFFFFFFFF)


def ipv4_network(texts: pa.Array, length: pa.Array) -> pa.Array:
    """The network of each address with a prefix of this length."""
    rows = valid(texts, length)
    kept, size = _kept(texts, rows), numbers(length, rows).astype(np.int64)
    total, _, good = _v4(kept, partial=True)
    if not good.all():
        raise _error("IPv4 address", kept[int(np.argmin(good))].as_py())
    if np.any(size > 32):
        raise _error("length of an IPv4 prefix", int(size.max()))
    return spread(_cidr(_v4_text(total & _mask(size)), size), rows, pa.string())


def ipv4_guess(texts: pa.Array) -> pa.Array:
    """The network whose missing or trailing zero parts are the hosts'."""
    rows = valid(texts)
    kept = _kept(texts, rows)
    total, count, good = _v4(kept, partial=True)
    if not good.all():
        raise _error("IPv4 address", kept[int(np.argmin(good))].as_py())
    # The parts stand at the front of the number only if all four were given.
    zeros = np.select(
        [total & 0xFFFFFF == 0, total & 0xFFFF == 0, total & 0xFF == 0], [8, 16, 24], 32
    )
    size = np.where(count < 4, count * 8, zeros)
    return spread(_cidr(_v4_text(total), size), rows, pa.string())


def ipv4_in_range(texts: pa.Array, ranges: pa.Array) -> pa.Array:
    """True where the address is in the network `a.b.c.d/n`."""
    rows = valid(texts, ranges)
    total = _v4_or_raise(_kept(texts, rows))
    pieces = _kept(ranges, rows).dictionary_encode()
    starts, masks = [], []
    for text in pieces.dictionary.to_pylist():
        try:
            network = ipaddress.IPv4Network(text, strict=False)
        except ValueError as error:
            raise _error("IPv4 network", text) from error
        starts.append(int(network.network_address))
        masks.append(int(network.netmask))
    at = np.asarray(pieces.indices, dtype=np.int64)
    inside = (total & np.array(masks, np.int64)[at]) == np.array(starts, np.int64)[at]
    return spread(inside, rows, pa.bool_())


# --- IPv6: equal texts are read once --------------------------------------------------------------


def _v6(text: str) -> bytes:
    try:
        if ":" not in text:
            return b"\0" * 10 + b"\xff\xff" + ipaddress.IPv4Address(text).packed
        return ipaddress.IPv6Address(text).packed
    except ValueError as error:
        raise _error("IPv6 address", text) from error


def _by_text(texts: pa.Array, make: Any, kind: pa.DataType) -> pa.Array:
    coded = texts.dictionary_encode()
    made = pa.array([make(text) for text in coded.dictionary.to_pylist()], kind)
    return made.take(coded.indices)


def ipv6_bytes(texts: pa.Array) -> pa.Array:
    """The 16 bytes of each address; of an IPv4 one, as it is mapped."""
    rows = valid(texts)
    return spread(_by_text(_kept(texts, rows), _v6, pa.binary()), rows, pa.binary())


def ipv6_or_null(texts: pa.Array) -> pa.Array:
    """The 16 bytes of each address, NULL of other text."""

    def read(text: str) -> bytes | None:
        try:
            return ipaddress.IPv6Address(text).packed
        except ValueError:
            return None

    rows = valid(texts)
    return spread(_by_text(_kept(texts, rows), read, pa.binary()), rows, pa.binary())


def ipv6_text(data: pa.Array) -> pa.Array:
    """The address of 16 bytes in its shortest form; mapped IPv4 addresses end in dots."""

    def show(packed: bytes) -> str:
        if len(packed) != 16:
            raise _error("IPv6 address", packed)
        address = ipaddress.IPv6Address(packed)
        mapped = address.ipv4_mapped
        return f"::ffff:{mapped}" if mapped is not None else str(address)

    rows = valid(data)
    kept = data.filter(pa.array(rows)).cast(pa.binary())
    return spread(_by_text(kept, show, pa.string()), rows, pa.string())


def ipv6_network(texts: pa.Array, length: pa.Array) -> pa.Array:
    """The network of each address with a prefix of this length."""
    rows = valid(texts, length)
    size = pa.array(numbers(length, rows).astype(np.int64)).cast(pa.string())
    pairs = pc.binary_join_element_wise(_kept(texts, rows), size, "/")
    return spread(_by_text(pairs, _v6_network, pa.string()), rows, pa.string())


def _v6_network(pair: str) -> str:
    try:
        return str(ipaddress.IPv6Network(pair, strict=False))
    except ValueError as error:
        raise _error("IPv6 network", pair) from error


def ipv6_guess(texts: pa.Array) -> pa.Array:
    """The network whose trailing zero groups are the hosts'."""

    def guess(text: str) -> str:
        packed = _v6(text)
        groups = [packed[at : at + 2] for at in range(0, 16, 2)]
        used = max((at + 1 for at, group in enumerate(groups) if group != b"\0\0"), default=0)
        return _v6_network(f"{ipaddress.IPv6Address(packed)}/{used * 16}")

    rows = valid(texts)
    return spread(_by_text(_kept(texts, rows), guess, pa.string()), rows, pa.string())


def ipv6_in_range(texts: pa.Array, ranges: pa.Array) -> pa.Array:
    """True where the address is in the network."""

    def inside(pair: str) -> bool:
        address, _, network = pair.partition(" ")
        try:
            return ipaddress.IPv6Address(address) in ipaddress.IPv6Network(network, strict=False)
        except ValueError as error:
            raise _error("IPv6 address and network", pair) from error

    rows = valid(texts, ranges)
    pairs = pc.binary_join_element_wise(_kept(texts, rows), _kept(ranges, rows), " ")
    return spread(_by_text(pairs, inside, pa.bool_()), rows, pa.bool_())
