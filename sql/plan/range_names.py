"""Names of unaliased output columns, in the peer's form: `avg(t.cpu)`, `t.a + Int64(1)`.

Pure text. Used by range_align.py, and by whoever names the columns of a plain SELECT so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from sql.dialect import nodes
from sql.plan.range_parts import text_of

Qualify = Callable[[exp.Column], str]  # a column → its name with its table

_FUNCTIONS = {
    exp.CovarSamp: "covar_samp",
    exp.StddevSamp: "stddev",
    exp.CurrentTimestamp: "now",
    exp.TimestampTrunc: "date_trunc",
    exp.DateBin: "date_bin",
}
_RENAMED = {"covar": "covar_samp", "mean": "avg"}
_OPERATORS: dict[type[exp.Expr], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.IntDiv: "/",
    exp.Mod: "%",
    exp.EQ: "=",
    exp.NEQ: "!=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.And: "AND",
    exp.Or: "OR",
    exp.DPipe: "||",
    exp.Like: "LIKE",
    exp.ILike: "ILIKE",
}


def expression_name(node: exp.Expr, qualify: Qualify) -> str:
    """The name of an expression."""
    return _Namer(qualify).name(node)


class _Namer:
    def __init__(self, qualify: Qualify) -> None:
        self._qualify = qualify
        self._shapes: tuple[tuple[Any, Callable[[Any], str]], ...] = (
            (exp.Column, qualify),
            (exp.Literal, _literal),
            (exp.Null, lambda _: "NULL"),
            (exp.Boolean, lambda node: f"Boolean({str(node.this).lower()})"),
            (exp.Star, lambda _: "*"),
            (nodes.RangeAggregate, self._range),
            ((exp.Paren, exp.Cast, exp.Alias), lambda node: self.name(node.this)),
            (exp.Neg, lambda node: f"(- {self.name(node.this)})"),
            (exp.Not, lambda node: f"NOT {self.name(node.this)}"),
            (exp.Count, self._count),
            (exp.Distinct, self._distinct),
            (exp.Filter, self._filter),
            (exp.WithinGroup, self._within_group),
            (exp.Order, self._order),
            (exp.Ordered, self._ordered),
            (exp.Case, self._case),
            (exp.Binary, self._binary),
            (exp.Func, self._function),
        )

    def name(self, node: exp.Expr) -> str:
        for kind, shape in self._shapes:
            if isinstance(node, kind):
                return shape(node)
        return _plain(node)

    def _range(self, node: nodes.RangeAggregate) -> str:
        interval = node.args["range"]
        text = interval.name if interval.is_string else interval.sql()
        fill = node.args.get("fill")
        shown = "" if fill is None else f" FILL {fill.name if fill.name else fill.sql()}"
        return f"{self.name(node.this)} RANGE {text}{shown}"

    def _count(self, node: exp.Count) -> str:
        return f"count({self.name(node.this) if node.this is not None else '*'})"

    def _distinct(self, node: exp.Distinct) -> str:
        return f"DISTINCT {self._list(node.expressions)}"

    def _filter(self, node: exp.Filter) -> str:
        return f"{self.name(node.this)} FILTER (WHERE {self.name(node.expression.this)})"

    def _within_group(self, node: exp.WithinGroup) -> str:
        keys = ", ".join(self.name(key) for key in node.expression.expressions)
        return f"{self.name(node.this)} WITHIN GROUP [{keys}]"

    def _order(self, node: exp.Order) -> str:
        keys = ", ".join(self.name(key) for key in node.expressions)
        return f"{self.name(node.this)} ORDER BY [{keys}]"

    def _ordered(self, node: exp.Ordered) -> str:
        direction = "DESC" if node.args.get("desc") else "ASC"
        nulls = "FIRST" if node.args.get("nulls_first") else "LAST"
        return f"{self.name(node.this)} {direction} NULLS {nulls}"

    def _case(self, node: exp.Case) -> str:
        parts = ["CASE"]
        parts += [self.name(node.this)] if node.this is not None else []
        for branch in node.args["ifs"]:
            parts.append(f"WHEN {self.name(branch.this)} THEN {self.name(branch.args['true'])}")
        default = node.args.get("default")
        parts += [f"ELSE {self.name(default)}"] if default is not None else []
        return " ".join([*parts, "END"])

    def _binary(self, node: Any) -> str:
        operator = _OPERATORS.get(type(node))
        if operator is None:
            return self._function(node) if isinstance(node, exp.Func) else _plain(node)
        negation = "NOT " if node.args.get("negate") else ""
        return f"{self.name(node.left)} {negation}{operator} {self.name(node.right)}"

    def _function(self, node: Any) -> str:
        name = str(node.this if isinstance(node, exp.Anonymous) else "").lower()
        name = name or _FUNCTIONS.get(type(node)) or node.sql_name().lower()
        return f"{_RENAMED.get(name, name)}({self._list(_arguments(node))})"

    def _list(self, items: list[exp.Expr]) -> str:
        return ",".join(self.name(item) for item in items)


def _plain(node: exp.Expr) -> str:
    """The text of what has no name of its own."""
    try:
        return node.sql()
    except ValueError:  # the library knows only its own nodes
        return text_of(node)


def _arguments(node: exp.Expr) -> list[exp.Expr]:
    """A function's arguments in order."""
    if isinstance(node, exp.Anonymous):
        return list(node.expressions)
    found: list[exp.Expr] = []
    for key in node.arg_types:
        value = node.args.get(key)
        found += [
            item
            for item in (value if isinstance(value, list) else [value])
            if isinstance(item, exp.Expr)
        ]
    return found


def _literal(node: exp.Literal) -> str:
    if node.is_string:
        return f'Utf8("{node.name}")'
    if node.is_int:
        return f"Int64({node.name})"
    return f"Float64({float(node.name):g})"
