"""Queries that need only the newest row of each series: where a scan may leave out all others.

A scan is marked when the query over it gives the same answer from the newest rows alone:
`DISTINCT ON (tags) … ORDER BY tags, time DESC`; groups of tags with `max(time)`,
`last_value(x ORDER BY time)` and the like; `row_number() OVER (PARTITION BY tags ORDER BY time
DESC) = 1`; and what looks at tags alone (`SELECT DISTINCT host`). The query itself stays as it is.
Filters may be on tags, and on time: a series whose newest row is too old has no row in the range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlglot import exp

from sql.plan.literals import bounds_of, conjuncts, references_of
from sql.plan.parameters import parameter_number
from sql.plan.scopes import Scopes
from sql.plan.tables import LatestRule, Reference

_RANKS = (exp.RowNumber, exp.Rank, exp.DenseRank)
_LASTS = (exp.LastValue, exp.Last)
_FIRSTS = (exp.FirstValue, exp.First)
_UNUSUAL = ("joins", "laterals", "pivots", "sample", "windows", "connect", "match", "kind")
_VOLATILE = (exp.Rand, exp.Uuid, exp.Query, exp.Window, exp.AggFunc, exp.Anonymous)


# Functions of one row; anything else might be an aggregate that sqlglot has no word for.
_SCALARS = (
    *(exp.Cast, exp.TryCast, exp.Coalesce, exp.Case, exp.If, exp.Nullif, exp.And, exp.Or),
    *(exp.Upper, exp.Lower, exp.Concat, exp.ConcatWs, exp.Length, exp.Substring, exp.Trim),
    *(exp.TimestampTrunc, exp.Extract, exp.Round, exp.Abs, exp.SplitPart, exp.Replace),
)


_UNSURE = (*_VOLATILE, exp.Filter, exp.IgnoreNulls, exp.Star)


def _is_scalar(node: exp.Expr) -> bool:
    return not isinstance(node, exp.Func) or isinstance(node, _SCALARS)


def latest_scans(
    tree: exp.Expr, scopes: Scopes, scans: Sequence[Reference]
) -> dict[str, LatestRule]:
    """Placeholder → when its newest rows are enough."""
    by_node = {r.node_id: r for r in scans}
    found: dict[str, LatestRule] = {}
    for select in tree.find_all(exp.Select) if by_node else ():
        references = references_of(select, by_node)
        if len(references) != 1 or any(select.args.get(name) for name in _UNUSUAL):
            continue
        ((alias, reference),) = references.items()
        node = select.args["from_"].this
        if id(node) != reference.node_id or any(node.args.get(n) for n in (*_UNUSUAL, "when")):
            continue
        rule = _Query(select, alias, reference, scopes, tree).rule()
        if rule is not None:
            found[reference.placeholder] = rule
    return found


def is_latest(reference: Reference, parameters: Sequence[object]) -> bool:
    """Whether the newest rows are enough with these parameters."""
    if reference.latest is None:
        return False
    return all(_is_one(node, parameters) for node in reference.latest.ones)


def _is_one(node: exp.Expr, parameters: Sequence[object]) -> bool:
    number = parameter_number(node)
    if number is not None:
        value = parameters[number - 1]
        return isinstance(value, int) and value == 1
    return isinstance(node, exp.Literal) and not node.is_string and node.name == "1"


class _Query:
    """One SELECT over one time-series table."""

    def __init__(
        self, select: exp.Select, alias: str, reference: Reference, scopes: Scopes, tree: exp.Expr
    ) -> None:
        self.select = select
        self.alias = alias
        self.reference = reference
        self.scopes = scopes
        self.tree = tree
        self.tags = set(reference.table.primary_key)

    def rule(self) -> LatestRule | None:
        """When the newest rows are enough; None if never."""
        if not self._is_filtered_well():
            return None
        if self._has_distinct_on():
            return LatestRule(distinct=self._distinct_columns())
        if self._aggregates_last() or self._names_tags():
            return LatestRule()
        one = self._rank_of_one()
        return LatestRule((one,)) if one is not None else None

    # Filters.

    def _is_filtered_well(self) -> bool:
        where = self.select.args.get("where")
        return where is None or all(
            self._is_of_tags(part) or bounds_of(part, self.scopes, {self.alias: self.reference})
            for part in conjuncts(where.this)
        )

    def _column(self, node: exp.Expr | None) -> str | None:
        """The name of a column of the scanned table."""
        source = self.scopes.source(node) if node is not None else None
        mine = source is not None and source[0] == self.alias
        return source[1].name if mine and source is not None else None

    def _is_time(self, node: exp.Expr | None) -> bool:
        return self._column(node) == self.reference.table.time_index

    def _is_of_tags(self, node: exp.Expr) -> bool:
        """True if the value hangs on tags alone."""
        for part in node.walk():
            if isinstance(part, exp.Column) and self._column(part) not in self.tags:
                return False
            if isinstance(part, _UNSURE) or not _is_scalar(part):
                return False
        return True

    def _named(self, node: exp.Expr) -> exp.Expr | None:
        return self.scopes.item(self.select, node)

    def _newest_first(self, ordered: Sequence[exp.Expr]) -> bool:
        """True if the order is: some tags, then time, the newest first."""
        for item in ordered:
            node = self._named(item.this) if isinstance(item, exp.Ordered) else None
            if node is None:
                return False
            if self._is_time(node):
                return bool(item.args.get("desc"))
            if not self._is_of_tags(node):
                return False
        return False

    # Forms.

    def _has_distinct_on(self) -> bool:
        distinct, order = self.select.args.get("distinct"), self.select.args.get("order")
        on = distinct.args.get("on") if distinct is not None else None
        if on is None or order is None or self._has("group", "having", "qualify"):
            return False
        named = [self._named(key) for key in _keys(on)]
        if any(node is None or not self._is_of_tags(node) for node in named):
            return False
        items = (part for item in self.select.expressions for part in item.walk())
        if any(isinstance(part, exp.AggFunc | exp.Window | exp.Query) for part in items):
            return False
        return self._newest_first(order.expressions)

    def _distinct_columns(self) -> tuple[str, ...]:
        """What DISTINCT ON names; nothing if not all of it are columns of the table."""
        keys = _keys(self.select.args["distinct"].args["on"])
        names = [self._column(self._named(key)) for key in keys]
        return tuple(name for name in names if name is not None) if all(names) else ()

    def _has(self, *names: str) -> bool:
        return any(self.select.args.get(name) for name in names)

    def _parts(self) -> Iterator[exp.Expr]:
        """What the query computes, after its rows are filtered."""
        yield from self.select.expressions
        for name in ("having", "order", "distinct"):
            if self.select.args.get(name) is not None:
                yield self.select.args[name]

    def _aggregates_last(self) -> bool:
        if self._has("qualify") or not self._groups_by_tags():
            return False
        lasts: list[exp.Expr] = []
        for part in self._parts():
            for node in part.walk(prune=lambda found: found in lasts):
                if self._is_last(node):
                    lasts.append(node)
                elif isinstance(node, _UNSURE) or not _is_scalar(node):
                    return False
        return bool(lasts)

    def _groups_by_tags(self) -> bool:
        group = self.select.args.get("group")
        if group is None:
            return True
        if any(value for name, value in group.args.items() if name != "expressions"):
            return False
        named = [self._named(key) for key in group.expressions]
        return all(node is not None and self._is_of_tags(node) for node in named)

    def _is_last(self, node: exp.Expr) -> bool:
        """True for an aggregate whose value is that of the newest rows."""
        if isinstance(node, exp.Max) and self._is_time(node.this):
            return not node.expressions
        if isinstance(node, exp.Max | exp.Min):
            return not node.expressions and self._is_of_tags(node.this)
        if isinstance(node, exp.Count):
            inner = node.this
            return isinstance(inner, exp.Distinct) and all(map(self._is_of_tags, inner.expressions))
        if isinstance(node, (*_LASTS, *_FIRSTS)) and isinstance(node.this, exp.Order):
            first = node.this.expressions[0]
            newest = bool(first.args.get("desc")) is isinstance(node, _FIRSTS)
            return newest and self._is_time(first.this)
        return False

    def _names_tags(self) -> bool:
        """Distinct tags, or groups of them, and nothing else."""
        distinct = self.select.args.get("distinct")
        plain = distinct is not None and distinct.args.get("on") is None
        if self._has("qualify") or not (plain or self.select.args.get("group")):
            return False
        items = [self._named(o.this) for o in self._ordered()]
        items += [item.unalias() for item in self.select.expressions]
        having = self.select.args.get("having")
        items += [having.this] if having is not None else []
        return self._groups_by_tags() and all(i is not None and self._is_of_tags(i) for i in items)

    def _ordered(self) -> list[exp.Expr]:
        order = self.select.args.get("order")
        return list(order.expressions) if order is not None else []

    def _rank_of_one(self) -> exp.Expr | None:
        """What a rank is compared with, where only the first of each partition is kept."""
        if self._has("group", "having", "distinct", "limit", "offset"):
            return None
        windows = list(self.select.find_all(exp.Window))
        if len(windows) != 1 or any(True for _ in self.select.find_all(exp.AggFunc)):
            return None
        window = windows[0]
        order, parts = window.args.get("order"), window.args.get("partition_by") or []
        if not isinstance(window.this, _RANKS) or order is None or window.args.get("spec"):
            return None
        if not all(map(self._is_of_tags, parts)) or not self._newest_first(order.expressions):
            return None
        qualify = self.select.args.get("qualify")
        if qualify is not None:
            return _compared(qualify.this, lambda node: node is window)
        alias = window.parent
        if not isinstance(alias, exp.Alias) or alias.parent is not self.select:
            return None
        return self._outer(alias.alias)

    def _outer(self, name: str) -> exp.Expr | None:
        """What the query around this one compares a column of it with."""
        holder = self.select.parent
        if not isinstance(holder, exp.Subquery) or not isinstance(holder.parent, exp.From):
            return None
        outer = holder.parent.parent
        if not isinstance(outer, exp.Select) or any(outer.args.get(n) for n in _UNUSUAL):
            return None
        where = outer.args.get("where")
        for part in conjuncts(where.this) if where is not None else ():
            found = _compared(
                part,
                lambda node: (
                    isinstance(node, exp.Column)
                    and node.name == name
                    and node.table in ("", holder.alias)
                ),
            )
            if found is not None:
                return found
        return None


def without_distinct(tree: exp.Expr, scans: Sequence[Reference]) -> exp.Expr | None:
    """The query for when DISTINCT ON has nothing to do: a tag of one row in each series is unique.

    None for others. DuckDB takes twice as long for it as for all the rest of such a query.
    """
    rule = scans[0].latest if len(scans) == 1 and isinstance(tree, exp.Select) else None
    if rule is None or not rule.distinct or id(tree.args["from_"].this) != scans[0].node_id:
        return None
    plain = tree.copy()
    plain.set("distinct", None)
    return plain


def _keys(on: exp.Expr) -> Sequence[exp.Expr]:
    return on.expressions if isinstance(on, exp.Tuple) else [on.unnest()]


def _compared(node: exp.Expr, is_rank: Callable[[exp.Expr], bool]) -> exp.Expr | None:
    """The other side of `rank = x`, a literal or parameter."""
    node = node.unnest()
    if not isinstance(node, exp.EQ | exp.LTE):
        return None
    value = node.expression
    if is_rank(node.this) and isinstance(value, exp.Literal | exp.Parameter):
        return value
    return None
