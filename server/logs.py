"""Log lines: one per event, for people (text) or for machines (JSON).

Set up once by commands.py; every module then uses the standard `logging.getLogger(__name__)` and
puts facts into `extra=`, which both layouts show as named fields. It never writes to files: the
service manager that runs the server keeps its standard error.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any, TextIO

_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}


def setup(log_format: str, log_level: str, stream: TextIO | None = None) -> None:
    """Sends records of this level and above to `stream` (standard error), replacing handlers."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log_level.upper())
    # Libraries talk about themselves at info level; an operator wants to hear of the database.
    for name in ("uvicorn", "uvicorn.error", "numba", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # What it warns of in a client's statement, the client is told if it matters.
    logging.getLogger("sqlglot").setLevel(max(logging.ERROR, root.level))
    logging.captureWarnings(True)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """What the caller gave as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _USUAL}


def _timestamp(record: logging.LogRecord) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{whole}.{int(record.msecs):03d}Z"


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, the event's fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        event: dict[str, Any] = {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        event |= _fields(record)
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message field=value …`, always on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line = (
            f"{_timestamp(record)} {record.levelname:<7} {record.name}: {record.getMessage()}"
            + "".join(f" {name}={_shown(value)}" for name, value in _fields(record).items())
        )
        if record.exc_info:
            line += f" exception={self.formatException(record.exc_info)!r}"
        return line.replace("\r", "\\r").replace("\n", "\\n")


def _shown(value: object) -> str:
    """Bare words bare, everything else quoted as JSON does."""
    text = str(value)
    if text and not any(character in text for character in ' "=\n\t'):
        return text
    return json.dumps(text, ensure_ascii=False)
