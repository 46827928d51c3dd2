"""Functions about the session and the server, and PostgreSQL's of its catalogs."""

from __future__ import annotations

from sql.functions.registry import MYSQL, POSTGRES, Function
from sql.functions.registry import function as f
from sql.functions.rewrites import mysql
from sql.functions.rewrites.acts import acting, is_free
from sql.session import Wire
from sql.system.pg_functions import MAKERS

CATEGORY = "System"
PSQL = frozenset({Wire.POSTGRES})

# fmt: off
_OWN: tuple[Function, ...] = (
    f("build() -> text", "The product and its version.", ex={"length(build()) > 0": True}),
    f("version() -> text", "The server's version in the words of the wire.",
      ex={"length(version()) > 0": True}),
    f("database() -> text", "The current database.", None, "schema", ex={"database()": "public"}),
    f("current_schema() -> text", "The current database.", wires=POSTGRES,
      ex={"current_schema()": "public"}),
    f("current_schemas(implicit boolean) -> text[]", "The databases in which names are looked up.",
      wires=PSQL, ex={"cardinality(current_schemas(false)) > 0": True}),
    f("current_database() -> text", "The database the client connected to.",
      ex={"current_database()": "public"}),
    f("current_catalog -> text", "The database the client connected to."),
    f("current_user -> text", "The session's user.", None, "session_user", "current_role", "user",
      wires=POSTGRES),
    f("current_user() -> text", "The account that stands for the session's user.", None,
      wires=MYSQL, ex={"right(current_user(), 2)": "@%"}),
    f("user() -> text", "The session's user and host.", None, "session_user", "system_user",
      wires=MYSQL, ex={"user() = session_user()": True}),
    f("connection_id() -> bigint", "The session's number.", ex={"connection_id() > 0": True}),
    f("pg_backend_pid() -> integer", "The session's number.", wires=POSTGRES,
      ex={"pg_backend_pid() > 0": True}),
    f("timezone() -> text", "The session's time zone.", ex={"timezone()": "UTC"}),
    f("read_preference() -> text", "Where reads go.", ex={"length(read_preference()) > 0": True}),
    f("last_insert_id([number bigint]) -> bigint",
      "The first number the last INSERT was given; a number is given back and told from then on.",
      mysql.last_insert_id, wires=MYSQL, ex={"last_insert_id()": 0}),
    f("row_count() -> bigint", "How many rows the last statement changed; -1 after a query.", wires=MYSQL,
      ex={"row_count()": -1}),
    f("found_rows() -> bigint", "How many rows the last query gave.", wires=MYSQL, ex={"found_rows() - found_rows()": 0}),
    f("current_setting(name text [, missing_ok boolean]) -> text", "The value of a setting.",
      wires=POSTGRES, ex={"current_setting('TimeZone')": "UTC"}),
    f("set_config(name text, value text, local boolean) -> text", "Sets a setting; its new value.",
      wires=POSTGRES),
    f("pg_is_in_recovery() -> boolean", "False: there are no standbys.", wires=POSTGRES,
      ex={"pg_is_in_recovery()": False}),
    f("pg_postmaster_start_time() -> timestamp", "When the server started.", None,
      "pg_conf_load_time", wires=POSTGRES),
    f("txid_current() -> bigint", "A number of the transaction.", acting("txid", "BIGINT"), "pg_current_xact_id",
      wires=POSTGRES, ex={"txid_current() > 0": True}),
    f("pg_my_temp_schema() -> oid", "0.", wires=POSTGRES, ex={"pg_my_temp_schema()": 0}),
    f("inet_client_addr() -> text", "The client's address.", wires=POSTGRES),
    f("inet_client_port() -> integer", "The client's port.", wires=POSTGRES),
    f("inet_server_addr() -> text", "The server's address: unknown.",
      "() AS CAST(NULL AS VARCHAR)", wires=POSTGRES, ex={"inet_server_addr()": None}),
    f("inet_server_port() -> integer", "The server's port: unknown.",
      "() AS CAST(NULL AS INTEGER)", wires=POSTGRES, ex={"inet_server_port()": None}),
    f("pg_sleep(seconds double precision) -> void", "Waits.", acting("sleep", void=True),
      wires=POSTGRES, ex={"pg_sleep(0)": ""}),
    f("sleep(seconds double precision) -> integer", "Waits; 0.", acting("sleep", "INTEGER"),
      wires=MYSQL, ex={"sleep(0)": 0}),
    f("pg_notify(channel text, payload text) -> void",
      "Sends a message to the sessions that LISTEN to the channel, at COMMIT.", acting("notify"),
      wires=POSTGRES, ex={"pg_notify('a', 'b')": ""}),
    f("pg_cancel_backend(pid integer) -> boolean", "Ends what another session runs.",
      acting("cancel", "BOOLEAN"), wires=POSTGRES, ex={"pg_cancel_backend(0)": False}),
    f("pg_terminate_backend(pid integer[, timeout bigint]) -> boolean", "Ends another session.",
      acting("terminate", "BOOLEAN"), wires=POSTGRES, ex={"pg_terminate_backend(0)": False}),
    f("pg_advisory_lock(key bigint[, second integer]) -> void", "Waits for an exclusive lock of that number.",
      acting("lock"), wires=POSTGRES, ex={"pg_advisory_lock(NULL)": None}),
    f("pg_advisory_lock_shared(key bigint[, second integer]) -> void", "Waits for a shared lock of that number.",
      acting("lock_shared"), wires=POSTGRES, ex={"pg_advisory_lock_shared(NULL)": None}),
    f("pg_advisory_xact_lock(key bigint[, second integer]) -> void", "Waits for an exclusive lock of that number until the transaction ends.",
      acting("xact_lock"), wires=POSTGRES, ex={"pg_advisory_xact_lock(1)": ""}),
    f("pg_advisory_xact_lock_shared(key bigint[, second integer]) -> void", "Waits for a shared lock of that number until the transaction ends.",
      acting("xact_lock_shared"), wires=POSTGRES, ex={"pg_advisory_xact_lock_shared(1)": ""}),
    f("pg_try_advisory_lock(key bigint[, second integer]) -> boolean", "Takes an exclusive lock of that number, if it is free.",
      acting("try_lock", "BOOLEAN"), wires=POSTGRES, ex={"pg_try_advisory_lock(NULL)": None}),
    f("pg_try_advisory_lock_shared(key bigint[, second integer]) -> boolean", "Takes a shared lock of that number, if it is free.",
      acting("try_lock_shared", "BOOLEAN"), wires=POSTGRES, ex={"pg_try_advisory_lock_shared(NULL)": None}),
    f("pg_try_advisory_xact_lock(key bigint[, second integer]) -> boolean", "Takes an exclusive lock of that number until the transaction ends, if it is free.",
      acting("try_xact_lock", "BOOLEAN"), wires=POSTGRES, ex={"pg_try_advisory_xact_lock(1)": True}),
    f("pg_try_advisory_xact_lock_shared(key bigint[, second integer]) -> boolean", "Takes a shared lock of that number until the transaction ends, if it is free.",
      acting("try_xact_lock_shared", "BOOLEAN"), wires=POSTGRES, ex={"pg_try_advisory_xact_lock_shared(1)": True}),
    f("pg_advisory_unlock(key bigint[, second integer]) -> boolean",
      "Gives back an exclusive lock of the session; false if it has none.",
      acting("unlock", "BOOLEAN"), wires=POSTGRES, ex={"pg_advisory_unlock(9)": False}),
    f("pg_advisory_unlock_shared(key bigint[, second integer]) -> boolean",
      "Gives back a shared lock of the session; false if it has none.",
      acting("unlock_shared", "BOOLEAN"), wires=POSTGRES, ex={"pg_advisory_unlock_shared(9)": False}),
    f("pg_advisory_unlock_all() -> void", "Gives back every lock of the session.",
      acting("unlock_all"), wires=POSTGRES, ex={"pg_advisory_unlock_all()": ""}),
    f("get_lock(name text, seconds double precision) -> integer",
      "Waits for a lock of that name: 1, or 0 when it took too long.",
      acting("get_lock", "INTEGER"), wires=MYSQL, ex={"get_lock('a', 1)": 1}),
    f("release_lock(name text) -> integer",
      "Gives a lock back: 1, 0 if it is another session's, NULL if nobody has it.",
      acting("release_lock", "INTEGER"), wires=MYSQL, ex={"release_lock('b')": None}),
    f("release_all_locks() -> integer", "Gives all locks back: how many they were.",
      acting("release_all_locks", "INTEGER"), wires=MYSQL),
    f("is_used_lock(name text) -> bigint", "The session that holds the lock, or NULL.",
      acting("lock_holder", "BIGINT"), wires=MYSQL, ex={"is_used_lock('b')": None}),
    f("is_free_lock(name text) -> integer", "1 if nobody holds the lock, else 0.",
      is_free, wires=MYSQL, ex={"is_free_lock('b')": 1}),
    f("charset(value any) -> text", "utf8mb4.", "(x) AS 'utf8mb4'", wires=MYSQL,
      ex={"charset('a')": "utf8mb4"}),
    f("collation(value any) -> text", "utf8mb4_bin.", "(x) AS 'utf8mb4_bin'", wires=MYSQL,
      ex={"collation('a')": "utf8mb4_bin"}),
    f("coercibility(value any) -> integer", "4.", "(x) AS 4", wires=MYSQL,
      ex={"coercibility('a')": 4}),
    f("benchmark(count bigint, value any) -> integer", "0, at once.", "(n, x) AS 0", wires=MYSQL,
      ex={"benchmark(1, 1)": 0}),
    f("version_comment() -> text", "The product.", "() AS 'Gnomon'", wires=MYSQL,
      ex={"version_comment()": "Gnomon"}),
)
# fmt: on

_DOCUMENTED = {name for entry in _OWN for name in entry.names}
_ELSEWHERE = frozenset(
    {"age", "quote_ident", "quote_literal", "parse_ident", "array_upper", "array_lower"}
    | {"array_remove", "json_build_object", "jsonb_build_object"}
)
_CATALOG: tuple[Function, ...] = tuple(
    f(f"{name}(...) -> any", "PostgreSQL's function over its catalogs.", wires=PSQL)
    for name in sorted(MAKERS)
    if name not in _DOCUMENTED | _ELSEWHERE
)
FUNCTIONS: tuple[Function, ...] = (*_OWN, *_CATALOG)
HELPERS: dict[str, object] = {}
