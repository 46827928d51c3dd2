"""MySQL's variables that tools read when they connect and that mean nothing more to this server.

Composed into the settings of MySQL sessions by settings.py. Values are those of a server without
the thing that the variable is about (binary log, sockets, plug-ins), or MySQL 8.4's defaults for
what a session may set and nobody here acts on
(https://dev.mysql.com/doc/refman/8.4/en/server-system-variables.html). Nothing here computes,
but for the check of the variables that auto_increment.py acts on.
"""

from __future__ import annotations

import re

from engine.errors import DbError, ErrorKind

_SERIES_MAX = 65_535
# What a session cannot change.
FIXED = {
    "back_log": "128",
    "basedir": "",
    "bind_address": "",
    "character_sets_dir": "",
    "connect_timeout": "10",
    "datadir": "",
    "default_authentication_plugin": "caching_sha2_password",
    "event_scheduler": "DISABLED",
    "flush": "OFF",
    "general_log": "OFF",
    "general_log_file": "",
    "gtid_executed": "",
    "gtid_mode": "OFF",
    "gtid_purged": "",
    "have_compress": "YES",
    "have_dynamic_loading": "NO",
    "have_geometry": "NO",
    "have_openssl": "YES",
    "have_rtree_keys": "NO",
    "have_statement_timeout": "YES",
    "have_symlink": "DISABLED",
    "innodb_version": "",
    "log_bin": "OFF",
    "log_error": "stderr",
    "log_output": "NONE",
    "max_connections": "500",
    "named_pipe": "OFF",
    "pid_file": "",
    "plugin_dir": "",
    "pseudo_thread_id": "0",
    "secure_file_priv": "NULL",
    "server_id": "1",
    "server_uuid": "",
    "shared_memory": "OFF",
    "skip_external_locking": "ON",
    "skip_name_resolve": "ON",
    "skip_networking": "OFF",
    "skip_show_database": "OFF",
    "slow_query_log": "OFF",
    "slow_query_log_file": "",
    "socket": "",
    "thread_handling": "one-thread-per-connection",
    "tls_version": "TLSv1.2,TLSv1.3",
    "tmpdir": "",
    "version_compile_zlib": "",
}
# What a session may set.
CHOSEN = {
    "big_tables": "OFF",
    "bulk_insert_buffer_size": "8388608",
    "character_set_filesystem": "binary",
    "completion_type": "NO_CHAIN",
    "default_collation_for_utf8mb4": "utf8mb4_bin",
    "default_tmp_storage_engine": "duckdb",
    "default_week_format": "0",
    "explicit_defaults_for_timestamp": "ON",
    "information_schema_stats_expiry": "86400",
    "innodb_lock_wait_timeout": "50",
    "innodb_strict_mode": "ON",
    "key_buffer_size": "8388608",
    "lc_messages": "en_US",
    "lc_time_names": "en_US",
    "lock_wait_timeout": "31536000",
    "long_query_time": "10.000000",
    "low_priority_updates": "OFF",
    "max_error_count": "1024",
    "max_heap_table_size": "16777216",
    "max_join_size": "18446744073709551615",
    "max_sort_length": "1024",
    "max_user_connections": "0",
    "profiling": "OFF",
    "read_buffer_size": "131072",
    "read_rnd_buffer_size": "262144",
    "session_track_gtids": "OFF",
    "show_create_table_verbosity": "OFF",
    "sort_buffer_size": "262144",
    "sql_big_selects": "ON",
    "sql_buffer_result": "OFF",
    "sql_generate_invisible_primary_key": "OFF",
    "sql_log_bin": "ON",
    "sql_require_primary_key": "OFF",
    "tmp_table_size": "16777216",
    "updatable_views_with_limit": "YES",
    "windowing_use_high_precision": "ON",
}


def check_series(name: str, value: str) -> str:
    """What auto_increment_increment or _offset is set to: the nearest number from 1 to 65535.

    Raises: DbError INVALID_ARGUMENT for what is no number, MySQL's 1232.
    """
    if not re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value):
        message = f"Incorrect argument type to variable '{name}'"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    return str(max(1, min(_SERIES_MAX, int(value))))
