"""The grammar of a stored procedure's body: blocks, variables, branches, loops, plain statements.

Called when a procedure is made (to refuse what it cannot do) and when it is called. Works on the
tokens of the body's text; plain statements are cut out, not read: the statement parser does that.
Source: MySQL 8.4 reference, "Compound Statements".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot.tokenizer_core import Token, TokenType

from engine.errors import DbError, ErrorKind
from sql.dialect.parser import tokenize
from sql.session import Wire

_NESTED_MAX = 100
_ENDS = ("END", "ELSE", "ELSEIF", "WHEN", "UNTIL")
_REFUSED = {"OPEN": "cursors", "FETCH": "cursors", "CLOSE": "cursors", "RETURN": "RETURN"}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the body: a plain statement, an expression or a type."""

    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Declare:
    """DECLARE names type [DEFAULT value]."""

    names: tuple[str, ...]
    type: str
    default: Piece | None


@dataclass(frozen=True, slots=True)
class Branches:
    """IF and CASE: the first branch whose condition holds; a CASE without ELSE has to hit one.

    `subject` is what CASE compares with the conditions' values.
    """

    branches: tuple[tuple[Piece | None, tuple[Step, ...]], ...]
    subject: Piece | None = None
    is_case: bool = False


@dataclass(frozen=True, slots=True)
class Loop:
    """WHILE (condition first), REPEAT (condition last, until it holds) and LOOP (none)."""

    body: tuple[Step, ...]
    condition: Piece | None = None
    until: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """BEGIN … END."""

    body: tuple[Step, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Jump:
    """LEAVE label, or ITERATE label if `again`."""

    label: str
    again: bool


@dataclass(frozen=True, slots=True)
class Signal:
    """SIGNAL SQLSTATE 'state' [SET MESSAGE_TEXT = message]."""

    state: str
    message: Piece | None


Step = Piece | Declare | Branches | Loop | Block | Jump | Signal


def parse_body(text: str) -> Step:
    """The one statement that a body is. Raises: DbError SYNTAX, UNSUPPORTED, LIMIT_EXCEEDED."""
    reader = _Reader(tokenize(text, Wire.MYSQL))
    step = reader.step()
    reader.skip(TokenType.SEMICOLON)
    if reader.at < len(reader.tokens):
        raise reader.unexpected()
    return step


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0

    # --- Tokens -----------------------------------------------------------------------------------

    def word(self, ahead: int = 0) -> str:
        """The word there in upper case; empty for texts, numbers and the end."""
        at = self.at + ahead
        if at >= len(self.tokens) or self.tokens[at].token_type is TokenType.STRING:
            return ""
        return self.tokens[at].text.upper()

    def take(self, *words: str) -> bool:
        """Passes the words if they stand here."""
        if any(self.word(ahead) != word for ahead, word in enumerate(words)):
            return False
        self.at += len(words)
        return True

    def require(self, *words: str) -> None:
        if not self.take(*words):
            raise self.unexpected()

    def skip(self, kind: TokenType) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at].token_type is kind:
            self.at += 1
            return True
        return False

    def name(self) -> str:
        if self.at >= len(self.tokens):
            raise self.unexpected()
        self.at += 1
        return self.tokens[self.at - 1].text

    def unexpected(self) -> DbError:
        here = self.tokens[self.at].text if self.at < len(self.tokens) else "the end"
        return DbError(ErrorKind.SYNTAX, f'syntax error at or near "{here}" in the procedure')

    def until(self, stops: Callable[[], bool]) -> Piece:
        """Everything up to where `stops` holds. Raises: DbError SYNTAX if there is nothing."""
        start = self.at
        while self.at < len(self.tokens) and not stops():
            self.at += 1
        if start == self.at:
            raise self.unexpected()
        return Piece(tuple(self.tokens[start : self.at]))

    def before(self, *words: str) -> Piece:
        """An expression and the word behind it; CASE … END may be in it."""
        depth = 0

        def stops() -> bool:
            nonlocal depth
            word = self.word()
            if not depth and word in words:
                return True
            depth += (word == "CASE") - (word == "END")
            return False

        found = self.until(stops)
        if self.at >= len(self.tokens):
            raise self.unexpected()
        self.at += 1
        return found

    # --- Statements -------------------------------------------------------------------------------

    def step(self) -> Step:
        self.depth += 1
        if self.depth > _NESTED_MAX:
            raise DbError(ErrorKind.LIMIT_EXCEEDED, "the procedure is nested too deeply")
        try:
            return self._step()
        finally:
            self.depth -= 1

    def _step(self) -> Step:
        label = ""
        if self.word(1) == ":" and self.word(2) in ("BEGIN", "LOOP", "WHILE", "REPEAT"):
            label = self.name().lower()
            self.at += 1
        word = self.word()
        if word in _REFUSED:
            message = f"{_REFUSED[word]} in procedures: not supported"
            raise DbError(ErrorKind.UNSUPPORTED, message)
        if word == "CASE":
            return self._case()
        makers: dict[str, Callable[[], Step]] = {
            "BEGIN": lambda: self._block(label),
            "IF": self._if,
            "WHILE": lambda: self._while(label),
            "REPEAT": lambda: self._repeat(label),
            "LOOP": lambda: self._loop(label),
            "LEAVE": self._jump,
            "ITERATE": self._jump,
            "DECLARE": self._declare,
            "SIGNAL": self._signal,
        }
        maker = makers.get(word)
        if maker is not None and not (word == "REPEAT" and self.word(1) == "("):
            return maker()
        return self.until(lambda: self.skips_to_end())

    def skips_to_end(self) -> bool:
        """True at the end of a plain statement."""
        return self.tokens[self.at].token_type is TokenType.SEMICOLON

    def steps(self) -> tuple[Step, ...]:
        """Statements up to END or what else ends a list of them."""
        found = []
        while self.at < len(self.tokens) and self.word() not in _ENDS:
            found.append(self.step())
            if not self.skip(TokenType.SEMICOLON):
                raise self.unexpected()
        return tuple(found)

    def _end(self, *words: str, label: str = "") -> None:
        self.require("END", *words)
        if label:
            self.take(label.upper())

    def _block(self, label: str) -> Block:
        self.require("BEGIN")
        body = self.steps()
        self._end(label=label)
        return Block(body, label)

    def _if(self) -> Branches:
        self.require("IF")
        branches: list[tuple[Piece | None, tuple[Step, ...]]] = []
        branches.append((self.before("THEN"), self.steps()))
        while self.take("ELSEIF"):
            branches.append((self.before("THEN"), self.steps()))
        if self.take("ELSE"):
            branches.append((None, self.steps()))
        self._end("IF")
        return Branches(tuple(branches))

    def _case(self) -> Branches:
        self.require("CASE")
        subject = None if self.word() == "WHEN" else self.until(lambda: self.word() == "WHEN")
        branches: list[tuple[Piece | None, tuple[Step, ...]]] = []
        while self.take("WHEN"):
            branches.append((self.before("THEN"), self.steps()))
        if self.take("ELSE"):
            branches.append((None, self.steps()))
        self._end("CASE")
        return Branches(tuple(branches), subject, is_case=True)

    def _while(self, label: str) -> Loop:
        self.require("WHILE")
        condition, body = self.before("DO"), self.steps()
        self._end("WHILE", label=label)
        return Loop(body, condition, label=label)

    def _repeat(self, label: str) -> Loop:
        self.require("REPEAT")
        body = self.steps()
        self.require("UNTIL")
        condition = self.before("END")
        self.require("REPEAT")
        self.take(label.upper())
        return Loop(body, condition, until=True, label=label)

    def _loop(self, label: str) -> Loop:
        self.require("LOOP")
        body = self.steps()
        self._end("LOOP", label=label)
        return Loop(body, label=label)

    def _jump(self) -> Jump:
        again = self.word() == "ITERATE"
        self.at += 1
        return Jump(self.name().lower(), again)

    def _declare(self) -> Declare:
        self.require("DECLARE")
        if self.word() in ("CONTINUE", "EXIT", "UNDO") or self.word(1) in ("CURSOR", "CONDITION"):
            raise DbError(
                ErrorKind.UNSUPPORTED, "handlers, conditions and cursors are not supported"
            )
        names = [self.name()]
        while self.skip(TokenType.COMMA):
            names.append(self.name())
        kind = self.until(lambda: self.skips_to_end() or self.word() == "DEFAULT")
        default = self.until(self.skips_to_end) if self.take("DEFAULT") else None
        text = " ".join(token.text for token in kind.tokens)
        return Declare(tuple(names), text, default)

    def _signal(self) -> Signal:
        self.require("SIGNAL", "SQLSTATE")
        self.take("VALUE")
        state = self.name()
        message = None
        if self.take("SET", "MESSAGE_TEXT", "="):
            message = self.until(lambda: self.skips_to_end() or self.word() == ",")
            self.until(self.skips_to_end) if self.word() == "," else None
        return Signal(state, message)
