"""One alerting rule's alerts and how they live: pending, firing, resolved.

Owned by one group and used by its evaluation alone. It reads and writes no data itself: what it
says is stored (`series`) and sent (`to_send`) by others.
https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from server.rules.files import Rule
from server.rules.template import Sample, Surroundings, TemplateError
from sql.promql.labels import NAME

ALERTS = "ALERTS"
FOR_STATE = "ALERTS_FOR_STATE"
RESOLVED_KEPT_MS = 15 * 60_000  # how long a resolved alert is told of again
RESEND_MS = 60_000
GRACE_MS = 600_000  # a pending alert restored after a restart fires no sooner than this

Labels = Mapping[str, str]
Key = tuple[tuple[str, str], ...]


class State(Enum):
    """Where an alert stands, in the API's words."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


@dataclass
class Alert:
    """One alert. Times are milliseconds, 0 for never."""

    labels: Labels
    annotations: Labels
    value: float
    active_ms: int
    state: State = State.PENDING
    fired_ms: int = 0
    resolved_ms: int = 0
    kept_since_ms: int = 0
    sent_ms: int = 0

    def must_be_sent(self, now_ms: int) -> bool:
        """True if the Alertmanager has to hear of it (again)."""
        if self.state is State.PENDING:
            return False
        if self.resolved_ms > self.sent_ms:
            return True
        return self.sent_ms + RESEND_MS <= now_ms


class DuplicateAlertError(Exception):
    """Two results of a rule have the same labels once the rule's own are added."""


@dataclass
class AlertingRule:
    """The alerts of a rule."""

    rule: Rule
    active: dict[Key, Alert] = field(default_factory=dict)
    is_restored: bool = False

    def update(
        self, found: Sequence[Sample], now_ms: int, surroundings: Surroundings, limit: int
    ) -> None:
        """Takes the results of an evaluation. Raises: DuplicateAlertError, LimitError."""
        fresh: dict[Key, Alert] = {}
        for sample in found:
            alert = self._alert(sample, now_ms, surroundings)
            key = key_of(alert.labels)
            if key in fresh:
                raise DuplicateAlertError(
                    "vector contains metrics with the same labelset after applying alert labels"
                )
            fresh[key] = alert
        for key, alert in fresh.items():
            known = self.active.get(key)
            if known is None or known.state is State.INACTIVE:
                self.active[key] = alert
            else:
                known.value, known.annotations = alert.value, alert.annotations
        for key, known in list(self.active.items()):
            self._advance(key, known, key in fresh, now_ms)
        held = sum(alert.state is not State.INACTIVE for alert in self.active.values())
        if limit and held > limit:
            self.active = {}
            raise LimitError(f"exceeded limit of {limit} with {held} alerts")

    def _advance(self, key: Key, alert: Alert, is_there: bool, now_ms: int) -> None:
        if not is_there and not self._is_kept(alert, now_ms):
            is_old = alert.resolved_ms and now_ms - alert.resolved_ms > RESOLVED_KEPT_MS
            if alert.state is State.PENDING or is_old:
                del self.active[key]
            elif alert.state is State.FIRING:
                alert.state, alert.resolved_ms = State.INACTIVE, now_ms
            return
        if is_there:
            alert.kept_since_ms = 0
        if alert.state is State.PENDING and now_ms - alert.active_ms >= self.rule.hold_ms:
            alert.state, alert.fired_ms = State.FIRING, now_ms

    def _is_kept(self, alert: Alert, now_ms: int) -> bool:
        """True for a firing alert that goes on firing although its condition has ended."""
        if not self.rule.keep_ms or alert.state is not State.FIRING:
            return False
        alert.kept_since_ms = alert.kept_since_ms or now_ms
        return now_ms - alert.kept_since_ms < self.rule.keep_ms

    def _alert(self, sample: Sample, now_ms: int, surroundings: Surroundings) -> Alert:
        own = {name: value for name, value in sample.labels.items() if name != NAME}
        inner = Surroundings(
            sample.labels,
            sample.value,
            surroundings.external_labels,
            surroundings.external_url,
            surroundings.query,
        )
        added = self._expanded(self.rule.labels, inner)
        labels = {**own, **added, "alertname": self.rule.name}
        labels = {name: value for name, value in sorted(labels.items()) if value}
        return Alert(labels, self._expanded(self.rule.annotations, inner), sample.value, now_ms)

    def _expanded(self, texts: Labels, surroundings: Surroundings) -> dict[str, str]:
        return {name: self._text(text, surroundings) for name, text in texts.items()}

    def _text(self, text: str, surroundings: Surroundings) -> str:
        try:
            return self.rule.templates[text].expand(surroundings)
        except TemplateError as error:
            return f"<error expanding template: {error}>"

    def restore(self, spent: Mapping[Key, tuple[int, int]], now_ms: int) -> None:
        """Takes up how long alerts had been pending before a restart.

        `spent`: by labels, the time of the last stored state and since when it was active then.
        """
        self.is_restored = True
        for key, alert in self.active.items():
            if key not in spent:
                continue
            down_ms, active_ms = spent[key]
            left = self.rule.hold_ms - (down_ms - active_ms)
            if left <= 0:
                alert.active_ms = active_ms
            elif left < GRACE_MS:
                alert.active_ms = now_ms + GRACE_MS - self.rule.hold_ms
            else:
                alert.active_ms = active_ms + now_ms - down_ms
            if alert.state is State.FIRING and now_ms - alert.active_ms < self.rule.hold_ms:
                alert.state, alert.fired_ms = State.PENDING, 0

    def present(self) -> list[Alert]:
        """Alerts that are pending or firing."""
        return [alert for alert in self.active.values() if alert.state is not State.INACTIVE]

    @property
    def state(self) -> State:
        """The most urgent state of its alerts."""
        states = {alert.state for alert in self.active.values()}
        return next((s for s in (State.FIRING, State.PENDING) if s in states), State.INACTIVE)

    def series(self) -> Iterator[tuple[Labels, float]]:
        """What is stored of the alerts that are there: their state, and since when."""
        for alert in self.present():
            yield {**alert.labels, NAME: ALERTS, "alertstate": alert.state.value}, 1.0
            yield {**alert.labels, NAME: FOR_STATE}, alert.active_ms // 1000

    def to_send(self, now_ms: int) -> list[Alert]:
        """Alerts the Alertmanager has to hear of; they count as sent."""
        found = [alert for alert in self.active.values() if alert.must_be_sent(now_ms)]
        for alert in found:
            alert.sent_ms = now_ms
        return found


class LimitError(Exception):
    """A rule gives more series than its group allows."""


def key_of(labels: Labels) -> Key:
    """What tells alerts apart."""
    return tuple(sorted(labels.items()))
