"""Grammar of prepared statements, cursors, USE, KILL, ADMIN, CALL, COMMENT and TQL.

Also of the statements that are only recognised (`nodes.Utility`).
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from sql.dialect import nodes
from sql.dialect.core import Core

_DIRECTIONS = frozenset({"NEXT", "PRIOR", "FIRST", "LAST"})
_COUNTED = frozenset({"ABSOLUTE", "RELATIVE", "FORWARD", "BACKWARD"})
# Verbs of two words; everything else about these statements stays text.
_TWO_WORDS = {
    "LOCK": ("TABLE", "TABLES", "INSTANCE"),
    "UNLOCK": ("TABLES", "INSTANCE"),
    "LOAD": ("DATA", "XML"),
    "SECURITY": ("LABEL",),
    "IMPORT": ("FOREIGN",),
    "REASSIGN": ("OWNED",),
    "PREPARE": ("TRANSACTION",),
}


class SessionGrammar(Core):
    """Prepared statements, cursors and small administrative statements."""

    # --- Prepared statements ----------------------------------------------------------------------

    def _prepare_statement(self) -> exp.Expr:
        if self.at_word("TRANSACTION"):
            self._advance()
            return self.expression(nodes.Utility(this="PREPARE TRANSACTION", text=self.take_rest()))
        name = self.take_name()
        if self._match(TokenType.FROM):
            return self.expression(nodes.PrepareStatement(this=name, source=self.take_expression()))
        types = None
        if self._match(TokenType.L_PAREN, advance=False):
            types = self._parse_wrapped_csv(self._parse_types)
        if not self._match(TokenType.ALIAS):
            raise self.expected("AS")
        start = self._curr
        statement = self.statement_inside()
        text = self.sql[start.start : self._prev.end + 1]
        prepare = nodes.PrepareStatement(this=name, types=types, statement=statement, text=text)
        return self.expression(prepare)

    def _execute_statement(self) -> exp.Expr:
        if self.word("IMMEDIATE"):
            raise self.expected("the name of a prepared statement")
        name, values = self.take_name(), None
        if self._match(TokenType.USING):
            values = self._parse_csv(self.take_expression)
        elif self._match(TokenType.L_PAREN, advance=False):
            values = self._parse_wrapped_csv(self._parse_disjunction)
        return self.expression(nodes.ExecuteStatement(this=name, expressions=values))

    def _deallocate_statement(self) -> exp.Expr:
        if self._next:
            self.word("PREPARE")
        name = None if self.word("ALL") else self.take_name()
        return self.expression(nodes.Deallocate(this=name))

    # --- Cursors ----------------------------------------------------------------------------------

    def _declare_statement(self) -> exp.Expr:
        cursor = nodes.DeclareCursor(this=self.take_name())
        while not self.word("CURSOR"):
            if self.word("BINARY"):
                cursor.set("binary", True)
            elif self.word("INSENSITIVE"):
                cursor.set("insensitive", True)
            elif self.word("NO", "SCROLL"):
                cursor.args["scroll"] = False  # `set` drops false values
            elif self.word("SCROLL"):
                cursor.set("scroll", True)
            elif not self.word("ASENSITIVE"):
                raise self.expected("CURSOR")
        if self.word("WITH", "HOLD"):
            cursor.set("hold", True)
        else:
            self.word("WITHOUT", "HOLD")
        if not self._match(TokenType.FOR):
            raise self.expected("FOR")
        cursor.set("query", self.query_inside())
        return self.expression(cursor)

    def _fetch_statement(self) -> exp.Expr:
        return self._fetch(move=False)

    def _move_statement(self) -> exp.Expr:
        return self._fetch(move=True)

    def _fetch(self, move: bool) -> nodes.FetchCursor:
        direction, count = self._direction()
        self._match_set((TokenType.FROM, TokenType.IN))
        fetch = nodes.FetchCursor(
            this=self.take_name(), direction=direction, count=count, move=move or None
        )
        return self.expression(fetch)

    def _direction(self) -> tuple[str, exp.Expr | None]:
        if not self._next:  # FETCH c
            return "NEXT", None
        if self.at_word(*_DIRECTIONS):
            return self.take_word().upper(), None
        counted = self.at_word(*_COUNTED)
        direction = self.take_word().upper() if counted else "FORWARD"
        count = self._count()
        if count is None and direction in ("ABSOLUTE", "RELATIVE"):
            raise self.expected("a number")
        if count is None and not counted:
            return "NEXT", None
        return direction, count

    def _count(self) -> exp.Expr | None:
        if self.word("ALL"):
            return exp.var("ALL")
        if self._match(TokenType.DASH):
            return exp.Neg(this=self._integer())
        return self._integer() if self._curr.token_type is TokenType.NUMBER else None

    def _integer(self) -> exp.Expr:
        if self._curr.token_type is not TokenType.NUMBER or not self._curr.text.isdigit():
            raise self.expected("a whole number")
        self._advance()
        return exp.Literal.number(self._prev.text)

    def _close_statement(self) -> exp.Expr:
        name = None if self.word("ALL") else self.take_name()
        return self.expression(nodes.CloseCursor(this=name))

    # --- Small ones -------------------------------------------------------------------------------

    def _use_statement(self) -> exp.Expr:
        return self.expression(exp.Use(this=self.take_name()))

    def _kill_statement(self) -> exp.Expr:
        kind = self.take_word().upper() if self.at_word("QUERY", "CONNECTION") else None
        return self.expression(exp.Kill(this=self.take_expression(), kind=kind and exp.var(kind)))

    def _admin_statement(self) -> exp.Expr:
        start = self._curr
        call = self._function_call()
        text = self.sql[start.start : self._prev.end + 1]
        return self.expression(nodes.Admin(this=call, text=text))

    def _call_statement(self) -> exp.Expr:
        database = None
        if self._next.token_type is TokenType.DOT:
            database = self.take_name()
            self._advance()
        if self._next.token_type is not TokenType.L_PAREN and self._curr and not self._next:
            bare = exp.Anonymous(this=self.take_name().name, expressions=[])
            return self.expression(nodes.Call(this=bare, db=database))
        return self.expression(nodes.Call(this=self._function_call(), db=database))

    def _function_call(self) -> exp.Expr:
        name = self.take_name()
        while self._match(TokenType.DOT):
            name = self.take_name()
        if not self._match(TokenType.L_PAREN):
            raise self.expected("(")
        closed = self._match(TokenType.R_PAREN, advance=False)
        arguments = [] if closed else self._parse_csv(self._parse_disjunction)
        self._match_r_paren()
        return self.expression(exp.Anonymous(this=name.name, expressions=arguments))

    def _comment_statement(self) -> exp.Expr:
        this: Any
        self.require("ON")
        materialized = self.word("MATERIALIZED") or None
        kind = self.take_word().upper()
        if kind == "LARGE":
            kind, this = self._large_object()
        elif kind == "CONSTRAINT":
            this = self._constraint_of_table()
        else:
            this = self._parse_column() if kind == "COLUMN" else self.take_table()
            if kind in ("FUNCTION", "PROCEDURE", "ROUTINE"):
                self.skip_parentheses()  # types of arguments: the statement's text has them
        if kind == "COLUMN" and not isinstance(this, exp.Column):
            raise self.expected("table.column")
        self.require("IS")
        null = self._match(TokenType.NULL)
        text = exp.Null() if null else self.take_string()
        return self.expression(
            exp.Comment(this=this, kind=kind, expression=text, materialized=materialized)
        )

    def _large_object(self) -> tuple[str, exp.Expr]:
        """`OBJECT oid`, behind LARGE."""
        self.require("OBJECT")
        if not self._match(TokenType.NUMBER) or not self._prev.text.isdigit():
            raise self.expected("a large object's number")
        return nodes.LARGE_OBJECT, exp.Literal.number(self._prev.text)

    def _constraint_of_table(self) -> exp.Column:
        """`name ON table`, in the shape of a column's name."""
        name = self.take_name()
        self.require("ON")
        table = self.take_table()
        return exp.Column(this=name, table=table.this, db=table.args.get("db"))

    def _utility_statement(self) -> exp.Expr:
        verb = self._prev.text.upper()
        if self.at_word(*_TWO_WORDS.get(verb, ())):
            verb = f"{verb} {self.take_word().upper()}"
        return self.expression(nodes.Utility(this=verb, text=self.take_rest()))

    # --- TQL --------------------------------------------------------------------------------------

    def _tql_statement(self) -> exp.Expr:
        """The text was cut out by tql.py before tokenizing; here it is looked up."""
        region: Any = self.tql_texts.get(self._prev.start)
        if region is None:
            raise self.expected("EVAL, EXPLAIN or ANALYZE")
        node: nodes.Tql = region.node()
        return self.expression(node)

    def _parse_cte(self) -> Any:
        """`WITH c AS (TQL EVAL …)` too."""
        start = self._index
        alias = self._parse_table_alias(self.ID_VAR_TOKENS)
        opened = self._match(TokenType.ALIAS) and self._match(TokenType.L_PAREN)
        if alias is not None and opened and self.word("TQL"):
            tql = self._tql_statement()
            self._match_r_paren()
            return self.expression(exp.CTE(this=tql, alias=alias))
        self._retreat(start)
        return super()._parse_cte()
