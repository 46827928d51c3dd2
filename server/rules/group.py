"""One group of rules: evaluated in order at one time, its results stored, its alerts kept.

Made by rules.py, which says when. What a rule found before and no longer finds is ended by
staleness markers, so that nobody looks back at it.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from time import perf_counter

import numpy as np

from engine.errors import DbError
from server.rules.alerts import (
    FOR_STATE,
    GRACE_MS,
    Alert,
    AlertingRule,
    DuplicateAlertError,
    Key,
    LimitError,
    key_of,
)
from server.rules.files import Rule, RuleGroup
from server.rules.template import Sample, Surroundings
from sql.ingest.ingest import Ingest
from sql.ingest.samples import Row, tables_of_samples
from sql.promql.labels import NAME
from sql.promql.model import STALE_BITS, Kind, Match, Matcher, Result
from sql.promql.tasks import Evaluate, ReadSeries
from sql.session import SessionApi

_LOG = logging.getLogger(__name__)
_LOOKBACK_MS = 300_000
_RESTORE_MS = 3_600_000  # a longer outage is not made up for
(STALE,) = struct.unpack("<d", struct.pack("<Q", STALE_BITS))

Connect = Callable[[], SessionApi]


@dataclass(frozen=True)
class Outside:
    """What a server tells its alerts of itself."""

    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""


@dataclass
class RuleState:
    """One rule and what became of it. `alerts` is None for recording rules."""

    rule: Rule
    alerts: AlertingRule | None
    health: str = "unknown"  # then ok or err
    error: str = ""
    seconds: float = 0.0
    evaluated_ms: int = 0
    written: frozenset[Key] = frozenset()  # the series of the last evaluation


class GroupState:
    """A group while the server runs. Any thread may read; one evaluates at a time."""

    def __init__(self, group: RuleGroup, connect: Connect, outside: Outside) -> None:
        # Constant after construction.
        self.group = group
        self._connect = connect
        self._outside = outside
        # Guarded by lock; the rules' states are changed only while it is held.
        self.lock = Lock()
        self.rules = [RuleState(r, AlertingRule(r) if r.is_alert else None) for r in group.rules]
        self.evaluated_ms = 0
        self.seconds = 0.0

    def take_over(self, before: GroupState) -> None:
        """Goes on with the alerts and series of the same rules of a group that is replaced."""
        with before.lock:
            left = list(before.rules)
            for place, state in enumerate(self.rules):
                same = next((one for one in left if one.rule == state.rule), None)
                if same is not None:
                    left.remove(same)
                    self.rules[place] = same
            self.evaluated_ms, self.seconds = before.evaluated_ms, before.seconds

    def evaluate(self, now_ms: int) -> list[tuple[Rule, list[Alert]]]:
        """Runs all rules as of a time; returns the alerts to be sent. A rule that fails is noted.

        Raises: DbError if there is no session to be had.
        """
        started = perf_counter()
        session = self._connect()
        try:
            with self.lock:
                found = [(state.rule, self._run(session, state, now_ms)) for state in self.rules]
                self.evaluated_ms, self.seconds = now_ms, perf_counter() - started
                return found
        finally:
            session.close()

    def _run(self, session: SessionApi, state: RuleState, now_ms: int) -> list[Alert]:
        started = perf_counter()
        state.evaluated_ms = now_ms
        try:
            found = self._evaluated(session, state, now_ms)
            state.health, state.error = "ok", ""
        except (DbError, DuplicateAlertError, LimitError) as error:
            state.health = "err"
            state.error = error.message if isinstance(error, DbError) else str(error)
            _LOG.warning("rule %s of group %s: %s", state.rule.name, self.group.name, state.error)
            found = []
        state.seconds = perf_counter() - started
        return found

    def _evaluated(self, session: SessionApi, state: RuleState, now_ms: int) -> list[Alert]:
        at = now_ms - self.group.offset_ms
        result = _ask(session, state.rule.query, at)
        if state.alerts is None:
            self._store(session, state, _recorded(state.rule, result, self.group.limit), at)
            return []
        query = _Querying(session, at)
        outside = self._outside
        around = Surroundings(
            external_labels=outside.external_labels, external_url=outside.external_url, query=query
        )
        alerts = state.alerts
        alerts.update(_samples(result), now_ms, around, self.group.limit)
        if not alerts.is_restored:
            alerts.restore(_spent(session, state.rule, now_ms), now_ms)
        self._store(session, state, list(alerts.series()), at)
        return alerts.to_send(now_ms)

    def _store(
        self, session: SessionApi, state: RuleState, rows: Sequence[Row], time_ms: int
    ) -> None:
        keys = frozenset(key_of(labels) for labels, _ in rows)
        ended = [(dict(key), STALE) for key in sorted(state.written - keys)]
        if rows or ended:
            tables = tables_of_samples([*rows, *ended], time_ms)
            session.run(Ingest(tables, text=f"RULE {state.rule.name}"))
        state.written = keys


@dataclass(frozen=True)
class _Querying:
    """Queries of templates, at the time of the evaluation."""

    session: SessionApi
    time_ms: int

    def __call__(self, text: str) -> list[Sample]:
        """Raises: DbError."""
        return _samples(_ask(self.session, text, self.time_ms))


def _ask(session: SessionApi, query: str, time_ms: int) -> Result:
    return session.run(Evaluate(query, time_ms, time_ms, 0, _LOOKBACK_MS, 1))


def _samples(result: Result) -> list[Sample]:
    """The floats of an instant query's result."""
    if result.kind is Kind.SCALAR:
        return [Sample({}, float(result.values[0, -1]))]
    values = result.values[:, -1].tolist()
    rows = zip(result.labels.rows(), values, strict=True)
    return [Sample(labels, value) for labels, value in rows]


def _recorded(rule: Rule, result: Result, limit: int) -> list[Row]:
    """The series a recording rule makes. Raises: DuplicateAlertError, LimitError."""
    histograms = None if result.histograms is None else result.histograms[:, -1]
    rows: list[Row] = []
    for place, sample in enumerate(_samples(result)):
        labels = {**sample.labels, **rule.labels, NAME: rule.name}
        labels = {name: value for name, value in labels.items() if value}
        found = None if histograms is None else histograms[place]
        rows.append((labels, sample.value if found is None else found))
    if len({key_of(labels) for labels, _ in rows}) < len(rows):
        raise DuplicateAlertError(
            "vector contains metrics with the same labelset after applying rule labels"
        )
    if limit and len(rows) > limit:
        raise LimitError(f"exceeded limit of {limit} with {len(rows)} series")
    return rows


def _spent(session: SessionApi, rule: Rule, now_ms: int) -> dict[Key, tuple[int, int]]:
    """What was stored of a rule's alerts before the server was last stopped."""
    if rule.hold_ms < GRACE_MS:
        return {}  # there would be nothing to gain
    matchers = (
        Matcher(NAME, Match.EQUAL, FOR_STATE),
        Matcher("alertname", Match.EQUAL, rule.name),
    )
    found = session.run(ReadSeries(matchers, now_ms - _RESTORE_MS, now_ms - 1))
    samples = found.samples
    spent = {}
    for row, labels in enumerate(found.labels.rows()):
        part = slice(int(samples.offsets[row]), int(samples.offsets[row + 1]))
        values, times = samples.values[part], samples.times[part]
        known = np.flatnonzero(~np.isnan(values))
        if len(known):
            del labels[NAME]
            last = int(known[-1])
            spent[key_of(labels)] = int(times[last]), int(values[last]) * 1000
    return spent
