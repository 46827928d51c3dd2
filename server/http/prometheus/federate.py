"""`/v1/prometheus/federate`: the newest samples of some series, in the text format for scrapers.

https://prometheus.io/docs/prometheus/latest/federation/
https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from engine.errors import DbError, ErrorKind
from server.http.prometheus.answers import compressed
from server.http.prometheus.escaping import ESCAPES, Escape, asked_for, is_plain
from server.http.prometheus.parameters import now_ms, read_parameters
from server.http.prometheus.result_json import numbers
from server.http.tasks import in_session
from sql.promql.labels import NAME
from sql.promql.model import SelectedSeries, is_stale
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
        lines = {line for task in tasks for line in lines_of(session.run(task), escape)}
        return compressed(request, exposition(lines))

    body, headers = await in_session(
        request, given.database, work, timeout_ms=given.timeout(), application="federate"
    )
    return Response(body, headers=headers, media_type=_MEDIA.format(version, scheme))


Line = tuple[str, str]


def exposition(lines: set[Line]) -> bytes:
    """Lines by metric, each metric with its type. They are (metric, line)."""
    parts: list[str] = []
    before = None
    for name, line in sorted(lines):
        if name != before:
            parts.append(f"# TYPE {_quoted(name)} untyped\n")
            before = name
        parts.append(line)
    return "".join(parts).encode()


def lines_of(found: SelectedSeries, escape: Escape) -> Iterator[Line]:
    """The newest sample of each series; series that ended or have a native histogram have none.

    `escape` gives names as the scraper wants them.
    """
    samples = found.samples
    last = samples.offsets[1:] - 1
    values = samples.values[last]
    shown = ~is_stale(values)
    if samples.histograms is not None:
        shown &= np.fromiter((h is None for h in samples.histograms[last]), np.bool_, len(last))
    texts = numbers(values).to_pylist()
    times = samples.times[last].tolist()
    rows = found.labels.rows()
    for row in np.flatnonzero(shown).tolist():
        labels = rows[row]
        name = escape(labels.pop(NAME, ""))
        labels = {escape(label): value for label, value in labels.items()}
        yield name, f"{_series(name, labels)} {texts[row]} {times[row]}\n"


def _series(name: str, labels: dict[str, str]) -> str:
    pairs = [f'{_quoted(k)}="{v.translate(_ESCAPES)}"' for k, v in labels.items()]
    if _quoted(name) != name:  # such a name goes among the labels
        pairs.insert(0, _quoted(name))
        name = ""
    return name + ("{" + ",".join(pairs) + "}" if pairs else "")


def _quoted(name: str) -> str:
    """A name, in quotes if it is none of the old kind.

    >>> _quoted("up"), _quoted("a.b")
    ('up', '"a.b"')
    """
    if is_plain(name):
        return name
    return f'"{name.translate(_ESCAPES)}"'
