"""Tables as PromQL's source: what selectors find, in memory, in files and in between."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from fix_database import Client

from engine.errors import DbError, ErrorKind
from sql.promql.model import Match, Matcher, SelectedSeries, Selector
from sql.promql.source import TableSource
from sql.promql.tql import catalogue_of

CPU = """CREATE TABLE cpu (host STRING, dc STRING, ts TIMESTAMP(3) TIME INDEX, usage DOUBLE,
         note STRING, PRIMARY KEY (host, dc))"""


def matcher(name: str, value: str, op: Match = Match.EQUAL) -> Matcher:
    return Matcher(name, op, value)


def select(
    db: Client,
    matchers: Sequence[Matcher],
    start: int = 0,
    end: int = 1_000_000,
    samples_max: int = 1_000,
) -> SelectedSeries:
    source = TableSource(db.session.runner, catalogue_of(db.session), samples_max)
    db.session.duck.start()
    try:
        return source.select(Selector(tuple(matchers), start, end))
    finally:
        db.session.duck.finish()


def shown(found: SelectedSeries) -> dict[str, list[tuple[int, float]]]:
    """Series by their labels as text; every samples' time and value."""
    samples = found.samples
    answer = {}
    for row, labels in enumerate(found.labels.rows()):
        inside = slice(samples.offsets[row], samples.offsets[row + 1])
        key = ",".join(f"{name}={value}" for name, value in labels.items() if name != "__name__")
        pairs = zip(samples.times[inside].tolist(), samples.values[inside].tolist(), strict=True)
        answer[key] = list(pairs)
    assert len(answer) == found.labels.count, "no two series have equal labels"
    return answer


@pytest.fixture
def cpu(db: Client) -> Client:
    db.run(CPU)
    db.run(
        """INSERT INTO cpu VALUES ('a', 'x', 2000, 2, ''), ('a', 'x', 1000, 1, ''),
           ('b', 'x', 1000, 10, ''), ('b', NULL, 1000, 7, ''), ('c', 'y', 3000, NULL, '')"""
    )
    return db


ALL = {
    "dc=x,host=a": [(1000, 1.0), (2000, 2.0)],
    "dc=x,host=b": [(1000, 10.0)],
    "host=b": [(1000, 7.0)],
}


@pytest.mark.parametrize("flush", [False, True])
def test_every_series_sorted_by_time_without_null_fields(cpu: Client, flush: bool) -> None:
    if flush:
        cpu.run("ADMIN flush_table('cpu')")
    found = select(cpu, [matcher("__name__", "cpu")])
    assert shown(found) == ALL
    assert {row["__name__"] for row in found.labels.rows()} == {"cpu"}


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize(
    ("wanted", "hosts"),
    [
        (matcher("host", "a"), {"dc=x,host=a"}),
        (matcher("dc", ""), {"host=b"}),
        (matcher("dc", "", Match.NOT_EQUAL), {"dc=x,host=a", "dc=x,host=b"}),
        (matcher("host", "a", Match.NOT_EQUAL), {"dc=x,host=b", "host=b"}),
        (matcher("dc", "x", Match.NOT_EQUAL), {"host=b"}),
        (matcher("host", "a|b", Match.REGEX), set(ALL)),
        (matcher("host", "[b-z]", Match.REGEX), {"dc=x,host=b", "host=b"}),
        (matcher("dc", "x?", Match.REGEX), set(ALL)),
        (matcher("dc", "x", Match.NOT_REGEX), {"host=b"}),
        (matcher("absent", ""), set(ALL)),
        (matcher("absent", "v"), set()),
        (matcher("host", "it's"), set()),
    ],
)
def test_matchers_on_tags(cpu: Client, flush: bool, wanted: Matcher, hosts: set[str]) -> None:
    if flush:
        cpu.run("ADMIN flush_table('cpu')")
    assert set(shown(select(cpu, [matcher("__name__", "cpu"), wanted]))) == hosts


def test_only_the_time_asked_for_is_read(cpu: Client) -> None:
    assert shown(select(cpu, [matcher("__name__", "cpu")], 1500, 2000)) == {
        "dc=x,host=a": [(2000, 2.0)]
    }


def test_memory_replaces_rows_of_files(cpu: Client) -> None:
    cpu.run("ADMIN flush_table('cpu')")
    cpu.run("INSERT INTO cpu VALUES ('a', 'x', 1000, 100, ''), ('a', 'x', 500, 5, '')")
    cpu.run("DELETE FROM cpu WHERE host = 'b'")
    assert shown(select(cpu, [matcher("__name__", "cpu")])) == {
        "dc=x,host=a": [(500, 5.0), (1000, 100.0), (2000, 2.0)]
    }


def test_an_open_transaction_sees_its_own_rows(cpu: Client) -> None:
    cpu.run("BEGIN")
    cpu.run("INSERT INTO cpu VALUES ('z', 'x', 1000, 26, '')")
    assert "dc=x,host=z" in shown(select(cpu, [matcher("__name__", "cpu")]))
    cpu.run("ROLLBACK")
    assert "dc=x,host=z" not in shown(select(cpu, [matcher("__name__", "cpu")]))


def test_empty_and_missing_labels_are_one_series(db: Client) -> None:
    db.run("CREATE TABLE t (l STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v DOUBLE)")
    db.run("INSERT INTO t VALUES ('', 1000, 1), (NULL, 2000, 2), (NULL, 3000, 3)")
    found = select(db, [matcher("__name__", "t")])
    assert shown(found) == {"": [(1000, 1.0), (2000, 2.0), (3000, 3.0)]}


def test_one_sample_for_each_millisecond(db: Client) -> None:
    db.run("CREATE TABLE t (ts TIMESTAMP(9) TIME INDEX, v BIGINT)")
    db.run("INSERT INTO t VALUES (1000000, 1), (1000001, 2), (2999999, 3)")
    assert shown(select(db, [matcher("__name__", "t")])) == {"": [(1, 2.0), (2, 3.0)]}


def test_seconds_are_milliseconds(db: Client) -> None:
    db.run("CREATE TABLE t (ts TIMESTAMP(0) TIME INDEX, v DOUBLE)")
    db.run("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
    found = select(db, [matcher("__name__", "t")], 1001, 2999)
    assert shown(found) == {"": [(2000, 2.0)]}


def test_several_fields_are_series_of_their_own(db: Client) -> None:
    db.run("CREATE TABLE t (h STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, a DOUBLE, b INT)")
    db.run("INSERT INTO t VALUES ('x', 1000, 1, 2)")
    name = matcher("__name__", "t")
    both = {"__field__=a,h=x": [(1000, 1.0)], "__field__=b,h=x": [(1000, 2.0)]}
    assert shown(select(db, [name])) == both
    assert shown(select(db, [name, matcher("__field__", "b")])) == {"h=x": [(1000, 2.0)]}
    assert shown(select(db, [name, matcher("__field__", "nothing")])) == {}


def test_names_by_regular_expression_span_tables(db: Client) -> None:
    for name in ("up_a", "up_b", "down"):
        db.run(f"CREATE TABLE {name} (h STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v DOUBLE)")
        db.run(f"INSERT INTO {name} VALUES ('x', 1000, 1)")
    db.run("CREATE TABLE up_text (ts TIMESTAMP TIME INDEX, v STRING)")
    found = select(db, [matcher("__name__", "up_.*", Match.REGEX)])
    names = [row["__name__"] for row in found.labels.rows()]
    assert names == ["up_a", "up_b"]
    assert np.diff(found.samples.offsets).tolist() == [1, 1]
    assert select(db, [matcher("h", "x")]).labels.count == 3


def test_another_database(db: Client) -> None:
    db.run("CREATE DATABASE other")
    db.run("CREATE TABLE other.t (ts TIMESTAMP TIME INDEX, v DOUBLE)")
    db.run("INSERT INTO other.t VALUES (1000, 1)")
    name = matcher("__name__", "t")
    assert shown(select(db, [name])) == {}
    for label in ("__database__", "__schema__"):
        assert shown(select(db, [name, matcher(label, "other")])) == {"": [(1000, 1.0)]}
    with pytest.raises(DbError) as raised:
        select(db, [name, matcher("__schema__", "nowhere")])
    assert raised.value.kind is ErrorKind.UNDEFINED_DATABASE


def test_unknown_metrics_are_empty(db: Client) -> None:
    assert shown(select(db, [matcher("__name__", "nothing")])) == {}


@pytest.mark.parametrize("flush", [False, True])
def test_too_many_samples_are_refused(cpu: Client, flush: bool) -> None:
    if flush:
        cpu.run("ADMIN flush_table('cpu')")
    with pytest.raises(DbError) as raised:
        select(cpu, [matcher("__name__", "cpu")], samples_max=2)
    assert raised.value.kind is ErrorKind.LIMIT_EXCEEDED


def test_random_rows_against_plain_python(db: Client) -> None:
    random = np.random.default_rng(1)
    rows = [
        (int(random.integers(5)), int(random.integers(3)), int(random.integers(50)), n)
        for n in range(400)
    ]
    db.run(
        """CREATE TABLE t (a STRING, b STRING, ts TIMESTAMP TIME INDEX, v DOUBLE,
           PRIMARY KEY (a, b)) WITH (append_mode = 'true')"""
    )
    for part in range(0, 400, 100):
        texts = [f"('{a}', '{b}', {t}, {v})" for a, b, t, v in rows[part : part + 100]]
        db.run(f"INSERT INTO t VALUES {', '.join(texts)}")
        if part < 300:
            db.run("ADMIN flush_table('t')")
    found = shown(select(db, [matcher("__name__", "t")]))
    times: dict[str, set[int]] = {}
    for a, b, t, _ in rows:
        times.setdefault(f"a={a},b={b}", set()).add(t)
    assert {key: [t for t, _ in pairs] for key, pairs in found.items()} == {
        key: sorted(known) for key, known in times.items()
    }
    known = {(f"a={a},b={b}", t, float(v)) for a, b, t, v in rows}
    assert all((key, t, v) in known for key, pairs in found.items() for t, v in pairs)
