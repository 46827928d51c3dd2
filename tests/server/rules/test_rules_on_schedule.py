"""A server with rule files: they are evaluated by themselves; bad ones stop the start."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from fix_server import RunningServer, ServerError
from patience import wait_until

FILE = "groups: [{name: g, rules: [{record: answer, expr: 'vector(42)'}]}]"


def data(server: RunningServer, path: str) -> Any:
    with urllib.request.urlopen(f"{server.http_url}/v1/prometheus/api/v1/{path}") as answer:
        return json.load(answer)["data"]


@pytest.mark.slow
def test_rules_are_evaluated_and_read_again_when_their_file_changes(
    server_factory: Any, tmp_path: Path
) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(FILE)
    server = server_factory.start("--rule-files", f"{tmp_path}/*.yml", "--rule-interval", "1s")
    wait_until(lambda: bool(data(server, "query?query=answer")["result"]))
    assert data(server, "query?query=answer")["result"][0]["value"][1] == "42"
    path.write_text("groups: [{name: g, rules: [{record: 'not this', expr: up}]}]")
    wait_until(lambda: "no name of a metric" in server.log())
    path.write_text(FILE.replace("answer", "question"))
    wait_until(lambda: bool(data(server, "query?query=question")["result"]))
    assert server.stop() == 0


@pytest.mark.slow
def test_a_server_with_bad_rules_does_not_start(server_factory: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text("groups: [{name: g, rules: [{expr: up}]}]")
    with pytest.raises(ServerError, match="either record or alert") as caught:
        server_factory.start("--rule-files", str(tmp_path / "bad.yml"))
    assert caught.value.code in (1, 2)  # it has ended by itself
