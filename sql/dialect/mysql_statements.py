"""Grammar of small statements and words that only MySQL has.

Each method leaves what it does not know to the shared grammar. Source: MySQL 8.4 reference,
chapter "SQL Statements".
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from engine.errors import DbError, ErrorKind
from sql.dialect import mysql_nodes
from sql.dialect.alter import AlterGrammar
from sql.dialect.in_turn import in_turn
from sql.dialect.load import LoadGrammar

_PRIORITIES = ("LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED")
_VIEW_WORDS = ("ALGORITHM", "DEFINER", "SQL")


class MysqlStatements(LoadGrammar, AlterGrammar):
    """DO, CHECK TABLE, SELECT … INTO @x; mixed into the grammars of all wires."""

    @property
    def _is_mysql(self) -> bool:
        return bool(self.STRING_ALIASES)

    def _parse_statement(self) -> exp.Expr | None:
        statement = super()._parse_statement()
        if not isinstance(statement, exp.Query):
            return statement
        self._refuse_files()
        into = statement.args.get("into")
        if isinstance(into, mysql_nodes.IntoVariables):  # behind the outputs
            statement.set("into", None)
            names = into.expressions
        else:  # behind FROM, WHERE, LIMIT
            names = self._into_variables()
        if not names:
            return statement
        return self.expression(mysql_nodes.SelectInto(this=statement, expressions=names))

    def _refuse_files(self) -> None:
        """`SELECT … INTO OUTFILE 'x'`. Raises: DbError UNSUPPORTED."""
        if self._is_mysql and self._curr and self._curr.token_type is TokenType.INTO:
            word = self._next.text.upper()
            if word in ("OUTFILE", "DUMPFILE"):
                raise DbError(
                    ErrorKind.UNSUPPORTED,
                    f"SELECT … INTO {word} is not supported",
                    hint="COPY (SELECT …) TO 'file' writes below the server's copy directory",
                )

    def _parse_into(self) -> exp.Into | None:
        self._refuse_files()
        names = self._into_variables()
        if names:
            return mysql_nodes.IntoVariables(expressions=names)
        return super()._parse_into()

    def _into_variables(self) -> list[exp.Expr]:
        """`INTO @a, @b`; none if something else follows."""
        at_variable = self._next.token_type is TokenType.PARAMETER
        if not self._is_mysql or self._curr.token_type is not TokenType.INTO or not at_variable:
            return []
        self._advance()
        return self._parse_csv(self._into_variable)

    def _into_variable(self) -> exp.Expr:
        if not self._match(TokenType.PARAMETER):
            raise self.expected("a variable")
        return self._parse_parameter()

    def _do_statement(self) -> exp.Expr:
        if not self._is_mysql:
            return self._utility_statement()
        return self.expression(mysql_nodes.Do(expressions=self._parse_csv(self.take_expression)))

    def _parse_match_against(self) -> exp.MatchAgainst:
        """`MATCH (a, b) AGAINST (expression IN … MODE)`; a parameter may stand there."""
        columns = self._parse_csv(self._parse_column)
        self._match_r_paren()
        self.require("AGAINST")
        self._match_l_paren()
        asked = self._parse_unary()
        modifier = ""
        while self._curr and not self._match(TokenType.R_PAREN, advance=False):
            modifier += f" {self._curr.text.upper()}"
            self._advance()
        match = exp.MatchAgainst(this=asked, expressions=columns, modifier=modifier.strip())
        return self.expression(match)

    def _parse_update(self) -> exp.Update:
        update = super()._parse_update()
        table = update.this
        if self._is_mysql and isinstance(table, exp.Table) and not table.args.get("joins"):
            in_turn(update.expressions, (table.name, table.alias_or_name))
        return update

    def _insert_statement(self) -> exp.Expr:
        insert = self._plain_insert()
        conflict = insert.args.get("conflict") if self._is_mysql else None
        if conflict is not None:
            into = insert.this.this if isinstance(insert.this, exp.Schema) else insert.this
            in_turn(conflict.expressions, (into.name,))
        return insert

    def _maintenance_statement(self) -> exp.Expr:
        """ANALYZE, CHECK, OPTIMIZE, REPAIR TABLE; PostgreSQL has an ANALYZE of its own."""
        verb, start = self._prev, self._index
        self.word("NO_WRITE_TO_BINLOG") or self.word("LOCAL")
        if not self._is_mysql or not (self._match(TokenType.TABLE) or self.word("TABLES")):
            self._retreat(start)
            return self._utility_statement()
        tables = self._parse_csv(self.take_table)
        self.take_rest()  # QUICK, FAST, EXTENDED, UPDATE HISTOGRAM …
        name = verb.text.upper()
        return self.expression(mysql_nodes.TableMaintenance(this=name, expressions=tables))

    def _plain_insert(self) -> exp.Expr:
        if self._is_mysql and any(self.word(word) for word in _PRIORITIES):
            return super()._insert_statement()  # who waits for whom is ours to say
        if self._is_mysql and (empty := self._insert_of_defaults()):
            return empty
        return super()._insert_statement()

    def _insert_of_defaults(self) -> exp.Expr | None:
        """`INSERT INTO t () VALUES ()`: a row of defaults."""
        start = self._index
        self._match(TokenType.INTO)
        table = self.take_table() if self._curr.token_type in self.ID_VAR_TOKENS else None
        opened = TokenType.L_PAREN, TokenType.R_PAREN
        self._match_pair(*opened)
        if table and self._match(TokenType.VALUES) and self._match_pair(*opened) and not self._curr:
            return self.expression(exp.Insert(this=table, default=True))
        self._retreat(start)
        return None

    def _create_statement(self) -> exp.Expr:
        """`CREATE [OR REPLACE] [ALGORITHM = a] [DEFINER = u] [SQL SECURITY s] VIEW`."""
        start = self._index
        self.word("OR", "REPLACE")
        if not self._is_mysql or not self.at_word(*_VIEW_WORDS):
            self._retreat(start)
            return super()._create_statement()
        first = self._index
        while self._curr and not self.at_word("VIEW"):
            self._advance()
        if not self._curr:
            self._retreat(start)
            return super()._create_statement()
        # How a view is merged and whose rights it has is fixed here: the words go.
        del self._tokens[first : self._index]
        self._tokens_size = len(self._tokens)
        self._retreat(start)
        return super()._create_statement()
