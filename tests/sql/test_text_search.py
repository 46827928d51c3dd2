"""Searches give the same with text indexes as without, in SQL."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_database import Client, Databases, client

from sql.session import Wire

WORDS = ["error", "Error", "ERROR", "errors", "disk", "GET", "/api/v1", "id=7", "caf\u00e9", "10%"]
WORDS += ["\u4e2d\u6587", "\u6587\u5b57", "\u212aey", "key", "a_b", "x"]
TERMS = [*WORDS, "v1", "api", "nothing", "error disk", "disk/", "/api", "", "7", "b", "\u4e2d"]
CONDITIONS = [
    *(f"matches_term(msg, '{term}')" for term in TERMS),
    *(f"msg @@ '{term}'" for term in TERMS[:8]),
    *(f"lower(msg) @@ '{term}'" for term in ("error", "key", "caf\u00e9", "Error")),
    *(
        f"matches(msg, '{query}')"
        for query in ("error", '"error disk" -GET', "+disk +GET", "x OR id")
    ),
    *(
        f"msg LIKE '{pattern}'"
        for pattern in ("%error%", "error %", "% disk", "GET _ error", "10\\%%")
    ),
    *(f"msg LIKE '{pattern}'" for pattern in ("% error %", "%/api/v1 %", "error", "", "%")),
    *(f"msg ILIKE '{pattern}'" for pattern in ("% error %", "%key %", "% KEY", "%Caf\u00e9 %")),
    *(
        f"msg ~ '{pattern}'"
        for pattern in (r"\berror\b", "^error disk", "id=[0-9] ", "(disk|GET) x")
    ),
    *(f"msg ~* '{pattern}'" for pattern in (r"\berror\b", "key$")),
    "msg NOT LIKE '% error %'",
    "msg !~ 'error'",
    "NOT matches_term(msg, 'error')",
    "msg = 'error disk'",
    "msg <> 'error disk'",
    "msg IN ('error disk', 'x', 'GET GET')",
    "lower(msg) = 'error disk'",
    "trace = 't17'",
    "'t18' = trace",
    "trace IN ('t17', 't18', 'nosuch')",
    "trace = 'T17'",
    "lower(trace) = 't17'",
    "trace LIKE 't17%'",
    "msg @@ 'error' AND trace = 't17'",
    "msg @@ 'disk' OR trace = 't17'",
    "(msg @@ 'disk' AND msg @@ 'GET') OR (msg @@ 'nothing' AND v > 3)",
    "matches_term(msg, 'error') IS NOT TRUE",
    "msg @@ 'error' AND ts >= '1970-01-01 00:00:02' AND ts < '1970-01-01 00:00:04'",
    "CASE WHEN msg @@ 'error' THEN v > 5 ELSE true END",
    "msg || 'x' = 'error diskx'",
]


def fill(one: Client) -> None:
    """Four files of two blocks and more in memory; late rows replace some, some are deleted."""
    source = random.Random(5)
    for step in range(5):
        rows = []
        for i in range(1100 if step < 4 else 50):
            words = [source.choice(WORDS) for _ in range(source.randrange(4))]
            msg = "NULL" if source.random() < 0.05 else f"'{' '.join(words)}'"
            at = step * 1000 + i
            rows.append(f"('h{source.randrange(9)}', {at}, {msg}, 't{source.randrange(800)}', {i})")
        for table in ("searched", "plain"):
            one.run(f"INSERT INTO {table} VALUES {', '.join(rows)}")
            one.run(f"DELETE FROM {table} WHERE v % 37 = {step}")
            if step < 4:
                one.run(f"ADMIN flush_table('{table}')")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The tables `searched` and `plain` of the same rows."""
    databases = Databases(tmp_path_factory.mktemp("search"))
    one = client(databases.open())
    columns = "host STRING, ts TIMESTAMP(3), msg STRING{}, trace STRING{}, v INT, "
    keys = "TIME INDEX (ts), PRIMARY KEY (host)"
    rest = "WITH ('compaction.twcs.trigger_file_num'='1000')"
    full = " FULLTEXT INDEX WITH (analyzer='Chinese', case_sensitive='false')"
    one.run(f"CREATE TABLE searched ({columns.format(full, ' SKIPPING INDEX')}{keys}) {rest}")
    one.run(f"CREATE TABLE plain ({columns.format('', '')}{keys}) {rest}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.fulltext.picking._SHARE_MAX", 1.0)
        fill(one)
        yield one
    databases.close()


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_same_as_without_an_index(both: Client, condition: str) -> None:
    select = "SELECT host, ts, msg, trace, v FROM {} WHERE {} ORDER BY ts, host, v"
    expected = both.run(select.format("plain", condition))
    assert both.run(select.format("searched", condition)) == expected
    newest = "SELECT ts, host, msg FROM {} WHERE {} ORDER BY ts DESC, host LIMIT 7"
    assert both.run(newest.format("searched", condition)) == both.run(
        newest.format("plain", condition)
    )


MYSQL = [condition for condition in CONDITIONS if "~" not in condition and "||" not in condition]
MYSQL += [f"msg REGEXP '{pattern}'" for pattern in ("error", "^ERROR disk", "id=[0-9] ", "key$")]
MYSQL += [f"msg RLIKE '{pattern}'" for pattern in (r"\\berror\\b", " GET ")]
MYSQL += ["msg NOT REGEXP 'error'", "msg = 'ERROR DISK'"]


@pytest.mark.parametrize("condition", MYSQL)
def test_the_same_in_mysql(both: Client, condition: str) -> None:
    database = both.session.server
    one = client(database, Wire.MYSQL)
    select = "SELECT host, ts, msg, trace, v FROM {} WHERE {} ORDER BY ts, host, v"
    expected = one.run(select.format("plain", condition))
    assert one.run(select.format("searched", condition)) == expected


@pytest.mark.parametrize(
    ("condition", "prunes"),
    [
        ("matches_term(msg, 'nothing')", True),
        ("msg LIKE '% nothing %'", True),
        ("msg LIKE '%nothing%'", False),
        ("trace = 't9999'", True),
        (r"msg ~ '\bnothing\b'", True),
        ("NOT matches_term(msg, 'nothing')", False),
        ("host = 'nothing' OR msg @@ 'nothing'", False),
    ],
)
def test_explain_tells_the_blocks_that_were_left_out(
    both: Client, condition: str, prunes: bool
) -> None:
    text = "\n".join(
        line for (line,) in both.run(f"EXPLAIN ANALYZE SELECT v FROM searched WHERE {condition}")
    )
    found = re.search(r"text indexes asked: (\d+), blocks: (\d+), blocks pruned: (\d+)", text)
    assert (found is not None) == prunes, text
    if found is not None:
        assert found[1] == "4"
        assert found[2] == found[3]


def test_parameters_are_looked_up(both: Client) -> None:
    found = both.run("SELECT count(*) FROM searched WHERE matches_term(msg, $1)", ["disk"])
    assert found == both.run("SELECT count(*) FROM plain WHERE matches_term(msg, 'disk')")
    found = both.run("SELECT v FROM searched WHERE trace = $1 ORDER BY v", ["t17"])
    assert found == both.run("SELECT v FROM plain WHERE trace = 't17' ORDER BY v")


def test_alterations_keep_searches_exact(databases: Databases, tmp_path: Path) -> None:
    one = client(databases.open())
    one.run("CREATE TABLE t (ts TIMESTAMP(3) TIME INDEX, msg STRING) WITH (append_mode='true')")
    question = "SELECT {0}, n FROM t WHERE {0} @@ 'disk' ORDER BY ts"
    one.run("INSERT INTO t VALUES (1, 'disk full'), (2, 'all well'), (3, 'disks')")
    one.run("ADMIN flush_table('t')")
    one.run("ALTER TABLE t MODIFY COLUMN msg SET FULLTEXT INDEX")
    one.run("ALTER TABLE t ADD COLUMN n INT DEFAULT 4")
    assert one.run(question.format("msg")) == [("disk full", 4)]
    assert one.run("ADMIN build_index('t')") == [(0,)]
    assert one.run("SELECT index_size > 0 FROM information_schema.region_statistics") == [(True,)]
    assert one.run(question.format("msg")) == [("disk full", 4)]
    one.run("ALTER TABLE t RENAME COLUMN msg TO line")
    one.run("INSERT INTO t VALUES (4, 'a disk', 5)")
    one.run("ADMIN flush_table('t')")
    assert one.run(question.format("line")) == [("disk full", 4), ("a disk", 5)]
    one.run("ALTER TABLE t DROP COLUMN line")
    one.run("ALTER TABLE t ADD COLUMN line STRING DEFAULT 'new disk'")
    assert one.run(question.format("line")) == [("new disk", n) for n in (4, 4, 4, 5)]
    one.run("ALTER TABLE t MODIFY COLUMN line SET FULLTEXT INDEX")
    assert one.run("ADMIN build_index('t')") == [(0,)]
    assert one.run(question.format("line")) == [("new disk", n) for n in (4, 4, 4, 5)]
