"""A flow's query over some times only: whole windows, as a condition on the source's time index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from sqlglot import exp

from catalog.records import Table
from sql.dialect.parser import parse
from sql.flows.ledger import Range
from sql.plan.plan import plan_query
from sql.session import Wire

if TYPE_CHECKING:
    from sql.client_session import ClientSession

# The ends of what a literal can say (years 1 to 9999), in seconds.
_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799
# How far beyond a time the next window may begin; the longest windows have no upper bound.
_STEPS_S = (1, 60, 3_600, 86_400, 7 * 86_400, 31 * 86_400, 366 * 86_400)


def narrowed(
    session: ClientSession, tree: exp.Select, window: exp.Expr, source: Table, times: Range
) -> exp.Select:
    """The query over the windows that hold these times.

    The window expression itself tells windows apart; it never decreases, so that bounds on the
    time index follow from what it says of a few moments, and scans read no more than these.
    """
    index = source.column(source.time_index or "")
    assert index is not None
    unit = str(index.type.arrow.unit)
    low, high = (_clamped(time, unit) for time in times)
    column = exp.column(index.name, quoted=True)
    tree = tree.copy()
    if isinstance(window, exp.Column):
        first, last = _moment(low, unit), _moment(high, unit)
        return tree.where(exp.GTE(this=column, expression=first)).where(
            exp.LTE(this=column.copy(), expression=last)
        )
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    ends = [min(high + step * per_second, _LAST_S * per_second) for step in _STEPS_S]
    labels = _labels(session, window, [low, high, *ends], unit)
    conditions = [
        exp.GTE(this=column, expression=_label(labels[0])),
        exp.LTE(this=window.copy(), expression=_label(labels[1])),
    ]
    beyond = next((e for e, la in zip(ends, labels[2:], strict=True) if la > labels[1]), None)
    if beyond is not None:
        bound = exp.LT(this=column.copy(), expression=_moment(beyond, unit))
        conditions.append(bound)
    return tree.where(*conditions)


def _clamped(time_ns: int, unit: str) -> int:
    """A time in the unit of the time index that a literal can say."""
    nanos = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[unit]
    time_s = min(max(time_ns // 10**9, _FIRST_S), _LAST_S)
    inside = time_s == time_ns // 10**9
    return time_ns // nanos if inside else time_s * (10**9 // nanos)


def _labels(session: ClientSession, window: exp.Expr, times: list[int], unit: str) -> list[int]:
    """What the window expression says of some moments, in microseconds."""
    items = []
    for number, time in enumerate(times):
        said = exp.select(window.copy())
        for column in list(said.find_all(exp.Column)):
            column.replace(_moment(time, unit))
        items.append(exp.alias_(said.expressions[0], f"w{number}"))
    plan = plan_query(exp.select(*items), session.plan_context())
    table = session.runner.table(plan, (), "flow")
    return [column[0].cast(pa.timestamp("us")).value for column in table.columns]


def _moment(time: int, unit: str) -> exp.Expr:
    per_second, digits = {"s": (1, 0), "ms": (10**3, 3), "us": (10**6, 6), "ns": (10**9, 9)}[unit]
    whole, rest = divmod(time, per_second)
    fraction = f".{rest:0{digits}d}" if digits else ""
    return _literal(f"{np.datetime64(whole, 's')}{fraction}", digits)


def _label(time_us: int) -> exp.Expr:
    return _literal(str(np.datetime64(time_us, "us")), 6)


def _literal(shown: str, digits: int) -> exp.Expr:
    text = shown.replace("T", " ")
    tree = parse(f"SELECT CAST('{text}Z' AS TIMESTAMP({digits}))", Wire.HTTP)[0].tree
    assert isinstance(tree, exp.Select)
    literal: exp.Expr = tree.expressions[0]
    return literal.copy()
