"""Large objects by the fast path, as libpq's lo_… functions use it, and in statements."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import psycopg2
import pytest
from fix_server import RunningServer
from psycopg import errors

from sql.large_objects import PAGE_BYTES


@pytest.fixture
def old(server: RunningServer) -> Iterator[Any]:
    connection = psycopg2.connect(server.postgres_dsn())
    yield connection
    connection.close()


def test_bytes_are_written_and_read_in_place_across_pages(old: Any) -> None:
    data = bytes(range(256)) * (3 * PAGE_BYTES // 256)
    made = old.lobject(mode="wb")
    assert made.write(data) == len(data)
    made.seek(PAGE_BYTES - 2)
    made.write(b"abcd")
    made.seek(0, 2)
    assert made.tell() == len(data)
    old.commit()
    again = old.lobject(made.oid, "rb")
    again.seek(PAGE_BYTES - 3)
    assert again.read(6) == data[PAGE_BYTES - 3 : PAGE_BYTES - 2] + b"abcd" + data[2:3]
    again.seek(0)
    assert len(again.read()) == len(data)
    old.lobject(made.oid, "wb").truncate(10)
    assert old.lobject(made.oid, "rb").read() == data[:10]
    old.rollback()
    assert len(old.lobject(made.oid, "rb").read()) == len(data)
    old.lobject(made.oid, "n").unlink()
    old.commit()
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        old.lobject(made.oid, "rb")


def test_holes_are_zeros_and_cost_nothing(old: Any) -> None:
    made = old.lobject(mode="wb")
    made.seek(5 << 30)
    made.write(b"end")
    made.seek((5 << 30) - 2)
    assert made.tell() == (5 << 30) - 2
    assert old.lobject(made.oid, "rb").read(4) == b"\0\0\0\0"
    made.truncate((5 << 30) + 1)
    reader = old.lobject(made.oid, "rb")
    reader.seek((5 << 30) - 2)
    assert reader.read() == b"\0\0e"


def test_a_savepoint_undoes_writes(old: Any) -> None:
    cursor = old.cursor()
    made = old.lobject(mode="wb")
    made.write(b"kept")
    cursor.execute("SAVEPOINT before")
    made.write(b"gone")
    cursor.execute("ROLLBACK TO before")
    assert old.lobject(made.oid, "rb").read() == b"kept"


def test_descriptors_end_with_their_transaction(old: Any) -> None:
    made = old.lobject(mode="wb")
    number = old.cursor()
    number.execute("SELECT lo_open(%s, 262144)", (made.oid,))
    (descriptor,) = number.fetchone()
    old.commit()
    with pytest.raises(psycopg2.Error) as caught:
        number.execute("SELECT loread(%s, 1)", (descriptor,))
    assert caught.value.pgcode == "42704"


def test_statements_call_the_functions(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as link:
        (oid,) = link.execute("SELECT lo_from_bytea(0, %s)", (b"some bytes",)).fetchone() or (0,)
        assert link.execute("SELECT lo_get(%s)", (oid,)).fetchone() == (b"some bytes",)
        link.execute("SELECT lo_put(%s, 5, %s)", (oid, b"BYTES"))
        row = link.execute("SELECT lo_get(%s, 3, 4), lo_unlink(%s)", (oid, oid)).fetchone()
        assert row == (b"e BY", 1)
        with pytest.raises(errors.UndefinedObject, match=f"large object {oid} does not exist"):
            link.execute("SELECT lo_get(%s)", (oid,))


def test_the_fast_path_reaches_nothing_else(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn()) as link:
        calls = link.execute("SELECT count(*) FROM pg_proc WHERE proname = 'lo_open' AND oid = 952")
        assert calls.fetchone() == (1,)


def test_pg_dump_takes_large_objects_along(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn(), autocommit=True) as link:
        (oid,) = link.execute("SELECT lo_from_bytea(0, %s)", (b"dumped\0bytes",)).fetchone() or (0,)
        command = ["pg_dump", "--blobs", "--exclude-schema=*", server.postgres_dsn()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        link.execute("SELECT pg_catalog.lo_unlink(%s)", (oid,))
        lines = done.stdout.splitlines()
        start = next(n for n, line in enumerate(lines) if f"lo_create('{oid}')" in line)
        restored = [line for line in lines[start:] if "lo_" in line or "lowrite" in line]
        restored = [line for line in restored if line.startswith("SELECT")]
        with link.transaction():
            for line in restored:
                link.execute(line.encode())
        assert link.execute("SELECT lo_get(%s)", (oid,)).fetchone() == (b"dumped\0bytes",)
        link.execute("SELECT lo_unlink(%s)", (oid,))


def test_their_functions_tell_the_types_of_parameters(server: RunningServer) -> None:
    with psycopg.connect(server.postgres_dsn()) as connection:
        wanted = [("SELECT lo_create($1)", [20]), ("SELECT lo_put($1, $2, $3)", [20, 20, 17])]
        for query, oids in [*wanted, ("SELECT lo_get($1)", [20])]:
            connection.pgconn.prepare(b"p", query.encode())
            described = connection.pgconn.describe_prepared(b"p")
            assert [described.param_type(n) for n in range(described.nparams)] == oids
            connection.pgconn.exec_(b"DEALLOCATE p")
        made = connection.execute("SELECT lo_create(%s)", (0,), binary=True).fetchone()
        assert made is not None
        connection.execute("SELECT lo_put(%s, %s, %s)", (made[0], 1, b"\x00a"))
        assert connection.execute("SELECT lo_get(%s)", made).fetchone() == (b"\x00\x00a",)


def test_what_is_said_of_objects_is_kept_with_them(old: Any) -> None:
    oid = old.lobject(mode="wb").oid
    cursor = old.cursor()
    described = "SELECT description FROM pg_description WHERE objoid = %s AND classoid = 2613"
    asked = f"SELECT obj_description({oid}, 'pg_largeobject'), ({described})"
    cursor.execute(f"COMMENT ON LARGE OBJECT {oid} IS 'a picture'")
    cursor.execute(asked, (oid,))
    assert cursor.fetchone() == ("a picture", "a picture")
    old.commit()
    cursor.execute(f"COMMENT ON LARGE OBJECT {oid} IS NULL")
    cursor.execute(asked, (oid,))
    assert cursor.fetchone() == (None, None)
    old.rollback()
    cursor.execute(asked, (oid,))
    assert cursor.fetchone() == ("a picture", "a picture")
    old.lobject(oid, "n").unlink()
    cursor.execute(asked, (oid,))
    assert cursor.fetchone() == (None, None)
    old.commit()
    with pytest.raises(psycopg2.errors.UndefinedObject):
        cursor.execute(f"COMMENT ON LARGE OBJECT {oid} IS 'gone'")
    old.rollback()
