"""Functions of templates: Prometheus' own and those of Go's that rules use.

Called by template.py; each takes the surroundings first, then what the template gives.
https://prometheus.io/docs/prometheus/latest/configuration/template_reference/#functions
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from engine.errors import DbError
from sql.durations import parse_promql
from sql.promql import numbers, regex

_VERB = re.compile(r"%([-+# 0]*)(\d+)?(?:\.(\d+))?([vsdfgeqxtTFGE%])")


class TemplateError(Exception):
    """A template that cannot be parsed or expanded."""


@dataclass(frozen=True)
class Sample:
    """One result of a query in a template."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Surroundings:
    """What a template can see. `query` runs PromQL at the time of the evaluation."""

    labels: Mapping[str, str] = field(default_factory=dict)
    value: float = 0.0
    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""
    query: Callable[[str], Sequence[Sample]] = lambda text: ()


def shown(value: Any) -> str:
    """A value as Go prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _go_float(value)
    if value is None:
        return "<nil>"
    if isinstance(value, Sample):
        return f"{{{shown(dict(value.labels))} {shown(value.value)}}}"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{shown(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, list | tuple):
        return "[" + " ".join(map(shown, value)) + "]"
    return str(value)


def _go_float(value: float) -> str:
    """Digits between 1e-4 and 1e21, else an exponent."""
    if value == 0 or not math.isfinite(value) or 1e-4 <= abs(value) < 1e21:
        return numbers.shown(value)
    return repr(value)


def _number(value: Any) -> float:
    if isinstance(value, Sample):
        return value.value
    if isinstance(value, str):
        return float(value.replace("Inf", "inf"))
    return float(value)


# --- Numbers for people ---------------------------------------------------------------------------


def _humanize(_: Surroundings, value: Any) -> str:
    return _scaled(_number(value), 1000.0, ("", "k", "M", "G", "T", "P", "E", "Z", "Y"))


def _humanize1024(_: Surroundings, value: Any) -> str:
    number = _number(value)
    if abs(number) <= 1 or not math.isfinite(number):
        return _four(number)
    return _large(number, 1024.0, ("", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"))


def _scaled(number: float, base: float, large: Sequence[str]) -> str:
    if number == 0 or not math.isfinite(number):
        return _four(number)
    if abs(number) >= 1:
        return _large(number, base, large)
    prefixes = "munpfazy"
    place = 0
    number *= base
    while abs(number) < 1 and place + 1 < len(prefixes):
        number *= base
        place += 1
    return _four(number) + prefixes[place]


def _large(number: float, base: float, prefixes: Sequence[str]) -> str:
    place = 0
    while abs(number) >= base and place + 1 < len(prefixes):
        number /= base
        place += 1
    return _four(number) + prefixes[place]


def _four(number: float) -> str:
    """Go's %.4g."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    return f"{number:.4g}"


def _humanize_duration(_: Surroundings, value: Any) -> str:
    seconds = _number(value)
    if not math.isfinite(seconds):
        return _four(seconds)
    if seconds == 0:
        return "0s"
    sign, left = ("-", -seconds) if seconds < 0 else ("", seconds)
    if left < 1:
        return sign + _scaled(left, 1000.0, ("",)) + "s"
    if left < 60:
        return sign + _four(left) + "s"
    whole = int(left)
    parts = [whole // 86_400, whole // 3_600 % 24, whole // 60 % 60, whole % 60]
    first = next(place for place, part in enumerate(parts) if part)
    units = zip(parts[first:], "dhms"[first:], strict=True)
    return sign + " ".join(f"{part}{unit}" for part, unit in units)


def _humanize_percentage(_: Surroundings, value: Any) -> str:
    return _four(_number(value) * 100) + "%"


def _humanize_timestamp(_: Surroundings, value: Any) -> str:
    seconds = _number(value)
    if not math.isfinite(seconds):
        return _four(seconds)
    moment = datetime.fromtimestamp(seconds, UTC)
    fraction = f"{moment.microsecond:06d}".rstrip("0")
    return f"{moment:%Y-%m-%d %H:%M:%S}{'.' + fraction if fraction else ''} +0000 UTC"


def _parse_duration(_: Surroundings, text: str) -> float:
    try:
        return parse_promql(text) / 1000
    except DbError as error:
        raise TemplateError(error.message) from None


# --- Texts ----------------------------------------------------------------------------------------


def _re_replace_all(_: Surroundings, pattern: str, replacement: str, text: Any) -> str:
    """RE2's pattern; `$1` and `${name}` in the replacement."""
    try:
        return regex.replace_all(shown(text), pattern, replacement)
    except DbError as error:
        raise TemplateError(error.message) from None


def _match(_: Surroundings, pattern: str, text: Any) -> bool:
    try:
        return regex.found_in(shown(text), pattern)
    except DbError as error:
        raise TemplateError(error.message) from None


def _title(_: Surroundings, text: str) -> str:
    return re.sub(r"(?:^|(?<=\s))\w", lambda match: match[0].upper(), text)


def _strip_port(_: Surroundings, text: str) -> str:
    host = urlsplit(f"//{text}").hostname if ":" in text else text
    return host if host is not None else text


def _strip_domain(_: Surroundings, text: str) -> str:
    host, colon, port = text.partition(":")
    try:
        ip_address(host)
    except ValueError:
        return host.partition(".")[0] + colon + port
    return text


def _printf(_: Surroundings, form: str, *given: Any) -> str:
    """Go's verbs for texts, numbers and truth values."""
    left = list(given)

    def one(match: re.Match[str]) -> str:
        flags, width, precision, verb = match.groups()
        if verb == "%":
            return "%"
        if not left:
            return f"%!{verb}(MISSING)"
        return _formatted(left.pop(0), flags, width or "", precision, verb)

    text = _VERB.sub(one, form)
    extra = ", ".join(f"{_go_type(value)}={shown(value)}" for value in left)
    return f"{text}%!(EXTRA {extra})" if extra else text


def _formatted(value: Any, flags: str, width: str, precision: str | None, verb: str) -> str:
    dots = f".{precision}" if precision is not None else ""
    if verb in "feEgGF":
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"%!{verb}({_go_type(value)}={shown(value)})"
        if verb == "g" and precision is None:
            return f"%{flags}{width}s" % shown(float(value))
        return f"%{flags}{width}{dots}{verb}" % value
    if verb in "dx":
        if isinstance(value, bool) or not isinstance(value, int):
            return f"%!{verb}({_go_type(value)}={shown(value)})"
        return f"%{flags}{width}{verb}" % value
    if verb == "q":
        value = json.dumps(shown(value), ensure_ascii=False)
    elif verb == "T":
        value = _go_type(value)
    elif verb == "v" and precision is not None and isinstance(value, float):
        return f"%{flags}{width}{dots}g" % value
    return f"%{flags}{width}{dots}s" % shown(value)


def _go_type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    kinds = ((str, "string"), (int, "int"), (float, "float64"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "interface {}")


# --- Queries --------------------------------------------------------------------------------------


def _query(surroundings: Surroundings, text: str) -> Sequence[Sample]:
    return surroundings.query(text)


def _first(_: Surroundings, found: Sequence[Sample]) -> Sample:
    if not found:
        raise TemplateError("first() called on vector with no elements")
    return found[0]


def _label(_: Surroundings, name: str, sample: Sample) -> str:
    return sample.labels.get(name, "")


def _sort_by_label(_: Surroundings, name: str, found: Sequence[Sample]) -> list[Sample]:
    return sorted(found, key=lambda sample: sample.labels.get(name, ""))


# --- Go's own -------------------------------------------------------------------------------------


def _equal(_: Surroundings, first: Any, *others: Any) -> bool:
    return any(first == other for other in others)


def _and(_: Surroundings, *given: Any) -> Any:
    return next((value for value in given if not value), given[-1])


def _or(_: Surroundings, *given: Any) -> Any:
    return next((value for value in given if value), given[-1])


def _index(_: Surroundings, value: Any, *keys: Any) -> Any:
    for key in keys:
        value = value.get(key, "") if isinstance(value, Mapping) else value[key]
    return value


def _print(_: Surroundings, *given: Any) -> str:
    return "".join(map(shown, given))


def _url_path(surroundings: Surroundings, expression: str, tab: int) -> str:
    return f"/graph?g0.expr={quote_plus(expression)}&g0.tab={tab}"


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "humanize": _humanize,
    "humanize1024": _humanize1024,
    "humanizeDuration": _humanize_duration,
    "humanizePercentage": _humanize_percentage,
    "humanizeTimestamp": _humanize_timestamp,
    "toDuration": lambda _, value: _number(value),
    "toTime": lambda _, value: datetime.fromtimestamp(_number(value), UTC),
    "parseDuration": _parse_duration,
    "title": _title,
    "toUpper": lambda _, text: text.upper(),
    "toLower": lambda _, text: text.lower(),
    "match": _match,
    "reReplaceAll": _re_replace_all,
    "stripPort": _strip_port,
    "stripDomain": _strip_domain,
    "safeHtml": lambda _, text: text,
    "graphLink": lambda s, text: _url_path(s, text, 0),
    "tableLink": lambda s, text: _url_path(s, text, 1),
    "externalURL": lambda s: s.external_url,
    "pathPrefix": lambda s: urlsplit(s.external_url).path,
    "urlQueryEscape": lambda _, text: quote_plus(text),
    "urlquery": lambda _, text: quote(shown(text), safe=""),
    "query": _query,
    "first": _first,
    "value": lambda _, sample: sample.value,
    "strvalue": lambda _, sample: sample.labels.get("__value__", ""),
    "label": _label,
    "sortByLabel": _sort_by_label,
    "join": lambda _, between, parts: between.join(map(shown, parts)),
    "args": lambda _, *given: {f"arg{place}": value for place, value in enumerate(given)},
    "eq": _equal,
    "ne": lambda _, a, b: a != b,
    "lt": lambda _, a, b: a < b,
    "le": lambda _, a, b: a <= b,
    "gt": lambda _, a, b: a > b,
    "ge": lambda _, a, b: a >= b,
    "and": _and,
    "or": _or,
    "not": lambda _, value: not value,
    "len": lambda _, value: len(value),
    "index": _index,
    "print": _print,
    "println": lambda s, *given: " ".join(map(shown, given)) + "\n",
    "printf": _printf,
    "html": lambda _, text: shown(text),
    "js": lambda _, text: json.dumps(shown(text))[1:-1],
}
