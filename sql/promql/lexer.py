"""Splits PromQL text into tokens.

Keywords are not told apart from names here: many of them are also legal metric and label names,
so the parser decides by place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import DbError, ErrorKind

_DURATION = r"(?=\d)(?:\d+y)?(?:\d+w)?(?:\d+d)?(?:\d+h)?(?:\d+m(?!s))?(?:\d+s)?(?:\d+ms)?"
_TOKEN = re.compile(
    rf"""(?P<space>[\s]+|\#[^\r\n]*)
      |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
      |(?P<number>0[xX][0-9a-fA-F_]+(?![\w.])
        |(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      |(?P<duration>{_DURATION}(?![\w.]))
      |(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
      |(?P<op></|>/|=~|!~|==|!=|<=|>=|[-+*/%^<>=(){{}}\[\],@:])""",
    re.VERBOSE,
)
_UNITS = {
    "y": 31_536_000_000,
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1000,
    "ms": 1,
}
_PART = re.compile(r"(\d+)(ms|[ywdhms])")
_SIMPLE_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
}
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
MAX_DURATION_MS = 2**63 // 1_000_000  # 292 years, which Go counts in nanoseconds


@dataclass(frozen=True)
class Token:
    """One token; `kind` is string, number, duration, name, op or end."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + len(self.text)


def syntax_error(message: str, position: int) -> DbError:
    """An error at a 0-based offset of the text."""
    return DbError(ErrorKind.SYNTAX, message, position=position + 1)


def tokens(text: str) -> list[Token]:
    """All tokens and one of kind `end`. Raises: DbError(SYNTAX)."""
    found = []
    place = 0
    brackets = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.end() == place:
            raise _unreadable(text, place)
        kind, end = match.lastgroup or "", match.end()
        if kind == "name" and text[place] == ":" and brackets:
            kind, end = "op", place + 1  # a subquery's colon, not a name's
        if kind != "space":
            found.append(Token(kind, text[place:end], place))
        brackets += {"[": 1, "]": -1}.get(match.group(), 0)
        place = end
    found.append(Token("end", "", len(text)))
    return found


def _unreadable(text: str, place: int) -> DbError:
    if text[place] in "\"'`":
        return syntax_error("unterminated quoted string", place)
    if text[place].isdigit() or text[place] == ".":
        end = place
        while end < len(text) and (text[end].isalnum() or text[end] in "._"):
            end += 1
        return syntax_error(f'bad number or duration syntax: "{text[place:end]}"', place)
    return syntax_error(f"unexpected character: {text[place]!r}", place)


def duration_ms(text: str, position: int = 0) -> int:
    """The milliseconds of a duration such as `1h30m`. Raises: DbError(SYNTAX)."""
    total = sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    if total > MAX_DURATION_MS:
        raise syntax_error("duration out of range", position)
    return total


def number(text: str, position: int = 0) -> float:
    """The value of a number as Go writes numbers: 0x1F, 017 and 1_000 too."""
    plain = text.replace("_", "")
    try:
        if plain[:2].lower() == "0x":
            return float(int(plain, 16))
        if len(plain) > 1 and plain[0] == "0" and plain.isdigit():
            return float(int(plain, 8)) if not set(plain) & {"8", "9"} else float(plain)
        return float(plain)
    except ValueError:
        raise syntax_error(f'bad number or duration syntax: "{text}"', position) from None


def unquote(text: str, position: int = 0) -> str:
    """The value of a string literal, with Go's escapes. Raises: DbError(SYNTAX)."""
    body = text[1:-1]
    if text[0] == "`" or "\\" not in body:
        return body
    if "\\x" not in body and not re.search(r"\\[0-7]", body):
        return _ESCAPE.sub(lambda match: _character(match[1], position), body)
    return _unquote_bytes(body, position)


def _character(escape: str, position: int) -> str:
    if escape[0] in "uU" and len(escape) > 1:
        code = int(escape[1:], 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise syntax_error("escape sequence is an invalid Unicode code point", position)
        return chr(code)
    if escape not in _SIMPLE_ESCAPES:
        raise syntax_error(f"unknown escape sequence: \\{escape}", position)
    return _SIMPLE_ESCAPES[escape]


def _unquote_bytes(body: str, position: int) -> str:
    """Escapes may spell single bytes of UTF-8; bytes that are not stay as surrogates."""
    out = bytearray()
    place = 0
    for match in _ESCAPE.finditer(body):
        out += body[place : match.start()].encode("utf-8", "surrogateescape")
        escape = match[1]
        if escape[0] == "x" and len(escape) == 3:
            out.append(int(escape[1:], 16))
        elif len(escape) == 3 and escape.isdigit():
            if int(escape, 8) > 255:
                raise syntax_error("octal escape value over 255", position)
            out.append(int(escape, 8))
        else:
            out += _character(escape, position).encode()
        place = match.end()
    out += body[place:].encode("utf-8", "surrogateescape")
    return out.decode("utf-8", "surrogateescape")
