"""Grammar of foreign keys: REFERENCES with all its options, and ALTER TABLE's constraint actions.

sql/statements/foreign_keys.py reads the trees. A `Reference` keeps its options as strings, in the
order written; the columns of `ON DELETE SET NULL (a)` are in its `meta`.
https://www.postgresql.org/docs/15/sql-createtable.html
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from sql.dialect.core import Core
from sql.dialect.key_nodes import ConstraintAction, SetConstraints

SET_COLUMNS = "set_columns"  # where a Reference's meta keeps those of ON DELETE SET … (a, b)

_KINDS = ("CONSTRAINT", "FOREIGN KEY", "CHECK", "PRIMARY KEY")  # each one token
_ACTIONS = (("NO", "ACTION"), ("RESTRICT",), ("CASCADE",), ("SET", "NULL"), ("SET", "DEFAULT"))
_OPTIONS = (
    *(("MATCH", how) for how in ("FULL", "SIMPLE", "PARTIAL")),
    ("NOT", "DEFERRABLE"),
    ("DEFERRABLE",),
    ("INITIALLY", "DEFERRED"),
    ("INITIALLY", "IMMEDIATE"),
    ("NOT", "VALID"),
)


class ForeignGrammar(Core):
    """REFERENCES; DROP, ALTER, VALIDATE and RENAME CONSTRAINT; SET CONSTRAINTS."""

    def _parse_references(self, match: bool = True) -> exp.Reference | None:
        if match and not self._match(TokenType.REFERENCES):
            return None
        table: exp.Expr = self.take_table()
        if self._curr.token_type is TokenType.L_PAREN:
            table = exp.Schema(this=table, expressions=self.take_names())
        options: list[str] = []
        columns: list[str] = []
        while (option := self._reference_option(columns)) is not None:
            options.append(option)
        made = self.expression(exp.Reference(this=table, options=options))
        made.meta[SET_COLUMNS] = columns
        return made

    def _reference_option(self, columns: list[str]) -> str | None:
        for event in ("DELETE", "UPDATE"):
            if self.word("ON", event):
                return f"ON {event} {self._reference_action(columns)}"
        return self._key_option()

    def _key_option(self) -> str | None:
        """How and when the key is checked."""
        return next((" ".join(words) for words in _OPTIONS if self.word(*words)), None)

    def _reference_action(self, columns: list[str]) -> str:
        for words in _ACTIONS:
            if self.word(*words):
                break
        else:
            raise self.expected("an action")
        listed = ""
        if words[0] == "SET" and self._curr.token_type is TokenType.L_PAREN:
            names = self.take_names()
            columns += [name.name for name in names]
            listed = f" ({', '.join(name.sql(dialect='postgres') for name in names)})"
        return " ".join(words) + listed

    # --- ALTER TABLE ------------------------------------------------------------------------------

    def constraint_action(self) -> exp.Expr | None:
        """What ALTER TABLE does to a constraint that is there, if that comes next."""
        start = self._index
        for verb in ("DROP", "ALTER", "VALIDATE", "RENAME"):
            if self.word(verb):
                made = self._constraint_action(verb)
                if made is not None:
                    return made
                self._retreat(start)
        return None

    def _constraint_action(self, verb: str) -> exp.Expr | None:
        kind = next((kind for kind in _KINDS if self.word(kind)), None)
        if kind is None or (kind != "CONSTRAINT" and verb != "DROP"):
            return None
        made = ConstraintAction(this=verb, kind=kind, exists=self._parse_exists() or None)
        if kind != "PRIMARY KEY":
            made.set("name", self.take_name())
        if verb == "RENAME":
            self.require("TO")
            made.set("to", self.take_name())
        if verb == "ALTER":
            options: list[Any] = []
            while (option := self._key_option()) is not None:
                options.append(option)
            made.set("options", options)
        if verb == "DROP":
            cascade = self.word("CASCADE")
            if not cascade:
                self.word("RESTRICT")
            made.set("cascade", cascade or None)
        return self.expression(made)

    def set_constraints(self) -> exp.Expr:
        """Behind SET CONSTRAINTS."""
        tables = [] if self.word("ALL") else self._parse_csv(self.take_table)
        deferred = self.word("DEFERRED")
        if not deferred and not self.word("IMMEDIATE"):
            raise self.expected("DEFERRED or IMMEDIATE")
        return self.expression(SetConstraints(expressions=tables, deferred=deferred))
