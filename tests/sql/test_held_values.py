"""Values that a block's variables cannot hold are refused in words; the block may go on."""

from __future__ import annotations

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind

DATES = ["'infinity'::timestamp", "'0044-03-15 BC'::date", "'10000-01-01'::date"]


@pytest.mark.parametrize("date", DATES)
def test_times_that_no_variable_holds_are_refused_in_words(db: Client, date: str) -> None:
    kind = date.rpartition(":")[2]
    with pytest.raises(DbError) as caught:
        db.run(f"DO $$ DECLARE d {kind}; BEGIN d := {date}; END $$")
    assert caught.value.kind is ErrorKind.DATETIME_OVERFLOW
    with pytest.raises(DbError) as caught:
        db.run(
            f"DO $$ DECLARE r record; BEGIN FOR r IN SELECT {date} AS d LOOP NULL; END LOOP; END $$"
        )
    assert caught.value.kind is ErrorKind.DATETIME_OVERFLOW
    db.run("CREATE TABLE t (a INT)")
    db.run(
        f"DO $$ DECLARE d {kind}; BEGIN d := {date};"
        " EXCEPTION WHEN datetime_field_overflow THEN INSERT INTO t VALUES (1); END $$"
    )
    assert db.run("SELECT a FROM t") == [(1,)]
