"""COPY … ON_ERROR ignore, by psycopg."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from fix_server import RunningServer
from psycopg import errors

MIXED = "1\t2020-01-01\tx\ny\t2020-01-02\ty\n3\t2020-13-02\tz\nz\tfoo\t\\N\n5\t\\N\te\n"


@pytest.fixture
def link(server: RunningServer) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE mixed (a INT, b DATE, c TEXT)")
        yield connection


def _copy(link: psycopg.Connection[Any], options: str, data: str) -> list[str | None]:
    """The notices that came."""
    heard: list[str | None] = []
    link.add_notice_handler(lambda message: heard.append(message.message_primary))
    with link.cursor().copy(f"COPY mixed FROM STDIN ({options})".encode()) as copy:
        copy.write(data)
    return heard


def test_rows_that_do_not_fit_are_passed_over_and_counted(link: psycopg.Connection[Any]) -> None:
    heard = _copy(link, "ON_ERROR ignore", MIXED)
    assert heard == ["3 rows were skipped due to data type incompatibility"]
    rows = link.execute("SELECT a, c FROM mixed ORDER BY a").fetchall()
    assert rows == [(1, "x"), (5, "e")]


def test_each_of_them_is_told_or_none(link: psycopg.Connection[Any]) -> None:
    heard = _copy(link, "ON_ERROR ignore, LOG_VERBOSITY verbose", MIXED)
    assert len(heard) == 4
    assert 'line 2, column a: "y"' in str(heard[0])
    assert 'line 4, column b: "foo"' in str(heard[2])
    assert _copy(link, "ON_ERROR ignore, LOG_VERBOSITY silent", "x\t\\N\t\\N\n") == []


def test_nothing_is_written_beyond_the_limit(link: psycopg.Connection[Any]) -> None:
    with pytest.raises(errors.InvalidTextRepresentation, match="REJECT_LIMIT"):
        _copy(link, "ON_ERROR ignore, REJECT_LIMIT 2", MIXED)
    assert link.execute("SELECT count(*) FROM mixed").fetchone() == (0,)
    _copy(link, "ON_ERROR ignore, REJECT_LIMIT 3", MIXED)
    assert link.execute("SELECT count(*) FROM mixed").fetchone() == (2,)


def test_few_bad_rows_among_many_cost_little(link: psycopg.Connection[Any]) -> None:
    data = "".join(f"{'x' if n % 5000 == 7 else n}\t\\N\t\\N\n" for n in range(50_000))
    _copy(link, "ON_ERROR ignore", data)
    assert link.execute("SELECT count(*), max(a) FROM mixed").fetchone() == (49_990, 49_999)


@pytest.mark.parametrize(
    "options", ["REJECT_LIMIT 1", "ON_ERROR ignore, REJECT_LIMIT 0", "ON_ERROR perhaps"]
)
def test_options_that_make_no_sense_are_refused(
    link: psycopg.Connection[Any], options: str
) -> None:
    with pytest.raises((errors.SyntaxError, errors.InvalidParameterValue)):
        _copy(link, options, "")


def test_rows_with_too_few_fields_still_end_the_copy(link: psycopg.Connection[Any]) -> None:
    with pytest.raises(errors.BadCopyFileFormat):
        _copy(link, "ON_ERROR ignore", "1\n")


def test_the_place_of_a_bad_value_is_the_error_s_context(link: psycopg.Connection[Any]) -> None:
    with pytest.raises(errors.InvalidTextRepresentation) as caught:
        _copy(link, "FORMAT text", "1\t2020-01-01\tx\ny\t2020-01-02\ty\n")
    told = caught.value.diag
    assert told.context == 'COPY mixed, line 2, column a: "y"'
    assert told.message_detail is None
    with pytest.raises(errors.BadCopyFileFormat) as caught:
        _copy(link, "FORMAT text", "1\n")
    assert caught.value.diag.context == "COPY mixed, line 1"


def test_either_word_stands_for_the_client(link: psycopg.Connection[Any]) -> None:
    with link.cursor().copy(
        "COPY (SELECT 1, NULL) TO STDIN WITH DELIMITER E'\\t' NULL AS '-'"
    ) as out:
        assert b"".join(bytes(part) for part in out) == b"1\t-\n"
