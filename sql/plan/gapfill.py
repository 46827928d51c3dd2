"""`time_bucket_gapfill` and `date_bin_gapfill` with `locf` and `interpolate`, as plain SELECTs.

As in TimescaleDB and InfluxDB: a query that groups by such a bucket gets a row for every bucket of
every group, between the ends that its arguments or its WHERE clause give, else between the first
and last bucket of all its rows. `locf` carries the last value forward, `interpolate` draws lines.
Under time_bucket_gapfill both leave a NULL in the data as a value; under date_bin_gapfill, and
with `treat_null_as_missing => true`, it is a gap. sql/plan/time_series.py calls this.

    https://docs.timescale.com/api/latest/hyperfunctions/gapfilling/time_bucket_gapfill/
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlglot import exp

from catalog.records import Table
from engine.datatypes import UNITS_PER_SECOND, DataType
from engine.errors import DbError, ErrorKind
from sql.plan.buckets import BucketCall, read_call, typed
from sql.plan.buckets_calendar import Calendar, number, part
from sql.plan.gapfill_grid import (
    SLOT,
    TIME,
    Carry,
    Grid,
    Outer,
    looked_up,
    outer_of,
    own_aggregates,
)
from sql.plan.literals import conjuncts
from sql.plan.naming import name_outputs
from sql.plan.range_parts import inside_of, range_nodes, with_default_order
from sql.plan.range_time import timestamp_of
from sql.session import Wire

Resolve = Callable[[exp.Table], Table | None]

_NAMES = frozenset({"time_bucket_gapfill", "date_bin_gapfill"})
_FILLS = frozenset({"locf", "interpolate"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rewrite_gapfill(select: exp.Select, resolve: Resolve, timezone: str, wire: Wire) -> exp.Select:
    """A query that fills gaps as a plain SELECT; any other query as it is.

    Raises: DbError (GROUPING, SYNTAX, INVALID_ARGUMENT, INVALID_DATETIME, UNSUPPORTED).
    """
    calls = [call for item in select.expressions for call in _calls(item)]
    if not calls:
        return select
    if select.args.get("align") or range_nodes(select):
        message = "a query fills gaps by RANGE or by time_bucket_gapfill, not by both"
        raise DbError(ErrorKind.SYNTAX, message)
    select = select.copy()
    name_outputs(select, wire)
    return _Query(select, resolve, timezone).plan()


def _calls(node: exp.Expr) -> list[exp.Expr]:
    walked = node.walk(prune=lambda n: isinstance(n, exp.Subquery))
    return [n for n in walked if isinstance(n, exp.Anonymous) and n.name.lower() in _NAMES]


class _Query:
    """One SELECT under work."""

    def __init__(self, select: exp.Select, resolve: Resolve, timezone: str) -> None:
        self.select = select
        self.timezone = timezone
        self.outer: Outer = outer_of(select)
        self.node = self._only_call()
        call = read_call(self.node, _NAMES)
        assert call is not None
        self.call: BucketCall = call
        self.type = column_type(call.time, select, resolve)
        self.skips_nulls = call.name == "date_bin_gapfill"
        self.grid = Grid(
            select,
            self._keys(),
            call.calendar(),
            call.time,
            carries_time=self.type is None,
            gaps=True,
        )

    def _only_call(self) -> exp.Expr:
        calls = [call for item in self.select.expressions for call in _calls(item)]
        if len({self.outer.normal(call) for call in calls}) > 1:
            raise DbError(ErrorKind.SYNTAX, "a query can fill the gaps of one time bucket only")
        return calls[0]

    def _keys(self) -> list[exp.Expr]:
        """What GROUP BY names beside the bucket."""
        group = self.select.args.get("group")
        bucket = self.outer.normal(self.node)
        if group is None or any(v for k, v in group.args.items() if k != "expressions"):
            raise DbError(
                ErrorKind.GROUPING,
                f"{self.call.name} needs a plain GROUP BY that lists it",
                hint="GROUP BY 1, or by the bucket's alias",
            )
        meant = [self._meant(item) for item in group.expressions]
        keys = [item for item in meant if self.outer.normal(item) != bucket]
        if len(keys) == len(meant):
            raise DbError(ErrorKind.GROUPING, f"{self.call.name} must be in the GROUP BY clause")
        return keys

    def _meant(self, item: exp.Expr) -> exp.Expr:
        """A position or an alias of the SELECT list as what it stands for."""
        items = self.select.expressions
        if isinstance(item, exp.Literal) and item.is_int:
            place = int(item.name)
            if not 0 < place <= len(items):
                message = f"GROUP BY position {place} is not in the select list"
                raise DbError(ErrorKind.GROUPING, message)
            return items[place - 1].unalias().copy()  # type: ignore[no-any-return]
        if isinstance(item, exp.Column) and not item.table:
            for output in items:
                if isinstance(output, exp.Alias) and output.alias == item.name:
                    return output.this.copy()  # type: ignore[no-any-return]
        return item.copy()

    def plan(self) -> exp.Select:
        items = [(self._prepared(item.unalias().copy()), item) for item in self.select.expressions]
        order = self.select.args.get("order")
        for key in order.expressions if order is not None else []:
            self._prepared(key.copy())  # so that the grid has its aggregates
        having = self.select.args.get("having")
        if having is not None:
            self.grid.having = self._having(having.this.copy())
        self._bounds()
        slot = part("make_timestamp({s})", s=exp.column(SLOT, quoted=True))
        if self.type is not None:
            slot = typed(slot, self.type)
        else:
            slot = part("cast_to_type({s}, {t})", s=slot, t=exp.column(TIME, quoted=True))
        names = {self.outer.normal(self.node): slot}
        for index, key in enumerate(self.grid.keys):
            names[self.outer.normal(key)] = exp.column(f"__b{index}", quoted=True)
        self.outer.names = names
        plan = self.grid.plan()
        finished = [
            exp.Alias(
                this=self.outer.finished(tree),
                alias=exp.to_identifier(item.alias_or_name, quoted=True),
            )
            for tree, item in items
        ]
        return self.outer.query(plan, finished, self._prepared)

    # --- Aggregates -------------------------------------------------------------------------------

    def _prepared(self, item: exp.Expr) -> exp.Expr:
        """Takes the aggregates, and the fills around them, out of an item."""
        holder = exp.Paren(this=item)
        for node in list(holder.walk(prune=lambda n: isinstance(n, exp.Subquery))):
            if isinstance(node, exp.Anonymous) and node.name.lower() in _FILLS:
                node.replace(self._fill(node))
        for node in own_aggregates(inside_of(holder)):
            tree = with_default_order(node.copy(), self.call.time)
            node.replace(self.grid.reference(tree, None))
        return inside_of(holder)

    def _fill(self, node: exp.Anonymous) -> exp.Expr:
        name = node.name.lower()
        plain, named = [], {}
        for argument in node.expressions:
            if isinstance(argument, exp.Kwarg):
                named[argument.this.name.lower()] = argument.expression
            else:
                plain.append(argument)
        if not plain or not own_aggregates(plain[0]):
            message = f"{name} needs an aggregate, such as {name}(avg(v))"
            raise DbError(ErrorKind.GROUPING, message)
        named |= dict(zip(("prev", "treat_null_as_missing"), plain[1:], strict=False))
        value = with_default_order(plain[0].copy(), self.call.time)
        if name == "locf":
            return self._locf(value, named)
        if named:
            message = (
                "interpolate takes one argument: lookups outside of the range are not supported"
            )
            raise DbError(ErrorKind.UNSUPPORTED, message, hint="a wider time range in WHERE")
        fill = exp.var("LINEAR") if self.skips_nulls else Carry.INTERPOLATE
        return self.grid.reference(value, fill)

    def _locf(self, value: exp.Expr, named: dict[str, exp.Expr]) -> exp.Expr:
        unknown = set(named) - {"prev", "treat_null_as_missing"}
        if unknown:
            message = f'locf has no argument named "{min(unknown)}"'
            raise DbError(ErrorKind.UNDEFINED_FUNCTION, message)
        missing = named.get("treat_null_as_missing")
        if missing is not None and not isinstance(missing, exp.Boolean):
            message = "locf: treat_null_as_missing must be true or false"
            raise DbError(ErrorKind.INVALID_ARGUMENT, message)
        skips = self.skips_nulls or (missing is not None and bool(missing.this))
        lookup = named.get("prev")
        if lookup is None or isinstance(lookup, exp.Null):
            return self.grid.reference(value, exp.var("PREV") if skips else Carry.LOCF)
        if skips:
            carried = self.grid.reference(value, exp.var("PREV"))
            return exp.Coalesce(this=carried, expressions=[lookup.copy()])
        return looked_up(self.grid.reference(value, Carry.LOCF_OR_LOOKUP), lookup)

    def _having(self, condition: exp.Expr) -> exp.Expr:
        """HAVING chooses among the buckets that hold rows; it may use aliases."""
        outputs = {i.alias: i.this for i in self.select.expressions if isinstance(i, exp.Alias)}

        def expanded(node: exp.Expr) -> exp.Expr:
            if isinstance(node, exp.Column) and not node.table and node.name in outputs:
                return exp.Paren(this=outputs[node.name].copy())
            return node

        condition = condition.transform(expanded)
        if any(isinstance(n, exp.Anonymous) and n.name.lower() in _FILLS for n in condition.walk()):
            message = "HAVING sees the aggregates before gaps are filled: no locf or interpolate"
            raise DbError(ErrorKind.UNSUPPORTED, message, hint="filter in a query around this one")
        return condition

    # --- Ends -------------------------------------------------------------------------------------

    def _bounds(self) -> None:
        low, high = self.call.named.get("start"), self.call.named.get("finish")
        start = None if low is None else micros_of(low, self.type, self.timezone)
        end = None if high is None else micros_of(high, self.type, self.timezone)
        where = self.select.args.get("where")
        for node in conjuncts(where.this) if where is not None else []:
            found_start, found_end = self._bound(node)
            start = found_start if start is None else start
            end = found_end if end is None else end
        calendar: Calendar = self.grid.calendar
        if start is not None:
            self.grid.low = calendar.bucket(start)
        if end is not None:
            self.grid.high = calendar.bucket(part("({e}) - 1", e=end))

    def _bound(self, node: exp.Expr) -> tuple[exp.Expr | None, exp.Expr | None]:
        """(start, excluded end) that a condition gives, in microseconds."""
        time = self.outer.normal(self.call.time)
        if isinstance(node, exp.Between) and self.outer.normal(node.this) == time:
            start = micros_of(node.args["low"], self.type, self.timezone)
            end = micros_of(node.args["high"], self.type, self.timezone)
            return start, None if end is None else part("({e}) + 1", e=end)
        kind, value = type(node), node.expression
        if kind not in _SIDES:
            return None, None
        if self.outer.normal(value) == time:
            kind, value = _MIRRORED[kind], node.this
        elif self.outer.normal(node.this) != time:
            return None, None
        is_start, shift = _SIDES[kind]
        micros = micros_of(value, self.type, self.timezone)
        if micros is None:
            return None, None
        micros = part("({m}) + {s}", m=micros, s=number(shift)) if shift else micros
        return (micros, None) if is_start else (None, micros)


# `time OP value` → (is it the start?, microseconds to add for an included start, excluded end).
_SIDES: dict[type[exp.Expr], tuple[bool, int]] = {
    exp.GTE: (True, 0),
    exp.GT: (True, 1),
    exp.LT: (False, 0),
    exp.LTE: (False, 1),
}


_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GTE: exp.LTE,
    exp.GT: exp.LT,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
}


def micros_of(node: exp.Expr, data_type: DataType | None, timezone: str) -> exp.Expr | None:
    """A constant time in microseconds since the epoch; None if it is no constant.

    A text is in the session's zone, an integer an epoch in the unit of `data_type`.
    Raises: DbError INVALID_DATETIME.
    """
    if isinstance(node, exp.Paren):
        return micros_of(node.this, data_type, timezone)
    if next(node.find_all(exp.Column, exp.Query), None) is not None:
        return None
    text = node.this if isinstance(node, exp.Cast) else node
    if text.is_string:
        moment = timestamp_of(text.name, timezone)
        return number((moment - _EPOCH) // timedelta(microseconds=1))
    if node.is_int:
        unit = data_type.unit if data_type is not None and data_type.is_timestamp else None
        scale = None if unit is None else UNITS_PER_SECOND.get(unit)
        return None if scale is None else number(int(node.name) * 1_000_000 // scale)
    return part("epoch_us(CAST({v} AS TIMESTAMP))", v=node)


def column_type(node: exp.Expr, select: exp.Select, resolve: Resolve) -> DataType | None:
    """The declared type of a plain column of one of a query's tables; None if unknown."""
    if not isinstance(node, exp.Column):
        return None
    from_ = select.args.get("from_")
    relations = [] if from_ is None else [from_.this]
    relations += [join.this for join in select.args.get("joins") or []]
    found = []
    for relation in relations:
        if not isinstance(relation, exp.Table):
            continue
        table = resolve(relation)
        column = None if table is None else table.column(node.name)
        if column is not None and node.table in ("", relation.alias_or_name):
            found.append(column.type)
    return found[0] if len(found) == 1 else None
