"""Tells Alertmanagers of alerts: API version 2, from a thread of its own.

Called by rules.py after evaluations. What cannot be delivered is told again with the next round
that is due, as Prometheus does; the queue is bounded, its oldest alerts are dropped first.
https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

import base64
import json
import logging
import threading
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus, unquote, urlsplit, urlunsplit

from server.rules.alerts import RESEND_MS, Alert

_LOG = logging.getLogger(__name__)
_QUEUE_MAX = 10_000
_BATCH_MAX = 64
_TIMEOUT_SECONDS = 10.0
_PATH = "/api/v2/alerts"


class Notifier:
    """Sends to every Alertmanager. Any thread may call its methods."""

    def __init__(self, urls: Sequence[str], external_labels: Mapping[str, str], url: str) -> None:
        # Constant after construction.
        self._targets = [_target(one) for one in urls]
        self._labels = external_labels
        self._url = url
        # Guarded by _ready.
        self._ready = threading.Condition()
        self._queue: deque[dict[str, Any]] = deque(maxlen=_QUEUE_MAX)
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def addresses(self) -> list[str]:
        """Where alerts go to, without passwords."""
        return [url for url, _ in self._targets]

    def send(self, alerts: Sequence[Alert], query: str, now_ms: int, interval_ms: int) -> None:
        """Puts alerts of one rule into the queue. A firing alert ends if it is not told again."""
        if not self._targets or not alerts:
            return
        until = now_ms + 4 * max(interval_ms, RESEND_MS)
        link = f"{self._url}/graph?g0.expr={quote_plus(query)}&g0.tab=1"
        messages = [self._message(alert, until, link) for alert in alerts]
        with self._ready:
            self._queue.extend(messages)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)
                self._thread.start()
            self._ready.notify()

    def _message(self, alert: Alert, until_ms: int, link: str) -> dict[str, Any]:
        return {
            "labels": {**self._labels, **alert.labels},
            "annotations": dict(alert.annotations),
            "startsAt": moment(alert.fired_ms),
            "endsAt": moment(alert.resolved_ms or until_ms),
            "generatorURL": link,
        }

    def _work(self) -> None:
        while True:
            with self._ready:
                self._ready.wait_for(lambda: self._queue or self._closed)
                if not self._queue:
                    return
                count = min(_BATCH_MAX, len(self._queue))
                batch = [self._queue.popleft() for _ in range(count)]
            body = json.dumps(batch).encode()
            for url, headers in self._targets:
                _post(url, headers, body)

    def close(self) -> None:
        """Sends what waits, for a while, and stops."""
        with self._ready:
            self._closed = True
            self._ready.notify()
            thread = self._thread
        if thread is not None:
            thread.join(_TIMEOUT_SECONDS)


def _post(url: str, headers: Mapping[str, str], body: bytes) -> None:
    request = urllib.request.Request(url, body, dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS):
            return
    except (OSError, ValueError) as error:
        _LOG.warning("alerts were not taken by %s: %s", url, error)


def _target(url: str) -> tuple[str, dict[str, str]]:
    """Where to post and with which headers; a user in the URL becomes basic authentication."""
    parts = urlsplit(url)
    headers = {"content-type": "application/json"}
    host = parts.netloc.rpartition("@")[2]
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    return urlunsplit((parts.scheme, host, parts.path.rstrip("/") + _PATH, "", "")), headers


def moment(milliseconds: int) -> str:
    """RFC 3339.

    >>> moment(1500)
    '1970-01-01T00:00:01.500Z'
    """
    when = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
