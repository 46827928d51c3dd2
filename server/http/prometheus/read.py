"""`POST /v1/prometheus/read`: Prometheus' remote read.

Answers with streamed chunks where the client prefers them, else with samples; series that have
native histograms always come as samples.
https://prometheus.io/docs/prometheus/latest/querying/remote_read_api/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cramjam import snappy
from starlette.requests import Request
from starlette.responses import Response

from engine.errors import DbError, ErrorKind
from server.http.context import context_of
from server.http.prometheus.read_answer import chunk_frames, sample_body
from server.http.prometheus.write import decompressed
from server.http.request import database_name, read_body, timeout_ms
from server.http.tasks import in_session
from sql.promql.model import Match, Matcher, SelectedSeries
from sql.promql.tasks import ReadSeries
from sql.protobuf import content, fields, last, signed, varints
from sql.session import SessionApi

_OPS = (Match.EQUAL, Match.NOT_EQUAL, Match.REGEX, Match.NOT_REGEX)
_CHUNKS = 1  # of the enumeration ReadRequest.ResponseType
_QUERIES_MAX = 1_000
_STREAMED = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"


@dataclass(frozen=True)
class ReadRequest:
    """A `prometheus.ReadRequest`."""

    queries: tuple[ReadSeries, ...]
    takes_chunks: bool


async def read(request: Request) -> Response:
    """Answers the request's queries. Raises: DbError, answered by the application's handler."""
    body = await read_body(request)
    bytes_max = context_of(request).configuration.settings.http_body_bytes_max
    encoding = request.headers.get("content-encoding", "snappy").strip().lower()

    def work(session: SessionApi) -> Response:
        asked = request_of(decompressed(body, encoding, bytes_max))
        return _answer([session.run(query) for query in asked.queries], asked.takes_chunks)

    database = database_name(request, dict(request.query_params))
    limit = timeout_ms(request.headers.get("x-greptime-timeout"))
    return await in_session(request, database, work, timeout_ms=limit, application="remote read")


def _answer(found: Sequence[SelectedSeries], takes_chunks: bool) -> Response:
    if takes_chunks and all(one.samples.histograms is None for one in found):
        return Response(b"".join(chunk_frames(found)), media_type=_STREAMED)
    data = bytes(snappy.compress_raw(sample_body(found)))
    headers = {"content-encoding": "snappy"}
    return Response(data, headers=headers, media_type="application/x-protobuf")


def request_of(message: bytes) -> ReadRequest:
    """Takes a request apart. Raises: DbError INVALID_ARGUMENT, INVALID_ENCODING, LIMIT_EXCEEDED."""
    try:
        found = list(fields(message))
        queries = tuple(_queries(value for number, value in found if number == 1))
        return ReadRequest(queries, _CHUNKS in varints(found, 2))
    except UnicodeDecodeError:
        raise DbError(ErrorKind.INVALID_ENCODING, "a matcher is not UTF-8") from None
    except (ValueError, IndexError) as error:
        message_ = "the body is not a remote read request (prometheus.ReadRequest)"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message_) from error


def _queries(messages: Iterator[int | bytes]) -> Iterator[ReadSeries]:
    for place, message in enumerate(messages):
        if place == _QUERIES_MAX:
            limit = f"a remote read request has at most {_QUERIES_MAX} queries"
            raise DbError(ErrorKind.LIMIT_EXCEEDED, limit)
        if isinstance(message, int):
            raise ValueError("a message is needed")
        found = list(fields(message))
        matchers = tuple(_matcher(value) for number, value in found if number == 3)
        yield ReadSeries(matchers, signed(last(found, 1)), signed(last(found, 2)))


def _matcher(message: int | bytes) -> Matcher:
    if isinstance(message, int):
        raise ValueError("a message is needed")
    found = list(fields(message))
    op = last(found, 1)
    if op >= len(_OPS):
        raise ValueError("no such matcher")
    return Matcher(content(found, 2).decode(), _OPS[op], content(found, 3).decode())
