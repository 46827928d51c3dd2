"""TimescaleDB's aggregates `first`, `last` and `histogram` in words that DuckDB is fast with.

`first(value, time)` is `first_value(value ORDER BY time)`, which latest.py knows too, and so is
`first_value(value)` of one time-series table;
`histogram(value, low, high, n)` is n + 2 counts: below low, n buckets of equal width, high and
above.

    https://docs.timescale.com/api/latest/hyperfunctions/first/
    https://docs.timescale.com/api/latest/hyperfunctions/histogram/
"""

from __future__ import annotations

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.plan.buckets_calendar import number, part
from sql.plan.scopes import Scopes

BUCKETS_MAX = 1_000
# `last(x ORDER BY t)` says what `last_value` says, and is planned like it.
_EDGES = {"first": exp.First, "last": exp.Last}


def time_aggregates(tree: exp.Expr, scopes: Scopes) -> exp.Expr:
    """Rewrites the calls in place, FILTER included. Raises: DbError INVALID_ARGUMENT."""
    for edge in list(tree.find_all(exp.FirstValue, exp.LastValue)):
        _in_time_order(edge, scopes)
    for nth in list(tree.find_all(exp.NthValue)):
        if not isinstance(nth.parent, (exp.Window, exp.IgnoreNulls)):
            nth.replace(_nth(nth, scopes))
    for edge in list(tree.find_all(exp.First, exp.Last)):
        if edge.args.get("expression") is not None:
            edge.replace(_edge(edge))
    for node in list(tree.find_all(exp.Anonymous)):
        ordered = len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Order)
        if ordered and node.name.lower() in _EDGES:
            node.replace(_EDGES[node.name.lower()](this=node.expressions[0]))
            continue
        if node.name.lower() != "histogram" or len(node.expressions) != 4:
            continue
        parent = node.parent
        if isinstance(parent, exp.Filter):
            made = _counts(node, parent.expression.this)
            parent.replace(made)
        else:
            node.replace(_counts(node, None))
    return tree


def _in_time_order(edge: exp.Expr, scopes: Scopes) -> None:
    """`last_value(x)` of one time-series table is the latest, as in RANGE queries."""
    above = edge.parent.parent if isinstance(edge.parent, exp.IgnoreNulls) else edge.parent
    key = _by_time(edge, scopes)
    if not isinstance(edge.this, exp.Order) and not isinstance(above, exp.Window) and key:
        edge.set("this", exp.Order(this=edge.this.copy(), expressions=[key]))


def _nth(node: exp.Expr, scopes: Scopes) -> exp.Expr:
    """`nth_value(x, n [ORDER BY …])` as an aggregate, which DuckDB has for windows only."""
    place = node.args["offset"]
    keys = place.expressions if isinstance(place, exp.Order) else []
    if not keys and (key := _by_time(node, scopes)):
        keys = [key]
    value = node.this.copy()
    if keys:
        value = exp.Order(this=value, expressions=[key.copy() for key in keys])
    found = place.this if isinstance(place, exp.Order) else place
    listed = exp.Anonymous(this="list", expressions=[value])
    return exp.Anonymous(this="list_extract", expressions=[listed, found.copy()])


def _by_time(node: exp.Expr, scopes: Scopes) -> exp.Ordered | None:
    """The order by time of a query over one time-series table."""
    holder = node.find_ancestor(exp.Select)
    sources = list(scopes.sources(holder).items()) if holder is not None else []
    table = sources[0][1] if len(sources) == 1 else None
    if table is None or table.time_index is None:
        return None
    time = exp.column(table.time_index, table=sources[0][0], quoted=True)
    return exp.Ordered(this=time, desc=False, nulls_first=False)


def _edge(node: exp.Expr) -> exp.Expr:
    is_first = isinstance(node, exp.First)
    value, time = node.this, node.args["expression"]
    if isinstance(node.parent, exp.Window):
        name = "arg_min_null" if is_first else "arg_max_null"
        return exp.Anonymous(this=name, expressions=[value.copy(), time.copy()])
    key = exp.Ordered(this=time.copy(), desc=False, nulls_first=False)
    order = exp.Order(this=value.copy(), expressions=[key])
    return exp.FirstValue(this=order) if is_first else exp.LastValue(this=order)


def _counts(node: exp.Anonymous, condition: exp.Expr | None) -> exp.Expr:
    value, low, high, buckets = node.expressions
    if not buckets.is_int or not 1 <= int(buckets.name) <= BUCKETS_MAX:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"histogram: the number of buckets must be a constant from 1 to {BUCKETS_MAX}",
        )
    count = int(buckets.name)
    place = part(
        "CASE WHEN {v} < {low} THEN 0 WHEN {v} >= {high} THEN {above}"
        " ELSE 1 + CAST(floor(({v} - {low}) * {n} / CAST({high} - {low} AS DOUBLE)) AS BIGINT) END",
        v=value,
        low=low,
        high=high,
        above=number(count + 1),
        n=buckets,
    )
    counts = []
    for index in range(count + 2):
        here: exp.Expr = exp.EQ(this=exp.Paren(this=place.copy()), expression=number(index))
        if condition is not None:
            here = exp.and_(here, condition.copy(), copy=False)
        counts.append(exp.Filter(this=exp.Count(this=exp.Star()), expression=exp.Where(this=here)))
    return exp.Anonymous(this="list_value", expressions=counts)
