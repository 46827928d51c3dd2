"""Every result format, value by value."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pytest

VALUES = """
    SELECT * FROM (VALUES
        (1, 1.5::DOUBLE, 'a"b', TIMESTAMP_MS '2024-01-01 00:00:00.123', DATE '1970-01-02', true),
        (NULL, 'nan'::DOUBLE, NULL, NULL, NULL, NULL)
    ) v(i, f, s, ts, d, b)
"""


async def rows_of(http: Any, sql: str) -> list[list[Any]]:
    answer = await http.sql(sql)
    assert answer.status_code == 200, answer.text
    return answer.json()["output"][0]["records"]["rows"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("42::TINYINT", 42),
        ("18446744073709551615::UBIGINT", 18446744073709551615),
        ("true", True),
        ("NULL::INTEGER", None),
        ("2::DOUBLE", 2.0),
        ("1e300::DOUBLE", 1e300),
        ("'inf'::DOUBLE", None),
        ("1.10::DECIMAL(10, 2)", "1.10"),
        (r"'tab	quote\" back\\ é 🕐'", 'tab\tquote\\" back\\\\ é 🕐'),
        ("''", ""),
        ("'\\x00\\xFF'::BLOB", [0, 255]),
        ("TIMESTAMP_S '1970-01-01 00:00:10'", 10),
        ("TIMESTAMP_NS '1970-01-01 00:00:01'", 1_000_000_000),
        ("TIMESTAMPTZ '1970-01-01 00:00:01+00'", 1_000_000),
        ("TIME '00:00:01'", 1_000_000),
        ("DATE '1969-12-31'", -1),
        ("INTERVAL '14 months 3 days 01:00:00.5'", "P1Y2M3DT1H0.5S"),
        ("[1, NULL, 3]", [1, None, 3]),
        ("[['x'], NULL, []]", [["x"], None, []]),
        ("{'a': 1, 'b': ['x']}", {"a": 1, "b": ["x"]}),
        ("MAP {'k': 1}", {"k": 1}),
    ],
)
async def test_a_value_in_json(http: Any, expression: str, value: Any) -> None:
    [[found]] = await rows_of(http, f"SELECT {expression}")
    assert found == value
    assert type(found) is type(value)


async def test_values_of_a_sliced_result_stay_in_their_rows(http: Any) -> None:
    sql = """SELECT range, CASE WHEN range % 3 = 0 THEN NULL ELSE [range, range + 1] END,
                    {'r': 'n' || range}, encode('b' || range % 10)
             FROM range(5000) LIMIT 3000 OFFSET 1500"""
    for number, numbers, struct, binary in await rows_of(http, sql):
        assert numbers == (None if number % 3 == 0 else [number, number + 1])
        assert struct == {"r": f"n{number}"}
        assert binary == [98, 48 + number % 10]


async def test_json(http: Any) -> None:
    answer = await http.sql(VALUES, format="json")
    body = answer.json()
    assert body.pop("execution_time_ms") >= 0
    assert answer.headers["x-greptime-format"] == "json"
    first = {"i": 1, "f": 1.5, "s": 'a"b', "ts": 1704067200123, "d": 1, "b": True}
    assert body == {"data": [first, dict.fromkeys("ifs") | {"ts": None, "d": None, "b": None}]}


async def test_csv(http: Any) -> None:
    answer = await http.sql(VALUES.replace("'nan'::DOUBLE", "NULL"), format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.text == '1,1.5,"a""b",1704067200123,1,true\n,,,,,\n'


async def test_csv_with_names_and_types_in_any_case(http: Any) -> None:
    answer = await http.sql('SELECT 1 AS a, \'x\' AS "b""c"', format="CSVWITHNAMES")
    assert answer.text == '"a","b""c"\n1,"x"\n'
    assert answer.headers["x-greptime-format"] == "csvWithNames"
    answer = await http.sql("SELECT 1 AS a, 'x' AS b", format="csvWithNamesAndTypes")
    assert answer.text == '"a","b"\n"Int32","String"\n1,"x"\n'


async def test_csv_spells_nested_values_as_json(http: Any) -> None:
    answer = await http.sql(
        "SELECT [1, 2] AS a, NULL::INTEGER[] AS b, 1.50::DECIMAL(9, 2)", format="csv"
    )
    assert answer.text == '"[1,2]",,"1.50"\n'


@pytest.mark.parametrize("compression", ["", "zstd", "lz4"])
async def test_arrow(http: Any, compression: str) -> None:
    sql = "SELECT range AS a, 's' || range AS b FROM range(10000)"
    answer = await http.sql(sql, format="arrow", compression=compression)
    assert answer.headers["content-type"] == "application/arrow"
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert table.schema.names == ["a", "b"]
    assert table["a"].to_pylist() == list(range(10000))
    assert table["b"][9999].as_py() == "s9999"


async def test_arrow_without_rows_has_a_schema(http: Any) -> None:
    answer = await http.sql("SELECT 1 AS a WHERE false", format="arrow")
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert (table.num_rows, table.schema.names) == (0, ["a"])


async def test_table(http: Any) -> None:
    answer = await http.sql(
        "SELECT 'ab' AS host, 12345 AS n UNION ALL SELECT NULL, 1", format="table"
    )
    assert answer.text == (
        '┌─host─┬─n─────┐\n│ "ab" │ 12345 │\n│ null │ 1     │\n└──────┴───────┘\n'
    )


async def test_null(http: Any) -> None:
    answer = await http.sql("SELECT * FROM range(7)", format="null")
    assert answer.text.splitlines()[0] == "7 rows in set."
    assert answer.text.splitlines()[1].startswith("Elapsed: ")


async def test_influxdb_v1_converts_timestamps_to_the_epoch(http: Any) -> None:
    sql = "SELECT TIMESTAMP_MS '1970-01-01 00:02:00.999' AS ts, 5 AS n"
    expected = {
        None: 120999,
        "ns": 120999000000,
        "u": 120999000,
        "ms": 120999,
        "s": 120,
        "m": 2,
        "h": 0,
    }
    for epoch, value in expected.items():
        answer = await http.sql(sql, format="influxdb_v1", **({"epoch": epoch} if epoch else {}))
        body = answer.json()
        assert body.pop("execution_time_ms") >= 0
        series = [{"name": "", "columns": ["ts", "n"], "values": [[value, 5]]}]
        assert body == {"results": [{"statement_id": 0, "series": series}]}, epoch


async def test_influxdb_v1_rounds_times_before_1970_down(http: Any) -> None:
    sql = "SELECT TIMESTAMP_MS '1969-12-31 23:59:59.999' AS ts"
    answer = await http.sql(sql, format="influxdb_v1", epoch="s")
    assert answer.json()["results"][0]["series"][0]["values"] == [[-1]]


async def test_statements_without_rows_in_every_format(http: Any) -> None:
    await http.sql("CREATE TABLE t (a INTEGER)")
    for name, expected in {
        "csv": "1\n",
        "table": "1\n",
        "json": '{"data":[],"execution_time_ms":',
        "influxdb_v1": '{"results":[{"statement_id":0,"series":[]}]',
        "null": "1 rows affected.\n",
    }.items():
        answer = await http.sql("INSERT INTO t VALUES (1)", format=name)
        assert answer.text.startswith(expected), name
    answer = await http.sql("INSERT INTO t VALUES (1)", format="arrow")
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    assert table.to_pylist() == [{"affected_rows": 1}]
