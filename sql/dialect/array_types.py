"""Other spellings of PostgreSQL's array types: the standard's `int ARRAY`, and `_int4`.

Called by parser.py for the first, as tokens, since sqlglot takes what follows such an ARRAY for its
length, and by dialects.py for the second: the names that arrays of the system's types have in
pg_type. Arrays of users' own types are found by sql/plan/named_types.py.
"""

from __future__ import annotations

from copy import copy

from sqlglot import exp
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.tokenizer_core import Token, TokenType

from engine.named import BASE_TYPES

_TYPES = PostgresParser.TYPE_TOKENS
_OPENING = (TokenType.L_BRACKET, TokenType.L_PAREN)  # a length, or the values of an array

_ELEMENTS = frozenset({"bool", "bytea", "date", "float4", "float8", "int2", "int4", "int8"})
_ELEMENTS |= {"interval", "json", "jsonb", "name", "numeric", "text", "time", "uuid"}
_ELEMENTS |= {"bpchar", "timestamp", "timestamptz", "varchar"}


def array_by_name(found: exp.Expr | None) -> exp.Expr | None:
    """The array that `_int4` or `pg_catalog._text` means; another type as it is."""
    kind = found.args.get("kind") if isinstance(found, exp.DataType) else None
    if isinstance(kind, exp.Dot):
        kind = kind.expression if kind.this.name == "pg_catalog" else None
    if not isinstance(kind, exp.Identifier) or not kind.name.startswith("_"):
        return found
    name = kind.name[1:]
    if name in BASE_TYPES:
        plain = exp.DataType(this=exp.DType.USERDEFINED, kind=exp.to_identifier(name))
    elif name in _ELEMENTS:
        plain = exp.DataType.build(name, dialect="postgres")
    else:
        return found
    return exp.DataType(this=exp.DType.ARRAY, expressions=[plain], nested=True)


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


def in_one_word(tokens: list[Token]) -> list[Token]:
    """The tokens with `varbit` for PostgreSQL's BIT VARYING, which sqlglot does not know."""
    made: list[Token] = []
    for token in tokens:
        follows = bool(made) and made[-1].text.upper() == "BIT"
        if follows and token.text.upper() == "VARYING":
            made[-1] = _like(made[-1], TokenType.VAR, "varbit")
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
