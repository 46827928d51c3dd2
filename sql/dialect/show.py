"""Grammar of SHOW, DESCRIBE and EXPLAIN."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from sql.dialect import nodes
from sql.dialect.core import Core

# What can be shown: its words → the canonical words. Longest first where one begins another.
_OBJECTS = {
    "CREATE TABLE": "CREATE TABLE",
    "CREATE DATABASE": "CREATE DATABASE",
    "CREATE SCHEMA": "CREATE DATABASE",
    "CREATE VIEW": "CREATE VIEW",
    "CREATE FLOW": "CREATE FLOW",
    "CREATE TRIGGER": "CREATE TRIGGER",
    "CREATE PROCEDURE": "CREATE PROCEDURE",
    "CREATE FUNCTION": "CREATE FUNCTION",
    "CREATE USER": "CREATE USER",
    "TABLE STATUS": "TABLE STATUS",
    "OPEN TABLES": "OPEN TABLES",
    "DATABASES": "DATABASES",
    "SCHEMAS": "DATABASES",
    "TABLES": "TABLES",
    "COLUMNS": "COLUMNS",
    "FIELDS": "COLUMNS",
    "INDEXES": "INDEX",
    "INDEX": "INDEX",
    "KEYS": "INDEX",
    "REGIONS": "REGION",
    "REGION": "REGION",
    "VIEWS": "VIEWS",
    "FLOWS": "FLOWS",
    "FLOW STATUS": "FLOW STATUS",
    "TRIGGERS": "TRIGGERS",
    "EVENTS": "EVENTS",
    "PROCEDURE STATUS": "PROCEDURE STATUS",
    "FUNCTION STATUS": "FUNCTION STATUS",
    "FUNCTIONS": "FUNCTIONS",
    "VARIABLES": "VARIABLES",
    "STATUS": "STATUS",
    "COUNT ( * ) WARNINGS": "COUNT WARNINGS",
    "COUNT ( * ) ERRORS": "COUNT ERRORS",
    "WARNINGS": "WARNINGS",
    "ERRORS": "ERRORS",
    "PROCESSLIST": "PROCESSLIST",
    "CHARSET": "CHARSET",
    "CHARACTER SET": "CHARSET",
    "COLLATION": "COLLATION",
    "STORAGE ENGINES": "ENGINES",
    "ENGINES": "ENGINES",
    "PLUGINS": "PLUGINS",
    "PRIVILEGES": "PRIVILEGES",
    "GRANTS": "GRANTS",
    "MASTER STATUS": "MASTER STATUS",
    "REPLICA STATUS": "REPLICA STATUS",
    "SLAVE STATUS": "REPLICA STATUS",
    "BINARY LOGS": "BINARY LOGS",
    "REPLICAS": "REPLICAS",
    "SLAVE HOSTS": "REPLICAS",
    "PROFILES": "PROFILES",
    "ENGINE": "ENGINE",
    "SEARCH_PATH": "SEARCH_PATH",
}
_NAMED = frozenset({"CREATE TABLE", "CREATE VIEW", "CREATE TRIGGER"})  # may carry a database
_FROM_TABLE = frozenset({"COLUMNS", "INDEX", "REGION"})
# PostgreSQL's settings of several words: https://www.postgresql.org/docs/15/sql-show.html
_SETTINGS = {
    "TRANSACTION ISOLATION LEVEL": "transaction_isolation",
    "TIME ZONE": "timezone",
    "SESSION AUTHORIZATION": "session_authorization",
    "ALL": "all",
}
_FORMATS = frozenset({"TEXT", "JSON", "XML", "YAML", "TREE", "TRADITIONAL", "GRAPHVIZ"})


class ShowGrammar(Core):
    """SHOW, DESCRIBE, EXPLAIN."""

    def _show_statement(self) -> exp.Expr:
        start = self._index
        full = self.word("EXTENDED") | self.word("FULL")
        scope = self.take_word().upper() if self.at_word("GLOBAL", "SESSION") else None
        what = self._show_object()
        if what is None or (what == "SEARCH_PATH"):
            self._retreat(start)
            return self._show_setting()
        show = nodes.ShowStatement(this=what, full=full or None, scope=scope)
        self._show_target(show, what)
        return self.expression(show)

    def _show_object(self) -> str | None:
        for words, canonical in _OBJECTS.items():
            if self._curr.text.upper() == words and self._curr.token_type is not (
                TokenType.IDENTIFIER
            ):
                self._advance()  # some are one token of several words
                return canonical
            if self.word(*words.split()):
                return canonical
        return None

    def _show_target(self, show: nodes.ShowStatement, what: str) -> None:
        if what.startswith("CREATE "):
            self.word("IF", "NOT", "EXISTS")
            show.set("target", self.take_table() if what in _NAMED else self.take_name())
            if self._match(TokenType.FOR):
                show.set("purpose", self.take_word().lower())
            return
        if what in _FROM_TABLE:
            if not self._take_from():
                raise self.expected("FROM")
            show.set("target", self.take_table())
        if what == "ENGINE":
            self.take_rest()  # whose status: none keeps any
            return
        if self._take_from():
            show.set("db", self.take_name())
        self._show_filter(show)

    def _show_filter(self, show: nodes.ShowStatement) -> None:
        """LIKE, WHERE, and the clauses without an effect here (FOR user, LIMIT)."""
        if self._match(TokenType.LIKE):
            show.set("like", self.take_string())
        elif self._match(TokenType.WHERE, advance=False):
            show.set("where", self._parse_where())
        elif show.this == "VARIABLES" and self._curr.token_type in self.ID_VAR_TOKENS:
            show.set("variable", self.take_name())  # GreptimeDB's own short form
        elif show.this in ("GRANTS", "WARNINGS", "ERRORS") and self._curr:
            self.take_rest()

    def _take_from(self) -> bool:
        return self._match_set((TokenType.FROM, TokenType.IN))

    def _show_setting(self) -> nodes.ShowSetting:
        for words, name in _SETTINGS.items():
            if self.word(*words.split()):
                return self.expression(nodes.ShowSetting(this=name))
        name = self.take_name().name
        while self._match(TokenType.DOT):
            name = f"{name}.{self.take_name().name}"
        return self.expression(nodes.ShowSetting(this=name.lower()))

    def _describe_statement(self) -> exp.Expr:
        if self.at_word("SELECT", "WITH", "INSERT", "UPDATE", "DELETE", "REPLACE", "ANALYZE"):
            return self._explain_statement()
        self._match(TokenType.TABLE)
        return self._describe_table()

    def _describe_table(self) -> nodes.DescribeTable:
        table, column = self.take_table(), None
        if self._curr:
            quoted = self._curr.token_type in self.STRING_PARSERS
            column = self.take_string() if quoted else self.take_name()
        return self.expression(nodes.DescribeTable(this=table, column=column))

    def _explain_statement(self) -> exp.Expr:
        explain = nodes.Explain()
        if self._match(TokenType.L_PAREN, advance=False) and not self._at_query_paren():
            for option in self._parse_wrapped_csv(self._explain_option):
                _set_explain(explain, option.this, option.expression)
        else:
            self._explain_words(explain)
        if self._curr.token_type in self.ID_VAR_TOKENS and not self._starts_statement():
            return self._describe_table()  # MySQL: EXPLAIN t means DESCRIBE t
        explain.set("this", self.statement_inside())
        return self.expression(explain)

    def _at_query_paren(self) -> bool:
        return self._next.token_type in (TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN)

    def _starts_statement(self) -> bool:
        word = self._curr.text.upper()
        return word in self.STATEMENTS or word in ("SELECT", "WITH", "VALUES", "TABLE", "(")

    def _explain_words(self, explain: nodes.Explain) -> None:
        while True:
            if self.word("ANALYZE") or self.word("ANALYSE"):
                explain.set("analyze", True)
            elif self.word("VERBOSE") or self.word("EXTENDED"):
                explain.set("verbose", True)
            elif self.word("FORMAT"):
                self._match(TokenType.EQ)
                self._explain_format(explain)
            else:
                return

    def _explain_format(self, explain: nodes.Explain) -> None:
        if self._curr.text.upper() not in _FORMATS:
            raise self.expected("a format: TEXT, JSON, XML, YAML or TREE")
        explain.set("format", self._curr.text.upper())
        self._advance()

    def _explain_option(self) -> nodes.Option:
        """PostgreSQL's `(ANALYZE, VERBOSE off, FORMAT json)`."""
        key = self.take_word().lower()
        bare = self._curr.token_type in (TokenType.COMMA, TokenType.R_PAREN)
        return nodes.Option(this=key, expression=None if bare else self.take_option_value())


def _set_explain(explain: nodes.Explain, key: str, value: exp.Expr | None) -> None:
    text = (nodes.constant_text(value) or "") if value is not None else "on"
    if key == "format":
        explain.set("format", text.upper())
    elif key in ("analyze", "analyse", "verbose"):
        explain.set("verbose" if key == "verbose" else "analyze", text.lower() in _TRUE)


_TRUE = frozenset({"on", "true", "1", "yes"})
