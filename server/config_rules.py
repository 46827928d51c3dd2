"""Options of recording and alerting rules: their files, when and where, whom to tell.

Part of config.py's table.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from server.config_values import DURATION, Kind, Option, parse_duration_ms, quote


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _urls(text: str) -> tuple[str, ...]:
    """Raises: ValueError."""
    for url in _parts(text):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected URLs such as http://localhost:9093")
    return _parts(text)


def _labels(text: str) -> tuple[tuple[str, str], ...]:
    """`a=b,c=d`. Raises: ValueError."""
    pairs = [part.partition("=") for part in _parts(text)]
    if any(not name or not sign for name, sign, _ in pairs):
        raise ValueError("expected labels such as cluster=eu,replica=a")
    return tuple((name.strip(), value.strip()) for name, _, value in pairs)


def _interval(text: str) -> int:
    """Raises: ValueError."""
    found = parse_duration_ms(text)
    if found <= 0:
        raise ValueError("expected a duration above 0")
    return found


def _safe(url: str) -> str:
    """A URL without its password."""
    parts = urlsplit(url)
    return url if parts.password is None else url.replace(f":{parts.password}@", ":***@")


_LIST = Kind(_parts, lambda parts: quote(",".join(parts)), "FILE,…")
_URLS = Kind(_urls, lambda urls: quote(",".join(map(_safe, urls))), "URL,…")
_LABELS = Kind(
    _labels,
    lambda pairs: quote(",".join(f"{name}={value}" for name, value in pairs)),
    "NAME=VALUE,…",
)
_TEXT = Kind(str, quote, "TEXT")
_INTERVAL = Kind(_interval, DURATION.show, DURATION.metavar)

RULE_OPTIONS: tuple[Option, ...] = (
    Option("rules", "rule_files", "rule_files", _LIST, "rule files of Prometheus; * in names"),
    Option(
        "rules",
        "rule_interval",
        "rule_interval_ms",
        _INTERVAL,
        "time between evaluations, unless groups say",
    ),
    Option("rules", "rule_database", "rule_database", _TEXT, "database that rules read and write"),
    Option("rules", "alertmanagers", "alertmanagers", _URLS, "where firing alerts are sent"),
    Option("rules", "external_labels", "external_labels", _LABELS, "labels added to sent alerts"),
    Option("rules", "external_url", "external_url", _TEXT, "where people reach this server"),
)
