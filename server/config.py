"""Settings: what an operator may choose, where each value came from.

Called by commands.py before anything else starts. One name per option everywhere: `--log-level` on
the command line, `GNOMON_LOG_LEVEL` in the environment, `log_level` in its section of the TOML
file (options of the object store have no prefix there). The first of flag, environment, file,
default that has a value wins. It opens no socket and no data directory.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from engine.store.options import LOCAL_FILES, StorageOptions
from server.config_rules import RULE_OPTIONS
from server.config_storage import STORAGE_OPTIONS, check_storage
from server.config_values import (
    ADDRESS,
    BOOLEAN,
    BYTES,
    COUNT,
    COUNT_OR_NONE,
    COUNT_OR_ZERO,
    DURATION,
    ENVIRONMENT_PREFIX,
    MEMORY,
    PATH,
    PATH_OR_NONE,
    Address,
    Kind,
    Option,
    choice,
    parse_address,
    parse_duration_ms,
    parse_origins,
    quote,
)

__all__ = [
    "OPTIONS",
    "Address",
    "ConfigError",
    "Configuration",
    "Settings",
    "load",
    "parse_address",
    "parse_duration_ms",
]


class ConfigError(Exception):
    """A setting that cannot be used; the message names the option, its origin and the remedy."""


_HTTP = Address("127.0.0.1", 4000)
_MYSQL = Address("127.0.0.1", 4002)
_POSTGRES = Address("127.0.0.1", 4003)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator chooses. Times are milliseconds, sizes bytes; 0 turns a limit off."""

    data: Path = Path("gnomon-data")
    storage: StorageOptions = LOCAL_FILES
    copy_root: Path | None = None
    http: Address | None = _HTTP
    mysql: Address | None = _MYSQL
    postgres: Address | None = _POSTGRES
    flight: Address | None = None
    allow_remote: bool = False
    max_connections: int = 500
    superuser_reserved_connections: int = 3
    users: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    require_secure_transport: bool = False
    threads: int | None = None
    workers: int = 32
    memory_limit: str | None = None
    statement_timeout_ms: int = 0
    shutdown_grace_ms: int = 10_000
    local_infile: bool = False
    http_body_bytes_max: int = 64 << 20
    http_origins: tuple[str, ...] = ()
    prom_validation: str = "strict"
    log_format: str = "text"
    log_level: str = "info"
    slow_statement_ms: int = 5_000
    rule_files: tuple[str, ...] = ()
    rule_interval_ms: int = 60_000
    rule_database: str = "public"
    alertmanagers: tuple[str, ...] = ()
    external_labels: tuple[tuple[str, str], ...] = ()
    external_url: str = ""
    warm: bool = True


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings with the origin of each (by option name) and what the operator should know."""

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    def to_toml(self) -> str:
        """The effective configuration; every line ends with its value's origin as a comment."""
        lines: list[str] = []
        section = ""
        for option in OPTIONS:
            if option.section != section:
                section = option.section
                lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
            shown = option.kind.show(attrgetter(option.field)(self.settings))
            lines.append(f"{option.key} = {shown}  # {self.origins[option.name]}")
        return "\n".join(lines) + "\n"


def load(
    flags: Mapping[str, str | None],
    environment: Mapping[str, str] = os.environ,
    config_file: Path | None = None,
) -> Configuration:
    """Settles every option. `flags` is by option name; None means not given.

    Raises: ConfigError for unknown keys, values that cannot be read, unsafe combinations.
    """
    if config_file is None and environment.get(ENVIRONMENT_PREFIX + "CONFIG"):
        config_file = Path(environment[ENVIRONMENT_PREFIX + "CONFIG"])
    from_file = {} if config_file is None else _read_file(config_file)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    defaults = Settings()
    for option in OPTIONS:
        text, origin = _first(option, flags, environment, from_file, config_file)
        origins[option.name] = origin
        if text is None:
            values[option.field] = attrgetter(option.field)(defaults)
            continue
        try:
            values[option.field] = option.kind.parse(text)
        except ValueError as error:
            raise ConfigError(f"{option.name} = {text!r} ({origin}): {error}") from None
    settings = _settings(values)
    _check(settings)
    return Configuration(settings, origins, _warnings(environment))


def _settings(values: Mapping[str, Any]) -> Settings:
    """Settings from values by field; `storage.x` is the field x of the storage options."""
    own = {field: value for field, value in values.items() if "." not in field}
    inner = {field.partition(".")[2]: value for field, value in values.items() if "." in field}
    return Settings(**own, storage=StorageOptions(**inner))


def _first(
    option: Option,
    flags: Mapping[str, str | None],
    environment: Mapping[str, str],
    from_file: Mapping[str, str],
    config_file: Path | None,
) -> tuple[str | None, str]:
    """The text of the winning source and its origin in words."""
    flag = flags.get(option.name)
    if flag is not None:
        return flag, f"flag {option.flag}"
    if option.variable in environment:
        return environment[option.variable], f"environment {option.variable}"
    if option.name in from_file:
        return from_file[option.name], f"file {config_file}"
    return None, "default"


def _read_file(path: Path) -> dict[str, str]:
    """The file's values as text by option name."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read configuration file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration file {path} is not valid TOML: {error}") from None
    values: dict[str, str] = {}
    for section, body in document.items():
        if section not in _SECTIONS or not isinstance(body, dict):
            raise ConfigError(f"{path}: unknown section [{section}]{_nearest(section, _SECTIONS)}")
        names = {option.key: option.name for option in OPTIONS if option.section == section}
        for name, value in body.items():
            if name not in names:
                known = _nearest(name, list(names))
                raise ConfigError(f"{path}: unknown key {name!r} in [{section}]{known}")
            values[names[name]] = _as_text(path, section, name, value)
    return values


def _as_text(path: Path, section: str, name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    raise ConfigError(f"{path}: [{section}] {name} must be a string, an integer or a boolean")


def _nearest(word: str, known: list[str]) -> str:
    """A hint after an unknown name: the one probably meant, or all of them."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"


def _check(settings: Settings) -> None:
    """Refuses combinations that cannot work or that would expose data by accident."""
    listening = [
        (name, address)
        for name, address in (
            ("http", settings.http),
            ("mysql", settings.mysql),
            ("postgres", settings.postgres),
            ("flight", settings.flight),
        )
        if address is not None
    ]
    if not listening:
        raise ConfigError("all of http, mysql and postgres are off: nothing could connect")
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise ConfigError("tls_certificate and tls_key go together: set both or neither")
    if settings.require_secure_transport and settings.tls_certificate is None:
        raise ConfigError("require_secure_transport needs tls_certificate and tls_key")
    problem = check_storage(settings.storage)
    if problem is not None:
        raise ConfigError(problem)
    if settings.users is not None or settings.allow_remote:
        return
    for name, address in listening:
        if not address.is_loopback:
            raise ConfigError(
                f"{name} = {str(address)!r} can be reached from other machines and nobody would "
                "need a password: give a users file (--users FILE), or say --allow-remote"
            )


def _warnings(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Environment variables with our prefix that no option has.

    Only a warning: an orchestrator may set such names itself (Kubernetes does for a service named
    `gnomon`).
    """
    known = [option.variable for option in OPTIONS] + [ENVIRONMENT_PREFIX + "CONFIG"]
    return tuple(
        f"environment variable {name} is not an option and was ignored{_nearest(name, known)}"
        for name in sorted(environment)
        if name.startswith(ENVIRONMENT_PREFIX) and name not in known
    )


_LOG_FORMAT = choice("text", "json")
_LOG_LEVEL = choice("debug", "info", "warning", "error")

OPTIONS: tuple[Option, ...] = (
    Option("storage", "data", "data", PATH, "directory that holds everything stored"),
    Option(
        "storage",
        "copy_root",
        "copy_root",
        PATH_OR_NONE,
        "directory of COPY's files; without it `copy` in the data directory",
    ),
    *STORAGE_OPTIONS,
    Option("listen", "http", "http", ADDRESS, "where to listen for HTTP, or off"),
    Option("listen", "mysql", "mysql", ADDRESS, "where to listen for MySQL clients, or off"),
    Option("listen", "postgres", "postgres", ADDRESS, "the same for PostgreSQL clients"),
    Option("listen", "flight", "flight", ADDRESS, "where to listen for Arrow Flight SQL, or off"),
    Option(
        "listen",
        "allow_remote",
        "allow_remote",
        BOOLEAN,
        "listen beyond this machine although there is no users file",
    ),
    Option("listen", "max_connections", "max_connections", COUNT, "connections of all wires"),
    Option(
        "listen",
        "superuser_reserved_connections",
        "superuser_reserved_connections",
        COUNT_OR_ZERO,
        "how many of them roles without SUPERUSER leave free",
    ),
    Option("auth", "users", "users", PATH_OR_NONE, "users file; without it everyone may log in"),
    Option(
        "auth", "tls_certificate", "tls_certificate", PATH_OR_NONE, "PEM chain for MySQL and PG"
    ),
    Option("auth", "tls_key", "tls_key", PATH_OR_NONE, "PEM private key of the certificate"),
    Option(
        "auth",
        "require_secure_transport",
        "require_secure_transport",
        BOOLEAN,
        "refuse MySQL clients that do not encrypt",
    ),
    Option("statements", "threads", "threads", COUNT_OR_NONE, "threads of one statement"),
    Option("statements", "workers", "workers", COUNT, "statements that run at the same time"),
    Option("statements", "memory_limit", "memory_limit", MEMORY, "memory of all statements"),
    Option(
        "statements",
        "statement_timeout",
        "statement_timeout_ms",
        DURATION,
        "end statements that run longer; 0 never",
    ),
    Option(
        "statements",
        "shutdown_grace",
        "shutdown_grace_ms",
        DURATION,
        "how long running statements may go on when the server is told to stop",
    ),
    Option(
        "statements",
        "local_infile",
        "local_infile",
        BOOLEAN,
        "let LOAD DATA LOCAL ask MySQL clients for files",
    ),
    Option("http", "http_body_limit", "http_body_bytes_max", BYTES, "largest request body"),
    Option(
        "http",
        "http_origins",
        "http_origins",
        Kind(parse_origins, lambda origins: quote(",".join(origins)), "ORIGIN,…"),
        "web origins whose pages may send requests, or *",
    ),
    Option(
        "http",
        "prom_validation_mode",
        "prom_validation",
        choice("strict", "lossy", "unchecked"),
        "remote write with bytes that are not UTF-8: refuse it, or replace them",
    ),
    Option("log", "log_format", "log_format", _LOG_FORMAT, "layout of log lines"),
    Option("log", "log_level", "log_level", _LOG_LEVEL, "least severity that is logged"),
    Option(
        "log",
        "slow_statement",
        "slow_statement_ms",
        DURATION,
        "log statements that ran longer; 0 never",
    ),
    *RULE_OPTIONS,
    Option("server", "warm", "warm", BOOLEAN, "compile kernels in the background at start"),
)
_SECTIONS = list(dict.fromkeys(option.section for option in OPTIONS))

assert {option.field.partition(".")[0] for option in OPTIONS} == {f.name for f in fields(Settings)}
