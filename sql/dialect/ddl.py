"""Grammar of CREATE and DROP, with the time-series clauses; ALTER is in alter.py.

Databases and tables are parsed here, sequences and types in objects.py, views and indexes by
sqlglot; what else can be created is only recognised. Meaning is read off the trees by create.py.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.dialect.objects import ObjectsGrammar
from sql.dialect.roles import ROLE_WORDS

INDEX_KINDS = frozenset({"INVERTED", "SKIPPING", "FULLTEXT", "VECTOR"})
# What other databases' INSERT may say, and would be passed over: the rows would go elsewhere.
_OTHERS_INSERTS = {
    "alternative": "OR REPLACE or OR IGNORE",
    "by_name": "BY NAME",
    "exists": "IF EXISTS",
    "overwrite": "OVERWRITE",
    "settings": "SETTINGS",
    "stored": "STORED",
    "where": "REPLACE WHERE",
}
_BY_SQLGLOT = frozenset({"VIEW", "INDEX", "UNIQUE", "RECURSIVE"})
# Clauses of other products that say how to store, not what. https://dev.mysql.com/doc/refman/8.4/en/create-table.html
_IGNORED = frozenset(
    {"AUTO_INCREMENT", "ROW_FORMAT", "AVG_ROW_LENGTH", "MAX_ROWS", "MIN_ROWS", "TABLESPACE"}
    | {"KEY_BLOCK_SIZE", "PACK_KEYS", "STATS_PERSISTENT", "CHECKSUM", "COLLATE", "CHARSET"}
    | {"CHARACTER SET", "DATA", "DELAY_KEY_WRITE", "COMPRESSION", "ENCRYPTION", "ALGORITHM"}
    | {"PASSWORD", "CONNECTION", "INSERT_METHOD", "STATS_AUTO_RECALC", "STATS_SAMPLE_PAGES"}
    | {"INDEX", "PAGE_CHECKSUM", "TRANSACTIONAL", "PAGE_COMPRESSED", "ENCRYPTED", "LOCK"}
)


class DdlGrammar(ObjectsGrammar):
    """CREATE, DROP, TRUNCATE, INSERT."""

    _overriding: str | None = None

    # --- CREATE -----------------------------------------------------------------------------------

    def _create_statement(self) -> exp.Expr:
        start = self._index
        replace = self.word("OR", "REPLACE") or None
        if self.word("EXTERNAL", "TABLE"):
            return self._create_table(replace, temporary=False, external=True)
        temporary = self._temporary()
        unlogged = not temporary and self.word("UNLOGGED")
        if self._match(TokenType.TABLE):
            return self._create_table(replace, temporary, unlogged=unlogged)
        if self.at_word("DATABASE", "SCHEMA"):
            return self._create_database()
        if replace is None and self.word("MATERIALIZED", "VIEW"):
            return self._create_materialized()
        if self.word("SEQUENCE"):
            return self.create_sequence(temporary=temporary)
        if self.at_word("TYPE", "DOMAIN", "EXTENSION"):
            return self.create_of_types()
        kind = self._curr.text.upper() if self._curr else ""
        if kind in ("FULLTEXT", "SPATIAL") and self._next.text.upper() == "INDEX":
            self._advance()
            return self._create_worded_index(kind.lower())
        if self.at_word(*_BY_SQLGLOT):
            self._retreat(start)
            return self._parse_create()
        if self.at_word(*ROLE_WORDS):
            return self.role_statement("CREATE")
        if self.word("FLOW"):
            return self._create_flow(replace)
        what = self.take_word().upper()
        return self.expression(nodes.Utility(this=f"CREATE {what}", text=self.take_rest()))

    def _create_worded_index(self, kind: str) -> exp.Expr:
        """MySQL's `CREATE FULLTEXT INDEX i ON t (a)`."""
        made: exp.Expr = self._parse_create()
        made.this.args["params"].set("using", exp.var(kind))
        return made

    def _create_materialized(self) -> exp.Create:
        """How the rows are to be stored (access method, parameters, tablespace) says nothing."""
        exists = self._parse_exists(not_=True)
        this: exp.Expr = self.take_table()
        if self._match(TokenType.L_PAREN, advance=False):
            this = self.expression(exp.Schema(this=this, expressions=self.take_names()))
        while not self._match(TokenType.ALIAS):
            if self._match(TokenType.WITH):
                self.take_options()
            elif self._match(TokenType.USING):
                self.take_name()
            else:
                self.require("TABLESPACE")
                self.take_name()
        properties: list[exp.Expr] = []
        query = self._table_query(properties)
        return self.expression(
            exp.Create(
                this=this,
                kind=nodes.MATERIALIZED,
                exists=exists or None,
                expression=query,
                properties=exp.Properties(expressions=properties) if properties else None,
            )
        )

    def _refresh_statement(self) -> exp.Expr:
        self.require("MATERIALIZED", "VIEW")
        concurrently = self.word("CONCURRENTLY")
        refresh = nodes.RefreshView(this=self.take_table(), concurrently=concurrently or None)
        if self.word("WITH", "NO", "DATA"):
            refresh.set("empty", True)
        else:
            self.word("WITH", "DATA")
        return self.expression(refresh)

    def _temporary(self) -> bool:
        if self.at_word("LOCAL", "GLOBAL") and self._next.token_type is TokenType.TEMPORARY:
            self._advance()
        return bool(self._match(TokenType.TEMPORARY) or self.word("TEMP"))

    def _create_database(self) -> exp.Create:
        kind = self.take_word().upper()
        exists = self._parse_exists(not_=True)
        properties: list[exp.Expr] = []
        name = exp.Table(db=self._database_name())
        if self.word("AUTHORIZATION"):
            properties.append(nodes.IgnoredProperty(this=f"AUTHORIZATION {self.take_name().name}"))
        if self._match(TokenType.WITH):
            properties.append(nodes.TableOptions(expressions=self.take_options()))
        while self._curr:
            properties.append(self._ignored_property())
        return self.expression(
            exp.Create(
                this=name,
                kind=kind,
                exists=exists or None,
                properties=exp.Properties(expressions=properties) if properties else None,
            )
        )

    def _database_name(self) -> exp.Identifier:
        """The peer also takes a string."""
        if self._match(TokenType.STRING):
            return self._identifier_expression(quoted=True)
        return self.take_name()

    def _create_table(
        self,
        replace: bool | None,
        temporary: bool,
        *,
        external: bool = False,
        unlogged: bool = False,
    ) -> exp.Create:
        exists = self._parse_exists(not_=True)
        this: exp.Expr = self.take_table()
        properties: list[exp.Expr] = [exp.TemporaryProperty()] if temporary else []
        properties += [exp.ExternalProperty()] if external else []
        properties += [exp.UnloggedProperty()] if unlogged else []
        if self._match(TokenType.L_PAREN, advance=False) and not self._at_query_in_paren():
            this = self._table_elements(this)
        like = self._element_like(this)
        if like is None and self._match(TokenType.LIKE):
            properties += filter(None, [self._parse_create_like()])
        elif like is not None:
            properties.append(like)
        query = self._table_tail(properties)
        return self.expression(
            exp.Create(
                this=this if like is None else this.this,
                kind="TABLE",
                replace=replace,
                exists=exists or None,
                expression=query,
                properties=exp.Properties(expressions=properties) if properties else None,
            )
        )

    def _at_query_in_paren(self) -> bool:
        return self._next.token_type in (TokenType.SELECT, TokenType.WITH, TokenType.VALUES)

    def _element_like(self, this: exp.Expr) -> exp.LikeProperty | None:
        """PostgreSQL's `(LIKE t INCLUDING ALL)` alone in the parentheses is our LIKE."""
        if isinstance(this, exp.Schema) and len(this.expressions) == 1:
            only = this.expressions[0]
            return only if isinstance(only, exp.LikeProperty) else None
        return None

    def _table_elements(self, table: exp.Expr) -> exp.Schema:
        self._match(TokenType.L_PAREN)
        elements: list[exp.Expr] = []
        while not self._match(TokenType.R_PAREN):
            elements.append(self._table_element())
            if not self._match(TokenType.COMMA) and not self._match(
                TokenType.R_PAREN, advance=False
            ):
                raise self.expected(", or )")
        return self.expression(exp.Schema(this=table, expressions=elements))

    def _table_element(self) -> exp.Expr:
        if self.at_word("TIME") and self._next.token_type is TokenType.INDEX:
            self._advance(2)
            return self.expression(nodes.TimeIndex(expressions=self.take_names()))
        element = self._parse_constraint() or self._column_definition()
        if element is None:
            raise self.expected("a column or a constraint")
        return element

    def _column_definition(self) -> exp.ColumnDef:
        """A column of a table. Its type may be missing (CREATE TABLE t (a, b) AS …)."""
        name = self.take_name()
        definition = self._parse_column_def(name)
        if isinstance(definition, exp.Identifier):
            definition = exp.ColumnDef(this=definition)
        if not isinstance(definition, exp.ColumnDef):
            raise self.expected("a column definition")
        return definition

    def time_index_constraint(self) -> exp.Expr | None:
        """`TIME INDEX` behind a column's type."""
        if self._match(TokenType.INDEX):
            return self.expression(nodes.TimeIndex())
        self._retreat(self._index - 1)
        return None

    def column_index_constraint(self) -> exp.Expr | None:
        """`INVERTED INDEX`, `FULLTEXT INDEX WITH (…)`; MySQL's FULLTEXT KEY name (cols)."""
        kind = self._prev.text.upper()
        start = self._index
        if self._match(TokenType.INDEX) and self._ends_column_index():
            options = self.take_options() if self._match(TokenType.WITH) else None
            return self.expression(nodes.ColumnIndex(this=kind, expressions=options))
        self._retreat(start)
        if kind == "FULLTEXT" and "KEY" in self.CONSTRAINT_PARSERS:
            constraint: Any = self._parse_index_constraint(kind=kind)  # type: ignore[attr-defined]
            return constraint  # type: ignore[no-any-return]
        return None

    def _parse_index_params(self) -> exp.IndexParameters:
        """With NULLS [NOT] DISTINCT, which stands before WITH, TABLESPACE and WHERE."""
        found: exp.IndexParameters = super()._parse_index_params()
        if self.word("NULLS"):
            if self.word("NOT"):
                found.meta["nulls_not_distinct"] = True
            if not self.word("DISTINCT"):
                raise self.expected("DISTINCT")
            rest: exp.IndexParameters = super()._parse_index_params()
            for name in ("with_storage", "tablespace", "where"):
                found.set(name, rest.args.get(name))
        return found

    def default_constraint(self) -> exp.Expr:
        """`DEFAULT expr`; the text is kept beside the tree: SHOW CREATE tells now() from others."""
        start = self._curr
        value = self._parse_bitwise()
        if value is None:
            raise self.expected("a default value")
        default = self.expression(exp.DefaultColumnConstraint(this=value))
        default.meta["text"] = self.sql[start.start : self._prev.end + 1]
        return default

    def _ends_column_index(self) -> bool:
        """False if a name or a column list follows: then it is MySQL's table-level index."""
        named = self._curr.token_type in (TokenType.VAR, TokenType.IDENTIFIER, TokenType.L_PAREN)
        return not named or self.at_word(*INDEX_KINDS)

    # --- What follows the columns -----------------------------------------------------------------

    def _table_tail(self, properties: list[exp.Expr]) -> exp.Expr | None:
        query = None
        while self._curr:
            if self._match(TokenType.ALIAS) or self._at_query():
                query = self._table_query(properties)
            else:
                properties.append(self._table_property())
        return query

    def _at_query(self) -> bool:
        """MySQL may leave out the AS."""
        if self._match(TokenType.L_PAREN, advance=False):
            return self._at_query_in_paren()
        return self._match_set((TokenType.SELECT, TokenType.WITH), advance=False) and not (
            self._curr.token_type is TokenType.WITH
            and self._next.token_type in (TokenType.L_PAREN, TokenType.SCHEMA)
        )

    def _table_query(self, properties: list[exp.Expr]) -> exp.Expr:
        query = self._parse_ddl_select()
        if query is None:
            if not self._match(TokenType.TABLE):
                raise self.expected("a query")
            query = exp.select("*").from_(self.take_table())
        if self.word("WITH", "NO", "DATA"):
            properties.append(exp.WithDataProperty(no=True))
        else:
            self.word("WITH", "DATA")
        return query

    def _table_property(self) -> exp.Expr:
        if self._match(TokenType.PARTITION_BY):
            return self._partition_by()
        if self.word("INHERITS"):
            raise not_here("INHERITS", "CREATE TABLE … (LIKE …) copies another table's columns")
        if self.word("PARTITION", "OF"):
            raise not_here("PARTITION OF", "write the rows into the whole table")
        if self.word("PARTITION", "ON", "COLUMNS"):
            columns = self.take_names()
            rules = self._partition_rules()
            return nodes.PartitionOnColumns(columns=columns, expressions=rules)
        if self.word("ENGINE"):
            self._match(TokenType.EQ)
            return exp.EngineProperty(this=exp.var(self.take_name().name.lower()))
        if self.word("COMMENT"):
            self._match(TokenType.EQ)
            return exp.SchemaCommentProperty(this=self.take_string())
        if self._match(TokenType.WITH):
            return nodes.TableOptions(expressions=self.take_options())
        if self.word("ON", "COMMIT"):
            return self._on_commit()
        return self._ignored_property()

    def _partition_by(self) -> exp.Expr:
        """MySQL's partitions of a table, which only say how it is kept."""
        if not self.at_word("HASH", "KEY", "RANGE", "LIST", "LINEAR"):
            raise self.unexpected()
        if not self.STRING_ALIASES:
            raise not_here("PARTITION BY", "leave it out: one table takes all the rows")
        start = self._prev
        while self._curr and not self._match(TokenType.SEMICOLON, advance=False):
            self._advance()
        return nodes.IgnoredProperty(this=self.sql[start.start : self._prev.end + 1])

    def _partition_rules(self) -> list[exp.Expr]:
        if not self._match(TokenType.L_PAREN):
            return []
        if self._match(TokenType.R_PAREN):
            return []
        rules = self._parse_csv(self._parse_disjunction)
        self._match_r_paren()
        return rules

    def _on_commit(self) -> exp.Expr:
        if self.word("PRESERVE", "ROWS"):
            return exp.OnCommitProperty()
        if self.word("DELETE", "ROWS"):
            return exp.OnCommitProperty(delete=True)
        self.require("DROP")
        return nodes.IgnoredProperty(this="ON COMMIT DROP")

    def _ignored_property(self) -> nodes.IgnoredProperty:
        self._match(TokenType.COMMA)
        self._match(TokenType.DEFAULT)
        if self.word("WITHOUT", "OIDS"):
            return nodes.IgnoredProperty(this="WITHOUT OIDS")
        if self._match_pair(TokenType.CHAR, TokenType.SET):
            key = "CHARACTER SET"
        elif self._match(TokenType.UNION):  # MySQL's MERGE tables
            self._match(TokenType.EQ)
            self._parse_wrapped_csv(self.take_table)
            return nodes.IgnoredProperty(this="UNION")
        elif self.at_word(*_IGNORED):
            key = self._curr.text.upper()
            self._advance()
            self.word("DIRECTORY")
        else:
            raise self.unexpected()
        self._match(TokenType.EQ)
        value = self._curr.text
        if not self._curr:
            raise self.expected("a value")
        self._advance()
        return nodes.IgnoredProperty(this=f"{key} {value}")

    # --- DROP -------------------------------------------------------------------------------------

    def _drop_statement(self) -> exp.Expr:
        if self.at_word("PREPARE"):
            self._advance()
            return self.expression(nodes.Deallocate(this=self.take_name()))
        if self.at_word("DATABASE", "SCHEMA"):
            return self._drop_database()
        if self.at_word("TABLE", "VIEW", "INDEX", "TEMPORARY", "MATERIALIZED"):
            return self._parse_drop()
        if self.at_word("TYPE", "DOMAIN", "SEQUENCE", "EXTENSION"):
            return self.drop_objects()
        if self.at_word(*ROLE_WORDS):
            return self.role_statement("DROP")
        if self.word("FLOW"):
            return self._drop_flow()
        what = self.take_word().upper()
        return self.expression(nodes.Utility(this=f"DROP {what}", text=self.take_rest()))

    def _drop_database(self) -> exp.Drop:
        kind = self.take_word().upper()
        exists = self._parse_exists()
        names = [exp.Table(db=name) for name in self._parse_csv(self._database_name)]
        cascade = self.word("CASCADE")
        restrict = not cascade and self.word("RESTRICT")
        return self.expression(
            exp.Drop(
                tables=names,
                kind=kind,
                exists=exists or None,
                cascade=cascade or None,
                restrict=restrict or None,
            )
        )

    def _truncate_statement(self) -> exp.Expr:
        self._match(TokenType.TABLE)
        self._match(TokenType.ONLY)
        tables = self._parse_csv(self.take_table)
        ranges = self._file_ranges()
        identity = next((w for w in ("RESTART", "CONTINUE") if self.word(w, "IDENTITY")), None)
        option = next((w for w in ("CASCADE", "RESTRICT") if self.word(w)), None)
        return self.expression(
            nodes.TruncateTables(
                expressions=tables, identity=identity, option=option, ranges=ranges or None
            )
        )

    def _file_ranges(self) -> list[exp.Tuple]:
        """`FILE RANGE (first, last), …`."""
        if not self.word("FILE", "RANGE"):
            return []
        return self._parse_csv(self._file_range)

    def _file_range(self) -> exp.Tuple:
        ends = self._parse_wrapped_csv(self.take_expression)
        if len(ends) != 2:
            raise self.expected("the first and the last time of a range")
        return exp.Tuple(expressions=ends)

    # --- INSERT -----------------------------------------------------------------------------------

    def _insert_statement(self) -> exp.Expr:
        self._overriding = None
        insert = self._parse_insert()
        if self._overriding is not None and isinstance(insert, exp.Insert):
            insert.meta["overriding"] = self._overriding
        if not isinstance(insert, exp.Insert) or not insert.this:
            raise self.unexpected()
        for clause, words in _OTHERS_INSERTS.items():
            if insert.args.get(clause):
                raise DbError(ErrorKind.SYNTAX, f"INSERT has no {words} here")
        if any(table.args.get("partition") for table in (insert.this, insert.this.this)):
            raise DbError(ErrorKind.UNSUPPORTED, "INSERT into a partition that is named")
        return insert

    def _parse_derived_table_values(self, allow_value_synonym: bool = False) -> exp.Values | None:
        """VALUES, or before it `OVERRIDING { SYSTEM | USER } VALUE` of an INSERT."""
        if self.word("OVERRIDING"):
            self._overriding = next((w for w in ("SYSTEM", "USER") if self.word(w)), None)
            if self._overriding is None:
                raise self.expected("SYSTEM or USER")
            self.require("VALUE")
        return super()._parse_derived_table_values(allow_value_synonym)

    def _replace_statement(self) -> exp.Expr:
        """REPLACE [INTO]: an INSERT whose rows win over old ones."""
        insert = self._insert_statement()
        insert.set("alternative", "REPLACE")
        return insert


def not_here(what: str, hint: str) -> DbError:
    """PostgreSQL's tables made of tables, which ours cannot be."""
    return DbError(ErrorKind.UNSUPPORTED, f"{what} is not supported", hint=hint)
