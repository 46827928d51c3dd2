"""The time range of each scan of a plan, once parameters and the clock are known.

Called by sql/run/scan.py. A bound that cannot be told is left out: it only prunes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from sqlglot import exp

from engine.api import TimeRange
from engine.datatypes import UNITS_PER_SECOND
from engine.errors import DbError
from sql.dialect.duckdb import to_duckdb
from sql.plan.literals import Bound
from sql.plan.parameters import parameter_number
from sql.plan.plan import QueryPlan
from sql.plan.tables import NOW
from sql.run.duck import Duck

_ISO = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d(\.\d{1,9})?)?")
_RANGE_LIMIT = 2**62  # bounds beyond this are as good as none and would overflow in arithmetic


def time_ranges(
    plan: QueryPlan, parameters: Sequence[object], now: str, duck: Duck
) -> tuple[dict[str, TimeRange], frozenset[str]]:
    """Placeholder → range (a scan without bounds has none); scans whose end is not certain."""
    units = {r.placeholder: r.schema.time_type.unit for r in plan.scans}
    for files in plan.files:
        index = files.table.column(files.table.time_index or "")
        units[files.placeholder] = index.type.unit if index is not None else ""
    ranges: dict[str, TimeRange] = {}
    vague: set[str] = set()
    for bound in plan.bounds:
        value = _value(bound, parameters, units[bound.placeholder], now, duck)
        if value is None or abs(value) > _RANGE_LIMIT:
            if not bound.is_start:
                vague.add(bound.placeholder)
            continue
        old = ranges.get(bound.placeholder, TimeRange())
        ranges[bound.placeholder] = _narrowed(old, bound, value)
    return ranges, frozenset(vague)


def _value(
    bound: Bound, parameters: Sequence[object], unit: str, now: str, duck: Duck
) -> int | None:
    """The bound's value in the column's unit, rounded down; None if it has none."""
    number = parameter_number(bound.value)
    if number is not None:
        return _epoch_of(parameters[number - 1], unit)
    text = _literal_text(bound.value)
    if text is not None and NOW not in text:
        return int(np.array(text, f"datetime64[{unit}]").astype(np.int64))
    if any(parameter_number(node) is not None for node in bound.value.walk()):
        return None
    sql = to_duckdb(bound.value).replace(NOW, now)
    try:
        rows = duck.execute(f"SELECT epoch_us(CAST({sql} AS TIMESTAMP))")
    except DbError:
        return None  # the statement itself will say what is wrong with the expression
    micros = rows[0][0]
    if micros is None:
        return None
    return int(micros * UNITS_PER_SECOND[unit] // 1_000_000)


def _narrowed(old: TimeRange, bound: Bound, value: int) -> TimeRange:
    if bound.is_start:
        return TimeRange(value if old.start is None else max(old.start, value), old.end)
    end = value + 1  # half-open, and bounds finer than the unit were rounded down
    return TimeRange(old.start, end if old.end is None else min(old.end, end))


def _epoch_of(value: object, unit: str) -> int | None:
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        delta = aware - datetime(1970, 1, 1, tzinfo=UTC)
        micros = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
        return micros * UNITS_PER_SECOND[unit] // 1_000_000
    if isinstance(value, str) and _ISO.fullmatch(value):
        return int(np.array(value, f"datetime64[{unit}]").astype(np.int64))
    return None


def _literal_text(node: exp.Expr) -> str | None:
    """The text of a `CAST('…' AS TIMESTAMP…)` as the literal rule makes them."""
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.this.is_string:
        return str(node.this.name) if _ISO.fullmatch(node.this.name) else None
    return None
