"""Literals lifted out of a query's text, so that dashboards share one plan.

A dashboard asks the same query with another host and another hour each time. Literals that a WHERE
clause compares a name with become parameters; the plan cache then knows the query by what is left.
Found by tokens alone, before anything is parsed: in doubt a literal stays where it is, and a query
whose lifted form fails is run again as it was written (sql/statements/query.py).
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

TEXT_CHARS_MAX = 4_096
VALUES_MAX = 64

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<string>'(?:[^'\\]|'')*')
  | (?P<name>"[^"]*"|`[^`]*`|[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>\d+(?:\.\d+)?(?![\w.]))
  | (?P<operator><=|>=|<>|!=|=|<|>)
  | (?P<other>[().,;+*/%-])
    """,
    re.VERBOSE,
)
_QUERY = re.compile(r"\s*(SELECT|WITH)\s", re.IGNORECASE)
_COMPARED = frozenset({"=", "<", ">", "<=", ">=", "<>", "!="})
# Words that begin or end the part of a query where literals may be lifted.
_OPENING = frozenset({"WHERE"})
_CLOSING = frozenset(
    {
        *("SELECT", "FROM", "GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET", "UNION", "EXCEPT"),
        *("INTERSECT", "WINDOW", "QUALIFY", "ALIGN", "FILL", "SAMPLE", "LATEST", "FETCH", "FOR"),
    }
)
_WORDS = frozenset(
    {
        *("AND", "OR", "NOT", "BETWEEN", "IN", "LIKE", "IS", "NULL", "TRUE", "FALSE"),
        *("CASE", "WHEN", "THEN", "ELSE", "END"),
    }
)
_AFTER = frozenset({"AND", "OR", ")", "", ";", *_CLOSING})


class Lifted(NamedTuple):
    """A query with `$n` for its lifted literals, and their values."""

    text: str
    values: tuple[object, ...]


class _Token(NamedTuple):
    kind: str
    text: str  # words in upper case


def lift(text: str) -> Lifted | None:
    """The lifted form of a query; None when there is nothing to lift, or anything unusual in it.

    >>> lift("SELECT v FROM t WHERE host = 'a' AND ts > 5 LIMIT 3")
    Lifted(text='SELECT v FROM t WHERE host = $1 AND ts > $2 LIMIT 3', values=('a', 5))
    """
    if len(text) > TEXT_CHARS_MAX or not _QUERY.match(text):
        return None
    tokens = _tokens(text)
    if tokens is None:
        return None
    pieces: list[str] = []
    values: list[object] = []
    lifting = between = False
    for at, (token, original) in enumerate(tokens):
        if token.text in _OPENING:
            lifting = True
        elif token.text in _CLOSING:
            lifting = False
        piece = original
        if lifting and token.kind in ("string", "number") and len(values) < VALUES_MAX:
            before = _significant(tokens, at, -1)
            between = before.text == "BETWEEN" or (between and before.text == "AND")
            if _stands_alone(tokens, at, before, between=between):
                values.append(_value(token))
                piece = f"${len(values)}"
        pieces.append(piece)
    return Lifted("".join(pieces), tuple(values)) if values else None


def _tokens(text: str) -> list[tuple[_Token, str]] | None:
    tokens = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            return None  # comments, placeholders, escapes, casts: not worth the risk
        kind = str(found.lastgroup)
        original = found.group()
        upper = original.upper() if kind == "name" else original
        tokens.append((_Token(kind, upper), original))
        at = found.end()
    return None if any(token.text == "--" for token, _ in tokens) else tokens


def _significant(tokens: list[tuple[_Token, str]], at: int, step: int) -> _Token:
    """The next token before or after that is no space."""
    at += step
    while 0 <= at < len(tokens):
        if tokens[at][0].kind != "space":
            return tokens[at][0]
        at += step
    return _Token("end", "")


def _stands_alone(
    tokens: list[tuple[_Token, str]], at: int, before: _Token, *, between: bool
) -> bool:
    """True for the literal of `name = literal` and `name BETWEEN literal AND literal`."""
    if _significant(tokens, at, 1).text not in _AFTER:
        return False
    if between:
        return True
    if before.text not in _COMPARED:
        return False
    position = at - 1
    while tokens[position][0].text != before.text:
        position -= 1
    left = _significant(tokens, position, -1)
    return left.kind == "name" and left.text not in _WORDS


def _value(token: _Token) -> object:
    if token.kind == "string":
        return token.text[1:-1].replace("''", "'")
    return Decimal(token.text) if "." in token.text else int(token.text)
