"""Pieces of range_align.py: finding aggregates, spreading RANGE over them, reading intervals."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

from catalog import units
from engine.errors import DbError, ErrorKind
from sql import durations
from sql.dialect import nodes
from sql.dialect.dialects import dialect_of
from sql.session import Wire

# Aggregates that sqlglot has no class for.
_AGGREGATES = frozenset(
    {"approx_percentile_cont", "approx_percentile_cont_with_weight", "approx_distinct"}
    | {"approx_median", "uddsketch_state", "uddsketch_merge", "hll", "hll_merge", "covar"}
    | {"bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "string_agg", "mean", "regr_slope"}
    | {"json_encode_path", "geo_path", "vec_sum", "vec_product", "argmax", "argmin", "scipy_stats"}
    | {"array_agg", "every", "mode", "product", "first", "last", "median", "nth_value", "diff"}
    | {"histogram", "arg_max", "arg_min", "max_by", "min_by", "quantile_cont", "stats_agg"}
)
_WRAPPERS = (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)
_UNIT_MS = {
    "WEEK": units.WEEK_MS,
    "DAY": units.DAY_MS,
    "HOUR": units.HOUR_MS,
    "MINUTE": units.MINUTE_MS,
    "SECOND": units.SECOND_MS,
    "MILLISECOND": 1,
}


def range_nodes(node: exp.Expr) -> list[nodes.RangeAggregate]:
    """The RANGE aggregates of a query's own SELECT list, or of an expression."""
    if isinstance(node, exp.Select):
        return [found for item in node.expressions for found in range_nodes(item)]
    walked = node.walk(prune=lambda n: isinstance(n, (exp.Subquery, nodes.RangeAggregate)))
    return [inner for inner in walked if isinstance(inner, nodes.RangeAggregate)]


def text_of(node: exp.Expr) -> str:
    """The expression as text, nodes of our own included."""
    return node.sql(dialect=dialect_of(Wire.HTTP))


def inside_of(holder: exp.Paren) -> exp.Expr:
    """The tree in a holder, which gives its root a parent so that it can be replaced."""
    tree: exp.Expr = holder.this
    return tree


def has_window(node: exp.Expr) -> bool:
    """True if a window function is used (subqueries aside)."""
    walked = node.walk(prune=lambda n: isinstance(n, exp.Subquery))
    return any(isinstance(inner, exp.Window) for inner in walked)


def aggregates_of(node: exp.Expr, itself: bool = False) -> list[exp.Expr]:
    """The outermost aggregates in an expression; with `itself` only the expression may be one."""
    if _is_aggregate(node):
        return [node]
    if itself or isinstance(node, exp.Subquery):
        return []
    return [found for child in node.iter_expressions() for found in aggregates_of(child)]


def _is_aggregate(node: exp.Expr) -> bool:
    if isinstance(node, _WRAPPERS):
        return _is_aggregate(node.this)
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in _AGGREGATES
    return isinstance(node, exp.AggFunc)


def distribute(item: exp.Expr) -> exp.Expr:
    """`(max(v) - min(v)) RANGE '5s'` → `(max(v) RANGE '5s' - min(v) RANGE '5s')`, in place.

    Raises: DbError SYNTAX if RANGE follows something without an aggregate.
    """
    holder = exp.Paren(this=item)
    for node in range_nodes(holder):
        if _is_aggregate(node.this):
            continue
        aggregates = aggregates_of(node.this)
        if not aggregates:
            text = text_of(node.this)
            raise DbError(
                ErrorKind.SYNTAX, f"Can't use the RANGE keyword in Expr {text} without function"
            )
        for aggregate in aggregates:
            inner: Any = nodes.RangeAggregate(range=node.args["range"].copy())
            if node.args.get("fill") is not None:
                inner.set("fill", node.args["fill"].copy())
            aggregate.replace(inner)
            inner.set("this", aggregate)
        body = node.this
        node.replace(body.this if isinstance(body, exp.Paren) and node is item else body)
    return inside_of(holder)


def with_default_order(aggregate: exp.Expr, time: exp.Expr) -> exp.Expr:
    """first_value and last_value without an ORDER BY go by the time index."""
    holder = exp.Paren(this=aggregate)
    for node in list(holder.find_all(exp.FirstValue, exp.LastValue, exp.First, exp.Last)):
        if not isinstance(node.this, exp.Order) and node.args.get("expression") is None:
            key = exp.Ordered(this=time.copy(), desc=False, nulls_first=False)
            node.set("this", exp.Order(this=node.this, expressions=[key]))
    return inside_of(holder)


def interval_ms(node: exp.Expr) -> int:
    """The length of `'1h30m'` or `INTERVAL '1 hour'`.

    Raises: DbError SYNTAX for a bad duration, PLAN for months or a length that is not positive.
    """
    while isinstance(node, exp.Paren):
        node = node.this
    if node.is_string:
        return durations.parse_promql(node.name)
    length = _sum_ms(node)
    if length <= 0:
        raise DbError(ErrorKind.PLAN, "duration must be greater than 0")
    return length


def _sum_ms(node: exp.Expr) -> int:
    if isinstance(node, (exp.Add, exp.Sub)):
        sign = 1 if isinstance(node, exp.Add) else -1
        return _sum_ms(node.left) + sign * _sum_ms(node.right)
    if isinstance(node, exp.Paren):
        return _sum_ms(node.this)
    if isinstance(node, exp.Cast) and node.is_type(exp.DType.INTERVAL) and node.this.is_string:
        return _words_ms(node.this.name)
    if isinstance(node, exp.Interval) and node.this is not None:
        unit = node.args.get("unit")
        amount = node.this.name or node.this.sql()
        return _words_ms(amount if unit is None else f"{amount} {unit.name}")
    raise DbError(
        ErrorKind.PLAN,
        f"Illegal argument `{node.sql()}` in range select query",
        hint="a duration such as '5m' or (INTERVAL '1 hour')",
    )


def _words_ms(text: str) -> int:
    """`1 hour 30 minutes`, `1h30m`, `01:30:00`; days and smaller only."""
    clock = text.strip().split(":")
    if len(clock) == 3 and all(part.isdigit() for part in clock):
        return sum(int(part) * unit for part, unit in zip(clock, _CLOCK, strict=True))
    lowered = text.lower().replace("millisecond", "ms ").replace("mss", "ms")
    try:
        length = units.parse_human(lowered)
    except DbError as error:
        raise DbError(ErrorKind.PLAN, f"Illegal argument `{text}` in range select query") from error
    if any(word in lowered for word in ("mon", "year", "yr")):
        raise DbError(
            ErrorKind.PLAN,
            f"Illegal argument `{text}` in range select query",
            hint="months and years have no fixed length: use days",
        )
    return length


_CLOCK = (units.HOUR_MS, units.MINUTE_MS, units.SECOND_MS)
