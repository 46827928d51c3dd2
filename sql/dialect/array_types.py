"""The standard's spelling of array types, `int ARRAY`, as tokens of PostgreSQL's own, `int[]`.

Called by parser.py, since sqlglot takes what follows such an ARRAY for its length.
"""

from __future__ import annotations

from copy import copy

from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokenizer_core import Token, TokenType

_TYPES = PostgresParser.TYPE_TOKENS
_OPENING = (TokenType.L_BRACKET, TokenType.L_PAREN)  # a length, or the values of an array


def spelled_with_brackets(tokens: list[Token]) -> list[Token]:
    """The tokens with `[]` for ARRAY behind a type; `ARRAY[3]` is left as it is."""
    made: list[Token] = []
    for at, token in enumerate(tokens):
        following = tokens[at + 1].token_type if at + 1 < len(tokens) else None
        is_array = token.token_type is TokenType.ARRAY and following not in _OPENING
        if is_array and _ends_type(made):
            made += [_like(token, TokenType.L_BRACKET, "["), _like(token, TokenType.R_BRACKET, "]")]
        else:
            made.append(token)
    return made


def _ends_type(tokens: list[Token]) -> bool:
    """True if the last token, or what stands before its parenthesis, is a type's name."""
    at, depth = len(tokens) - 1, 0
    while at >= 0:
        depth += tokens[at].token_type is TokenType.R_PAREN
        depth -= tokens[at].token_type is TokenType.L_PAREN
        if depth == 0 and tokens[at].token_type is not TokenType.L_PAREN:
            return tokens[at].token_type in _TYPES
        at -= 1
    return False


def _like(token: Token, kind: TokenType, text: str) -> Token:
    made = copy(token)
    made.token_type, made.text = kind, text
    return made
