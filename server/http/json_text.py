"""Arrow columns as JSON text, a whole column at a time.

Called by formats.py (and anything else that answers in JSON). The values follow GreptimeDB's
encoding: timestamps, times and dates are integers in the column's unit, decimals strings, binary
values arrays of byte numbers, NaN and infinities null, JSON columns nested JSON, intervals
ISO 8601 text. No Python object is made per cell but for intervals.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import DataType, TypeId
from server.encode.cells import to_arrow
from server.encode.numbers import decimal_text

_NULL = pa.scalar("null")


def json_column(array: pa.Array, data_type: DataType) -> pa.Array:
    """The column as JSON texts (Arrow strings, none of them null).

    >>> from engine.datatypes import FLOAT64
    >>> json_column(pa.array([1.0, None, float("nan")]), FLOAT64).to_pylist()
    ['1.0', 'null', 'null']
    """
    return _encode(array, _holds_json(data_type))


def json_objects(names: tuple[str, ...], columns: list[pa.Array], end: str) -> pa.Buffer:
    """Rows as `{"name":value,…}` + end, one after another, in one buffer."""
    parts: list[Any] = []
    for position, (name, column) in enumerate(zip(names, columns, strict=True)):
        lead = "{" if position == 0 else ","
        parts += [f"{lead}{json.dumps(name, ensure_ascii=False)}:", column]
    return _joined(parts, "}" + end)


def json_arrays(columns: list[pa.Array], end: str) -> pa.Buffer:
    """Rows as `[value,…]` + end, one after another, in one buffer."""
    parts: list[Any] = []
    for position, column in enumerate(columns):
        parts += ["[" if position == 0 else ",", column]
    return _joined(parts, "]" + end)


def _joined(parts: list[Any], end: str) -> pa.Buffer:
    """The rows' text. Requires: at least one column."""
    large = pa.large_string()  # a batch's text may pass 2 GiB
    wide = [
        pa.scalar(part, large) if isinstance(part, str) else part.cast(large)
        for part in [*parts, end, ""]
    ]
    return text_buffer(pc.binary_join_element_wise(*wide))


def text_buffer(rows: pa.Array) -> pa.Buffer:
    """All values of a large_string array without nulls as one run of bytes."""
    offsets = np.frombuffer(rows.buffers()[1], np.int64)[rows.offset :][: len(rows) + 1]
    data = rows.buffers()[2]
    if data is None or len(rows) == 0:
        return pa.py_buffer(b"")
    return data.slice(int(offsets[0]), int(offsets[-1] - offsets[0]))


def _holds_json(data_type: DataType) -> bool:
    """True if the strings in it are JSON texts already (also inside lists)."""
    if data_type.id is TypeId.LIST and data_type.element is not None:
        return _holds_json(data_type.element)
    return data_type.id is TypeId.JSON


def _encode(array: pa.Array, is_json: bool) -> pa.Array:
    kind = array.type
    if pa.types.is_null(kind):
        return pa.repeat(_NULL, len(array))
    if pa.types.is_dictionary(kind):
        return _encode(array.cast(kind.value_type), is_json)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        text = array if is_json else _quoted(array)
    elif pa.types.is_floating(kind):
        text = _float_text(array)
    elif pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        text = _integer_text(array)
    elif pa.types.is_decimal(kind):
        text = pc.binary_join_element_wise('"', plain_decimals(array), '"', "")
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        text = _byte_numbers(array)
    elif pa.types.is_interval(kind):
        text = pa.array([_interval(value) for value in array.to_pylist()], pa.string())
    elif pa.types.is_map(kind):
        text = _map_text(array)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        text = _list_text(array, is_json)
    elif pa.types.is_struct(kind):
        text = _struct_text(array)
    else:
        text = array.cast(pa.string())  # booleans and integers are spelled as JSON does
    return pc.fill_null(text, _NULL.cast(text.type))


def plain_decimals(array: pa.Array) -> pa.Array:
    """Decimals as digits, never with an exponent (Arrow's own cast writes 1E-10)."""
    return to_arrow(decimal_text(array, array.type.scale))


def _integer_text(array: pa.Array) -> pa.Array:
    """Dates, times, timestamps and durations as the integer they are stored as."""
    storage = pa.int32() if array.type.bit_width == 32 else pa.int64()
    return array.cast(storage).cast(pa.string())


def _float_text(array: pa.Array) -> pa.Array:
    """Shortest text that reads back equal; whole numbers keep a `.0`, as floats do in JSON."""
    finite = pc.if_else(pc.is_finite(array), array, pa.scalar(None, array.type))
    text = finite.cast(pa.string())
    marked = pc.match_substring_regex(text, "[.e]")
    return pc.if_else(marked, text, pc.binary_join_element_wise(text, ".0", ""))


def _quoted(array: pa.Array) -> pa.Array:
    """Strings with JSON's quotes and escapes (RFC 8259 section 7)."""
    for plain, escaped in _escapes_needed(array):
        array = pc.replace_substring(array, plain, escaped)
    return pc.binary_join_element_wise(*_scalars(array, '"', array, '"', ""))


def _scalars(array: pa.Array, *parts: Any) -> list[Any]:
    """Literals as scalars of the array's own string type (large and small do not mix)."""
    return [pa.scalar(part, array.type) if isinstance(part, str) else part for part in parts]


def _escapes_needed(array: pa.Array) -> list[tuple[str, str]]:
    """Which characters occur that JSON escapes; most columns have none."""
    data = array.buffers()[2]
    if data is None:
        return []
    seen = np.frombuffer(data, np.uint8)
    if not ((seen < 32) | (seen == 34) | (seen == 92)).any():
        return []
    present = np.flatnonzero(np.bincount(seen, minlength=256)).tolist()
    # The backslash first: the others' escapes contain it.
    order = [92, 34, *range(32)]
    return [(chr(code), json.dumps(chr(code))[1:-1]) for code in order if code in present]


def _byte_numbers(array: pa.Array) -> pa.Array:
    """`[1,2,255]`: each byte looks up its decimal text, then joins with its neighbours."""
    wide = array.cast(pa.large_binary())
    offsets = np.frombuffer(wide.buffers()[1], np.int64)[wide.offset :][: len(wide) + 1]
    data = wide.buffers()[2]
    raw = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    used = raw[offsets[0] : offsets[-1]]
    numbers = pa.array([str(number) for number in range(256)]).take(pa.array(used))
    return _bracketed(pa.array(offsets - offsets[0]), numbers, wide)


def _list_text(array: pa.Array, is_json: bool) -> pa.Array:
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    values = _encode(array.values.slice(first, last - first), is_json)
    return _bracketed(pc.subtract(offsets.cast(pa.int64()), first), values, array)


def _bracketed(offsets: pa.Array, texts: pa.Array, like: pa.Array, marks: str = "[]") -> pa.Array:
    """One `[a,b]` per list; null where `like` is."""
    lists = pa.ListArray.from_arrays(offsets.cast(pa.int32()), texts.cast(pa.string()))
    joined = pc.binary_join(lists, ",")
    text = pc.binary_join_element_wise(marks[0], joined, marks[1], "")
    return pc.if_else(pc.is_valid(like), text, pa.scalar(None, pa.string()))


def _struct_text(array: pa.Array) -> pa.Array:
    parts: list[Any] = []
    for position, field in enumerate(array.type):
        lead = "{" if position == 0 else ","
        parts.append(f"{lead}{json.dumps(field.name, ensure_ascii=False)}:")
        parts.append(_encode(array.field(position), False).cast(pa.string()))
    text = pc.binary_join_element_wise(*(parts or ["{"]), "}", "")
    return pc.if_else(pc.is_valid(array), text, pa.scalar(None, pa.string()))


def _map_text(array: pa.Array) -> pa.Array:
    """An object; keys that are no strings become strings."""
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    keys = _quoted(array.keys.slice(first, last - first).cast(pa.string()))
    values = _encode(array.items.slice(first, last - first), False)
    entries = pc.binary_join_element_wise(keys, values.cast(pa.string()), ":")
    return _bracketed(pc.subtract(offsets.cast(pa.int64()), first), entries, array, "{}")


def _interval(value: Any) -> str | None:
    """ISO 8601, e.g. `"P1Y2M3DT4H5M6.789S"`; nothing at all is `"PT0S"`."""
    if value is None:
        return None
    years, months = _split(value.months, 12)
    hours, rest = _split(value.nanoseconds, 3_600_000_000_000)
    minutes, rest = _split(rest, 60_000_000_000)
    date = _units((years, "Y"), (months, "M"), (value.days, "D"))
    time = _units((hours, "H"), (minutes, "M")) + (_seconds(rest) if rest else "")
    if not date and not time:
        return '"PT0S"'
    return f'"P{date}T{time}"' if time else f'"P{date}"'


def _units(*parts: tuple[int, str]) -> str:
    return "".join(f"{number}{unit}" for number, unit in parts if number)


def _split(number: int, by: int) -> tuple[int, int]:
    """Division toward zero, so that every part carries the sign."""
    whole = abs(number) // by
    whole = whole if number >= 0 else -whole
    return whole, number - whole * by


def _seconds(nanoseconds: int) -> str:
    whole, rest = divmod(abs(nanoseconds), 1_000_000_000)
    sign = "-" if nanoseconds < 0 else ""
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{sign}{whole}{fraction}S"
