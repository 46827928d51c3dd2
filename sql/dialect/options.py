"""The WITH options of tables and databases: which exist, and their canonical values.

Called by create.py and by ALTER. Values are kept as text, as SHOW CREATE TABLE prints them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql import durations
from sql.dialect import nodes

Check = Callable[[str, str], str]  # (key, text) → canonical text


def _any(_key: str, text: str) -> str:
    return text


def _flag(key: str, text: str) -> str:
    if text.lower() not in ("true", "false"):
        raise _invalid(key, text, "true or false")
    return text.lower()


def _number(key: str, text: str) -> str:
    if not text.isdigit():
        raise _invalid(key, text, "a whole number")
    return text


def _rows(key: str, text: str) -> str:
    if not text.isdigit() or not 1 <= int(text) <= 10_485_760:
        raise _invalid(key, text, "1 to 10485760")
    return text


def _rate(key: str, text: str) -> str:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 < rate <= 1:
        raise _invalid(key, text, "a number above 0, up to 1")
    return text


def _ttl(_key: str, text: str) -> str:
    return durations.canonical_ttl(text)


def _duration(_key: str, text: str) -> str:
    durations.parse_human(text)
    return text


def _size(_key: str, text: str) -> str:
    durations.parse_size(text)
    return text


def _canonical_size(_key: str, text: str) -> str:
    return durations.format_size(durations.parse_size(text))


def _storage(_key: str, text: str) -> str:
    if text.lower() not in ("", "file"):
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"Object store not found: {text}")
    return text


def _one_of(*allowed: str) -> Check:
    def check(key: str, text: str) -> str:
        if text.lower() not in allowed:
            raise _invalid(key, text, ", ".join(allowed))
        return text.lower()

    return check


def _invalid(key: str, text: str, hint: str) -> DbError:
    return DbError(
        ErrorKind.INVALID_ARGUMENT, f"invalid value {text!r} for option {key}", hint=hint
    )


_BOTH: dict[str, Check] = {
    "ttl": _ttl,
    "storage": _storage,
    "append_mode": _flag,
    "merge_mode": _one_of("last_row", "last_non_null"),
    "skip_wal": _flag,
    "sst_format": _one_of("flat", "primary_key"),
    "compaction.type": _one_of("twcs"),
    "compaction.twcs.time_window": _duration,
    "compaction.twcs.trigger_file_num": _number,
    "compaction.twcs.max_output_file_size": _size,
    "compaction.twcs.fallback_to_local": _flag,
    "memtable.type": _one_of("time_series", "partition_tree", "bulk"),
    "memtable.bulk.merge_threshold": _number,
    "memtable.bulk.encode_row_threshold": _number,
    "memtable.bulk.encode_bytes_threshold": _any,
    "memtable.bulk.max_merge_groups": _number,
}
_TABLE: dict[str, Check] = _BOTH | {
    "comment": _any,
    "write_buffer_size": _canonical_size,
    "auto_flush_interval": _duration,
    "max_row_group_row_count": _rows,
    "memtable.partition_tree.index_max_keys_per_shard": _number,
    "memtable.partition_tree.data_freeze_threshold": _number,
    "memtable.partition_tree.fork_dictionary_bytes": _size,
    "memtable.partition_tree.primary_key_encoding": _any,
    "compaction.twcs.remote_compaction": _flag,
    "compaction.override": _flag,
    "index.type": _one_of("none", "skipping", "inverted"),
    "index.granularity": _number,
    "index.false_positive_rate": _rate,
    "index.inverted_index.segment_row_count": _number,
    "index.inverted_index.ignore_column_ids": _any,
    "physical_metric_table": _any,
    "on_physical_table": _any,
    "table_data_model": _any,
    "otlp_metric_compat": _any,
    "repartition.column.hint": _any,
    "wal_options": _any,
    "location": _any,
    "format": _any,
    "pattern": _any,
}
_SEMANTIC = "greptime.semantic."
# What PostgreSQL stores per relation and we have no use for.
_POSTGRES_STORAGE = (
    "fillfactor",
    "autovacuum_",
    "toast",
    "parallel_workers",
    "oids",
    "user_catalog",
)


def option_text(value: exp.Expr | None) -> str:
    """An option's value as text; NULL is empty. Raises: DbError INVALID_ARGUMENT."""
    if value is None or isinstance(value, exp.Null):
        return ""
    if isinstance(value, exp.Boolean):
        return "true" if value.this else "false"
    text = nodes.constant_text(value)
    if text is None:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT, f"an option's value must be a constant: {value.sql()}"
        )
    return text


def table_options(options: Iterable[nodes.Option], relational: bool = False) -> dict[str, str]:
    """The options of CREATE TABLE … WITH or ALTER TABLE … SET, canonical.

    Raises: DbError INVALID_ARGUMENT for an unknown key or a bad value.
    """
    result = {}
    for option in options:
        key = str(option.this)
        if relational and key.startswith(_POSTGRES_STORAGE):
            continue
        result[key] = check_table_option(key, option_text(option.args.get("expression")))
    if result.get("append_mode") == "true" and result.get("merge_mode") == "last_non_null":
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            "merge_mode last_non_null is not allowed with append_mode",
            hint="append mode keeps all rows, so there is nothing to merge",
        )
    return result


def check_table_option(key: str, text: str) -> str:
    """The canonical value of one table option. Raises: DbError INVALID_ARGUMENT."""
    if key.startswith(_SEMANTIC):
        return text
    check = _TABLE.get(key)
    if check is None:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"Unrecognized table option key: {key}")
    return check(key, text)


def database_options(options: Iterable[nodes.Option]) -> dict[str, str]:
    """The options of CREATE DATABASE … WITH or ALTER DATABASE … SET, canonical.

    Raises: DbError INVALID_ARGUMENT for an unknown key or a bad value.
    """
    result = {}
    for option in options:
        key, text = str(option.this), option_text(option.args.get("expression"))
        check = _BOTH.get(key)
        if check is None:
            raise DbError(ErrorKind.INVALID_ARGUMENT, f"Unrecognized database option key: {key}")
        result[key] = check(key, text)
        if key == "ttl" and result[key] == "instant":
            raise DbError(
                ErrorKind.INVALID_ARGUMENT, "Invalid set database option, key: ttl, value: instant"
            )
    return result


_INDEX_OPTIONS: dict[str, dict[str, tuple[str, Check]]] = {
    "INVERTED": {},
    "SKIPPING": {
        "false_positive_rate": ("0.01", _rate),
        "granularity": ("10240", _number),
        "type": ("BLOOM", lambda key, text: _one_of("bloom")(key, text).upper()),
    },
    "FULLTEXT": {
        "analyzer": ("English", lambda key, text: _one_of("english", "chinese")(key, text).title()),
        "backend": ("bloom", _one_of("bloom", "tantivy")),
        "case_sensitive": ("false", _flag),
        "false_positive_rate": ("0.01", _rate),
        "granularity": ("10240", _number),
    },
}


def index_options(column: str, kind: str, options: Iterable[nodes.Option]) -> dict[str, str]:
    """All options of a column's index with their defaults, sorted by key.

    Raises: DbError INVALID_ARGUMENT, UNSUPPORTED for a vector index.
    """
    known = _INDEX_OPTIONS.get(kind)
    if known is None:
        raise DbError(ErrorKind.UNSUPPORTED, f"{kind} INDEX is not supported")
    result = {key: default for key, (default, _) in known.items()}
    for option in options:
        key = str(option.this)
        if key not in known:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f"Invalid column option, column name: {column}, "
                f"error: invalid {kind} INDEX option: {key}",
            )
        result[key] = known[key][1](key, option_text(option.args.get("expression")))
    return result
