"""Parameters of the Prometheus API: times, durations, selectors, limits.

Called by the endpoints. Times become milliseconds since 1970.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from starlette.requests import Request

from engine.clock import SystemClock
from engine.errors import DbError, ErrorKind
from server.http.prometheus.answers import bad_data
from server.http.request import CATALOG, DEFAULT_DATABASE, read_body
from sql.durations import parse_promql

_FORM = "application/x-www-form-urlencoded"
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE)
_TIME_MAX_MS = 2**52  # what a float of seconds still tells apart to the millisecond
LOOKBACK_MS = 300_000
EVER_MS = (-(2**52), 2**52)


class Parameters:
    """The parameters of one request: of its form first, then of its query string."""

    def __init__(self, pairs: list[tuple[str, str]], database: str) -> None:
        self._pairs = pairs
        self.database = database

    def text(self, name: str) -> str:
        """The first value, "" if there is none."""
        return next((value for key, value in self._pairs if key == name and value), "")

    def texts(self, name: str) -> tuple[str, ...]:
        """All values."""
        return tuple(value for key, value in self._pairs if key == name)

    def needed(self, name: str) -> str:
        """The value. Raises: DbError SYNTAX without one."""
        found = self.text(name)
        if not found:
            raise bad_data(name, "1:1: parse error: no expression found in input")
        return found

    def time(self, name: str, default_ms: int | None = None) -> int:
        """A time. Raises: DbError SYNTAX."""
        text = self.text(name)
        if not text and default_ms is not None:
            return default_ms
        return time_ms(name, text)

    def duration(self, name: str, default_ms: int) -> int:
        """A duration. Raises: DbError SYNTAX."""
        text = self.text(name)
        return duration_ms(name, text) if text else default_ms

    def limit(self) -> int:
        """How many results are wanted, 0 for all. Raises: DbError SYNTAX."""
        text = self.text("limit")
        if text and not text.isdecimal():
            raise bad_data("limit", f"{text!r} is not a whole number")
        return int(text or 0)

    def lookback(self) -> int:
        """How far instants look back, in milliseconds."""
        return self.duration("lookback_delta", self.duration("lookback", LOOKBACK_MS))

    def timeout(self) -> int:
        """The time limit in milliseconds, 0 for none."""
        return self.duration("timeout", 0)


async def read_parameters(request: Request) -> Parameters:
    """Raises: DbError INVALID_ENCODING, LIMIT_EXCEEDED."""
    pairs = list(request.query_params.multi_items())
    if request.method == "POST":
        body = await read_body(request)
        kind = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
        if kind == _FORM:
            pairs = [*_form(body), *pairs]
    named = next((value for key, value in pairs if key == "db" and value), "")
    database = named or request.headers.get("x-greptime-db-name") or DEFAULT_DATABASE
    return Parameters(pairs, database.removeprefix(f"{CATALOG}-"))


def _form(body: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise DbError(ErrorKind.INVALID_ENCODING, "the request body is not UTF-8") from None


def now_ms() -> int:
    """The present."""
    return SystemClock().now_ms()


def time_ms(name: str, text: str) -> int:
    """Seconds since 1970 or RFC 3339. Raises: DbError SYNTAX.

    >>> time_ms("time", "1.5"), time_ms("time", "1970-01-01T00:00:01Z")
    (1500, 1000)
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = _rfc3339(name, text)
    if not math.isfinite(seconds) or abs(seconds) * 1000 > _TIME_MAX_MS:
        raise bad_data(name, f"{text!r} is beyond all times")
    return round(seconds * 1000)


def _rfc3339(name: str, text: str) -> float:
    if _RFC3339.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise bad_data(name, f'cannot parse "{text}" to a valid timestamp') from None
        delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
        return delta.total_seconds()
    raise bad_data(name, f'cannot parse "{text}" to a valid timestamp')


def duration_ms(name: str, text: str) -> int:
    """Seconds or a duration like 1h30m. Raises: DbError SYNTAX.

    >>> duration_ms("step", "15"), duration_ms("step", "1m")
    (15000, 60000)
    """
    try:
        seconds = float(text)
    except ValueError:
        try:
            return parse_promql(text)
        except DbError:
            raise bad_data(name, f'cannot parse "{text}" to a valid duration') from None
    if not math.isfinite(seconds) or abs(seconds) * 1000 > _TIME_MAX_MS:
        raise bad_data(name, f"{text!r} is longer than all durations")
    return round(seconds * 1000)
