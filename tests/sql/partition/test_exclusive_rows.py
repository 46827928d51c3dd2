"""Partition columns outside of the key: whatever is written, a key has one row, its last."""

from __future__ import annotations

import pytest
from fix_database import Client
from hypothesis import given, settings
from hypothesis import strategies as st

TABLE = """
    CREATE TABLE {name} (k INT PRIMARY KEY, v INT, ts TIMESTAMP(3) TIME INDEX)
    PARTITION ON COLUMNS (v) (v < 3, v >= 3 AND v < 6, v >= 6)
"""
ROW = st.tuples(st.integers(0, 2), st.one_of(st.none(), st.integers(0, 9)), st.integers(0, 1))
INSERT = st.tuples(st.just("insert"), st.lists(ROW, min_size=1, max_size=4))
DELETE = st.tuples(st.just("delete"), st.integers(0, 9))
UPDATE = st.tuples(st.just("update"), st.integers(0, 2))
FLUSH = st.tuples(st.just("flush"), st.just(0))
STEPS = st.lists(st.one_of(INSERT, DELETE, UPDATE, FLUSH), max_size=8)


@pytest.mark.slow
def test_a_key_has_one_row_whatever_is_done(db: Client) -> None:
    made = iter(range(10_000))

    @settings(max_examples=25, deadline=None)
    @given(STEPS)
    def run(steps: list[tuple[str, object]]) -> None:
        name = f"t{next(made)}"
        db.run(TABLE.format(name=name))
        rows: dict[tuple[int, int], int | None] = {}
        for what, value in steps:
            if what == "insert":
                assert isinstance(value, list)
                texts = [f"({k}, {'NULL' if v is None else v}, {ts})" for k, v, ts in value]
                db.run(f"INSERT INTO {name} VALUES {', '.join(texts)}")
                rows.update({(k, ts): v for k, v, ts in value})
            elif what == "delete":
                db.run(f"DELETE FROM {name} WHERE v = {value}")
                rows = {key: v for key, v in rows.items() if v != value}
            elif what == "update":
                db.run(f"UPDATE {name} SET v = (v + 4) % 10 WHERE k = {value}")
                rows = {
                    key: (v + 4) % 10 if key[0] == value and v is not None else v
                    for key, v in rows.items()
                }
            else:
                db.run(f"ADMIN flush_table('{name}')")
            found = db.run(f"SELECT k, epoch_ms(ts)::INT, v FROM {name} ORDER BY 1, 2")
            assert found == [(k, ts, v) for (k, ts), v in sorted(rows.items())]
        db.run(f"DROP TABLE {name}")

    run()


def test_a_transaction_replaces_across_partitions(db: Client) -> None:
    db.run(TABLE.format(name="t"))
    db.run("INSERT INTO t VALUES (1, 1, 0), (2, 1, 0)")
    db.run("BEGIN")
    db.run("INSERT INTO t VALUES (1, 8, 0)")
    db.run("INSERT INTO t VALUES (1, 4, 0), (2, 8, 0)")
    assert db.run("SELECT k, v FROM t ORDER BY k") == [(1, 4), (2, 8)]
    db.run("COMMIT")
    assert db.run("SELECT k, v FROM t ORDER BY k") == [(1, 4), (2, 8)]
