"""What PostgreSQL reads in places where DuckDB would refuse, or read something else.

A planning rule, called by sql/plan/plan.py for PostgreSQL's wire before names are resolved: zones
by their offset, which POSIX counts westwards; literals of VALUES that stand under a cast; numerics
wider than any number here; text that is to be rounded; constants divided by zero. Source:
PostgreSQL 17, "8.5.3 Time Zones", "10.5 UNION, CASE, and Related Constructs".
"""

from __future__ import annotations

import re
from itertools import zip_longest

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.plan.blank_padded import cut_cast

_OFFSET = re.compile(r"(?:[A-Za-z]{3,}|<[^<>]+>)?([+-])(\d{1,2})(?::(\d{2}))?")

_PRECISION_MAX = 38
# What may leave an operand out.
_CHOOSING = (exp.Case, exp.If, exp.Coalesce, exp.And, exp.Or)


def postgres_forms(tree: exp.Expr) -> exp.Expr:
    """Changes the tree in place, once.

    >>> from sqlglot import parse_one
    >>> query = "SELECT a AT TIME ZONE '+03:30', 1.5::numeric(1000, 15)"
    >>> postgres_forms(parse_one(query, read="postgres")).sql("postgres")
    "SELECT a AT TIME ZONE 'GMT-03:30', CAST(1.5 AS DECIMAL(38, 15))"
    >>> query = "VALUES (1, '2020-01-01'), (2, '2021-01-01'::date)"
    >>> postgres_forms(parse_one(query, read="postgres")).sql("postgres")
    "VALUES (1, CAST('2020-01-01' AS DATE)), (2, CAST('2021-01-01' AS DATE))"
    """
    kinds = (exp.AtTimeZone, exp.Cast, exp.Values, exp.Round, exp.Div, exp.Mod)
    for node in list(tree.find_all(*kinds)):
        if isinstance(node, exp.AtTimeZone):
            _name_zone(node.args["zone"])
        elif isinstance(node, exp.Cast) and _is_any_array(node.to):
            node.replace(node.this)
        elif isinstance(node, exp.Cast):
            _narrow(node.to)
            cut_cast(node)
        elif isinstance(node, exp.Round):
            _read_number(node)
        elif isinstance(node, exp.Values):
            _cast_literals(node)
        else:
            _check_divisor(node)
    return tree


def _name_zone(zone: exp.Expr) -> None:
    """`+10:00` and `XYZ+10` are ten hours west of Greenwich, which ICU calls GMT-10:00."""
    found = _OFFSET.fullmatch(zone.name.strip()) if zone.is_string else None
    if found is not None:
        sign = "+" if found[1] == "-" else "-"
        zone.set("this", f"GMT{sign}{int(found[2]):02}:{found[3] or '00'}")


def _is_any_array(to: exp.Expr) -> bool:
    """True for the pseudo-type: an array of whatever type it is."""
    kind = to.args.get("kind")
    name = kind.name if isinstance(kind, exp.Expr) else str(kind or "")
    return name.lower() == "anyarray"


def _narrow(to: exp.Expr) -> None:
    """A cast to more digits than there are is one to all there are."""
    if not isinstance(to, exp.DataType) or to.this is not exp.DType.DECIMAL or not to.expressions:
        return
    precision = to.expressions[0]
    if precision.name.isdigit() and int(precision.name) > _PRECISION_MAX:
        precision.replace(exp.DataTypeParam(this=exp.Literal.number(_PRECISION_MAX)))


def _check_divisor(node: exp.Expr) -> None:
    """Constants are divided when a query is planned, whether or not there are rows.

    Raises: DbError DIVISION_BY_ZERO.
    """
    left, right = node.this, node.expression
    is_zero = isinstance(right, exp.Literal) and right.is_int and not int(right.name)
    is_constant = is_zero and isinstance(left, exp.Literal) and left.is_int
    if is_constant and node.find_ancestor(*_CHOOSING) is None:
        raise DbError(ErrorKind.DIVISION_BY_ZERO, "division by zero")


def _read_number(rounded: exp.Round) -> None:
    """Only a numeric is rounded to some decimals, so that is what a literal is then."""
    number = rounded.this
    if number.is_string and rounded.args.get("decimals") is not None:
        number.replace(exp.Cast(this=number.copy(), to=exp.DataType.build("numeric")))


def _cast_literals(values: exp.Values) -> None:
    """Text in a column where another row says the type is of that type."""
    rows = [row.expressions for row in values.expressions if isinstance(row, exp.Tuple)]
    for column in zip_longest(*rows):
        items = [item for item in column if item is not None]
        to = next((one.to for one in items if type(one) is exp.Cast), None)
        for item in items:
            if to is not None and item.is_string:
                item.replace(exp.Cast(this=item.copy(), to=to.copy()))
