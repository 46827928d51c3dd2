"""Health, status, metrics, configuration, authentication and origins."""

from __future__ import annotations

import base64
import tomllib
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.auth.users import UsersFile, lines


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def users(tmp_path: Path) -> UsersFile:
    path = tmp_path / "users"
    path.write_text("\n".join([*lines("ann", "sécret"), "bob=plain:pw"]) + "\n")
    return UsersFile(path)


async def test_health_and_readiness(http: Any) -> None:
    for path in ("/health", "/v1/health", "/ready"):
        answer = await http.client.get(path)
        assert (answer.status_code, answer.json()) == (200, {})
    assert (await http.client.post("/health")).json() == {}


async def test_status_tells_the_version(http: Any) -> None:
    assert (await http.client.get("/status")).json()["version"] == "1.2.3"


async def test_status_tells_whether_kernels_are_ready(
    http: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for is_ready in (False, True):
        monkeypatch.setattr("engine.jit.is_warm", lambda is_ready=is_ready: is_ready)
        assert (await http.client.get("/status")).json()["kernels_ready"] is is_ready


async def test_config_is_the_effective_configuration(http: Any) -> None:
    answer = await http.client.get("/config")
    assert tomllib.loads(answer.text)["listen"]["postgres"] == "127.0.0.1:4003"


async def test_metrics_count_statements_rows_and_requests(http: Any) -> None:
    await http.sql("SELECT * FROM range(7); SELECT 1")
    await http.sql("FAIL UNDEFINED_TABLE missing")
    answer = await http.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert samples["gnomon_statements_total", "http", "ok"] == 2
    assert samples["gnomon_statements_total", "http", "undefined_table"] == 1
    assert samples["gnomon_rows_sent_total", "http"] == 8
    assert samples["gnomon_statement_seconds_count", "http"] == 3
    assert samples["gnomon_connections", "http"] == 0
    assert samples["gnomon_connections_opened_total", "http"] == 2
    assert samples["gnomon_http_requests_total", "/v1/sql", "200"] == 1
    assert samples["gnomon_http_requests_total", "/v1/sql", "400"] == 1
    assert samples["gnomon_http_bytes_total", "out"] > 100
    assert samples["process_resident_memory_bytes",] > 0


async def test_an_unknown_path_is_an_error_in_our_shape(http: Any) -> None:
    answer = await http.client.get("/nowhere")
    assert answer.status_code == 404
    assert "/nowhere" in answer.json()["error"]
    assert (await http.client.delete("/v1/sql")).status_code == 405


async def test_users_need_their_password(build: Any, users: UsersFile) -> None:
    http = await build(users=users)
    assert (await http.sql("SELECT 1")).status_code == 401
    cases = {
        basic("ann", "sécret"): 200,
        basic("bob", "pw"): 200,
        basic("bob", "PW"): 401,
        basic("nobody", "pw"): 401,
        "Basic !!!": 401,
        "Bearer abc": 401,
    }
    for header in ("authorization", "x-greptime-auth"):
        for value, status in cases.items():
            answer = await http.client.post(
                "/v1/sql", data={"sql": "SELECT 1"}, headers={header: value}
            )
            assert answer.status_code == status, value
            if status == 401:
                assert answer.json()["code"] in (7000, 7002)
                assert answer.headers["www-authenticate"].startswith("Basic")
    assert [client.user for client in http.database.clients] == ["ann", "bob"] * 2


async def test_a_wrong_password_and_an_unknown_user_look_the_same(
    build: Any, users: UsersFile
) -> None:
    http = await build(users=users)
    texts = []
    for name in ("ann", "eve"):
        header = {"authorization": basic(name, "wrong")}
        answer = await http.client.post("/v1/sql", data={"sql": "SELECT 1"}, headers=header)
        texts.append(answer.json()["error"].replace(name, "…") + str(answer.json()["code"]))
    assert texts[0] == texts[1]


async def test_what_needs_no_password(build: Any, users: UsersFile) -> None:
    http = await build(users=users)
    for path in ("/health", "/ready", "/status", "/metrics"):
        assert (await http.client.get(path)).status_code == 200
    assert (await http.client.get("/config")).status_code == 401


async def test_without_users_a_name_is_taken_as_given(http: Any) -> None:
    header = {"authorization": basic("ann", "anything")}
    await http.client.post("/v1/sql", data={"sql": "SELECT 1"}, headers=header)
    await http.sql("SELECT 1")
    assert [client.user for client in http.database.clients] == ["ann", "gnomon"]


async def test_a_foreign_web_page_is_refused(build: Any) -> None:
    http = await build()
    for origin, status in {
        "https://evil.example": 403,
        "null": 403,
        "http://test": 200,  # the server's own pages
    }.items():
        headers = {"origin": origin}
        answer = await http.client.post("/v1/sql", data={"sql": "SELECT 1"}, headers=headers)
        assert answer.status_code == status, origin


async def test_named_origins_are_welcome(build: Any) -> None:
    http = await build(http_origins=("https://ui.example",))
    headers = {"origin": "https://ui.example", "access-control-request-method": "POST"}
    preflight = await http.client.options("/v1/sql", headers=headers)
    assert preflight.headers["access-control-allow-origin"] == "https://ui.example"
    answer = await http.client.post("/v1/sql", data={"sql": "SELECT 1"}, headers=headers)
    assert answer.headers["access-control-allow-origin"] == "https://ui.example"
    other = await http.client.get("/health", headers={"origin": "https://evil.example"})
    assert other.status_code == 403
