"""info(): labels of info metrics such as `target_info` added to the series they describe.

Registered in `functions.py`. Series are joined on the labels `instance` and `job`, at every step
with whichever info series is the newest then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from engine.errors import DbError, ErrorKind
from sql.promql import regex
from sql.promql.context import Evaluation, Handler
from sql.promql.frame import Frame, Marks, stacked
from sql.promql.labels import NAME, LabelColumn, LabelTable, Rows, stack
from sql.promql.model import Match, Matcher, SelectedSeries, Times
from sql.promql.tree import Call, MatrixSelector, Node, Subquery, VectorSelector

_IDENTIFYING = ("instance", "job")
_DEFAULT = Matcher(NAME, Match.EQUAL, "target_info")
_ANY_INFO = Matcher(NAME, Match.REGEX, ".+_info")


@dataclass(frozen=True)
class _Infos:
    """The info series, their newest sample at each step, and the labels they may give."""

    labels: LabelTable
    places: Times
    stamps: Times
    wanted: frozenset[str] | None


def _info(ev: Evaluation, call: Call, times: Times) -> Frame:
    frame = ev.frame(call.arguments[0], times)
    names, data = _matchers(call)
    infos = _select(ev, call, times, names, data)
    own = _matching(frame.labels.column(NAME), names)
    if not frame.labels.count:
        return frame
    both = stack([frame.labels.keep(_IDENTIFYING), infos.labels.keep(_IDENTIFYING)])
    groups, _ = both.groups()
    of_infos = groups[frame.labels.count :]
    members: dict[int, list[int]] = {}
    for row, group in enumerate(of_infos.tolist()):
        members.setdefault(group, []).append(row)
    optional = all(_matches_empty(matcher) for matcher in data)
    parts = [frame.take(np.flatnonzero(own))]
    for row in np.flatnonzero(~own).tolist():
        base = frame.take(np.array([row]))
        parts.append(_enriched(base, members.get(int(groups[row]), []), infos, optional))
    return stacked(parts).compact().merge()


def _matchers(call: Call) -> tuple[list[Matcher], list[Matcher]]:
    """Matchers of the info metrics' names, and of their labels."""
    given: tuple[Matcher, ...] = ()
    if len(call.arguments) > 1:
        selector = call.arguments[1]
        assert isinstance(selector, VectorSelector)
        given = selector.matchers
    names = [matcher for matcher in given if matcher.name == NAME]
    data = [matcher for matcher in given if matcher.name != NAME]
    if not names:
        names = [_DEFAULT]
    elif all(matcher.op in (Match.NOT_EQUAL, Match.NOT_REGEX) for matcher in names):
        names = [*names, _ANY_INFO]
    return names, data


def _fits(values: tuple[str, ...], matcher: Matcher) -> Marks:
    if matcher.op in (Match.EQUAL, Match.NOT_EQUAL):
        found = np.array([value == matcher.value for value in values])
    else:
        found = regex.matches(values, matcher.value)
    return found if matcher.op in (Match.EQUAL, Match.REGEX) else ~found


def _matching(column: LabelColumn, matchers: list[Matcher]) -> Marks:
    found = np.ones(len(column.values), np.bool_)
    for matcher in matchers:
        found &= _fits(column.values, matcher)
    return found[column.codes]


def _matches_empty(matcher: Matcher) -> bool:
    return bool(_fits(("",), matcher)[0])


def _select(
    ev: Evaluation, call: Call, times: Times, names: list[Matcher], data: list[Matcher]
) -> _Infos:
    steps = _steps(ev, call.arguments[0], times)
    matchers = (*names, *data)
    series, places = ev.latest_of(matchers, steps)
    stamps = _stamps(series, places)
    wanted = frozenset(matcher.name for matcher in data) if data else None
    return _Infos(series.labels, places, stamps, wanted)


def _stamps(series: SelectedSeries, places: Times) -> Times:
    if not len(series.samples.times):
        return np.zeros(places.shape, np.int64)
    return series.samples.times[places]


def _steps(ev: Evaluation, node: Node, times: Times) -> Times:
    """When info series are looked at: where the expression's first selector looks."""
    from sql.promql.selection import children

    while True:
        if isinstance(node, MatrixSelector):
            node = node.selector
        if isinstance(node, (VectorSelector, Subquery)):
            times = ev.steps_of(node.shift, times)
        below = [part for part in children(node) if _has_selector(part)]
        if not below:
            return times
        node = below[0]


def _has_selector(node: Node) -> bool:
    from sql.promql.selection import children

    if isinstance(node, (VectorSelector, MatrixSelector)):
        return True
    return any(_has_selector(part) for part in children(node))


def _enriched(base: Frame, rows: list[int], infos: _Infos, optional: bool) -> Frame:
    """One series, as one row per combination of info series that describe it over time."""
    chosen = _chosen(rows, infos, base.present[0])
    combinations, which = np.unique(chosen, axis=1, return_inverse=True)
    parts = []
    for place in range(combinations.shape[1]):
        sources = [row for row in combinations[:, place].tolist() if row >= 0]
        added = _labels(base, sources, infos)
        if not added and not optional:
            continue
        labels = base.labels
        for name, value in added.items():
            labels = labels.put(name, LabelColumn.constant(value, 1))
        parts.append(replace(base, labels=labels).where((which.ravel() == place).reshape(1, -1)))
    return stacked(parts) if parts else Frame.nothing(base.columns)


def _chosen(rows: list[int], infos: _Infos, present: Marks) -> Rows:
    """Per metric name (rows) and step (columns) the newest info series, -1 for none.

    Raises: DbError(INVALID_ARGUMENT) if two of one name are equally new.
    """
    names = infos.labels.column(NAME)
    by_name: dict[int, list[int]] = {}
    for row in rows:
        by_name.setdefault(int(names.codes[row]), []).append(row)
    chosen = np.full((max(len(by_name), 1), infos.places.shape[1]), -1, np.int64)
    for place, members in enumerate(by_name.values()):
        found = np.array(members)
        there = infos.places[found] >= 0
        stamps = np.where(there, infos.stamps[found], np.iinfo(np.int64).min)
        newest = stamps.max(axis=0)
        ties = ((stamps == newest) & there).sum(axis=0)
        if ((ties > 1) & present).any():
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f"found duplicate series for info metric {names.values[names.codes[found[0]]]}",
            )
        best = found[stamps.argmax(axis=0)]
        chosen[place] = np.where(there.any(axis=0), best, -1)
    return chosen


def _labels(base: Frame, sources: list[int], infos: _Infos) -> dict[str, str]:
    """The labels that info series add. Raises: DbError(INVALID_ARGUMENT) if they disagree."""
    found: dict[str, str] = {}
    own = base.labels.rows()[0]
    for source in infos.labels.take(np.array(sources, np.int64)).rows():
        for name, value in source.items():
            if name == NAME or name in own:
                continue
            if infos.wanted is not None and name not in infos.wanted:
                continue
            if found.setdefault(name, value) != value:
                raise DbError(ErrorKind.INVALID_ARGUMENT, f"conflicting label: {name}")
    return found


HANDLERS: dict[str, Handler] = {"info": _info}
