"""Columns as text for CSV, PostgreSQL's text format and JSON: whole arrays at a time, by Arrow.

Called by lines.py. What comes out here, sql/decode reads back as the same values. Timestamps are
ISO 8601 in UTC with a Z, so that a file means the same to every session; with a strftime pattern
they are in the session's time zone. Lists are PostgreSQL's arrays in CSV, JSON arrays in JSON;
structs and maps are JSON in both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import UNITS_PER_SECOND, DataType, TypeId
from engine.errors import DbError, ErrorKind
from sql.decode import spans
from sql.files.options import TimeFormats
from sql.files.strftime import formatted
from sql.types import from_arrow

_SECONDS_FROM_YEAR_1 = -62_135_596_800
_SECONDS_TO_YEAR_10000 = 253_402_300_800
_NANOS = 1_000_000_000
_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_RAW = frozenset({TypeId.JSON})  # already JSON


class Texts:
    """Values of one COPY as text."""

    def __init__(self, times: TimeFormats, timezone: str) -> None:
        self._times = times
        self._timezone = timezone

    def plain(self, array: Any, type_: DataType) -> Any:
        """A column's values as text; NULL stays NULL. Raises: DbError DATETIME_OVERFLOW."""
        if type_.wall and type_.is_timestamp:
            return self._on_wall(array)
        if type_.is_span:
            return spans.texts(array, 6)
        convert = _CONVERTERS.get(type_.id)
        if convert is not None:
            return convert(self, array)
        if type_.id is TypeId.LIST:
            return self._list(array, type_)
        if type_.id in (TypeId.STRUCT, TypeId.MAP):
            return self._nested_json(array, type_)
        return array.cast(pa.string())

    def json(self, array: Any, type_: DataType) -> Any:
        """A column's values as JSON values; NULL is `null`."""
        return pc.fill_null(self._json(array, type_), "null")

    def _json(self, array: Any, type_: DataType) -> Any:
        if type_.id in (TypeId.STRUCT, TypeId.MAP, TypeId.LIST):
            return self._nested_json(array, type_)
        text = self.plain(array, type_)
        if type_.id in _RAW:
            return _one_line(text)
        if type_.id in (TypeId.FLOAT32, TypeId.FLOAT64):
            # JSON has no word for the others: strings, which the reader takes for numbers again.
            if _all_finite(array):
                return text
            return pc.if_else(pc.is_finite(array), text, json_strings(text))
        if type_.is_numeric or type_.id in (TypeId.BOOLEAN, TypeId.NULL):
            return text
        return json_strings(text)

    def _nested_json(self, array: Any, type_: DataType) -> Any:
        if type_.id is TypeId.LIST:
            assert type_.element is not None
            items = self.json(array.flatten(), type_.element)
            return _joined(array, items, "[", "]")
        arrow: Any = type_.arrow_nested
        if type_.id is TypeId.STRUCT:
            return self._struct(array, arrow)
        pair = pa.struct([("key", arrow.key_type), ("value", arrow.item_type)])
        lists = array.cast(pa.list_(pair))
        entries = lists.flatten()
        key, value = (entries.field(i) for i in (0, 1))
        keys = json_strings(self.plain(key, from_arrow(arrow.key_type)))
        values = self.json(value, from_arrow(arrow.item_type))
        return _joined(lists, pc.binary_join_element_wise(keys, values, ":"), "{", "}")

    def _struct(self, array: Any, arrow: Any) -> Any:
        pieces: list[Any] = []
        for field, child in zip(arrow, array.flatten(), strict=True):
            name = json_strings(pa.array([field.name]))[0].as_py()
            pieces += [f"{',' if pieces else '{'}{name}:", self.json(child, from_arrow(field.type))]
        text = (
            pc.binary_join_element_wise(*pieces, "}", "") if pieces else pa.repeat("{}", len(array))
        )
        return pc.if_else(array.is_valid(), text, None)

    def _list(self, array: Any, type_: DataType) -> Any:
        """PostgreSQL's array text."""
        assert type_.element is not None
        inner = array.flatten()
        items = self.plain(inner, type_.element)
        if type_.element.id is not TypeId.LIST and not type_.element.is_numeric:
            items = pc.replace_substring(pc.replace_substring(items, "\\", "\\\\"), '"', '\\"')
            items = pc.binary_join_element_wise('"', items, '"', "")
        return _joined(array, pc.fill_null(items, "NULL"), "{", "}")

    # Single types.

    def _floats(self, array: Any) -> Any:
        text = array.cast(pa.string())
        if not _all_finite(array):
            text = pc.if_else(pc.is_nan(array), "NaN", text)
            text = pc.if_else(pc.equal(array, np.inf), "Infinity", text)
            text = pc.if_else(pc.equal(array, -np.inf), "-Infinity", text)
        return text

    def _timestamps(self, array: Any) -> Any:
        unit = array.type.unit
        naive = array.cast(pa.int64()).cast(pa.timestamp(unit))
        _check_years(naive.cast(pa.int64()), UNITS_PER_SECOND[unit])
        if self._times.timestamp is not None:
            return formatted(naive, self._times.timestamp, self._timezone)
        return naive.cast(pa.timestamp(unit, "UTC")).cast(pa.string())

    def _on_wall(self, array: Any) -> Any:
        naive = array.cast(pa.int64()).cast(pa.timestamp(array.type.unit))
        _check_years(naive.cast(pa.int64()), UNITS_PER_SECOND[array.type.unit])
        if self._times.timestamp is not None:
            return formatted(naive, self._times.timestamp, "UTC")
        return naive.cast(pa.string())

    def _dates(self, array: Any) -> Any:
        days = array.cast(pa.int32()).cast(pa.int64())
        seconds = pc.multiply(days, 86_400)
        _check_years(seconds, 1)
        if self._times.date is not None:
            return formatted(seconds.cast(pa.timestamp("s")), self._times.date, "UTC")
        return array.cast(pa.string())

    def _times_of_day(self, array: Any) -> Any:
        if self._times.time is not None:
            moments = array.cast(pa.int64()).cast(pa.timestamp("us"))
            return formatted(moments, self._times.time, "UTC")
        return array.cast(pa.string())

    def _binary(self, array: Any) -> Any:
        """PostgreSQL's hex form, `\\x00ff`."""
        lengths = pc.fill_null(pc.binary_length(array), 0).to_numpy()
        content = np.frombuffer(b"".join(_used(array)), np.uint8)
        digits = np.empty(2 * len(content), np.uint8)
        digits[0::2], digits[1::2] = _HEX[content >> 4], _HEX[content & 15]
        offsets = np.zeros(len(array) + 1, np.int32)
        np.cumsum(2 * lengths, out=offsets[1:])
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(digits)]
        text = pc.binary_join_element_wise(
            "\\x", pa.Array.from_buffers(pa.string(), len(array), buffers), ""
        )
        return pc.if_else(array.is_valid(), text, None)

    def _intervals(self, array: Any) -> Any:
        """ISO 8601, each part with its own sign: `P14M-3DT5.5S`."""
        layout = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])
        values = np.frombuffer(array.buffers()[1] or b"", layout)
        values = values[array.offset : array.offset + len(array)]
        nanos = values["nanos"]
        # The lowest number has no positive counterpart in 64 bits, but its magnitude fits unsigned.
        size = np.where(nanos < 0, np.uint64(0) - nanos.view(np.uint64), nanos.view(np.uint64))
        sign = pa.array(np.where(nanos < 0, "-", ""), pa.string())
        whole = pa.array(size // np.uint64(_NANOS)).cast(pa.string())
        rest = pa.array(size % np.uint64(_NANOS)).cast(pa.string())
        text = pc.binary_join_element_wise(
            *("P", pa.array(np.ascontiguousarray(values["months"])).cast(pa.string()), "M"),
            *(pa.array(np.ascontiguousarray(values["days"])).cast(pa.string()), "DT"),
            *(sign, whole, ".", pc.utf8_lpad(rest, 9, "0"), "S", ""),
        )
        return pc.if_else(array.is_valid(), text, None)


_CONVERTERS: dict[TypeId, Callable[[Texts, Any], Any]] = {
    TypeId.FLOAT32: Texts._floats,
    TypeId.FLOAT64: Texts._floats,
    TypeId.TIMESTAMP_SECOND: Texts._timestamps,
    TypeId.TIMESTAMP_MILLISECOND: Texts._timestamps,
    TypeId.TIMESTAMP_MICROSECOND: Texts._timestamps,
    TypeId.TIMESTAMP_NANOSECOND: Texts._timestamps,
    TypeId.TIMESTAMP_TZ: Texts._timestamps,
    TypeId.DATE: Texts._dates,
    TypeId.TIME: Texts._times_of_day,
    TypeId.BINARY: Texts._binary,
    TypeId.INTERVAL: Texts._intervals,
}


def _all_finite(array: Any) -> bool:
    return bool(pc.all(pc.is_finite(array), min_count=0).as_py())


def json_strings(texts: Any) -> Any:
    """Texts as JSON strings with their quotes; NULL stays NULL."""
    if pc.any(pc.match_substring_regex(texts, '["\\\\\\x00-\\x1f]')).as_py():
        texts = pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')
        if pc.any(pc.match_substring_regex(texts, "[\\x00-\\x1f]")).as_py():
            for code in range(32):
                control = chr(code)
                escape = _SHORT.get(control, f"\\u{code:04x}")
                texts = pc.replace_substring(texts, control, escape)
    return pc.binary_join_element_wise('"', texts, '"', "")


def _one_line(json: Any) -> Any:
    """JSON without line breaks: they stand only between its tokens, where a space does as well."""
    return pc.replace_substring(pc.replace_substring(json, "\n", " "), "\r", " ")


def _joined(lists: Any, items: Any, opening: str, closing: str) -> Any:
    """Each list's items with commas between brackets. `items` are those of `lists.flatten()`."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    offsets = np.zeros(len(lists) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    joined = pc.binary_join(pa.ListArray.from_arrays(pa.array(offsets), items), ",")
    text = pc.binary_join_element_wise(opening, joined, closing, "")
    return pc.if_else(lists.is_valid(), text, None)


def _used(binary: Any) -> list[bytes]:
    """The bytes of a binary array without an offset; those of NULLs are left out."""
    binary = binary.drop_null()
    _, offsets, data = binary.buffers()
    if data is None or len(binary) == 0:
        return []
    bounds = np.frombuffer(offsets, np.int32)[binary.offset : binary.offset + len(binary) + 1]
    return [data.slice(int(bounds[0]), int(bounds[-1] - bounds[0])).to_pybytes()]


def _check_years(counts: Any, per_second: int) -> None:
    """Raises DATETIME_OVERFLOW for moments that text with four digits of a year cannot tell."""
    lowest, highest = pc.min_max(counts).values()
    if not lowest.is_valid:
        return
    if (
        lowest.as_py() < _SECONDS_FROM_YEAR_1 * per_second
        or highest.as_py() >= _SECONDS_TO_YEAR_10000 * per_second
    ):
        raise DbError(
            ErrorKind.DATETIME_OVERFLOW,
            "text files hold years from 0001 to 9999 only",
            hint="copy to Parquet, which keeps every timestamp",
        )
