"""Tables of several regions: every way of writing finds the right one, reads skip what they can."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.database import Database
from sql.session import Wire

RULES = "host < 'h3' AND dev < 5, host < 'h3' AND dev >= 5, host >= 'h3'"
TABLE = f"""
    CREATE TABLE m (
        host STRING, dev INT, v DOUBLE, ts TIMESTAMP TIME INDEX, PRIMARY KEY (host, dev)
    )
    PARTITION ON COLUMNS (host, dev) ({RULES})
"""
LOG = f"""
    CREATE TABLE m (host STRING, dev INT, v DOUBLE, ts TIMESTAMP TIME INDEX)
    PARTITION ON COLUMNS (host, dev) ({RULES}) WITH (append_mode = 'true')
"""


def home(host: str | None, dev: int | None) -> int:
    """The partition of a row, NULL below everything."""
    if (host or "") >= "h3" and host is not None:
        return 2
    return 0 if dev is None or dev < 5 else 1


def counts(database: Database, name: str = "m") -> list[int]:
    """Live rows of each region, in rule order."""
    db = client(database)
    table = db.session.lookup("public", name)
    assert table is not None
    found = []
    for position in range(len(table.region_ids)):
        database.regions.flush(table.region_ids[position])
        found.append(database.regions.statistics(table.region_ids[position]).rows)
    return found


@pytest.fixture
def filled(db: Client) -> Client:
    db.run(TABLE)
    db.run("INSERT INTO m SELECT 'h' || (i % 6), i % 10, i, i * 1000 FROM range(60) t(i)")
    db.run("INSERT INTO m VALUES (NULL, 7, 1, 1), ('h1', NULL, 1, 1), (NULL, NULL, 1, 1)")
    return db


def expected(pairs: list[tuple[str | None, int | None]]) -> list[int]:
    homes = [home(*pair) for pair in pairs]
    return [homes.count(at) for at in range(3)]


PAIRS: list[tuple[str | None, int | None]] = [(f"h{i % 6}", i % 10) for i in range(60)]
PAIRS += [(None, 7), ("h1", None), (None, None)]


def test_rows_of_an_insert_go_to_their_regions(filled: Client, database: Database) -> None:
    assert counts(database) == expected(PAIRS)
    assert filled.run("SELECT count(*), sum(v) FROM m") == [(63, sum(range(60)) + 3.0)]


def test_a_table_made_by_a_query_is_divided(filled: Client, database: Database) -> None:
    filled.run(
        "CREATE TABLE n (host STRING, dev INT, ts TIMESTAMP TIME INDEX, PRIMARY KEY (host)) "
        "PARTITION ON COLUMNS (host) (host < 'h2', host >= 'h2') "
        "AS SELECT host, dev, ts FROM m WHERE host IS NOT NULL"
    )
    assert filled.run("SELECT count(*) FROM n") == [(61,)]
    assert counts(database, "n") == [21, 40]


def test_a_later_row_replaces_the_older_one_in_its_region(
    filled: Client, database: Database
) -> None:
    filled.run("INSERT INTO m VALUES ('h1', 1, 100, 1000), (NULL, 7, 100, 1)")
    assert counts(database) == expected(PAIRS)
    assert filled.run("SELECT sum(v) FROM m WHERE v = 100") == [(200.0,)]


def test_an_updated_row_moves_to_another_region(filled: Client, database: Database) -> None:
    before = counts(database)
    assert filled.run("UPDATE m SET host = 'h9' WHERE host = 'h1' AND dev = 7") == 2
    after = counts(database)
    assert [now - then for now, then in zip(after, before, strict=True)] == [0, -2, 2]
    assert filled.run("SELECT count(*) FROM m WHERE host = 'h9'") == [(2,)]
    assert filled.run("SELECT count(*) FROM m WHERE host = 'h1' AND dev = 7") == [(0,)]
    assert filled.run("SELECT count(*) FROM m") == [(63,)]


def test_a_reader_sees_a_moving_row_in_one_place(filled: Client, database: Database) -> None:
    stop = threading.Event()
    counts: set[int] = set()

    def read() -> None:
        reader = client(database)
        while not stop.is_set():
            counts.update(count for (count,) in reader.run("SELECT count(*) FROM m"))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for step in range(30):
        old, new = ("h1", "h9") if step % 2 == 0 else ("h9", "h1")
        filled.run(f"UPDATE m SET host = '{new}' WHERE host = '{old}'")
    stop.set()
    for reader in readers:
        reader.join()
    assert counts == {63}


def test_rows_are_deleted_in_every_region(filled: Client, database: Database) -> None:
    assert filled.run("DELETE FROM m WHERE dev = 7 OR host IS NULL") == 8
    left = [pair for pair in PAIRS if pair[1] != 7 and pair[0] is not None]
    assert counts(database) == expected(left)


def test_rows_without_identity_are_routed_too(db: Client, database: Database) -> None:
    db.run(LOG)
    db.run("INSERT INTO m SELECT 'h' || (i % 6), i % 10, i, 1000 FROM range(60) t(i)")
    db.run("INSERT INTO m SELECT 'h' || (i % 6), i % 10, i, 1000 FROM range(60) t(i)")
    assert counts(database) == [2 * n for n in expected(PAIRS[:60])]
    assert db.run("UPDATE m SET host = 'h0', dev = 0 WHERE host = 'h5'") == 20
    assert db.run("SELECT count(*) FROM m WHERE host = 'h0' AND dev = 0") == [(24,)]
    assert db.run("DELETE FROM m WHERE host = 'h0'") == 40
    assert db.run("SELECT count(*) FROM m") == [(80,)]


def test_rows_of_a_transaction_are_seen_and_committed_together(
    filled: Client, database: Database
) -> None:
    filled.run("BEGIN")
    filled.run("INSERT INTO m VALUES ('h0', 0, 1, 9), ('h9', 0, 1, 9)")
    assert filled.run("SELECT count(*) FROM m WHERE ts = 9") == [(2,)]
    assert client(database).run("SELECT count(*) FROM m WHERE ts = 9") == [(0,)]
    filled.run("COMMIT")
    assert client(database).run("SELECT count(*) FROM m WHERE ts = 9") == [(2,)]


def test_truncate_empties_every_region(filled: Client, database: Database) -> None:
    filled.run("TRUNCATE m")
    assert counts(database) == [0, 0, 0]
    filled.run("INSERT INTO m VALUES ('h9', 0, 1, 9)")
    assert counts(database) == [0, 0, 1]
    filled.run("DROP TABLE m")
    assert database.regions.region_ids() == frozenset()


def test_regions_are_there_after_a_restart(databases: Databases) -> None:
    db = client(databases.open())
    db.run(TABLE)
    db.run("INSERT INTO m SELECT 'h' || (i % 6), i % 10, i, i * 1000 FROM range(60) t(i)")
    database = databases.open()
    assert client(database).run("SELECT count(*), sum(v) FROM m") == [(60, float(sum(range(60))))]
    assert counts(database) == expected(PAIRS[:60])


@pytest.mark.parametrize(
    ("where", "regions"),
    [
        ("host = 'h1'", 2),
        ("host = 'h1' AND dev = 7", 1),
        ("host = 'h4'", 1),
        ("host IN ('h3', 'h5')", 1),
        ("host IN ('h3', 'h1')", 3),
        ("host > 'h3'", 1),
        ("'h3' <= host", 1),
        ("host BETWEEN 'h1' AND 'h2'", 2),
        ("dev >= 5 AND host < 'h2'", 1),
        ("host = 'h1' OR host = 'h4'", 3),
        ("(host = 'h4' OR host = 'h5') AND v > 3", 1),
        ("host = 'h4' OR v > 3", 3),
        ("host IS NULL", 3),
        ("NOT host = 'h4'", 3),
        ("dev = 5.5 AND host = 'h1'", 1),
        ("dev < 4.5 AND host = 'h1'", 1),
        ("lower(host) = 'h4'", 3),
        ("host || '' = 'h4'", 3),
    ],
)
def test_only_regions_that_can_match_are_read(filled: Client, where: str, regions: int) -> None:
    answer = filled.run(f"SELECT host, dev FROM m WHERE {where}")
    filled.run("CREATE TABLE copy AS SELECT * FROM m")
    assert sorted(answer, key=repr) == sorted(
        filled.run(f"SELECT host, dev FROM copy WHERE {where}"), key=repr
    )
    plan = [line for (line,) in filled.run(f"EXPLAIN SELECT * FROM m WHERE {where}")]
    pruned = next(line for line in plan if "partitions pruned" in line)
    assert pruned.endswith(f"partitions: {regions}, partitions pruned: {3 - regions}")


def test_a_prepared_statement_prunes_by_its_parameters(filled: Client) -> None:
    session = filled.session
    statement = session.parse("SELECT count(*) FROM m WHERE host = $1")[0]
    for host, rows in (("h1", 11), ("h4", 10), ("x", 0)):
        result = session.execute(statement, [host])
        assert [batch.column(0).to_pylist() for batch in result] == [[rows]]


def test_an_outer_join_keeps_its_unmatched_rows(filled: Client) -> None:
    filled.run("CREATE TABLE names (host STRING, name STRING)")
    filled.run("INSERT INTO names VALUES ('h1', 'one'), ('none', 'zero')")
    query = (
        "SELECT n.name, count(m.v) FROM names n LEFT JOIN m ON m.host = n.host AND m.host = 'h1' "
        "GROUP BY 1 ORDER BY 1"
    )
    assert filled.run(query) == [("one", 11), ("zero", 0)]
    anti = "SELECT n.name FROM names n LEFT JOIN m ON m.host = n.host WHERE m.host IS NULL"
    assert filled.run(anti) == [("zero",)]


def test_a_time_range_prunes_partitions_by_time(db: Client, database: Database) -> None:
    db.run(
        "CREATE TABLE t (v INT, ts TIMESTAMP TIME INDEX) PARTITION ON COLUMNS (ts) "
        "(ts < '2024-01-02', ts >= '2024-01-02' AND ts < '2024-01-03', ts >= '2024-01-03')"
    )
    db.run(
        "INSERT INTO t SELECT i, TIMESTAMP '2024-01-01' + INTERVAL 1 HOUR * i FROM range(72) r(i)"
    )
    assert counts(database, "t") == [24, 24, 24]
    plan = db.run("EXPLAIN SELECT * FROM t WHERE ts >= '2024-01-02 03:00:00' AND ts < '2024-01-03'")
    assert any(line.endswith("partitions: 1, partitions pruned: 2") for (line,) in plan)
    plan = db.run("EXPLAIN SELECT * FROM t WHERE ts >= TIMESTAMP '2024-01-02' + INTERVAL '1 day'")
    assert any(line.endswith("partitions: 1, partitions pruned: 2") for (line,) in plan)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        (
            "CREATE TABLE x (a INT, v INT, ts TIMESTAMP TIME INDEX, PRIMARY KEY (a)) "
            "PARTITION ON COLUMNS (v) (v < 5, v >= 5) WITH (merge_mode = 'last_non_null')",
            ErrorKind.INVALID_TABLE_DEFINITION,
        ),
        (
            "CREATE TABLE x (a INT, ts TIMESTAMP TIME INDEX, PRIMARY KEY (a)) "
            "PARTITION ON COLUMNS (a) (a < 5, a > 5)",
            ErrorKind.INVALID_ARGUMENT,
        ),
        (
            "CREATE TABLE x (a INT, ts TIMESTAMP TIME INDEX, PRIMARY KEY (a)) "
            "PARTITION ON COLUMNS (a) (ts < 5, ts >= 5)",
            ErrorKind.UNDEFINED_COLUMN,
        ),
        (
            "CREATE TABLE x (a INT, ts TIMESTAMP TIME INDEX, PRIMARY KEY (a)) "
            "PARTITION ON COLUMNS (a, a) (a < 5, a >= 5)",
            ErrorKind.DUPLICATE_COLUMN,
        ),
        (
            "CREATE TABLE x PARTITION ON COLUMNS (a) (a < 5, a >= 5) AS SELECT 1 AS a",
            ErrorKind.INVALID_TABLE_DEFINITION,
        ),
        (
            "CREATE TABLE x (a BINARY, ts TIMESTAMP TIME INDEX) "
            "PARTITION ON COLUMNS (a) (a < 'x', a >= 'x') WITH (append_mode = 'true')",
            ErrorKind.UNSUPPORTED,
        ),
    ],
)
def test_a_table_with_wrong_partitions_is_not_made(db: Client, sql: str, kind: ErrorKind) -> None:
    with pytest.raises(DbError) as caught:
        db.run(sql)
    assert caught.value.kind is kind
    assert db.run("SHOW TABLES") == [("numbers",)]


def test_like_takes_partitions_along(filled: Client, database: Database) -> None:
    filled.run("CREATE TABLE n (LIKE m)")
    assert counts(database, "n") == [0, 0, 0]


def test_moments_in_rules_are_the_same_in_every_time_zone(db: Client) -> None:
    db.run(
        "CREATE TABLE t (v INT, ts TIMESTAMP TIME INDEX) "
        "PARTITION ON COLUMNS (ts) (ts < '2024-01-02', ts >= '2024-01-02')"
    )
    db.run("SET TIME ZONE 'Asia/Shanghai'")
    db.run("CREATE TABLE n (LIKE t)")
    db.run(
        "ALTER TABLE t SPLIT PARTITION (ts >= '2024-01-02 08:00:00') "
        "INTO (ts >= '2024-01-02 08:00:00' AND ts < '2024-01-03', ts >= '2024-01-03')"
    )
    query = (
        "SELECT partition_description FROM information_schema.partitions WHERE table_name = '{}'"
    )
    assert db.run(query.format("n")) == [("ts < '2024-01-02'",), ("ts >= '2024-01-02'",)]
    early, late = "2024-01-02 00:00:00.000+00:00", "2024-01-02 16:00:00.000+00:00"
    assert db.run(query.format("t")) == [
        ("ts < '2024-01-02'",),
        (f"ts >= '{early}' AND ts < '{late}'",),
        (f"ts >= '{late}'",),
    ]


@pytest.mark.parametrize("wire", list(Wire))
def test_show_create_can_be_run_again(connect: Callable[..., Client], wire: Wire) -> None:
    db = connect(wire)
    mark = "`" if wire is Wire.MYSQL else '"'
    db.run(
        f"CREATE TABLE q (a INT, {mark}B b{mark} STRING, ts TIMESTAMP TIME INDEX, "
        f"PRIMARY KEY (a, {mark}B b{mark})) PARTITION ON COLUMNS (a, {mark}B b{mark}) "
        f"(a < 5 AND {mark}B b{mark} < 'it''s', a < 5 AND {mark}B b{mark} >= 'it''s', a >= 5)"
    )
    shown = db.run("SHOW CREATE TABLE q")[0][1]
    assert f"  a < 5 AND {mark}B b{mark} < 'it''s',\n" in shown
    db.run("DROP TABLE q")
    db.run(shown)
    assert db.run("SHOW CREATE TABLE q")[0][1] == shown
