"""timetz, money, bit strings, addresses, pg_lsn and tid: text in, the text PostgreSQL prints out.

https://www.postgresql.org/docs/15/datatype.html
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from engine.clock import SystemClock
from engine.errors import DbError, ErrorKind
from sql.lexemes.configurations import regconfig
from sql.lexemes.queries import tsquery
from sql.lexemes.vectors import tsvector
from sql.named import geometric
from sql.named.errors import invalid, out_of_range
from sql.named.hstore import hstore
from sql.settings import zone_of

_TIMETZ = re.compile(
    r"\s*(?:\d+-\d+-\d+[ t])?(\d{1,2}):(\d\d)(?::(\d\d)(\.\d+)?)?\s*(?:(z|utc|gmt)"
    r"|([+-])(\d{1,2})(?::?(\d\d)(?::?(\d\d))?)?|([a-z_]+/[a-z_/]+))?\s*",
    re.I,
)
_DAY_SECONDS = 86_400
_OFFSET_MAX = 16 * 3600  # exclusive, as in PostgreSQL


def timetz(text: str, timezone: str) -> str:
    """`12:30+2` → `12:30:00+02`; without an offset it is the session's.

    >>> timetz("24:00 -01:30", "UTC"), timetz("1:02:03.4500", "UTC")
    ('24:00:00-01:30', '01:02:03.45+00')
    """
    found = _TIMETZ.fullmatch(text)
    if found is None:
        kind = ErrorKind.INVALID_DATETIME
        raise DbError(kind, f'invalid input syntax for type time with time zone: "{text}"')
    hours, minutes, seconds = int(found[1]), int(found[2]), int(found[3] or 0)
    micros = round(float(found[4] or 0) * 1_000_000)
    if minutes > 59 or seconds > 60 or (3600 * hours + 60 * minutes + seconds) > _DAY_SECONDS:
        raise _time_overflow(text)
    total = (3600 * hours + 60 * minutes + seconds) * 1_000_000 + micros
    if total > _DAY_SECONDS * 1_000_000:
        raise _time_overflow(text)
    return show_timetz(total, _offset(found, text, timezone))


def _offset(found: re.Match[str], text: str, timezone: str) -> int:
    """Seconds east of Greenwich."""
    if found[6]:
        offset = 3600 * int(found[7]) + 60 * int(found[8] or 0) + int(found[9] or 0)
        if offset >= _OFFSET_MAX or int(found[8] or 0) > 59:
            message = f'time zone displacement out of range: "{text}"'
            raise DbError(ErrorKind.DATETIME_OVERFLOW, message)
        return -offset if found[6] == "-" else offset
    if found[5]:
        return 0
    now = datetime.fromtimestamp(SystemClock().now_ms() / 1000, zone_of(found[10] or timezone))
    moved = now.utcoffset()
    return int(moved.total_seconds()) if moved is not None else 0


def _time_overflow(text: str) -> DbError:
    return DbError(ErrorKind.DATETIME_OVERFLOW, f'date/time field value out of range: "{text}"')


def show_timetz(micros: int, east: int) -> str:
    """Microseconds of the day and seconds east of Greenwich, as PostgreSQL prints them."""
    seconds, fraction = divmod(micros, 1_000_000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if fraction:
        clock += f".{fraction:06}".rstrip("0")
    far = abs(east)
    offset = f"{far // 3600:02}"
    if far % 3600:
        offset += f":{far // 60 % 60:02}"
    if far % 60:
        offset += f":{far % 60:02}"
    return f"{clock}{'-' if east < 0 else '+'}{offset}"


def timetz_parts(text: str) -> tuple[int, int]:
    """The inverse of `show_timetz`."""
    at = max(text.rfind("+"), text.rfind("-"))
    hours, minutes, seconds = text[:at].split(":")
    whole, _, part = seconds.partition(".")
    micros = ((int(hours) * 60 + int(minutes)) * 60 + int(whole)) * 1_000_000
    east = 0
    for place, number in enumerate(text[at + 1 :].split(":")):
        east += int(number) * 60 ** (2 - place)
    return micros + int(part.ljust(6, "0") or 0), -east if text[at] == "-" else east


_MONEY = re.compile(r"\s*(\()?\s*([+-])?\s*\$?\s*([+-])?\s*([\d,]*)(\.\d*)?\s*(\))?\s*")


def money(text: str, timezone: str) -> str:
    """`-1234.5` → `-$1,234.50`, as in the C locale."""
    found = _MONEY.fullmatch(text)
    digits = found[4].replace(",", "") if found is not None else ""
    if found is None or not (digits or (found[5] or "").strip(".")):
        raise invalid("money", text)
    amount = Decimal(f"{digits or 0}{found[5] or ''}".rstrip("."))
    cents = int((amount * 100).quantize(Decimal(1), ROUND_HALF_UP))
    if found[1] or "-" in (found[2], found[3]):
        cents = -cents
    if not -(2**63) <= cents < 2**63:
        raise out_of_range("money", text)
    return show_money(cents)


def show_money(cents: int) -> str:
    """>>> show_money(-123456)
    '-$1,234.56'
    """
    whole, part = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}${whole:,}.{part:02}"


def cents_of(text: str) -> int:
    """The inverse of `show_money`."""
    return int(re.sub(r"[$,.]", "", text))


def bits(text: str, timezone: str) -> str:
    """`B101`, `x1F` or plain digits as digits."""
    mark, body = text[:1].lower(), text[1:]
    if mark == "x":
        try:
            return "".join(f"{int(digit, 16):04b}" for digit in body)
        except ValueError:
            raise invalid("bit", text, "it is no hexadecimal number") from None
    digits = body if mark == "b" else text
    wrong = digits.strip("01")
    if wrong:
        message = f'"{wrong[0]}" is not a valid binary digit'
        raise DbError(ErrorKind.INVALID_TEXT, message)
    return digits


def inet(text: str, timezone: str) -> str:
    """An address, with the length of its network unless that is the address alone."""
    address, length = _address("inet", text)
    return show_address(address, length, always=False)


def cidr(text: str, timezone: str) -> str:
    """A network with its length; nothing may stand behind that."""
    address, length = _address("cidr", _whole_network(text))
    width = len(address) * 8
    if int.from_bytes(address, "big") & ((1 << (width - length)) - 1):
        detail = "Value has bits set to right of mask."
        raise DbError(ErrorKind.INVALID_TEXT, f'invalid cidr value: "{text}"', detail=detail)
    return show_address(address, length, always=True)


def _whole_network(text: str) -> str:
    """`10.1` is `10.1.0.0/16`; without a length it is that of the class or of the bytes given."""
    body, slash, length = text.strip().partition("/")
    parts = body.split(".")
    if ":" in body or not all(part.isdigit() for part in parts) or len(parts) > 4:
        return text
    padded = ".".join([*parts, *["0"] * (4 - len(parts))])
    if slash or len(parts) == 4:
        return f"{padded}/{length}" if slash else padded
    first = int(parts[0])
    least = 8 if first < 128 else 16 if first < 192 else 24 if first < 224 else 32
    return f"{padded}/{max(8 * len(parts), least)}"


def _address(kind: str, text: str) -> tuple[bytes, int]:
    body, slash, length = text.strip().partition("/")
    try:
        address = ipaddress.ip_address(body).packed
    except ValueError:
        raise invalid(kind, text) from None
    width = len(address) * 8
    if slash and (not length.isascii() or not length.isdigit() or int(length) > width):
        raise invalid(kind, text)
    return address, int(length) if slash else width


def show_address(address: bytes, length: int, *, always: bool) -> str:
    """4 or 16 bytes as PostgreSQL prints them; with the length if it says something."""
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    shown = socket.inet_ntop(family, address)
    return f"{shown}/{length}" if always or length != len(address) * 8 else shown


def _hardware(name: str, text: str, sizes: tuple[int, ...]) -> str:
    """Bytes of an address in any of its spellings, as pairs of digits."""
    word = text.strip()
    groups = re.split(r"[:.-]", word)
    width = 2 if len(groups) in sizes else 0
    word = "".join(group.zfill(width) for group in groups)
    plain = re.fullmatch(r"[0-9a-fA-F]+", word) is not None
    if not plain or len(word) not in [2 * size for size in sizes]:
        raise invalid(name, text)
    return word.lower()


def macaddr(text: str, timezone: str) -> str:
    """>>> macaddr("08002b-010203", "UTC")
    '08:00:2b:01:02:03'
    """
    return _pairs(_hardware("macaddr", text, (6,)))


def macaddr8(text: str, timezone: str) -> str:
    """Eight bytes; six become eight with ff:fe in their middle."""
    word = _hardware("macaddr8", text, (6, 8))
    return _pairs(word if len(word) == 16 else f"{word[:6]}fffe{word[6:]}")


def _pairs(word: str) -> str:
    return ":".join(word[at : at + 2] for at in range(0, len(word), 2))


def pg_lsn(text: str, timezone: str) -> str:
    """A place in PostgreSQL's log."""
    found = re.fullmatch(r"\s*([0-9a-fA-F]{1,8})/([0-9a-fA-F]{1,8})\s*", text)
    if found is None:
        raise invalid("pg_lsn", text)
    return f"{int(found[1], 16):X}/{int(found[2], 16):X}"


def tid(text: str, timezone: str) -> str:
    """(block, place) of a row."""
    found = re.fullmatch(r"\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)\s*", text)
    if found is None or int(found[1]) >= 2**32 or int(found[2]) >= 2**16:
        raise invalid("tid", text)
    return f"({int(found[1])},{int(found[2])})"


_SNAPSHOT = re.compile(r"(\d{1,19}):(\d{1,19}):(\d{1,19}(?:,\d{1,19})*)?")
_XID_MAX = (1 << 63) - 1


def snapshot(text: str, timezone: str) -> str:
    """Transactions that were open: the first, the first after all, and those between.

    >>> snapshot("10:20:10,14,14", "UTC")
    '10:20:10,14'
    """
    found = _SNAPSHOT.fullmatch(text.strip())
    if found is None:
        raise invalid("pg_snapshot", text)
    first, after = int(found[1]), int(found[2])
    between = [int(word) for word in (found[3] or "").split(",") if word]
    is_sorted = between == sorted(between)
    if not 0 < first <= after <= _XID_MAX or not is_sorted:
        raise invalid("pg_snapshot", text)
    if between and not first <= between[0] <= between[-1] < after:
        raise invalid("pg_snapshot", text)
    return f"{first}:{after}:{','.join(map(str, dict.fromkeys(between)))}"


def oid(text: str, timezone: str) -> str:
    """A number of 32 bits."""
    return _unsigned("oid", text, 32)


def xid8(text: str, timezone: str) -> str:
    """A transaction's number of 64 bits."""
    return _unsigned("xid8", text, 64)


def _unsigned(type_: str, text: str, bits_: int) -> str:
    word = text.strip()
    if not word.isascii() or not word.isdigit():
        raise invalid(type_, text)
    if int(word) >= 1 << bits_:
        raise out_of_range(type_, text)
    return str(int(word))


def xml(text: str, timezone: str) -> str:
    """As it is: nothing here looks inside."""
    return text


_SPECIAL = {"nan": "NaN", "inf": "Infinity", "infinity": "Infinity"}
_DIGITS_MAX = 131_072  # before the point, as in PostgreSQL
_SCALE_MAX = 16_383


def numeric(text: str, timezone: str) -> str:
    """Digits as they were written, without an exponent.

    >>> numeric("1E3", "UTC"), numeric("-inf", "UTC")
    ('1000', '-Infinity')
    """
    word = text.strip()
    special = _SPECIAL.get(word.lstrip("+-").lower().removeprefix("s"))
    if special is not None:
        return "-" + special if word[0] == "-" and special != "NaN" else special
    try:
        value = Decimal(word)
    except InvalidOperation:
        raise invalid("numeric", text) from None
    exponent = value.as_tuple().exponent
    if value.adjusted() >= _DIGITS_MAX or -int(exponent) > _SCALE_MAX:
        raise DbError(ErrorKind.OUT_OF_RANGE, "value overflows numeric format")
    return f"{value:f}"


SCALARS: dict[str, Callable[[str, str], str]] = {
    "timetz": timetz,
    "money": money,
    "bit": bits,
    "varbit": bits,
    "inet": inet,
    "cidr": cidr,
    "macaddr": macaddr,
    "macaddr8": macaddr8,
    "pg_lsn": pg_lsn,
    "tid": tid,
    "tsvector": tsvector,
    "tsquery": tsquery,
    "regconfig": regconfig,
    "txid_snapshot": snapshot,
    "pg_snapshot": snapshot,
    "xid8": xid8,
    "oid": oid,
    "xid": oid,
    "cid": oid,
    "name": xml,
    "char": xml,
    "bpchar": xml,
    "jsonb": xml,
    "xml": xml,
    "jsonpath": xml,
    **{name: geometric.reader_of(name) for name in geometric.NAMES},
    "numeric": numeric,
    "hstore": hstore,
    "citext": xml,
}
