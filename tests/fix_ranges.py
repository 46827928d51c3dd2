"""A DuckDB that holds tables as the engine would, and the planner of RANGE queries over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb
import pytest
from sqlglot import exp

from catalog.records import Table, TableKind
from engine.errors import DbError
from sql import types
from sql.dialect.create import read_create_table
from sql.dialect.duckdb import to_duckdb
from sql.dialect.parser import parse
from sql.plan.range_align import rewrite_ranges
from sql.session import Wire

Row = tuple[object, ...]


@dataclass
class Lab:
    """A DuckDB that holds tables as the engine would, and the planner over it."""

    timezone: str = "UTC"
    tables: dict[str, Table] = field(default_factory=dict)
    duck: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)

    def create(self, text: str, rows: Sequence[Row] = ()) -> None:
        """Rows give times as ISO text or as milliseconds."""
        tree = parse(text, Wire.HTTP)[0].tree
        assert isinstance(tree, exp.Create)
        definition = read_create_table(tree)
        self.tables[definition.name] = Table(
            id=1,
            database="public",
            name=definition.name,
            kind=TableKind.TIME_SERIES,
            columns=definition.columns,
            primary_key=definition.primary_key,
        )
        columns = ", ".join(
            f"{types.quote(c.name)} {types.duckdb_name(c.type)}" for c in definition.columns
        )
        self.duck.execute(f"CREATE TABLE {types.quote(definition.name)} ({columns})")
        self.insert(definition.name, rows)

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        values = ", ".join(f"({', '.join(_literal(value) for value in row)})" for row in rows)
        if values:
            self.duck.execute(f"INSERT INTO {types.quote(table)} VALUES {values}")

    def plan(self, text: str) -> str:
        tree = parse(text, Wire.HTTP)[0].tree
        assert tree is not None
        planned = rewrite_ranges(tree, lambda node: self.tables.get(node.name), self.timezone)
        return to_duckdb(planned)

    def run(self, text: str) -> list[Row]:
        """The rows; times as text without trailing zeros."""
        relation = self.duck.sql(self.plan(text))
        return [tuple(_shown(value) for value in row) for row in relation.fetchall()]

    def names(self, text: str) -> list[str]:
        return list(self.duck.sql(self.plan(text)).columns)

    def refused(self, text: str) -> DbError:
        with pytest.raises(DbError) as caught:
            self.plan(text)
        return caught.value


def _literal(value: object) -> str:
    if isinstance(value, Milliseconds):
        return f"make_timestamp_ms({value})"
    return "NULL" if value is None else repr(value)


class Milliseconds(int):
    """A time."""


def _shown(value: object) -> object:
    return str(value) if hasattr(value, "year") else value


def at(seconds: float) -> Milliseconds:
    return Milliseconds(seconds * 1000)


def clock(seconds: int) -> str:
    """1970-01-01 plus seconds, as `_shown` writes it."""
    day, rest = divmod(seconds, 86_400)
    date = {-1: "1969-12-31", 0: "1970-01-01"}[day]
    return f"{date} {rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"


HOST = "CREATE TABLE host (ts TIMESTAMP(3) TIME INDEX, host STRING PRIMARY KEY, val BIGINT)"
