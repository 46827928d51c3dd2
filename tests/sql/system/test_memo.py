"""Kept rows never outlive the catalog they were made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
from fix_system import CPU, system_context

from catalog.records import Table
from sql.session import Wire
from sql.system.memo import Blocks, Memo, kept
from sql.system.registry import SYSTEM_TABLES
from sql.system.table import SystemContext


class Counting:
    """A maker that counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, context: SystemContext) -> pa.Table:
        self.calls += 1
        return pa.table({"name": [table.name for table in context.tables]})


def test_an_unchanged_catalog_is_read_once() -> None:
    make, context = Counting(), system_context()
    memo = Memo(make)
    first = memo(context)
    assert memo(replace(context, tables=list(context.tables))) is first
    assert make.calls == 1


def test_a_changed_catalog_is_read_again() -> None:
    make, context = Counting(), system_context()
    memo = Memo(make)
    memo(context)
    renamed = replace(context, tables=[CPU.renamed("public", "fresh")])
    assert memo(renamed)["name"].to_pylist() == ["fresh"]


def test_wires_do_not_share_rows() -> None:
    columns = SYSTEM_TABLES["information_schema", "columns"]
    postgres = columns.rows(system_context(Wire.POSTGRES))
    mysql = columns.rows(system_context(Wire.MYSQL))
    assert set(postgres["data_type"].to_pylist()) != set(mysql["DATA_TYPE"].to_pylist())


def test_many_catalogs_in_turn_stay_right() -> None:
    memo, context = Memo(Counting()), system_context()
    for turn in range(20):
        name = f"t{turn % 5}"
        changed = replace(context, tables=[CPU.renamed("public", name)])
        assert memo(changed)["name"].to_pylist() == [name]


def test_what_is_kept_in_a_record_goes_with_it() -> None:
    table = replace(CPU, id=7)
    made = [kept(table, "_kept", lambda: len(table.name)) for _ in range(2)]
    assert made == [3, 3]
    renamed = table.renamed("public", "longer")
    assert kept(renamed, "_kept", lambda: len(renamed.name)) == 6
    assert table == replace(CPU, id=7)  # what is kept is no part of the record


def test_a_changed_table_costs_its_block_alone() -> None:
    made: list[int] = []

    def make(tables: Sequence[Table], wire: Wire, catalog: str) -> pa.Table:
        made.append(len(tables))
        return pa.table({"name": [f"{catalog}.{table.name}" for table in tables]})

    blocks = Blocks(make)
    tables = [replace(CPU, id=20_480 + at, name=f"t{at}") for at in range(40)]
    assert sum(part.num_rows for part in blocks(tables, Wire.MYSQL, "c")) == 40
    assert made == [16, 16, 8]
    tables[20] = tables[20].renamed("public", "changed")
    found = pa.concat_tables(blocks(tables, Wire.MYSQL, "c"))["name"].to_pylist()
    assert found[20] == "c.changed"
    assert len(found) == 40
    assert made == [16, 16, 8, 16]
    blocks(tables[:-1], Wire.MYSQL, "c")
    assert made[4:] == [7]
    blocks(tables[:1], Wire.POSTGRES, "c")
    assert made[5:] == [1]
