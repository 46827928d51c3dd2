"""`POST /v1/prometheus/write`: Prometheus' remote write, versions 1 and 2.

A request is written whole or not at all. 4xx tells the sender to drop it, 5xx to send it again.
https://prometheus.io/docs/specs/prw/remote_write_spec/ and …/remote_write_spec_2_0/
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from cramjam import DecompressionError, snappy
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from engine.clock import SystemClock
from engine.errors import DbError, ErrorKind
from engine.jit import UInt64s
from server.http.content import malformed, too_large, zstd_content
from server.http.context import context_of
from server.http.errors import error_response
from server.http.prometheus.peel import peelable
from server.http.prometheus.write_extras import (
    Extras,
    KnownMetadata,
    MetricMetadata,
    exemplar_tables,
    extras_of,
    metadata_table,
)
from server.http.prometheus.write_request import (
    Message,
    counts_of,
    read_message,
    tables_of_message,
)
from server.http.prometheus.write_request_v2 import Request as Version2
from server.http.request import database_name, read_body, timeout_ms
from server.http.tasks import in_session
from sql.ingest.batch import IngestTable
from sql.ingest.hashed import HashedSamples, IngestSamples
from sql.ingest.metrics import PHYSICAL_TABLE
from sql.session import SessionApi

_PROTOBUF = "application/x-protobuf"
_VERSION_1 = "prometheus.writerequest"
_VERSIONS = {_VERSION_1: 1, "io.prometheus.write.v2.request": 2}
_GROWTH_MAX = 8  # how much larger than the body's limit its content may be
_WRITTEN = "X-Prometheus-Remote-Write-{}-Written"


async def write(request: Request) -> Response:
    """Writes the request's samples. Raises: DbError, answered by the application's handler."""
    if request.query_params.get("get_vm_proto_version"):
        return PlainTextResponse("1")  # VictoriaMetrics' agent asks which compression it may use
    version = _version(request)
    if version is None:
        return _refusal()
    body = await read_body(request)
    physical = request.query_params.get("physical_table") or PHYSICAL_TABLE
    settings = context_of(request).configuration.settings
    content_max = settings.http_body_bytes_max * _GROWTH_MAX
    encoding = request.headers.get("content-encoding", "snappy").strip().lower()
    known: KnownMetadata = request.app.state.known_metadata

    def work(session: SessionApi) -> _Written:
        data = decompressed(body, encoding, content_max)
        writer = _Writer(session, physical, known, lossy=settings.prom_validation != "strict")
        return writer.version_1(data) if version == 1 else writer.version_2(data)

    database = database_name(request, dict(request.query_params))
    limit = timeout_ms(request.headers.get("x-greptime-timeout"))
    done = await in_session(request, database, work, timeout_ms=limit, application="remote write")
    headers = {
        _WRITTEN.format("Samples"): str(done.samples),
        _WRITTEN.format("Histograms"): str(done.histograms),
        _WRITTEN.format("Exemplars"): str(done.exemplars),
    }
    return Response(status_code=204, headers=headers)


class _Written(NamedTuple):
    samples: int
    histograms: int
    exemplars: int


class _Writer:
    """Writes one request. What it brings beside known samples is found when it is asked for."""

    def __init__(
        self, session: SessionApi, physical: str, known: KnownMetadata, *, lossy: bool
    ) -> None:
        self._session = session
        self._lossy = lossy
        self._physical = physical
        self._metadata = known
        self._news: list[MetricMetadata] = []
        self._counts = (0, 0, 0)

    def version_1(self, data: bytes) -> _Written:
        """Known series are taken off first."""
        found = peelable(data)

        def rest(known: NDArray[np.bool_], keys: UInt64s | None) -> list[IngestTable]:
            left = found.without(known)
            if not left:
                return []
            message = replace(read_message(left, lossy=self._lossy), keys=keys)
            return self._tables(message, extras_of(left, lossy=self._lossy))

        samples = HashedSamples(
            found.plain,
            lambda store: store.known.raw.keys(data, found.labels.ravel()),
            found.sample_series,
            found.sample_times,
            found.sample_values,
        )
        return self._done(self._session.run(IngestSamples(self._physical, samples, rest)))

    def version_2(self, data: bytes) -> _Written:
        """As version 1."""
        found = Version2(data, lossy=self._lossy)

        def rest(known: NDArray[np.bool_], keys: UInt64s | None) -> list[IngestTable]:
            found.without(known)
            message, extras = found.read()
            return self._tables(replace(message, keys=keys), extras)

        samples = HashedSamples(
            found.plain,
            lambda store: found.keys(store.known.raw),
            found.sample_series,
            found.sample_times,
            found.sample_values,
        )
        return self._done(self._session.run(IngestSamples(self._physical, samples, rest)))

    def _tables(self, message: Message, extras: Extras) -> list[IngestTable]:
        tables = tables_of_message(message, self._physical)
        exemplars = exemplar_tables(message, extras.exemplars)
        self._counts = (*counts_of(tables), sum(table.rows for table in exemplars))
        self._news = self._metadata.news(self._session.database, extras.metadata)
        told = [metadata_table(self._news, SystemClock().now_ms())] if self._news else []
        return [*tables, *exemplars, *told]

    def _done(self, known: int) -> _Written:
        self._metadata.note(self._session.database, self._news)
        samples, histograms, exemplars = self._counts
        return _Written(samples + known, histograms, exemplars)


def _version(request: Request) -> int | None:
    """Which message the body is, None for one nobody knows."""
    kind, _, parameters = request.headers.get("content-type", _PROTOBUF).lower().partition(";")
    if kind.strip() != _PROTOBUF:
        return None
    given = dict(part.strip().partition("=")[::2] for part in parameters.split(";") if part.strip())
    return _VERSIONS.get(given.get("proto", _VERSION_1))


def _refusal() -> Response:
    """415: senders try another version then."""
    message = "prometheus.WriteRequest and io.prometheus.write.v2.Request are understood here"
    response = error_response(DbError(ErrorKind.UNSUPPORTED, message))
    response.status_code = 415
    return response


def decompressed(body: bytes, encoding: str, bytes_max: int) -> bytes:
    """The content of a body. Raises: DbError INVALID_ARGUMENT, UNSUPPORTED, LIMIT_EXCEEDED."""
    if encoding == "zstd":
        return zstd_content(body, bytes_max)
    if encoding != "snappy":
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f"the content encoding {encoding} is not supported",
            hint="remote write uses snappy",
        )
    try:
        if snappy.decompress_raw_len(body) > bytes_max:
            raise too_large(bytes_max)
        return bytes(snappy.decompress_raw(body))
    except DecompressionError as error:
        raise malformed("snappy") from error
