"""A small catalog as a session sees it, and a way to ask its system tables in SQL."""

from __future__ import annotations

from functools import cache

import duckdb
import sqlglot
from sqlglot import exp

from catalog.records import Column, Database, Table, TableKind
from engine import datatypes as dt
from engine.api import RegionStatistics
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from sql.dialect.dialects import GnomonPostgres
from sql.session import Activity, ClientInfo, TransactionStatus, Wire
from sql.settings import Settings
from sql.system.pg_rewrites import rewrite_pg
from sql.system.registry import FUNCTIONS, SYSTEM_TABLES
from sql.system.table import SystemContext

CPU = Table(
    id=16385,
    database="public",
    name="cpu",
    kind=TableKind.TIME_SERIES,
    columns=(
        Column("host", dt.STRING, semantic=Semantic.TAG, declared="TEXT"),
        Column("Rack No", dt.STRING, semantic=Semantic.TAG),
        Column("ts", dt.TIMESTAMP_MILLISECOND, nullable=False, semantic=Semantic.TIMESTAMP),
        Column("usage", dt.FLOAT64, default="0.5", semantic=Semantic.FIELD, comment="percent"),
        Column("hits", dt.UINT64, semantic=Semantic.FIELD, indexes={"SKIPPING": {}}),
    ),
    primary_key=("host", "Rack No"),
    options={"ttl": "7days"},
    comment="processors",
    region_ids=(16385 << 32,),
    created_ms=1_700_000_000_000,
)
REL = Table(
    id=16386,
    database="public",
    name="rel",
    kind=TableKind.RELATIONAL,
    columns=(
        Column("id", dt.INT32, nullable=False),
        Column("name", dt.STRING, nullable=False, default="'x'", declared="VARCHAR(20)"),
        Column("price", dt.decimal(10, 2)),
        Column("labels", dt.list_of(dt.STRING)),
    ),
    primary_key=("id",),
    engine="duckdb",
)
VIEW = Table(
    id=16387,
    database="public",
    name="busy",
    kind=TableKind.VIEW,
    columns=(Column("host", dt.STRING), Column("usage", dt.FLOAT64)),
    definition="SELECT host, usage FROM cpu",
    dialect="postgres",
)
LOG = Table(
    id=16388,
    database="other",
    name="Odd",
    kind=TableKind.TIME_SERIES,
    columns=(
        Column("ts", dt.TIMESTAMP_NANOSECOND, nullable=False, semantic=Semantic.TIMESTAMP),
        Column("line", dt.STRING, semantic=Semantic.FIELD),
    ),
    options={"append_mode": "true"},
    region_ids=(16388 << 32,),
)


class FakeSession:
    """A session that only knows who and where it is."""

    id = 7
    timezone = "UTC"
    transaction_status = TransactionStatus.IDLE
    autocommit = True
    activity = Activity()

    def __init__(self, wire: Wire, database: str = "public", connected: str = "public") -> None:
        self.wire = wire
        self.database = database
        self.client = ClientInfo("alice", connected, "127.0.0.1:5000", "tests")
        self._settings = Settings(wire)

    def show(self, name: str) -> str:
        return self._settings.get(name)


def _statistics(region: int) -> RegionStatistics:
    if region == 16388 << 32:
        raise DbError(ErrorKind.REGION_NOT_FOUND, "not here yet")
    return RegionStatistics(region, 100, 1, 8192, 5, 100)


def system_context(
    wire: Wire = Wire.POSTGRES, database: str = "public", connected: str = "public"
) -> SystemContext:
    """The catalog above, asked by a session of the wire."""
    session = FakeSession(wire, database, connected)
    tables = sorted((CPU, REL, VIEW, LOG), key=lambda table: (table.database, table.name))
    databases = [Database(16390, "other"), Database(16384, "public")]
    return SystemContext(session, databases, tables, [session], _statistics)


def ask(text: str, context: SystemContext | None = None) -> list[tuple[object, ...]]:
    """The rows of a PostgreSQL query over system tables, the planner's way."""
    context = context or system_context()
    tree = rewrite_pg(sqlglot.parse_one(text, read=GnomonPostgres))
    with _store().cursor() as connection:
        for number, table in enumerate(list(tree.find_all(exp.Table))):
            _resolve(table, f"__system_{number}", connection, context)
        for column in tree.find_all(exp.Column):
            column.set("db", None)
        for node in list(tree.find_all(exp.CurrentSchema)):
            node.replace(exp.Literal.string(context.session.database))
        return connection.sql(tree.sql("duckdb")).fetchall()


@cache
def _store() -> duckdb.DuckDBPyConnection:
    """An empty store with the macros."""
    store = duckdb.connect()
    for statement in FUNCTIONS:
        store.execute(statement)
    return store


def _resolve(
    table: exp.Table,
    name: str,
    connection: duckdb.DuckDBPyConnection,
    context: SystemContext,
) -> None:
    found = SYSTEM_TABLES.get((table.db or "pg_catalog", table.name))
    if not isinstance(table.this, exp.Identifier) or found is None:
        return
    connection.register(name, found.rows(context))
    if not table.alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
    table.set("this", exp.to_identifier(name))
    table.set("db", None)
