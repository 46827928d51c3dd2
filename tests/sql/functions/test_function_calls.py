"""What calls mean beyond the registry's examples: columns, aggregates, errors, listings."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fix_database import Client, Databases, client

from engine.errors import DbError, ErrorKind
from sql.session import Wire

Connect = Callable[..., Client]


@pytest.fixture
def rows(connect: Connect) -> Client:
    mysql = connect(Wire.MYSQL)
    mysql.run("CREATE TABLE t (host STRING PRIMARY KEY, ts TIMESTAMP TIME INDEX, v DOUBLE)")
    mysql.run(
        "INSERT INTO t VALUES ('a', '2024-01-01 00:00:00', 10), ('a', '2024-01-01 00:01:00', 11),"
        " ('a', '2024-01-01 00:02:00', 10.5), ('b', '2024-01-01 00:03:00', NULL)"
    )
    return mysql


def test_functions_of_aggregates(rows: Client) -> None:
    found = rows.run(
        "SELECT date_format(max(ts), '%H:%i'), year(min(ts)), unix_timestamp(max(ts)),"
        " length(max(host)), hex(max(host)) FROM t"
    )
    assert found == [("00:03", 2024, 1704067380, 1, "62")]


def test_anomaly_scores_over_a_growing_window(rows: Client) -> None:
    found = rows.run(
        "SELECT anomaly_score_zscore(v) OVER (ORDER BY ts) FROM t WHERE host = 'a' ORDER BY ts"
    )
    assert found == [(None,), (1.0,), (0.0,)]


def test_sketches_are_merged(rows: Client) -> None:
    values = ", ".join(f"({n}.0)" for n in range(10, 101, 10))
    state = "uddsketch_state(128, 0.01, x)"
    query = f"SELECT {state} AS s FROM (VALUES {values}) AS q(x) GROUP BY x > 50"
    found = rows.run(
        f"SELECT uddsketch_calc(0.99, uddsketch_merge(128, 0.01, s)) FROM ({query}) AS p"
    )
    assert found == [(100.49456770856492,)]


def test_sketches_of_other_parameters_are_refused(rows: Client) -> None:
    with pytest.raises(DbError, match="64 buckets") as caught:
        rows.run(
            "SELECT uddsketch_merge(64, 0.01, s)"
            " FROM (SELECT uddsketch_state(128, 0.01, v) AS s FROM t) AS q"
        )
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT


def test_hyperloglog_errs_by_little(rows: Client) -> None:
    [(count,)] = rows.run("SELECT hll_count(hll(x)) FROM range(100000) AS r(x)")
    assert abs(count - 100_000) < 3_000


def test_vectors_of_a_group_are_added(rows: Client) -> None:
    found = rows.run(
        "SELECT vec_to_string(vec_sum(s)) FROM (VALUES ('[1,2]'), ('[3,4]'), (NULL)) AS q(s)"
    )
    assert found == [("[4,6]",)]


def test_cells_as_numbers_texts_and_lists(db: Client) -> None:
    found = db.run(
        "SELECT h3_cells_contains(ARRAY[604189641255419903], 604189641792290815),"
        " h3_cells_contains(ARRAY['86283470fffffff'], '8b283470d112fff'),"
        " h3_cells_contains('86283470fffffff, 862834777ffffff', 626707639343067135)"
    )
    assert found == [(False, True, True)]


def test_vectors_of_other_lengths_are_refused(db: Client) -> None:
    with pytest.raises(DbError, match="vec_dot_product needs vectors of the same length"):
        db.run("SELECT vec_dot_product('[1,2]', '[1,2,3]')")


@pytest.mark.parametrize(
    ("text", "term", "found"),
    [
        ("v1.0!", "v1.0", True),
        ("v1.0beta", "v1.0", False),
        ("Command: /start-process", "/start", True),
        ("cat", "Cat", False),
        ("system failure2023", "system failure", False),
        ("ship_ship", "ship", True),
        ("手机号188", "188", True),
        ("登录手机号", "手机", True),
        ("登录手机号18888的动态key", "机号1888", True),
    ],
)
def test_terms_with_boundaries(db: Client, text: str, term: str, found: bool) -> None:
    assert db.run(f"SELECT matches_term('{text}', '{term}')") == [(found,)]
    by_column = f"SELECT matches_term(s, t) FROM (VALUES ('{text}', '{term}')) AS q(s, t)"
    assert db.run(by_column) == [(found,)]
    assert db.run(f"SELECT '{text}' @@ '{term}'") == [(found,)]


@pytest.mark.parametrize("wire", list(Wire))
def test_an_unknown_function_has_a_hint(connect: Connect, wire: Wire) -> None:
    with pytest.raises(DbError) as caught:
        connect(wire).run("SELECT lenght('a')")
    error = caught.value
    assert error.kind is ErrorKind.UNDEFINED_FUNCTION
    assert (error.codes.sqlstate, error.codes.errno) == ("42883", 1305)
    assert error.message == "function lenght does not exist"
    assert error.hint is not None
    assert "length" in error.hint
    assert error.position == 8


def test_wrong_arguments_are_told_the_signature(db: Client) -> None:
    with pytest.raises(DbError) as caught:
        db.run("SELECT lpad('a', 1, 'b', 'c')")
    assert caught.value.kind is ErrorKind.UNDEFINED_FUNCTION
    assert caught.value.message.startswith("function lpad does not take 4 arguments")


def test_errors_of_arrow_functions_keep_their_kind(db: Client) -> None:
    with pytest.raises(DbError) as caught:
        db.run("SELECT geohash(1, 2, 100)")
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT
    assert caught.value.message == "a geohash has 1 to 12 characters"


def test_parameters_of_overloaded_functions_have_a_type(db: Client) -> None:
    assert db.run("SELECT length($1), upper($1)", ["é"]) == [(1, "É")]
    described = db.session.describe(db.session.parse("SELECT length($1)")[0])
    assert described.columns is not None
    assert [column.type.name for column in described.columns] == ["Int64"]


@pytest.mark.parametrize("wire", list(Wire))
def test_show_functions(connect: Connect, wire: Wire) -> None:
    found = connect(wire).run("SHOW FUNCTIONS LIKE 'geohash%'")
    assert [row[0] for row in found] == ["geohash", "geohash_neighbours"]


def test_pg_proc_lists_the_registry(db: Client) -> None:
    found = db.run(
        "SELECT proname, prokind, pronargs, format_type(prorettype, NULL) FROM pg_proc"
        " WHERE proname IN ('geohash', 'vec_sum', 'int4in') ORDER BY 1"
    )
    assert found == [("geohash", "f", 3, "text"), ("int4in", "f", 1, "internal"),
                     ("vec_sum", "a", 1, "bytea")]  # fmt: skip


@pytest.mark.parametrize("wire", list(Wire))
def test_routines_list_the_registry(connect: Connect, wire: Wire) -> None:
    found = connect(wire).run(
        "SELECT routine_name, data_type FROM information_schema.routines"
        " WHERE routine_name = 'ipv4_num_to_string'"
    )
    assert found == [("ipv4_num_to_string", "text")]


def test_functions_outlive_the_store(databases: Databases) -> None:
    for _ in range(2):
        session = client(databases.open())
        assert session.run("SELECT geohash(1, 2, 3), length('é')") == [("s01", 1)]
