"""SQLAlchemy over its PostgreSQL and MySQL drivers: define, reflect, write, ask; pandas over it.

The dialect suite itself is run by hand: tests/clients/sqlalchemy_suite.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
from fix_server import RunningServer
from sqlalchemy.dialects.mysql import insert as mysql_insert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.ext.asyncio import create_async_engine

DRIVERS = ["postgresql+psycopg", "mysql+pymysql"]


def url(server: RunningServer, driver: str, database: str) -> str:
    postgres = driver.startswith("postgresql")
    port = server.port("postgres" if postgres else "mysql")
    return f"{driver}://gnomon@127.0.0.1:{port}/{database}"


@pytest.fixture(params=DRIVERS)
def engine(server: RunningServer, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine on a schema of its own."""
    name = f"orm_{request.param[:5]}"
    outer = sa.create_engine(url(server, request.param, "public"))
    with outer.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    made = sa.create_engine(url(server, request.param, name))
    try:
        yield made
    finally:
        made.dispose()
        with outer.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {name} CASCADE")
        outer.dispose()


def tables() -> tuple[sa.MetaData, sa.Table, sa.Table]:
    metadata = sa.MetaData()
    site = sa.Table(
        "site",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(40), nullable=False, unique=True, comment="where it is"),
    )
    reading = sa.Table(
        "reading",
        metadata,
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
        sa.Column("site_id", sa.ForeignKey("site.id")),
        sa.Column("value", sa.Numeric(10, 2)),
        sa.Column("twice", sa.Numeric(12, 2), sa.Computed("value * 2", persisted=True)),
        sa.Index("reading_by_value", "value"),
    )
    return metadata, site, reading


def upsert(connection: Connection, table: sa.Table, row: dict[str, Any]) -> None:
    if connection.dialect.name == "mysql":
        new = mysql_insert(table).values(row)
        connection.execute(new.on_duplicate_key_update(name=new.inserted.name))
    else:
        added = postgres_insert(table).values(row)
        again = {"name": added.excluded.name}
        connection.execute(added.on_conflict_do_update(index_elements=["id"], set_=again))


def test_a_schema_is_made_reflected_and_used(engine: Engine) -> None:
    metadata, site, reading = tables()
    metadata.create_all(engine)
    seen = sa.inspect(engine)
    assert sorted(seen.get_table_names()) == ["reading", "site"]
    assert seen.get_pk_constraint("site")["constrained_columns"] == ["id"]
    assert seen.get_foreign_keys("reading")[0]["referred_table"] == "site"
    assert [c["name"] for c in seen.get_columns("reading")] == ["id", "site_id", "value", "twice"]
    assert "reading_by_value" in {index["name"] for index in seen.get_indexes("reading")}
    again = sa.Table("reading", sa.MetaData(), autoload_with=engine)
    assert isinstance(again.c.value.type, sa.Numeric)
    assert again.c.twice.computed is not None
    with engine.begin() as connection:
        first = connection.execute(site.insert().values(name="roof")).inserted_primary_key
        assert first is not None
        row = {"id": first[0], "name": "attic"}
        upsert(connection, site, row)
        values = [{"site_id": first[0], "value": n} for n in range(1, 4)]
        connection.execute(reading.insert(), values)
        joined = sa.select(site.c.name, sa.func.sum(reading.c.twice)).join(reading)
        assert connection.execute(joined.group_by(site.c.name)).one() == ("attic", 12)
    metadata.drop_all(engine)
    assert sa.inspect(engine).get_table_names() == []


def test_savepoints_and_rollbacks_undo(engine: Engine) -> None:
    metadata, site, _ = tables()
    metadata.create_all(engine)
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(site.insert().values(id=1, name="a"))
        with connection.begin_nested() as point:
            connection.execute(site.insert().values(id=2, name="b"))
            point.rollback()
        assert connection.scalar(sa.select(sa.func.count()).select_from(site)) == 1
        transaction.rollback()
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(site)) == 0


def test_data_frames_go_there_and_back(engine: Engine) -> None:
    frame = pd.DataFrame(
        {
            "name": ["a", "b", None],
            "n": [1, 2, 3],
            "x": [0.5, None, 2.5],
            "at": pd.to_datetime([f"2024-01-0{day} 03:04:05" for day in (1, 2, 3)]),
        }
    )
    frame.to_sql("frame", engine, index=False)
    frame.iloc[:1].to_sql("frame", engine, index=False, if_exists="append")
    read = pd.read_sql("SELECT * FROM frame ORDER BY n, name", engine, parse_dates=["at"])
    assert read["n"].tolist() == [1, 1, 2, 3]
    assert read["x"].isna().sum() == 1
    assert read["at"].iloc[2] == pd.Timestamp("2024-01-02 03:04:05")


def test_time_series_tables_are_reflected(server: RunningServer, engine: Engine) -> None:
    """Superset and its kin look at every table so; MySQL's dialect reads SHOW CREATE TABLE."""
    assert engine.url.database is not None
    with psycopg.connect(server.postgres_dsn(database=engine.url.database)) as connection:
        connection.execute(
            "CREATE TABLE readings (host TEXT, ts TIMESTAMP(3) TIME INDEX, seen TIMESTAMPTZ,"
            " v DOUBLE PRECISION, PRIMARY KEY (host))"
        )
    columns = {c["name"]: c["type"] for c in sa.inspect(engine).get_columns("readings")}
    assert list(columns) == ["host", "ts", "seen", "v"]
    assert isinstance(columns["host"], sa.Text)
    assert isinstance(columns["ts"], sa.TIMESTAMP)
    assert isinstance(columns["seen"], sa.TIMESTAMP)
    assert isinstance(columns["v"], sa.Double)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE readings"))


def test_asyncpg_has_identities_and_sequences(server: RunningServer) -> None:
    metadata = sa.MetaData()
    counted = sa.Table(
        "counted_async",
        metadata,
        sa.Column("id", sa.Integer, sa.Identity(always=True, start=5), primary_key=True),
        sa.Column("name", sa.Text),
    )
    number = sa.Sequence("number_async", metadata=metadata, start=3)

    async def use() -> tuple[Any, ...]:
        engine = create_async_engine(url(server, "postgresql+asyncpg", "public"))
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            added = counted.insert().returning(counted.c.id)
            first = (await connection.execute(added, {"name": "a"})).scalar()
            following = await connection.scalar(sa.select(number.next_value()))
            listed = await connection.run_sync(_sequences)
            await connection.run_sync(metadata.drop_all)
        await engine.dispose()
        return first, following, listed

    assert asyncio.run(use()) == (5, 3, True)


def _sequences(connection: Connection) -> bool:
    found: Callable[..., bool] = sa.inspect(connection).has_sequence
    return found("number_async")
