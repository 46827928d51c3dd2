"""Session settings: what SET changes and SHOW, current_setting() and @@variables tell.

One table of known settings with their defaults, checks and wires. Settings we do not know are kept
as given and answered back (custom settings of PostgreSQL need a dot in their name, others warn).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from engine.errors import DbError, ErrorKind
from sql import mysql_variables, postgres_variables
from sql.charsets import check_charset
from sql.encodings import encoding_named
from sql.results import Severity
from sql.session import Output, Wire

# The PostgreSQL release whose behaviour clients may expect: Debian 12's tools refuse a newer one.
SERVER_VERSION = "15.12"
MYSQL_VERSION = "8.4.2"
PRODUCT_VERSION = "0.1.0"

Check = Callable[[str, str], str]  # (name, value) → canonical value; raises DbError


@dataclass(frozen=True, slots=True)
class Setting:
    """One known setting."""

    name: str  # as SHOW spells it
    default: str
    check: Check | None = None
    read_only: bool = False
    reported: bool = False  # PostgreSQL tells the client of changes (ParameterStatus)


def parse_duration_ms(name: str, value: str) -> str:
    """`500`, `2s`, `1min` → milliseconds as text. Raises: DbError INVALID_ARGUMENT."""
    found = re.fullmatch(r"\s*(\d+)\s*(us|ms|s|min|h|d|)\s*", value)
    if found is None:
        raise _invalid(name, value, "a number, or a number with us, ms, s, min, h or d")
    factor = {
        "us": 0.001,
        "ms": 1,
        "": 1,
        "s": 1000,
        "min": 60_000,
        "h": 3_600_000,
        "d": 86_400_000,
    }
    duration = int(int(found.group(1)) * factor[found.group(2)])
    if duration >= 1 << 64:
        raise _invalid(name, value, "less than 2^64 milliseconds")
    return str(duration)


def is_loud_enough(severity: str, least: str) -> bool:
    """True if `client_min_messages = least` lets a message of that severity through."""
    if severity == "INFO":
        return True
    level = "debug1" if severity == "DEBUG" else severity.lower()
    order = [name for name in _LEVELS if name != "info"]
    return order.index(level) >= order.index("notice" if least == "info" else least)


_LENGTHS_MS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1))


def with_unit(name: str, value: str) -> str:
    """A setting's value as PostgreSQL's SHOW prints it: durations in their largest whole unit.

    >>> with_unit("statement_timeout", "90000"), with_unit("lock_timeout", "0")
    ('90s', '0')
    """
    setting = _KNOWN[Wire.POSTGRES].get(name.lower())
    if setting is None or setting.check is not parse_duration_ms or not int(value):
        return value
    return next(f"{int(value) // n}{unit}" for unit, n in _LENGTHS_MS if int(value) % n == 0)


def parse_bytes(name: str, value: str) -> str:
    """`64MB`, `1GB`, `0` → bytes as text; units are powers of 1024. Raises: DbError."""
    found = re.fullmatch(r"\s*(\d{1,15})\s*([kKMGT]?)i?B?\s*", value)
    if found is None:
        raise _invalid(name, value, "a number of bytes, or a number with kB, MB, GB or TB")
    return str(int(found.group(1)) * 1024 ** " KMGT".index(found.group(2).upper() or " "))


def check_timezone(name: str, value: str) -> str:
    """An IANA name or `+HH:MM`. Raises: DbError INVALID_ARGUMENT (22023)."""
    text = value.strip()
    if text.upper() in ("SYSTEM", "DEFAULT", "LOCAL", "Z", "ETC/UTC"):
        return "UTC"
    found = re.fullmatch(r"([+-])?(\d{1,2})(?::?(\d{2}))?", text)
    if found is not None:
        hours, minutes = int(found.group(2)), int(found.group(3) or 0)
        if hours <= 14 and minutes < 60:
            return f"{found.group(1) or '+'}{hours:02d}:{minutes:02d}"
    zone = _zones().get(text.lower())
    if zone is None:
        raise _invalid(name, value, "an IANA time zone name or an offset like +08:00")
    return zone


_ZONES: dict[str, str] = {}


def _zones() -> dict[str, str]:
    if not _ZONES:
        _ZONES.update({zone.lower(): zone for zone in available_timezones()})
    return _ZONES


def zone_of(timezone_name: str) -> tzinfo:
    """The zone of a checked value."""
    if timezone_name[0] in "+-":
        sign = -1 if timezone_name[0] == "-" else 1
        hours, minutes = timezone_name[1:].split(":")
        return timezone(sign * timedelta(hours=int(hours), minutes=int(minutes)))
    return ZoneInfo(timezone_name)


def check_boolean(name: str, value: str) -> str:
    """PostgreSQL's spellings of on and off."""
    text = value.strip().lower()
    if text in ("on", "true", "yes", "1", "t", "y"):
        return "on"
    if text in ("off", "false", "no", "0", "f", "n"):
        return "off"
    raise _invalid(name, value, "on or off")


def _one_of(*allowed: str) -> Check:
    def check(name: str, value: str) -> str:
        for choice in allowed:
            if choice.lower() == value.strip().lower():
                return choice
        raise _invalid(name, value, ", ".join(allowed))

    return check


def _check_encoding(name: str, value: str) -> str:
    encoding = encoding_named(value.strip(" '\""))
    if encoding is None:
        raise _invalid(name, value, "the name of an encoding, such as UTF8 or LATIN1")
    return encoding


_DATE_STYLES = {name.lower(): name for name in ("ISO", "SQL", "Postgres", "German")}
_DATE_ORDERS = {
    **{name.lower(): name for name in ("MDY", "DMY", "YMD")},
    **dict.fromkeys(("us", "noneuro", "noneuropean"), "MDY"),
    **dict.fromkeys(("euro", "european"), "DMY"),
}


def _check_datestyle(name: str, value: str) -> str:
    """What is not named stays as by default; German implies DMY."""
    style, order = "ISO", ""
    for part in filter(None, (part.strip().lower() for part in value.split(","))):
        if part in _DATE_ORDERS:
            order = _DATE_ORDERS[part]
        elif part in _DATE_STYLES:
            style = _DATE_STYLES[part]
        elif part != "default":
            allowed = ", ".join((*_DATE_STYLES.values(), *dict.fromkeys(_DATE_ORDERS.values())))
            raise _invalid(name, value, allowed)
    return f"{style}, {order or ('DMY' if style == 'German' else 'MDY')}"


def _invalid(name: str, value: str, allowed: str) -> DbError:
    return DbError(
        ErrorKind.INVALID_ARGUMENT,
        f'invalid value for parameter "{name}": "{value}"',
        hint=f"allowed: {allowed}",
    )


# How loud messages are, and what client_min_messages may name.
_LEVELS = (
    *(f"debug{n}" for n in range(5, 0, -1)),
    *("debug", "log", "info", "notice", "warning", "error", "fatal", "panic"),
)
_interval_style = _one_of("postgres", "postgres_verbose", "sql_standard", "iso_8601")
_isolation = _one_of("read committed", "repeatable read", "serializable", "read uncommitted")

_SHARED = (
    Setting("TimeZone", "UTC", check_timezone, reported=True),
    Setting("statement_timeout", "0", parse_duration_ms),
    Setting("statement_memory_limit", "0", parse_bytes),
    Setting("application_name", "", reported=True),
    Setting("read_preference", "leader", _one_of("leader", "follower", "nearest")),
    Setting("allow_query_fallback", "off", check_boolean),
)

_POSTGRES = (
    Setting("server_version", f"{SERVER_VERSION} (Gnomon {PRODUCT_VERSION})", read_only=True),
    Setting("server_version_num", "150012", read_only=True),
    Setting("server_encoding", "UTF8", read_only=True),
    Setting("client_encoding", "UTF8", _check_encoding, reported=True),
    Setting("DateStyle", "ISO, MDY", _check_datestyle, reported=True),
    Setting("IntervalStyle", "postgres", _interval_style, reported=True),
    Setting("escape_string_warning", "on", check_boolean),
    Setting("is_superuser", "on", read_only=True),
    Setting("in_hot_standby", "off", read_only=True),
    Setting("default_transaction_read_only", "off", check_boolean, reported=True),
    Setting("default_transaction_isolation", "read committed", _isolation),
    Setting("default_transaction_deferrable", "off", check_boolean),
    Setting("transaction_isolation", "read committed", _isolation),
    Setting("transaction_read_only", "off", check_boolean),
    Setting("transaction_deferrable", "off", check_boolean),
    Setting("bytea_output", "hex", _one_of("hex", "escape")),
    Setting("extra_float_digits", "1"),
    Setting("client_min_messages", "notice", _one_of(*_LEVELS)),
    Setting("lock_timeout", "0", parse_duration_ms),
    Setting("idle_in_transaction_session_timeout", "0", parse_duration_ms),
    Setting("idle_session_timeout", "0", parse_duration_ms),
    Setting("row_security", "on", check_boolean),
    Setting("check_function_bodies", "on", check_boolean),
    Setting("synchronous_commit", "on"),
    Setting("max_identifier_length", "63", read_only=True),
    Setting("max_index_keys", "32", read_only=True),
    Setting("block_size", "8192", read_only=True),
    Setting("lc_collate", "C", read_only=True),
    Setting("lc_ctype", "C", read_only=True),
    Setting("lc_messages", "C"),
    Setting("lc_monetary", "C"),
    Setting("lc_numeric", "C"),
    Setting("lc_time", "C"),
    Setting("search_path", "public"),
    Setting("jit", "off", check_boolean),
    Setting("xmloption", "content"),
    Setting("geqo", "on", check_boolean),
    Setting("default_tablespace", ""),
    Setting("default_table_access_method", "heap"),
    Setting("default_text_search_config", "pg_catalog.english"),
    Setting("standard_conforming_strings", "on", _one_of("on"), reported=True),
    Setting("ssl", "off", read_only=True),
    Setting("max_connections", "500", read_only=True),
    Setting("max_prepared_transactions", "0", read_only=True),
    Setting("wal_level", "replica", read_only=True),
    Setting("password_encryption", "scram-sha-256", _one_of("scram-sha-256", "md5")),
    *(Setting(name, value, read_only=True) for name, value in postgres_variables.FIXED.items()),
    *(
        Setting(name, value, check_boolean if value in ("on", "off") else None)
        for name, value in postgres_variables.CHOSEN.items()
    ),
)

_MYSQL = (
    Setting("version", f"{MYSQL_VERSION}-gnomon-{PRODUCT_VERSION}", read_only=True),
    Setting("version_comment", "Gnomon", read_only=True),
    Setting("version_compile_os", "Linux", read_only=True),
    Setting("version_compile_machine", "x86_64", read_only=True),
    Setting("protocol_version", "10", read_only=True),
    Setting("time_zone", "SYSTEM"),
    Setting("system_time_zone", "UTC", read_only=True),
    Setting("autocommit", "ON"),
    Setting("sql_mode", "STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION"),
    Setting("max_allowed_packet", "67108864"),
    Setting("net_buffer_length", "16384"),
    Setting("net_write_timeout", "60"),
    Setting("net_read_timeout", "30"),
    Setting("wait_timeout", "28800"),
    Setting("interactive_timeout", "28800"),
    Setting("max_execution_time", "0", parse_duration_ms),
    Setting("lower_case_table_names", "0", read_only=True),
    Setting("lower_case_file_system", "OFF", read_only=True),
    Setting("character_set_client", "utf8mb4", check_charset),
    Setting("character_set_connection", "utf8mb4", check_charset),
    Setting("character_set_results", "utf8mb4", check_charset),
    Setting("character_set_server", "utf8mb4"),
    Setting("character_set_database", "utf8mb4"),
    Setting("character_set_system", "utf8mb3", read_only=True),
    Setting("collation_connection", "utf8mb4_bin"),
    Setting("collation_server", "utf8mb4_bin"),
    Setting("collation_database", "utf8mb4_bin"),
    Setting("auto_increment_increment", "1", mysql_variables.check_series),
    Setting("auto_increment_offset", "1", mysql_variables.check_series),
    Setting("tx_isolation", "READ-COMMITTED"),
    Setting("transaction_isolation", "READ-COMMITTED"),
    Setting("tx_read_only", "0"),
    Setting("transaction_read_only", "0"),
    Setting("foreign_key_checks", "ON"),
    Setting("unique_checks", "ON"),
    Setting("sql_safe_updates", "OFF"),
    Setting("sql_select_limit", "18446744073709551615"),
    Setting("sql_auto_is_null", "OFF"),
    Setting("sql_notes", "ON"),
    Setting("sql_quote_show_create", "ON"),
    Setting("sql_warnings", "OFF"),
    Setting("init_connect", "", read_only=True),
    Setting("license", "Apache-2.0", read_only=True),
    Setting("performance_schema", "OFF", read_only=True),
    Setting("query_cache_size", "0", read_only=True),
    Setting("query_cache_type", "OFF", read_only=True),
    Setting("have_ssl", "DISABLED", read_only=True),
    Setting("have_query_cache", "NO", read_only=True),
    Setting("have_profiling", "NO", read_only=True),
    Setting("hostname", "localhost", read_only=True),
    Setting("port", "4002", read_only=True),
    Setting("local_infile", "OFF", read_only=True),
    Setting("read_only", "OFF", read_only=True),
    Setting("super_read_only", "OFF", read_only=True),
    Setting("innodb_read_only", "OFF", read_only=True),
    Setting("default_storage_engine", "mito", read_only=True),
    Setting("group_concat_max_len", "1024"),
    Setting("session_track_schema", "ON"),
    Setting("session_track_state_change", "OFF"),
    Setting("session_track_system_variables", ""),
    Setting("session_track_transaction_info", "OFF"),
    Setting("optimizer_switch", ""),
    Setting("last_insert_id", "0", read_only=True),
    Setting("identity", "0", read_only=True),
    Setting("warning_count", "0", read_only=True),
    Setting("error_count", "0", read_only=True),
    *(Setting(name, value, read_only=True) for name, value in mysql_variables.FIXED.items()),
    *(Setting(name, value) for name, value in mysql_variables.CHOSEN.items()),
)

_KNOWN: dict[Wire, dict[str, Setting]] = {
    Wire.POSTGRES: {s.name.lower(): s for s in (*_SHARED, *_POSTGRES)},
    Wire.MYSQL: {s.name.lower(): s for s in (*_SHARED, *_MYSQL)},
    Wire.HTTP: {s.name.lower(): s for s in (*_SHARED, *_POSTGRES, *_MYSQL)},
}
_OUTPUT = (  # PostgreSQL's, and MySQL's
    ("TimeZone", "client_encoding", "DateStyle", "IntervalStyle", "bytea_output"),
    ("TimeZone", "character_set_results", "", "", "", "character_set_client"),
)
_ALIASES = {"time_zone": "timezone", "time zone": "timezone", "names": "client_encoding"}


class Shown(NamedTuple):
    """The settings that plans and results depend on."""

    timezone: str
    dates: str  # PostgreSQL's DateStyle
    limited: bool  # MySQL's sql_select_limit was set
    autocommit: bool  # MySQL's


class Settings:
    """The settings of one session."""

    def __init__(self, wire: Wire, told: Mapping[str, Callable[[], str]] | None = None) -> None:
        """`told` are values that others keep, by lower-case name."""
        self._wire = wire
        self._told = told or {}
        self._known = _KNOWN[wire]
        self._values: dict[str, str] = {}
        self._reports: dict[str, str] = {}
        self._told_last: dict[str, str] = {}  # of the reported ones
        # Forgotten when a value changes.
        self._output: Output | None = None
        self._shown: Shown | None = None

    @property
    def output(self) -> Output:
        """See `SessionApi.output`."""
        if self._output is None:
            names = _OUTPUT[self._wire is Wire.MYSQL]
            self._output = Output(*(self.get(name) if name else "" for name in names))
        return self._output

    def known(self, name: str) -> bool:
        """True if the setting is one of ours or was set before."""
        key = self._key(name)
        return key in self._known or key in self._values

    def spelled(self, name: str) -> str:
        """The setting's name with its own upper and lower case."""
        setting = self._known.get(self._key(name))
        return setting.name if setting is not None else name

    @property
    def shown(self) -> Shown:
        """What plans and results depend on."""
        if self._shown is None:
            style = self.get("DateStyle") if self._wire is Wire.POSTGRES else ""
            mysql = self._wire is Wire.MYSQL
            limited = mysql and self.is_set("sql_select_limit")
            is_on = not mysql or check_boolean("autocommit", self.get("autocommit")) == "on"
            self._shown = Shown(self.get("timezone"), style, limited, is_on)
        return self._shown

    def is_set(self, name: str) -> bool:
        """True if the session gave the setting a value."""
        return self._key(name) in self._values

    def get(self, name: str) -> str:
        """The value as text. Raises: DbError UNDEFINED_OBJECT."""
        if name.lower() == "time_zone" and "timezone" not in self._values:
            return "SYSTEM"
        key = self._key(name)
        if key in self._told:
            return self._told[key]()
        if key in self._values:
            return self._values[key]
        setting = self._known.get(key)
        if setting is None:
            raise DbError(
                ErrorKind.UNDEFINED_OBJECT, f'unrecognized configuration parameter "{name}"'
            )
        return setting.default

    def lets_through(self, severity: Severity) -> bool:
        """True if the client wants to be told of messages of that severity."""
        return is_loud_enough(severity.value, self._values.get("client_min_messages", "notice"))

    @property
    def literal_backslashes(self) -> bool:
        """See `SessionApi.literal_backslashes`."""
        return "NO_BACKSLASH_ESCAPES" in self._values.get("sql_mode", "").upper()

    def names_something(self, name: str) -> bool:
        """True if some wire knows the setting, or it is one of a user's own (`my.setting`)."""
        return "." in name or self.known(name) or self._key(name) in _KNOWN[Wire.HTTP]

    @property
    def lock_timeout_ms(self) -> int:
        """How long a statement waits for others' rows and locks, in ms; 0: for ever."""
        if self._wire is Wire.MYSQL:
            return int(self.get("innodb_lock_wait_timeout")) * 1000
        return int(self.get("lock_timeout"))

    def set(self, name: str, value: str) -> None:
        """Raises: DbError INVALID_ARGUMENT for a bad value or a read-only setting."""
        self._changed()
        key = self._key(name)
        setting = self._known.get(key)
        if setting is None:
            self._values[key] = value
            return
        if setting.read_only:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT, f'parameter "{setting.name}" cannot be changed'
            )
        if setting.check is not None:
            value = setting.check(setting.name, value)
        self._values[key] = value
        if setting.reported:
            self._reports[setting.name] = value

    def reset(self, name: str | None = None) -> None:
        """Back to the default: one setting, or all."""
        self._changed()
        for key in [self._key(name)] if name is not None else list(self._values):
            setting = self._known.get(key)
            if self._values.pop(key, None) is not None and setting and setting.reported:
                self._reports[setting.name] = setting.default

    def all(self) -> list[tuple[str, str]]:
        """Every setting with its value, by name."""
        names = {s.name for s in self._known.values()} | (set(self._values) - set(self._known))
        return sorted((name, self.get(name)) for name in names)

    def _changed(self) -> None:
        self._output = self._shown = None

    def report(self, name: str, value: str) -> None:
        """Has the client told of what is no setting of its own, as who the session now is."""
        self._reports[name] = value

    def take_reports(self) -> dict[str, str]:
        """Reported settings changed since the last call, and not back to what was told then."""
        reports, self._reports = self._reports, {}
        changed = {name: value for name, value in reports.items() if self._last(name) != value}
        self._told_last |= changed
        return changed

    def _last(self, name: str) -> str | None:
        """What the client was told last; a setting's default if it was told nothing."""
        setting = self._known.get(name.lower())
        return self._told_last.get(name, setting.default if setting is not None else None)

    def copy_values(self) -> dict[str, str]:
        """A copy to go back to when a transaction rolls back."""
        return dict(self._values)

    def restore_values(self, values: dict[str, str]) -> None:
        """Goes back to an earlier copy."""
        self._changed()
        for key in self._values.keys() | values.keys():
            setting = self._known.get(key)
            if setting is not None and setting.reported:
                value = values.get(key, setting.default)
                if self._values.get(key, setting.default) != value:
                    self._reports[setting.name] = value
        self._values = dict(values)

    @staticmethod
    def _key(name: str) -> str:
        key = name.lower()
        return _ALIASES.get(key, key)
