"""Where statements of a request end: at semicolons, but not at those of a routine's body.

Called by parser.py. Source: MySQL 8.4 reference, "Compound Statements"; PostgreSQL's CREATE
FUNCTION, whose body is a text or stands in BEGIN ATOMIC … END.
"""

from __future__ import annotations

from sqlglot.tokenizer_core import Token, TokenType

from sql.dialect import nodes
from sql.session import Wire

_HEADER_TOKENS = 16  # CREATE OR REPLACE DEFINER = u @ h PROCEDURE
_ROUTINES = ("PROCEDURE", "FUNCTION", "TRIGGER", "EVENT")
_OPENING = ("IF", "WHILE", "LOOP", "REPEAT")  # where a statement begins
_BEFORE_STATEMENTS = ("BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT", ":", ";")


def chunks(tokens: list[Token], wire: Wire) -> list[list[Token]]:
    """The tokens of each statement, without semicolons."""
    found: list[list[Token]] = []
    at = 0
    while at < len(tokens):
        end = _end(tokens, at, _makes_routine(tokens, at, wire))
        if end > at:
            found.append(tokens[at:end])
        at = end + 1
    return found


def _makes_routine(tokens: list[Token], at: int, wire: Wire) -> bool:
    if _word(tokens[at]) != "CREATE":
        return False
    if wire is not Wire.MYSQL:
        words = [_word(token) for token in tokens[at + 1 : at + 4]]
        words = words[2:] if words[:2] == ["OR", "REPLACE"] else words
        return words[:1] in (["FUNCTION"], ["PROCEDURE"])
    for token in tokens[at + 1 : at + _HEADER_TOKENS]:
        if token.token_type in (TokenType.L_PAREN, TokenType.SEMICOLON):
            return False
        if _word(token) in _ROUTINES:
            return True
    return False


def routine_of(tokens: list[Token], text: str, wire: Wire) -> nodes.Utility | None:
    """CREATE PROCEDURE, FUNCTION, TRIGGER or EVENT as its verb and all that follows."""
    if not _makes_routine(tokens, 0, wire):
        return None
    at = next(at for at, token in enumerate(tokens) if _word(token) in _ROUTINES)
    replaces = len(tokens) > 1 and _word(tokens[1]) == "OR"
    verb = f"CREATE {'OR REPLACE ' if replaces else ''}{_word(tokens[at])}"
    return nodes.Utility(this=verb, text=text[tokens[at].end + 1 : tokens[-1].end + 1])


def _end(tokens: list[Token], at: int, is_routine: bool) -> int:
    """The index of the semicolon behind the statement, or the number of tokens."""
    depth, before = 0, ""
    while at < len(tokens):
        token = tokens[at]
        word = _word(token)
        if token.token_type is TokenType.SEMICOLON and depth <= 0:
            return at
        if is_routine:
            starts = before in _BEFORE_STATEMENTS
            if word == "END":
                depth -= 1
                following = _word(tokens[at + 1]) if at + 1 < len(tokens) else ""
                at += following in (*_OPENING, "CASE")
            elif word in ("BEGIN", "CASE") or (word in _OPENING and starts):
                depth += 1
        before = word
        at += 1
    return at


def _word(token: Token) -> str:
    quoted = token.token_type in (TokenType.STRING, TokenType.IDENTIFIER)
    return "" if quoted else token.text.upper()
