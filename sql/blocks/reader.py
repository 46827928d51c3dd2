"""PL/pgSQL's text as words, signs and quoted texts, read from left to right.

Called by parse.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.errors import DbError, ErrorKind

_QUOTED = (
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?P=tag)\$|\$\$.*?\$\$"
)
_PIECE = re.compile(
    rf"(?P<skip>\s+|--[^\n]*|/\*.*?\*/)|(?P<quoted>{_QUOTED})|(?P<word>\$?\w+)"
    r"|(?P<sign>:=|\.\.|<<|>>|.)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A word, a quoted text or a sign, and where it is."""

    text: str
    start: int
    is_word: bool = False

    @property
    def upper(self) -> str:
        """A word in capitals; all else as it is written."""
        return self.text.upper() if self.is_word else self.text


@dataclass
class Reader:
    """A text under work."""

    source: str
    pieces: list[Piece] = field(default_factory=list)
    at: int = 0
    depth: int = 0

    def word(self, ahead: int = 0) -> str:
        """The piece there in capitals, empty at the end."""
        at = self.at + ahead
        return self.pieces[at].upper if at < len(self.pieces) else ""

    def next(self) -> str:
        """Takes a piece as it is written. Raises: DbError SYNTAX at the end."""
        if self.at >= len(self.pieces):
            raise self.unexpected("more")
        self.at += 1
        return self.pieces[self.at - 1].text

    def take(self, *words: str) -> bool:
        """Takes the words if they come next."""
        found = tuple(piece.upper for piece in self.pieces[self.at : self.at + len(words)])
        if found != words:
            return False
        self.at += len(words)
        return True

    def need(self, *words: str) -> None:
        """Takes the words. Raises: DbError SYNTAX."""
        if not self.take(*words):
            raise self.unexpected(" ".join(words))

    def unexpected(self, wanted: str) -> DbError:
        """The error for what stands here."""
        near = self.word() or "end of input"
        message = f'syntax error at or near "{near}": expected {wanted}'
        return DbError(ErrorKind.SYNTAX, message)

    def name(self) -> str:
        """A name, as the catalog has it."""
        text = self.next()
        return text[1:-1].replace('""', '"') if text.startswith('"') else text.lower()

    def until(self, *ends: str) -> str:
        """The text up to one of the words outside of parentheses, which is not taken."""
        return self.up_to(lambda piece: piece.upper in ends)

    def up_to(self, ends: Callable[[Piece], bool]) -> str:
        """The text up to a piece outside of parentheses that `ends` it, which is not taken."""
        first, depth, cases = self.at, 0, 0
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            if depth == 0 and cases == 0 and ends(piece):
                break
            depth += {"(": 1, ")": -1, "[": 1, "]": -1}.get(piece.text, 0)
            cases += (piece.upper == "CASE") - (piece.upper == "END" and cases > 0)
            self.at += 1
        return self.between(first, self.at)

    def between(self, first: int, end: int) -> str:
        """The text of pieces."""
        if end <= first:
            return ""
        last = self.pieces[end - 1]
        return self.source[self.pieces[first].start : last.start + len(last.text)]

    def list_until(self, *ends: str) -> tuple[str, ...]:
        """Texts with commas between."""
        found = [self.until(",", *ends)]
        while self.take(","):
            found.append(self.until(",", *ends))
        return tuple(found)


def reader_of(source: str) -> Reader:
    """A reader at the text's begin."""
    reader = Reader(source)
    for found in _PIECE.finditer(source):
        if found["skip"] is None:
            reader.pieces.append(Piece(found[0], found.start(), found["word"] is not None))
    return reader
