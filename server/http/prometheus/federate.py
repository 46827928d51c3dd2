"""`/v1/prometheus/federate`: the newest samples of some series, in the text format for scrapers.

https://prometheus.io/docs/prometheus/latest/federation/
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from starlette.requests import Request
from starlette.responses import Response

from engine.errors import DbError, ErrorKind
from server.http.prometheus.answers import compressed
from server.http.prometheus.escaping import ESCAPES, Escape, asked_for, is_plain
from server.http.prometheus.parameters import now_ms, read_parameters
from server.http.prometheus.result_json import joined, joined_pairs, numbers, row_by_row
from server.http.tasks import in_session
from sql.promql.labels import NAME
from sql.promql.model import SelectedSeries, holds_histogram, is_stale
from sql.promql.tasks import ReadSeries, selector_matchers
from sql.session import SessionApi

_MEDIA = "text/plain; version={}; charset=utf-8; escaping={}"
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


async def federate(request: Request) -> Response:
    """The newest sample of every series that a match[] means. Raises: DbError."""
    given = await read_parameters(request)
    matches = given.texts("match[]")
    if not matches:
        raise DbError(ErrorKind.INVALID_ARGUMENT, "no match[] parameter provided")
    end = now_ms()
    start = end - given.lookback() + 1
    version, scheme = asked_for(request.headers.get("accept", ""))
    escape = ESCAPES[scheme]
    tasks = [ReadSeries(tuple(selector_matchers(text)), start, end) for text in matches]

    def work(session: SessionApi) -> tuple[bytes, dict[str, str]]:
        lines = [lines_of(session.run(task), escape) for task in tasks]
        return compressed(request, exposition(lines))

    body, headers = await in_session(
        request, given.database, work, timeout_ms=given.timeout(), application="federate"
    )
    return Response(body, headers=headers, media_type=_MEDIA.format(version, scheme))


def exposition(lines: Sequence[pa.Table]) -> bytes:
    """Lines by metric, each metric with its type; no line twice."""
    table = pa.concat_tables(lines).group_by(["name", "line"]).aggregate([])
    table = table.sort_by([("name", "ascending"), ("line", "ascending")]).combine_chunks()
    if not table.num_rows:
        return b""
    names = table.column("name").combine_chunks().dictionary_encode()
    codes = names.indices.to_numpy()
    heads = [f"# TYPE {_quoted(name)} untyped\n".encode() for name in names.dictionary.to_pylist()]
    is_first = np.append(True, codes[1:] != codes[:-1])
    head = pa.array([*heads, b""], pa.large_binary()).take(
        pa.array(np.where(is_first, codes, len(heads)))
    )
    return joined(row_by_row(head, table.column("line").combine_chunks()), b"")


def lines_of(found: SelectedSeries, escape: Escape) -> pa.Table:
    """The newest sample of each series as `name` and `line`; series that ended or have a native
    histogram have none.

    `escape` gives names as the scraper wants them.
    """
    samples = found.samples
    last = samples.offsets[1:] - 1
    shown = ~is_stale(samples.values[last])
    if samples.histograms is not None:
        shown &= ~holds_histogram(samples.histograms[last])
    rows = np.flatnonzero(shown)
    last, labels = last[rows], found.labels.take(rows)
    column = labels.column(NAME)
    names = [escape(name) for name in column.values]
    codes = pa.array(column.codes)

    def pair(name: str, value: str) -> bytes:
        return f'{_quoted(escape(name))}="{value.translate(_ESCAPES)}"'.encode()

    pairs = joined_pairs(labels.drop((NAME,)), pair)
    has_pairs = pc.greater(pc.binary_length(pairs), 0)
    plain = [_quoted(name) == name for name in names]
    # Names that are none of the old kind go among the labels.
    heads = [
        (name + "{" if is_plain else "{" + _quoted(name) + ",").encode()
        for name, is_plain in zip(names, plain, strict=True)
    ]
    alone = [
        (name if is_plain else "{" + _quoted(name) + "}").encode()
        for name, is_plain in zip(names, plain, strict=True)
    ]
    series = pc.if_else(
        has_pairs,
        row_by_row(pa.array(heads, pa.large_binary()).take(codes), pairs, b"}"),
        pa.array(alone, pa.large_binary()).take(codes),
    )
    values = numbers(samples.values[last]).cast(pa.large_binary())
    times = pa.array(samples.times[last]).cast(pa.string()).cast(pa.large_binary())
    line = row_by_row(series, b" ", values, b" ", times, b"\n")
    return pa.table({"name": pa.array(names, pa.string()).take(codes), "line": line})


def _quoted(name: str) -> str:
    """A name, in quotes if it is none of the old kind.

    >>> _quoted("up"), _quoted("a.b")
    ('up', '"a.b"')
    """
    if is_plain(name):
        return name
    return f'"{name.translate(_ESCAPES)}"'
