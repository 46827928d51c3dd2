"""Grammar of CREATE FLOW and DROP FLOW; SHOW is in show.py."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.dialect.roles import RolesGrammar


class FlowsGrammar(RolesGrammar):
    """CREATE [OR REPLACE] FLOW, DROP FLOW."""

    def _create_flow(self, replace: bool | None) -> nodes.CreateFlow:
        exists = self._parse_exists(not_=True)
        if replace and exists:
            raise DbError(
                ErrorKind.SYNTAX, "a flow is created OR REPLACE, or IF NOT EXISTS, not both"
            )
        flow = nodes.CreateFlow(this=self.take_name(), replace=replace, exists=exists or None)
        self.require("SINK", "TO")
        if self._curr.token_type is TokenType.STRING:  # GreptimeDB takes a string for the name
            flow.set("sink", exp.to_table(self.take_string().name, quoted=True))
        else:
            flow.set("sink", self.take_table())
        while not self._match(TokenType.ALIAS):
            self._flow_clause(flow)
        if not self._curr:
            raise self.expected("a query")
        flow.set("start", self._curr.start)
        flow.set("expression", self.query_inside())
        return self.expression(flow)

    def _flow_clause(self, flow: nodes.CreateFlow) -> None:
        value: exp.Expr
        if self.word("EXPIRE", "AFTER"):
            key, value = "expire", self._flow_length()
        elif self.word("EVAL", "INTERVAL"):
            key, value = "interval", self._flow_length()
        elif self.word("COMMENT"):
            key, value = "comment", self.take_string()
        elif self._match(TokenType.WITH):
            key, value = "options", exp.Tuple(expressions=self.take_options())
        else:
            raise self.expected("EXPIRE AFTER, EVAL INTERVAL, COMMENT, WITH or AS")
        if flow.args.get(key) is not None:
            raise self.unexpected()
        flow.set(key, value)

    def _flow_length(self) -> exp.Literal:
        """`'5m'`, `'5m'::INTERVAL`, `INTERVAL '5 minutes'`, or a number of seconds: its text."""
        value = self.take_expression()
        unit = value.args.get("unit") if isinstance(value, exp.Interval) else None
        literal = value.find(exp.Literal)
        if literal is None or (
            literal is not value and not isinstance(value, exp.Cast | exp.Interval)
        ):
            raise self.expected("a duration such as '5m'")
        number = literal.name if unit is None else f"{literal.name} {unit.name.lower()}"
        return exp.Literal.string(number if literal.is_string else f"{literal.name} s")

    def _drop_flow(self) -> nodes.DropFlow:
        exists = self._parse_exists()
        return self.expression(nodes.DropFlow(this=self.take_name(), exists=exists or None))
