"""Endpoints of the Prometheus API that read data: queries, series, labels, metadata.

Below `/v1/prometheus/api/v1`, by GET and by POST of a form; `db` or x-greptime-db-name names the
database. https://prometheus.io/docs/prometheus/latest/querying/api/
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from time import perf_counter

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from engine.errors import DbError, ErrorKind
from server.http.context import context_of
from server.http.prometheus.answers import (
    as_json,
    bad_data,
    compressed,
    data_body,
    failure,
    located,
    success,
)
from server.http.prometheus.brief import BriefTasks
from server.http.prometheus.parameters import EVER_MS, Parameters, now_ms, read_parameters
from server.http.prometheus.result_json import label_sets_json, numbers, result_json, truncated
from server.http.tasks import at_once, in_session
from sql.promql.model import Result
from sql.promql.remarks import About, Exemplar, FindExemplars, Metadata
from sql.promql.source_series import matches
from sql.promql.tasks import (
    Evaluate,
    EvaluateResident,
    FindSeries,
    LabelNames,
    LabelValues,
    selector_matchers,
)
from sql.session import SessionApi

POINTS_MAX = 11_000
_PACKED_AT_ONCE_MAX = 64 << 10  # bytes of an answer that the event loop compresses itself
_CUT = "results truncated due to limit"
_ESCAPED = re.compile(r"_(_|[0-9A-Fa-f]{1,6}_)")

Endpoint = Callable[[Request], Awaitable[Response]]


def guarded(endpoint: Endpoint) -> Endpoint:
    """The endpoint with its errors in the API's own shape."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except DbError as error:
            return failure(error)

    return answer


async def run(request: Request, given: Parameters, work: Callable[[SessionApi], bytes]) -> Response:
    """The answer that `work` makes on a worker thread. Raises: DbError."""

    def whole(session: SessionApi) -> tuple[bytes, dict[str, str]]:
        return compressed(request, work(session))

    body, headers = await in_session(
        request, given.database, whole, timeout_ms=given.timeout(), application="prometheus"
    )
    return success(body, headers)


@guarded
async def query(request: Request) -> Response:
    """An instant query."""
    given = await read_parameters(request)
    at = given.time("time", now_ms())
    return await _evaluated(request, given, at, at, 0)


@guarded
async def query_range(request: Request) -> Response:
    """A query at every step between two times."""
    given = await read_parameters(request)
    start, end = given.time("start"), given.time("end")
    step = given.duration("step", 0)
    if end < start:
        raise bad_data("end", "end timestamp must not be before start time")
    if step <= 0:
        raise bad_data("step", "zero or negative query resolution step widths are not accepted")
    if (end - start) // step > POINTS_MAX:
        message = (
            f"exceeded maximum resolution of {POINTS_MAX:,} points per timeseries. "
            "Try decreasing the query resolution (?step=XX)"
        )
        raise DbError(ErrorKind.SYNTAX, message)
    return await _evaluated(request, given, start, end, step)


async def _evaluated(
    request: Request, given: Parameters, start: int, end: int, step: int
) -> Response:
    text = given.needed("query")
    task = Evaluate(text, start, end, step, given.lookback(), POINTS_MAX + 1)
    given.timeout()  # it must be one, although what is brief does not need it
    answering = _Answering(task, given.limit(), bool(given.text("stats")))
    brief: BriefTasks = request.app.state.brief_tasks
    try:
        if brief.holds(given.database, task):
            body = await at_once(
                request, given.database, answering.resident, application="prometheus"
            )
            if body is not None and len(body) <= _PACKED_AT_ONCE_MAX:
                return success(*compressed(request, body))
            if body is not None:
                workers = context_of(request).workers
                return success(*await workers.run(compressed, request, body))
        return await run(request, given, answering.whole)
    except DbError as error:
        return failure(located(error, "query", text), evaluating=True)
    finally:
        brief.note(given.database, task, answering.result, answering.seconds)


class _Answering:
    """One evaluation and its answer's text; `result` took so many `seconds`."""

    def __init__(self, task: Evaluate, limit: int, with_statistics: bool) -> None:
        self._task = task
        self._limit = limit
        self._with_statistics = with_statistics
        self.result: Result | None = None
        self.seconds = 0.0

    def whole(self, session: SessionApi) -> bytes:
        """Evaluates, whatever it takes. Raises: DbError."""
        started = perf_counter()
        return self._body(session.run(self._task), started)

    def resident(self, session: SessionApi) -> bytes | None:
        """The same from memory, None if that has not all of it."""
        started = perf_counter()
        result = session.run(EvaluateResident(self._task))
        return None if result is None else self._body(result, started)

    def _body(self, result: Result, started: float) -> bytes:
        result = truncated(result, self._limit)
        data = result_json(result)
        self.result, self.seconds = result, perf_counter() - started
        if self._with_statistics:
            figures = as_json(_statistics(result, self.seconds))
            data = data[:-1] + b',"stats":' + figures + b"}"
        return data_body(data, result.warnings, result.infos)


def _statistics(result: Result, seconds: float) -> dict[str, object]:
    timings = {
        "evalTotalTime": seconds,
        "resultSortTime": 0.0,
        "queryPreparationTime": 0.0,
        "innerEvalTime": seconds,
        "execQueueTime": 0.0,
        "execTotalTime": seconds,
    }
    samples = {"totalQueryableSamples": result.samples_read, "peakSamples": result.samples_read}
    return {"timings": timings, "samples": samples}


# --- Series and labels ----------------------------------------------------------------------------


def _times(given: Parameters) -> tuple[int, int]:
    start, end = given.time("start", EVER_MS[0]), given.time("end", EVER_MS[1])
    return (start, end) if end >= start else (EVER_MS[1], EVER_MS[1])  # when nothing was


def _matches(given: Parameters) -> tuple[str, ...]:
    """The selectors in match[]. Raises: DbError SYNTAX, also for one that means all series."""
    texts = given.texts("match[]")
    for text in texts:
        try:
            matchers = selector_matchers(text)
        except DbError as error:
            raise located(error, "match[]", text) from None
        if all(matches([""], matcher)[0] for matcher in matchers):
            raise bad_data("match[]", "match[] must contain at least one non-empty matcher")
    return texts


def _list_body(found: list[object], limit: int) -> bytes:
    cut = bool(limit) and len(found) > limit
    return data_body(as_json(found[:limit] if cut else found), (_CUT,) if cut else ())


@guarded
async def series(request: Request) -> Response:
    """The label sets of the series that any match[] matches."""
    given = await read_parameters(request)
    selectors = _matches(given)
    if not selectors:
        raise DbError(ErrorKind.SYNTAX, "no match[] parameter provided")
    limit = given.limit()
    task = FindSeries(selectors, *_times(given), limit)

    def work(session: SessionApi) -> bytes:
        found = session.run(task)
        cut = bool(limit) and found.count > limit
        if cut:
            found = found.take(np.arange(limit))
        return data_body(label_sets_json(found), (_CUT,) if cut else ())

    return await run(request, given, work)


@guarded
async def labels(request: Request) -> Response:
    """The names of labels."""
    given = await read_parameters(request)
    task, limit = LabelNames(_matches(given), *_times(given)), given.limit()
    return await run(request, given, lambda session: _list_body([*session.run(task)], limit))


@guarded
async def label_values(request: Request) -> Response:
    """The values of one label."""
    given = await read_parameters(request)
    name = unescaped(request.path_params["name"])
    limit = given.limit()
    task = LabelValues(name, _matches(given), *_times(given), limit)
    return await run(request, given, lambda session: _list_body([*session.run(task)], limit))


def unescaped(name: str) -> str:
    """A label's name from a path, where `U__` marks escapes of what is no letter there.

    >>> unescaped("U__a_2e_b"), unescaped("U__a__b"), unescaped("a_b")
    ('a.b', 'a_b', 'a_b')
    """
    if not name.startswith("U__"):
        return name

    def character(match: re.Match[str]) -> str:
        code = match[1]
        if code == "_":
            return "_"
        number = int(code[:-1], 16)
        return chr(number) if number < 0x110000 else match[0]

    return _ESCAPED.sub(character, name[3:])


@guarded
async def metadata(request: Request) -> Response:
    """What is known of metrics."""
    given = await read_parameters(request)
    task, limit = Metadata(given.text("metric")), given.limit()

    def work(session: SessionApi) -> bytes:
        found = session.run(task)
        names = list(found)[: limit or None]
        return data_body(as_json({name: [_about(found[name])] for name in names}))

    return await run(request, given, work)


def _about(one: About) -> dict[str, str]:
    return {"type": one.kind, "help": one.help, "unit": one.unit}


@guarded
async def query_exemplars(request: Request) -> Response:
    """The exemplars of the series that a query reads."""
    given = await read_parameters(request)
    text, (start, end) = given.needed("query"), _times(given)
    if start == EVER_MS[1]:
        raise bad_data("end", "end timestamp must not be before start time")
    task = FindExemplars(text, start, end)

    def work(session: SessionApi) -> bytes:
        try:
            found = session.run(task)
        except DbError as error:
            raise located(error, "query", text) from None
        return data_body(
            as_json(
                [
                    {"seriesLabels": labels, "exemplars": [_exemplar(one) for one in exemplars]}
                    for labels, exemplars in found
                ]
            )
        )

    return await run(request, given, work)


def _exemplar(one: Exemplar) -> dict[str, object]:
    value = numbers(np.array([one.value]))[0].as_py()
    return {"labels": one.labels, "value": value, "timestamp": one.time_ms / 1000}
