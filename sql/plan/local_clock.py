"""Times as the clocks of a PostgreSQL session's zone show them.

Inside, every time is a moment in UTC and results are shown in the session's zone. What looks at the
clock itself (EXTRACT, date_trunc, casts to dates, AT TIME ZONE, literals without an offset) is told
here which clock that is. Called by sql/plan/plan.py for PostgreSQL's sessions outside of UTC, once
tables are known. Columns of time-series tables are left alone: date_trunc and date_bin of these
work in UTC (docs/types.md).
https://www.postgresql.org/docs/15/functions-datetime.html
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import Enum

import pyarrow as pa
from sqlglot import exp

from engine import datatypes as dt
from engine.datatypes import DataType, TypeId
from sql.decode.text import column_from_text
from sql.dialect.pieces import cast_to
from sql.functions.rewrites.build import call, number, own, text
from sql.plan.scopes import Scopes
from sql.plan.typed import inferred_type
from sql.settings import zone_of

_NAIVE = re.compile(r"\s*\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?\s*")
_KIND = "clock"  # in a node's meta: what a rewritten call gives
_ABSOLUTE = frozenset({"EPOCH", "TIMEZONE", "TIMEZONE_HOUR", "TIMEZONE_MINUTE"})
_PARTS = frozenset({"gn_part_second", "gn_part_millisecond", "gn_any_time"})
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In)
_SAME = (
    *(exp.Paren, exp.Min, exp.Max, exp.Coalesce, exp.Alias, exp.AnyValue, exp.Greatest),
    *(exp.Least, exp.Nullif, exp.First, exp.Last, exp.Filter),
)
_NODES = (exp.Cast, exp.Extract, exp.TimestampTrunc, exp.AtTimeZone, exp.Anonymous, *_COMPARISONS)


class Clock(Enum):
    """What kind of time an expression is."""

    PLAIN = "timestamp"
    ZONED = "timestamptz"


def local_clock(tree: exp.Expr, scopes: Scopes, timezone: str) -> exp.Expr:
    """Rewrites in place and returns the tree, or what replaces it. Raises: DbError."""
    rule = _Rule(scopes, timezone)
    for node in reversed(list(tree.find_all(*_NODES))):
        made = rule.made(node)
        if made is None:
            continue
        if node is tree:
            tree = made
        else:
            node.replace(made)
    return tree


class _Rule:
    def __init__(self, scopes: Scopes, timezone: str) -> None:
        self._scopes = scopes
        self._timezone = timezone
        fixed = zone_of(timezone).utcoffset(None)
        self._seconds = None if fixed is None else fixed // timedelta(seconds=1)

    def made(self, node: exp.Expr) -> exp.Expr | None:
        """What takes the node's place, None if nothing does; its operands may change in place."""
        if isinstance(node, exp.Cast):
            return self._cast(node)
        if isinstance(node, exp.TimestampTrunc):
            return self._truncated(node)
        if isinstance(node, exp.AtTimeZone):
            return self._elsewhere(node)
        if isinstance(node, _COMPARISONS):
            self._compared(node)
        elif isinstance(node, exp.Extract):
            if node.this.name.upper() not in _ABSOLUTE:
                self._shown(node.expression)
        elif isinstance(node, exp.Anonymous):
            self._called(node)
        return None

    def _called(self, node: exp.Anonymous) -> None:
        name, given = node.name.lower(), node.expressions
        if name == "date_part" and len(given) == 2 and given[0].name.upper() not in _ABSOLUTE:
            self._shown(given[1])
        elif name in _PARTS and given:
            self._shown(given[0])

    # --- What an expression is --------------------------------------------------------------------

    def _clock(self, node: exp.Expr) -> Clock | None:
        """None for what is no time, for columns of time-series tables and where it is unknown."""
        if _KIND in node.meta:
            return Clock(node.meta[_KIND])
        if isinstance(node, _SAME):
            return self._clock(node.this)
        if isinstance(node, exp.Add | exp.Sub):  # and an interval
            added = inferred_type(self._scopes, node.expression)
            is_interval = isinstance(node.expression, exp.Interval)
            is_interval = is_interval or (added is not None and added.id is TypeId.INTERVAL)
            return self._clock(node.this) if is_interval else None
        source = self._scopes.source(node)
        if source is not None and source[2].is_time_series:
            return None
        return _clock_of(inferred_type(self._scopes, node))

    # --- Between moments and clocks ---------------------------------------------------------------

    def _shown(self, node: exp.Expr) -> None:
        """The operand becomes what the session's clocks show."""
        if self._clock(node) is not None:
            node.replace(self._local(node))

    def _local(self, node: exp.Expr) -> exp.Expr:
        zone = text(self._timezone) if self._seconds is None else number(self._seconds)
        return own("local_time", node, zone)

    def _moment(self, shown: exp.Expr, clock: Clock) -> exp.Expr:
        """The moment at which the session's clocks show this."""
        if self._seconds is None:
            made = call("timezone", text("UTC"), call("timezone", text(self._timezone), shown))
        else:
            shift = call("to_seconds", number(self._seconds))
            made = exp.paren(exp.Sub(this=exp.paren(shown.copy()), expression=shift))
        if clock is Clock.ZONED:
            made = cast_to(made, "TIMESTAMPTZ")
        made.meta[_KIND] = clock.value
        return made

    # --- Nodes ------------------------------------------------------------------------------------

    def _cast(self, node: exp.Cast) -> exp.Expr | None:
        to, inner = _cast_clock(node), node.this
        if to is not None:
            if inner.is_string and _NAIVE.fullmatch(inner.name):
                inner.replace(self._literal(inner.name))
                return None
            held = inferred_type(self._scopes, inner)
            is_day = held is not None and held.id is TypeId.DATE
            return self._moment(cast_to(inner, "TIMESTAMP"), to) if is_day else None
        if node.to.is_type(exp.DType.DATE, exp.DType.TIME):
            self._shown(inner)
        return None

    def _literal(self, written: str) -> exp.Expr:
        values = pa.array([written.strip()], pa.string())
        found = column_from_text(values, dt.TIMESTAMP_MICROSECOND, self._timezone, column="")
        return exp.Literal.string(str(found.cast(pa.string())[0].as_py()))

    def _compared(self, node: exp.Expr) -> None:
        """Texts beside values with a zone; those beside others: sql/plan/literals.py."""
        operands = [node.this, *(node.args.get(n) for n in ("expression", "low", "high"))]
        operands += node.expressions if isinstance(node, exp.In) else []
        found = [one for one in operands if one is not None]
        if not any(self._clock(one) is Clock.ZONED for one in found):
            return
        for one in found:
            if one.is_string and _NAIVE.fullmatch(one.name):
                one.replace(cast_to(self._literal(one.name), "TIMESTAMPTZ"))

    def _truncated(self, node: exp.TimestampTrunc) -> exp.Expr | None:
        clock = self._clock(node.this)
        held = inferred_type(self._scopes, node.this)
        if held is not None and held.id is TypeId.DATE:
            return self._moment(cast_to(node, "TIMESTAMP"), Clock.ZONED)
        if clock is None or node.args.get("zone") is not None:
            return None
        cut = exp.TimestampTrunc(this=self._local(node.this), unit=node.args["unit"].copy())
        return self._moment(cast_to(cut, "TIMESTAMP"), clock)

    def _elsewhere(self, node: exp.AtTimeZone) -> exp.Expr | None:
        """`x AT TIME ZONE z`: what clocks there show, or the moment at which they show x."""
        clock = self._clock(node.this)
        if clock is Clock.ZONED:
            return self._moment(node.copy(), Clock.PLAIN)
        if clock is Clock.PLAIN:
            node.this.replace(self._local(node.this))
            node.meta[_KIND] = Clock.ZONED.value
        return None


def _cast_clock(node: exp.Cast) -> Clock | None:
    if node.to.is_type(exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ):
        return Clock.ZONED
    plain = (exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ, exp.DType.DATETIME)
    return Clock.PLAIN if node.to.is_type(*plain) else None


def _clock_of(type_: DataType | None) -> Clock | None:
    if type_ is None:
        return None
    if type_.id is TypeId.TIMESTAMP_TZ:
        return Clock.ZONED
    return Clock.PLAIN if type_.is_timestamp else None
