"""PostgreSQL's points, segments, boxes, paths, polygons, lines and circles: text and bytes.

Called by sql/named/ for reading and unpacking and by the wire for packing. Values are carried and
given back; nothing is measured. https://www.postgresql.org/docs/15/datatype-geometric.html
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence

from sql.named.errors import invalid
from sql.named.plain import show_float

_NUMBER = re.compile(
    r"[-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|\.\d+(?:e[-+]?\d+)?|inf(?:inity)?|nan)", re.IGNORECASE
)
_AROUND = re.compile(r"\s*([(),<>{}\[\]])\s*")
_P = r"\(#,#\)"
_MANY = rf"{_P}(?:,{_P})*|#,#(?:,#,#)*"
_SHAPES = {  # a # for each number
    "point": re.compile(rf"{_P}|#,#"),
    "lseg": re.compile(rf"\[{_P},{_P}\]|\({_P},{_P}\)|{_P},{_P}|#,#,#,#"),
    "box": re.compile(rf"\({_P},{_P}\)|{_P},{_P}|#,#,#,#"),
    "path": re.compile(rf"\[(?:{_MANY})\]|\((?:{_MANY})\)|{_MANY}"),
    "polygon": re.compile(rf"\((?:{_MANY})\)|{_MANY}"),
    "line": re.compile(r"\{#,#,#\}"),
    "circle": re.compile(rf"<{_P},#>|\({_P},#\)|{_P},#|#,#,#"),
}
_Numbers = Sequence[float]


def reader_of(name: str) -> Callable[[str, str], str]:
    """Reads texts of one of these types, into the text it prints. It raises: DbError INVALID_TEXT.

    >>> reader_of("box")("1,2,3,4", "UTC"), reader_of("circle")("(1,2),3", "UTC")
    ('(3,4),(1,2)', '<(1,2),3>')
    """

    def read(text: str, timezone: str) -> str:
        bare = _AROUND.sub(r"\1", text.strip())
        numbers = [float(word) for word in _NUMBER.findall(bare)]
        marks = "" if "#" in bare else _NUMBER.sub("#", bare)
        is_shape = _SHAPES[name].fullmatch(marks) is not None
        if not is_shape or not _is_sound(name, numbers):
            raise invalid(name, text)
        return _shown(name, numbers, is_open=bare.startswith("["))

    return read


def _is_sound(name: str, numbers: _Numbers) -> bool:
    if name == "line":
        return bool(numbers[0] or numbers[1])
    return name != "circle" or not numbers[2] < 0


def _shown(name: str, numbers: _Numbers, *, is_open: bool) -> str:
    if name == "box":
        (a, b, c, d) = numbers
        numbers = (max(a, c), max(b, d), min(a, c), min(b, d))
    words = [show_float(number + 0.0) for number in numbers]
    if name == "line":
        return "{" + ",".join(words) + "}"
    points = [f"({x},{y})" for x, y in zip(words[::2], words[1::2], strict=False)]
    if name == "circle":
        return f"<{points[0]},{words[2]}>"
    whole = ",".join(points)
    if name in ("point", "box"):
        return whole
    return f"[{whole}]" if name == "lseg" or (name == "path" and is_open) else f"({whole})"


def packer_of(name: str) -> Callable[[str], bytes]:
    """Packs texts as `reader_of` gives them, as the type's send function does."""

    def pack(text: str) -> bytes:
        numbers = [float(word) for word in _NUMBER.findall(text)]
        data = struct.pack(f"!{len(numbers)}d", *numbers)
        if name == "path":
            return struct.pack("!bi", text[0] != "[", len(numbers) // 2) + data
        return struct.pack("!i", len(numbers) // 2) + data if name == "polygon" else data

    return pack


def unpacker_of(name: str) -> Callable[[bytes], str]:
    """The inverse of `packer_of`. It raises: ValueError, struct.error for other bytes."""

    def unpack(data: bytes) -> str:
        head = {"path": 5, "polygon": 4}.get(name, 0)
        numbers = struct.unpack(f"!{(len(data) - head) // 8}d", data[head:])
        if head and struct.unpack("!i", data[head - 4 : head])[0] * 2 != len(numbers):
            raise ValueError(data)
        if not head and len(numbers) != _COUNTS[name]:
            raise ValueError(data)
        return _shown(name, numbers, is_open=name == "path" and not data[0])

    return unpack


_COUNTS = {"point": 2, "lseg": 4, "box": 4, "line": 3, "circle": 3}
NAMES = tuple(_SHAPES)
