"""How one setting is read from text and shown again: addresses, durations, sizes, secrets.

Called by config.py and config_storage.py, which say what there is to set.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from engine.store.options import Secret

ENVIRONMENT_PREFIX = "GNOMON_"


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


class Kind(NamedTuple):
    """How one sort of value is read from text and shown as TOML.

    A secret has no flag, because command lines are visible to every user of the machine.
    """

    parse: Callable[[str], Any]
    show: Callable[[Any], str]
    metavar: str
    is_boolean: bool = False
    is_secret: bool = False


class Option(NamedTuple):
    """One thing to choose: `name` in TOML (flag and environment follow), `field` of Settings.

    `short`: its name in TOML where the section says the rest.
    """

    section: str
    name: str
    field: str
    kind: Kind
    help: str
    short: str = ""

    @property
    def key(self) -> str:
        """The name in its section of the TOML file."""
        return self.short or self.name

    @property
    def flag(self) -> str:
        """The command-line flag."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENVIRONMENT_PREFIX + self.name.upper()


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


def _parse_count_or_zero(text: str) -> int:
    return 0 if text.strip() == "0" else _parse_count(text)


def _parse_count_or_none(text: str) -> int | None:
    return _parse_count(text) if text else None


def _parse_path(text: str) -> Path:
    if not text:
        raise ValueError("expected a path")
    return Path(text)


def _parse_path_or_none(text: str) -> Path | None:
    return Path(text) if text else None


def parse_origins(text: str) -> tuple[str, ...]:
    """Origins between commas. Raises: ValueError."""
    origins = tuple(origin.strip() for origin in text.split(",") if origin.strip())
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://[^/\s]+", origin):
            raise ValueError("expected origins such as https://grafana.example, or *")
    return origins


def choice(*words: str) -> Kind:
    """The kind of an option that is one of some words."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return text.lower()

    return Kind(parse, quote, "|".join(words))


def quote(value: object) -> str:
    """A TOML basic string; an absent value is the empty one."""
    text = "" if value is None else str(value)
    escaped = "".join(
        f"\\u{ord(character):04x}" if character < " " or character == "\x7f" else character
        for character in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{escaped}"'


def _parse_secret(text: str) -> Secret | None:
    return Secret(text) if text else None


def _show_secret(value: Secret | None) -> str:
    return quote(None if value is None else "******")


def _parse_text_or_none(text: str) -> str | None:
    return text or None


def _show_address(value: Address | None) -> str:
    return quote("off" if value is None else value)


def show_duration(milliseconds: int) -> str:
    """The inverse of `parse_duration_ms`, quoted."""
    whole_seconds = milliseconds % 1_000 == 0
    return quote(f"{milliseconds // 1_000}s" if whole_seconds else f"{milliseconds}ms")


def _show_bytes(value: int) -> str:
    return quote(f"{value >> 20}MiB" if value % (1 << 20) == 0 else value)


def _show_boolean(value: bool) -> str:
    return "true" if value else "false"


def _show_number(value: int | None) -> str:
    return quote(None) if value is None else str(value)


ADDRESS = Kind(parse_address, _show_address, "HOST:PORT")
DURATION = Kind(parse_duration_ms, show_duration, "DURATION")
BYTES = Kind(parse_bytes, _show_bytes, "SIZE")
BOOLEAN = Kind(_parse_boolean, _show_boolean, "true|false", is_boolean=True)
COUNT = Kind(_parse_count, _show_number, "N")
COUNT_OR_ZERO = Kind(_parse_count_or_zero, _show_number, "N")
COUNT_OR_NONE = Kind(_parse_count_or_none, _show_number, "N")
PATH = Kind(_parse_path, quote, "PATH")
PATH_OR_NONE = Kind(_parse_path_or_none, quote, "FILE")
SECRET = Kind(_parse_secret, _show_secret, "SECRET", is_secret=True)
TEXT = Kind(str, quote, "TEXT")
TEXT_OR_NONE = Kind(_parse_text_or_none, quote, "TEXT")
MEMORY = Kind(_parse_memory, quote, "SIZE")
