"""hstore and citext: made by CREATE EXTENSION, kept, asked, and gone with it."""

from __future__ import annotations

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind


def refused(db: Client, text: str) -> ErrorKind:
    with pytest.raises(DbError) as caught:
        db.run(text)
    return caught.value.kind


@pytest.fixture
def pairs(db: Client) -> Client:
    db.run("CREATE EXTENSION hstore")
    db.run("CREATE TABLE t (id INT PRIMARY KEY, h hstore, hs hstore[])")
    db.run(
        "INSERT INTO t VALUES (1, 'b=>2, a=>1', ARRAY['x=>1'::hstore]), (2, hstore('k', 'v'), '{}')"
    )
    db.run("INSERT INTO t VALUES (3, '', NULL), (4, NULL, NULL)")
    return db


@pytest.fixture
def names(db: Client) -> Client:
    db.run("CREATE EXTENSION citext")
    db.run("CREATE TABLE n (id INT PRIMARY KEY, name citext UNIQUE, t TEXT)")
    db.run("INSERT INTO n VALUES (1, 'Foo', 'Foo'), (2, 'bar', 'bar'), (3, NULL, NULL)")
    return db


def test_types_are_there_with_their_extension_only(db: Client) -> None:
    assert refused(db, "SELECT 'a=>1'::hstore") is ErrorKind.UNDEFINED_OBJECT
    assert refused(db, "CREATE EXTENSION postgis") is ErrorKind.UNSUPPORTED
    db.run("CREATE EXTENSION IF NOT EXISTS postgis")
    db.run("CREATE EXTENSION hstore WITH SCHEMA public VERSION '1.8' CASCADE")
    db.run("CREATE EXTENSION IF NOT EXISTS hstore")
    assert refused(db, "CREATE EXTENSION hstore") is ErrorKind.DUPLICATE_OBJECT
    assert db.run("SELECT extname FROM pg_extension ORDER BY 1") == [("hstore",), ("plpgsql",)]
    shown = "SELECT typname, typtype, typcategory FROM pg_type WHERE oid = 'hstore'::regtype"
    assert db.run(shown) == [("hstore", "b", "U")]
    available = "SELECT name, installed_version FROM pg_available_extensions ORDER BY 1"
    assert db.run(available) == [("citext", None), ("hstore", "1.8"), ("plpgsql", "1.0")]
    assert refused(db, "DROP TYPE hstore") is ErrorKind.DEPENDENT_OBJECTS
    db.run("DROP EXTENSION hstore")
    db.run("DROP EXTENSION IF EXISTS hstore")
    assert refused(db, "DROP EXTENSION hstore") is ErrorKind.UNDEFINED_OBJECT
    assert refused(db, "SELECT NULL::hstore") is ErrorKind.UNDEFINED_OBJECT


def test_what_uses_a_type_keeps_its_extension_or_goes_with_it(pairs: Client) -> None:
    assert refused(pairs, "DROP EXTENSION hstore") is ErrorKind.DEPENDENT_OBJECTS
    pairs.run("DROP EXTENSION hstore CASCADE")
    assert pairs.run("SELECT * FROM t ORDER BY id") == [(1,), (2,), (3,), (4,)]


def test_values_are_kept_as_postgresql_prints_them(pairs: Client) -> None:
    assert pairs.run("SELECT h, hs FROM t ORDER BY id") == [
        ('"a"=>"1", "b"=>"2"', ['"x"=>"1"']),
        ('"k"=>"v"', []),
        ("", None),
        (None, None),
    ]
    assert pairs.run("SELECT id FROM t WHERE h = 'a=>1,b=>2'") == [(1,)]
    told = 'SELECT \'cc=>"x \\"y\\\\", bb=>NULL, a=>"NULL", bb=>2\'::hstore'
    assert pairs.run(told) == [('"a"=>"NULL", "bb"=>NULL, "cc"=>"x \\"y\\\\"',)]
    for text in ("a", "a=>", "=>1", "a=>1 b", '"a=>1'):
        assert refused(pairs, f"SELECT '{text}'::hstore") is ErrorKind.INVALID_TEXT, text


def test_operators(pairs: Client) -> None:
    ask = "SELECT h -> 'a', h ? 'a', h ?| ARRAY['k', 'z'], h ?& ARRAY['a', 'b'], h @> 'a=>1'"
    assert pairs.run(f"{ask}, 'k=>v' <@ h FROM t ORDER BY id") == [
        ("1", True, False, True, True, False),
        (None, False, True, False, False, True),
        (None, False, False, False, False, False),
        (None, None, None, None, None, None),
    ]
    made = "SELECT h || 'c=>3, a=>9', h - 'a'::text, h - ARRAY['a', 'k'], h - 'b=>2' FROM t"
    assert pairs.run(f"{made} WHERE id < 3 ORDER BY id") == [
        ('"a"=>"9", "b"=>"2", "c"=>"3"', '"b"=>"2"', '"b"=>"2"', '"a"=>"1"'),
        ('"a"=>"9", "c"=>"3", "k"=>"v"', '"k"=>"v"', "", '"k"=>"v"'),
    ]
    assert pairs.run("SELECT h -> ARRAY['b', 'z'], h['a'] FROM t WHERE id = 1") == [
        (["2", None], "1")
    ]
    assert pairs.run("SELECT h->'a' FROM (SELECT h || 'a=>5' AS h FROM t) s WHERE h ? 'k'") == [
        ("5",)
    ]


def test_functions(pairs: Client) -> None:
    ask = "SELECT akeys(h), avals(h), hstore_to_array(h), slice(h, ARRAY['a']), delete(h, 'a')"
    assert pairs.run(f"{ask}, exist(h, 'a'), defined(h, 'z') FROM t WHERE id = 1") == [
        (["a", "b"], ["1", "2"], ["a", "1", "b", "2"], '"a"=>"1"', '"b"=>"2"', True, False)
    ]
    made = "SELECT hstore(ARRAY['a', 'b'], ARRAY['1', NULL]), hstore(ARRAY['a', '1', 'b', '2'])"
    assert pairs.run(f"{made}, hstore('k', NULL)") == [
        ('"a"=>"1", "b"=>NULL', '"a"=>"1", "b"=>"2"', '"k"=>NULL')
    ]
    loose = "SELECT hstore_to_json_loose('a=>1, b=>t, c=>x')->>'a', ('a=>1'::hstore)::json->>'a'"
    assert pairs.run(loose) == [("1", "1")]
    wrong = "SELECT hstore(ARRAY[NULL, 'b'], ARRAY['a', 'c'])"
    assert refused(pairs, wrong) is ErrorKind.INVALID_ARGUMENT


def test_pairs_as_rows(pairs: Client) -> None:
    assert pairs.run("SELECT id, skeys(h) FROM t ORDER BY 1, 2") == [(1, "a"), (1, "b"), (2, "k")]
    fields = "SELECT (each(h)).key, (each(h)).value FROM t ORDER BY 1"
    rows = [("a", "1"), ("b", "2"), ("k", "v")]
    assert pairs.run(fields) == rows
    assert pairs.run("SELECT (each(h)).* FROM t ORDER BY 1") == rows
    assert pairs.run("SELECT key, value FROM t, each(t.h) ORDER BY 1") == rows
    assert pairs.run("SELECT k, v FROM each('a=>1') AS x (k, v)") == [("a", "1")]


def test_values_are_changed_and_looked_for(pairs: Client) -> None:
    pairs.run("UPDATE t SET h = h || hstore('new', 'x') WHERE h ? 'a'")
    pairs.run("DELETE FROM t WHERE h @> 'k=>v'")
    pairs.run("CREATE VIEW v AS SELECT id, h -> 'new' AS new FROM t")
    assert pairs.run("SELECT * FROM v ORDER BY id") == [(1, "x"), (3, None), (4, None)]


def test_citext_compares_without_case(names: Client) -> None:
    assert names.run("SELECT id FROM n WHERE name = 'FOO'") == [(1,)]
    assert names.run("SELECT id FROM n WHERE 'fOO' = name AND name IN ('foo')") == [(1,)]
    assert names.run("SELECT name FROM n WHERE name LIKE 'f%' OR name ~ '^B' ORDER BY name") == [
        ("bar",),
        ("Foo",),
    ]
    assert names.run("SELECT id FROM n WHERE t = 'FOO'") == []
    assert names.run("SELECT 'A'::citext = 'a', 'a'::citext <> 'A', 'a' = 'A'::citext") == [
        (True, False, True)
    ]
    assert names.run("SELECT count(*) FROM n GROUP BY lower(t)::citext ORDER BY 1") == [(1,)] * 3
    assert names.run("SELECT id FROM n WHERE t::citext = 'FOO'") == [(1,)]


def test_citext_is_unique_without_case(names: Client) -> None:
    assert refused(names, "INSERT INTO n VALUES (4, 'FOO', '')") is ErrorKind.UNIQUE_VIOLATION
    names.run("INSERT INTO n VALUES (4, 'fOO', 'new') ON CONFLICT (name) DO UPDATE SET t = 'new'")
    assert names.run("SELECT name, t FROM n WHERE name = 'foo'") == [("Foo", "new")]
    names.run("CREATE TABLE k (name citext PRIMARY KEY)")
    names.run("INSERT INTO k VALUES ('a')")
    assert refused(names, "INSERT INTO k VALUES ('A')") is ErrorKind.UNIQUE_VIOLATION
    assert names.run("SELECT name FROM k WHERE name = 'A'") == [("a",)]


def test_extensions_survive_a_restart(databases: Databases) -> None:
    database = databases.open()
    first = client(database)
    first.run("CREATE EXTENSION hstore")
    first.run("CREATE TABLE t (h hstore)")
    first.run("INSERT INTO t VALUES ('a=>1')")
    second = client(databases.open())
    assert second.run("SELECT h -> 'a' FROM t") == [("1",)]
