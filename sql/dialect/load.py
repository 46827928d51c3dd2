"""Grammar of MySQL's LOAD DATA, and the reading of its format.

Source: MySQL 8.4 reference, "LOAD DATA Statement".
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from engine.errors import DbError, ErrorKind
from sql.charsets import charset_named
from sql.decode.load import LoadFormat
from sql.dialect import mysql_nodes, nodes
from sql.dialect.session import SessionGrammar


class LoadGrammar(SessionGrammar):
    """LOAD DATA [LOCAL] INFILE."""

    def _load_statement(self) -> exp.Expr:
        if not self.word("DATA"):
            return self._utility_statement()
        if not self.word("LOW_PRIORITY"):
            self.word("CONCURRENT")
        load = mysql_nodes.LoadFile(local=self.word("LOCAL") or None)
        self.require("INFILE")
        load.set("file", self.take_string())
        load.set("duplicates", next((w for w in ("REPLACE", "IGNORE") if self.word(w)), None))
        self._match(TokenType.INTO)
        self._match(TokenType.TABLE)
        load.set("this", self.take_table())
        load.set("options", self._load_options())
        if self._match(TokenType.L_PAREN, advance=False):
            load.set("columns", self._parse_wrapped_csv(self._load_column))
        if self._match(TokenType.SET):
            load.set("expressions", self._parse_csv(self._parse_equality))
        return self.expression(load)

    def _load_options(self) -> list[nodes.Option]:
        found: list[nodes.Option] = []
        if self._match_pair(TokenType.CHAR, TokenType.SET) or self.at_word("CHARACTER SET"):
            if self._prev.text.upper() != "SET":
                self._advance()
            found.append(nodes.Option(this="encoding", expression=exp.var(self.take_name().name)))
        if self.word("FIELDS") or self.word("COLUMNS"):
            while option := self._load_field_option():
                found.append(option)
        if self.word("LINES"):
            while option := self._load_line_option():
                found.append(option)
        if self.word("IGNORE"):
            count = self.take_expression()
            if not self.word("LINES"):
                self._match(TokenType.ROWS)
            found.append(nodes.Option(this="skip_lines", expression=count))
        return found

    def _load_field_option(self) -> nodes.Option | None:
        if self.word("TERMINATED"):
            return self._load_option("field_end")
        if self.word("OPTIONALLY") or self.at_word("ENCLOSED"):
            self.require("ENCLOSED")
            return self._load_option("quote")
        return self._load_option("escape") if self.word("ESCAPED") else None

    def _load_line_option(self) -> nodes.Option | None:
        if self.word("STARTING"):
            return self._load_option("line_start")
        return self._load_option("line_end") if self.word("TERMINATED") else None

    def _load_option(self, name: str) -> nodes.Option:
        self.require("BY")
        if self._curr.token_type is TokenType.HEX_STRING:
            text = bytes.fromhex(self._curr.text).decode("latin-1")
            self._advance()
            return nodes.Option(this=name, expression=exp.Literal.string(text))
        return nodes.Option(this=name, expression=self.take_string())

    def _load_column(self) -> exp.Expr:
        """A column, or a variable that takes the field."""
        if self._match(TokenType.PARAMETER):
            return self._parse_parameter()
        return self.take_name()


def load_format(node: mysql_nodes.LoadFile) -> LoadFormat:
    """The format a LOAD DATA names. Raises: DbError INVALID_ARGUMENT, UNSUPPORTED."""
    given = {option.this: option.expression.name for option in node.args.get("options") or []}
    if "encoding" in given:
        charset = charset_named(given["encoding"])
        given["encoding"] = "utf-8" if charset.name == "ascii" else charset.codec
    skip = given.pop("skip_lines", "0")
    if not skip.isdigit():
        raise DbError(ErrorKind.SYNTAX, "IGNORE needs a number of lines")
    form = LoadFormat(**given, skip_lines=int(skip))
    for name in ("quote", "escape"):
        if len(getattr(form, name).encode()) > 1:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT, f"the {name} of LOAD DATA must be a single byte"
            )
    if not form.field_end or not form.line_end:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "LOAD DATA without a terminator of fields or lines (rows of fixed width)",
            hint="name both in FIELDS TERMINATED BY and LINES TERMINATED BY",
        )
    return form
