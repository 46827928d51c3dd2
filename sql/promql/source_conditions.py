"""What a selector asks of a table's scan: times, tags that are listed, text for DuckDB.

Called by source.py and source_store.py. A scan may give more than is asked for.
"""

from __future__ import annotations

import re

from engine.api import KeyFilter, TimeRange
from engine.datatypes import UNITS_PER_SECOND, TypeId
from sql.promql.model import Match, Matcher
from sql.promql.source_series import matches
from sql.promql.source_tables import Metric
from sql.types import quote

_TIME_LIMIT = 2**62
_ALTERNATIVES = re.compile(r"[\w :/@%,=;<>~#!&-]+(?:\|[\w :/@%,=;<>~#!&-]+)*")


def time_range(start_ms: int, end_ms: int, unit: str) -> TimeRange:
    """[start, end] in milliseconds as a half-open range in the unit of a time index.

    >>> time_range(1500, 2000, "s")
    TimeRange(start=2, end=3)
    """
    per_second = UNITS_PER_SECOND[unit]
    if per_second >= 1_000:
        factor = per_second // 1_000
        start, end = start_ms * factor, (end_ms + 1) * factor
    else:
        length = 1_000 // per_second
        start, end = -(-start_ms // length), end_ms // length + 1
    return TimeRange(
        start if abs(start) < _TIME_LIMIT else None, end if abs(end) < _TIME_LIMIT else None
    )


def key_filters(metric: Metric) -> tuple[KeyFilter, ...]:
    """Equalities of text tags, and regular expressions that only list values."""
    found = []
    for matcher in metric.matchers:
        values = listed_values(matcher)
        if values is not None and "" not in values and _is_text(metric, matcher):
            found.append(KeyFilter(matcher.name, values))
    return tuple(found)


def listed_values(matcher: Matcher) -> tuple[str, ...] | None:
    """The values a matcher allows, if it lists them.

    >>> listed_values(Matcher("job", Match.REGEX, "a|b"))
    ('a', 'b')
    """
    if matcher.op is Match.EQUAL:
        return (matcher.value,)
    if matcher.op is Match.REGEX and _ALTERNATIVES.fullmatch(matcher.value):
        return tuple(matcher.value.split("|"))
    return None


def condition(metric: Metric) -> str:
    """What DuckDB can tell of the matchers; it may let pass more than they do."""
    parts = []
    for matcher in metric.matchers:
        name = f"f.{quote(matcher.name)}"
        values = listed_values(matcher)
        takes_empty = bool(matches([""], matcher)[0])
        if not _is_text(metric, matcher) or "\0" in matcher.value:
            continue
        if takes_empty and matcher.op is not Match.NOT_EQUAL:
            continue
        if values is not None:
            parts.append(f"{name} IN ({', '.join(map(_text, values))})")
        elif matcher.op is Match.REGEX:
            parts.append(f"regexp_full_match({name}, {_text(matcher.value)}, 's')")
        elif matcher.op is Match.NOT_EQUAL and matcher.value:
            parts.append(f"({name} IS NULL OR {name} <> {_text(matcher.value)})")
    return " AND ".join(parts)


def _is_text(metric: Metric, matcher: Matcher) -> bool:
    column = metric.table.column(matcher.name)
    return column is not None and column.type.id is TypeId.STRING


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
