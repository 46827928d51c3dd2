"""`POST /v1/prometheus/write`: Prometheus' remote write, version 1.

A request is written whole or not at all. 4xx tells the sender to drop it, 5xx to send it again.
https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

from __future__ import annotations

from cramjam import DecompressionError, snappy
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from engine.errors import DbError, ErrorKind
from server.http.content import malformed, too_large, zstd_content
from server.http.context import context_of
from server.http.errors import error_response
from server.http.prometheus.write_request import counts_of, tables_of
from server.http.request import database_name, read_body, timeout_ms
from server.http.tasks import in_session
from sql.ingest.batch import IngestTable
from sql.ingest.ingest import Ingest
from sql.ingest.metrics import PHYSICAL_TABLE
from sql.session import SessionApi

_PROTOBUF = "application/x-protobuf"
_VERSION_2 = "io.prometheus.write.v2.request"
_GROWTH_MAX = 8  # how much larger than the body's limit its content may be
_WRITTEN = "X-Prometheus-Remote-Write-{}-Written"


async def write(request: Request) -> Response:
    """Writes the request's samples. Raises: DbError, answered by the application's handler."""
    if request.query_params.get("get_vm_proto_version"):
        return PlainTextResponse("1")  # VictoriaMetrics' agent asks which compression it may use
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    body = await read_body(request)
    physical = request.query_params.get("physical_table") or PHYSICAL_TABLE
    content_max = context_of(request).configuration.settings.http_body_bytes_max * _GROWTH_MAX
    encoding = request.headers.get("content-encoding", "snappy").strip().lower()

    def work(session: SessionApi) -> list[IngestTable]:
        tables = tables_of(decompressed(body, encoding, content_max), physical)
        session.run(Ingest(tables, text="REMOTE WRITE"))
        return tables

    database = database_name(request, dict(request.query_params))
    limit = timeout_ms(request.headers.get("x-greptime-timeout"))
    tables = await in_session(request, database, work, timeout_ms=limit, application="remote write")
    samples, histograms = counts_of(tables)
    headers = {
        _WRITTEN.format("Samples"): str(samples),
        _WRITTEN.format("Histograms"): str(histograms),
        _WRITTEN.format("Exemplars"): "0",
    }
    return Response(status_code=204, headers=headers)


def _refusal(request: Request) -> Response | None:
    """415 for messages other than version 1's: senders fall back to it."""
    kind, _, parameters = request.headers.get("content-type", _PROTOBUF).lower().partition(";")
    if kind.strip() == _PROTOBUF and _VERSION_2 not in parameters:
        return None
    message = "only prometheus.WriteRequest (application/x-protobuf) is understood here"
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
