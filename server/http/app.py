"""The HTTP application: its routes, and nothing else.

Built by server/app.py, served by uvicorn in the server's event loop. To add an endpoint: a module
with its handler, a line in `ROUTES`.
"""

from __future__ import annotations

from starlette.routing import Route

from server.auth.passwords import PasswordChecks
from server.backup.archive import ENDPOINT as BACKUP
from server.http import admin, backup, opentsdb, promql, sql
from server.http.application import Application
from server.http.context import HttpContext
from server.http.groups import Groups
from server.http.influx import query as influx_query
from server.http.influx import write as influx
from server.http.prometheus import api, federate, read, rules, status, write
from server.http.prometheus.brief import BriefTasks
from server.http.prometheus.parameters import now_ms
from server.http.prometheus.write_extras import KnownMetadata

GET_POST = ["GET", "POST"]

# Below /v1/prometheus/api/v1.
PROMETHEUS = (
    ("query", api.query),
    ("query_range", api.query_range),
    ("query_exemplars", api.query_exemplars),
    ("series", api.series),
    ("labels", api.labels),
    ("label/{name}/values", api.label_values),
    ("metadata", api.metadata),
    ("format_query", status.format_query),
    ("parse_query", status.parse_query),
    ("status/buildinfo", status.build_info),
    ("status/runtimeinfo", status.runtime_info),
    ("status/config", status.config),
    ("status/flags", status.flags),
    ("status/tsdb", status.tsdb),
    ("rules", rules.rules),
    ("alerts", rules.alerts),
    ("targets", status.targets),
    ("targets/metadata", status.target_metadata),
    ("alertmanagers", rules.alertmanagers),
)

ROUTES: tuple[Route, ...] = (
    Route("/v1/sql", sql.run_sql, methods=GET_POST),
    Route("/v1/promql", promql.run_promql, methods=GET_POST),
    Route("/v1/prometheus/write", write.write, methods=["POST"]),
    Route("/v1/prometheus/read", read.read, methods=["POST"]),
    Route("/v1/prometheus/federate", federate.federate, methods=GET_POST),
    Route("/v1/influxdb/write", influx.write, methods=["POST"]),
    Route("/v1/influxdb/api/v2/write", influx.write, methods=["POST"]),
    Route("/v1/influxdb/api/v3/write_lp", influx.write_lp, methods=["POST"]),
    Route("/v1/influxdb/query", influx_query.query, methods=GET_POST),
    Route("/v1/influxdb/ping", influx.ping, methods=GET_POST),
    Route("/v1/influxdb/health", influx.health, methods=GET_POST),
    Route("/v1/opentsdb/api/put", opentsdb.put, methods=["POST"]),
    *(
        Route(f"/v1/prometheus/api/v1/{path}", endpoint, methods=GET_POST)
        for path, endpoint in PROMETHEUS
    ),
    Route("/health", admin.health, methods=GET_POST),
    Route("/v1/health", admin.health, methods=GET_POST),
    Route("/ready", admin.ready),
    Route("/status", admin.status),
    Route("/metrics", admin.metrics),
    Route("/config", admin.configuration),
    Route(BACKUP, backup.backup, methods=["POST"]),
)


def create_app(context: HttpContext) -> Application:
    """The application over one server's parts."""
    app = Application(ROUTES, context.metrics, context.configuration.settings.http_origins)
    app.state.context = context
    app.state.started_ms = now_ms()
    app.state.password_checks = PasswordChecks()
    app.state.brief_tasks = BriefTasks()
    app.state.known_metadata = KnownMetadata()
    lines = app.state.line_groups = Groups(context.database, context.workers, influx.write_lines)
    app.when_closed(lines.close)
    writes = Groups(context.database, context.workers, write.write_requests)
    app.state.write_groups = writes
    app.when_closed(writes.close)
    return app
