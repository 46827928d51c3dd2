"""Records that are read together share equal columns, and read as each for itself."""

from __future__ import annotations

from catalog.records import Column, Table, TableKind, table_from_json, table_to_json
from engine import datatypes as dt
from engine.schema import Semantic


def table(number: int, *names: str) -> Table:
    tricky = ', "primary_key": ["columns": ['
    return Table(
        number,
        "public",
        f"t{number}",
        TableKind.TIME_SERIES,
        (
            Column("ts", dt.TIMESTAMP_MILLISECOND, False, semantic=Semantic.TIMESTAMP),
            *(Column(name, dt.STRING, semantic=Semantic.TAG, comment=tricky) for name in names),
        ),
        names,
        comment=tricky,
    )


def test_records_are_the_same_with_shared_columns() -> None:
    known: dict[str, tuple[Column, ...]] = {}
    tables = [table(1, "a", "b"), table(2, "a", "b"), table(3, "a"), table(4)]
    read = [table_from_json(t.id, t.database, t.name, table_to_json(t), known) for t in tables]
    assert read == tables
    assert read[0].columns is read[1].columns
    assert read[2].columns is not read[0].columns
