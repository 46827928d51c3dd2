"""Grammar of the time-series clauses of other systems: SAMPLE BY, LATEST ON, ASOF and LT JOIN.

As QuestDB writes them (https://questdb.com/docs/reference/sql/sample-by/). RANGE … ALIGN is in
core.py. What the clauses mean is for sql/plan/ to say; here they only become nodes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from sql.dialect import nodes
from sql.dialect.core import Core

_ASOF_METHODS = ("ASOF", "LT")


class SeriesGrammar(Core):
    """Query clauses after WHERE, and two kinds of join."""

    def _parse_query_modifiers(self, this: Any) -> Any:
        this = super()._parse_query_modifiers(this)
        while isinstance(this, exp.Select) and self._at_series_clause():
            key, clause = self._series_clause()
            if this.args.get(key):
                self.raise_error(f"{clause.key} is given twice")
            this.set(key, clause)
            this = super()._parse_query_modifiers(this)
        return this

    def _parse_table_alias(
        self, alias_tokens: Collection[TokenType] | None = None
    ) -> exp.TableAlias | None:
        if self._at_series_clause() or self._at_lt_join():
            return None
        return super()._parse_table_alias(alias_tokens)

    def _at_series_clause(self) -> bool:
        follows = self._next.text.upper()
        return (self.at_word("SAMPLE") and follows == "BY") or (
            self.at_word("LATEST") and follows in ("ON", "BY")
        )

    def _series_clause(self) -> tuple[str, exp.Expr]:
        if self.word("SAMPLE", "BY"):
            return "sample_by", self._sample_by()
        self.require("LATEST")
        return "latest_on", self._latest_on()

    # --- SAMPLE BY --------------------------------------------------------------------------------

    def _sample_by(self) -> nodes.SampleBy:
        node = nodes.SampleBy(this=self._sample_width())
        if self._match(TokenType.FROM):
            node.set("start", self._parse_bitwise())
        if self.word("TO"):
            node.set("end", self._parse_bitwise())
        if self.word("FILL"):
            node.set("expressions", self._parse_wrapped_csv(self._sample_fill))
        if self.word("ALIGN"):
            self._sample_align(node)
        return self.expression(node)

    def _sample_width(self) -> exp.Expr:
        """`1h`, `'1h'`, `15T`."""
        if self._curr.token_type in self.STRING_PARSERS:
            return self.take_string()
        text = self.original(self._curr)
        if not text[:1].isdigit():
            raise self.expected("a length of time such as 1h")
        self._advance()  # MySQL's names may begin with a digit: there `1h` is one token
        if self._prev.token_type is TokenType.NUMBER and self._curr.start == self._prev.end + 1:
            text += self.take_word()
        return exp.Literal.string(text)

    def _sample_fill(self) -> exp.Expr:
        return exp.var("NONE") if self.word("NONE") else self.take_fill()

    def _sample_align(self, node: nodes.SampleBy) -> None:
        self.require("TO")
        if self.word("FIRST", "OBSERVATION"):
            node.set("first_observation", True)
            return
        self.require("CALENDAR")
        if self.word("TIME", "ZONE"):
            node.set("zone", self.take_string())
        if self.word("WITH", "OFFSET"):
            node.set("offset", self.take_string())

    # --- LATEST ON --------------------------------------------------------------------------------

    def _latest_on(self) -> nodes.LatestOn:
        """`LATEST ON ts PARTITION BY a, b`, and the older `LATEST BY a, b`."""
        if self.word("BY"):
            return self.expression(nodes.LatestOn(expressions=self._keys()))
        self.require("ON")
        time = self._parse_column()
        if not isinstance(time, exp.Column):
            raise self.expected("the time column")
        if not self._match(TokenType.PARTITION_BY):
            self.require("PARTITION", "BY")
        return self.expression(nodes.LatestOn(this=time, expressions=self._keys()))

    def _keys(self) -> list[exp.Expr]:
        return self._parse_csv(self.take_expression)

    # --- Joins ------------------------------------------------------------------------------------

    def _at_lt_join(self) -> bool:
        return self.at_word("LT") and self._next.token_type is TokenType.JOIN

    def _parse_join_parts(self) -> tuple[Token | None, Token | None, Token | None]:
        if self._at_lt_join():
            self._advance()
            return self._prev, None, None
        return super()._parse_join_parts()

    def _parse_join(self, *args: Any, **kwargs: Any) -> exp.Join | None:
        join = super()._parse_join(*args, **kwargs)
        timed = join is not None and join.method in _ASOF_METHODS
        if timed and join is not None and self.word("TOLERANCE"):
            join.set("tolerance", self._sample_width())
        return join
