"""`POST /v1/opentsdb/api/put`: OpenTSDB's points, one or many, as rows of tables.

Each metric is a table: its time in milliseconds, its value, one text tag per tag.
http://opentsdb.net/docs/build/html/api_http/put.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from server.http.content import GROWTH_MAX, content_of
from server.http.context import context_of
from server.http.errors import error_text
from server.http.hints import hints_of, may_create, table_options
from server.http.opentsdb_points import usual_tables
from server.http.request import database_name, read_body, timeout_ms
from server.http.tasks import in_session
from sql.ingest.batch import IngestColumn, IngestTable
from sql.ingest.ingest import Ingest
from sql.ingest.metrics import TIME, VALUE
from sql.session import SessionApi

_SECONDS_MAX = 9_999_999_999  # larger timestamps are milliseconds, as OpenTSDB has it
_TIME_MAX = (1 << 63) - 1
_RESERVED = frozenset({TIME, VALUE})


@dataclass(frozen=True)
class Point:
    """One value of one series. `place`: where in the request it stands, from 0."""

    place: int
    metric: str
    time_ms: int
    value: float
    tags: dict[str, str]


@dataclass(frozen=True)
class Failure:
    """Why a point was not written."""

    place: int
    why: DbError


async def put(request: Request) -> Response:
    """Writes a request's points: all or none, or with `summary` or `details` all that are good.

    Raises: DbError.
    """
    hints = hints_of(request.headers)
    create, options = may_create(hints), table_options(hints, {})
    body = await read_body(request)
    encoding = request.headers.get("content-encoding", "")
    content_max = context_of(request).configuration.settings.http_body_bytes_max * GROWTH_MAX
    details = "details" in request.query_params
    each = details or "summary" in request.query_params

    def work(session: SessionApi) -> tuple[Sequence[Any], list[Failure]]:
        content = content_of(body, encoding, content_max)
        usual = usual_tables(content, options)
        if usual is not None and _write_all(session, usual, create, each=each):
            return range(sum(table.rows for table in usual)), []
        given = given_points(content)
        points, failures = read_points(given)
        if each:
            failures += _write_each(session, points, create, options)
        elif failures:
            raise failures[0].why
        else:
            session.run(Ingest(tables_of(points, options), create, text="OPENTSDB PUT"))
        return given, failures

    given, failures = await in_session(
        request,
        database_name(request, dict(request.query_params)),
        work,
        timeout_ms=timeout_ms(request.headers.get("x-greptime-timeout")),
        application="opentsdb",
    )
    if not each:
        return Response(status_code=204)
    return JSONResponse(_report(given, failures, details=details))


def _write_all(
    session: SessionApi, tables: Sequence[IngestTable], create: bool, *, each: bool
) -> bool:
    """Writes all points; False if `each` has to be tried. Raises: DbError."""
    try:
        session.run(Ingest(tables, create, text="OPENTSDB PUT"))
    except DbError as error:
        final = error.kind.retryable or error.kind in (ErrorKind.CANCELLED, ErrorKind.TIMEOUT)
        if final or not each:
            raise
        return False
    return True


def _write_each(
    session: SessionApi, points: Sequence[Point], create: bool, options: dict[str, str]
) -> list[Failure]:
    """Writes the points, metric by metric if not all can be written at once."""
    if _write_all(session, tables_of(points, options), create, each=True):
        return []
    failures = []
    for group in _by_metric(points).values():
        try:
            session.run(Ingest(tables_of(group, options), create, text="OPENTSDB PUT"))
        except DbError as error:
            failures += [Failure(point.place, error) for point in group]
    return failures


def _report(
    given: Sequence[Any], failures: Sequence[Failure], *, details: bool
) -> dict[str, object]:
    found: dict[str, object] = {"success": len(given) - len(failures), "failed": len(failures)}
    if details:
        ordered = sorted(failures, key=lambda failure: failure.place)
        found["errors"] = [
            {"datapoint": given[failure.place], "error": error_text(failure.why)}
            for failure in ordered
        ]
    return found


# --- Reading --------------------------------------------------------------------------------------


def given_points(content: bytes) -> list[Any]:
    """The points of a body as JSON has them. Raises: DbError INVALID_ARGUMENT."""
    try:
        found = json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT, f"the body is not JSON: {str(error)[:200]}"
        ) from None
    return found if isinstance(found, list) else [found]


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def read_points(given: Sequence[Any]) -> tuple[list[Point], list[Failure]]:
    """The points that can be written, and why the others cannot."""
    points, failures = [], []
    for place, one in enumerate(given):
        try:
            points.append(_point(place, one))
        except DbError as error:
            failures.append(Failure(place, error))
    return points, failures


def _point(place: int, given: Any) -> Point:
    if not isinstance(given, dict):
        raise _bad(place, "is no object")
    metric, tags = given.get("metric"), given.get("tags", {})
    if not isinstance(metric, str) or not metric:
        raise _bad(place, "has no metric")
    if not isinstance(tags, dict) or not all(map(_is_text, tags.values())):
        raise _bad(place, "has tags that are no object of texts")
    if "" in tags:
        raise _bad(place, "has a tag without a name")
    if _RESERVED.intersection(tags):
        raise _bad(place, f"has a tag of a reserved name: {TIME} or {VALUE}")
    if not all(map(_is_storable, (metric, *tags, *tags.values()))):
        raise _bad(place, "holds characters that no text can have")
    return Point(place, metric, _time(place, given), _value(place, given), tags)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_storable(text: str) -> bool:
    return "\0" not in text and (text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text))


def _time(place: int, given: dict[str, Any]) -> int:
    time = given.get("timestamp")
    if isinstance(time, str) and time.isascii() and time.isdigit() and len(time) < 20:
        time = int(time)
    if not isinstance(time, int) or isinstance(time, bool) or not 0 <= time <= _TIME_MAX:
        raise _bad(place, "has no timestamp in whole seconds or milliseconds")
    return time * 1_000 if time <= _SECONDS_MAX else time


def _value(place: int, given: dict[str, Any]) -> float:
    value = given.get("value")
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _bad(place, "has no value")
    if isinstance(value, str) and "_" in value:  # Python's spelling alone
        raise _bad(place, "has a value that is no number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise _bad(place, "has a value that is no number") from None
    if not math.isfinite(number):
        raise _bad(place, "has a value that is no finite number")
    return number


def _bad(place: int, why: str) -> DbError:
    return DbError(ErrorKind.INVALID_ARGUMENT, f"point {place + 1} {why}")


# --- Rows -----------------------------------------------------------------------------------------


def _by_metric(points: Sequence[Point]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.metric, []).append(point)
    return found


def tables_of(points: Sequence[Point], options: dict[str, str]) -> list[IngestTable]:
    """The rows of the points, one entry per metric."""
    return [_table(name, group, options) for name, group in _by_metric(points).items()]


def _table(name: str, points: Sequence[Point], options: dict[str, str]) -> IngestTable:
    times = pa.array([point.time_ms for point in points], dt.TIMESTAMP_MILLISECOND.arrow)
    values = pa.array([point.value for point in points], pa.float64())
    columns = [
        IngestColumn(TIME, dt.TIMESTAMP_MILLISECOND, Semantic.TIMESTAMP, times),
        IngestColumn(VALUE, dt.FLOAT64, Semantic.FIELD, values),
    ]
    for tag in sorted({tag for point in points for tag in point.tags}):
        texts = pa.array([point.tags.get(tag) for point in points], pa.string())
        columns.append(IngestColumn(tag, dt.STRING, Semantic.TAG, texts))
    return IngestTable(name, tuple(columns), options=options, exact=True)
