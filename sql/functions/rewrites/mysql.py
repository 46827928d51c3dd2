"""MySQL's calls and operators with units and words of their own, read when planned.

Intervals of several units (`'1:30' HOUR_MINUTE`), parts of times (`EXTRACT(DAY_HOUR FROM t)`), and
functions whose meaning hangs on the literal they are given.
Source: MySQL 8.4 reference, "Date and Time Functions" and "Temporal Intervals".
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.functions.expansion import RETURNS, expand
from sql.functions.rewrites import templates
from sql.functions.rewrites.build import (
    Arguments,
    as_text,
    call,
    case,
    cast,
    check,
    is_null,
    literal_text,
    number,
    own,
    text,
)

_DAY_TEXT = re.compile(r"\s*\d{2,4}-\d{1,2}-\d{1,2}\s*")
_LIKE_DATE = re.compile(r"\s*\d{2,4}-\d")
_UNITS = ("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "MICROSECOND")
_DAYS = frozenset({"DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "YEAR_MONTH"})
_FORMATS = {
    "DATE": ("%m.%d.%Y", "%Y-%m-%d", "%Y-%m-%d", "%d.%m.%Y", "%Y%m%d"),
    "DATETIME": (
        *("%Y-%m-%d %H.%i.%s", "%Y-%m-%d %H:%i:%s", "%Y-%m-%d %H:%i:%s"),
        *("%Y-%m-%d %H.%i.%s", "%Y%m%d%H%i%s"),
    ),
    "TIME": ("%h:%i:%s %p", "%H:%i:%s", "%H:%i:%s", "%H.%i.%s", "%H%i%s"),
}
_FORMATS["TIMESTAMP"] = _FORMATS["DATETIME"]
_REGIONS = ("USA", "JIS", "ISO", "EUR", "INTERNAL")


def is_day(node: exp.Expr) -> bool:
    """True for the text of a date without a time of day."""
    found = literal_text(node)
    return found is not None and _DAY_TEXT.fullmatch(found) is not None


def keeps_day(step: exp.Expr) -> bool:
    """True for an interval of whole days, months or years."""
    if step.meta.get("days"):
        return True
    unit = step.args.get("unit") if isinstance(step, exp.Interval) else None
    return unit is not None and unit.name.upper().rstrip("S") in _DAYS


def _is_clock(node: exp.Expr) -> bool:
    """True for the text of a time of day without a date."""
    found = literal_text(node)
    return found is not None and ":" in found and _LIKE_DATE.match(found) is None


def get_format(arguments: Arguments) -> exp.Expr:
    """The pattern of a kind (DATE, TIME, DATETIME) in a region."""
    check("get_format", arguments, 2, 2, "get_format(DATE, 'USA')")
    kind = arguments[0].name or arguments[0].sql()
    region = (literal_text(arguments[1]) or "").upper()
    known = _FORMATS.get(kind.upper())
    if known is None or region not in _REGIONS:
        return exp.null()
    return text(known[_REGIONS.index(region)])


def last_insert_id(arguments: Arguments) -> exp.Expr:
    """The number itself; without one the session tells (sql/plan/session_functions.py)."""
    if not arguments:
        return exp.Anonymous(this="last_insert_id")
    check("last_insert_id", arguments, 0, 1, "last_insert_id(number)")
    return exp.cast(arguments[0], exp.DType.BIGINT)


def interval(arguments: Arguments) -> exp.Expr:
    """INTERVAL(n, a, b, …): how many of a, b, … are not above n."""
    check("interval", arguments, 2, None, "interval(value, bound, …)")
    value, *bounds = arguments
    reached: exp.Expr = number(len(bounds))
    for place, bound in reversed(list(enumerate(bounds))):
        below = exp.LT(this=value.copy(), expression=bound.copy())
        reached = case((below, number(place)), default=reached)
    return exp.paren(case((is_null(value), number(-1)), default=reached))


def clock(value: exp.Expr) -> exp.Expr:
    """Microseconds as a time of day, or a span of some days."""
    made = expand("clock", ("(u) AS gn_clock(u)",), [value])
    made.meta[RETURNS] = "time"
    return made


def time(arguments: Arguments) -> exp.Expr:
    """The time of day of a moment; text and numbers without a date are times themselves."""
    check("time", arguments, 1, 1, "time(value)")
    return clock(own("clock_us", arguments[0]))


def timediff(arguments: Arguments) -> exp.Expr:
    """What lies between two moments, or two times of day."""
    check("timediff", arguments, 2, 2, "timediff(a, b)")
    first, second = (own("scale_us", each) for each in arguments)
    return clock(exp.Sub(this=first, expression=second))


def addtime(arguments: Arguments) -> exp.Expr:
    """A time or a time of day so much later."""
    return _shifted("addtime", arguments, exp.Add)


def subtime(arguments: Arguments) -> exp.Expr:
    """A time or a time of day so much earlier."""
    return _shifted("subtime", arguments, exp.Sub)


def _shifted(name: str, arguments: Arguments, sign: type[exp.Binary]) -> exp.Expr:
    check(name, arguments, 2, 2, f"{name}(time, span)")
    at, span = arguments
    step = own("clock_us", span)
    if _is_clock(at):
        return clock(sign(this=own("clock_us", at), expression=step))
    made = expand("later", ("(t, u) AS gn_later(t, u)",), [at, step if sign is exp.Add else -step])
    made.meta[RETURNS] = "time"
    return made


def timestamp(arguments: Arguments) -> exp.Expr:
    """TIMESTAMP(a): text as a time; TIMESTAMP(a, b): so much later."""
    check("timestamp", arguments, 1, 2, "timestamp(value [, span])")
    at = own("any_moment", arguments[0])
    if len(arguments) == 1:
        return at
    return expand(
        "timestamp",
        ("(t, u) AS t + to_microseconds(u)",),
        [at, own("clock_us", arguments[1])],
    )


_HOURS = re.compile("%.")
_HOUR_MARKS = {"%H": "\x01", "%k": "\x02", "%T": "\x01:%i:%s"}
_SIGN = "CASE WHEN u < 0 THEN '-' ELSE '' END"
_WITH_HOURS = (
    f"(s, u) AS replace(replace(s, chr(1), {_SIGN} || CASE WHEN abs(u) < 36000000000 THEN '0'"
    " ELSE '' END || CAST(abs(u) // 3600000000 AS VARCHAR)),"
    f" chr(2), {_SIGN} || CAST(abs(u) // 3600000000 AS VARCHAR))"
)


def time_format(arguments: Arguments) -> exp.Expr:
    """A time by a pattern; of a date there is none. Hours go beyond 24 and tell the sign."""
    check("time_format", arguments, 2, 2, "time_format(time, 'pattern')")
    pattern = literal_text(arguments[1])
    if pattern is None:
        raise DbError(ErrorKind.UNSUPPORTED, "time_format() needs a pattern that is a literal")
    day = "(u) AS TIMESTAMP '1970-01-01' + to_microseconds(abs(u))"
    at = own("clock_us", arguments[0])
    marked = _HOURS.sub(lambda found: _HOUR_MARKS.get(found[0], found[0]), pattern)
    made = templates.mysql_text(expand("time_format", (day,), [at]), marked)
    return made if marked == pattern else expand("time_hours", (_WITH_HOURS,), [made, at])


def make_set(arguments: Arguments) -> exp.Expr:
    """The texts whose bits are set, with commas between."""
    check("make_set", arguments, 2, None, "make_set(bits, text, …)")
    bits, *texts = arguments
    chosen = []
    for place, each in enumerate(texts):
        shifted = exp.BitwiseRightShift(this=exp.paren(bits.copy()), expression=number(place))
        bit = exp.BitwiseAnd(this=exp.paren(shifted), expression=number(1))
        chosen.append(case((exp.EQ(this=exp.paren(bit), expression=number(1)), each.copy())))
    return case((is_null(bits), exp.null()), default=call("concat_ws", text(","), *chosen))


def json_contains_path(arguments: Arguments) -> exp.Expr:
    """Whether there is something at one of the paths, or at all."""
    check("json_contains_path", arguments, 3, None, "json_contains_path(json, 'one', 'path', …)")
    document, mode, *paths = arguments
    wanted = exp.Array(expressions=[as_text(path) for path in paths])
    return own("has_json_paths", as_text(document), as_text(mode), wanted)


# --- Units ----------------------------------------------------------------------------------------


def _span(unit: str) -> tuple[str, ...]:
    """The units from the greater to the smaller one: `DAY_MINUTE` is day, hour and minute."""
    first, last = unit.split("_")
    return _UNITS[_UNITS.index(first) : _UNITS.index(last) + 1]


def _is_compound(unit: str) -> bool:
    parts = unit.split("_")
    return len(parts) == 2 and all(part in _UNITS for part in parts)


def mixed_interval(node: exp.Expr) -> exp.Expr | None:
    """`INTERVAL '1:30' HOUR_MINUTE` as a sum; numbers are filled from the smallest unit."""
    unit = node.args["unit"].name.upper() if node.args.get("unit") is not None else ""
    if not _is_compound(unit) or node.this is None:
        return None
    units = _span(unit)
    parts = []
    for place, each in enumerate(reversed(units), 1):
        part = f"coalesce(TRY_CAST(p[-{place}] AS INTEGER), 0)"
        if each == "MICROSECOND":  # '1.5' is a second and a half
            part = "coalesce(TRY_CAST(rpad(p[-1], 6, '0') AS INTEGER), 0)"
        parts.append(f"to_{each.lower()}s(g * {part})")
    pieces = "regexp_extract_all(CAST(x AS VARCHAR), '\\d+')"
    sign = "CASE WHEN regexp_matches(CAST(x AS VARCHAR), '^\\s*-') THEN -1 ELSE 1 END"
    made = " + ".join(parts).replace("p[", f"({pieces})[").replace("g *", f"({sign}) *")
    whole = expand("mixed_interval", (f"(x) AS {made}",), [node.this])
    whole.meta["days"] = unit in _DAYS
    return whole


def extract(node: exp.Expr) -> exp.Expr | None:
    """EXTRACT, also of several units as one number: `DAY_HOUR` of the 6th at 7 is 607."""
    unit = node.this.name.upper()
    at = node.expression
    if _is_compound(unit):
        shown = "%Y%m%d%H%M%S%f"
        letters = {"YEAR": "%Y", "MONTH": "%m", "DAY": "%d", "HOUR": "%H", "MINUTE": "%M"}
        letters |= {"SECOND": "%S", "MICROSECOND": "%f"}
        shown = "".join(letters[each] for each in _span(unit))
        return cast(call("strftime", _moment(at), text(shown)), "BIGINT")
    if not at.is_string:
        return None
    if unit == "WEEK":
        return expand("week", ("(t) AS gn_week(CAST(t AS DATE), 0)",), [own("any_moment", at)])
    name = {"MICROSECOND": "microsecond"}.get(unit, unit.lower())
    if unit in ("HOUR", "MINUTE", "SECOND", "MICROSECOND"):
        return own(f"part_of_{name}", at)
    return call("date_part", text(name), own("any_moment", at))


def _moment(at: exp.Expr) -> exp.Expr:
    return own("any_moment", at)


def shifted_text(node: exp.Expr) -> exp.Expr | None:
    """`'2020-01-01' + INTERVAL 1 DAY`: the text is a date or a time."""
    left, right = node.this, node.expression
    if isinstance(left, exp.Interval) and isinstance(node, exp.Add):
        left, right = right, left
        if isinstance(left, exp.Interval) and left.args.get("unit") is None:
            left = left.this  # the library takes a text behind an interval for another one
    if not isinstance(right, exp.Interval) or not left.is_string:
        return None
    made = type(node)(this=own("any_moment", left), expression=right.copy())
    return cast(exp.paren(made), "DATE") if is_day(left) and keeps_day(right) else exp.paren(made)


_LENGTHS = (exp.DType.CHAR, exp.DType.VARCHAR, exp.DType.NCHAR, exp.DType.NVARCHAR)
_BYTES = (exp.DType.BINARY, exp.DType.VARBINARY)


def _cast(node: exp.Expr) -> exp.Expr | None:
    """CAST AS CHAR(3) cuts; AS BINARY gives the text's bytes; USING changes nothing."""
    to = node.args["to"]
    if to.is_type(exp.DType.CHARACTER_SET):
        return cast(node.this, "VARCHAR")
    if to.is_type(*_BYTES):
        if node.this.is_string and node.this.name.isascii():
            return None
        return own("to_bytes", as_text(node.this) if node.this.is_string else node.this)
    length = to.expressions[0].name if to.is_type(*_LENGTHS) and to.expressions else ""
    return call("left", as_text(node.this), number(int(length))) if length.isdigit() else None


def _exactly(node: exp.Expr) -> exp.Expr | None:
    """LIKE BINARY x: what is compared is told apart by case anyway."""
    pattern = node.expression
    if isinstance(pattern, exp.Cast) and pattern.to.is_type(*_BYTES):
        node.set("expression", pattern.this.copy())
    return None


OPERATORS: dict[type[exp.Expr], Callable[[exp.Expr], exp.Expr | None]] = {
    exp.Extract: extract,
    exp.Interval: mixed_interval,
    exp.Add: shifted_text,
    exp.Sub: shifted_text,
    exp.Cast: _cast,
    exp.Like: _exactly,
    exp.RegexpLike: _exactly,
}


def mysql_operator(node: exp.Expr) -> exp.Expr | None:
    """What the node becomes, None if DuckDB knows it as it is."""
    make = OPERATORS.get(type(node))
    return make(node) if make is not None else None
