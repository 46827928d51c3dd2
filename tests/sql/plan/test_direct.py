"""Queries of plain rows are answered from memory as DuckDB would answer them."""

from __future__ import annotations

import random

import pytest
from fix_database import Client

from sql.run import scan

TABLE = (
    "CREATE TABLE cpu (host TEXT, rack INT, ts TIMESTAMP({unit}) TIME INDEX, v DOUBLE, n INT, "
    "note TEXT, day DATE, amount DECIMAL(10,2), PRIMARY KEY (host, rack))"
)


@pytest.fixture(params=[3, 6])
def cpu(request: pytest.FixtureRequest, db: Client) -> Client:
    """Rows in files and in memory, some replaced, some deleted."""
    db.run(TABLE.format(unit=request.param))
    for part in range(2):
        rows = ", ".join(
            f"('h{i % 5}', {i % 3}, '2024-01-01 00:{i % 60:02}:{part:02}', {i}.5, {i}, "
            f"{'NULL' if i % 4 else repr(str(i))}, '2024-01-{i % 28 + 1:02}', {i}.25)"
            for i in range(120)
        )
        db.run(f"INSERT INTO cpu VALUES {rows}")
        if part == 0:
            db.run("ADMIN flush_table('cpu')")
    db.run("UPDATE cpu SET v = -1 WHERE host = 'h1' AND ts < '2024-01-01 00:10:00'")
    db.run("DELETE FROM cpu WHERE host = 'h2' AND ts >= '2024-01-01 00:50:00'")
    return db


CONDITIONS = (
    "host = 'h{a}'",
    "host = 'h{a}' AND rack = {b}",
    "rack = {b} AND host = 'h{a}' AND ts = '2024-01-01 00:{m:02}:01'",
    "host = 'h{a}' AND ts >= '2024-01-01 00:{m:02}:00' AND ts < '2024-01-01 00:59:00.5'",
    "host = 'h{a}' AND ts > '2024-01-01 00:{m:02}:00' AND ts <= '2024-01-01 00:{m:02}:01'",
    "host = 'h{a}' AND ts BETWEEN '2024-01-01' AND '2024-01-01 00:{m:02}:00.9999'",
    "'2024-01-01 00:{m:02}:00' < ts AND host = 'h{a}'",
    "host = 'nobody'",
    "host = 'h{a}' AND host = 'h1'",
)
ENDS = ("", " ORDER BY ts, rack", " ORDER BY ts", " ORDER BY ts DESC", " ORDER BY ts DESC LIMIT 3")
COLUMNS = ("v", "ts, v, n", "note, host, ts AS t, ts, day", "*")


def test_answers_are_the_same(cpu: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    chance, direct = random.Random(1), 0
    kept = scan.direct_rows

    def counted(*arguments: object) -> object:
        nonlocal direct
        found = kept(*arguments)  # type: ignore[arg-type]
        direct += found is not None
        return found

    for _ in range(150):
        where = chance.choice(CONDITIONS).format(
            a=chance.randrange(5), b=chance.randrange(3), m=chance.randrange(60)
        )
        text = f"SELECT {chance.choice(COLUMNS)} FROM cpu WHERE {where}{chance.choice(ENDS)}"
        monkeypatch.setattr(scan, "direct_rows", lambda *_: None)
        expected = cpu.run(text)
        monkeypatch.setattr(scan, "direct_rows", counted)
        found = cpu.run(text)
        if "LIMIT" not in text:
            assert sorted(map(str, found)) == sorted(map(str, expected)), text
        if "ORDER" in text and text.startswith("SELECT ts"):  # rows of one time in any order
            assert [row[0] for row in found] == [row[0] for row in expected], text
        assert len(found) == len(expected)
    assert direct > 30


@pytest.mark.parametrize(
    "text",
    [
        "SELECT v FROM cpu WHERE host = 'h1' AND v > 10",
        "SELECT v FROM cpu WHERE host = 'h1' OR rack = 1",
        "SELECT v FROM cpu WHERE host = 'h1' OFFSET 2",
        "SELECT DISTINCT v FROM cpu WHERE host = 'h1'",
        "SELECT max(v) FROM cpu WHERE host = 'h1'",
        "SELECT v + 1 FROM cpu WHERE host = 'h1'",
        "SELECT a.v FROM cpu a JOIN cpu b ON a.n = b.n WHERE a.host = 'h1'",
        "SELECT v FROM cpu WHERE host = 'h1' ORDER BY v",
        "SELECT v FROM cpu WHERE host = 'h1' ORDER BY date_trunc('hour', ts)",
        "SELECT v FROM (SELECT * FROM cpu WHERE host = 'h1') t",
        "SELECT amount FROM cpu WHERE host = 'h1'",
        "SELECT v FROM cpu WHERE ts > now() - INTERVAL '1 hour' AND host = 'h1'",
    ],
)
def test_other_queries_are_duckdbs(cpu: Client, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    def refused(*_: object) -> None:
        raise AssertionError(text)

    monkeypatch.setattr(scan, "direct_rows", refused)
    assert sorted(cpu.run(text)) == sorted(cpu.run(text))


def test_values_of_another_kind_are_duckdbs(cpu: Client) -> None:
    for _ in range(2):
        assert cpu.run("SELECT n FROM cpu WHERE rack = '1' AND host = 'h1' AND ts < '2024'") == []
        assert len(cpu.run("SELECT n FROM cpu WHERE rack = 1.0 AND host = 'h1'")) == 8
        assert cpu.run("SELECT n FROM cpu WHERE host = 'h1' AND rack = 99999999999") == []


def test_parameters_choose_the_rows(cpu: Client) -> None:
    text = "SELECT n FROM cpu WHERE host = $1 AND ts >= $2 ORDER BY ts DESC, n LIMIT $3"
    plain = "SELECT n FROM cpu WHERE host = $1 AND ts >= $2 ORDER BY ts DESC LIMIT $3"
    for host in ("h0", "h3"):
        wanted = [row[0] for row in cpu.run(text, (host, "2024-01-01 00:30:00", 4))]
        found = [row[0] for row in cpu.run(plain, (host, "2024-01-01 00:30:00", 4))]
        assert len(found) == 4
        assert {n % 60 for n in found} == {n % 60 for n in wanted}


def test_a_transaction_sees_its_own_rows(cpu: Client) -> None:
    text = "SELECT v FROM cpu WHERE host = 'new' AND rack = 7"
    assert cpu.run(text) == cpu.run(text) == []
    cpu.run("BEGIN; INSERT INTO cpu (host, rack, ts, v) VALUES ('new', 7, 5, 2.5)")
    assert cpu.run(text) == [(2.5,)]
    cpu.run("ROLLBACK")
    assert cpu.run(text) == []
