"""Grammar of sequences, identity columns and types.

Read off by sql/statements/sequence.py and user_types.py. Options of a sequence become `Option`s
whose keys are those of `catalog.objects.Sequence`; NO MINVALUE and its kin have no value.
https://www.postgresql.org/docs/15/sql-createsequence.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from sql.dialect import nodes
from sql.dialect.flows import FlowsGrammar
from sql.dialect.object_nodes import Identity, ObjectStatement

_NUMBERS = {
    "INCREMENT": ("increment", ("BY",)),
    "START": ("start", ("WITH",)),
    "RESTART": ("restart", ("WITH",)),
    "MINVALUE": ("minimum", ()),
    "MAXVALUE": ("maximum", ()),
    "CACHE": ("cache", ()),
}
_NEVER = frozenset({"MINVALUE", "MAXVALUE", "CYCLE", "CACHE"})  # what may follow NO


class ObjectsGrammar(FlowsGrammar):
    """CREATE SEQUENCE, ALTER SEQUENCE, CREATE TYPE, ALTER TYPE; GENERATED … of columns."""

    def create_sequence(self, *, temporary: bool) -> ObjectStatement:
        """Behind CREATE SEQUENCE."""
        exists = self._parse_exists(not_=True)
        node = ObjectStatement(
            this="CREATE SEQUENCE",
            table=self.take_table(),
            expressions=self.sequence_options(),
            exists=exists or None,
            temporary=temporary or None,
        )
        return self.expression(node)

    def alter_sequence(self) -> ObjectStatement:
        """Behind ALTER SEQUENCE."""
        exists = self._parse_exists()
        table = self.take_table()
        if self.word("OWNER", "TO"):
            options = [nodes.Option(this="role", expression=self.take_name())]
        elif self.word("RENAME", "TO"):
            options = [nodes.Option(this="name", expression=self.take_name())]
        elif self.word("SET", "SCHEMA"):
            options = [nodes.Option(this="schema", expression=self.take_name())]
        else:
            options = self.sequence_options()
        return self.expression(
            ObjectStatement(
                this="ALTER SEQUENCE", table=table, expressions=options, exists=exists or None
            )
        )

    def create_of_types(self) -> exp.Expr:
        """CREATE TYPE, CREATE DOMAIN and CREATE EXTENSION, from the second word on."""
        kind = self.take_word().upper()
        if kind == "EXTENSION":
            return self.create_extension()
        return self.create_type() if kind == "TYPE" else self.create_domain()

    def create_type(self) -> exp.Expr:
        """Behind CREATE TYPE; of what is no enum, composite or range only the name is taken."""
        name = self.take_table()
        found: list[exp.Expr]
        if not self._match(TokenType.ALIAS):
            return self.expression(nodes.Utility(this="CREATE TYPE", text=self.take_rest()))
        if self._match(TokenType.ENUM):
            form, found = "ENUM", self._listed(self.take_string)
        elif self._match(TokenType.RANGE):
            form, found = "RANGE", self._listed(self._range_option)
        else:
            form, found = "COMPOSITE", self._listed(self._field)
        node = ObjectStatement(this="CREATE TYPE", table=name, expressions=found, form=form)
        return self.expression(node)

    def _listed(self, take: Callable[[], exp.Expr]) -> list[exp.Expr]:
        """What stands in parentheses, with commas between; possibly nothing."""
        if not self._match(TokenType.L_PAREN):
            raise self.expected("(")
        there = not self._match(TokenType.R_PAREN, advance=False)
        found: list[exp.Expr] = self._parse_csv(take) if there else []
        self._match_r_paren()
        return found

    def _field(self) -> exp.ColumnDef:
        name = self.take_name()
        kind = self._parse_types()
        if kind is None:
            raise self.expected("a type")
        if self.word("COLLATE"):
            self.take_table()
        return self.expression(exp.ColumnDef(this=name, kind=kind))

    def _range_option(self) -> nodes.Option:
        key = self.take_key()
        if not self._match(TokenType.EQ):
            raise self.expected("=")
        value = self._parse_types() if key == "subtype" else self.take_table()
        return self.expression(nodes.Option(this=key, expression=value))

    def create_domain(self) -> ObjectStatement:
        """Behind CREATE DOMAIN: `[AS] type`; then DEFAULT, NOT NULL and CHECK in any order."""
        name = self.take_table()
        self._match(TokenType.ALIAS)
        kind = self._parse_types()
        if kind is None:
            raise self.expected("a type")
        if self.word("COLLATE"):
            self.take_table()
        found: list[exp.Expr] = []
        while self._curr:
            constraint = self._parse_column_constraint()
            if constraint is None:
                raise self.expected("DEFAULT, NOT NULL or CHECK")
            found.append(constraint)
        column = exp.ColumnDef(this=exp.to_identifier("value"), kind=kind, constraints=found)
        node = ObjectStatement(this="CREATE DOMAIN", table=name, expressions=[column])
        node.set("form", "DOMAIN")
        return self.expression(node)

    def create_extension(self) -> ObjectStatement:
        """Behind CREATE EXTENSION: the name, then SCHEMA, VERSION and CASCADE in any order."""
        exists = self._parse_exists(not_=True)
        name = exp.Table(this=self.take_name())
        self.word("WITH")
        while self._curr:
            if self.word("SCHEMA"):
                name.set("db", self.take_name())
            elif self.word("VERSION"):
                self._advance()
            else:
                self.require("CASCADE")
        node = ObjectStatement(this="CREATE EXTENSION", table=name, exists=exists or None)
        return self.expression(node)

    def drop_objects(self) -> exp.Drop:
        """DROP TYPE, DOMAIN, SEQUENCE and EXTENSION, from the second word on."""
        kind = self.take_word().upper()
        exists = self._parse_exists()
        tables = self._parse_csv(self.take_table)
        cascade = self.word("CASCADE")
        if not cascade:
            self.word("RESTRICT")
        node = exp.Drop(tables=tables, kind=kind, exists=exists or None, cascade=cascade or None)
        return self.expression(node)

    def alter_type(self) -> exp.Expr:
        """Behind ALTER TYPE: ATTRIBUTE, ADD VALUE, RENAME VALUE or TO, SET SCHEMA, OWNER TO."""
        kind = self._prev.text.upper()
        node = ObjectStatement(this=f"ALTER {kind}", table=self.take_table())
        if self.word("ADD", "VALUE"):
            node.set("form", "ADD VALUE")
            node.set("exists", self._parse_exists(not_=True) or None)
            node.set("expressions", [self.take_string()])
            if self.at_word("BEFORE", "AFTER"):
                node.set("place", self.take_word().upper())
                node.set("beside", self.take_string())
        elif self.word("RENAME", "VALUE"):
            old = self.take_string()
            self.require("TO")
            node.set("form", "RENAME VALUE")
            node.set("expressions", [old, self.take_string()])
        elif self.word("RENAME", "ATTRIBUTE"):
            old_name = self.take_name()
            self.require("TO")
            node.set("form", "RENAME ATTRIBUTE")
            node.set("expressions", [old_name, self.take_name()])
            self._behaviour()
        elif self._at_attribute():
            node.set("form", "ATTRIBUTE")
            node.set("expressions", self._parse_csv(self._attribute))
        else:
            for words in (("RENAME", "TO"), ("SET", "SCHEMA"), ("OWNER", "TO")):
                if self.word(*words):
                    node.set("form", " ".join(words))
                    node.set("to", self.take_name())
                    return self.expression(node)
            return self.expression(nodes.Utility(this=f"ALTER {kind}", text=self.take_rest()))
        return self.expression(node)

    def _at_attribute(self) -> bool:
        words = (self._curr.text.upper(), self._next.text.upper()) if self._next else ()
        return len(words) == 2 and words[0] in ("ADD", "DROP", "ALTER") and words[1] == "ATTRIBUTE"

    def _attribute(self) -> nodes.Option:
        """ADD, DROP or ALTER ATTRIBUTE; what depends on the type follows, CASCADE or not."""
        verb = self.take_word().lower()
        self.require("ATTRIBUTE")
        if verb == "add":
            found = nodes.Option(this=verb, expression=self._field())
        elif verb == "drop":
            exists = " if exists" if self._parse_exists() else ""
            found = nodes.Option(this=verb + exists, expression=self.take_name())
        else:
            name = self.take_name()
            self.word("SET", "DATA")
            self.require("TYPE")
            kind = self._parse_types()
            if kind is None:
                raise self.expected("a type")
            found = nodes.Option(this="type", expression=exp.ColumnDef(this=name, kind=kind))
        self._behaviour()
        return self.expression(found)

    def _behaviour(self) -> None:
        if not self.word("CASCADE"):
            self.word("RESTRICT")

    # --- Options of a sequence --------------------------------------------------------------------

    def sequence_options(self) -> list[nodes.Option]:
        """All up to the end, or to a closing parenthesis."""
        options: list[nodes.Option] = []
        while self._curr and not self._match(TokenType.R_PAREN, advance=False):
            options.append(self.expression(self._sequence_option()))
        return options

    def _sequence_option(self) -> nodes.Option:
        if self._match(TokenType.ALIAS):
            return nodes.Option(this="type", expression=exp.var(self.take_word().lower()))
        if self.word("OWNED", "BY"):
            return nodes.Option(this="owner", expression=self._owner_column())
        if self.word("CYCLE"):
            return nodes.Option(this="cycle", expression=exp.true())
        if self.word("NO"):
            if not self.at_word(*_NEVER):
                raise self.expected("MINVALUE, MAXVALUE, CYCLE or CACHE")
            key = self.take_word().upper()
            return nodes.Option(this=_NUMBERS[key][0] if key in _NUMBERS else "cycle")
        for word, (key, fill) in _NUMBERS.items():
            if self.word(word):
                for filler in fill:
                    self.word(filler)
                return nodes.Option(this=key, expression=self._whole_number(key))
        raise self.expected("an option of a sequence")

    def _whole_number(self, key: str) -> exp.Expr | None:
        sign = -1 if self._match(TokenType.DASH) else 1
        token = self._curr
        if token.token_type is not TokenType.NUMBER or not token.text.isdigit():
            if key == "restart":
                return None
            raise self.expected("a whole number")
        self._advance()
        return exp.Literal.number(sign * int(token.text))

    def _owner_column(self) -> exp.Expr | None:
        """`NONE`, or a table's column; the column is what a table is called in `table.column`."""
        return None if self.word("NONE") else self.take_table()

    # --- Columns ----------------------------------------------------------------------------------

    def _parse_generated_as_identity(self) -> Any:
        """`GENERATED { ALWAYS | BY DEFAULT } AS IDENTITY […]`, `GENERATED ALWAYS AS (…) STORED`."""
        always = not self.word("BY", "DEFAULT")
        if always:
            self.word("ALWAYS")
        if not self._match(TokenType.ALIAS):
            raise self.expected("AS")
        if self.word("IDENTITY"):
            options: list[nodes.Option] = []
            if self._match(TokenType.L_PAREN):
                options = self.sequence_options()
                self._match_r_paren()
            return self.expression(Identity(always=always, expressions=options or None))
        return self.generated_column()

    def generated_column(self) -> exp.ComputedColumnConstraint:
        """Behind AS: `(expression) [STORED | VIRTUAL | PERSISTENT]`."""
        start = self._curr
        value = self._parse_wrapped(self._parse_disjunction)
        if value is None:
            raise self.expected("an expression in parentheses")
        node = exp.ComputedColumnConstraint(this=value)
        node.meta["text"] = self.sql[start.start : self._prev.end + 1]
        stored = self.word("STORED") or self.word("PERSISTENT")
        if not stored:
            self.word("VIRTUAL")
        node.set("persisted", stored or None)
        return self.expression(node)
