"""Paths, methods and failures that no endpoint sees."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from server.http.supervise import UNWATCHED_SECONDS


async def test_a_path_with_a_slash_too_many_is_sent_on(http: Any) -> None:
    answer = await http.client.get("/v1/sql/?sql=SELECT")
    assert answer.status_code == 307
    assert answer.headers["location"] == "http://test/v1/sql?sql=SELECT"
    assert (await http.client.get("/nowhere/")).status_code == 404


async def test_a_wrong_method_names_the_right_ones(http: Any) -> None:
    answer = await http.client.delete("/v1/prometheus/write")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.json()["error"] == "DELETE /v1/prometheus/write: Method Not Allowed"


async def test_requests_are_counted_by_route_and_status(http: Any) -> None:
    for path in ("/v1/prometheus/api/v1/label/a/values", "/health", "/health", "/nowhere"):
        await http.client.get(path)
    text = (await http.client.get("/metrics")).text
    label = "/v1/prometheus/api/v1/label/{name}/values"
    assert f'gnomon_http_requests_total{{route="{label}",status="' in text
    assert 'gnomon_http_requests_total{route="/health",status="200"} 2.0' in text
    assert 'gnomon_http_requests_total{route="other",status="404"} 1.0' in text


async def test_what_an_endpoint_fails_to_catch_is_answered(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server.http import app

    async def broken(request: Request) -> Response:
        raise ZeroDivisionError

    routes = [route for route in app.ROUTES if route.path == "/health"]
    monkeypatch.setattr(routes[0], "endpoint", broken)
    house = await build()
    answer = await house.client.get("/health")
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("internal error: ZeroDivisionError")


async def test_a_timeout_shorter_than_the_unwatched_time_is_kept(http: Any) -> None:
    header = {"x-greptime-timeout": f"{int(UNWATCHED_SECONDS * 500)}ms"}
    sql = "SELECT count(*) FROM range(200000) a, range(200000) b WHERE a.range + b.range < 0"
    answer = await http.client.post("/v1/sql", data={"sql": sql}, headers=header)
    assert answer.status_code == 504, answer.text
