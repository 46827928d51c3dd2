"""Aggregates and window functions that are made of DuckDB's."""

from __future__ import annotations

from sqlglot import exp

from sql.functions.rewrites.build import Arguments, call, case, cast, check, number, own


def first(arguments: Arguments) -> exp.Expr:
    """`first(value, t)`; of one value, any row's first."""
    check("first", arguments, 1, 2, "first(value, t)")
    return call("first" if len(arguments) == 1 else "arg_min_null", *arguments)


def last(arguments: Arguments) -> exp.Expr:
    """`last(value, t)`."""
    check("last", arguments, 1, 2, "last(value, t)")
    return call("last" if len(arguments) == 1 else "arg_max_null", *arguments)


def weighted_percentile(arguments: Arguments) -> exp.Expr:
    """`approx_percentile_cont_with_weight(x, weight, q)`."""
    how = "approx_percentile_cont_with_weight(weight, q) WITHIN GROUP (ORDER BY x)"
    check("approx_percentile_cont_with_weight", arguments, 3, 3, how)
    value, weight, quantile = arguments
    pair = exp.Struct(
        expressions=[
            exp.PropertyEQ(this=exp.to_identifier("x"), expression=value.copy()),
            exp.PropertyEQ(this=exp.to_identifier("w"), expression=cast(weight, "DOUBLE")),
        ]
    )
    return own("weighted", call("list", pair), quantile)


def zscore(arguments: Arguments) -> exp.Expr:
    """|x - mean| / stddev_pop over the window."""
    return call("gn_anomaly_score_zscore", *arguments)


def mad(arguments: Arguments) -> exp.Expr:
    """|x - median| / (1.4826 · MAD) over the window."""
    return call("gn_anomaly_score_mad", *arguments)


def iqr(arguments: Arguments) -> exp.Expr:
    """The distance beyond Tukey's fences over the window."""
    return call("gn_anomaly_score_iqr", *arguments)


def windowed_score(node: exp.Window) -> exp.Expr | None:
    """An anomaly score over a window, as aggregates over that window; None for other windows."""
    inner = node.this
    name = inner.name.lower() if isinstance(inner, exp.Anonymous) else ""
    if not name.startswith("gn_anomaly_score_"):
        return None
    value = cast(inner.expressions[0], "DOUBLE")
    if name.endswith("mad"):
        return exp.paren(own("mad_score", value, _over(node, _values(value))))
    if name.endswith("iqr"):
        k = inner.expressions[1]
        return exp.paren(own("iqr_score", value, _over(node, _values(value)), k))
    mean, spread = (_over(node, call(f, value)) for f in ("avg", "stddev_pop"))
    many = exp.GTE(this=_over(node, call("count", value)), expression=number(2))
    distance = exp.Abs(this=exp.Sub(this=value.copy(), expression=mean))
    return exp.paren(case((many, own("score", distance, spread))))


def _values(value: exp.Expr) -> exp.Expr:
    """Every value of the window that is not NULL."""
    present = exp.Not(this=exp.Is(this=value.copy(), expression=exp.null()))
    return exp.Filter(this=call("list", value), expression=exp.Where(this=present))


def _over(node: exp.Window, aggregate: exp.Expr) -> exp.Expr:
    made = node.copy()
    made.set("this", aggregate)
    return made
