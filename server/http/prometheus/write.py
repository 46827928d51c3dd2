"""`POST /v1/prometheus/write`: Prometheus' remote write, versions 1 and 2.

A request is written whole or not at all. 4xx tells the sender to drop it, 5xx to send it again.
https://prometheus.io/docs/specs/prw/remote_write_spec/ and …/remote_write_spec_2_0/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from cramjam import DecompressionError, snappy
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from engine.clock import SystemClock
from engine.errors import DbError, ErrorKind
from engine.jit import Bytes, UInt64s
from engine.series.hashing import room_for, words_for
from server.http.auth import authenticate
from server.http.content import malformed, too_large, zstd_content
from server.http.context import context_of
from server.http.errors import error_response
from server.http.groups import REQUEST_BYTES_MAX, ApartError, Groups
from server.http.prometheus.match import known_samples
from server.http.prometheus.peel import Peelable, peelable
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
from server.http.request import address, database_name, read_body, timeout_ms
from server.http.scratch import SCRATCH
from server.http.tasks import in_session
from sql.ingest.batch import IngestTable
from sql.ingest.hashed import HashedSamples, IngestSamples, KnownSamples
from sql.ingest.metrics import PHYSICAL_TABLE
from sql.metrics.store import SeriesStore
from sql.session import ClientInfo, SessionApi

_PROTOBUF = "application/x-protobuf"
_VERSION_1 = "prometheus.writerequest"
_VERSIONS = {_VERSION_1: 1, "io.prometheus.write.v2.request": 2}
_APPLICATION = "remote write"
_SNAPPY_GROWTH_MAX = 32  # three bytes of the format stand for 64 at the most
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
    settings = context_of(request).configuration.settings
    given = WriteRequest(
        body,
        request.headers.get("content-encoding", "snappy").strip().lower(),
        settings.http_body_bytes_max * _GROWTH_MAX,
        version,
        request.query_params.get("physical_table") or PHYSICAL_TABLE,
        request.app.state.known_metadata,
        settings.prom_validation != "strict",
    )
    return _told(await _written(request, given))


@lru_cache(maxsize=1024)
def _told(done: Written) -> Response:
    """The answer; senders of known series write as many samples again and again."""
    headers = {
        _WRITTEN.format("Samples"): str(done.samples),
        _WRITTEN.format("Histograms"): str(done.histograms),
        _WRITTEN.format("Exemplars"): str(done.exemplars),
    }
    return Response(status_code=204, headers=headers)


@dataclass(frozen=True)
class WriteRequest:
    """One request's body and what is to be done with it."""

    body: bytes
    encoding: str
    content_max: int
    version: int
    physical: str
    known: KnownMetadata
    lossy: bool


class Written(NamedTuple):
    """What a request has written."""

    samples: int
    histograms: int
    exemplars: int


def write_requests(session: SessionApi, requests: Sequence[WriteRequest]) -> Sequence[Written]:
    """Writes some requests at once, all or nothing; what each has written.

    Requires: one request, or several of version 1 that differ in nothing but their bodies.
    Raises: DbError; of several requests, if there is anything wrong with any.
    """
    first = requests[0]
    writer = _Writer(session, first.physical, first.known, lossy=first.lossy)
    if first.version == 1:
        return writer.version_1(requests)
    return [writer.version_2(decompressed(first.body, first.encoding, first.content_max))]


async def _written(request: Request, given: WriteRequest) -> Written:
    database = database_name(request, dict(request.query_params))
    limit = timeout_ms(request.headers.get("x-greptime-timeout"))
    if limit or given.version != 1 or len(given.body) > REQUEST_BYTES_MAX:
        return await in_session(
            request,
            database,
            lambda session: write_requests(session, [given])[0],
            timeout_ms=limit,
            application=_APPLICATION,
        )
    groups: Groups[WriteRequest, Written] = request.app.state.write_groups
    name, _ = await authenticate(request)
    client = ClientInfo(name, database, address(request), _APPLICATION)
    return await groups.run(client, given.physical, given, len(given.body))


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

    def version_1(self, requests: Sequence[WriteRequest]) -> Sequence[Written]:
        """Known series are taken off first."""
        data, words, stops = _contents(requests)
        counts: list[int] = []
        peeled: list[Peelable] = []

        def at_once(store: SeriesStore) -> KnownSamples | None:
            found = known_samples(data, words, stops, store.known.raw)
            if found is None:
                return None
            counts[:] = found[1]
            return found[0]

        def samples() -> HashedSamples:
            found = peelable(data, stops)
            counts[:] = found.counts
            peeled.append(found)
            return HashedSamples(
                found.plain,
                lambda store: store.known.raw.keys_in(words, found.labels.ravel()),
                found.sample_series,
                found.sample_times,
                found.sample_values,
            )

        def rest(known: NDArray[np.bool_], keys: UInt64s | None) -> list[IngestTable]:
            left = peeled[-1].without(known)
            if not left:
                return []
            message = replace(read_message(left, lossy=self._lossy), keys=keys)
            extras = extras_of(left, lossy=self._lossy)
            others = len(message.histogram_series) or extras.exemplars or extras.metadata
            if others and len(requests) > 1:
                raise ApartError  # whose they are is not known here
            return self._tables(message, extras)

        known = self._session.run(IngestSamples(self._physical, samples, rest, at_once))
        if len(requests) > 1:
            return [Written(count, 0, 0) for count in counts]
        return [self._done(known)]

    def version_2(self, data: bytes) -> Written:
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
        return self._done(self._session.run(IngestSamples(self._physical, lambda: samples, rest)))

    def _tables(self, message: Message, extras: Extras) -> list[IngestTable]:
        tables = tables_of_message(message, self._physical)
        exemplars = exemplar_tables(message, extras.exemplars)
        self._counts = (*counts_of(tables), sum(table.rows for table in exemplars))
        self._news = self._metadata.news(self._session.database, extras.metadata)
        told = [metadata_table(self._news, SystemClock().now_ms())] if self._news else []
        return [*tables, *exemplars, *told]

    def _done(self, known: int) -> Written:
        self._metadata.note(self._session.database, self._news)
        samples, histograms, exemplars = self._counts
        return Written(samples + known, histograms, exemplars)


def _version(request: Request) -> int | None:
    """Which message the body is, None for one nobody knows."""
    return _version_of(request.headers.get("content-type", _PROTOBUF))


@lru_cache(maxsize=64)
def _version_of(content_type: str) -> int | None:
    kind, _, parameters = content_type.lower().partition(";")
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


def _contents(requests: Sequence[WriteRequest]) -> tuple[Bytes, UInt64s, list[int]]:
    """The messages one after the other, the same memory as words, and where each ends.

    The memory is the thread's: good until it calls this again.

    Raises: DbError as `decompressed`.
    """
    plain, sizes = [], []
    for one in requests:
        if one.encoding == "snappy":
            plain.append(b"")
            sizes.append(_snappy_size(one.body, one.content_max))
        else:
            plain.append(decompressed(one.body, one.encoding, one.content_max))
            sizes.append(len(plain[-1]))
    size = sum(sizes)
    data, words = room_for(size, SCRATCH.of("messages", words_for(size), np.uint64))
    stops = list(accumulate(sizes))
    for one, content, size, stop in zip(requests, plain, sizes, stops, strict=True):
        if content:
            data[stop - size : stop] = np.frombuffer(content, np.uint8)
        elif one.encoding == "snappy":
            _into(data[stop - size : stop], one.body)
    return data, words, stops


def _snappy_size(body: bytes, bytes_max: int) -> int:
    """How long the content says it is. Raises: DbError INVALID_ARGUMENT, LIMIT_EXCEEDED."""
    try:
        size = int(snappy.decompress_raw_len(body))
    except DecompressionError as error:
        raise malformed("snappy") from error
    if size > bytes_max:
        raise too_large(bytes_max)
    if size > _SNAPPY_GROWTH_MAX * len(body):
        raise malformed("snappy")  # before memory is asked for that nothing will fill
    return size


def _into(room: Bytes, body: bytes) -> None:
    try:
        size = snappy.decompress_raw_into(body, room.data)
    except DecompressionError as error:
        raise malformed("snappy") from error
    if size != len(room):
        raise malformed("snappy")


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
    _snappy_size(body, bytes_max)
    try:
        return bytes(snappy.decompress_raw(body))
    except DecompressionError as error:
        raise malformed("snappy") from error
