"""Log lines: one per event, in both layouts."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from server import logs


@pytest.fixture
def clean_root() -> Iterator[None]:
    """Setting up logs replaces the root's handlers; put pytest's back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)


def logged(log_format: str, level: str = "info") -> list[str]:
    """The lines of three events: one too quiet, one with fields, one with an exception."""
    stream = io.StringIO()
    logs.setup(log_format, level, stream)
    logger = logging.getLogger("server.test")
    logger.debug("quiet")
    logger.info("two\nlines", extra={"rows": 7, "statement": 'SELECT "a"', "user": "ann"})
    try:
        raise ValueError("no\ngood")
    except ValueError:
        logger.exception("failed")
    return stream.getvalue().splitlines()


@pytest.mark.usefixtures("clean_root")
def test_json_lines_are_objects_with_the_event_s_fields() -> None:
    first, second = map(json.loads, logged("json"))
    assert first["message"] == "two\nlines"
    assert (first["rows"], first["statement"], first["user"]) == (7, 'SELECT "a"', "ann")
    assert (first["level"], first["logger"]) == ("info", "server.test")
    assert first["time"].endswith("Z")
    assert "ValueError: no\ngood" in second["exception"]


@pytest.mark.usefixtures("clean_root")
def test_text_lines_stay_lines() -> None:
    first, second = logged("text")
    assert first.endswith(r'server.test: two\nlines rows=7 statement="SELECT \"a\"" user=ann')
    assert " INFO " in first
    assert "ValueError: no" in second


@pytest.mark.usefixtures("clean_root")
def test_the_level_decides_what_is_heard() -> None:
    assert len(logged("text", "debug")) == 3
    assert len(logged("text", "error")) == 1
    assert logging.getLogger("uvicorn").level >= logging.WARNING
