"""Functions against PostgreSQL 15 and MariaDB themselves: the same text from both.

How arrays, intervals and JSON are printed is not compared here: that is the types' own business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fix_database import Client

from bench import peers
from sql.functions.index import FUNCTIONS
from sql.session import Wire

pytestmark = pytest.mark.slow
Connect = Callable[..., Client]

_POSTGRES = (
    "length('é1')",
    "octet_length('é')",
    "substr('alphabet',-1,4)",
    "substring('foobar' from 'o(.)b')",
    "substring('Thomas',2,3)",
    "left('abcde',-2)",
    "right('abcde',-2)",
    "lpad('hi',5,'xy')",
    "lpad('hello',2)",
    "rpad('hi',5)",
    "initcap('hi THOMAS o''neil')",
    "split_part('a,b,c',',',-1)",
    "concat_ws(',','a',NULL,'b')",
    "overlay('Txxxxas' placing 'hom' from 2 for 4)",
    "translate('12345','143','ax')",
    "to_hex(255)",
    "md5('abc')",
    "encode('abc'::bytea,'hex')",
    "encode('abc'::bytea,'base64')",
    "encode(sha224('a'::bytea),'hex')",
    "quote_ident('Foo bar')",
    "quote_literal('it''s')",
    "quote_nullable(NULL)",
    "regexp_replace('foobarbaz','b..','X')",
    "regexp_replace('foobarbaz','b(..)','X\\1Y','g')",
    "array_to_string(ARRAY[1,NULL,3],',','*')",
    "log(100.0)",
    "log(2,64.0)",
    "ln(2.0::float8)",
    "mod(-18,4)",
    "div(9,4)",
    "trunc(42.4382,2)",
    "round(2.5::numeric)",
    "round(-2.5::numeric)",
    "sign(-8.4)",
    "width_bucket(5.35,0.024,10.06,5)",
    "gcd(12,18)",
    "lcm(4,6)",
    "cbrt(27.0)",
    "factorial(5)",
    "greatest(1,NULL,3)",
    "least(3,NULL,2)",
    "num_nulls(1,NULL)",
    "to_char(timestamp '2024-02-29 13:04:05.678901','YYYY-MM-DD HH24:MI:SS.MS')",
    "to_char(timestamp '2024-02-29 13:04:05.678901','YY Y,YYY IYYY')",
    "to_char(timestamp '2024-02-29 13:04:05.678901','Day|DAY|day|FMDay')",
    "to_char(timestamp '2024-02-29 13:04:05.678901','Month|Mon|mon')",
    "to_char(timestamp '2024-02-29 13:04:05.678901','HH12:MI AM pm')",
    "to_char(timestamp '2024-02-29 13:04:05.678901','DDD DDth FMDDth D ID')",
    "to_char(timestamp '2024-02-29 13:04:05.678901','WW IW W Q CC J')",
    "to_char(timestamp '2024-02-29 13:04:05.678901','SSSS US')",
    "to_char(timestamp '2024-02-29 13:04:05.678901','\"quoted YYYY\" YYYY')",
    "to_char(timestamp '2024-02-29 13:04:05.678901','FMMM-FMDD')",
    "to_char(timestamp '2024-02-29 13:04:05.678901','Dy DY dy')",
    "to_char(timestamp '2024-02-29 13:04:05.678901','FMMonth FMDDth, YYYY')",
    "to_char(timestamp '2024-02-29 13:04:05.678901','RM')",
    "to_char(1234567.891,'999,999,999.99')",
    "to_char(-12,'FM000')",
    "to_char(0.5,'FM990.00')",
    "to_char(0.5,'9.99')",
    "to_char(-0.5,'9.99')",
    "to_char(12,'99')",
    "to_char(-12,'999')",
    "to_char(12,'S99')",
    "to_char(-12,'99S')",
    "to_char(12,'99MI')",
    "to_char(-12,'99MI')",
    "to_char(-12,'99PR')",
    "to_char(1234,'9,999')",
    "to_char(123,'9,999')",
    "to_char(123456,'999')",
    "to_char(1.1,'FM9.99')",
    "to_char(0,'9')",
    "to_char(0,'0')",
    "to_char(148.5,'999.999')",
    "to_char(485,'L999')",
    "to_char(12,'0000')",
    "to_char(0.1,'0.9')",
    "to_char(-485,'SG999')",
    "date_trunc('week',timestamp '2024-02-29 13:04:05.678901')",
    "date_trunc('quarter',timestamp '2024-02-29 13:04:05.678901')",
    "date_part('epoch',timestamp '2024-02-29 13:04:05.678901')",
    "extract(second from timestamp '2024-02-29 13:04:05.678901')",
    "extract(isodow from timestamp '2024-02-29 13:04:05.678901')",
    "extract(week from timestamp '2024-02-29 13:04:05.678901')",
    "extract(microseconds from timestamp '2024-02-29 13:04:05.678901')",
    "date_bin('15 minutes',timestamp '2024-02-29 13:04:05.678901',timestamp '2001-01-01')",
    "make_date(2024,2,29)",
    "make_time(8,15,23.5)",
    "make_timestamp(2013,7,15,8,15,23.5)",
    "make_interval(days=>10,hours=>3)",
    "to_date('05 Dec 2000','DD Mon YYYY')",
    "to_timestamp('05 Dec 2000 10:20','DD Mon YYYY HH24:MI')::timestamp",
    "justify_hours(interval '27 hours')",
    "isfinite(date '2001-02-16')",
    "json_typeof('[1]')",
    "jsonb_typeof('1.5')",
    "json_array_length('[1,2]')",
    "json_extract_path_text('{\"a\":{\"b\":\"x\"}}','a','b')",
    "jsonb_pretty('{\"a\":1}')",
    "'{\"a\":{\"b\":2}}'::jsonb #>> '{a,b}'",
    "'{\"a\":1}'::jsonb @> '{\"a\":1}'::jsonb",
    "'{\"a\":1}'::jsonb ? 'a'",
    "'{\"a\":[1,2]}'::jsonb -> 'a' -> 1",
    "'{\"a\":1}'::jsonb ->> 'a'",
    "jsonb_path_exists('{\"a\":[1,2,3]}','$.a[*] ? (@ > 2)')",
    "to_json('a'::text)",
    "array_length(ARRAY[1,2],1)",
    "array_length(ARRAY[]::int[],1)",
    "cardinality(ARRAY[1,2])",
    "array_position(ARRAY['a','b'],'b')",
    "array_dims(ARRAY[1,2])",
    "array_upper(ARRAY[1,2],1)",
    "ARRAY[1,2] @> ARRAY[1]",
    "ARRAY[1,2] && ARRAY[2,3]",
    "format('Hello %s, %1$s','World')",
    "format('%I = %L','a b','x')",
    "7/2",
    "-7/2",
    "7%3",
    "host('192.168.1.5/24')",
    "masklen('192.168.1.5/24')",
    "network('192.168.1.5/24')",
    "strpos('high','ig')",
    "position('ig' in 'high')",
    "reverse('abc')",
    "repeat('ab',3)",
    "starts_with('alphabet','alph')",
    "ascii('x')",
    "chr(65)",
    "btrim('xyxtrimyyx','xyz')",
    "trim(both 'x' from 'xax')",
    "ltrim('zzzytest','xyz')",
    "bit_length('jose')",
    "pg_typeof(1)",
    "coalesce(null,2)",
    "nullif(1,1)",
    "scale(8.4100)",
    "sind(90)",
    "degrees(0.5)",
    "atan2(1,0)",
    "power(2,10)",
    "exp(1.0::float8)",
)
# Examples of these depend on the clock, are ours alone under the name, print a boolean, or print
# JSON, which has no spaces with us.
_NOT_COMPARED = frozenset(
    {"encode", "decode", "convert_tz", "json_array", "json_merge_patch", "date_format"}
    | {"json_set", "json_insert", "json_replace", "json_remove"}
)
_NOT_MYSQL = frozenset(
    {"Array", "Geo", "Vector", "Aggregate", "System", "Approximate", "Text search"}
)


@pytest.fixture(scope="module")
def postgres(postgresql_peer: peers.Server) -> Iterator[Any]:
    with postgresql_peer.psycopg() as connection:
        connection.execute("SET timezone = 'UTC'")
        yield connection


@pytest.fixture(scope="module")
def mariadb(mariadb_peer: peers.Server) -> Iterator[Any]:
    with mariadb_peer.pymysql() as connection:
        cursor = connection.cursor()
        cursor.execute("SET time_zone = '+00:00', sql_mode = 'PIPES_AS_CONCAT'")
        yield cursor


def test_as_postgresql(postgres: Any, db: Client) -> None:
    wrong = []
    for expression in _POSTGRES:
        query = f"SELECT ({expression})::text"
        [(theirs,)] = postgres.execute(query).fetchall()
        [(ours,)] = db.run(query)
        if not _alike(ours, theirs):
            wrong.append(f"{expression}: {ours!r}, PostgreSQL {theirs!r}")
    assert not wrong


def test_as_mariadb(mariadb: Any, connect: Connect) -> None:
    mysql = connect(Wire.MYSQL)
    wrong, compared = [], 0
    for expression in _mysql_expressions():
        query = f"SELECT CAST(({expression}) AS CHAR)"
        try:
            mariadb.execute(query)
        except peers.pymysql.err.MySQLError:
            continue  # a function that MariaDB does not have
        compared += 1
        [(theirs,)] = mariadb.fetchall()
        [(ours,)] = mysql.run(query)
        if not _alike(ours, theirs):
            wrong.append(f"{expression}: {ours!r}, MariaDB {theirs!r}")
    assert not wrong
    assert compared > 150


def _mysql_expressions() -> list[str]:
    chosen = [
        entry
        for entry in FUNCTIONS
        if Wire.MYSQL in entry.wires
        and entry.category not in _NOT_MYSQL
        and entry.name not in _NOT_COMPARED
    ]
    return [
        text for entry in chosen for text, value in entry.examples if not isinstance(value, bool)
    ]


def _alike(ours: Any, theirs: Any) -> bool:
    """Equal texts, or numbers that differ in how they are printed only."""
    if ours == theirs:
        return True
    try:
        return abs(float(ours) - float(theirs)) < 1e-6
    except (TypeError, ValueError):
        return False
