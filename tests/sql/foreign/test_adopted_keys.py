"""A store of an older version, in which DuckDB keeps to the foreign keys."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from fix_database import Databases, client

from engine.errors import DbError, ErrorKind

TABLES = "__gnomon.tables"


def make_older(directory: Path, ddl: list[str], names: list[str]) -> None:
    """Puts the tables back as they were: keys in DuckDB, records without actions."""
    with duckdb.connect(str(directory / "catalog.duckdb")) as store:
        (index,) = store.execute("SELECT index_name FROM duckdb_indexes()").fetchall()[0]
        for name in names:
            store.execute(f"DROP TABLE public.{name}")
        for text in ddl:
            store.execute(text.format(index=index))
        for table_id, text in store.execute(f"SELECT id, definition FROM {TABLES}").fetchall():
            record = json.loads(text)
            for one in record.get("constraints", ()):
                there = one["references"]
                if there is not None:
                    one["references"] = [there["database"], there["table"], there["columns"]]
            store.execute(
                f"UPDATE {TABLES} SET definition = ? WHERE id = ?", [json.dumps(record), table_id]
            )


def test_keys_are_taken_over(databases: Databases) -> None:
    one = client(databases.open())
    one.run("CREATE TABLE p (id INT PRIMARY KEY)")
    one.run("CREATE TABLE c (id INT PRIMARY KEY, v TEXT NOT NULL UNIQUE CHECK (v > 'a'), up INT)")
    one.run("CREATE UNIQUE INDEX ci ON c (lower(v))")
    one.run("ALTER TABLE c ADD FOREIGN KEY (id) REFERENCES p, ADD FOREIGN KEY (up) REFERENCES c")
    one.run("CREATE TABLE g (a INT REFERENCES c)")
    databases.close()
    make_older(
        databases.directory,
        [
            "CREATE TABLE public.p (id INTEGER, PRIMARY KEY (id))",
            "CREATE TABLE public.c (id INTEGER NOT NULL, v VARCHAR NOT NULL, up INTEGER,"
            " PRIMARY KEY (id), UNIQUE (v), CHECK (v > 'a'), FOREIGN KEY (id) REFERENCES p (id),"
            " FOREIGN KEY (up) REFERENCES c (id))",
            "CREATE UNIQUE INDEX {index} ON public.c (lower(v))",
            "CREATE TABLE public.g (a INTEGER, FOREIGN KEY (a) REFERENCES c (id))",
            "INSERT INTO public.p VALUES (1), (2)",
            "INSERT INTO public.c VALUES (1, 'b', NULL)",
            "INSERT INTO public.c VALUES (2, 'c', 1)",
            "INSERT INTO public.g VALUES (2)",
        ],
        ["g", "c", "p"],
    )
    again = client(databases.open())
    assert again.run("SELECT * FROM c ORDER BY id") == [(1, "b", None), (2, "c", 1)]
    for sql, kind in (
        ("INSERT INTO c VALUES (3, 'd', 1)", ErrorKind.FOREIGN_KEY_VIOLATION),
        ("DELETE FROM c WHERE id = 2", ErrorKind.STILL_REFERENCED),
        ("UPDATE c SET v = 'B' WHERE id = 2", ErrorKind.UNIQUE_VIOLATION),  # the index
        ("UPDATE c SET v = 'A' WHERE id = 2", ErrorKind.CHECK_VIOLATION),
        ("UPDATE c SET v = 'b' WHERE id = 2", ErrorKind.UNIQUE_VIOLATION),
        (
            "INSERT INTO p VALUES (3); INSERT INTO c VALUES (3, NULL, 1)",
            ErrorKind.NOT_NULL_VIOLATION,
        ),
    ):
        with pytest.raises(DbError) as caught:
            again.run(sql)
        assert caught.value.kind is kind, sql
    again.run("ALTER TABLE p RENAME TO parents; ALTER TABLE c ADD COLUMN x INT")
    again = client(databases.open())
    with pytest.raises(DbError) as caught:
        again.run("DELETE FROM parents WHERE id = 1")
    assert caught.value.kind is ErrorKind.STILL_REFERENCED
    again.run("DROP TABLE g; DELETE FROM c; DELETE FROM parents")
