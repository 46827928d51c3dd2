"""The grammar of MySQL's stored routines: blocks, variables, branches, loops, handlers, cursors.

Called when a routine is made (to refuse what it cannot do) and when it is called. Works on the
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
    """SIGNAL a state or condition [SET item = value, …]; RESIGNAL if `again`, which needs none."""

    condition: str  # a SQLSTATE, a condition's name, or nothing
    items: tuple[tuple[str, Piece], ...] = ()  # MESSAGE_TEXT, MYSQL_ERRNO
    again: bool = False


@dataclass(frozen=True, slots=True)
class Return:
    """RETURN value: what a function gives."""

    value: Piece


@dataclass(frozen=True, slots=True)
class Handler:
    """DECLARE EXIT | CONTINUE HANDLER FOR conditions body."""

    leaves: bool
    conditions: tuple[str, ...]  # SQLSTATEs, error numbers, classes in capitals, conditions' names
    body: Step


@dataclass(frozen=True, slots=True)
class Condition:
    """DECLARE name CONDITION FOR a state or a number."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class DeclareCursor:
    """DECLARE name CURSOR FOR query."""

    name: str
    query: Piece


@dataclass(frozen=True, slots=True)
class UseCursor:
    """OPEN, CLOSE, and FETCH into variables."""

    verb: str
    name: str
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """GET [STACKED] DIAGNOSTICS: variables and the items they get."""

    items: tuple[tuple[Piece, str], ...]


Step = (
    Piece | Declare | Branches | Loop | Block | Jump | Signal | Return | Handler | Condition
    | DeclareCursor | UseCursor | Diagnostics
)  # fmt: skip


def parse_body(text: str, *, is_function: bool = False) -> Step:
    """The one statement that a body is. Raises: DbError SYNTAX, LIMIT_EXCEEDED."""
    reader = _Reader(tokenize(text, Wire.MYSQL))
    step = reader.step()
    reader.skip(TokenType.SEMICOLON)
    if reader.at < len(reader.tokens):
        raise reader.unexpected()
    if reader.returns != is_function:
        number = 1320 if is_function else 1313
        message = "RETURN is only allowed in a FUNCTION"
        error = DbError(ErrorKind.SYNTAX, "No RETURN found in FUNCTION" if is_function else message)
        error.mysql = (number, "42000")
        raise error
    return step


class _Reader:
    """Reads tokens from left to right."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.returns = False

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
        return DbError(ErrorKind.SYNTAX, f'syntax error at or near "{here}" in the routine')

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
            raise DbError(ErrorKind.LIMIT_EXCEEDED, "the routine is nested too deeply")
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
            "RESIGNAL": self._signal,
            "RETURN": self._return,
            "OPEN": self._use_cursor,
            "FETCH": self._use_cursor,
            "CLOSE": self._use_cursor,
            "GET": self._diagnostics,
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

    def _declare(self) -> Step:
        self.require("DECLARE")
        if self.word() in ("CONTINUE", "EXIT", "UNDO") and self.word(1) == "HANDLER":
            return self._handler()
        if self.word(1) == "CURSOR":
            name = self.name().lower()
            self.require("CURSOR", "FOR")
            return DeclareCursor(name, self.until(self.skips_to_end))
        if self.word(1) == "CONDITION":
            name = self.name().lower()
            self.require("CONDITION", "FOR")
            return Condition(name, self._condition())
        names = [self.name()]
        while self.skip(TokenType.COMMA):
            names.append(self.name())
        kind = self.until(lambda: self.skips_to_end() or self.word() == "DEFAULT")
        default = self.until(self.skips_to_end) if self.take("DEFAULT") else None
        text = " ".join(token.text for token in kind.tokens)
        return Declare(tuple(names), text, default)

    def _handler(self) -> Handler:
        if self.word() == "UNDO":
            raise self.unexpected()
        leaves = self.name().upper() == "EXIT"
        self.require("HANDLER", "FOR")
        conditions = [self._condition()]
        while self.skip(TokenType.COMMA):
            conditions.append(self._condition())
        return Handler(leaves, tuple(conditions), self.step())

    def _condition(self) -> str:
        """SQLSTATE [VALUE] 'x', a number, a class of conditions in capitals, a name in small."""
        if self.take("NOT", "FOUND"):
            return "NOT FOUND"
        if self.take("SQLSTATE"):
            self.take("VALUE")
            return self.name()
        name = self.name()
        return name.upper() if name.upper() in ("SQLEXCEPTION", "SQLWARNING") else name.lower()

    def _signal(self) -> Signal:
        again = self.name().upper() == "RESIGNAL"
        condition = ""
        if not (again and (self._is_at_end() or self.word() == "SET")):
            condition = self._condition()
        items: list[tuple[str, Piece]] = []
        if self.take("SET"):
            while True:
                item = self.name().upper()
                self.require("=")
                items.append((item, self.until(lambda: self.skips_to_end() or self.word() == ",")))
                if not self.skip(TokenType.COMMA):
                    break
        return Signal(condition, tuple(items), again)

    def _is_at_end(self) -> bool:
        return self.at >= len(self.tokens) or self.skips_to_end()

    def _return(self) -> Return:
        self.require("RETURN")
        self.returns = True
        return Return(self.until(self.skips_to_end))

    def _use_cursor(self) -> UseCursor:
        verb = self.name().upper()
        if verb != "FETCH":
            return UseCursor(verb, self.name().lower())
        if self.take("NEXT"):
            self.require("FROM")
        else:
            self.take("FROM")
        name = self.name().lower()
        self.require("INTO")
        targets = [self.name().lower()]
        while self.skip(TokenType.COMMA):
            targets.append(self.name().lower())
        return UseCursor(verb, name, tuple(targets))

    def _diagnostics(self) -> Diagnostics:
        self.require("GET")
        _ = self.take("CURRENT") or self.take("STACKED")
        self.require("DIAGNOSTICS")
        if self.take("CONDITION"):
            self.name()  # there is one
        items: list[tuple[Piece, str]] = []
        while True:
            target = self.until(lambda: self.word() == "=")
            self.require("=")
            items.append((target, self.name().upper()))
            if not self.skip(TokenType.COMMA):
                return Diagnostics(tuple(items))
