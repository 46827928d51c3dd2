"""Rule files of Prometheus: read, checked whole, and turned into plain objects.

Called when the server starts and whenever a file changes. A file with any mistake gives no groups.
https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from engine.errors import DbError
from server.rules.template import Template, TemplateError
from sql.durations import parse_promql
from sql.promql.check import check
from sql.promql.labels import NAME
from sql.promql.parser import parse
from sql.promql.tree import Type

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_GROUP_KEYS = frozenset({"name", "interval", "query_offset", "limit", "labels", "rules"})
_RULE_KEYS = frozenset({"expr", "labels"})
_ALERT_KEYS = _RULE_KEYS | {"alert", "for", "keep_firing_for", "annotations"}

Texts = Mapping[str, str]


class RuleFileError(Exception):
    """A rule file that cannot be used; the message names file, group, rule and remedy."""


@dataclass(frozen=True)
class Rule:
    """One recording or alerting rule. Lengths of time are milliseconds.

    Attributes:
        name: of the metric that is recorded, or of the alert.
        annotations, hold_ms, keep_ms: of alerts only; `hold_ms` is `for`, `keep_ms` is
            `keep_firing_for`.
        templates: the labels' and annotations' texts, parsed, by text.
    """

    name: str
    query: str
    is_alert: bool = False
    labels: Texts = field(default_factory=dict)
    annotations: Texts = field(default_factory=dict)
    hold_ms: int = 0
    keep_ms: int = 0
    templates: Mapping[str, Template] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class RuleGroup:
    """Rules that are evaluated together, one after the other, at the same time.

    Attributes:
        interval_ms: 0 for the server's own.
        offset_ms: how far in the past the queries are evaluated.
        limit: the most series of one rule, 0 for any number.
    """

    name: str
    file: str
    rules: tuple[Rule, ...]
    interval_ms: int = 0
    offset_ms: int = 0
    limit: int = 0


def read_files(patterns: Sequence[str]) -> list[RuleGroup]:
    """The groups of all files, in order of their names. Raises: RuleFileError."""
    return [group for path in paths_of(patterns) for group in read_file(path)]


def paths_of(patterns: Sequence[str]) -> list[Path]:
    """The files some patterns mean now; `*` stands in the last part of a path only."""
    found: set[Path] = set()
    for pattern in patterns:
        path = Path(pattern)
        found |= set(path.parent.glob(path.name)) if "*" in path.name else {path}
    return sorted(found)


def read_file(path: Path) -> list[RuleGroup]:
    """The groups of one file. Raises: RuleFileError."""
    try:
        # Every scalar stays the text it is, as Prometheus takes it: `yes` is no truth value here.
        document = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    except OSError as error:
        raise RuleFileError(f"cannot read rule file {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RuleFileError(f"{path} is not YAML: {error}") from None
    try:
        return groups_of(document, str(path))
    except RuleFileError as error:
        raise RuleFileError(f"{path}: {error}") from None


def groups_of(document: Any, file: str) -> list[RuleGroup]:
    """The groups of a file's content. Raises: RuleFileError."""
    if document is None:
        return []
    body = _mapping(document, "the file", frozenset({"groups"}))
    groups = [_group(one, file) for one in _list(body.get("groups"), "groups")]
    names = [group.name for group in groups]
    for name in names:
        if names.count(name) > 1:
            raise RuleFileError(f'the group "{name}" is there twice')
    return groups


def _group(given: Any, file: str) -> RuleGroup:
    body = _mapping(given, "a group", _GROUP_KEYS)
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise RuleFileError("a group has no name")
    where = f'group "{name}"'
    limit = body.get("limit") or "0"
    if not isinstance(limit, str) or not limit.isdecimal():
        raise RuleFileError(f"{where}: limit {limit!r} is not a number of series")
    shared = _texts(body.get("labels"), f"{where}: labels")
    rules = [_rule(one, shared, where) for one in _list(body.get("rules"), f"{where}: rules")]
    return RuleGroup(
        name,
        file,
        tuple(rules),
        _duration(body, "interval", where),
        _duration(body, "query_offset", where),
        int(limit),
    )


def _rule(given: Any, shared: Texts, where: str) -> Rule:
    body = _mapping(given, f"{where}: a rule", _ALERT_KEYS | {"record"})
    kinds = [key for key in ("record", "alert") if body.get(key)]
    if len(kinds) != 1:
        raise RuleFileError(f"{where}: a rule has either record or alert")
    is_alert = kinds == ["alert"]
    name = str(body[kinds[0]])
    where = f'{where}: rule "{name}"'
    if not is_alert:
        wrong = sorted(set(body) - _RULE_KEYS - {"record"})
        if wrong:
            raise RuleFileError(f"{where}: {wrong[0]} belongs to alerting rules only")
        if not _METRIC.fullmatch(name):
            raise RuleFileError(f"{where}: this is no name of a metric")
    labels = {**shared, **_texts(body.get("labels"), f"{where}: labels")}
    for label in labels:
        if not label or label == NAME:
            raise RuleFileError(f'{where}: "{label}" cannot be set as a label')
    annotations = _texts(body.get("annotations"), f"{where}: annotations")
    texts = {*labels.values(), *annotations.values()} if is_alert else set()
    return Rule(
        name,
        _query(body.get("expr"), where),
        is_alert,
        labels,
        annotations,
        _duration(body, "for", where),
        _duration(body, "keep_firing_for", where),
        {text: _template(text, where) for text in texts},
    )


def _query(given: Any, where: str) -> str:
    text = given if isinstance(given, str) else ""
    if not text.strip():
        raise RuleFileError(f"{where}: expr is missing")
    try:
        kind = check(parse(text))
    except DbError as error:
        raise RuleFileError(f"{where}: expr: {error.message}") from None
    if kind not in (Type.VECTOR, Type.SCALAR):
        raise RuleFileError(f"{where}: expr is a {kind.value}, an instant vector is needed")
    return text


def _template(text: str, where: str) -> Template:
    try:
        return Template(text)
    except TemplateError as error:
        raise RuleFileError(f"{where}: {text!r}: {error}") from None


# --- YAML -----------------------------------------------------------------------------------------


def _mapping(given: Any, what: str, known: frozenset[str]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise RuleFileError(f"{what} must be a mapping")
    for key in given:
        if key not in known:
            raise RuleFileError(
                f"{what} has an unknown key {key!r}; known: {', '.join(sorted(known))}"
            )
    return given


def _list(given: Any, what: str) -> list[Any]:
    if given in (None, ""):
        return []
    if not isinstance(given, list):
        raise RuleFileError(f"{what} must be a list")
    return given


def _texts(given: Any, what: str) -> dict[str, str]:
    if given in (None, ""):
        return {}
    if not isinstance(given, dict):
        raise RuleFileError(f"{what} must be a mapping of texts")
    for key, value in given.items():
        if not isinstance(value, str):
            raise RuleFileError(f"{what}: {key} must be a text")
    return given


def _duration(body: Mapping[str, Any], key: str, where: str) -> int:
    given = body.get(key) or "0"
    if not isinstance(given, str):
        raise RuleFileError(f"{where}: {key} must be a duration")
    if not given.strip("0smhdwy"):
        return 0
    try:
        return parse_promql(given)
    except DbError as error:
        raise RuleFileError(f"{where}: {key}: {error.message}") from None
