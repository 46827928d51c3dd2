"""How many digits of a second MySQL's outputs have that are computed: none unless asked for.

Called by plan.py for what MySQL's clients are shown. The values that statements compute with and
store keep their digits: rows of a time-series table that are written in one second stay apart.
Source: MySQL 8.4 reference, "Fractional Seconds in Time Values".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from engine.datatypes import SPAN, TIMESTAMP_MILLISECOND, TIMESTAMP_SECOND, DataType, TypeId

_CLOCKS = (exp.CurrentTimestamp, exp.CurrentTime, exp.Localtimestamp, exp.Localtime)
_CALLED = frozenset({"sysdate", "utc_timestamp", "utc_time", "curtime"})
_MOVED = frozenset({"date_add", "date_sub", "adddate", "subdate"})
_WHOLE = frozenset({"SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})
_COARSE = {0: TIMESTAMP_SECOND, 3: TIMESTAMP_MILLISECOND}
_CHOICES = (exp.Max, exp.Min, exp.Coalesce, exp.Greatest, exp.Least)


def digits_shown(tree: exp.Expr) -> Mapping[int, int]:
    """The digits of those outputs that tell them, by place.

    >>> from sqlglot import parse_one
    >>> digits_shown(parse_one("SELECT a, now(), now(3), curtime() FROM t", dialect="mysql"))
    {1: 0, 2: 3, 3: 0}
    """
    items = [item.unalias() for item in tree.expressions] if isinstance(tree, exp.Select) else []
    if any(item.is_star for item in items):
        return {}
    told = ((place, _digits(item)) for place, item in enumerate(items))
    return {place: digits for place, digits in told if digits is not None}


def on_clock(type_: DataType, digits: int | None, *, span: bool) -> tuple[DataType, str]:
    """A computed output's type and declared name; `span`: it is a time of more than a day, too."""
    if span and type_.id is TypeId.INTERVAL:
        return SPAN, ""
    if type_.id is TypeId.TIME and digits is not None:
        return type_, f"time({digits})"
    coarse = _COARSE.get(digits) if digits is not None and type_.is_timestamp else None
    if coarse is not None:
        return (coarse.on_wall if type_.wall else coarse), ""
    return type_, ""


def _digits(node: exp.Expr | None) -> int | None:
    """None: that is not known, or it is no time."""
    if isinstance(node, _CLOCKS):
        return _number(node.this)
    if isinstance(node, exp.Cast):
        is_time = node.to.is_type(exp.DType.DATETIME, exp.DType.TIME)
        return _number(next(iter(node.to.expressions), None)) if is_time else None
    if isinstance(node, exp.Add | exp.Sub):
        return _digits(node.left) if _is_whole(node.right) else None
    if isinstance(node, exp.Anonymous):
        return _of_call(node)
    if isinstance(node, exp.If):
        return _most([node.args.get("true"), node.args.get("false")])
    if isinstance(node, _CHOICES):
        return _most([node.this, *node.expressions])
    return None


def _of_call(node: exp.Anonymous) -> int | None:
    name = node.name.lower()
    if name in _CALLED:
        return _number(next(iter(node.expressions), None))
    if name in _MOVED and len(node.expressions) == 2:
        moved, by = node.expressions
        digits = _of_text(moved) if moved.is_string else _digits(moved)
        return digits if _is_whole(by) else None
    known = _OF_CALLS.get(name)
    return known(node.expressions[-1]) if known is not None and node.expressions else None


def _of_text(node: exp.Expr) -> int | None:
    return 0 if node.is_string and "." not in node.name else None


_OF_CALLS: dict[str, Callable[[exp.Expr], int | None]] = {
    "timestamp": _of_text,
    "from_unixtime": lambda node: 0 if node.is_int else None,
    "str_to_date": lambda node: 0 if node.is_string and "%f" not in node.name else None,
}


def _is_whole(node: exp.Expr) -> bool:
    """True for an interval of whole seconds."""
    if not isinstance(node, exp.Interval) or "." in node.name:
        return False
    unit = node.args.get("unit")
    return unit is not None and unit.name.upper() in _WHOLE


def _most(nodes: list[exp.Expr | None]) -> int | None:
    given = [_digits(node) for node in nodes if node is not None and not isinstance(node, exp.Null)]
    known = [digits for digits in given if digits is not None]
    return max(known) if known and len(known) == len(given) else None


def _number(node: exp.Expr | None) -> int | None:
    """Digits in parentheses; none stand for 0."""
    if isinstance(node, exp.DataTypeParam):
        node = node.this
    if node is None:
        return 0
    return int(node.name) if node.is_int else None
