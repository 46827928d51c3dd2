"""Settings: what an operator may choose, where each value came from.

Called by commands.py before anything else starts. One name per option everywhere: `--log-level` on
the command line, `GNOMON_LOG_LEVEL` in the environment, `log_level` in its section of the TOML
file. The first of flag, environment, file, default that has a value wins. It opens no socket and
no data directory.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

ENVIRONMENT_PREFIX = "GNOMON_"


class ConfigError(Exception):
    """A setting that cannot be used; the message names the option, its origin and the remedy."""


class Address(NamedTuple):
    """Where a listener listens. Port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """True if only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


_HTTP = Address("127.0.0.1", 4000)
_MYSQL = Address("127.0.0.1", 4002)
_POSTGRES = Address("127.0.0.1", 4003)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator chooses. Times are milliseconds, sizes bytes; 0 turns a limit off."""

    data: Path = Path("gnomon-data")
    http: Address | None = _HTTP
    mysql: Address | None = _MYSQL
    postgres: Address | None = _POSTGRES
    allow_remote: bool = False
    max_connections: int = 500
    users: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    threads: int | None = None
    workers: int = 32
    memory_limit: str | None = None
    storage: StorageOptions = LOCAL_FILES
    copy_root: Path | None = None
    statement_timeout_ms: int = 0
    shutdown_grace_ms: int = 10_000
    http_body_bytes_max: int = 64 << 20
    http_origins: tuple[str, ...] = ()
    log_format: str = "text"
    log_level: str = "info"
    slow_statement_ms: int = 5_000
    warm: bool = True


class Kind(NamedTuple):
    """How one sort of value is read from text and shown as TOML."""

    parse: Callable[[str], Any]
    show: Callable[[Any], str]
    metavar: str
    is_boolean: bool = False


class Option(NamedTuple):
    """One thing to choose: `name` in TOML (flag and environment follow), `field` of Settings."""

    section: str
    name: str
    field: str
    kind: Kind
    help: str

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENVIRONMENT_PREFIX + self.name.upper()


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
            shown = option.kind.show(getattr(self.settings, option.field))
            lines.append(f"{option.name} = {shown}  # {self.origins[option.name]}")
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
            values[option.field] = getattr(defaults, option.field)
            continue
        try:
            values[option.field] = option.kind.parse(text)
        except ValueError as error:
            raise ConfigError(f"{option.name} = {text!r} ({origin}): {error}") from None
    settings = Settings(**values)
    _check(settings)
    return Configuration(settings, origins, _warnings(environment))


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
        names = [option.name for option in OPTIONS if option.section == section]
        for name, value in body.items():
            if name not in names:
                known = _nearest(name, names)
                raise ConfigError(f"{path}: unknown key {name!r} in [{section}]{known}")
            values[name] = _as_text(path, section, name, value)
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
        )
        if address is not None
    ]
    if not listening:
        raise ConfigError("all of http, mysql and postgres are off: nothing could connect")
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        raise ConfigError("tls_certificate and tls_key go together: set both or neither")
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


def parse_address(text: str) -> Address | None:
    """`HOST:PORT`, `[IPV6]:PORT`, or `off` for None. Raises: ValueError."""
    if text.lower() == "off":
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("expected HOST:PORT (port 0 to 65535), or off")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address needs brackets: [::1]:4000")
    return Address(host, int(port))


_DURATION = re.compile(r"(\d+)\s*(ms|s|m|h|d)?")
_DURATION_MS = {None: 1_000, "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_duration_ms(text: str) -> int:
    """`500ms`, `30s`, `5m`, `1h`, `2d`; a bare number is seconds. Raises: ValueError."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError("expected a duration such as 500ms, 30s, 5m or 1h (0 turns it off)")
    return int(match[1]) * _DURATION_MS[match[2]]


_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


def parse_bytes(text: str) -> int:
    """`64MiB`, `1GB`, `1048576`. Raises: ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("expected a size such as 64MiB or 1GB")
    power = " kmgt".index(match[2].lower() or " ")
    return int(match[1]) * int((1024 if match[3] else 1000) ** power)


def _parse_memory(text: str) -> str | None:
    """A size or a share of the machine's memory, in DuckDB's spelling; empty for its default."""
    if not text:
        return None
    if re.fullmatch(r"[1-9]\d?%|100%", text):
        return text
    if parse_bytes(text) < 64_000_000:
        raise ValueError("less than 64MB cannot run a statement")
    return text


def _parse_boolean(text: str) -> bool:
    spelled = {"true": True, "yes": True, "on": True, "1": True}
    spelled |= {"false": False, "no": False, "off": False, "0": False}
    if text.lower() not in spelled:
        raise ValueError("expected true or false")
    return spelled[text.lower()]


def _parse_count(text: str) -> int:
    if not text.strip().isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise ValueError("expected a whole number from 1 to 1000000")
    return int(text)


def _parse_count_or_none(text: str) -> int | None:
    return _parse_count(text) if text else None


def _parse_path(text: str) -> Path:
    if not text:
        raise ValueError("expected a path")
    return Path(text)


def _parse_path_or_none(text: str) -> Path | None:
    return Path(text) if text else None


def _parse_origins(text: str) -> tuple[str, ...]:
    origins = tuple(origin.strip() for origin in text.split(",") if origin.strip())
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://[^/\s]+", origin):
            raise ValueError("expected origins such as https://grafana.example, or *")
    return origins


def _choice(*words: str) -> Kind:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return text.lower()

    return Kind(parse, _quote, "|".join(words))


def _quote(value: object) -> str:
    """A TOML basic string; an absent value is the empty one."""
    text = "" if value is None else str(value)
    escaped = "".join(
        f"\\u{ord(character):04x}" if character < " " or character == "\x7f" else character
        for character in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{escaped}"'


def _show_address(value: Address | None) -> str:
    return _quote("off" if value is None else value)


def _show_duration(milliseconds: int) -> str:
    whole_seconds = milliseconds % 1_000 == 0
    return _quote(f"{milliseconds // 1_000}s" if whole_seconds else f"{milliseconds}ms")


def _show_bytes(value: int) -> str:
    return _quote(f"{value >> 20}MiB" if value % (1 << 20) == 0 else value)


def _show_boolean(value: bool) -> str:
    return "true" if value else "false"


def _show_number(value: int | None) -> str:
    return _quote(None) if value is None else str(value)


_ADDRESS = Kind(parse_address, _show_address, "HOST:PORT")
_DURATION_KIND = Kind(parse_duration_ms, _show_duration, "DURATION")
_BYTES = Kind(parse_bytes, _show_bytes, "SIZE")
_BOOLEAN = Kind(_parse_boolean, _show_boolean, "true|false", is_boolean=True)
_COUNT = Kind(_parse_count, _show_number, "N")
_COUNT_OR_NONE = Kind(_parse_count_or_none, _show_number, "N")
_PATH = Kind(_parse_path, _quote, "PATH")
_PATH_OR_NONE = Kind(_parse_path_or_none, _quote, "FILE")
_MEMORY = Kind(_parse_memory, _quote, "SIZE")
_LOG_FORMAT = _choice("text", "json")
_LOG_LEVEL = _choice("debug", "info", "warning", "error")

OPTIONS: tuple[Option, ...] = (
    Option("storage", "data", "data", _PATH, "directory that holds everything stored"),
    Option("listen", "http", "http", _ADDRESS, "where to listen for HTTP, or off"),
    Option("listen", "mysql", "mysql", _ADDRESS, "where to listen for MySQL clients, or off"),
    Option("listen", "postgres", "postgres", _ADDRESS, "the same for PostgreSQL clients"),
    Option(
        "listen",
        "allow_remote",
        "allow_remote",
        _BOOLEAN,
        "listen beyond this machine although there is no users file",
    ),
    Option("listen", "max_connections", "max_connections", _COUNT, "connections of all wires"),
    Option("auth", "users", "users", _PATH_OR_NONE, "users file; without it everyone may log in"),
    Option(
        "auth", "tls_certificate", "tls_certificate", _PATH_OR_NONE, "PEM chain for MySQL and PG"
    ),
    Option("auth", "tls_key", "tls_key", _PATH_OR_NONE, "PEM private key of the certificate"),
    Option("statements", "threads", "threads", _COUNT_OR_NONE, "threads of one statement"),
    Option("statements", "workers", "workers", _COUNT, "statements that run at the same time"),
    Option("statements", "memory_limit", "memory_limit", _MEMORY, "memory of all statements"),
    Option(
        "statements",
        "statement_timeout",
        "statement_timeout_ms",
        _DURATION_KIND,
        "end statements that run longer; 0 never",
    ),
    Option(
        "statements",
        "shutdown_grace",
        "shutdown_grace_ms",
        _DURATION_KIND,
        "how long running statements may go on when the server is told to stop",
    ),
    Option("http", "http_body_limit", "http_body_bytes_max", _BYTES, "largest request body"),
    Option(
        "http",
        "http_origins",
        "http_origins",
        Kind(_parse_origins, lambda origins: _quote(",".join(origins)), "ORIGIN,…"),
        "web origins whose pages may send requests, or *",
    ),
    Option("log", "log_format", "log_format", _LOG_FORMAT, "layout of log lines"),
    Option("log", "log_level", "log_level", _LOG_LEVEL, "least severity that is logged"),
    Option(
        "log",
        "slow_statement",
        "slow_statement_ms",
        _DURATION_KIND,
        "log statements that ran longer; 0 never",
    ),
    Option("server", "warm", "warm", _BOOLEAN, "compile kernels in the background at start"),
)
_SECTIONS = list(dict.fromkeys(option.section for option in OPTIONS))

assert {option.field for option in OPTIONS} == {field.name for field in fields(Settings)}
