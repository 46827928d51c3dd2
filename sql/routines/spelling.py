"""A procedure's statement with its variables as the user variables that hold them.

Called by run.py. A name is a variable where an expression stands; a column's name in a list of
INSERT, the left side of SET in UPDATE, an alias and what has a dot beside it are not.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot.tokenizer_core import Token, TokenType

from sql.routines.parse import Piece

Names = dict[str, str]  # a variable's name in lower case: that of its user variable
_ITEM_ENDS = (TokenType.COMMA, TokenType.FROM, TokenType.INTO)


def as_statement(text: str, piece: Piece, names: Names) -> str:
    """A plain statement, as it can be run."""
    return spelled(text, piece.tokens, names, aliased=True)


def spelled(text: str, tokens: Sequence[Token], names: Names, *, aliased: bool = False) -> str:
    """The tokens' text with variables replaced. `aliased`: outputs of SELECT keep their names."""
    verb = tokens[0].text.upper()
    made, at = [], tokens[0].start
    skipping = verb in ("INSERT", "REPLACE")  # until the values
    for index, token in enumerate(tokens):
        word = token.text.upper()
        if skipping and word in ("VALUES", "VALUE", "SELECT", "SET", "ON"):
            skipping = False
        own = None if skipping else names.get(token.text.lower())
        if own is None or not _is_expression(tokens, index, verb):
            continue
        made.append(text[at : token.start])
        made.append(f"@{own}")
        at = token.end + 1
        if aliased and verb == "SELECT" and _is_output(tokens, index):
            made.append(f" AS `{token.text}`")
    made.append(text[at : tokens[-1].end + 1])
    return "".join(made)


def _is_expression(tokens: Sequence[Token], index: int, verb: str) -> bool:
    token = tokens[index]
    before = tokens[index - 1] if index else None
    after = tokens[index + 1] if index + 1 < len(tokens) else None
    if token.token_type in (TokenType.STRING, TokenType.NUMBER):
        return False
    if before is not None and before.token_type in (
        *(TokenType.DOT, TokenType.ALIAS, TokenType.PARAMETER, TokenType.SESSION_PARAMETER),
    ):
        return False
    if after is not None and after.token_type in (TokenType.DOT, TokenType.L_PAREN):
        return False
    is_assigned = after is not None and after.token_type is TokenType.EQ
    starts = before is not None and before.text.upper() in ("SET", ",", "UPDATE")
    return not (verb in ("UPDATE", "INSERT", "REPLACE") and is_assigned and starts)


def _is_output(tokens: Sequence[Token], index: int) -> bool:
    """True for a variable that is a whole item of the outermost SELECT's list."""
    depth = 0
    for token in tokens[:index]:
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if not depth and token.token_type in (TokenType.FROM, TokenType.INTO):
            return False
    before = tokens[index - 1]
    starts = before.token_type is TokenType.COMMA or before.text.upper() in ("SELECT", "DISTINCT")
    ends = index + 1 == len(tokens) or tokens[index + 1].token_type in _ITEM_ENDS
    return not depth and starts and ends
