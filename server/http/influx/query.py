"""`/v1/influxdb/query`: the few statements that agents send before they write.

Telegraf creates its database, others look whether it is there. Data is read by SQL and PromQL, not
by InfluxQL. https://docs.influxdata.com/influxdb/v1/tools/api/#query-http-endpoint
"""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from engine.errors import DbError, ErrorKind
from server.http.influx.write import sent_credentials
from server.http.request import DEFAULT_DATABASE, parameters
from server.http.tasks import in_session
from sql.results import Rows
from sql.session import SessionApi

_CREATE = re.compile(
    r"\s*CREATE\s+DATABASE\s+(?:\"((?:\\.|[^\"\\])+)\"|(\w+))(?:\s+WITH\s.*)?\s*;?\s*", re.I | re.S
)
_SHOW = re.compile(r"\s*SHOW\s+DATABASES\s*;?\s*", re.I)


async def query(request: Request) -> Response:
    """Runs one statement. Raises: DbError, answered by the application's handler."""
    given = await parameters(request)
    text = given.get("q", "")
    create = _CREATE.fullmatch(text)
    if create is None and not _SHOW.fullmatch(text):
        message = "InfluxQL is not spoken here but for CREATE DATABASE and SHOW DATABASES"
        raise DbError(ErrorKind.UNSUPPORTED, message, hint="use SQL at /v1/sql")
    name = None if create is None else re.sub(r"\\(.)", r"\1", create[1] or create[2])

    def work(session: SessionApi) -> dict[str, object]:
        if name is None:
            return {"series": [_databases(session)]}
        quoted = name.replace('"', '""')
        _run(session, f'CREATE DATABASE IF NOT EXISTS "{quoted}"')
        return {}

    sent = sent_credentials(request)
    found = await in_session(request, DEFAULT_DATABASE, work, application="influxdb", sent=sent)
    return JSONResponse({"results": [{"statement_id": 0, **found}]})


def _databases(session: SessionApi) -> dict[str, object]:
    rows = _run(session, "SHOW DATABASES")
    return {"name": "databases", "columns": ["name"], "values": rows}


def _run(session: SessionApi, text: str) -> list[list[object]]:
    """The rows of a statement's first column."""
    result = session.execute(session.parse(text)[0])
    if not isinstance(result, Rows):
        return []
    try:
        return [[value] for batch in result for value in batch.column(0).to_pylist()]
    finally:
        result.close()
