"""Times as the clocks of the session's zone show them, and times on a wall beside moments.

Inside, a moment is in UTC and is shown in the session's zone; a time on a wall (PostgreSQL's
timestamp, MySQL's DATETIME; sql/plan/clocks.py) is the same everywhere. Where both meet (in
comparisons, differences, assignments and casts), one becomes the other here; what looks at the
clock itself (EXTRACT, date_trunc, casts to dates, AT TIME ZONE, literals without an offset) is told
which clock that is. Called by sql/plan/plan.py for sessions outside of UTC, once tables are known.
The clock of columns of time-series tables is UTC's: date_trunc and date_bin of these work in UTC
(docs/types.md). https://www.postgresql.org/docs/15/functions-datetime.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import pyarrow as pa
from sqlglot import exp

from catalog.records import Table
from engine import datatypes as dt
from engine.datatypes import TypeId
from sql.decode.text import column_from_text
from sql.dialect.pieces import cast_to, composed, rewritten
from sql.functions.expansion import Expansion
from sql.functions.rewrites.build import call, number, own, text
from sql.plan.clocks import KIND, Clock, Clocks, clock_of, is_plain
from sql.plan.scopes import Scopes
from sql.plan.typed import inferred_type
from sql.session import Wire
from sql.settings import zone_of

_NAIVE = re.compile(r"\s*\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?\s*")
_ABSOLUTE = frozenset({"EPOCH", "TIMEZONE", "TIMEZONE_HOUR", "TIMEZONE_MINUTE"})
_PARTS = frozenset({"gn_part_second", "gn_part_millisecond", "gn_any_time"})
_MEETING = (
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ),
    *(exp.Between, exp.In, exp.Sub, exp.Coalesce, exp.Greatest, exp.Least),
)
_NODES = (exp.Cast, exp.Extract, exp.TimestampTrunc, exp.AtTimeZone, exp.Anonymous, *_MEETING)
_MINUTES = "CAST((epoch({local}) - epoch({x})) / 60 AS INTEGER)"
_SPELLED = (
    "CASE WHEN NOT isfinite({x}) THEN CAST({x} AS VARCHAR)"
    " ELSE CAST({local} AS VARCHAR) || CASE WHEN MINUTES < 0 THEN '-' ELSE '+' END"
    " || printf('%02d', abs(MINUTES) // 60)"
    " || CASE WHEN MINUTES % 60 = 0 THEN '' ELSE printf(':%02d', abs(MINUTES) % 60) END END"
).replace("MINUTES", _MINUTES)
_ZONE_HELPERS = frozenset({"gn_local_time", "gn_utc_time"})
_LOCAL = frozenset({Clock.ZONED, Clock.MOMENT})  # whose clock is the session's

Target = tuple[Table, Sequence[str]]


def local_clock(
    tree: exp.Expr, scopes: Scopes, timezone: str, wire: Wire, target: Target | None = None
) -> exp.Expr:
    """Rewrites in place and returns the tree, or what replaces it.

    `target`: the table and columns that the outputs are assigned to. Raises: DbError.
    """
    rule = _Rule(scopes, timezone, wire)
    nodes = _NODES if wire is Wire.POSTGRES else (*_NODES, exp.Func, Expansion)
    tree = rewritten(tree, nodes, rule.made)
    rule.assign(tree, target)
    return tree


class _Rule:
    def __init__(self, scopes: Scopes, timezone: str, wire: Wire) -> None:
        self._scopes = scopes
        self._clocks = Clocks(scopes, wire)
        self._timezone = timezone
        self._is_postgres = wire is Wire.POSTGRES
        fixed = zone_of(timezone).utcoffset(None)
        self._seconds = None if fixed is None else fixed // timedelta(seconds=1)

    def made(self, node: exp.Expr) -> exp.Expr | None:
        """What takes the node's place, None if nothing does; its operands may change in place."""
        if isinstance(node, _MEETING):
            if not _is_assignment(node):
                self._meet(node)
        elif not self._is_postgres:
            return self._mysql(node)
        elif isinstance(node, exp.Cast):
            return self._cast(node)
        elif isinstance(node, exp.TimestampTrunc):
            return self._truncated(node)
        elif isinstance(node, exp.AtTimeZone):
            if self._clocks.of(node.this) is Clock.MOMENT:
                node.this.replace(self._local(node.this))
                node.meta[KIND] = Clock.ZONED.value
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

    def _mysql(self, node: exp.Expr) -> exp.Expr | None:
        """Its functions take times of one kind; the session's clock is asked by session_zone.py."""
        helper = node.name.lower() if isinstance(node, exp.Anonymous) else ""
        if helper not in _ZONE_HELPERS:
            if not isinstance(node, exp.Cast | exp.AggFunc):
                self._meet(node)
            return None
        given: exp.Expr = node.expressions[0]
        if self._clocks.of(given) is not Clock.WALL:
            return None
        return given.copy() if helper == "gn_local_time" else self._moment(given, Clock.MOMENT)

    # --- Between moments and clocks ---------------------------------------------------------------

    def _shown(self, node: exp.Expr) -> None:
        """The operand becomes what the session's clocks show."""
        if self._clocks.of(node) in _LOCAL:
            node.replace(self._local(node))

    def _local(self, node: exp.Expr) -> exp.Expr:
        zone = text(self._timezone) if self._seconds is None else number(self._seconds)
        made = own("local_time", node, zone)
        made.meta[KIND] = Clock.WALL.value
        return made

    def _moment(self, shown: exp.Expr, clock: Clock) -> exp.Expr:
        """The moment at which the session's clocks show this."""
        if self._seconds is None:
            made = call("timezone", text("UTC"), call("timezone", text(self._timezone), shown))
        else:
            shift = call("to_seconds", number(self._seconds))
            made = exp.paren(exp.Sub(this=exp.paren(shown.copy()), expression=shift))
        if clock is Clock.ZONED:
            made = cast_to(made, "TIMESTAMPTZ")
        made.meta[KIND] = clock.value
        return made

    def _literal(self, written: str) -> exp.Expr:
        values = pa.array([written.strip()], pa.string())
        found = column_from_text(values, dt.TIMESTAMP_MICROSECOND, self._timezone, column="")
        return exp.Literal.string(str(found.cast(pa.string())[0].as_py()))

    # --- Nodes ------------------------------------------------------------------------------------

    def _cast(self, node: exp.Cast) -> exp.Expr | None:
        inner = node.this
        if node.to.is_type(exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ):
            if inner.is_string and _NAIVE.fullmatch(inner.name):
                inner.replace(self._literal(inner.name))
            elif self._clocks.of(inner) is Clock.WALL:
                return self._moment(inner, Clock.ZONED)
            elif self._is_day(inner):
                return self._moment(cast_to(inner, "TIMESTAMP"), Clock.ZONED)
        elif is_plain(node) and self._clocks.of(inner) is Clock.ZONED:
            inner.replace(self._local(inner))
        elif node.to.is_type(exp.DType.DATE, exp.DType.TIME):
            self._shown(inner)
        elif node.to.is_type(*exp.DataType.TEXT_TYPES):
            return self._spelled(node)
        return None

    def _spelled(self, node: exp.Cast) -> exp.Expr | None:
        """The text of a moment with a zone is that of the session's clock, with its offset."""
        if self._clocks.of(node.this) is not Clock.ZONED:
            return None
        return composed(_SPELLED, x=node.this, local=self._local(node.this))

    def _is_day(self, node: exp.Expr) -> bool:
        held = inferred_type(self._scopes, node)
        return held is not None and held.id is TypeId.DATE

    def _truncated(self, node: exp.TimestampTrunc) -> exp.Expr | None:
        if self._is_day(node.this):
            return self._moment(cast_to(node, "TIMESTAMP"), Clock.ZONED)
        clock = self._clocks.of(node.this)
        if clock not in _LOCAL or node.args.get("zone") is not None:
            return None
        assert clock is not None
        cut = exp.TimestampTrunc(this=self._local(node.this), unit=node.args["unit"].copy())
        return self._moment(cast_to(cut, "TIMESTAMP"), clock)

    def _meet(self, node: exp.Expr) -> None:
        """Operands of one kind: texts beside values with a zone, times on a wall beside moments."""
        found = list(node.iter_expressions())
        clocks = [self._clocks.of(one) for one in found]
        if Clock.ZONED in clocks and self._is_postgres:
            for one in found:
                if one.is_string and _NAIVE.fullmatch(one.name):
                    one.replace(cast_to(self._literal(one.name), "TIMESTAMPTZ"))
        if Clock.WALL not in clocks:
            return
        others = {clock for clock in clocks if clock not in (None, Clock.WALL)}
        if not others:
            return
        if others == {Clock.MOMENT}:  # the statement's time, mostly: the wall's is the column's
            for one, clock in zip(found, clocks, strict=True):
                if clock is Clock.MOMENT:
                    one.replace(self._local(one))
            return
        kind = Clock.ZONED if Clock.ZONED in others else Clock.SERIES
        for one, clock in zip(found, clocks, strict=True):
            if clock is Clock.WALL:
                one.replace(self._moment_of(one, kind))

    def _moment_of(self, node: exp.Expr, kind: Clock) -> exp.Expr:
        """As `_moment`; of a literal at once, so that scans see a bound."""
        written = node.this if isinstance(node, exp.Cast) and is_plain(node) else None
        if written is None or not written.is_string or not _NAIVE.fullmatch(written.name):
            return self._moment(node, kind)
        made = node.copy()
        made.set("this", self._literal(written.name))
        if kind is Clock.ZONED:
            made = cast_to(made.this, "TIMESTAMPTZ")
        made.meta[KIND] = kind.value
        return made

    # --- Assignment -------------------------------------------------------------------------------

    def assign(self, tree: exp.Expr, target: Target | None) -> None:
        """Values that columns are given become times of the columns' kinds."""
        for change in tree.find_all(exp.Update):
            for item in change.expressions:
                if isinstance(item, exp.EQ) and (column := self._scopes.column(item.this)):
                    self._fit(item.expression, clock_of(column.type))
        for conflict in tree.find_all(exp.OnConflict):
            table = self._scopes.table(conflict.parent.this) if conflict.parent else None
            for item in conflict.expressions if table is not None else ():
                self._fit(item.expression, self._kind(table, item.this.name))
        if target is not None:
            kinds = [self._kind(target[0], name) for name in target[1]]
            self._fit_rows(tree, kinds)

    @staticmethod
    def _kind(table: Table | None, name: str) -> Clock | None:
        column = table.column(name) if table is not None else None
        return clock_of(column.type) if column is not None else None

    def _fit_rows(self, tree: exp.Expr, kinds: Sequence[Clock | None]) -> None:
        if isinstance(tree, exp.Subquery):
            self._fit_rows(tree.this, kinds)
        elif isinstance(tree, exp.SetOperation):
            self._fit_rows(tree.this, kinds)
            self._fit_rows(tree.expression, kinds)
        elif isinstance(tree, exp.Values):
            for row in tree.expressions:
                self._fit_all(row.expressions if isinstance(row, exp.Tuple) else [row], kinds)
        elif isinstance(tree, exp.Select):
            if any(item.is_star for item in tree.expressions):
                self._unfold(tree, kinds)
            self._fit_all([item.unalias() for item in tree.expressions], kinds)

    def _unfold(self, tree: exp.Select, kinds: Sequence[Clock | None]) -> None:
        """A lone star as its columns, if one of them has to be another kind of time."""
        known = self._clocks.columns(tree)
        if known is not None and len(known) >= len(kinds) and len(tree.expressions) == 1:
            tree.set("expressions", known)

    def _fit_all(self, items: Sequence[exp.Expr], kinds: Sequence[Clock | None]) -> None:
        for item, kind in zip(items, kinds, strict=False):
            self._fit(item, kind)

    def _fit(self, value: exp.Expr, kind: Clock | None) -> None:
        given = self._clocks.of(value)
        if kind is None or given is None or given is kind:
            return
        if kind is Clock.WALL:
            value.replace(self._local(value))
        elif given is Clock.WALL:
            to = Clock.ZONED if kind is Clock.ZONED else Clock.MOMENT
            value.replace(self._moment_of(value, to))


def _is_assignment(node: exp.Expr) -> bool:
    return isinstance(node, exp.EQ) and isinstance(node.parent, exp.Update | exp.OnConflict)
