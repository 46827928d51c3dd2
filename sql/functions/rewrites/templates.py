"""Patterns of dates, times and numbers: PostgreSQL's templates, MySQL's and strftime's.

A pattern is read when the statement is planned and becomes a concatenation: what strftime knows in
all systems goes to it, and everything else is a small expression of its own.
"""

from __future__ import annotations

import re

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.functions.rewrites.build import call, cast, joined, text

# --- Pieces ---------------------------------------------------------------------------------------
# What a piece is made of: a text with {t} for the time, in DuckDB's words.
_PIECES = {
    "year": "strftime({t}, '%Y')",
    "day_name": "dayname({t})",
    "day_short": "dayname({t})[:3]",
    "month_name": "monthname({t})",
    "month_short": "monthname({t})[:3]",
    "millis": "strftime({t}, '%g')",
    "micros": "strftime({t}, '%f')",
    "nanos": "strftime({t}, '%n')",
    "week_1": "printf('%02d', CAST(gn_week(CAST({t} AS DATE), 1) AS INTEGER))",
    "week_2": "printf('%02d', CAST(gn_week(CAST({t} AS DATE), 2) AS INTEGER))",
    "year_2": "CAST(gn_yearweek(CAST({t} AS DATE), 2) // 100 AS VARCHAR)",
    "ordinal": (
        "CAST(day({t}) AS VARCHAR) || CASE WHEN day({t}) IN (11, 12, 13) THEN 'th'"
        " WHEN day({t}) % 10 = 1 THEN 'st' WHEN day({t}) % 10 = 2 THEN 'nd'"
        " WHEN day({t}) % 10 = 3 THEN 'rd' ELSE 'th' END"
    ),
}


def _piece(sql: str, at: exp.Expr) -> exp.Expr:
    made: exp.Expr = exp.maybe_parse(sql.replace("{t}", "__t"), dialect="duckdb")

    def fill(node: exp.Expr) -> exp.Expr:
        return at.copy() if isinstance(node, exp.Column) and node.name == "__t" else node

    return exp.paren(made.transform(fill))


def _strftime(at: exp.Expr, pattern: str) -> exp.Expr:
    return call("strftime", at, text(pattern))


# --- strftime -------------------------------------------------------------------------------------

_OWN_STRFTIME = re.compile(r"%(\.?[369]?f|[aAbBhpPDFTRreNsCL%+]|-?[a-zA-Z])")
_STRFTIME = {
    "a": "day_short", "A": "day_name", "b": "month_short", "h": "month_short", "B": "month_name",
}  # fmt: skip
_COMPOUND = {"D": "%m/%d/%y", "F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "r": "%I:%M:%S %p"}
_DIGITS = {"3f": "millis", "6f": "micros", "9f": "nanos", "f": "nanos", "L": "millis"}


def strftime(at: exp.Expr, pattern: str) -> exp.Expr:
    """By chrono's strftime, which GreptimeDB uses: %3f are three digits of the second's fraction.

    https://docs.rs/chrono/latest/chrono/format/strftime/index.html
    """
    parts: list[exp.Expr] = []
    plain = ""
    end = 0
    for found in _OWN_STRFTIME.finditer(pattern):
        plain += pattern[end : found.start()].replace("%", "%%")
        end = found.end()
        made = _strftime_piece(at, found[1])
        if isinstance(made, str):
            plain += made
            continue
        _flush(parts, at, plain)
        plain = ""
        parts.extend(made)
    _flush(parts, at, plain + pattern[end:].replace("%", "%%"))
    return joined(parts)


def _strftime_piece(at: exp.Expr, letter: str) -> str | list[exp.Expr]:
    if letter in _COMPOUND:
        return _COMPOUND[letter]
    if letter in _STRFTIME:
        return [_piece(_PIECES[_STRFTIME[letter]], at)]
    if letter.lstrip(".") in _DIGITS:
        dot = [text(".")] if letter.startswith(".") else []
        return [*dot, _piece(_PIECES[_DIGITS[letter.lstrip(".")]], at)]
    if letter == "s":
        return [_piece("CAST(CAST(epoch({t}) AS BIGINT) AS VARCHAR)", at)]
    if letter == "C":
        return [_piece("strftime({t}, '%Y')[:2]", at)]
    if letter == "P":
        return [_piece("lower(strftime({t}, '%p'))", at)]
    return f"%{letter}"


def _flush(parts: list[exp.Expr], at: exp.Expr, pattern: str) -> None:
    """Adds what strftime itself understands, or plain text."""
    if not pattern:
        return
    if "%" not in pattern.replace("%%", ""):
        parts.append(text(pattern.replace("%%", "%")))
    else:
        parts.append(_strftime(at, pattern))


# --- MySQL ----------------------------------------------------------------------------------------
# https://dev.mysql.com/doc/refman/8.0/en/date-and-time-functions.html#function_date-format

_MYSQL = {
    "Y": "%Y", "y": "%y", "m": "%m", "c": "%-m", "d": "%d", "e": "%-d", "H": "%H", "k": "%-H",
    "h": "%I", "I": "%I", "l": "%-I", "i": "%M", "s": "%S", "S": "%S", "f": "%f", "p": "%p",
    "j": "%j", "T": "%H:%M:%S", "r": "%I:%M:%S %p", "U": "%U", "v": "%V", "w": "%w",
    "x": "%G", "%": "%%",
}  # fmt: skip
_MYSQL_PIECES = {
    "W": "day_name", "a": "day_short", "M": "month_name", "b": "month_short", "D": "ordinal",
    "u": "week_1", "X": "year_2", "V": "week_2",
}  # fmt: skip
_MYSQL_TIMES = frozenset("HkhIlisSfpTr")
_MYSQL_READS = _MYSQL | {
    "u": "%W",
    "X": "%Y",
    "V": "%U",
    "M": "%B",
    "b": "%b",
    "W": "%A",
    "a": "%a",
    "D": "%d",
}


def _like_strftime(pattern: str) -> str:
    """`%H:%M` can only mean minutes; so can `%3f` only be strftime's."""
    pattern = re.sub(r"(%[HkIlh]:?)%M", r"\1%i", pattern)
    return re.sub(r"%[36]f", "%f", pattern)


def mysql_text(at: exp.Expr, pattern: str) -> exp.Expr:
    """By MySQL's DATE_FORMAT."""
    if re.search(r"%\.?[369]f|%F|%B|%A", pattern):  # of strftime, as GreptimeDB has it
        return strftime(at, pattern)
    parts: list[exp.Expr] = []
    plain = ""
    pattern = _like_strftime(pattern)
    end = 0
    for found in re.finditer(r"%(.)", pattern, re.DOTALL):
        plain += pattern[end : found.start()].replace("%", "%%")
        end = found.end()
        if found[1] in _MYSQL_PIECES:
            _flush(parts, at, plain)
            plain = ""
            parts.append(_piece(_PIECES[_MYSQL_PIECES[found[1]]], at))
        else:
            plain += _MYSQL.get(found[1], found[1])
    _flush(parts, at, plain + pattern[end:].replace("%", "%%"))
    return joined(parts)


def mysql_strptime(pattern: str) -> str:
    """MySQL's pattern as strptime's."""
    return re.sub(
        r"%(.)",
        lambda found: _MYSQL_READS.get(found[1], found[1]),
        _like_strftime(pattern),
        flags=re.DOTALL,
    )


def mysql_fields(pattern: str) -> tuple[bool, bool]:
    """(has parts of a time of day, has parts of a date)."""
    letters = set(re.findall(r"%(.)", _like_strftime(pattern)))
    return bool(letters & _MYSQL_TIMES), bool(letters - _MYSQL_TIMES - {"%"})


# --- PostgreSQL's dates ---------------------------------------------------------------------------
# https://www.postgresql.org/docs/15/functions-formatting.html

_ROMAN = "split_part('I,II,III,IV,V,VI,VII,VIII,IX,X,XI,XII', ',', month({t}))"
_DATE_TEMPLATES: dict[str, tuple[str, str]] = {  # template → (padded, with FM)
    "HH24": ("%H", "%-H"), "HH12": ("%I", "%-I"), "HH": ("%I", "%-I"), "MI": ("%M", "%-M"),
    "SSSSS": ("=CAST(CAST(floor(epoch({t})) AS BIGINT) % 86400 AS VARCHAR)",) * 2,
    "SSSS": ("=CAST(CAST(floor(epoch({t})) AS BIGINT) % 86400 AS VARCHAR)",) * 2,
    "SS": ("%S", "%-S"), "MS": ("%g", "%g"), "US": ("%f", "%f"),
    **{f"FF{n}": (f"=strftime({{t}}, '%f')[:{n}]",) * 2 for n in range(1, 7)},
    "AM": ("%p", "%p"), "PM": ("%p", "%p"),
    "am": ("=lower(strftime({t}, '%p'))",) * 2, "pm": ("=lower(strftime({t}, '%p'))",) * 2,
    "A.M.": ("=CASE WHEN hour({t}) < 12 THEN 'A.M.' ELSE 'P.M.' END",) * 2,
    "P.M.": ("=CASE WHEN hour({t}) < 12 THEN 'A.M.' ELSE 'P.M.' END",) * 2,
    "Y,YYY": ("=strftime({t}, '%Y')[:1] || ',' || strftime({t}, '%Y')[2:]",) * 2,
    "YYYY": ("%Y", "=CAST(year({t}) AS VARCHAR)"), "YYY": ("=strftime({t}, '%Y')[2:]",) * 2,
    "YY": ("%y", "=CAST(year({t}) % 100 AS VARCHAR)"), "Y": ("=strftime({t}, '%Y')[4:]",) * 2,
    "IYYY": ("%G", "%G"), "IYY": ("=strftime({t}, '%G')[2:]",) * 2,
    "IY": ("=strftime({t}, '%G')[3:]",) * 2, "I": ("=strftime({t}, '%G')[4:]",) * 2,
    "MONTH": ("=rpad(upper(monthname({t})), 9, ' ')", "=upper(monthname({t}))"),
    "Month": ("=rpad(monthname({t}), 9, ' ')", "=monthname({t})"),
    "month": ("=rpad(lower(monthname({t})), 9, ' ')", "=lower(monthname({t}))"),
    "MON": ("=upper(monthname({t})[:3])",) * 2, "Mon": ("=monthname({t})[:3]",) * 2,
    "mon": ("=lower(monthname({t})[:3])",) * 2, "MM": ("%m", "%-m"),
    "DAY": ("=rpad(upper(dayname({t})), 9, ' ')", "=upper(dayname({t}))"),
    "Day": ("=rpad(dayname({t}), 9, ' ')", "=dayname({t})"),
    "day": ("=rpad(lower(dayname({t})), 9, ' ')", "=lower(dayname({t}))"),
    "DY": ("=upper(dayname({t})[:3])",) * 2, "Dy": ("=dayname({t})[:3]",) * 2,
    "dy": ("=lower(dayname({t})[:3])",) * 2,
    "DDD": ("%j", "=CAST(dayofyear({t}) AS VARCHAR)"), "DD": ("%d", "%-d"),
    "ID": ("=CAST(isodow({t}) AS VARCHAR)",) * 2,
    "D": ("=CAST(dayofweek({t}) + 1 AS VARCHAR)",) * 2,
    "WW": ("=printf('%02d', CAST((dayofyear({t}) - 1) // 7 + 1 AS INTEGER))",
           "=CAST((dayofyear({t}) - 1) // 7 + 1 AS VARCHAR)"),
    "W": ("=CAST((day({t}) - 1) // 7 + 1 AS VARCHAR)",) * 2,
    "IW": ("%V", "=CAST(week({t}) AS VARCHAR)"),
    "CC": ("=printf('%02d', CAST((year({t}) - 1) // 100 + 1 AS INTEGER))",) * 2,
    "J": ("=CAST(CAST(julian(date_trunc('day', {t})) AS BIGINT) AS VARCHAR)",) * 2,
    "RM": (f"=rpad({_ROMAN}, 4, ' ')", f"={_ROMAN}"),
    "rm": (f"=lower(rpad({_ROMAN}, 4, ' '))", f"=lower({_ROMAN})"),
    "Q": ("=CAST(quarter({t}) AS VARCHAR)",) * 2,
    "TZH": ("=chr(43) || '00'",) * 2, "TZM": ("='00'",) * 2, "TZ": ("='UTC'",) * 2,
    "tz": ("='utc'",) * 2, "OF": ("=chr(43) || '00'",) * 2,
    "AD": ("='AD'",) * 2, "BC": ("='AD'",) * 2, "A.D.": ("='A.D.'",) * 2,
}  # fmt: skip
_ORDINALS = {"TH": True, "th": False}
_BY_LENGTH = sorted(_DATE_TEMPLATES, key=len, reverse=True)
_DATE_TOKEN = re.compile(
    r'"((?:[^"\\]|\\.)*)"|(FM|fm)?('
    + "|".join(re.escape(name) for name in _BY_LENGTH)
    + r"|(?i:hh24|hh12|hh|mi|sssss|ssss|ss|ms|us|yyyy|yyy|yy|iyyy|mm|ddd|dd|ww|iw|id|cc)"
    + r")(TH|th)?"
)


def postgres_text(at: exp.Expr, pattern: str) -> exp.Expr:
    """By PostgreSQL's template of dates and times."""
    parts: list[exp.Expr] = []
    plain = ""
    end = 0
    for found in _DATE_TOKEN.finditer(pattern):
        plain += _unknown(pattern[end : found.start()])
        end = found.end()
        if found[1] is not None:
            plain += re.sub(r"\\(.)", r"\1", found[1]).replace("%", "%%")
            continue
        name = found[3] if found[3] in _DATE_TEMPLATES else found[3].upper()
        made = _DATE_TEMPLATES[name][1 if found[2] else 0]
        if not made.startswith("=") and not found[4]:
            plain += made
            continue
        _flush(parts, at, plain)
        plain = ""
        shown = _piece(made[1:], at) if made.startswith("=") else _strftime(at, made)
        parts.append(shown)
        if found[4]:
            parts.append(_ordinal(shown, capital=_ORDINALS[found[4]]))
    _flush(parts, at, plain + _unknown(pattern[end:]))
    return joined(parts)


def _unknown(between: str) -> str:
    """Text between templates, as it is."""
    return between.replace("%", "%%")


def _ordinal(shown: exp.Expr, *, capital: bool) -> exp.Expr:
    made = _piece(
        "CASE WHEN CAST({t} AS INTEGER) % 100 IN (11, 12, 13) THEN 'th' ELSE"
        " CASE CAST({t} AS INTEGER) % 10 WHEN 1 THEN 'st' WHEN 2 THEN 'nd' WHEN 3 THEN 'rd'"
        " ELSE 'th' END END",
        shown,
    )
    return call("upper", made) if capital else made


_READS = {
    "HH24": "%H", "HH12": "%I", "HH": "%I", "MI": "%M", "SS": "%S", "MS": "%g", "US": "%f",
    "AM": "%p", "PM": "%p", "YYYY": "%Y", "YY": "%y", "MONTH": "%B", "MON": "%b", "MM": "%m",
    "DAY": "%A", "DY": "%a", "DDD": "%j", "DD": "%d", "IYYY": "%G", "IW": "%V", "ID": "%u",
    "TZH": "%z", "OF": "%z", "TZ": "%Z", **{f"FF{n}": "%f" for n in range(1, 7)},
}  # fmt: skip


def postgres_strptime(pattern: str) -> str:
    """PostgreSQL's template as strptime's pattern. Raises: DbError INVALID_ARGUMENT."""
    made = ""
    end = 0
    for found in _DATE_TOKEN.finditer(pattern):
        made += pattern[end : found.start()].replace("%", "%%")
        end = found.end()
        if found[1] is not None:
            made += found[1].replace("%", "%%")
        elif (read := _READS.get(found[3].upper())) is not None:
            made += read
        else:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT, f"the template {found[3]!r} cannot be read from text"
            )
    return made + pattern[end:].replace("%", "%%")


# --- PostgreSQL's numbers -------------------------------------------------------------------------

_NUMERIC = re.compile(
    r"(?:FM|fm)?[\s09.,DGLSdgls$+MIPRTHmiprth-]*[09][\s09.,DGLSdgls$+MIPRTHmiprth-]*"
)


def is_numeric(pattern: str) -> bool:
    """True for a template of numbers.

    >>> is_numeric("FM999,990.00"), is_numeric("DD Mon"), is_numeric("MI")
    (True, False, False)
    """
    return _NUMERIC.fullmatch(pattern) is not None


def number_text(value: exp.Expr, pattern: str) -> exp.Expr:
    """By PostgreSQL's template of numbers: 9 0 . , D G S MI PL SG PR L FM."""
    fill = not pattern.upper().startswith("FM")
    body = pattern[2:] if not fill else pattern
    sign, body = _sign(body)
    whole, _, decimals = re.sub("[Dd]", ".", body).partition(".")
    digits = sum(character in "09" for character in whole)
    places = sum(character in "09" for character in decimals)
    amount = exp.Abs(this=call("round", cast(value, "DECIMAL(38,10)"), exp.Literal.number(places)))
    shown = call("printf", text(f"%.{places}f"), cast(amount, "DOUBLE"))
    integer = call("split_part", shown, text("."), exp.Literal.number(1))
    forced = whole[whole.index("0") :] if "0" in whole else ""
    least = max(sum(character in "09" for character in forced), 0 if places and digits else 1)
    padded = _padded(integer, least, digits)
    parts = _digits(padded, whole, digits)
    if places:
        parts.append(text("."))
        parts.append(_decimals(shown, decimals, fill=fill))
    return _signed(value, joined(parts), sign, fill=fill, digits=digits, places=places)


def _sign(body: str) -> tuple[str, str]:
    """The template of the sign, and the rest."""
    for name in ("MI", "PL", "SG", "PR", "S"):
        at = body.upper().find(name)
        if at >= 0:
            where = "before" if at == 0 and name != "PR" else "after"
            return f"{name} {where}", body[:at] + body[at + len(name) :]
    return "", body


def _padded(integer: exp.Expr, least: int, digits: int) -> exp.Expr:
    """The integer part as exactly `digits` characters; ## where it does not fit."""
    plain = exp.Case(
        ifs=[
            exp.If(
                this=exp.And(
                    this=exp.EQ(this=integer.copy(), expression=text("0")),
                    expression=exp.Literal.number(1 if least == 0 else 0).eq(1),
                ),
                true=text(""),
            )
        ],
        default=integer.copy(),
    )
    zeros = call("greatest", exp.Literal.number(least), call("length", plain))
    filled = call("lpad", plain, cast(zeros, "INTEGER"), text("0"))
    too_long = exp.GT(this=call("length", integer), expression=exp.Literal.number(digits))
    spaces = call("lpad", filled, exp.Literal.number(digits), text(" "))
    return exp.Case(ifs=[exp.If(this=too_long, true=text("#" * digits))], default=spaces)


def _digits(padded: exp.Expr, whole: str, digits: int) -> list[exp.Expr]:
    """The digits with what the template has between them; a comma needs a digit before it."""
    parts: list[exp.Expr] = []
    at = 0
    for run in re.findall(r"[09]+|[,Gg]|[Ll$]|.", whole):
        if run[0] in "09":
            place = exp.Literal.number(at + 1)
            parts.append(call("substring", padded, place, exp.Literal.number(len(run))))
            at += len(run)
        elif run in ",Gg":
            before = call("substring", padded, exp.Literal.number(at), exp.Literal.number(1))
            blank = exp.In(this=before, expressions=[text(" "), text("")])
            parts.append(exp.Case(ifs=[exp.If(this=blank, true=text(" "))], default=text(",")))
        else:
            parts.append(text(" " if run in "Ll" else run))
    del digits
    return parts


def _decimals(shown: exp.Expr, decimals: str, *, fill: bool) -> exp.Expr:
    """With FM, zeros that a 9 stands for are left out at the end."""
    made = call("split_part", shown, text("."), exp.Literal.number(2))
    wanted = decimals.rfind("0") + 1
    if fill or wanted == len(decimals):
        return made
    kept = call("substring", made, exp.Literal.number(1), exp.Literal.number(wanted))
    rest = call("substring", made, exp.Literal.number(wanted + 1))
    return joined([kept, call("rtrim", rest, text("0"))])


def _signed(
    value: exp.Expr, digits_text: exp.Expr, sign: str, *, fill: bool, digits: int, places: int
) -> exp.Expr:
    """The sign, where and how the template wants it; spaces only without FM."""
    negative = exp.LT(this=value.copy(), expression=exp.Literal.number(0))
    number = digits_text if fill else call("replace", digits_text, text(" "), text(""))
    minus, plus = {
        "": ("-", " " if fill else ""), "MI": ("-", " " if fill else ""), "PL": (" ", "+"),
        "SG": ("-", "+"), "S": ("-", "+"), "PR": ("<", " " if fill else ""),
    }[sign.partition(" ")[0]]  # fmt: skip
    mark = exp.Case(ifs=[exp.If(this=negative, true=text(minus))], default=text(plus))
    if sign.endswith("after") and not sign.startswith("PR"):
        return joined([number, mark])
    if sign.startswith("PR"):
        closing = exp.Case(ifs=[exp.If(this=negative.copy(), true=text(">"))], default=text(plus))
        return joined([mark, number, closing])
    if not fill or sign.startswith(("MI", "SG", "PL")):
        return joined([mark, number])
    # The sign stands right before the first digit.
    bare = call("ltrim", number)
    width = exp.Add(this=call("length", number), expression=exp.Literal.number(1))
    del digits, places
    return call("lpad", joined([mark, bare]), cast(width, "INTEGER"), text(" "))
