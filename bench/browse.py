"""What clients ask to show a database of 1000 tables of 50 columns: p50 and p95 in milliseconds.

python -m bench browse

The texts are those that psql, pgjdbc and MySQL's clients send, less what does not change the work.
Half of the tables hold time series. Every tenth question follows a CREATE TABLE.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from bench import peers
from bench.report import Figure

BAR_MS = 50.0
COLUMNS = 50
_SYSTEM = "n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast'"
_SYSTEM += " AND n.nspname <> 'information_schema'"

POSTGRES: dict[str, str] = {
    "psql \\d": (
        "SELECT n.nspname, c.relname, CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' "
        "WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' END, "
        "pg_catalog.pg_get_userbyid(c.relowner) FROM pg_catalog.pg_class c "
        "LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam "
        f"WHERE c.relkind IN ('r','p','v','m','S','f','') AND {_SYSTEM} "
        "AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1, 2"
    ),
    "psql \\d t: the table": (
        "SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c "
        "LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relname OPERATOR(pg_catalog.~) '^(t7)$' COLLATE pg_catalog.default "
        "AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3"
    ),
    "psql \\d+ t: its columns": (
        "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), "
        "(SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d "
        "WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef), a.attnotnull, "
        "a.attidentity, a.attstorage, pg_catalog.col_description(a.attrelid, a.attnum) "
        "FROM pg_catalog.pg_attribute a WHERE a.attrelid = '{oid}' AND a.attnum > 0 "
        "AND NOT a.attisdropped ORDER BY a.attnum"
    ),
    "psql \\d t: its indexes": (
        "SELECT c2.relname, i.indisprimary, i.indisunique, "
        "pg_catalog.pg_get_indexdef(i.indexrelid, 0, true), "
        "pg_catalog.pg_get_constraintdef(con.oid, true), contype FROM pg_catalog.pg_class c, "
        "pg_catalog.pg_class c2, pg_catalog.pg_index i LEFT JOIN pg_catalog.pg_constraint con "
        "ON (conrelid = i.indrelid AND conindid = i.indexrelid AND contype IN ('p','u','x')) "
        "WHERE c.oid = '{oid}' AND c.oid = i.indrelid AND i.indexrelid = c2.oid "
        "ORDER BY i.indisprimary DESC, c2.relname"
    ),
    "pgjdbc getTables": (
        "SELECT current_database(), n.nspname, c.relname, c.relkind, d.description "
        "FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c "
        "LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid = 0 "
        "AND d.classoid = 'pg_class'::regclass) WHERE c.relnamespace = n.oid "
        "AND c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' "
        "ORDER BY 4, 2, 3"
    ),
    "pgjdbc getColumns": (
        "SELECT n.nspname, c.relname, a.attname, a.atttypid, "
        "a.attnotnull OR (t.typtype = 'd' AND t.typnotnull), a.atttypmod, "
        "row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum), "
        "pg_catalog.pg_get_expr(def.adbin, def.adrelid), dsc.description, t.typbasetype, t.typtype "
        "FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c ON (c.relnamespace = n.oid) "
        "JOIN pg_catalog.pg_attribute a ON (a.attrelid = c.oid) "
        "JOIN pg_catalog.pg_type t ON (a.atttypid = t.oid) "
        "LEFT JOIN pg_catalog.pg_attrdef def ON (a.attrelid = def.adrelid "
        "AND a.attnum = def.adnum) LEFT JOIN pg_catalog.pg_description dsc "
        "ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid) "
        "LEFT JOIN pg_catalog.pg_class dc ON (dc.oid = dsc.classoid AND dc.relname = 'pg_class') "
        "WHERE c.relkind IN ('r','p','v','f','m') AND a.attnum > 0 AND NOT a.attisdropped "
        "AND c.relname LIKE 't7' ORDER BY 1, 2, 7"
    ),
    "information_schema.tables": "SELECT * FROM information_schema.tables",
    "information_schema.columns of a table": (
        "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_name = 't7' ORDER BY ordinal_position"
    ),
    "information_schema.partitions": "SELECT * FROM information_schema.partitions",
    "information_schema.region_statistics": "SELECT * FROM information_schema.region_statistics",
}
MYSQL: dict[str, str] = {
    "SHOW FULL TABLES": "SHOW FULL TABLES",
    "SHOW TABLE STATUS": "SHOW TABLE STATUS",
    "SHOW FULL COLUMNS": "SHOW FULL COLUMNS FROM t7",
    "SHOW CREATE TABLE": "SHOW CREATE TABLE t7",
    "COLUMNS of a table": (
        "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_KEY FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = 'public' AND TABLE_NAME = 't7' ORDER BY ORDINAL_POSITION"
    ),
}
Ask = Callable[[str], Sequence[object]]


def run(tables: int, times: int) -> tuple[list[Figure], list[str]]:
    """Returns: figures and no versions."""
    with peers.gnomon() as server, server.psycopg() as postgres, server.pymysql() as mysql:
        for number in range(tables):
            postgres.execute(_ddl(number).encode())

        def by_postgres(text: str) -> Sequence[object]:
            return postgres.execute(text.encode()).fetchall()

        def by_mysql(text: str) -> Sequence[object]:
            with mysql.cursor() as cursor:
                cursor.execute(text)
                return list(cursor.fetchall())

        oid = postgres.execute("SELECT oid FROM pg_class WHERE relname = 't7'").fetchone()
        assert oid is not None

        def change(number: int) -> None:
            postgres.execute(_ddl(tables + number).encode())

        figures: list[Figure] = []
        for ask, questions in ((by_postgres, POSTGRES), (by_mysql, MYSQL)):
            for name, text in questions.items():
                asked = text.replace("{oid}", str(oid[0]))
                figures += _figures(name, ask, asked, 20 * times, change)
    return figures, []


def _ddl(number: int) -> str:
    kinds = ("DOUBLE PRECISION", "INT", "TEXT")
    fields = ", ".join(f"c{i} {kinds[i % 3]}" for i in range(COLUMNS - 2))
    if number % 2:
        return f"CREATE TABLE IF NOT EXISTS t{number} (id INT PRIMARY KEY, name TEXT, {fields})"
    keys = "host TEXT PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX"
    return f"CREATE TABLE IF NOT EXISTS t{number} ({keys}, {fields})"


def _figures(
    name: str, ask: Ask, text: str, count: int, change: Callable[[int], None]
) -> list[Figure]:
    assert ask(text), text
    found = []
    for number in range(count):
        if number % 10 == 9:
            change(number)
        began = time.perf_counter()
        ask(text)
        found.append((time.perf_counter() - began) * 1000)
    p50, p95 = statistics.median(found), statistics.quantiles(found, n=20)[18]
    return [
        Figure(f"{name}, {label}", "ms", value, BAR_MS, "the bar", lower_is_better=True)
        for label, value in (("p50", p50), ("p95", p95))
    ]
