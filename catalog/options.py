"""The options of tables and databases: which keys exist, their canonical values, what they mean.

Called where CREATE and ALTER are read (sql/dialect/options.py), and for the options a region gets.
Values are text, as SHOW CREATE TABLE prints them. Nothing here reads SQL.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from catalog import units
from catalog.records import Database, Table
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from engine.schema import MergeMode, RegionOptions

Check = Callable[[str, str], str]  # (key, text) → canonical text


def _any(_key: str, text: str) -> str:
    return text


def flag(key: str, text: str) -> str:
    """`true` or `false`. Raises: DbError INVALID_ARGUMENT."""
    if text.lower() not in ("true", "false"):
        raise _invalid(key, text, "true or false")
    return text.lower()


def number(key: str, text: str) -> str:
    """A whole number. Raises: DbError INVALID_ARGUMENT."""
    if not (text.isascii() and text.isdigit()):
        raise _invalid(key, text, "a whole number")
    return text


def rate(key: str, text: str) -> str:
    """A number above 0, up to 1. Raises: DbError INVALID_ARGUMENT."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise _invalid(key, text, "a number above 0, up to 1")
    return text


def one_of(*allowed: str) -> Check:
    """A check for one of some lower-case words."""

    def check(key: str, text: str) -> str:
        if text.lower() not in allowed:
            raise _invalid(key, text, ", ".join(allowed))
        return text.lower()

    return check


def between(low: int, high: int) -> Check:
    """A check for a whole number in a range, both ends included."""

    def check(key: str, text: str) -> str:
        if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
            raise _invalid(key, text, f"{low} to {high}")
        return text

    return check


def _ttl(_key: str, text: str) -> str:
    return units.canonical_ttl(text)


def _duration(key: str, text: str) -> str:
    if units.parse_human(text) == 0:
        raise _invalid(key, text, "more than nothing")
    return text


def _window(key: str, text: str) -> str:
    if units.parse_human(text) < units.SECOND_MS:
        raise _invalid(key, text, "one second or more")
    return text


def _size(key: str, text: str) -> str:
    if units.parse_size(text) == 0:
        raise _invalid(key, text, "more than nothing")
    return text


def _canonical_size(key: str, text: str) -> str:
    return units.canonical_size(_size(key, text))


def _storage(_key: str, text: str) -> str:
    if text.lower() not in ("", "file"):
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"object store not found: {text}")
    return text


def _invalid(key: str, text: str, hint: str) -> DbError:
    return DbError(
        ErrorKind.INVALID_ARGUMENT, f"invalid value {text!r} for option {key}", hint=hint
    )


_BOTH: dict[str, Check] = {
    "ttl": _ttl,
    "storage": _storage,
    "append_mode": flag,
    "merge_mode": one_of("last_row", "last_non_null"),
    "skip_wal": flag,
    "sst_format": one_of("flat", "primary_key"),
    "compaction.type": one_of("twcs"),
    "compaction.twcs.time_window": _window,
    "compaction.twcs.trigger_file_num": between(1, 1_000_000),
    "compaction.twcs.max_output_file_size": _size,
    "compaction.twcs.fallback_to_local": flag,
    "memtable.type": one_of("time_series", "partition_tree", "bulk"),
    "memtable.bulk.merge_threshold": number,
    "memtable.bulk.encode_row_threshold": number,
    "memtable.bulk.encode_bytes_threshold": _any,
    "memtable.bulk.max_merge_groups": number,
}
_TABLE: dict[str, Check] = _BOTH | {
    "comment": _any,
    "write_buffer_size": _canonical_size,
    "auto_flush_interval": _duration,
    "max_row_group_row_count": between(1, 10_485_760),
    "memtable.partition_tree.index_max_keys_per_shard": number,
    "memtable.partition_tree.data_freeze_threshold": number,
    "memtable.partition_tree.fork_dictionary_bytes": _size,
    "memtable.partition_tree.primary_key_encoding": _any,
    "compaction.twcs.remote_compaction": flag,
    "compaction.override": flag,
    "index.type": one_of("none", "skipping", "inverted"),
    "index.granularity": number,
    "index.false_positive_rate": rate,
    "index.inverted_index.segment_row_count": number,
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
_TWCS = "compaction.twcs."
_SETTABLE = frozenset(
    {"ttl", "append_mode", "sst_format", "write_buffer_size", "auto_flush_interval", "skip_wal"}
    | {"max_row_group_row_count", "compaction.type", "repartition.column.hint"}
)
_ONLY_ON = frozenset({"append_mode", "skip_wal"})  # from false to true
_DATABASE_SETTABLE = frozenset(
    {"ttl", "sst_format", *(key for key in _BOTH if key.startswith("compaction."))}
)


def is_live(key: str) -> bool:
    """True if tables without a value of their own follow the database's, whenever it changes.

    All other database options are templates, copied when a table is created.
    """
    return key == "ttl" or key.startswith("compaction.")


# --- Checks ---------------------------------------------------------------------------------------


def check_table_option(key: str, text: str) -> str:
    """The canonical value of one table option. Raises: DbError INVALID_ARGUMENT."""
    if key.startswith(_SEMANTIC):
        return text
    check = _TABLE.get(key)
    if check is None:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"unrecognized table option key: {key}")
    return check(key, text)


def check_database_option(key: str, text: str) -> str:
    """The canonical value of one database option. Raises: DbError INVALID_ARGUMENT."""
    check = _BOTH.get(key)
    if check is None:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"unrecognized database option key: {key}")
    text = check(key, text)
    if key == "ttl" and text == "instant":
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            "a database cannot have the ttl 'instant'",
            hint="give it to the tables that shall have it",
        )
    return text


def check_together(options: Mapping[str, str]) -> None:
    """Checks what options say of each other. Raises: DbError INVALID_ARGUMENT."""
    if options.get("append_mode") == "true" and options.get("merge_mode") == "last_non_null":
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            "merge_mode last_non_null is not allowed with append_mode",
            hint="append mode keeps all rows, so there is nothing to merge",
        )


# --- ALTER ----------------------------------------------------------------------------------------


def set_table_options(old: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """A table's options after `ALTER TABLE … SET`; the values are as written.

    An empty text (NULL) removes `auto_flush_interval` and what is said of compaction.
    Raises: DbError INVALID_ARGUMENT.
    """
    options = dict(old)
    for key, text in changes.items():
        if not text and key in _TABLE and key.startswith(("auto_flush_interval", _TWCS)):
            options.pop(key, None)
            continue
        value = check_table_option(key, text)
        if not (key in _SETTABLE or key.startswith((_TWCS, _SEMANTIC))):
            raise DbError(ErrorKind.INVALID_ARGUMENT, f"option {key} of a table cannot be changed")
        if key in _ONLY_ON and value == "false" and options.get(key) == "true":
            raise DbError(
                ErrorKind.INVALID_ARGUMENT, f"{key} can be changed from false to true only"
            )
        options[key] = value
        if key.startswith(_TWCS):
            options.setdefault("compaction.type", "twcs")  # as the peer tells it from then on
    check_together(options)
    return options


def unset_table_options(old: Mapping[str, str], keys: list[str]) -> dict[str, str]:
    """A table's options after `ALTER TABLE … UNSET`. Raises: DbError INVALID_ARGUMENT."""
    options = dict(old)
    for key in keys:
        known = key in _TABLE or key.startswith(_SEMANTIC)
        if not known:
            raise DbError(ErrorKind.INVALID_ARGUMENT, f"unrecognized table option key: {key}")
        if key == "auto_flush_interval":
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                "auto_flush_interval cannot be unset",
                hint="SET 'auto_flush_interval' = NULL removes it",
            )
        settable = key in _SETTABLE or key.startswith((_TWCS, _SEMANTIC))
        if not settable or (key in _ONLY_ON and options.get(key) == "true"):
            raise DbError(ErrorKind.INVALID_ARGUMENT, f"option {key} of a table cannot be unset")
        options.pop(key, None)
    return options


def set_database_options(old: Mapping[str, str], changes: Mapping[str, str]) -> dict[str, str]:
    """A database's options after `ALTER DATABASE … SET`. Raises: DbError INVALID_ARGUMENT."""
    options = dict(old)
    for key, text in changes.items():
        value = check_database_option(key, text)
        _check_database_settable(key)
        options[key] = value
    return options


def unset_database_options(old: Mapping[str, str], keys: list[str]) -> dict[str, str]:
    """A database's options after `ALTER DATABASE … UNSET`. Raises: DbError INVALID_ARGUMENT."""
    options = dict(old)
    for key in keys:
        if key not in _BOTH:
            raise DbError(ErrorKind.INVALID_ARGUMENT, f"unrecognized database option key: {key}")
        _check_database_settable(key)
        options.pop(key, None)
    return options


def _check_database_settable(key: str) -> None:
    if key not in _DATABASE_SETTABLE:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"option {key} of a database cannot be changed",
            hint=f"these can: {', '.join(sorted(_DATABASE_SETTABLE))}",
        )


# --- Meaning --------------------------------------------------------------------------------------


def with_templates(options: Mapping[str, str], database: Database | None) -> dict[str, str]:
    """A new table's options: its own, and those its database is a template for."""
    given = database.options if database is not None else {}
    merged = {key: value for key, value in given.items() if not is_live(key)}
    if options.get("append_mode") == "true" and "merge_mode" not in options:
        merged.pop("merge_mode", None)  # the table's own word against the template's
    if options.get("merge_mode") == "last_non_null" and "append_mode" not in options:
        merged.pop("append_mode", None)
    merged.update(options)
    check_together(merged)
    return merged


def shown_options(table: Table, database: Database | None) -> dict[str, str]:
    """What SHOW CREATE TABLE tells: the table's own options, and the ttl it lives by."""
    ttl = database.options.get("ttl") if database is not None else None
    return ({} if ttl is None else {"ttl": ttl}) | table.options


def effective_options(table: Table, database: Database | None) -> dict[str, str]:
    """A table's options with the live ones that it has from its database."""
    inherited = database.options if database is not None else {}
    return {key: value for key, value in inherited.items() if is_live(key)} | table.options


def region_options(table: Table, database: Database | None) -> RegionOptions:
    """What the table's options mean to the engine: table before database before built-in.

    Requires: table.is_time_series; the options are canonical.
    """
    options = effective_options(table, database)
    defaults = RegionOptions()

    def size(key: str) -> int | None:
        return units.parse_size(options[key]) if key in options else None

    window = options.get(_TWCS + "time_window")
    rows = options.get("max_row_group_row_count")
    return RegionOptions(
        append_mode=table.append_mode,
        merge_mode=MergeMode(options.get("merge_mode", MergeMode.LAST_ROW.value)),
        ttl_ms=units.ttl_ms(options.get("ttl")),
        window_ms=units.parse_human(window) if window is not None else None,
        trigger_files=int(options.get(_TWCS + "trigger_file_num", defaults.trigger_files)),
        max_output_bytes=size(_TWCS + "max_output_file_size") or defaults.max_output_bytes,
        write_buffer_bytes=size("write_buffer_size"),
        row_group_rows=int(rows) if rows is not None else None,
        extra=_indexed(table) | _searched(table),
    )


def _indexed(table: Table) -> dict[str, str]:
    """Columns with an index that finds whole values, for the bloom filters of files."""
    kinds = {"INVERTED", "SKIPPING"}
    names = [c.name for c in table.columns if kinds & {kind.upper() for kind in c.indexes}]
    return {"bloom": "\n".join(names)} if names else {}


def _searched(table: Table) -> dict[str, str]:
    """Text columns that are found by words or (SKIPPING) by whole values; see docs/text-search.md.

    Words find whole values, too.
    """
    told: dict[str, dict[str, object]] = {}
    for column in table.columns:
        indexes = {kind.upper(): options for kind, options in column.indexes.items()}
        if column.type.id is not TypeId.STRING or not {"FULLTEXT", "SKIPPING"} & indexes.keys():
            continue
        full = indexes.get("FULLTEXT")
        own = full if full is not None else indexes["SKIPPING"]
        told[column.name] = {"false_positives": float(own.get("false_positive_rate", "0.01"))}
        if full is None:
            told[column.name]["whole"] = True
            continue
        told[column.name]["fold"] = full.get("case_sensitive", "false") != "true"
        told[column.name]["pairs"] = full.get("analyzer", "English") == "Chinese"
    return {"text": json.dumps(told)} if told else {}
