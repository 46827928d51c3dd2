"""Endpoints of the Prometheus API about rules and their alerts.

https://prometheus.io/docs/prometheus/latest/querying/api/#rules
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from server.http.auth import authenticate
from server.http.context import context_of
from server.http.prometheus.answers import as_json, bad_data, data_body, success
from server.http.prometheus.api import guarded
from server.http.prometheus.parameters import Parameters, read_parameters
from server.rules.alerts import Alert
from server.rules.group import GroupState, RuleState
from server.rules.notify import moment
from sql.promql.model import Matcher
from sql.promql.source_series import matches
from sql.promql.tasks import selector_matchers

_KINDS = {"": (False, True), "alert": (True,), "record": (False,)}


def _data(value: object) -> Response:
    return success(data_body(as_json(value)))


@guarded
async def rules(request: Request) -> Response:
    """The groups with their rules, and what became of them."""
    await authenticate(request)
    given = await read_parameters(request)
    wanted = _wanted(given)
    found = context_of(request).rules
    groups = [] if found is None else found.groups()
    shown = [
        one
        for state in groups
        if found is not None and (one := _group(state, wanted, found.interval_ms(state.group)))
    ]
    return _data(_page(shown, given))


@guarded
async def alerts(request: Request) -> Response:
    """The alerts that are pending or firing."""
    await authenticate(request)
    found = context_of(request).rules
    shown = []
    for state in [] if found is None else found.groups():
        with state.lock:
            kept = [rule.alerts for rule in state.rules if rule.alerts is not None]
            shown += [_alert(one) for alerts in kept for one in alerts.present()]
    return _data({"alerts": shown})


@guarded
async def alertmanagers(request: Request) -> Response:
    """Where alerts are sent."""
    await authenticate(request)
    found = context_of(request).rules
    urls = [] if found is None else found.notifier.addresses
    active = [{"url": url} for url in urls]
    return _data({"activeAlertmanagers": active, "droppedAlertmanagers": []})


@dataclass(frozen=True)
class _Wanted:
    """What a request for rules narrows them to; empty: everything."""

    kinds: tuple[bool, ...]  # is_alert
    names: Sequence[str]
    groups: Sequence[str]
    files: Sequence[str]
    selectors: Sequence[Sequence[Matcher]]
    with_alerts: bool

    def takes(self, state: RuleState) -> bool:
        """True for a rule that is wanted."""
        rule = state.rule
        if rule.is_alert not in self.kinds or (self.names and rule.name not in self.names):
            return False
        return not self.selectors or any(
            all(bool(matches([rule.labels.get(m.name, "")], m)[0]) for m in one)
            for one in self.selectors
        )


def _wanted(given: Parameters) -> _Wanted:
    """Raises: DbError SYNTAX."""
    kind = given.text("type").lower()
    if kind not in _KINDS:
        raise bad_data("type", f"not supported value {kind!r}")
    return _Wanted(
        _KINDS[kind],
        given.texts("rule_name[]"),
        given.texts("rule_group[]"),
        given.texts("file[]"),
        [selector_matchers(text) for text in given.texts("match[]")],
        given.text("exclude_alerts").lower() not in ("true", "1", "t"),
    )


def _page(groups: list[dict[str, Any]], given: Parameters) -> dict[str, Any]:
    """Some groups at a time: group_limit of them after the one group_next_token names."""
    text, token = given.text("group_limit"), given.text("group_next_token")
    if not text:
        return {"groups": groups}
    if not text.isdecimal() or int(text) == 0:
        raise bad_data("group_limit", "a number above 0 is needed")
    tokens = [f"{group['file']};{group['name']}" for group in groups]
    if token and token not in tokens:
        raise bad_data("group_next_token", "there is no such group any more")
    first = tokens.index(token) if token else 0
    end = first + int(text)
    page: dict[str, Any] = {"groups": groups[first:end]}
    if end < len(groups):
        page["groupNextToken"] = tokens[end]
    return page


def _group(state: GroupState, wanted: _Wanted, interval_ms: int) -> dict[str, Any] | None:
    """None if no rule of the group is wanted."""
    group = state.group
    if wanted.groups and group.name not in wanted.groups:
        return None
    if wanted.files and group.file not in wanted.files:
        return None
    with state.lock:
        rules = [_rule(one, wanted) for one in state.rules if wanted.takes(one)]
        if not rules:
            return None
        return {
            "name": group.name,
            "file": group.file,
            "rules": rules,
            "interval": interval_ms / 1000,
            "limit": group.limit,
            "evaluationTime": state.seconds,
            "lastEvaluation": moment(state.evaluated_ms),
        }


def _rule(state: RuleState, wanted: _Wanted) -> dict[str, Any]:
    rule = state.rule
    shown: dict[str, Any] = {
        "name": rule.name,
        "query": rule.query,
        "labels": dict(rule.labels),
        "health": state.health,
        "evaluationTime": state.seconds,
        "lastEvaluation": moment(state.evaluated_ms),
    }
    if state.error:
        shown["lastError"] = state.error
    if state.alerts is None:
        return {**shown, "type": "recording"}
    alerts = [_alert(one) for one in state.alerts.present()] if wanted.with_alerts else []
    return {
        **shown,
        "state": state.alerts.state.value,
        "duration": rule.hold_ms / 1000,
        "keepFiringFor": rule.keep_ms / 1000,
        "annotations": dict(rule.annotations),
        "alerts": alerts,
        "type": "alerting",
    }


def _alert(alert: Alert) -> dict[str, Any]:
    shown = {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "state": alert.state.value,
        "activeAt": moment(alert.active_ms),
        "value": exponent(alert.value),
    }
    if alert.kept_since_ms:
        shown["keepFiringSince"] = moment(alert.kept_since_ms)
    return shown


def exponent(value: float) -> str:
    """A number as the API writes an alert's: shortest digits, always with an exponent.

    >>> exponent(1.0), exponent(0.05)
    ('1e+00', '5e-02')
    """
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    return np.format_float_scientific(value, trim="-", exp_digits=2)
