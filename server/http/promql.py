"""`/v1/promql`: a PromQL range query whose answer has the formats of `/v1/sql`.

The columns are those of TQL EVAL. For Prometheus' own format see server/http/prometheus.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from engine.errors import DbError, ErrorKind
from server.http.auth import authenticate
from server.http.request import parameters, request_for
from server.http.sql import answer
from sql.promql.parser import parse

_NEEDED = ("query", "start", "end", "step")


async def run_promql(request: Request) -> Response:
    """Runs the query. Raises: DbError, answered by the application's handler."""
    name, _ = await authenticate(request)
    given = await parameters(request)
    for key in _NEEDED:
        if not given.get(key):
            raise DbError(ErrorKind.INVALID_ARGUMENT, f"the parameter {key} is missing")
    parse(given["query"])  # so that nothing else can follow it
    bounds = [given[key] for key in ("start", "end", "step", "lookback") if given.get(key)]
    literals = ", ".join("'" + bound.replace("'", "''") + "'" for bound in bounds)
    text = f"TQL EVAL ({literals}) {given['query']}"
    return await answer(request, name, request_for(request, given, text))
