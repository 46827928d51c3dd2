"""Rule files: what Prometheus takes is taken, any mistake is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.rules.files import RuleFileError, read_files

GOOD = """
groups:
- name: node
  interval: 30s
  query_offset: 1m
  limit: 10
  labels: {team: infra}
  rules:
  - record: instance:load:avg
    expr: avg by (instance) (load)
    labels: {kind: "yes"}
  - alert: Down
    expr: up == 0
    for: 5m
    keep_firing_for: 1h30m
    labels: {severity: page, always: yes}
    annotations:
      summary: "{{ $labels.instance }} is down"
- name: empty
"""


def test_groups_and_their_rules(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(GOOD)
    (tmp_path / "b.yml").write_text("groups: []")
    (tmp_path / "c.txt").write_text("not looked at")
    node, empty = read_files([f"{tmp_path}/*.yml"])
    assert (node.name, node.interval_ms, node.offset_ms, node.limit) == ("node", 30_000, 60_000, 10)
    record, alert = node.rules
    assert (record.name, record.is_alert) == ("instance:load:avg", False)
    assert record.labels == {"team": "infra", "kind": "yes"}
    assert (alert.name, alert.hold_ms, alert.keep_ms) == ("Down", 300_000, 5_400_000)
    assert alert.labels == {"team": "infra", "severity": "page", "always": "yes"}
    assert empty.rules == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("groups: {", "is not YAML"),
        ("rules: []", "unknown key 'rules'"),
        ("groups: x", "groups must be a list"),
        ("groups: [{rules: []}]", "a group has no name"),
        ("groups: [{name: a}, {name: a}]", '"a" is there twice'),
        ("groups: [{name: a, limit: many}]", "limit"),
        ("groups: [{name: a, interval: soon}]", "interval"),
        ("groups: [{name: a, rules: [{expr: up}]}]", "either record or alert"),
        ("groups: [{name: a, rules: [{record: x, alert: y, expr: up}]}]", "either record or alert"),
        ("groups: [{name: a, rules: [{record: 'x y', expr: up}]}]", "no name of a metric"),
        ("groups: [{name: a, rules: [{record: x}]}]", "expr is missing"),
        ("groups: [{name: a, rules: [{record: x, expr: 'up{'}]}]", 'rule "x": expr'),
        ("groups: [{name: a, rules: [{record: x, expr: 'up[5m]'}]}]", "instant vector"),
        ("groups: [{name: a, rules: [{record: x, expr: up, for: 5m}]}]", "alerting rules only"),
        ("groups: [{name: a, rules: [{alert: x, expr: up, labels: {__name__: y}}]}]", "as a label"),
        ("groups: [{name: a, rules: [{alert: x, expr: up, labels: {y: [1]}}]}]", "must be a text"),
        ("groups: [{name: a, rules: [{alert: x, expr: up, labels: {y: '{{ }'}}]}]", "closed"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.yml").write_text(text)
    with pytest.raises(RuleFileError) as caught:
        read_files([str(tmp_path / "bad.yml")])
    assert words in str(caught.value)
    assert "bad.yml" in str(caught.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RuleFileError, match=r"none\.yml: No such file"):
        read_files([str(tmp_path / "none.yml")])
