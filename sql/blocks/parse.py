"""The text of a DO block as statements: the part of PL/pgSQL that needs no variables.

Called by run.py. Knows BEGIN … EXCEPTION WHEN … END, RAISE, PERFORM, EXECUTE 'text', IF, NULL and
plain SQL; loops and variables are refused by name.
https://www.postgresql.org/docs/current/plpgsql-structure.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine.errors import DbError, ErrorKind

LEVELS = ("DEBUG", "LOG", "INFO", "NOTICE", "WARNING", "EXCEPTION")
_REFUSED = ("DECLARE", "LOOP", "WHILE", "FOR", "FOREACH", "CASE", "RETURN", "GET")
_ENDS = ("END", "ELSE", "ELSIF", "ELSEIF", "EXCEPTION", "WHEN")
_QUOTED = r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"
_PIECE = re.compile(
    rf"(?P<skip>\s+|--[^\n]*|/\*.*?\*/)|(?P<quoted>{_QUOTED})|(?P<word>\w+)|(?P<sign>.)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Raise:
    """RAISE level 'format', arguments USING option = expression."""

    level: str
    condition: str = ""  # a name, or a SQLSTATE
    text: str | None = None
    arguments: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement of SQL; `is_dynamic`: an expression that gives its text."""

    text: str
    is_dynamic: bool = False


@dataclass(frozen=True, slots=True)
class If:
    """Branches in order; the last may have the condition "true"."""

    branches: tuple[tuple[str, tuple[Step, ...]], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Steps that are undone if one of them ends with an error that a handler names.

    `handlers`: the conditions of each, and what it does instead.
    """

    steps: tuple[Step, ...]
    handlers: tuple[tuple[tuple[str, ...], tuple[Step, ...]], ...] = ()


Step = Raise | Sql | If | Block


@dataclass(frozen=True, slots=True)
class _Piece:
    """A word, a quoted text or a sign, and where it is."""

    text: str
    start: int
    is_word: bool = False

    @property
    def upper(self) -> str:
        return self.text.upper() if self.is_word else self.text


@dataclass
class _Reader:
    source: str
    pieces: list[_Piece] = field(default_factory=list)
    at: int = 0

    def word(self) -> str:
        """The next piece in capitals, empty at the end."""
        return self.pieces[self.at].upper if self.at < len(self.pieces) else ""

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
            near = self.word() or "end of input"
            message = f'syntax error at or near "{near}": expected {" ".join(words)}'
            raise DbError(ErrorKind.SYNTAX, message)

    def until(self, ends: Callable[[_Piece], bool]) -> str:
        """The text up to a piece outside of parentheses that `ends` it, which is not taken."""
        first, depth = self.at, 0
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            if depth == 0 and ends(piece):
                break
            depth += {"(": 1, ")": -1}.get(piece.text, 0)
            self.at += 1
        if self.at == first:
            return ""
        last = self.pieces[self.at - 1]
        return self.source[self.pieces[first].start : last.start + len(last.text)]


def parse_block(source: str) -> Block:
    """The whole block. Raises: DbError SYNTAX, UNSUPPORTED."""
    reader = _Reader(source)
    for found in _PIECE.finditer(source):
        if found["skip"] is None:
            reader.pieces.append(_Piece(found[0], found.start(), found["word"] is not None))
    _refuse(reader)
    reader.need("BEGIN")
    block = _block(reader)
    reader.take(";")
    if reader.word():
        raise DbError(ErrorKind.SYNTAX, f'syntax error at or near "{reader.word()}"')
    return block


def _block(reader: _Reader) -> Block:
    """What follows BEGIN, with its END."""
    steps = _steps(reader)
    handlers = []
    if reader.take("EXCEPTION"):
        reader.need("WHEN")
        reader.at -= 1
        while reader.take("WHEN"):
            conditions = [_condition(reader)]
            while reader.take("OR"):
                conditions.append(_condition(reader))
            reader.need("THEN")
            handlers.append((tuple(conditions), _steps(reader)))
    reader.need("END")
    return Block(steps, tuple(handlers))


def _condition(reader: _Reader) -> str:
    """A condition's name in lower case, or a SQLSTATE."""
    if reader.take("SQLSTATE"):
        return _string(reader)
    name = reader.word().lower()
    reader.at += 1
    return name


def put_words(expression: str, words: Mapping[str, str]) -> str:
    """The expression with other text in place of each of the words, where it is not quoted.

    >>> put_words("'SQLERRM: ' || sqlerrm", {"SQLERRM": "'no'"})
    "'SQLERRM: ' || 'no'"
    """
    return _PIECE.sub(
        lambda found: words.get(found[0].upper(), found[0]) if found["word"] else found[0],
        expression,
    )


def _steps(reader: _Reader) -> tuple[Step, ...]:
    found: list[Step] = []
    while reader.word() and reader.word() not in _ENDS:
        step = _step(reader)
        if step is not None:
            found.append(step)
    return tuple(found)


def _step(reader: _Reader) -> Step | None:
    _refuse(reader)
    if reader.take("NULL", ";"):
        return None
    if reader.take("RAISE"):
        step: Step = _raise(reader)
    elif reader.take("IF"):
        return _if(reader)
    elif reader.take("BEGIN"):
        step = _block(reader)
    elif reader.take("PERFORM"):
        step = Sql(f"SELECT {_statement(reader)}")
    elif reader.take("EXECUTE"):
        step = Sql(_statement(reader), is_dynamic=True)
    else:
        step = Sql(_statement(reader))
    reader.need(";")
    return step


def _refuse(reader: _Reader) -> None:
    if reader.word() in _REFUSED:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f"{reader.word()} in a DO block is not supported",
            hint="a block may have RAISE, PERFORM, EXECUTE, IF, EXCEPTION and statements of SQL",
        )


def _statement(reader: _Reader) -> str:
    return reader.until(lambda piece: piece.text == ";")


def _if(reader: _Reader) -> If:
    branches = []
    while True:
        condition = reader.until(lambda piece: piece.upper == "THEN")
        reader.need("THEN")
        branches.append((condition, _steps(reader)))
        if not (reader.take("ELSIF") or reader.take("ELSEIF")):
            break
    if reader.take("ELSE"):
        branches.append(("true", _steps(reader)))
    reader.need("END", "IF")
    reader.need(";")
    return If(tuple(branches))


def _raise(reader: _Reader) -> Raise:
    level = reader.word()
    if level in LEVELS:
        reader.at += 1
    else:
        level = "EXCEPTION"
    condition, text = "", None
    arguments: list[str] = []
    if reader.take("SQLSTATE"):
        condition = _string(reader)
    elif reader.word().startswith("'"):
        text = _string(reader)
        while reader.take(","):
            arguments.append(reader.until(_ends_argument))
    elif reader.word() not in ("USING", ";"):
        condition = reader.word().lower()
        reader.at += 1
    options: list[tuple[str, str]] = []
    while reader.take("USING" if not options else ","):
        name = reader.word()
        reader.at += 1
        if not reader.take("="):
            reader.need(":", "=")
        options.append((name, reader.until(_ends_argument)))
    return Raise(level, condition, text, tuple(arguments), tuple(options))


def _ends_argument(piece: _Piece) -> bool:
    return piece.text in (",", ";") or piece.upper == "USING"


def _string(reader: _Reader) -> str:
    text = reader.pieces[reader.at].text if reader.at < len(reader.pieces) else ""
    if not text.startswith("'"):
        raise DbError(ErrorKind.SYNTAX, f'syntax error at or near "{text}": expected a string')
    reader.at += 1
    return text[1:-1].replace("''", "'")
