"""Grammar of the ALTER TABLE forms that change partitions.

`PARTITION ON COLUMNS (c) (rules)`, `SPLIT PARTITION (rule) [ON COLUMNS (c)] INTO (rules)` and
`MERGE PARTITION (rules)`, each with `WITH (TIMEOUT = '5m', WAIT = false)`.
sql/statements/repartition.py reads the trees.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from sql.dialect import nodes
from sql.dialect.ddl import DdlGrammar


class RepartitionGrammar(DdlGrammar):
    """PARTITION, SPLIT PARTITION, MERGE PARTITION."""

    def _repartition(self) -> exp.Expr:
        columns: list[exp.Identifier] = []
        sources: list[exp.Expr] = []
        rules: list[exp.Expr] = []
        kind = self.take_word().upper()
        if kind == "PARTITION":
            self.require("ON", "COLUMNS")
            columns = self.take_names()
            rules = self._some_rules()
        else:
            self.require("PARTITION")
            sources = self._some_rules()
            if kind == "SPLIT":
                columns = self.take_names() if self.word("ON", "COLUMNS") else []
                self.require("INTO")
                rules = self._some_rules()
        options = self.take_options() if self._match(TokenType.WITH) else None
        return self.expression(
            nodes.Repartition(
                this=kind,
                sources=sources or None,
                columns=columns or None,
                expressions=rules or None,
                options=options,
            )
        )

    def _some_rules(self) -> list[exp.Expr]:
        rules = self._partition_rules()
        if not rules:
            raise self.expected("partition rules in parentheses")
        return rules
