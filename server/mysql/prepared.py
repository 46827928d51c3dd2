"""Prepared statements of one connection: their ids, bound parameters, long data and cursors.

Called by execute.py. Pure: `decode_parameters` turns bytes into Python values, `Statements` keeps
what a connection has prepared. It runs nothing.
Source: MySQL protocol pages "COM_STMT_EXECUTE" and "Binary Protocol Value".
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from engine.errors import DbError, ErrorKind
from server.mysql.constants import ColumnType
from server.mysql.packets import PacketReader, malformed
from server.mysql.results import ResultStream
from sql.charsets import LENIENT, UTF8MB4, Charset
from sql.results import Description
from sql.session import Statement

STATEMENTS_MAX = 10_000  # per connection; mysqld allows 16382 for the whole server
_UNSIGNED = 0x80
_DATE_BYTES = 4
_LONG_DATA_BYTES_MAX = 64 << 20  # per parameter, like max_allowed_packet


@dataclass(slots=True)
class Prepared:
    """One prepared statement.

    `types` are those of the last execution that bound any: clients send them once. `long_data`
    holds values sent piece by piece, until the next execution or reset.
    """

    id: int
    statement: Statement
    description: Description
    types: list[tuple[int, bool]] = field(default_factory=list)  # (type code, unsigned)
    long_data: dict[int, bytearray] = field(default_factory=dict)
    long_data_error: DbError | None = None
    cursor: ResultStream | None = None

    @property
    def parameter_count(self) -> int:
        """How many values an execution brings."""
        return self.statement.parameter_count

    def add_long_data(self, parameter: int, data: bytes) -> None:
        """Appends a piece of a value. There is no answer: errors wait for the execution."""
        if parameter >= self.parameter_count:
            self.long_data_error = DbError(
                ErrorKind.INVALID_ARGUMENT,
                f"long data was sent for parameter {parameter + 1}; the statement has "
                f"{self.parameter_count}",
            )
            return
        value = self.long_data.setdefault(parameter, bytearray())
        if len(value) + len(data) > _LONG_DATA_BYTES_MAX:
            self.long_data_error = DbError(
                ErrorKind.LIMIT_EXCEEDED,
                f"the long data of parameter {parameter + 1} is bigger than max_allowed_packet",
            )
            return
        value += data

    def reset(self) -> None:
        """Forgets long data and closes the cursor (COM_STMT_RESET)."""
        self.forget_long_data()
        self.close_cursor()

    def forget_long_data(self) -> None:
        """Long data serves one execution, whether it succeeds or not."""
        self.long_data.clear()
        self.long_data_error = None

    def close_cursor(self) -> None:
        """Frees what an open cursor holds; may block."""
        cursor, self.cursor = self.cursor, None
        if cursor is not None:
            cursor.close()


class Statements:
    """What one connection has prepared, by id. Ids are never reused while it lives."""

    def __init__(self, limit: int = STATEMENTS_MAX) -> None:
        self._limit = limit
        self._last_id = 0
        self._prepared: dict[int, Prepared] = {}

    def __len__(self) -> int:
        return len(self._prepared)

    def check_room(self) -> None:
        """Raises: DbError TOO_MANY_STATEMENTS when no more can be prepared."""
        if len(self._prepared) >= self._limit:
            raise DbError(
                ErrorKind.TOO_MANY_STATEMENTS,
                f"this connection already holds {self._limit} prepared statements",
                hint="close statements that are no longer needed",
            )

    def add(self, statement: Statement, description: Description) -> Prepared:
        """Keeps a new statement. Raises: DbError TOO_MANY_STATEMENTS."""
        self.check_room()
        self._last_id += 1
        prepared = Prepared(self._last_id, statement, description)
        self._prepared[prepared.id] = prepared
        return prepared

    def get(self, statement_id: int) -> Prepared:
        """Raises: DbError UNDEFINED_STATEMENT."""
        prepared = self.find(statement_id)
        if prepared is None:
            raise DbError(
                ErrorKind.UNDEFINED_STATEMENT, f"there is no prepared statement {statement_id}"
            )
        return prepared

    def find(self, statement_id: int) -> Prepared | None:
        """The statement of that id, if any."""
        return self._prepared.get(statement_id)

    def close(self, statement_id: int) -> None:
        """Forgets one statement; unknown ids are fine, since the command is never answered."""
        prepared = self._prepared.pop(statement_id, None)
        if prepared is not None:
            prepared.reset()

    def clear(self) -> None:
        """Forgets all of them."""
        for prepared in self._prepared.values():
            prepared.reset()
        self._prepared.clear()


def decode_parameters(
    prepared: Prepared, payload: bytes, charset: Charset = UTF8MB4
) -> list[object]:
    """The values of one execution; remembers newly bound types in `prepared`.

        [NULL bitmap] [1: types follow] [type, flags]* [value]*     (values not NULL, not long)

    Raises: DbError PROTOCOL, INVALID_DATETIME, or what sending long data went wrong with.
    """
    count = prepared.parameter_count
    if prepared.long_data_error is not None:
        raise prepared.long_data_error
    if count == 0:
        return []
    reader = PacketReader(payload)
    nulls = reader.fixed((count + 7) // 8)
    if reader.integer(1):
        prepared.types = [
            (reader.integer(1), bool(reader.integer(1) & _UNSIGNED)) for _ in range(count)
        ]
    if len(prepared.types) != count:
        raise malformed("parameters come without types")
    values: list[object] = []
    for index, (code, unsigned) in enumerate(prepared.types):
        if index in prepared.long_data:
            values.append(_long_value(code, bytes(prepared.long_data[index]), charset))
        elif nulls[index // 8] >> (index % 8) & 1:
            values.append(None)
        else:
            values.append(_value(reader, code, unsigned, charset))
    return values


def _value(reader: PacketReader, code: int, unsigned: bool, charset: Charset) -> object:
    size = _INTEGER_SIZES.get(code)
    if size is not None:
        return int.from_bytes(reader.fixed(size), "little", signed=not unsigned)
    if code in _TEXT_TYPES:
        return _text_or_bytes(reader.lenenc_bytes(), charset)
    decode = _DECODERS.get(code)
    if decode is None:
        raise malformed(f"parameter type {code} is unknown")
    return decode(reader)


def _long_value(code: int, data: bytes, charset: Charset) -> object:
    return data if code in _BYTE_TYPES else _text_or_bytes(data, charset)


def _text_or_bytes(data: bytes, charset: Charset) -> str | bytes:
    """Text where it is text: several drivers bind byte arrays as strings."""
    if not charset.is_utf8:
        return data.decode(charset.codec, LENIENT)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _float(reader: PacketReader) -> float:
    value: float = struct.unpack("<f", reader.fixed(4))[0]
    return value


def _double(reader: PacketReader) -> float:
    value: float = struct.unpack("<d", reader.fixed(8))[0]
    return value


def _decimal(reader: PacketReader) -> Decimal:
    text = reader.lenenc_bytes()
    try:
        return Decimal(text.decode("ascii"))
    except (UnicodeDecodeError, InvalidOperation):
        raise malformed("a decimal parameter is no number") from None


def _date_or_datetime(reader: PacketReader) -> dt.date:
    """DATE as clients send it: with a time only when there is one."""
    length, moment = _calendar(reader)
    return moment if length > _DATE_BYTES else moment.date()


def _datetime(reader: PacketReader) -> dt.datetime:
    return _calendar(reader)[1]


def _calendar(reader: PacketReader) -> tuple[int, dt.datetime]:
    """How many bytes were sent (0, 4, 7 or 11) and the moment, in the session's time zone."""
    length = reader.integer(1)
    if length not in (0, _DATE_BYTES, 7, 11):
        raise malformed(f"a date and time cannot be {length} bytes long")
    parts = PacketReader(reader.fixed(length) + bytes(11 - length))  # what is not sent is zero
    year, month, day, hour, minute, second = (parts.integer(size) for size in (2, 1, 1, 1, 1, 1))
    microsecond = parts.integer(4)
    try:
        return length, dt.datetime(  # noqa: DTZ001 naive: the session's time zone
            year, month, day, hour, minute, second, microsecond
        )
    except (ValueError, OverflowError) as error:
        raise DbError(
            ErrorKind.INVALID_DATETIME, f"incorrect date and time in a parameter: {error}"
        ) from None


def _time(reader: PacketReader) -> dt.time | dt.timedelta:
    """TIME: a time of day when it is one, else a span of time."""
    length = reader.integer(1)
    if length not in (0, 8, 12):
        raise malformed(f"a time cannot be {length} bytes long")
    fields = PacketReader(reader.fixed(length))
    if length == 0:
        return dt.time()
    negative = fields.integer(1)
    days, hours, minutes, seconds = (fields.integer(size) for size in (4, 1, 1, 1))
    microseconds = fields.integer(4) if length == 12 else 0
    try:
        span = dt.timedelta(days, seconds, microseconds, minutes=minutes, hours=hours)
    except OverflowError:
        raise DbError(ErrorKind.DATETIME_OVERFLOW, "a time parameter is out of range") from None
    if negative or span >= dt.timedelta(days=1):
        return -span if negative else span
    minutes, second = divmod(span.seconds, 60)
    return dt.time(minutes // 60, minutes % 60, second, span.microseconds)


_INTEGER_SIZES: dict[int, int] = {
    ColumnType.TINY: 1,
    ColumnType.SHORT: 2,
    ColumnType.YEAR: 2,
    ColumnType.LONG: 4,
    ColumnType.INT24: 4,
    ColumnType.LONGLONG: 8,
}

_BYTE_TYPES = frozenset(
    {
        ColumnType.TINY_BLOB,
        ColumnType.MEDIUM_BLOB,
        ColumnType.LONG_BLOB,
        ColumnType.BLOB,
        ColumnType.BIT,
        ColumnType.GEOMETRY,
    }
)
_TEXT_TYPES = frozenset(
    {
        ColumnType.VARCHAR,
        ColumnType.VAR_STRING,
        ColumnType.STRING,
        ColumnType.ENUM,
        ColumnType.SET,
        ColumnType.JSON,
    }
)

_DECODERS: dict[int, Callable[[PacketReader], object]] = {
    ColumnType.NULL: lambda reader: None,
    ColumnType.FLOAT: _float,
    ColumnType.DOUBLE: _double,
    ColumnType.DECIMAL: _decimal,
    ColumnType.NEWDECIMAL: _decimal,
    ColumnType.DATE: _date_or_datetime,
    ColumnType.DATETIME: _datetime,
    ColumnType.TIMESTAMP: _datetime,
    ColumnType.TIME: _time,
    **dict.fromkeys(_BYTE_TYPES, PacketReader.lenenc_bytes),
}
