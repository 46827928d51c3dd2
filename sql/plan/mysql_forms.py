"""Forms of queries that only MySQL has, as DuckDB knows them: WITH ROLLUP, STRAIGHT_JOIN, ORDER BY
of a constant, arithmetic with parts of JSON documents, TIME literals of more than a day, distinct
values joined in another order than their own.

Called by plan.py for MySQL's sessions, together with loose_groups.py.
"""

from __future__ import annotations

import re

from sqlglot import exp

from sql.dialect.pieces import composed
from sql.functions.rewrites.mysql import time
from sql.plan.mysql_match import matched

_NO_TIME_OF_DAY = re.compile(r"\s*(-|\d+\s+\d|(2[4-9]|[3-9]\d|\d{3}):)")
_IN_ORDER = (
    "(list_transform([{rows}], lambda l: array_to_string(list_filter(l,"
    " lambda v, i: list_position(l, v) = i), {separator})))[1]"
)
_OF_TRUTH = (exp.Where, exp.And, exp.Or, exp.Not, exp.Having, exp.If, exp.Join)
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)


def mysql_forms(tree: exp.Expr) -> exp.Expr:
    """Rewrites them in place.

    >>> from sqlglot import parse_one
    >>> tree = parse_one("SELECT a, sum(b) FROM t GROUP BY a WITH ROLLUP", dialect="mysql")
    >>> mysql_forms(tree).sql("duckdb")
    'SELECT a, SUM(b) FROM t GROUP BY ROLLUP (a)'
    """
    for select in list(tree.find_all(exp.Select)):
        _filter_rows(select)
    for match in list(tree.find_all(exp.MatchAgainst)):
        relevance = matched(match)
        if isinstance(match.parent, _OF_TRUTH):
            relevance = exp.GT(this=relevance, expression=exp.Literal.number(0))
        match.replace(relevance)
    for joined in list(tree.find_all(exp.GroupConcat)):
        _distinct_in_order(joined)
    for node in list(tree.find_all(exp.Group, exp.Join, exp.Order, exp.Cast, *_ARITHMETIC)):
        if isinstance(node, _ARITHMETIC):
            _with_numbers(node)
        elif isinstance(node, exp.Join):
            if node.kind == "STRAIGHT_JOIN":  # a hint about the order of reading
                node.set("kind", None)
        elif isinstance(node, exp.Order):
            _order(node)
        elif isinstance(node, exp.Cast):
            _span(node)
        elif isinstance(node, exp.Group) and _is_with_rollup(node):
            keys = node.expressions
            node.set("expressions", [])
            node.set("rollup", [exp.Rollup(expressions=keys)])
    return tree


def _distinct_in_order(joined: exp.GroupConcat) -> None:
    """`group_concat(DISTINCT x ORDER BY y)`: each value stands where it comes first.

    DuckDB orders distinct values by themselves alone.
    """
    order = joined.this
    distinct = order.this if isinstance(order, exp.Order) else None
    if not isinstance(distinct, exp.Distinct) or isinstance(joined.parent, exp.Filter | exp.Window):
        return
    values = distinct.expressions
    if all(isinstance(o, exp.Ordered) and o.this in values for o in order.expressions):
        return
    value = exp.cast(values[0] if len(values) == 1 else exp.func("CONCAT", *values), "TEXT")
    ordered = exp.Order(this=value, expressions=[one.copy() for one in order.expressions])
    gathered = exp.Anonymous(this="list", expressions=[ordered])
    present = exp.Where(this=value.copy().is_(exp.null()).not_())
    separator = joined.args.get("separator") or exp.Literal.string(",")
    rows = exp.Filter(this=gathered, expression=present)
    joined.replace(composed(_IN_ORDER, rows=rows, separator=separator))


def _span(node: exp.Cast) -> None:
    """A literal TIME that is no time of day: negative, or of a day and more."""
    if node.to.this != exp.DType.TIME or not node.this.is_string:
        return
    if _NO_TIME_OF_DAY.match(node.this.name):
        node.replace(time([node.this]))


def _filter_rows(select: exp.Select) -> None:
    """HAVING without groups or aggregates is a WHERE that knows the outputs' names."""
    having = select.args.get("having")
    if having is None or select.args.get("group") or select.args.get("align"):
        return
    if any(part.find(exp.AggFunc, exp.Window) for part in (*select.expressions, having)):
        return
    aliases = {item.alias: item.this for item in select.expressions if isinstance(item, exp.Alias)}
    condition = having.this
    for column in list(condition.find_all(exp.Column)):
        if not column.table and column.name in aliases:
            meant = exp.paren(aliases[column.name].copy())
            if column is condition:
                condition = meant
            else:
                column.replace(meant)
    select.set("having", None)
    select.where(condition, copy=False)


def _with_numbers(node: exp.Expr) -> None:
    """What is computed with a part of a JSON document is computed with its number."""
    for side in (node.this, node.expression):
        if isinstance(side.unnest(), exp.JSONExtract):
            part = exp.Paren(this=side.copy())
            number = exp.TryCast(this=part, to=exp.DataType.build("DOUBLE"))
            other = exp.If(this=part.is_(exp.null()).not_(), true=exp.Literal.number(0))
            side.replace(exp.Coalesce(this=number, expressions=[exp.Case(ifs=[other])]))


def _order(node: exp.Order) -> None:
    """ORDER BY NULL, as Django asks where order does not matter, and other constants do nothing."""
    kept = [part for part in node.expressions if not _is_constant(part.this)]
    if len(kept) == len(node.expressions):
        return
    if kept:
        node.set("expressions", kept)
    else:
        node.pop()


def _is_constant(node: exp.Expr) -> bool:
    return isinstance(node.unnest(), exp.Null) or bool(node.is_string)


def _is_with_rollup(group: exp.Group) -> bool:
    rollups = group.args.get("rollup") or []
    return len(rollups) == 1 and not rollups[0].expressions and bool(group.expressions)
