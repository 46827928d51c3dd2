"""Text search as LIKE and regular expressions."""

from __future__ import annotations

import re

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.functions.rewrites.build import Arguments, as_text, call, check, literal_text, own, text

WORD = "word"  # in `meta` of a contains(): the term has boundaries that are checked beside it
_EDGE = "[^0-9A-Za-z]"
_HAN = re.compile(
    "[\u2e80-\u2fdf\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]"
)


def matches_term(arguments: Arguments) -> exp.Expr:
    """The term with boundaries; a literal term's pattern is made when planning."""
    check("matches_term", arguments, 2, 2, "matches_term(text, term)")
    subject, term = as_text(arguments[0]), literal_text(arguments[1])
    if term is None:
        return own("term", subject, as_text(arguments[1]))
    if not term:
        return exp.paren(exp.EQ(this=subject, expression=text("")))
    found = call("contains", subject, text(term))
    found.meta[WORD] = not is_chinese(term)
    pattern = term_pattern(term)
    if pattern == re.escape(term):  # no boundary to check
        return found
    return exp.paren(exp.And(this=found, expression=call("regexp_matches", subject, text(pattern))))


def term_pattern(term: str) -> str:
    """The regular expression of a term between boundaries.

    >>> term_pattern("v1.0")
    '(?:^|[^0-9A-Za-z])v1\\\\.0(?:[^0-9A-Za-z]|$)'
    """
    if is_chinese(term):  # Chinese is written without spaces: a term is any part of the text
        return re.escape(term)
    before = f"(?:^|{_EDGE})" if _is_word(term[0]) else ""
    after = f"(?:{_EDGE}|$)" if _is_word(term[-1]) else ""
    return before + re.escape(term) + after


def is_chinese(term: str) -> bool:
    """True if a Han character is in the term."""
    return _HAN.search(term) is not None


def _is_word(character: str) -> bool:
    return character.isascii() and character.isalnum()


# --- matches --------------------------------------------------------------------------------------

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[()]|[+-]?[^\s()"]+|[+-](?=[("])')


def matches(arguments: Arguments) -> exp.Expr:
    """A query of terms as contains() and AND, OR, NOT. Requires: the query is a literal."""
    check("matches", arguments, 2, 2, "matches(text, query)")
    query = literal_text(arguments[1])
    if query is None:
        raise DbError(ErrorKind.UNSUPPORTED, "matches() needs a query that is a string literal")
    reader = _Query(query, as_text(arguments[0]))
    return exp.paren(reader.read())


class _Query:
    """A query of the Lucene kind; terms without an operator between them are alternatives."""

    def __init__(self, query: str, subject: exp.Expr) -> None:
        self.query = query
        self.subject = subject
        self.tokens = _TOKEN.findall(query)
        self.at = 0

    def read(self) -> exp.Expr:
        """The whole query. Raises: DbError INVALID_ARGUMENT."""
        found = self._or()
        if self.at < len(self.tokens):
            raise self._error()
        return found

    def _error(self) -> DbError:
        return DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"matches() cannot read the query {self.query!r}",
            hint='terms, "phrases", +must, -mustnot, AND, OR, NOT and parentheses',
        )

    def _next(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _or(self) -> exp.Expr:
        found = self._and()
        while self._next() == "OR":
            self.at += 1
            found = exp.Or(this=found, expression=self._and())
        return exp.paren(found)

    def _and(self) -> exp.Expr:
        found = self._clauses()
        while self._next() == "AND":
            self.at += 1
            found = exp.And(this=exp.paren(found), expression=self._clauses())
        return found

    def _clauses(self) -> exp.Expr:
        """Terms side by side: all with + and none with -, and else any of them."""
        must: list[exp.Expr] = []
        may: list[exp.Expr] = []
        while self._next() not in ("", ")", "OR", "AND"):
            sign, clause = self._clause()
            (may if sign == "" else must).append(clause)
        if not must and not may:
            raise self._error()
        if not must:
            return exp.paren(exp.or_(*may, copy=False))
        return exp.paren(exp.and_(*must, copy=False))

    def _clause(self) -> tuple[str, exp.Expr]:
        token = self._next()
        self.at += 1
        if token == "NOT":
            return "-", exp.Not(this=exp.paren(self._clause()[1]))
        sign = token[0] if token[0] in "+-" and len(token) > 1 else ""
        if token in ("+", "-"):
            sign, token = token, self._next()
            self.at += 1
        else:
            token = token[len(sign) :]
        if token == "(":
            inner = self._or()
            if self._next() != ")":
                raise self._error()
            self.at += 1
        elif token == ")":
            raise self._error()
        else:
            term = re.sub(r"\\(.)", r"\1", token[1:-1]) if token[0] == '"' else token
            inner = call("contains", self.subject, text(term))
        return sign, exp.Not(this=exp.paren(inner)) if sign == "-" else inner
