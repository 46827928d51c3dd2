"""Endpoints of the Prometheus API about the server, and those that only look at a query's text.

Grafana asks some of them to find out what it talks to. Nothing is scraped here: no targets.
"""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from engine.errors import DbError
from server.http.auth import authenticate
from server.http.context import context_of
from server.http.prometheus.answers import as_json, data_body, located, success
from server.http.prometheus.api import guarded, run
from server.http.prometheus.parameters import now_ms, read_parameters
from sql.promql.check import check
from sql.promql.parser import parse
from sql.promql.printer import as_object, pretty
from sql.promql.remarks import Metadata
from sql.promql.tasks import LabelValues
from sql.session import SessionApi

# The version of Prometheus whose API this is; clients choose their requests by it.
API_VERSION = "3.0.0"


def _data(value: object) -> Response:
    return success(data_body(as_json(value)))


@guarded
async def build_info(request: Request) -> Response:
    """Which Prometheus this behaves like, and who we are."""
    revision = f"gnomon-{context_of(request).version}"
    return _data(
        {
            "version": API_VERSION,
            "revision": revision,
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
            "application": "Gnomon",
        }
    )


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


@guarded
async def runtime_info(request: Request) -> Response:
    """The little of it that has a meaning here."""
    await authenticate(request)
    now, started = _moment(now_ms()), _moment(request.app.state.started_ms)
    return _data(
        {
            "startTime": started,
            "CWD": "",
            "hostname": "",
            "serverTime": now,
            "reloadConfigSuccess": True,
            "lastConfigTime": started,
            "corruptionCount": 0,
            "goroutineCount": 0,
            "GOMAXPROCS": 0,
            "GOMEMLIMIT": 0,
            "GOGC": "",
            "GODEBUG": "",
            "storageRetention": "",
        }
    )


@guarded
async def config(request: Request) -> Response:
    """There is no configuration of Prometheus'; ours is at /config."""
    await authenticate(request)
    return _data({"yaml": "{}\n"})


@guarded
async def flags(request: Request) -> Response:
    """No flags."""
    await authenticate(request)
    return _data({})


@guarded
async def tsdb(request: Request) -> Response:
    """How many metrics and labels there are."""
    given = await read_parameters(request)

    def work(session: SessionApi) -> bytes:
        names = list(session.run(Metadata()))
        databases = session.run(LabelValues("__schema__", (), 0, 0))
        head = {
            "numSeries": len(names),
            "numLabelPairs": 0,
            "chunkCount": 0,
            "minTime": 0,
            "maxTime": now_ms(),
            "numDatabases": len(databases),
        }
        empty = (
            *("seriesCountByMetricName", "labelValueCountByLabelName"),
            *("memoryInBytesByLabelName", "seriesCountByLabelValuePair"),
        )
        return data_body(as_json({"headStats": head} | {name: [] for name in empty}))

    return await run(request, given, work)


@guarded
async def targets(request: Request) -> Response:
    """Nothing is scraped: agents write here."""
    await authenticate(request)
    return _data({"activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {}})


@guarded
async def target_metadata(request: Request) -> Response:
    """Nothing is scraped."""
    await authenticate(request)
    return _data([])


@guarded
async def format_query(request: Request) -> Response:
    """The query, laid out over lines."""
    await authenticate(request)
    given = await read_parameters(request)
    text = given.needed("query")
    try:
        return _data(pretty(parse(text)))
    except DbError as error:
        raise located(error, "query", text) from None


@guarded
async def parse_query(request: Request) -> Response:
    """The query's tree."""
    await authenticate(request)
    given = await read_parameters(request)
    text = given.needed("query")
    try:
        tree = parse(text)
        check(tree)
    except DbError as error:
        raise located(error, "query", text) from None
    return _data(as_object(tree))
