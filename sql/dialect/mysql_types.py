"""Types as MySQL writes them: what its clients are shown again, and what sqlglot does not read.

Mixed into the MySQL grammar by dialects.py. The spelling is left beside the type's node, for
create.py to keep. Source: MySQL 8.4 reference, "Data Types".
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from engine.errors import DbError, ErrorKind
from sql.dialect.core import Core

SPELLING = "mysql"  # the key in a type node's meta
_TIME_DIGITS = 6
_FLOATING = ("FLOAT", "DOUBLE", "REAL")
_KEPT = frozenset(
    {"BIT", "MEDIUMINT", "TINYBLOB", "MEDIUMBLOB", "LONGBLOB", "BINARY", "VARBINARY", "TEXT"}
    | {"TIME"}
)


class MysqlTypes(Core):
    """BIT(n) is a number of so many bits, TINYINT(1) keeps its width, FLOAT(7,4) is a FLOAT."""

    def _parse_types(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
        start = self._index
        word = self._curr.text.upper() if self._curr else ""
        floating = self._floating() if word in _FLOATING else None
        if floating is not None:
            return floating
        found = super()._parse_types(*args, **kwargs)
        if isinstance(found, exp.DataType):
            written = _spelling(word, self._tokens[start : self._index])
            if word == "BIT":
                found = exp.DataType(this=exp.DType.UBIGINT)
                written = written if "(" in written else "bit(1)"
            if word == "TIME":
                _check_digits(found)
            if written:
                found.meta[SPELLING] = written
        return found

    def _floating(self) -> exp.DataType | None:
        """`FLOAT(7,4)`, `DOUBLE UNSIGNED`: digits are not kept, nor is a sign forbidden."""
        start = self._index
        kind = exp.DType.FLOAT if self._curr.text.upper() == "FLOAT" else exp.DType.DOUBLE
        self._advance()
        self.word("PRECISION")
        sized = self._match(TokenType.L_PAREN)
        if sized:
            self.take_expression()
            sized = self._match(TokenType.COMMA)
            if sized:
                self.take_expression()
                self._match_r_paren()
        if not sized and not self.at_word("UNSIGNED"):
            self._retreat(start)
            return None
        self.word("UNSIGNED")
        return exp.DataType(this=kind)


def _check_digits(kind: exp.DataType) -> None:
    """A TIME has six digits of a second at most. Raises: DbError OUT_OF_RANGE, MySQL's 1426."""
    given = next((part.name for part in kind.expressions), "")
    if given.isdigit() and int(given) > _TIME_DIGITS:
        message = f"Too-big precision {given} specified for TIME. Maximum is {_TIME_DIGITS}."
        error = DbError(ErrorKind.OUT_OF_RANGE, message)
        error.mysql = (1426, "42000")
        raise error


def _spelling(word: str, tokens: list[Token]) -> str:
    """The type in lower case, empty if the type alone tells it."""
    if word in ("ENUM", "SET"):  # as clients read it: without spaces
        texts = (token.text for token in tokens if token.token_type is TokenType.STRING)
        words = ",".join("'" + one.replace("'", "''") + "'" for one in texts)
        return f"{word.lower()}({words})"
    text = "".join(token.text for token in tokens[:4])
    if word == "TINYINT":
        return "tinyint(1)" if text.upper() == "TINYINT(1)" and len(tokens) == 4 else ""
    if word not in _KEPT or (word == "TEXT" and len(tokens) > 1):
        return ""
    has_size = len(tokens) > 1 and tokens[1].token_type is TokenType.L_PAREN
    return word.lower() + (f"({tokens[2].text})" if has_size else "")
