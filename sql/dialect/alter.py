"""Grammar of ALTER, RENAME TABLE and COMMENT's kin: what changes a table that is there.

PostgreSQL's, MySQL's and the time-series forms side by side; sql/statements/alter.py reads the
trees.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from sql.dialect import mysql_nodes, nodes
from sql.dialect.ddl import INDEX_KINDS, not_here
from sql.dialect.foreign import ForeignGrammar
from sql.dialect.key_nodes import IdentityAction
from sql.dialect.objects import ObjectsGrammar
from sql.dialect.repartition import RepartitionGrammar
from sql.dialect.roles import ROLE_WORDS


class AlterGrammar(RepartitionGrammar, ObjectsGrammar, ForeignGrammar):
    """ALTER and RENAME."""

    def _alter_statement(self) -> exp.Expr:
        if self.at_word("DATABASE", "SCHEMA"):
            return self._alter_database()
        if self.word("SEQUENCE"):
            return self.alter_sequence()
        if self.word("DEFAULT", "PRIVILEGES"):
            return self.default_privileges()
        if not self.STRING_ALIASES and self.word("INDEX"):
            return self._alter_index()
        if self.word("TYPE") or self.word("DOMAIN"):
            return self.alter_type()
        materialized = self.at_word("MATERIALIZED") and self.word("MATERIALIZED")
        if not self.at_word("TABLE", "VIEW"):
            if self.at_word(*ROLE_WORDS):
                return self.role_statement("ALTER")
            what = self.take_word().upper()
            return self.expression(nodes.Utility(this=f"ALTER {what}", text=self.take_rest()))
        kind = self.take_word().upper()
        kind = nodes.MATERIALIZED if materialized else kind
        exists = self._parse_exists()
        self._match(TokenType.ONLY)
        table = self.take_table()
        if kind == "VIEW" and self._match(TokenType.ALIAS, advance=False):
            return self._other_view(table)
        actions: list[Any] = self._parse_csv(self._alter_action)
        return self.expression(
            exp.Alter(this=table, kind=kind, exists=exists or None, actions=_flat(actions))
        )

    def _alter_index(self) -> exp.Expr:
        """PostgreSQL's, for names; how an index is kept (SET, RESET) changes nothing here."""
        exists = self._parse_exists()
        name = self.take_table()
        action: exp.Expr
        if self.word("RENAME", "TO"):
            action = exp.AlterRename(this=exp.Table(this=self.take_name()))
        elif self.at_word("SET", "RESET"):
            verb = self.take_word().upper()
            if verb == "SET" and self.word("TABLESPACE"):
                self.take_name()
            else:
                self.take_options()
            action = nodes.IgnoredProperty(this=verb)
        else:
            raise self.expected("RENAME TO, SET or RESET")
        return self.expression(
            exp.Alter(this=name, kind="INDEX", exists=exists or None, actions=[action])
        )

    def _other_view(self, table: exp.Table) -> exp.Expr:
        """MySQL's `ALTER VIEW v AS query`: as CREATE OR REPLACE of one that is there."""
        self._advance()
        query = self._parse_ddl_select()
        if query is None:
            raise self.expected("a query")
        made = exp.Create(this=table, kind="VIEW", expression=query, replace=True)
        return self.expression(made)

    def _alter_database(self) -> exp.Expr:
        kind = self.take_word().upper()
        name = exp.Table(db=self.take_name())
        if self.word("RENAME", "TO"):
            action: exp.Expr = exp.AlterRename(this=exp.Table(this=self.take_name()))
        elif self.word("OWNER", "TO"):
            action = nodes.IgnoredProperty(this=f"OWNER TO {self.take_name().name}")
        else:
            action = self._alter_options()
        return self.expression(exp.Alter(this=name, kind=kind, actions=[action]))

    def _refuse_absent(self) -> None:
        """What PostgreSQL's tables alone can do."""
        if self.word("ENABLE", "ROW") or self.word("FORCE", "ROW"):
            raise not_here("ROW LEVEL SECURITY", "a view and GRANT on it show some rows only")
        if self.word("ATTACH", "PARTITION"):
            raise not_here("ATTACH PARTITION", "write the rows into the whole table")

    def _alter_action(self) -> exp.Expr:
        self._refuse_absent()
        if self.at_word("PARTITION", "SPLIT", "MERGE"):
            return self._repartition()
        if (on_constraint := self.constraint_action()) is not None:
            return on_constraint
        if self.word("ADD"):
            return self._alter_add()
        if self.word("DROP"):
            return self._alter_drop()
        if self.word("MODIFY"):
            return self._alter_modify()
        if self.word("CHANGE"):
            return self._alter_change()
        if self.word("ALTER"):
            return self._alter_column()
        if self.word("RENAME"):
            return self._alter_rename()
        if self.word("OWNER", "TO"):
            return nodes.IgnoredProperty(this=f"OWNER TO {self.take_name().name}")
        if self.at_word("SET", "UNSET"):
            return self._alter_options()
        return self._alter_storage()

    def _alter_storage(self) -> exp.Expr:
        """What MySQL says of how a table is kept."""
        if self.word("CONVERT", "TO"):  # all text is UTF-8
            ignored = self._ignored_property()
            ignored = self._ignored_property() if self.at_word("COLLATE") else ignored
            ignored.set("convert", True)
            return ignored
        if self.word("FORCE"):
            return nodes.IgnoredProperty(this="FORCE")
        if self._match(TokenType.ORDER_BY):  # of the rows there are
            self._parse_csv(self._index_column)
            return nodes.IgnoredProperty(this="ORDER BY")
        for way in ("DISABLE", "ENABLE"):  # what MySQL's dumps say around the rows of a table
            if self.word(way, "KEYS"):
                return nodes.IgnoredProperty(this=f"{way} KEYS")
        return self._table_property()  # MySQL: COMMENT = 'x', ENGINE = y

    def _alter_add(self) -> exp.Expr:
        index = self._add_index()
        if index is not None:
            return index
        if self.at_word("CONSTRAINT", "PRIMARY KEY", "UNIQUE", "FOREIGN KEY", "CHECK", "PRIMARY"):
            constraint = self._parse_constraint()
            if constraint is None:
                raise self.unexpected()
            return exp.AddConstraint(expressions=[constraint])
        self.word("COLUMN")
        exists = self._parse_exists(not_=True)
        if self._match(TokenType.L_PAREN):  # MySQL: ADD COLUMN (a INT, b INT)
            columns = self._parse_csv(self._column_definition)
            self._match_r_paren()
            return exp.Schema(expressions=columns)
        definition = self._column_definition()
        definition.set("exists", exists or None)
        return definition

    def _add_index(self) -> mysql_nodes.AddIndex | None:
        """MySQL's `[UNIQUE | FULLTEXT] INDEX name (a, b(3) DESC) USING BTREE`."""
        start = self._index
        unique = self.word("UNIQUE")
        method = "fulltext" if not unique and self.word("FULLTEXT") else "btree"
        if not unique and self.word("SPATIAL"):
            method = "spatial"
        bare = unique and self.STRING_ALIASES  # MySQL's ADD UNIQUE a (b)
        if not self.word("INDEX") and not self.word("KEY") and not bare:
            self._retreat(start)
            return None
        name = None if self._curr.token_type is TokenType.L_PAREN else self.take_name()
        columns = self._parse_wrapped_csv(self._index_column)
        if self.word("USING"):
            self.take_word()
        if self.word("COMMENT"):
            self.take_string()
        return mysql_nodes.AddIndex(
            this=name, columns=columns, unique=unique or None, method=method
        )

    def _index_column(self) -> exp.Identifier:
        """The column's name; how much of it counts is beside it, in which order says nothing."""
        name = self.take_name()
        if self._match(TokenType.L_PAREN):
            name.meta[mysql_nodes.PREFIX_LENGTH] = int(self.take_expression().name)
            self._match_r_paren()
        if not self.word("ASC"):
            self.word("DESC")
        return name

    def _alter_drop(self) -> exp.Expr:
        if self.word("INDEX") or self.word("KEY"):
            return mysql_nodes.DropIndex(this=self.take_name())
        self.word("COLUMN")
        exists = self._parse_exists()
        column = exp.Column(this=self.take_name())
        cascade = self.word("CASCADE")
        if not cascade:
            self.word("RESTRICT")
        return exp.Drop(
            tables=[column], kind="COLUMN", exists=exists or None, cascade=cascade or None
        )

    def _alter_modify(self) -> exp.Expr:
        self.word("COLUMN")
        if self._next.text.upper() not in ("SET", "UNSET", "DROP"):
            return self._full_modify(self._column_definition())
        modify = nodes.ChangeColumn(this=self.take_name())
        verb = self.take_word().upper()
        if verb != "UNSET" and self.word("NOT", "NULL"):
            modify.set("allow_null", verb == "DROP")
        elif verb == "DROP":
            if not self._match(TokenType.DEFAULT):
                raise self.expected("DEFAULT or NOT NULL")
            modify.set("drop_default", True)
        elif verb == "SET" and self._match(TokenType.DEFAULT):
            modify.set("default", self._default_value())
        elif self.at_word(*INDEX_KINDS):
            kind = self.take_word().upper()
            self.require("INDEX")
            options = self.take_options() if self._match(TokenType.WITH) else None
            index = nodes.ColumnIndex(this=kind, expressions=options)
            modify.set("set_index" if verb == "SET" else "unset_index", index)
        else:
            raise self.expected("DEFAULT, NOT NULL or an index")
        return self.expression(modify)

    def _default_value(self) -> exp.Expr:
        """The text is kept beside the tree: SHOW CREATE tells now() from CURRENT_TIMESTAMP."""
        start = self._curr
        value = self.take_expression()
        value.meta["text"] = self.sql[start.start : self._prev.end + 1]
        return value

    def _alter_change(self) -> exp.Expr:
        self.word("COLUMN")
        old = self.take_name()
        modify = self._full_modify(self._column_definition())
        modify.set("rename", modify.this)
        modify.set("this", old)
        return modify

    def _full_modify(self, definition: exp.ColumnDef) -> nodes.ChangeColumn:
        if definition.args.get("kind") is None:
            raise self.expected("a type")
        return nodes.ChangeColumn(
            this=definition.this,
            dtype=definition.args["kind"],
            constraints=definition.args.get("constraints") or None,
            position=definition.args.get("position"),
        )

    def _alter_column(self) -> exp.Expr:
        start = self._index
        self.word("COLUMN")
        if self._next is not None and self._next.text.upper() in ("ADD", "DROP", "SET", "RESTART"):
            identity = self._identity_action()
            if identity is not None:
                return self.expression(identity)
        self._retreat(start)
        action = self._parse_alter_table_alter()
        if action is None:
            raise self.unexpected()
        return action

    def _identity_action(self) -> IdentityAction | None:
        """PostgreSQL's `a ADD GENERATED … AS IDENTITY`, `DROP IDENTITY`, `SET GENERATED …`."""
        made = IdentityAction(column=self.take_name())
        if self.at_word("RESTART"):
            made.set("this", "RESTART")
            made.set("expressions", [self.expression(self._sequence_option())])
            return made
        verb = self.take_word().upper()
        made.set("this", verb)
        if verb == "DROP" and self.word("IDENTITY"):
            made.set("exists", self._parse_exists() or None)
            return made
        if verb == "DROP" or not self.word("GENERATED"):
            return None
        made.set("always", not self.word("BY", "DEFAULT"))
        if made.args["always"]:
            self.require("ALWAYS")
        if verb == "ADD":
            self._match(TokenType.ALIAS)
            self.require("IDENTITY")
            self._identity_options(made)
        return made

    def _identity_options(self, made: IdentityAction) -> None:
        if self._match(TokenType.L_PAREN):
            if self.word("SEQUENCE", "NAME"):
                made.set("sequence", self.take_table())
            made.set("expressions", self.sequence_options())
            self._match_r_paren()

    def _alter_rename(self) -> exp.Expr:
        if (self.word("INDEX") or self.word("KEY")) and self._next.text.upper() == "TO":
            old = self.take_name()
            self.require("TO")
            return mysql_nodes.RenameIndex(this=old, to=self.take_name())
        if self.word("COLUMN") or (
            not self.at_word("TO", "AS") and self._next.text.upper() == "TO"
        ):
            old = self.take_name()
            self.require("TO")
            return exp.RenameColumn(this=exp.Column(this=old), to=exp.Column(this=self.take_name()))
        if not self.word("TO"):
            self._match(TokenType.ALIAS)
        if self._curr.token_type is TokenType.STRING and self.original(self._curr)[:1] == "'":
            raise self.expected("a table name")
        return exp.AlterRename(this=self.take_table())

    def _rename_statement(self) -> exp.Expr:
        """MySQL's `RENAME TABLE a TO b, c TO d`."""
        if not self._match(TokenType.TABLE):
            return self.expression(nodes.Utility(this="RENAME", text=self.take_rest()))
        return self.expression(nodes.RenameTables(expressions=self._parse_csv(self._renaming)))

    def _renaming(self) -> exp.Expr:
        table = self.take_table()
        self.require("TO")
        action = exp.AlterRename(this=self.take_table())
        return exp.Alter(this=table, kind="TABLE", actions=[action])

    def _alter_options(self) -> exp.Expr:
        if self.word("UNSET"):
            keys = self._parse_csv(lambda: nodes.Option(this=self.take_key()))
            return nodes.AlterOptions(expressions=keys, unset=True)
        self.require("SET")
        if self.word("SCHEMA"):
            table = exp.Table(db=self.take_name())
            return exp.AlterSet(expressions=[table], option="SCHEMA")
        wrapped = self._match(TokenType.L_PAREN)
        options = self._parse_csv(self.take_option)
        if wrapped:
            self._match_r_paren()
        return nodes.AlterOptions(expressions=options)


def _flat(actions: list[Any]) -> list[exp.Expr]:
    """MySQL's ADD COLUMN (a, b) is two actions."""
    flat: list[exp.Expr] = []
    for action in actions:
        columns = action.expressions if isinstance(action, exp.Schema) else [action]
        flat.extend(columns)
    return flat
