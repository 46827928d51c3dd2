"""MySQL's own databases `mysql`, `performance_schema` and `sys`, as far as tools read them.

Registered in registry.py; only sessions of MySQL's wire find them, by their full names or after
USE, and no list shows them. Users come from the roles and whoever asks; what does not exist here
is empty, with MySQL's columns (https://dev.mysql.com/doc/refman/8.4/en/system-schema.html).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from zoneinfo import available_timezones

import pyarrow as pa

from sql.system.arrow import fill, from_rows
from sql.system.information_schema import server
from sql.system.table import SystemContext, SystemTable

_PLUGIN = "caching_sha2_password"
_RIGHTS = (
    *("Select", "Insert", "Update", "Delete", "Create", "Drop", "Reload", "Shutdown", "Process"),
    *("File", "Grant", "References", "Index", "Alter", "Show_db", "Super", "Create_tmp_table"),
    *("Lock_tables", "Execute", "Repl_slave", "Repl_client", "Create_view", "Show_view"),
    *("Create_routine", "Alter_routine", "Create_user", "Event", "Trigger", "Create_tablespace"),
)
_PRIVILEGES = ", ".join(f"{right}_priv" for right in _RIGHTS)
# table: columns, of text unless `int` follows.
_TABLES = {
    "mysql": f"""
user: Host, User, {_PRIVILEGES}, ssl_type, max_questions int, max_updates int,
    max_connections int, max_user_connections int, plugin, authentication_string,
    password_expired, password_lifetime int, account_locked, is_role
global_priv: Host, User, Priv
db: Host, Db, User, {_PRIVILEGES}
tables_priv: Host, Db, User, Table_name, Grantor, Timestamp, Table_priv, Column_priv
columns_priv: Host, Db, User, Table_name, Column_name, Timestamp, Column_priv
procs_priv: Host, Db, User, Routine_name, Routine_type, Grantor, Proc_priv, Timestamp
default_roles: HOST, USER, DEFAULT_ROLE_HOST, DEFAULT_ROLE_USER
role_edges: FROM_HOST, FROM_USER, TO_HOST, TO_USER, WITH_ADMIN_OPTION
proc: db, name, type, specific_name, language, sql_data_access, is_deterministic, security_type,
    param_list, returns, body, definer, created, modified, sql_mode, comment
func: name, ret int, dl, type
event: db, name, body, definer, execute_at, interval_value int, interval_field, created, modified,
    last_executed, starts, ends, status, on_completion, sql_mode, comment
plugin: name, dl
servers: Server_name, Host, Db, Username, Password, Port int, Socket, Wrapper, Owner
general_log: event_time, user_host, thread_id int, server_id int, command_type, argument
slow_log: start_time, user_host, query_time, lock_time, rows_sent int, rows_examined int, db,
    last_insert_id int, insert_id int, server_id int, sql_text, thread_id int
time_zone: Time_zone_id int, Use_leap_seconds
time_zone_name: Name, Time_zone_id int
time_zone_leap_second: Transition_time int, Correction int
time_zone_transition: Time_zone_id int, Transition_time int, Transition_type_id int
time_zone_transition_type: Time_zone_id int, Transition_type_id int, Offset int, Is_DST int,
    Abbreviation
help_topic: help_topic_id int, name, help_category_id int, description, example, url
help_category: help_category_id int, name, parent_category_id int, url
help_keyword: help_keyword_id int, name
help_relation: help_topic_id int, help_keyword_id int
innodb_table_stats: database_name, table_name, last_update, n_rows int
innodb_index_stats: database_name, table_name, index_name, last_update, stat_name, stat_value int
""",
    "performance_schema": """
global_variables: VARIABLE_NAME, VARIABLE_VALUE
session_variables: VARIABLE_NAME, VARIABLE_VALUE
variables_info: VARIABLE_NAME, VARIABLE_SOURCE, VARIABLE_PATH, MIN_VALUE, MAX_VALUE
global_status: VARIABLE_NAME, VARIABLE_VALUE
session_status: VARIABLE_NAME, VARIABLE_VALUE
threads: THREAD_ID int, NAME, TYPE, PROCESSLIST_ID int, PROCESSLIST_USER, PROCESSLIST_HOST,
    PROCESSLIST_DB, PROCESSLIST_COMMAND, PROCESSLIST_TIME int, PROCESSLIST_STATE,
    PROCESSLIST_INFO
session_connect_attrs: PROCESSLIST_ID int, ATTR_NAME, ATTR_VALUE, ORDINAL_POSITION int
session_account_connect_attrs: PROCESSLIST_ID int, ATTR_NAME, ATTR_VALUE, ORDINAL_POSITION int
setup_actors: HOST, USER, ROLE, ENABLED, HISTORY
setup_consumers: NAME, ENABLED
setup_instruments: NAME, ENABLED, TIMED
events_statements_current: THREAD_ID int, EVENT_ID int, EVENT_NAME, SQL_TEXT, CURRENT_SCHEMA
events_statements_summary_by_digest: SCHEMA_NAME, DIGEST, DIGEST_TEXT, COUNT_STAR int
metadata_locks: OBJECT_TYPE, OBJECT_SCHEMA, OBJECT_NAME, LOCK_TYPE, LOCK_STATUS
data_locks: ENGINE, OBJECT_SCHEMA, OBJECT_NAME, LOCK_TYPE, LOCK_MODE, LOCK_STATUS
replication_group_members: CHANNEL_NAME, MEMBER_ID, MEMBER_HOST, MEMBER_PORT int, MEMBER_STATE
""",
    "sys": """
sys_config: variable, value, set_time, set_by
version: sys_version, mysql_version
schema_table_lock_waits: object_schema, object_name, waiting_pid int, blocking_pid int
""",
}
_Maker = Callable[[SystemContext], pa.Table]


def _shapes() -> Iterator[tuple[str, str, pa.Schema]]:
    for database, text in _TABLES.items():
        for line in text.strip().replace("\n    ", " ").splitlines():
            name, _, body = line.partition(": ")
            words = [column.split() for column in body.split(", ")]
            fields = [pa.field(w[0], pa.int64() if w[1:] else pa.string()) for w in words]
            yield database, name, pa.schema(fields)


def _users(schema: pa.Schema, context: SystemContext) -> pa.Table:
    """mysql.user: whoever asks, and the roles; the users file has no passwords to show."""
    me = context.session.client.user
    named = {role.name: role.superuser for role in context.roles} | {me: True}
    rows = {
        f"{right}_priv": ["Y" if superuser else "N" for superuser in named.values()]
        for right in _RIGHTS
    }
    told = {
        "Host": "%",
        "User": list(named),
        "ssl_type": "",
        "plugin": _PLUGIN,
        "authentication_string": "",
        "password_expired": "N",
        "account_locked": "N",
        "max_questions": 0,
        "max_updates": 0,
        "max_connections": 0,
        "is_role": "N",
        "max_user_connections": 0,
    }
    return fill(schema, len(named), rows | told)


@cache
def _zones() -> tuple[str, ...]:
    return tuple(sorted(available_timezones()))


def _zone_names(schema: pa.Schema, _: SystemContext) -> pa.Table:
    return from_rows(schema, [(name, number) for number, name in enumerate(_zones(), 1)])


def _variables(name: str, schema: pa.Schema, context: SystemContext) -> pa.Table:
    return server.variables(name, context).rename_columns(schema.names)


def _status(schema: pa.Schema, context: SystemContext) -> pa.Table:
    return from_rows(schema, [("Threads_connected", str(len(context.sessions)))])


_MAKERS: dict[tuple[str, str], Callable[[pa.Schema, SystemContext], pa.Table]] = {
    ("mysql", "user"): _users,
    ("mysql", "time_zone_name"): _zone_names,
    ("performance_schema", "global_variables"): partial(_variables, "global_variables"),
    ("performance_schema", "session_variables"): partial(_variables, "session_variables"),
    ("performance_schema", "global_status"): _status,
    ("performance_schema", "session_status"): _status,
}


def _nothing(schema: pa.Schema, _: SystemContext) -> pa.Table:
    return fill(schema, 0, {})


def tables() -> list[SystemTable]:
    """All of them, for the registry."""
    return [
        SystemTable(
            database, name, schema, partial(_MAKERS.get((database, name), _nothing), schema)
        )
        for database, name, schema in _shapes()
    ]
