"""A client's parameters become Python values, from text or binary.

Called by extended.py at Bind. Times that Python cannot hold (infinity, years before 1) stay text,
which the session casts. Every value that does not fit its type is a DbError that names it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from uuid import UUID

from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from server.postgres.encoded import in_utf8, is_utf8
from server.postgres.types import oids
from server.postgres.types.literals import read_array, read_interval
from sql.named.unpack import unpack

NamedOf = Callable[[int], DataType | None]  # by OID
_EPOCH_DATE = date(2000, 1, 1)
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - PostgreSQL's timestamp has no zone
_INFINITE = {(1 << 63) - 1: "infinity", -(1 << 63): "-infinity"}
_INFINITE_DATE = {(1 << 31) - 1: "infinity", -(1 << 31): "-infinity"}


def decode_parameters(
    raw: Sequence[bytes | None],
    formats: Sequence[int],
    types: Sequence[int],
    named: NamedOf = oids.from_oid,
) -> list[object]:
    """Python values for a Bind message.

    `formats` is empty (all text), one code for all, or one per parameter; `types` are OIDs.
    `named` tells which type has an OID that is not in this module's tables.
    Raises: DbError PROTOCOL for wrong counts, INVALID_TEXT, INVALID_BINARY, INVALID_ENCODING, …
    """
    if len(formats) not in (0, 1, len(raw)):
        raise DbError(
            ErrorKind.PROTOCOL,
            f"bind message has {len(formats)} parameter formats but {len(raw)} parameters",
        )
    values: list[object] = []
    for index, (data, oid) in enumerate(zip(raw, types, strict=True)):
        code = formats[index if len(formats) > 1 else 0] if formats else 0
        if data is None:
            values.append(None)
        elif code:
            values.append(_from_binary(data, oid, index + 1, named))
        else:
            values.append(from_text(_decoded(data), oid, named))
    return values


class Decoder:
    """The parameters of one prepared statement, time and again: as `decode_parameters`."""

    def __init__(
        self, formats: Sequence[int], types: Sequence[int], named: NamedOf = oids.from_oid
    ) -> None:
        # Constant after construction.
        self._formats, self._types, self._named = formats, types, named
        self._readers = _readers(formats, types, named)

    def suits(self, formats: Sequence[int], types: Sequence[int]) -> bool:
        """True if it is for parameters in these formats, of these types."""
        return self._formats == formats and self._types is types

    def values(self, raw: Sequence[bytes | None]) -> list[object]:
        """Python values. Raises: as `decode_parameters`."""
        if self._readers is not None:
            try:
                pairs = zip(self._readers, raw, strict=True)
                return [None if data is None else read(data) for read, data in pairs]
            except (struct.error, ValueError, IndexError):
                pass  # told below, with the parameter's number
        return decode_parameters(raw, self._formats, self._types, self._named)


def _readers(
    formats: Sequence[int], types: Sequence[int], named: NamedOf
) -> list[Callable[[bytes], object]] | None:
    """A function for each parameter; None if a count is wrong or one needs more than that."""
    if len(formats) not in (0, 1, len(types)):
        return None
    codes = formats if len(formats) == len(types) else [*formats, 0][:1] * len(types)
    found = [_reader(code, oid, named) for code, oid in zip(codes, types, strict=True)]
    known = [read for read in found if read is not None]
    return known if len(known) == len(found) else None


def _reader(code: int, oid: int, named: NamedOf) -> Callable[[bytes], object] | None:
    if oid in oids.ELEMENTS:
        return None
    if code:
        return _BINARY.get(oid)
    read = _TEXT.get(oid)
    if read is not None:
        return lambda data: read(_decoded(data))
    type_ = named(oid)
    return _decoded if type_ is None or type_.innermost.named is None else None


def texts_in_utf8(
    raw: Sequence[bytes | None], formats: Sequence[int], types: Sequence[int], encoding: str
) -> Sequence[bytes | None]:
    """The parameters with their texts in the server's encoding; arrays in binary stay as they are.

    Raises: DbError INVALID_ENCODING.
    """
    if is_utf8(encoding):
        return raw
    codes = formats if len(formats) > 1 else [formats[0] if formats else 0] * len(raw)
    return [
        in_utf8(data, encoding)
        if data is not None and (not code or _BINARY.get(oid) is _decoded)
        else data
        for data, code, oid in zip(raw, codes, types, strict=True)
    ]


def from_text(text: str, oid: int, named: NamedOf = oids.from_oid) -> object:
    """A value from its text. Raises: DbError INVALID_TEXT, OUT_OF_RANGE, INVALID_DATETIME."""
    element = oids.ELEMENTS.get(oid)
    if element is not None:
        return read_array(text, lambda item: from_text(item, element))
    reader = _TEXT.get(oid)
    if reader is not None:
        return reader(text)
    type_ = named(oid)  # their texts are read by the session
    if type_ is None or type_.innermost.named is None:
        return text
    return text if type_.element is None else read_array(text, str)


def _decoded(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise DbError(
            ErrorKind.INVALID_ENCODING,
            f'invalid byte sequence for encoding "UTF8": 0x{data[error.start]:02x}',
        ) from error
    if "\0" in text:
        raise DbError(ErrorKind.INVALID_ENCODING, "a text may not contain a zero byte")
    return text


def _invalid(kind: str, text: str) -> DbError:
    return DbError(ErrorKind.INVALID_TEXT, f'invalid input syntax for type {kind}: "{text}"')


_TRUE = frozenset({"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"})
_FALSE = frozenset({"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"})


def _bool(text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise _invalid("boolean", text)


def _integer(kind: str, bits: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        try:
            number = int(text) if "_" not in text and text.isascii() else None
        except ValueError:
            number = None
        if number is None:
            raise _invalid(kind, text)
        if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
            raise DbError(ErrorKind.OUT_OF_RANGE, f'value "{text}" is out of range for type {kind}')
        return number

    return read


def _float(text: str) -> float:
    try:
        if "_" in text:
            raise ValueError
        return float(text)
    except ValueError:
        raise _invalid("double precision", text) from None


def _numeric(text: str) -> Decimal:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        raise _invalid("numeric", text) from None


def _bytes(text: str) -> bytes:
    try:
        if text.startswith("\\x"):
            return bytes.fromhex(text[2:])
        return _unescaped(text)
    except ValueError:
        raise _invalid("bytea", text) from None


def _unescaped(text: str) -> bytes:
    out = bytearray()
    raw = text.encode()
    at = 0
    while at < len(raw):
        if raw[at] != 0x5C:
            out.append(raw[at])
            at += 1
        elif raw[at + 1 : at + 2] == b"\\":
            out.append(0x5C)
            at += 2
        else:
            octal = raw[at + 1 : at + 4]
            if len(octal) != 3:
                raise ValueError(text)
            out.append(int(octal, 8))
            at += 4
    return bytes(out)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text.strip())
    except ValueError:
        raise _invalid("uuid", text) from None


def _date(text: str) -> date | str:
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        return text  # infinity, BC, other spellings: the session casts


def _time(text: str) -> time | str:
    try:
        return time.fromisoformat(text.strip())
    except ValueError:
        return text


def _moment(text: str) -> datetime | str:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return text


def _record(value: object) -> object:
    del value
    raise DbError(ErrorKind.UNSUPPORTED, "input of anonymous composite types is not implemented")


def _plain_moment(text: str) -> datetime | str:
    """What an offset means there is the column's business."""
    found = _moment(text)
    return text if isinstance(found, datetime) and found.tzinfo is not None else found


_TEXT: dict[int, Callable[[str], object]] = {
    oids.RECORD: _record,
    oids.BOOL: _bool,
    oids.INT2: _integer("smallint", 16),
    oids.INT4: _integer("integer", 32),
    oids.INT8: _integer("bigint", 64),
    oids.OID: _integer("oid", 64),
    oids.XID: _integer("xid", 64),
    oids.FLOAT4: _float,
    oids.FLOAT8: _float,
    oids.NUMERIC: _numeric,
    oids.BYTEA: _bytes,
    oids.UUID: _uuid,
    oids.DATE: _date,
    oids.TIME: _time,
    oids.TIMESTAMP: _plain_moment,
    oids.TIMESTAMPTZ: _moment,
    oids.INTERVAL: read_interval,
}


def _from_binary(data: bytes, oid: int, number: int, named: NamedOf) -> object:
    try:
        return from_binary(data, oid, named)
    except (struct.error, ValueError, IndexError) as error:
        raise DbError(
            ErrorKind.INVALID_BINARY, f"incorrect binary data format in bind parameter {number}"
        ) from error


def from_binary(data: bytes, oid: int, named: NamedOf = oids.from_oid) -> object:
    """A value from its binary form.

    Raises: DbError, and ValueError, struct.error or IndexError when the bytes do not fit the type.
    """
    element = oids.ELEMENTS.get(oid)
    if element is not None:
        return _array_binary(data, element, named)
    reader = _BINARY.get(oid)
    if reader is None and (type_ := named(oid)) is not None:
        if type_.element is not None and type_.innermost.named is not None:
            return _array_binary(data, type_.innermost.named.oid, named)
        if type_.named is not None:
            return unpack(type_.named, data)
    if reader is None:
        raise DbError(
            ErrorKind.INVALID_BINARY,
            f"type {oid} cannot be given in binary format",
            hint="send this parameter as text",
        )
    return reader(data)


def _packed(layout: str) -> Callable[[bytes], object]:
    packer = struct.Struct(layout)

    def read(data: bytes) -> object:
        value: object = packer.unpack(data)[0]
        return value

    return read


def _numeric_binary(data: bytes) -> Decimal:
    count, weight, sign, scale = struct.unpack_from("!hhHH", data)
    groups = struct.unpack(f"!{count}h", data[8:])
    if sign in _NUMERIC_SPECIAL:
        return Decimal(_NUMERIC_SPECIAL[sign])
    if sign not in (0, 0x4000) or any(not 0 <= group < 10_000 for group in groups):
        raise ValueError(data)
    whole = int("".join(f"{group:04}" for group in groups) or "0")
    if count > _NUMERIC_GROUPS_MAX or abs(weight) > _NUMERIC_GROUPS_MAX:
        raise DbError(ErrorKind.OUT_OF_RANGE, "numeric parameter has more than 1000 digits")
    exponent = 4 * (weight - count + 1)
    text = f"{'-' if sign else ''}{whole}E{exponent}"
    value = Decimal(text)
    return value if -exponent == scale else _rescaled(value, scale)


def _rescaled(value: Decimal, scale: int) -> Decimal:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    missing = exponent + scale
    if missing >= 0:
        return Decimal((sign, digits + (0,) * missing, -scale))
    if any(digits[missing:]):
        return value
    return Decimal((sign, digits[:missing] or (0,), -scale))


_NUMERIC_SPECIAL = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}
_NUMERIC_GROUPS_MAX = 250  # far beyond the 38 digits of our decimals, and cheap to refuse


def _date_binary(data: bytes) -> date | str:
    (days,) = struct.unpack("!i", data)
    if days in _INFINITE_DATE:
        return _INFINITE_DATE[days]
    try:
        return _EPOCH_DATE + timedelta(days=days)
    except OverflowError:
        raise _out_of_range("date") from None


def _time_binary(data: bytes) -> time:
    (micros,) = struct.unpack("!q", data)
    if not 0 <= micros < 86_400_000_000:
        raise _out_of_range("time")
    return (_EPOCH + timedelta(microseconds=micros)).time()


def _timestamp_binary(data: bytes) -> datetime | str:
    (micros,) = struct.unpack("!q", data)
    if micros in _INFINITE:
        return _INFINITE[micros]
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        raise _out_of_range("timestamp") from None


def _timestamptz_binary(data: bytes) -> datetime | str:
    moment = _timestamp_binary(data)
    return moment if isinstance(moment, str) else moment.replace(tzinfo=UTC)


def _interval_binary(data: bytes) -> timedelta | str:
    micros, days, months = struct.unpack("!qii", data)
    if months or days * micros < 0:  # a timedelta has one sign
        return f"{months} months {days} days {micros} microseconds"
    try:
        return timedelta(days=days, microseconds=micros)
    except OverflowError:
        raise _out_of_range("interval") from None


def _out_of_range(kind: str) -> DbError:
    return DbError(ErrorKind.DATETIME_OVERFLOW, f"{kind} parameter out of range")


def _jsonb(data: bytes) -> str:
    if data[:1] != b"\x01":
        raise ValueError(data)
    return _decoded(data[1:])


def _uuid_binary(data: bytes) -> UUID:
    return UUID(bytes=data)


_BINARY: dict[int, Callable[[bytes], object]] = {
    oids.RECORD: _record,
    oids.BOOL: _packed("!?"),
    oids.INT2: _packed("!h"),
    oids.INT4: _packed("!i"),
    oids.INT8: _packed("!q"),
    oids.OID: _packed("!I"),
    oids.XID: _packed("!I"),
    oids.REGCLASS: _packed("!I"),
    oids.REGTYPE: _packed("!I"),
    oids.REGPROC: _packed("!I"),
    oids.FLOAT4: _packed("!f"),
    oids.FLOAT8: _packed("!d"),
    oids.NUMERIC: _numeric_binary,
    oids.BYTEA: bytes,
    oids.TEXT: _decoded,
    oids.VARCHAR: _decoded,
    oids.BPCHAR: _decoded,
    oids.CHAR: lambda data: "" if data == b"\0" else _decoded(data),
    oids.NAME: _decoded,
    oids.UNKNOWN: _decoded,
    oids.JSON: _decoded,
    oids.JSONB: _jsonb,
    oids.UUID: _uuid_binary,
    oids.DATE: _date_binary,
    oids.TIME: _time_binary,
    oids.TIMESTAMP: _timestamp_binary,
    oids.TIMESTAMPTZ: _timestamptz_binary,
    oids.INTERVAL: _interval_binary,
}


def _array_binary(data: bytes, element: int, named: NamedOf) -> list[object]:
    dimensions, _, oid = struct.unpack_from("!iiI", data)
    if not 0 <= dimensions <= 6:
        raise ValueError(dimensions)
    if dimensions == 0:
        return []
    at = 12
    sizes: list[int] = []
    for _ in range(dimensions):
        sizes.append(struct.unpack_from("!ii", data, at)[0])
        at += 8
    items: list[object] = []
    while at < len(data):
        (length,) = struct.unpack_from("!i", data, at)
        at += 4
        if length == -1:
            items.append(None)
            continue
        if length < 0 or at + length > len(data):
            raise ValueError(length)
        items.append(from_binary(data[at : at + length], oid or element, named))
        at += length
    return _shaped(items, sizes)


def _shaped(items: list[object], sizes: list[int]) -> list[object]:
    """A flat list cut into dimensions. Raises: ValueError when the sizes do not fit."""
    for size in reversed(sizes[1:]):
        if size <= 0 or len(items) % size:
            raise ValueError(size)
        items = [items[start : start + size] for start in range(0, len(items), size)]
    if len(items) != sizes[0]:
        raise ValueError(sizes)
    return items
