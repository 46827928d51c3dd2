"""What a system table is: a name, columns and a function that makes its rows when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from catalog.details import Role
from catalog.flows import Flow
from catalog.objects import SchemaObject
from catalog.objects import Sequence as SequenceRecord
from catalog.records import Database, Table
from engine.api import FileInfo, FilterInfo, RegionStatistics, StoredFile
from engine.clock import Clock, SystemClock
from sql.acts.locks import Key
from sql.prepared import Prepared
from sql.procedures import Procedure
from sql.scrolling import DeclaredCursor
from sql.session import SessionApi, Wire


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """A flow, and what became of it since the server started (times in Unix milliseconds)."""

    flow: Flow
    start_ms: int
    last_ms: int | None
    error: str


def _nothing() -> Sequence[Any]:
    return ()


def _none(_: object) -> Sequence[Any]:
    return ()


def _no_number(_: SequenceRecord) -> int | None:
    return None


def _definition(view: Table) -> str:
    return view.definition


@dataclass(frozen=True)
class SystemContext:
    """Everything a system table may look at: the catalog as the asking session sees it."""

    session: SessionApi
    databases: Sequence[Database]
    tables: Sequence[Table]
    sessions: Sequence[SessionApi]
    # What the engine says of a region, by its id; each raises DbError REGION_NOT_FOUND.
    statistics: Callable[[int], RegionStatistics]
    files: Callable[[int], Sequence[FileInfo]] = _none
    filters: Callable[[int], Sequence[FilterInfo]] = _none
    stored: Callable[[int], Sequence[StoredFile]] = _none
    procedures: Sequence[Procedure] = ()
    flows: Sequence[FlowFacts] = ()
    wanted: frozenset[str] | None = None  # columns the statement may read; None: all

    last_number: Callable[[SequenceRecord], int | None] = _no_number  # of a sequence, if any yet

    def wants(self, *columns: str) -> bool:
        """True if the statement may read one of these columns."""
        return self.wanted is None or not self.wanted.isdisjoint(columns)

    view_text: Callable[[Table], str] = _definition  # with the names its tables have now
    roles: Sequence[Role] = ()  # made by CREATE ROLE
    objects: Sequence[SchemaObject] = ()  # sequences and types
    large_objects: Callable[[], Sequence[tuple[int, str]]] = _nothing  # numbers and owners
    large_object_comments: Callable[[], Sequence[tuple[int, str]]] = _nothing
    locks: Sequence[tuple[int, Key, bool, bool]] = ()  # see AdvisoryLocks.all
    cursors: Mapping[str, DeclaredCursor] = field(default_factory=dict)
    prepared: Mapping[str, Prepared] = field(default_factory=dict)
    parameters: Callable[[Prepared], Sequence[str]] = _none  # names of their types
    clock: Clock = SystemClock()  # noqa: RUF009 - it has no state


@dataclass(frozen=True, slots=True)
class SystemTable:
    """One system table: `rows` gives an Arrow table of exactly `schema_for` the session's wire."""

    database: str  # information_schema or pg_catalog
    name: str
    schema: pa.Schema
    rows: Callable[[SystemContext], pa.Table]
    postgres_columns: frozenset[str] = frozenset()  # those only PostgreSQL's sessions see
    cardinals: frozenset[str] = frozenset()  # PostgreSQL's `cardinal_number`, four bytes there

    def schema_for(self, wire: Wire) -> pa.Schema:
        """The columns that sessions of a wire see, on MySQL's in capitals as its server has them.

        Only information_schema differs: its three owners spell and type it in their own ways.
        """
        if self.database != "information_schema":
            return self.schema
        fields = list(self.schema)
        if wire is Wire.POSTGRES:
            return pa.schema(
                [f.with_type(pa.int32()) if f.name in self.cardinals else f for f in fields]
            )
        shared = [f for f in fields if f.name not in self.postgres_columns]
        if wire is Wire.MYSQL:
            shared = [f.with_name(f.name.upper()) for f in shared]
        return pa.schema(shared)

    def for_wire(self, made: pa.Table, wire: Wire) -> pa.Table:
        """Rows of `schema` as sessions of the wire see them."""
        schema = self.schema_for(wire)
        names = [name if name in self.schema.names else name.lower() for name in schema.names]
        return made.select(names).rename_columns(schema.names).cast(schema)


SystemTables = Mapping[tuple[str, str], SystemTable]
