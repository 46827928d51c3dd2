"""Mathematical functions of the three dialects."""

from __future__ import annotations

from sql.functions.registry import MYSQL, POSTGRES, Function, Kind
from sql.functions.registry import function as f
from sql.functions.rewrites import numbers

CATEGORY = "Math"
_MOD = "(a, b) AS CASE WHEN b = 0 THEN error('Division by zero') ELSE a % b END"

# fmt: off
FUNCTIONS: tuple[Function, ...] = (
    f("abs(x numeric) -> numeric", "The absolute value.", ex={"abs(-2)": 2}),
    f("acos(x double precision) -> double precision", "The arc cosine.", wires=POSTGRES, ex={"acos(1)": 0.0}),
    f("acosh(x double precision) -> double precision", "The inverse hyperbolic cosine.",
      ex={"acosh(1)": 0.0}),
    f("asin(x double precision) -> double precision", "The arc sine.", wires=POSTGRES, ex={"asin(0)": 0.0}),
    f("asinh(x double precision) -> double precision", "The inverse hyperbolic sine.",
      ex={"asinh(0)": 0.0}),
    f("atan(x double precision [, y double precision]) -> double precision", "The arc tangent.",
      ("(x) AS atan(x)", "(y, x) AS atan2(y, x)"), ex={"atan(0)": 0.0}),
    f("atan2(y double precision, x double precision) -> double precision",
      "The arc tangent of y / x.", ex={"atan2(0, 1)": 0.0}),
    f("atanh(x double precision) -> double precision", "The inverse hyperbolic tangent.",
      ex={"atanh(0)": 0.0}),
    f("cbrt(x double precision) -> double precision", "The cube root.", ex={"cbrt(27)": 3.0}),
    f("ceil(x numeric) -> numeric", "The least whole number not below.", None, "ceiling",
      ex={"ceil(1.2)": 2, "ceiling(-1.5)": -1}),
    f("conv(number text, from integer, to integer) -> text", "A number in another base.",
      "(n, a, b) AS gn_to_base(gn_from_base(upper(CAST(n AS VARCHAR)), a), b)", wires=MYSQL,
      ex={"conv('a', 16, 2)": "1010", "conv('6E', 18, 8)": "172"}),
    f("clamp(x numeric, low numeric, high numeric) -> numeric", "The nearest value in a range.",
      "(x, lo, hi) AS CASE WHEN lo > hi THEN"
      " error(printf('clamp: the lower bound %s is above the upper bound %s',"
      " CAST(lo AS VARCHAR), CAST(hi AS VARCHAR)))"
      " WHEN x IS NULL THEN NULL ELSE greatest(lo, least(hi, x)) END",
      ex={"clamp(10, 0, 1)": 1, "clamp(0.5, 0, 1)": 0.5}),
    f("clamp_max(x numeric, high numeric) -> numeric", "The value, or the bound if it is above.",
      "(x, hi) AS CASE WHEN x > hi THEN hi ELSE x END", ex={"clamp_max(10, 8)": 8}),
    f("clamp_min(x numeric, low numeric) -> numeric", "The value, or the bound if it is below.",
      "(x, lo) AS CASE WHEN x < lo THEN lo ELSE x END", ex={"clamp_min(10, 12)": 12}),
    f("cos(x double precision) -> double precision", "The cosine.", ex={"cos(0)": 1.0}),
    f("cosh(x double precision) -> double precision", "The hyperbolic cosine.", ex={"cosh(0)": 1.0}),
    f("cot(x double precision) -> double precision", "The cotangent.",
      ex={"round(cot(1), 3)": 0.642}),
    f("cosd(x double precision) -> double precision", "The cosine of degrees.",
      "(x) AS cos(radians(x))", wires=POSTGRES, ex={"cosd(0)": 1.0}),
    f("sind(x double precision) -> double precision", "The sine of degrees.",
      "(x) AS sin(radians(x))", wires=POSTGRES, ex={"sind(90)": 1.0}),
    f("degrees(x double precision) -> double precision", "Radians as degrees.",
      ex={"degrees(pi())": 180.0}),
    f("div(a numeric, b numeric) -> numeric", "The whole quotient, towards zero.",
      "(a, b) AS trunc(a / b)", wires=POSTGRES, ex={"div(9, 4)": 2}),
    f("erf(x double precision) -> double precision", "The error function.",
      "(x) AS sign(x) * (1 - 1 / pow(1 + 0.0705230784 * abs(x) + 0.0422820123 * x * x +"
      " 0.0092705272 * pow(abs(x), 3) + 0.0001520143 * pow(x, 4) +"
      " 0.0002765672 * pow(abs(x), 5) + 0.0000430638 * pow(x, 6), 16))", wires=POSTGRES,
      ex={"round(erf(1)::numeric, 5)": 0.8427}),
    f("exp(x double precision) -> double precision", "e to this power.", ex={"exp(0)": 1.0}),
    f("factorial(n bigint) -> numeric", "The product of 1 to n.", ex={"factorial(5)": 120}),
    f("floor(x numeric) -> numeric", "The greatest whole number not above.",
      ex={"floor(-1.5)": -2}),
    f("gcd(a bigint, b bigint) -> bigint", "The greatest common divisor.", ex={"gcd(12, 18)": 6}),
    f("lcm(a bigint, b bigint) -> bigint", "The least common multiple.", ex={"lcm(4, 6)": 12}),
    f("isnan(x double precision) -> boolean", "True for NaN.",
      ex={"isnan(cast('NaN' as double precision))": True}),
    f("iszero(x double precision) -> boolean", "True for zero.", "(x) AS x = 0",
      ex={"iszero(0)": True}),
    f("ln(x double precision) -> double precision", "The natural logarithm.", wires=POSTGRES, ex={"ln(1)": 0.0}),
    f("log([base double precision,] x double precision) -> double precision",
      "The logarithm to the base 10, or another base given first.",
      ("(x) AS log10(x)", "(b, x) AS ln(x) / ln(b)"), wires=POSTGRES,
      ex={"log(100)": 2.0, "log(2, 8)": 3.0}),
    f("log([base double precision,] x double precision) -> double precision",
      "The natural logarithm, or to a base given first; NULL where there is none.",
      ("(x) AS CASE WHEN x > 0 THEN ln(x) END",
       "(b, x) AS CASE WHEN x > 0 AND b > 1 THEN ln(x) / ln(b) END"), wires=MYSQL,
      ex={"log(1)": 0.0, "log(2, 8)": 3.0, "log(0)": None}),
    f("log10(x double precision) -> double precision", "The logarithm to the base 10.",
      wires=POSTGRES, ex={"log10(100)": 2.0}),
    f("log2(x double precision) -> double precision", "The logarithm to the base 2.",
      wires=POSTGRES, ex={"log2(8)": 3.0}),
    f("mod(a numeric, b numeric) -> numeric", "The remainder, with the sign of a.", _MOD,
      ex={"mod(18, 4)": 2, "mod(-18, 4)": -2, "mod(18.0, 4.0)": 2.0}),
    f("nanvl(x double precision, y double precision) -> double precision",
      "The first value, the second if that is NaN.", "(x, y) AS CASE WHEN isnan(x) THEN y ELSE x END",
      ex={"nanvl(1.5, 2)": 1.5}),
    f("pi() -> double precision", "The number π.", ex={"round(pi(), 5)": 3.14159}),
    f("pow(x double precision, y double precision) -> double precision", "x to the power of y.",
      "power", "power", ex={"pow(2, 5)": 32.0, "power(2, 0.5) > 1.4": True}),
    f("radians(x double precision) -> double precision", "Degrees as radians.",
      ex={"radians(0)": 0.0}),
    f("rand([seed bigint]) -> double precision", "A random number from 0 up to 1.",
      wires=MYSQL, ex={"rand() < 1": True}),
    f("random() -> double precision", "A random number from 0 up to 1.", ex={"random() < 1": True}),
    f("rate(value double precision, ts timestamp) -> double precision",
      "The change of the value per millisecond since the row before.", numbers.rate,
      kind=Kind.WINDOW),
    f("round(x numeric [, decimals integer]) -> numeric", "Rounded, halves away from zero.",
      ex={"round(2.5)": 3, "round(1.2345, 2)": 1.23}),
    f("sign(x numeric) -> numeric", "-1, 0 or 1.", "sign", "signum", ex={"sign(-5)": -1,
      "signum(2.0)": 1}),
    f("scale(x numeric) -> integer", "The number of decimals.",
      "(x) AS length(split_part(CAST(x AS VARCHAR), '.', 2))", wires=POSTGRES,
      ex={"scale(1.50)": 2}),
    f("sin(x double precision) -> double precision", "The sine.", ex={"sin(0)": 0.0}),
    f("sinh(x double precision) -> double precision", "The hyperbolic sine.", ex={"sinh(0)": 0.0}),
    f("sqrt(x double precision) -> double precision", "The square root.", wires=POSTGRES, ex={"sqrt(9)": 3.0}),
    f("tan(x double precision) -> double precision", "The tangent.", ex={"tan(0)": 0.0}),
    f("tanh(x double precision) -> double precision", "The hyperbolic tangent.",
      ex={"tanh(0)": 0.0}),
    f("trunc(x numeric [, decimals integer]) -> numeric", "Cut off towards zero.",
      ("(x) AS trunc(x)", "(x, n) AS CASE WHEN n > 0 THEN"
       " trunc(CAST(x AS DECIMAL(38, 10)) * CAST(pow(10, n) AS BIGINT)) / pow(10, n)"
       " ELSE trunc(x / pow(10, -n)) * pow(10, -n) END"), "truncate",
      ex={"trunc(1.9)": 1, "trunc(42.4382, 2)": 42.43, "truncate(-1.999, 1)": -1.9}),
    f("width_bucket(x double precision, low double precision, high double precision,"
      " count integer) -> integer", "The number of the bucket the value falls into.",
      "(x, lo, hi, n) AS CAST(CASE WHEN lo < hi THEN CASE WHEN x < lo THEN 0 WHEN x >= hi THEN n + 1"
      " ELSE floor((x - lo) / (hi - lo) * n) + 1 END ELSE CASE WHEN x > lo THEN 0 WHEN x <= hi THEN"
      " n + 1 ELSE floor((lo - x) / (lo - hi) * n) + 1 END END AS INTEGER)",
      ex={"width_bucket(5.35, 0.024, 10.06, 5)": 3}, wires=POSTGRES),
    f("bit_count(x bigint) -> bigint", "The number of bits that are set.", ex={"bit_count(5)": 2}),
    # Conditional.
    f("coalesce(value any, ...) -> any", "The first value that is not NULL.",
      ex={"coalesce(NULL, 1)": 1}),
    f("greatest(value any, ...) -> any", "The greatest value; NULLs are left out.",
      wires=POSTGRES, ex={"greatest(1, NULL, 3)": 3}),
    f("greatest(value any, ...) -> any", "The greatest value; NULL if any is.",
      numbers.greatest, wires=MYSQL, ex={"greatest(1, 3)": 3, "greatest(1, NULL)": None}),
    f("least(value any, ...) -> any", "The least value; NULLs are left out.",
      wires=POSTGRES, ex={"least(1, NULL, 3)": 1}),
    f("least(value any, ...) -> any", "The least value; NULL if any is.",
      numbers.least, wires=MYSQL, ex={"least(1, 3)": 1, "least(1, NULL)": None}),
    f("if(condition boolean, yes any, no any) -> any", "The second value if the condition is true.",
      ex={"if(1 > 2, 'a', 'b')": "b"}),
    f("ifnull(value any, other any) -> any", "The first value, or the other if it is NULL.",
      ex={"ifnull(NULL, 1)": 1}),
    f("nvl(value any, other any) -> any", "The first value, or the other if it is NULL.",
      "(a, b) AS coalesce(a, b)", ex={"nvl(NULL, 1)": 1}),
    f("nvl2(value any, some any, none any) -> any", "The second value unless the first is NULL.",
      "(a, b, c) AS CASE WHEN a IS NULL THEN c ELSE b END", ex={"nvl2(NULL, 1, 2)": 2}),
    f("nullif(a any, b any) -> any", "The first value, NULL if it equals the second.",
      ex={"nullif(1, 1)": None, "nullif(1, 2)": 1}),
    f("isnull(value any) -> integer", "1 for NULL, else 0.",
      "(x) AS CASE WHEN x IS NULL THEN 1 ELSE 0 END", ex={"isnull(NULL)": 1, "isnull(1)": 0}),
    f("num_nulls(value any, ...) -> integer", "How many values are NULL.", numbers.count_nulls,
      wires=POSTGRES, ex={"num_nulls(1, NULL, 2)": 1}),
    f("num_nonnulls(value any, ...) -> integer", "How many values are not NULL.",
      numbers.count_values, wires=POSTGRES, ex={"num_nonnulls(1, NULL, 2)": 2}),
    f("arrow_typeof(value any) -> text", "Arrow's name for the type of a value.",
      "(x) AS gn_arrow_type(typeof(x))",
      ex={"arrow_typeof(1::boolean)": "Boolean", "arrow_typeof('a')": "Utf8",
          "arrow_typeof(1.5::decimal(5, 2))": "Decimal128(5, 2)"}),
    f("pg_typeof(value any) -> text", "The type of a value.",
      "(x) AS CASE WHEN typeof(x) = '\"NULL\"' THEN 'unknown' ELSE coalesce(element_at(MAP {"
      "'VARCHAR': 'text', 'DOUBLE': 'double precision', 'FLOAT': 'real', 'BLOB': 'bytea',"
      " 'TIME': 'time without time zone', 'TIMESTAMP': 'timestamp without time zone',"
      " 'TIMESTAMP_S': 'timestamp without time zone', 'STRUCT': 'record', 'TUPLE': 'record',"
      " 'TIMESTAMP_MS': 'timestamp without time zone', 'DECIMAL': 'numeric',"
      " 'TIMESTAMP_NS': 'timestamp without time zone', 'TINYINT': 'smallint'},"
      " regexp_replace(typeof(x), '[\\[(].*$', ''))[1],"
      " lower(regexp_replace(typeof(x), '[\\[(].*$', '')))"
      " || CASE WHEN typeof(x) LIKE '%]' THEN '[]' ELSE '' END END", wires=POSTGRES,
      ex={"pg_typeof(true)": "boolean", "pg_typeof(1)": "integer", "pg_typeof('a'::text)": "text"}),
    f("arrow_cast(value any, type text) -> any", "The value as an Arrow type given by its name.",
      numbers.arrow_cast, ex={"arrow_cast('12', 'Int64')": 12, "arrow_cast(1, 'Utf8')": "1"}),
    f("arrow_try_cast(value any, type text) -> any", "As arrow_cast, NULL where that fails.",
      numbers.arrow_try_cast, ex={"arrow_try_cast('x', 'Int64')": None}),
)
# fmt: on

_ARROW = {
    "BOOLEAN": "Boolean", "TINYINT": "Int8", "SMALLINT": "Int16", "INTEGER": "Int32",
    "BIGINT": "Int64", "HUGEINT": "Decimal128(38, 0)", "UTINYINT": "UInt8", "USMALLINT": "UInt16",
    "UINTEGER": "UInt32", "UBIGINT": "UInt64", "FLOAT": "Float32", "DOUBLE": "Float64",
    "VARCHAR": "Utf8", "BLOB": "Binary", "DATE": "Date32", "TIME": "Time64(µs)",
    "TIMESTAMP_S": "Timestamp(s)", "TIMESTAMP_MS": "Timestamp(ms)", "TIMESTAMP": "Timestamp(µs)",
    "TIMESTAMP_NS": "Timestamp(ns)", "TIMESTAMP WITH TIME ZONE": 'Timestamp(µs, "UTC")',
    "INTERVAL": "Interval(MonthDayNano)", '"NULL"': "Null",
}  # fmt: skip
_ARROW_CASES = " ".join(f"WHEN '{duck}' THEN '{arrow}'" for duck, arrow in _ARROW.items())
HELPERS: dict[str, object] = {
    # DuckDB shifts no negative numbers to the left. The sign's type is the smallest, so that the
    # result is of the number's.
    "shifted_left": ("(x, n) AS sign(x) * (abs(x) << n)",),
    "arrow_type": (
        "(t) AS CASE WHEN t LIKE '%[]' THEN 'List(' || gn_arrow_plain_type(left(t, length(t) - 2))"
        " || ')' ELSE gn_arrow_plain_type(t) END",
    ),
    "arrow_plain_type": (
        "(t) AS CASE WHEN starts_with(t, 'DECIMAL') THEN 'Decimal128' || replace(substr(t, 8), ',',"
        f" ', ') ELSE CASE t {_ARROW_CASES} ELSE t END END",
    ),
    "from_base": (
        "(s, b) AS list_reduce(list_prepend(CAST(0 AS HUGEINT), list_transform("
        "string_split(s, ''), lambda d: CAST(instr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', d) - 1"
        " AS HUGEINT))), lambda total, d: total * b + d)",
    ),
    "to_base": ("(n, b) AS to_base(CAST(n AS BIGINT), CAST(b AS INTEGER))",),
}
