"""States of approximate aggregates, which are stored and merged later."""

from __future__ import annotations

from sql.functions.registry import Function, Kind, arrow
from sql.functions.registry import function as f

CATEGORY = "Approximate"
_A = Kind.AGGREGATE

# Aggregates that can be taken of parts and put together: name, parameter, state's type, both halves.
_PAIRS = (
    ("count", "x", "bigint", "count(x)", "CAST(coalesce(sum(s), 0) AS BIGINT)"),
    ("sum", "x", "numeric", "sum(x)", "sum(s)"),
    ("min", "x", "any", "min(x)", "min(s)"),
    ("max", "x", "any", "max(x)", "max(s)"),
    ("avg", "x", "struct", "struct_pack(n := count(x), total := sum(CAST(x AS DOUBLE)))",
     "sum(s.total) / nullif(sum(s.n), 0)"),
)  # fmt: skip

# fmt: off
FUNCTIONS: tuple[Function, ...] = (
    f("hll(value any) -> bytea", "A HyperLogLog state of the distinct values.",
      "(x) AS gn_hll_state(list(DISTINCT gn_hll_slot(md5_number_lower(CAST(x AS VARCHAR))))"
      " FILTER (WHERE x IS NOT NULL))",
      kind=_A, ex={"hll_count(hll('a'))": 1}),
    f("hll_merge(state bytea) -> bytea", "One state of several.",
      "(s) AS gn_hll_merged(list(s))", kind=_A, ex={"hll_count(hll_merge(NULL::bytea))": 0}),
    f("hll_count(state bytea) -> ubigint", "About how many distinct values a state has seen.",
      arrow("sketches", "hll_count", "BLOB", "UBIGINT"), ex={"hll_count(NULL)": None}),
    f("uddsketch_state(buckets bigint, error double precision, x double precision) -> bytea",
      "A sketch of the values' distribution.",
      "(n, e, x) AS gn_udd_state(CAST(n AS BIGINT), CAST(e AS DOUBLE),"
      " map_keys(histogram(gn_udd_slot(CAST(x AS DOUBLE), CAST(e AS DOUBLE)))),"
      " map_values(histogram(gn_udd_slot(CAST(x AS DOUBLE), CAST(e AS DOUBLE)))),"
      " sum(CAST(x AS DOUBLE)))",
      kind=_A, ex={"round(uddsketch_calc(0.5, uddsketch_state(128, 0.01, 10)), 1)": 10.1}),
    f("uddsketch_merge(buckets bigint, error double precision, state bytea) -> bytea",
      "One sketch of several.",
      "(n, e, s) AS gn_udd_merged(CAST(n AS BIGINT), CAST(e AS DOUBLE), list(s))", kind=_A,
      ex={"uddsketch_calc(0.5, uddsketch_merge(128, 0.01, NULL::bytea))": None}),
    *(
        f(f"__{name}_state({x} any) -> {kind}", f"What {name} needs to know of some rows.",
          f"(x) AS {state}", kind=_A)
        for name, x, kind, state, _ in _PAIRS
    ),
    *(
        f(f"__{name}_merge(state {kind}) -> any", f"{name.capitalize()} of several states.",
          f"(s) AS {merge}", kind=_A)
        for name, _, kind, _, merge in _PAIRS
    ),
    f("uddsketch_calc(q double precision, state bytea) -> double precision",
      "About the quantile of what a sketch has seen.",
      arrow("sketches", "udd_quantile", "DOUBLE, BLOB", "DOUBLE"),
      ex={"uddsketch_calc(0.5, NULL)": None}),
)
# fmt: on

HELPERS: dict[str, object] = {
    # The register (14 bits) and the rank of the lowest set bit of the rest, as one number.
    "hll_slot": (
        "(h) AS CAST(h % 16384 AS INTEGER) * 64 + gn_hll_rank(CAST(h // 16384 AS BIGINT))",
    ),
    "hll_rank": (
        "(w) AS CASE WHEN w = 0 THEN 51 ELSE CAST(log2(CAST(w & -w AS DOUBLE)) AS INTEGER) + 1 END",
    ),
    "hll_state": arrow("sketches", "hll_state", "INTEGER[]", "BLOB"),
    "hll_merged": arrow("sketches", "hll_merged", "BLOB[]", "BLOB"),
    # The number of the logarithmic bucket; its sign and zero in the lowest two bits.
    "udd_slot": (
        "(x, e) AS CASE WHEN x = 0 THEN 0 ELSE CAST(ceil(ln(abs(x)) / ln((1 + e) / (1 - e)))"
        " AS BIGINT) * 4 + CASE WHEN x > 0 THEN 1 ELSE 2 END END",
    ),
    "udd_state": arrow(
        "sketches", "udd_state", "BIGINT, DOUBLE, BIGINT[], UBIGINT[], DOUBLE", "BLOB"
    ),
    "udd_merged": arrow("sketches", "udd_merged", "BIGINT, DOUBLE, BLOB[]", "BLOB"),
}
