"""information_schema: the same catalog in the words of each wire."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from fix_system import system_context

from sql.session import Wire
from sql.system.registry import SYSTEM_TABLES


def rows(name: str, wire: Wire, **where: str) -> list[dict[str, Any]]:
    table = SYSTEM_TABLES["information_schema", name]
    asked = table.rows(system_context(wire))
    found = asked.rename_columns([name.lower() for name in asked.column_names]).to_pylist()
    return [row for row in found if all(row[key] == value for key, value in where.items())]


@pytest.mark.parametrize("wire", list(Wire))
def test_every_system_table_has_exactly_its_columns(wire: Wire) -> None:
    context = system_context(wire)
    for key, table in SYSTEM_TABLES.items():
        assert table.rows(context).schema == table.schema_for(wire), key


@pytest.mark.parametrize(
    ("wire", "types"),
    [
        (Wire.HTTP, ["string", "string", "timestamp(3)", "double", "bigint unsigned"]),
        (Wire.MYSQL, ["text", "text", "timestamp", "double", "bigint"]),
        (
            Wire.POSTGRES,
            [
                *("text", "text", "timestamp without time zone"),
                *("double precision", "numeric"),
            ],
        ),
    ],
)
def test_data_types_are_spelled_as_the_wire_spells_them(wire: Wire, types: list[str]) -> None:
    found = rows("columns", wire, table_name="cpu")
    assert [row["data_type"] for row in found] == types
    assert [row["ordinal_position"] for row in found] == [1, 2, 3, 4, 5]


def test_a_column_tells_its_role_and_native_type() -> None:
    ts = rows("columns", Wire.MYSQL, table_name="cpu", column_name="ts")[0]
    assert ts["column_key"] == "TIME INDEX"
    assert ts["semantic_type"] == "TIMESTAMP"
    assert ts["greptime_data_type"] == "TimestampMillisecond"
    assert ts["datetime_precision"] == 3
    assert ts["is_nullable"] == "NO"
    host = rows("columns", Wire.MYSQL, table_name="cpu", column_name="host")[0]
    assert (host["column_key"], host["is_nullable"]) == ("PRI", "YES")


def test_declared_lengths_show_where_the_wire_has_them() -> None:
    name = rows("columns", Wire.POSTGRES, table_name="rel", column_name="name")[0]
    assert (name["data_type"], name["character_maximum_length"]) == ("character varying", 20)
    assert name["udt_name"] == "varchar"
    name = rows("columns", Wire.MYSQL, table_name="rel", column_name="name")[0]
    assert (name["column_type"], name["column_default"]) == ("varchar(20)", "x")


def test_numbers_have_precision_in_the_base_of_the_wire() -> None:
    price = rows("columns", Wire.POSTGRES, table_name="rel", column_name="price")[0]
    assert (price["numeric_precision"], price["numeric_scale"]) == (10, 2)
    assert price["numeric_precision_radix"] == 10
    number = rows("columns", Wire.POSTGRES, table_name="rel", column_name="id")[0]
    assert (number["numeric_precision"], number["numeric_precision_radix"]) == (32, 2)
    number = rows("columns", Wire.MYSQL, table_name="rel", column_name="id")[0]
    assert number["numeric_precision"] == 10


def test_arrays_are_told_as_postgresql_tells_them() -> None:
    labels = rows("columns", Wire.POSTGRES, table_name="rel", column_name="labels")[0]
    assert (labels["data_type"], labels["udt_name"]) == ("ARRAY", "_text")


def test_postgresql_columns_are_hidden_from_other_wires() -> None:
    assert "udt_name" in rows("columns", Wire.POSTGRES)[0]
    assert "udt_name" not in rows("columns", Wire.MYSQL)[0]


def test_numbers_of_places_and_lengths_are_int4_in_postgresql() -> None:
    schema = SYSTEM_TABLES["information_schema", "columns"].schema_for(Wire.POSTGRES)
    assert schema.field("ordinal_position").type == pa.int32()
    assert schema.field("character_maximum_length").type == pa.int32()


def test_the_catalog_is_the_database_postgresql_connected_to() -> None:
    table = SYSTEM_TABLES["information_schema", "tables"]
    context = system_context(Wire.POSTGRES, connected="shop")
    assert set(table.rows(context)["table_catalog"].to_pylist()) == {"shop"}
    context = system_context(Wire.MYSQL, connected="shop")
    assert set(table.rows(context)["TABLE_CATALOG"].to_pylist()) == {"greptime"}


def test_tables_tell_type_size_and_comment() -> None:
    cpu = rows("tables", Wire.MYSQL, table_name="cpu")[0]
    assert (cpu["table_type"], cpu["engine"]) == ("BASE TABLE", "mito")
    assert (cpu["table_rows"], cpu["data_length"]) == (105, 8292)
    assert cpu["table_comment"] == "processors"
    assert rows("tables", Wire.MYSQL, table_name="busy")[0]["table_type"] == "VIEW"


def test_a_region_that_is_not_there_yet_counts_as_empty() -> None:
    assert rows("tables", Wire.MYSQL, table_name="Odd")[0]["table_rows"] == 0


def test_pg_catalog_is_listed_for_postgresql_only() -> None:
    assert rows("tables", Wire.POSTGRES, table_schema="pg_catalog")
    assert not rows("tables", Wire.MYSQL, table_schema="pg_catalog")
    names = [row["schema_name"] for row in rows("schemata", Wire.HTTP)]
    assert names == ["information_schema", "other", "public"]


def test_keys_have_our_names_on_mysql_and_the_whole_identity_on_postgresql() -> None:
    mysql = rows("key_column_usage", Wire.MYSQL, table_name="cpu")
    assert [(row["constraint_name"], row["column_name"]) for row in mysql[:3]] == [
        ("PRIMARY", "host"),
        ("PRIMARY", "Rack No"),
        ("TIME INDEX", "ts"),
    ]
    postgres = rows("key_column_usage", Wire.POSTGRES, table_name="cpu")
    assert [(row["constraint_name"], row["column_name"]) for row in postgres] == [
        ("cpu_pkey", "host"),
        ("cpu_pkey", "Rack No"),
        ("cpu_pkey", "ts"),
    ]


def test_append_only_tables_have_no_primary_key() -> None:
    assert not rows("table_constraints", Wire.POSTGRES, table_name="Odd")
    names = [row["constraint_name"] for row in rows("table_constraints", Wire.HTTP)]
    assert names.count("TIME INDEX") == 2


def test_statistics_name_secondary_indexes() -> None:
    found = rows("statistics", Wire.MYSQL, table_name="cpu", column_name="hits")[0]
    assert found["index_name"] == "SKIPPING_INDEX_hits"
    assert found["greptime_index_type"] == "bloom_filter"


def test_views_give_their_query() -> None:
    view = rows("views", Wire.POSTGRES, table_name="busy")[0]
    assert view["view_definition"] == "SELECT host, usage FROM cpu"


def test_sessions_are_listed() -> None:
    process = rows("process_list", Wire.HTTP)[0]
    assert process["id"] == "127.0.0.1:5000/7"
    assert process["schemas"] == "public"


def test_region_statistics_leave_out_missing_regions() -> None:
    found = rows("region_statistics", Wire.HTTP)
    assert [row["region_id"] for row in found] == [16385 << 32]
    assert found[0]["region_rows"] == 105
