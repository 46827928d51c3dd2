"""The parts of the grammar below expressions: tokens at hand, label lists, matchers, durations.

`parser.py` builds expressions on top of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import DbError
from sql.promql import lexer, regex
from sql.promql.lexer import Token, syntax_error
from sql.promql.model import Match, Matcher
from sql.promql.tree import (
    Binary,
    DurationCall,
    Edge,
    Node,
    Number,
    Parens,
    Unary,
    VectorSelector,
)

# Walking a tree takes a few of Python's thousand frames per level.
_MAX_DEPTH = 150
_LABEL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DURATION_LEVELS = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
_DURATION_CALLS = {"step": 0, "range": 0, "min_of": 2, "max_of": 2}


class SelectorParser:
    """A cursor over tokens with the smaller rules of the grammar."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One level of nesting. Raises: DbError(SYNTAX) where Python's own stack would run out."""
        self._depth += 1
        self.refuse_depth(self._depth)
        yield
        self._depth -= 1

    def refuse_depth(self, depth: int) -> None:
        """Raises: DbError(SYNTAX) for a tree too deep to walk."""
        if depth > _MAX_DEPTH:
            raise syntax_error("the expression is nested too deeply", self.now.start)

    @property
    def now(self) -> Token:
        """The token at the cursor."""
        return self._tokens[self._place]

    @property
    def before(self) -> Token:
        """The token read last."""
        return self._tokens[self._place - 1]

    def ahead(self) -> Token:
        """The token after the one at the cursor."""
        return self._tokens[min(self._place + 1, len(self._tokens) - 1)]

    def advance(self) -> Token:
        """Goes on by one token; returns the one that was at the cursor."""
        token = self.now
        self._place = min(self._place + 1, len(self._tokens) - 1)
        return token

    def word(self) -> str:
        """The name at the cursor in lower case, or ""."""
        return self.now.text.lower() if self.now.kind == "name" else ""

    def take_word(self, word: str) -> bool:
        """Steps over this word if it is there."""
        if self.word() != word:
            return False
        self.advance()
        return True

    def expect(self, op: str) -> Token:
        """Steps over this punctuation. Raises: DbError(SYNTAX)."""
        if self.now.kind == "op" and self.now.text == op:
            return self.advance()
        raise self.unexpected(f'"{op}"')

    def unexpected(self, wanted: str) -> DbError:
        """The error for the token at the cursor."""
        token = self.now
        what = "end of input" if token.kind == "end" else f'{token.kind} "{token.text}"'
        return syntax_error(f"unexpected {what}, expected {wanted}", token.start)

    # Labels.

    def label_list(self) -> tuple[str, ...]:
        """`(a, b, "c.d")`."""
        self.expect("(")
        found: list[str] = []
        while self.now.text != ")" or self.now.kind != "op":
            found.append(self._label_name())
            if self.now.text != ")":
                self.expect(",")
        self.expect(")")
        return tuple(found)

    def _label_name(self) -> str:
        token = self.now
        if token.kind == "string":
            self.advance()
            return lexer.unquote(token.text, token.start)
        if token.kind == "name" and _LABEL_NAME.fullmatch(token.text):
            return self.advance().text
        raise self.unexpected("label name")

    def selector(self, name: str) -> VectorSelector:
        """`{…}` behind a metric's name, which was just read; either may be missing, not both."""
        start = self.before.start if name else self.now.start
        matchers = [Matcher("__name__", Match.EQUAL, name)] if name else []
        braces = self.now.kind == "op" and self.now.text == "{"
        if braces:
            self._matchers(matchers)
        end = self.before.end
        return VectorSelector(tuple(matchers), bare=not name, start=start, end=end)

    def _matchers(self, matchers: list[Matcher]) -> None:
        self.expect("{")
        while self.now.text != "}" or self.now.kind != "op":
            matchers.append(self._matcher(matchers))
            if self.now.text != "}":
                self.expect(",")
        self.expect("}")

    def _matcher(self, before: list[Matcher]) -> Matcher:
        token = self.now
        if token.kind == "string" and self.ahead().text in (",", "}"):
            self.advance()
            name = lexer.unquote(token.text, token.start)
            for matcher in before:
                if matcher.name == "__name__" and matcher.op is Match.EQUAL:
                    raise syntax_error(
                        f'metric name must not be set twice: "{matcher.value}" or "{name}"',
                        token.start,
                    )
            return Matcher("__name__", Match.EQUAL, name)
        name = self._label_name()
        if self.now.text not in {op.value for op in Match}:
            raise self.unexpected("label matching operator")
        op = Match(self.advance().text)
        value = self.now
        if value.kind != "string":
            raise self.unexpected("string")
        self.advance()
        text = lexer.unquote(value.text, value.start)
        if op in (Match.REGEX, Match.NOT_REGEX):
            regex.check(text, value.start)
        self._refuse_second_name(before, name, op, text, token)
        return Matcher(name, op, text)

    def _refuse_second_name(
        self, before: list[Matcher], name: str, op: Match, value: str, token: Token
    ) -> None:
        if name != "__name__" or op is not Match.EQUAL or not before:
            return
        first = before[0]
        # Only a name written before or as the first thing in the braces counts as "the" name.
        if first.name == "__name__" and first.op is Match.EQUAL and value:
            raise syntax_error(
                f'metric name must not be set twice: "{first.value}" or "{value}"', token.start
            )

    # Numbers and durations.

    def number_literal(self) -> Number:
        """A number, or a duration as its seconds."""
        token = self.advance()
        if token.kind == "duration":
            value = lexer.duration_ms(token.text, token.start) / 1000
        else:
            value = lexer.number(token.text, token.start)
        return Number(value, start=token.start, end=token.end)

    def signed_number(self) -> float:
        """A number with any signs, Inf and NaN included."""
        sign = 1.0
        while self.now.kind == "op" and self.now.text in ("+", "-"):
            sign = -sign if self.advance().text == "-" else sign
        word = self.word()
        if word in ("inf", "nan"):
            self.advance()
            return sign * (math.inf if word == "inf" else math.nan)
        if self.now.kind not in ("number", "duration"):
            raise self.unexpected("number")
        return sign * self.number_literal().value

    def at_operand(self) -> int | Edge:
        """What follows `@`: a time in seconds, `start()` or `end()`."""
        token = self.now
        word = self.word()
        if word in ("start", "end") and self.ahead().text == "(":
            self.advance()
            self.expect("(")
            self.expect(")")
            return Edge(word)
        seconds = self.signed_number()
        if not math.isfinite(seconds) or abs(seconds) >= 2**63 / 1000:
            raise syntax_error("timestamp out of bounds for @ modifier", token.start)
        milliseconds = math.floor(abs(seconds) * 1000 + 0.5)
        return -milliseconds if seconds < 0 else milliseconds

    def offset_operand(self) -> Node:
        """What follows `offset`: a signed number, call or expression in parentheses."""
        token = self.now
        if token.kind == "op" and token.text in ("+", "-"):
            self.advance()
            with self.deeper():
                inner = self.offset_operand()
            return Unary(token.text, inner, start=token.start, end=inner.end)
        return self._duration_primary()

    def duration_expression(self, lowest: int) -> Node:
        """Arithmetic over numbers, durations, `step()` and its like."""
        with self.deeper():
            token = self.now
            if token.kind == "op" and token.text in ("+", "-"):
                self.advance()
                inner = self.duration_expression(3)
                left: Node = Unary(token.text, inner, start=token.start, end=inner.end)
            else:
                left = self._duration_primary()
            chained = 0
            while self.now.kind == "op" and _DURATION_LEVELS.get(self.now.text, -1) >= max(
                lowest, 1
            ):
                op = self.advance().text
                level = _DURATION_LEVELS[op]
                right = self.duration_expression(level if op == "^" else level + 1)
                left = Binary(op, left, right, start=left.start, end=right.end)
                chained += 1
                self.refuse_depth(chained)
            return left

    def _duration_primary(self) -> Node:
        token = self.now
        if token.kind in ("number", "duration"):
            return self.number_literal()
        if token.text == "(":
            self.advance()
            inner = self.duration_expression(0)
            end = self.expect(")").end
            return Parens(inner, start=token.start, end=end)
        name = self.word()
        if name not in _DURATION_CALLS:
            raise self.unexpected("number, duration, step(), range(), min_of() or max_of()")
        self.advance()
        self.expect("(")
        arguments: list[Node] = []
        for place in range(_DURATION_CALLS[name]):
            if place:
                self.expect(",")
            arguments.append(self.duration_expression(0))
        end = self.expect(")").end
        return DurationCall(name, tuple(arguments), start=token.start, end=end)
