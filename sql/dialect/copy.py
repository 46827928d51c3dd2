"""Grammar of COPY, old and new, and the reading of its options.

https://www.postgresql.org/docs/15/sql-copy.html; the forms with a path are the peer's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.dialect.core import Core
from sql.encodings import encoding_named
from sql.results import CopyFormat, CopyOptions

_QUERY_TOKENS = (TokenType.L_PAREN,)


class CopyGrammar(Core):
    """COPY … FROM and COPY … TO."""

    def _copy_statement(self) -> exp.Expr:
        copy = nodes.CopyStatement()
        options: list[nodes.Option] = []
        if self.word("BINARY"):
            options.append(_option("format", exp.var("binary")))
        self._copy_subject(copy)
        self._copy_endpoint(copy)
        self._copy_options(copy, options)
        if self._match(TokenType.WHERE, advance=False):
            copy.set("where", self._parse_where())
        if self.word("LIMIT"):
            copy.set("limit", self.take_expression())
        copy.set("options", options or None)
        return self.expression(copy)

    def _copy_subject(self, copy: nodes.CopyStatement) -> None:
        if self._match(TokenType.L_PAREN):
            copy.set("this", self.statement_inside())
            self._match_r_paren()
        elif self.at_word("DATABASE") and self._next.token_type in self.ID_VAR_TOKENS | {
            TokenType.IDENTIFIER
        }:
            self._advance()
            copy.set("database", True)
            copy.set("this", self.take_name())
        else:
            copy.set("this", self.take_table())
            if self._match(TokenType.L_PAREN, advance=False):
                copy.set("columns", self.take_names())

    def _copy_endpoint(self, copy: nodes.CopyStatement) -> None:
        if self._match(TokenType.FROM):
            copy.set("into", True)
        elif not self.word("TO"):
            raise self.expected("FROM or TO")
        standard = "STDIN" if copy.args.get("into") else "STDOUT"
        if self.word("STDIN") or self.word("STDOUT"):  # PostgreSQL takes either word both ways
            copy.set("endpoint", exp.var(standard))
        else:
            copy.set("endpoint", self.take_string())

    def _copy_options(self, copy: nodes.CopyStatement, options: list[nodes.Option]) -> None:
        self._match(TokenType.WITH)
        if self._match(TokenType.L_PAREN, advance=False):
            options += self._parse_wrapped_csv(lambda: self._copy_option(copy))
        else:
            options += self._old_options()
        if self.word("CONNECTION"):
            copy.set("connection", self.take_options())

    def _copy_option(self, copy: nodes.CopyStatement) -> nodes.Option:
        """`HEADER`, `FORMAT csv`, `FORCE_QUOTE (a, b)`, `FORMAT = 'csv'`."""
        key = self.take_key()
        if self._match(TokenType.EQ):
            copy.set("assigned", True)
        if self._curr.token_type in (TokenType.COMMA, TokenType.R_PAREN):
            return _option(key, None)
        if self._match(TokenType.STAR):
            return _option(key, exp.Star())
        if self._match(TokenType.L_PAREN, advance=False):
            return _option(key, exp.Tuple(expressions=self.take_names()))
        return _option(key, self.take_option_value())

    def _old_options(self) -> Iterable[nodes.Option]:
        """The spelling of PostgreSQL 8: words without parentheses or commas."""
        while self._curr and not self.at_word("WHERE", "LIMIT", "CONNECTION"):
            if self.word("BINARY"):
                yield _option("format", exp.var("binary"))
            elif self.word("CSV"):
                yield _option("format", exp.var("csv"))
            elif self.word("HEADER"):
                yield _option("header", None)
            elif self.word("FREEZE"):
                yield _option("freeze", None)
            elif self.at_word("DELIMITER", "NULL", "QUOTE", "ESCAPE", "ENCODING"):
                key = self.take_word().lower()
                self._match(TokenType.ALIAS)
                yield _option(key, self.take_string())
            elif self.word("FORCE"):
                yield self._force()
            else:
                raise self.unexpected()

    def _force(self) -> nodes.Option:
        negated = self.word("NOT")
        if self.word("NULL"):
            key = "force_not_null" if negated else "force_null"
        else:
            self.require("QUOTE")
            key = "force_quote"
        if self._match(TokenType.STAR):
            return _option(key, exp.Star())
        return _option(key, exp.Tuple(expressions=self._parse_csv(self.take_name)))


def _option(key: str, value: exp.Expr | None) -> nodes.Option:
    return nodes.Option(this=key, expression=value)


# --- Meaning --------------------------------------------------------------------------------------

_IGNORED = frozenset({"freeze"})
_LISTS = frozenset({"force_quote", "force_not_null", "force_null"})
_TRUE, _FALSE = frozenset({"", "true", "on", "1"}), frozenset({"false", "off", "0"})


def copy_options(node: nodes.CopyStatement) -> CopyOptions:
    """The options of COPY FROM STDIN and COPY TO STDOUT, with PostgreSQL's defaults and checks.

    Raises: DbError INVALID_ARGUMENT, UNSUPPORTED, SYNTAX (unknown or repeated option).
    """
    given: dict[str, exp.Expr | None] = {}
    for option in node.args.get("options") or []:
        if option.this in given:
            raise DbError(ErrorKind.SYNTAX, "conflicting or redundant options")
        given[option.this] = option.expression
    kind = _format(given.pop("format", None))
    csv = kind is CopyFormat.CSV
    values: dict[str, object] = {"format": kind}
    if csv:
        values |= {"delimiter": ",", "null": ""}
    for key, value in given.items():
        values |= _read(key, value, csv)
    options = CopyOptions(**values)  # type: ignore[arg-type] # keys come from _read alone
    if "quote" in given and "escape" not in given:
        values["escape"] = options.quote
        options = CopyOptions(**values)  # type: ignore[arg-type]
    _check(options, given)
    return options


def _format(value: exp.Expr | None) -> CopyFormat:
    name = "text" if value is None else (nodes.constant_text(value) or "").lower()
    if name not in {kind.value for kind in CopyFormat}:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f'COPY format "{name}" not recognized')
    return CopyFormat(name)


def _read(key: str, value: exp.Expr | None, csv: bool) -> dict[str, object]:
    text = "" if value is None else nodes.constant_text(value)
    if key in _LISTS:
        if not csv:
            raise _csv_only(key)
        if isinstance(value, exp.Star):
            return {key: frozenset({"*"})}
        names = (name.name for name in (value.expressions if value is not None else ()))
        return {key: frozenset(names)}
    if key == "header":
        return _header((text or "").lower())
    if key in _OF_ERRORS:
        return _OF_ERRORS[key](text or "")
    if key == "encoding":
        return _encoding(text or "")
    if key == "null" and text is not None:
        return {"null": text}
    if key in ("delimiter", "quote", "escape") and text is not None:
        if key != "delimiter" and not csv:
            raise _csv_only(key)
        if len(text.encode()) != 1:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT, f"COPY {key} must be a single one-byte character"
            )
        return {key: text}
    if key in _IGNORED:
        return {}
    raise DbError(ErrorKind.SYNTAX, f'option "{key}" not recognized')


def _csv_only(key: str) -> DbError:
    return DbError(ErrorKind.UNSUPPORTED, f"COPY {key} available only in CSV mode")


def _header(text: str) -> dict[str, object]:
    if text == "match":
        return {"header": True, "match_header": True}
    if text not in _TRUE | _FALSE:
        raise DbError(ErrorKind.SYNTAX, "header requires a Boolean value or MATCH")
    return {"header": text in _TRUE}


def _encoding(text: str) -> dict[str, object]:
    encoding = encoding_named(text)
    if encoding is None:
        message = 'argument to option "encoding" must be a valid encoding name'
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    return {"encoding": encoding}


def _on_error(text: str) -> dict[str, object]:
    if text.lower() not in ("stop", "ignore"):
        raise DbError(ErrorKind.INVALID_ARGUMENT, f'COPY ON_ERROR "{text}" not recognized')
    return {"ignore_errors": text.lower() == "ignore"}


def _reject_limit(text: str) -> dict[str, object]:
    if not text.isdigit() or not int(text):
        message = f"REJECT_LIMIT ({text}) must be greater than zero"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    return {"reject_limit": int(text)}


def _log_verbosity(text: str) -> dict[str, object]:
    if text.lower() not in ("silent", "default", "verbose"):
        raise DbError(ErrorKind.INVALID_ARGUMENT, f'COPY LOG_VERBOSITY "{text}" not recognized')
    return {"log_verbosity": text.lower()}


_OF_ERRORS: dict[str, Callable[[str], dict[str, object]]] = {
    "on_error": _on_error,
    "reject_limit": _reject_limit,
    "log_verbosity": _log_verbosity,
}


def _check(options: CopyOptions, given: dict[str, exp.Expr | None]) -> None:
    """The combinations PostgreSQL refuses."""
    if options.format is CopyFormat.BINARY and given.keys() & {"delimiter", "null", "header"}:
        key = sorted(given.keys() & {"delimiter", "null", "header"})[0].upper()
        raise DbError(ErrorKind.SYNTAX, f"cannot specify {key} in BINARY mode")
    if options.ignore_errors and options.format is CopyFormat.BINARY:
        raise DbError(ErrorKind.SYNTAX, "only ON_ERROR STOP is allowed in BINARY mode")
    if options.reject_limit and not options.ignore_errors:
        message = "COPY REJECT_LIMIT requires ON_ERROR to be set to IGNORE"
        raise DbError(ErrorKind.SYNTAX, message)
    if options.delimiter in "\r\n" or any(char in options.null for char in "\r\n"):
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            "COPY delimiter and null cannot be newline or carriage return",
        )
    if options.format is CopyFormat.CSV and options.delimiter == options.quote:
        raise DbError(ErrorKind.INVALID_ARGUMENT, "COPY delimiter and quote must be different")
    if options.delimiter in options.null:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT, "COPY delimiter must not appear in the NULL specification"
        )
