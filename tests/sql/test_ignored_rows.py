"""INSERT IGNORE and ON CONFLICT DO NOTHING on ordinary tables with several keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind
from sql.session import Wire

_TABLE = "CREATE TABLE i (a INT PRIMARY KEY, b INT UNIQUE, c INT)"
_ROWS = "(1, 1, 1), (2, 1, 2), (2, 2, 3), (3, NULL, 4), (4, NULL, 5)"


def test_rows_are_taken_in_order_if_none_of_their_keys_is(connect: Callable[..., Client]) -> None:
    mysql = connect(Wire.MYSQL)
    mysql.run(_TABLE)
    assert mysql.run(f"INSERT IGNORE INTO i VALUES {_ROWS}") == 4
    (warned,) = mysql.session.take_notices()
    assert (warned.errno, warned.message) == (1062, "Duplicate entry '2' for key 'i.PRIMARY'")
    assert mysql.run("SELECT c FROM i ORDER BY c") == [(1,), (3,), (4,), (5,)]
    assert mysql.run("INSERT IGNORE INTO i VALUES (9, 2, 0), (4, 7, 0), (9, 9, 6)") == 1
    assert mysql.run("SELECT c FROM i WHERE a = 9") == [(6,)]


def test_case_counts_as_the_column_says(connect: Callable[..., Client]) -> None:
    mysql = connect(Wire.MYSQL)
    mysql.run("CREATE TABLE s (a INT, s VARCHAR(5) COLLATE utf8mb4_general_ci UNIQUE)")
    assert mysql.run("INSERT IGNORE INTO s VALUES (1, 'q'), (2, 'Q'), (3, 'r')") == 2
    assert mysql.run("INSERT IGNORE INTO s VALUES (4, 'R'), (5, 't')") == 1


def test_do_nothing_keeps_every_null(db: Client) -> None:
    db.run(_TABLE)
    assert db.run(f"INSERT INTO i VALUES {_ROWS} ON CONFLICT DO NOTHING") == 4
    assert db.run("SELECT c FROM i ORDER BY c") == [(1,), (3,), (4,), (5,)]
    rows = "(5, NULL, 6), (6, 2, 7), (7, NULL, 8)"
    asked = f"INSERT INTO i VALUES {rows} ON CONFLICT (b) DO NOTHING RETURNING c"
    assert db.run(asked) == [(6,), (8,)]
    with pytest.raises(DbError) as caught:
        db.run("INSERT INTO i VALUES (7, 70, 0) ON CONFLICT (b) DO NOTHING")
    assert caught.value.kind is ErrorKind.UNIQUE_VIOLATION
