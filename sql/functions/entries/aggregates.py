"""Aggregate and window functions."""

from __future__ import annotations

from sql.functions.registry import MYSQL, POSTGRES, Function, Kind
from sql.functions.registry import function as f
from sql.functions.rewrites import aggregates

CATEGORY = "Aggregate"
_A = Kind.AGGREGATE
_W = Kind.WINDOW


def _agg(signature: str, doc: str, how: object = None, *names: str, **more: object) -> Function:
    return f(signature, doc, how, *names, kind=_A, **more)  # type: ignore[arg-type]


def _regr(name: str, doc: str) -> Function:
    return _agg(f"regr_{name}(y double precision, x double precision) -> double precision", doc)


# fmt: off
FUNCTIONS: tuple[Function, ...] = (
    _agg("array_agg(value any) -> any[]", "All values as an array.", None,
         ex={"array_agg(1)": [1]}),
    _agg("avg(x numeric) -> double precision", "The mean.", None, "mean", ex={"avg(2)": 2.0,
                                                                            "mean(2)": 2.0}),
    _agg("bit_and(x bigint) -> bigint", "Bits set in all values.", ex={"bit_and(6)": 6}),
    _agg("bit_or(x bigint) -> bigint", "Bits set in any value.", ex={"bit_or(6)": 6}),
    _agg("bit_xor(x bigint) -> bigint", "Bits set in an odd number of values.",
         ex={"bit_xor(6)": 6}),
    _agg("bool_and(x boolean) -> boolean", "True if all are.", "bool_and", "every",
         ex={"bool_and(true)": True}),
    _agg("bool_or(x boolean) -> boolean", "True if any is.", ex={"bool_or(false)": False}),
    _agg("count(value any) -> bigint", "The number of values that are not NULL, or of rows.",
         ex={"count(*)": 1, "count(NULL)": 0}),
    _agg("count_hash(value any) -> bigint", "The number of distinct values.",
         "(x) AS count(DISTINCT x)", ex={"count_hash(1)": 1}),
    _agg("sum(x numeric) -> numeric", "The sum.", ex={"sum(2)": 2}),
    _agg("min(value any) -> any", "The least value.", ex={"min(2)": 2}),
    _agg("max(value any) -> any", "The greatest value.", ex={"max(2)": 2}),
    _agg("median(x numeric) -> double precision", "The median.", ex={"median(2)": 2.0}),
    _agg("mode(value any) -> any", "The most frequent value.", ex={"mode(2)": 2}),
    _agg("first_value(value any) -> any", "The value of the first row (ORDER BY inside).",
         ex={"first_value(2)": 2}),
    _agg("last_value(value any) -> any", "The value of the last row (ORDER BY inside).",
         ex={"last_value(2)": 2}),
    f("nth_value(value any, n bigint) -> any", "The value of the n-th row.", kind=_W),
    _agg("string_agg(text text, separator text) -> text", "All texts with a separator between.",
         ex={"string_agg('a', ',')": "a"}, wires=POSTGRES),
    _agg("group_concat(value any) -> text", "All values as text, with commas between.",
         wires=MYSQL, ex={"group_concat('a')": "a"}),
    _agg("percentile_cont(q double precision) WITHIN GROUP (ORDER BY x) -> double precision",
         "The quantile, interpolated.", None, "quantile_cont",
         ex={"percentile_cont(0.5) WITHIN GROUP (ORDER BY 2)": 2.0}, wires=POSTGRES),
    _agg("percentile_disc(q double precision) WITHIN GROUP (ORDER BY x) -> any",
         "The quantile, one of the values.",
         ex={"percentile_disc(0.5) WITHIN GROUP (ORDER BY 2)": 2}, wires=POSTGRES),
    _agg("stddev(x double precision) -> double precision", "The sample's standard deviation.",
         None, "stddev_samp", "std", ex={"stddev(2)": None}, wires=POSTGRES),
    _agg("stddev(x double precision) -> double precision", "The population's standard deviation.",
         "stddev_pop", "std", wires=MYSQL, ex={"stddev(2)": 0.0, "std(2)": 0.0}),
    _agg("stddev_samp(x double precision) -> double precision", "The sample's standard deviation.",
         wires=MYSQL, ex={"stddev_samp(2)": None}),
    _agg("stddev_pop(x double precision) -> double precision",
         "The population's standard deviation.", ex={"stddev_pop(2)": 0.0}),
    _agg("var_samp(x double precision) -> double precision", "The sample's variance.", "var_samp",
         "var", "variance", "var_sample", ex={"var_samp(2)": None}, wires=POSTGRES),
    _agg("variance(x double precision) -> double precision", "The population's variance.",
         "var_pop", wires=MYSQL, ex={"variance(2)": 0.0}),
    _agg("var_samp(x double precision) -> double precision", "The sample's variance.", "var_samp",
         "var", "var_sample", wires=MYSQL, ex={"var_samp(2)": None}),
    _agg("var_pop(x double precision) -> double precision", "The population's variance.",
         "var_pop", "var_population", ex={"var_pop(2)": 0.0}),
    _agg("corr(y double precision, x double precision) -> double precision",
         "The correlation coefficient."),
    _agg("covar_samp(y double precision, x double precision) -> double precision",
         "The sample's covariance.", "covar_samp", "covar", ex={"covar_samp(1, 2)": None}),
    _agg("covar_pop(y double precision, x double precision) -> double precision",
         "The population's covariance.", ex={"covar_pop(1, 2)": 0.0}),
    _regr("avgx", "The mean of x."),
    _regr("avgy", "The mean of y."),
    _agg("regr_count(y double precision, x double precision) -> bigint",
         "The number of pairs without NULL.", ex={"regr_count(1, 2)": 1}),
    _regr("intercept", "Where the regression line meets the y axis."),
    _regr("r2", "The square of the correlation coefficient."),
    _regr("slope", "The slope of the regression line."),
    _regr("sxx", "The sum of squares of x."),
    _regr("sxy", "The sum of products."),
    _regr("syy", "The sum of squares of y."),
    _agg("approx_distinct(value any) -> bigint", "About how many distinct values there are.",
         "approx_count_distinct", ex={"approx_distinct(1)": 1}),
    _agg("approx_median(x double precision) -> double precision", "About the median.",
         ex={"approx_median(2)": 2.0}),
    _agg("approx_percentile_cont(q double precision [, centroids bigint]) WITHIN GROUP (ORDER BY x)"
         " -> double precision", "About the quantile.",
         ex={"approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY 2)": 2.0}),
    _agg("approx_percentile_cont_with_weight(weight double precision, q double precision)"
         " WITHIN GROUP (ORDER BY x) -> double precision", "The quantile of weighted values.",
         aggregates.weighted_percentile),
    _agg("histogram(x double precision, low double precision, high double precision,"
         " buckets integer) -> bigint[]",
         "How many values fall below low, into each of the buckets, and above high.",
         ex={"histogram(5, 0, 10, 2)": [0, 0, 1, 0]}),
    _agg("grouping(value any, ...) -> bigint", "Which columns this row is not grouped by."),
    _agg("any_value(value any) -> any", "One of the values.", ex={"any_value(2)": 2}),
    _agg("first(value any, t timestamp) -> any", "The value at the earliest time.",
         aggregates.first, ex={"first(5, now())": 5}),
    _agg("last(value any, t timestamp) -> any", "The value at the latest time.",
         aggregates.last, ex={"last(5, now())": 5}),
    _agg("stats_agg(x double precision) -> struct",
         "Count, sum, mean, deviation, least and greatest value in one.",
         "(x) AS {'count': count(x), 'sum': sum(CAST(x AS DOUBLE)), 'mean': avg(x),"
         " 'stddev': stddev_samp(x), 'min': min(x), 'max': max(x)}",
         ex={"get_field(stats_agg(2), 'count')": 1}, wires=POSTGRES),
    # Window functions.
    f("row_number() -> bigint", "The row's number in its window.", kind=_W,
      ex={"row_number() OVER ()": 1}),
    f("rank() -> bigint", "The row's rank, with gaps.", kind=_W, ex={"rank() OVER (ORDER BY 1)": 1}),
    f("dense_rank() -> bigint", "The row's rank, without gaps.", kind=_W,
      ex={"dense_rank() OVER (ORDER BY 1)": 1}),
    f("percent_rank() -> double precision", "The row's rank between 0 and 1.", kind=_W,
      ex={"percent_rank() OVER (ORDER BY 1)": 0.0}),
    f("cume_dist() -> double precision", "The share of rows up to this one.", kind=_W,
      ex={"cume_dist() OVER (ORDER BY 1)": 1.0}),
    f("ntile(n integer) -> bigint", "The row's part of n parts.", kind=_W,
      ex={"ntile(2) OVER (ORDER BY 1)": 1}),
    f("lag(value any [, offset bigint, default any]) -> any", "The value of a row before.", kind=_W,
      ex={"lag(1) OVER (ORDER BY 1)": None}),
    f("lead(value any [, offset bigint, default any]) -> any", "The value of a row after.", kind=_W,
      ex={"lead(1) OVER (ORDER BY 1)": None}),
    f("anomaly_score_zscore(x double precision) -> double precision",
      "How many standard deviations from the window's mean.", aggregates.zscore, kind=_W,
      ex={"anomaly_score_zscore(2) OVER ()": None}),
    f("anomaly_score_mad(x double precision) -> double precision",
      "How many scaled median deviations from the window's median.", aggregates.mad, kind=_W,
      ex={"anomaly_score_mad(2) OVER ()": None}),
    f("anomaly_score_iqr(x double precision, k double precision) -> double precision",
      "How many interquartile ranges outside Tukey's fences.", aggregates.iqr, kind=_W,
      ex={"anomaly_score_iqr(2, 1.5) OVER ()": None}),
)
# fmt: on

_SPREAD = "CASE WHEN d = 0 THEN CASE WHEN v = 0 THEN 0.0 ELSE CAST('inf' AS DOUBLE) END"
_QUANTILE = (
    "(s[CAST(floor((len(s) - 1) * q) AS BIGINT) + 1] + ((len(s) - 1) * q -"
    " floor((len(s) - 1) * q)) * (s[CAST(ceil((len(s) - 1) * q) AS BIGINT) + 1] -"
    " s[CAST(floor((len(s) - 1) * q) AS BIGINT) + 1]))"
)
HELPERS: dict[str, object] = {
    "score": (f"(v, d) AS {_SPREAD} ELSE v / d END",),
    "at_quantile": (f"(s, q) AS {_QUANTILE}",),
    "mad_score": (
        "(x, v) AS CASE WHEN len(v) >= 3 THEN gn_score(abs(x - list_median(v)), 1.4826 *"
        " list_median(list_transform(v, lambda y: abs(y - list_median(v))))) END",
    ),
    "iqr_score": (
        "(x, v, k) AS CASE WHEN len(v) >= 3 AND k >= 0 THEN gn_fences(x,"
        " gn_at_quantile(list_sort(v), 0.25), gn_at_quantile(list_sort(v), 0.75), k) END",
    ),
    "fences": (
        "(x, a, b, k) AS gn_score(greatest(a - k * (b - a) - x, x - b - k * (b - a), 0.0), b - a)",
    ),
    "weighted": (
        "(v, q) AS list_sort(list_filter(list_transform(v, lambda p: {'x': p.x, 'below':"
        " list_sum(list_transform(v, lambda o: CASE WHEN o.x <= p.x THEN o.w ELSE 0.0 END))}),"
        " lambda p: p.below >= q * list_sum(list_transform(v, lambda o: o.w))))[1].x",
    ),
}
