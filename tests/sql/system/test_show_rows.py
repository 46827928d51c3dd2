"""The rows of SHOW and DESCRIBE."""

from __future__ import annotations

from typing import Any

import pytest
from fix_system import CPU, system_context

from engine.errors import DbError, ErrorKind
from sql.results import Notice, Severity
from sql.session import Wire
from sql.statements.show import Request, create_statement, describe, show


def rows(what: str, wire: Wire = Wire.MYSQL, **request: Any) -> list[dict[str, Any]]:
    request.setdefault("database", "public")
    made: list[dict[str, Any]] = show(what, system_context(wire), Request(**request)).to_pylist()
    return made


def test_databases_are_listed_by_pattern() -> None:
    assert rows("DATABASES", like="p%") == [{"Database": "public"}]
    assert {"Database": "pg_catalog"} in rows("DATABASES", Wire.POSTGRES)


def test_tables_are_titled_by_their_database() -> None:
    assert rows("TABLES", database="other") == [{"Tables_in_other": "Odd"}]
    assert rows("TABLES", full=True, like="b_s_") == [
        {"Tables_in_public": "busy", "Table_type": "VIEW"}
    ]


def test_system_tables_are_listed_in_their_database() -> None:
    assert rows("TABLES", database="information_schema", like="columns")


def test_columns_keep_their_order_on_mysql_and_are_sorted_elsewhere() -> None:
    names = [row["Field"] for row in rows("COLUMNS", table=CPU)]
    assert names == ["host", "Rack No", "ts", "usage", "hits"]
    names = [row["Field"] for row in rows("COLUMNS", Wire.HTTP, table=CPU)]
    assert names == ["Rack No", "hits", "host", "ts", "usage"]


def test_columns_tell_type_key_and_default() -> None:
    found = rows("COLUMNS", Wire.HTTP, table=CPU, like="USAGE")
    assert found == [
        {
            "Field": "usage",
            "Type": "double",
            "Null": "YES",
            "Key": "",
            "Default": "0.5",
            "Extra": "",
            "Greptime_type": "Float64",
        }
    ]
    full = rows("COLUMNS", table=CPU, full=True)[2]
    assert (full["Key"], full["Null"], full["Type"]) == ("TIME INDEX", "NO", "timestamp(3)")


def test_indexes_are_listed_by_name_and_place() -> None:
    found = rows("INDEX", table=CPU)
    told = [(row["Key_name"], row["Seq_in_index"], row["Column_name"]) for row in found]
    assert told == [
        ("PRIMARY", 1, "host"),
        ("PRIMARY", 2, "Rack No"),
        ("SKIPPING_INDEX_hits", 1, "hits"),
        ("TIME INDEX", 1, "ts"),
    ]
    with pytest.raises(DbError) as caught:
        rows("INDEX", table=CPU, like="x")
    assert caught.value.kind is ErrorKind.UNSUPPORTED


def test_table_status_has_mysqls_eighteen_columns() -> None:
    cpu = rows("TABLE STATUS", like="cpu")[0]
    assert len(cpu) == 18
    assert (cpu["Engine"], cpu["Rows"], cpu["Comment"]) == ("mito", 105, "processors")


def test_regions_are_listed() -> None:
    found = rows("REGION", table=CPU)
    assert found == [{"Table": "cpu", "Region": 16385 << 32, "Peer": 0, "Leader": "Yes"}]


def test_sessions_are_told_in_the_columns_of_the_wire() -> None:
    assert rows("PROCESSLIST")[0]["User"] == "alice"
    assert rows("PROCESSLIST", Wire.HTTP, full=True)[0]["Schema"] == "public"


def test_variables_match_without_regard_to_case() -> None:
    assert rows("VARIABLES", like="MAX\\_ALLOWED%")[0]["Variable_name"] == "max_allowed_packet"


def test_warnings_are_those_of_the_last_statement() -> None:
    notice = Notice("odd", Severity.WARNING, errno=1193)
    assert rows("WARNINGS", notices=[notice]) == [
        {"Level": "Warning", "Code": 1193, "Message": "odd"}
    ]


def test_what_cannot_be_shown_is_refused() -> None:
    with pytest.raises(DbError) as caught:
        rows("MOONS")
    assert caught.value.kind is ErrorKind.UNSUPPORTED


def test_describe_tells_roles() -> None:
    ts = describe(CPU).to_pylist()[2]
    assert ts == {
        "Column": "ts",
        "Type": "TimestampMillisecond",
        "Key": "PRI",
        "Null": "NO",
        "Default": "",
        "Semantic Type": "TIMESTAMP",
    }


def test_show_create_titles_its_columns() -> None:
    assert create_statement("VIEW", "v", "CREATE VIEW v").column_names == ["View", "Create View"]
