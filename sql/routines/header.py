"""What stands before a routine's body, read word by word.

Called by definition.py (MySQL) and postgres.py, which know what may stand there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot.tokenizer_core import Token, TokenType

from engine.errors import DbError, ErrorKind
from sql.dialect.parser import fold_name, tokenize
from sql.session import Wire

_TEXTS = (TokenType.STRING, TokenType.HEREDOC_STRING, TokenType.RAW_STRING)


def _words(token: Token, text: str) -> Iterator[Token]:
    """The words of a token; `LANGUAGE sql SECURITY …` has one that the library takes for two."""
    if token.token_type is not TokenType.SQL_SECURITY:
        yield token
        return
    for word in re.finditer(r"\w+", text[token.start : token.end + 1]):
        start, end = token.start + word.start(), token.start + word.end() - 1
        yield Token(TokenType.VAR, word[0], token.line, token.col, start, end)


class Header:
    """Reads tokens from left to right."""

    def __init__(self, text: str, wire: Wire) -> None:
        self.text = text
        self.wire = wire
        self.tokens = [word for token in tokenize(text, wire) for word in _words(token, text)]
        self.at = 0

    @property
    def ended(self) -> bool:
        """True if all is read."""
        return self.at >= len(self.tokens)

    def peek(self, ahead: int = 0) -> str:
        """The word there in capitals; empty for texts, quoted names and the end."""
        at = self.at + ahead
        if at >= len(self.tokens) or self.tokens[at].token_type in (*_TEXTS, TokenType.IDENTIFIER):
            return ""
        return self.tokens[at].text.upper()

    def take(self, *words: str) -> bool:
        """Passes the words if they stand here."""
        found = all(self.peek(ahead) == word for ahead, word in enumerate(words))
        self.at += len(words) if found else 0
        return found

    def require(self, *words: str) -> None:
        """Passes the words. Raises: DbError SYNTAX."""
        if not self.take(*words):
            raise self.unexpected()

    def skip(self, kind: TokenType) -> bool:
        """Passes one token of that kind."""
        found = not self.ended and self.tokens[self.at].token_type is kind
        self.at += found
        return found

    def word(self) -> str:
        """The text of the next token. Raises: DbError SYNTAX at the end."""
        if self.ended:
            raise self.unexpected()
        self.at += 1
        return self.tokens[self.at - 1].text

    def name(self) -> str:
        """A name as the catalog has it: PostgreSQL's unquoted ones in lower case."""
        quoted = not self.ended and self.tokens[self.at].token_type is TokenType.IDENTIFIER
        text = self.word()
        return text if quoted or self.wire is Wire.MYSQL else fold_name(text)

    def string(self) -> str:
        """A text in quotes of any kind. Raises: DbError SYNTAX."""
        if self.ended or self.tokens[self.at].token_type not in _TEXTS:
            raise self.unexpected()
        return self.word()

    def qualified(self) -> tuple[str, str]:
        """Database (empty if not said) and name."""
        name = self.name()
        return (name, self.name()) if self.skip(TokenType.DOT) else ("", name)

    def until(self, *words: str) -> tuple[int, int]:
        """Passes tokens up to a comma, a closing parenthesis or one of the words; their places."""
        start, depth = self.at, 0
        while not self.ended:
            kind = self.tokens[self.at].token_type
            ends = kind in (TokenType.COMMA, TokenType.R_PAREN) or self.peek() in words
            if not depth and ends:
                break
            depth += (kind is TokenType.L_PAREN) - (kind is TokenType.R_PAREN)
            self.at += 1
        return start, self.at

    def between(self, start: int, end: int) -> str:
        """The text of the tokens from one place to before another."""
        if start >= end:
            return ""
        return self.text[self.tokens[start].start : self.tokens[end - 1].end + 1]

    def rest(self) -> str:
        """The text of all that follows, without a semicolon at its end."""
        if self.ended:
            raise DbError(ErrorKind.SYNTAX, "syntax error: a routine has a body")
        text = self.text[self.tokens[self.at].start :]
        self.at = len(self.tokens)
        return text.rstrip().rstrip(";").rstrip()

    def unexpected(self) -> DbError:
        """The error for what stands here."""
        if self.ended:
            return DbError(ErrorKind.SYNTAX, "syntax error at end of input")
        token = self.tokens[self.at]
        shown = self.text[token.start : token.end + 1]
        return DbError(ErrorKind.SYNTAX, f'syntax error at or near "{shown}"')
