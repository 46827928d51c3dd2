"""Types with a name of their own through psycopg and asyncpg, which read catalogs to know them."""

from __future__ import annotations

import asyncio
import enum
import ipaddress
from collections.abc import Iterator
from datetime import UTC, time
from typing import Any

import asyncpg
import psycopg
import pytest
from fix_server import RunningServer
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum
from psycopg.types.range import Range


class Mood(enum.Enum):
    sad = "sad"
    ok = "ok"


@pytest.fixture(scope="module")
def db(server: RunningServer) -> Iterator[psycopg.Connection[Any]]:
    host, port = server.addresses["postgres"].rsplit(":", 1)
    with psycopg.connect(f"host={host} port={port} dbname=public", autocommit=True) as connection:
        connection.execute("CREATE TYPE named_mood AS ENUM ('sad', 'ok')")
        connection.execute("CREATE TYPE named_pair AS (a int, m named_mood)")
        yield connection
        connection.execute("DROP TYPE named_pair, named_mood")


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_gives_and_takes_values(db: psycopg.Connection[Any], binary: bool) -> None:
    info = EnumInfo.fetch(db, "named_mood")
    assert info is not None
    register_enum(info, db, Mood)
    pair = CompositeInfo.fetch(db, "named_pair")
    assert pair is not None
    register_composite(pair, db)
    values = [Mood.ok, [Mood.sad, None], pair.python_type(1, Mood.ok), Range(1, 5)]
    values += [ipaddress.ip_interface("10.0.0.1/8"), time(1, 2, 3, tzinfo=UTC), [Range(1, 2)]]
    sign = "%b" if binary else "%t"
    types = ["named_mood", "named_mood[]", "named_pair", "int4range", "inet", "timetz"]
    items = [f"{sign}::{kind}" for kind in [*types, "int4range[]"]]
    cursor = db.cursor(binary=binary)
    assert cursor.execute(f"SELECT {', '.join(items)}", values).fetchone() == tuple(values)
    bare = cursor.execute(f"SELECT {sign}, ({sign}).m", [Mood.sad, values[2]])
    assert bare.fetchone() == (Mood.sad, Mood.ok)
    row = cursor.execute("SELECT ROW(1, 'a b', NULL), ROW(ROW(2))").fetchone()
    assert row == ((1, "a b", None), ((2,),)) if binary else (("1", "a b", None), ("(2)",))


def test_asyncpg_learns_types_from_the_catalog(db: psycopg.Connection[Any]) -> None:
    host, port = db.info.host, db.info.port

    async def ask() -> tuple[Any, ...]:
        connection = await asyncpg.connect(host=host, port=port, user="me", database="public")
        try:
            query = "SELECT $1::named_mood[], $2::named_pair, $3::int8multirange"
            many = [asyncpg.Range(1, 2), asyncpg.Range(5, None)]
            return tuple(await connection.fetchrow(query, ["ok", None], (7, "sad"), many))
        finally:
            await connection.close()

    moods, pair, ranges = asyncio.run(ask())
    assert (moods, tuple(pair)) == (["ok", None], (7, "sad"))
    assert ranges == [asyncpg.Range(1, 2), asyncpg.Range(5, None)]


def test_functions_of_enums_and_of_nothing_name_their_types(db: psycopg.Connection[Any]) -> None:
    ends = "SELECT enum_first(NULL::named_mood)::text, enum_last('sad'::named_mood)::text"
    assert db.execute(ends).fetchone() == ("sad", "ok")
    ranges = "enum_range(NULL::named_mood)", "enum_range('ok'::named_mood, NULL)"
    shown = ", ".join(f"array_to_string({one}, ',')" for one in ranges)
    assert db.execute(f"SELECT {shown}").fetchone() == ("sad,ok", "ok")
    void = db.execute("SELECT pg_sleep(0), pg_advisory_xact_lock(1)")
    assert [column.type_code for column in void.description or ()] == [2278, 2278]
    assert void.fetchone() == ("", "")


@pytest.mark.parametrize(
    ("given", "shown"),
    [("5000", "5s"), ("2min", "2min"), ("90000", "90s"), ("86400000", "1d"), ("15", "15ms")],
)
def test_durations_are_shown_in_their_largest_whole_unit(
    db: psycopg.Connection[Any], given: str, shown: str
) -> None:
    db.execute(f"SET lock_timeout = '{given}'")
    asked = "SELECT current_setting('lock_timeout')"
    assert db.execute(asked).fetchone() == (shown,)
    assert db.execute("SHOW lock_timeout").fetchone() == (shown,)
    db.execute("RESET lock_timeout")
    assert db.execute("SHOW lock_timeout").fetchone() == ("0",)


def test_literals_of_arrays_have_the_dimensions_that_are_written(
    db: psycopg.Connection[Any],
) -> None:
    query = """SELECT '{{1,2},{3,NULL}}'::int[],
        '{{a,"b c"},{"d,}",e}}'::text[], '[2:3]={1,2}'::int[],
        '[1:2][-1:0]={{1,2},{4,5}}'::int[], '{{{{{{1}}}}}}'::int[], '{{t}}'::bool[]"""
    rows = [[1, 2], [3, None]], [["a", "b c"], ["d,}", "e"]], [1, 2], [[1, 2], [4, 5]]
    deep = [[[[[[1]]]]]], [[True]]
    assert db.execute(query).fetchone() == (*rows, *deep)
    assert db.cursor(binary=True).execute(query).fetchone() == (*rows, *deep)
    for bad in ("{{1,2},{3}}", "{{1},2}", "{{1}"):
        with pytest.raises(psycopg.errors.InvalidTextRepresentation, match="malformed array"):
            db.execute(f"SELECT '{bad}'::int[]")
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        db.execute("SELECT '{{1,99999999999}}'::int[]")


def test_an_address_as_a_text_has_a_length(db: psycopg.Connection[Any]) -> None:
    query = "SELECT '10.1.2.3'::inet::text, '10.1.2.3/8'::inet::text, '::1'::inet::varchar"
    assert db.execute(query).fetchone() == ("10.1.2.3/32", "10.1.2.3/8", "::1/128")
    assert db.execute("SELECT host('10.1.2.3'::inet)").fetchone() == ("10.1.2.3",)


@pytest.mark.parametrize("binary", [False, True])
def test_columns_of_named_types_keep_each_row_its_own(
    db: psycopg.Connection[Any], binary: bool
) -> None:
    info = EnumInfo.fetch(db, "named_mood")
    pair = CompositeInfo.fetch(db, "named_pair")
    assert info is not None
    assert pair is not None
    register_enum(info, db, Mood)
    register_composite(pair, db)
    query = """
        SELECT CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN 'empty'::int4range
                 WHEN 2 THEN int4range(i::int, NULL) ELSE int4range(i::int, i::int + 5) END,
               CASE WHEN i % 3 > 0 THEN ROW(i, CASE WHEN i % 2 = 0 THEN 'ok' END)::named_pair END,
               CASE WHEN i % 5 > 0 THEN ('{"a":' || i || '}')::jsonb END,
               CASE WHEN i % 2 > 0 THEN i::oid END
        FROM generate_series(1, 40) t(i) ORDER BY i
    """
    ranges = [None, Range(empty=True), None, None]
    for i, row in enumerate(db.cursor(binary=binary).execute(query).fetchall(), start=1):
        shown = [*ranges[:2], Range(i, None), Range(i, i + 5)][i % 4]
        mood = Mood.ok if i % 2 == 0 else None
        assert row[0] == shown
        assert row[1] == (pair.python_type(i, mood) if i % 3 else None)
        assert row[2] == ({"a": i} if i % 5 else None)
        assert row[3] == (i if i % 2 else None)
