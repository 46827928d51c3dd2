"""VALUES as a table's name: PostgreSQL's word is a list of rows only where no table is named.

Called by parser.py on a request's tokens, before they are parsed.
https://www.postgresql.org/docs/15/sql-keywords-appendix.html (cannot be function or type)
"""

from __future__ import annotations

from sqlglot.tokenizer_core import Token, TokenType

# What follows these words is the name of a table, even before a parenthesis.
_NAMES_FOLLOW = frozenset(
    {"TABLE", "INTO", "UPDATE", "JOIN", "ONLY", "TRUNCATE", "REFERENCES", "COPY", "EXISTS"}
)
_LISTS_FOLLOW = frozenset({"FROM", "USING"})  # or lists of rows, which have a parenthesis


def mark_values_tables(tokens: list[Token]) -> None:
    """Makes names of the words VALUES that are no list of rows, in place."""
    for place, token in enumerate(tokens):
        if token.token_type is TokenType.VALUES and _is_name(tokens, place):
            token.token_type, token.text = TokenType.IDENTIFIER, token.text.lower()


def _is_name(tokens: list[Token], place: int) -> bool:
    before = tokens[place - 1] if place else None
    after = tokens[place + 1].token_type if place + 1 < len(tokens) else None
    if after is TokenType.DOT or (before is not None and before.token_type is TokenType.DOT):
        return True
    word = before.text.upper() if before is not None else ""
    if word in _LISTS_FOLLOW:
        return after is not TokenType.L_PAREN
    indexed = word == "ON" and "INDEX" in (token.text.upper() for token in tokens[:place])
    return word in _NAMES_FOLLOW or (indexed and after is TokenType.L_PAREN)
