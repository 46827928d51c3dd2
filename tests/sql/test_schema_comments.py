"""COMMENT ON SCHEMA and DATABASE: kept, told to catalogs, and dumped."""

from __future__ import annotations

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind

TOLD = "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = '{}'"
DESCRIBED = (
    "SELECT nspname, description FROM pg_description JOIN pg_namespace n ON n.oid = objoid"
    " WHERE classoid = 'pg_namespace'::regclass ORDER BY 1"
)


def test_comments_of_schemas_are_told_and_kept(databases: Databases) -> None:
    one = client(databases.open())
    assert one.run(DESCRIBED) == [("public", "standard public schema")]
    one.run(
        "CREATE SCHEMA shop; COMMENT ON SCHEMA shop IS 'orders'; COMMENT ON SCHEMA public IS ''"
    )
    again = client(databases.open())
    assert again.run(TOLD.format("shop")) == [("orders",)]
    assert again.run(DESCRIBED) == [("shop", "orders")]
    again.run("COMMENT ON DATABASE shop IS NULL")
    assert again.run(TOLD.format("shop")) == [(None,)]


def test_a_comment_is_undone_with_its_transaction(db: Client) -> None:
    db.run("BEGIN; COMMENT ON SCHEMA public IS 'mine'")
    assert db.run(TOLD.format("public")) == [("mine",)]
    db.run("ROLLBACK")
    assert db.run(TOLD.format("public")) == [("standard public schema",)]


def test_a_schema_that_is_not_there_has_none(db: Client) -> None:
    with pytest.raises(DbError) as caught:
        db.run("COMMENT ON SCHEMA nowhere IS 'x'")
    assert caught.value.kind is ErrorKind.UNDEFINED_SCHEMA
