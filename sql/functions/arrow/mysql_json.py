"""MySQL's functions of JSON documents that DuckDB has no counterpart of, one value at a time.

Documents come as text and leave as JSON text in MySQL's spacing. A path is MySQL's: `$.a[1]."b c"`.
Source: MySQL 8.4 reference, "JSON Functions".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from engine.errors import DbError, ErrorKind

_STEP = re.compile(r'\.(?:"((?:[^"\\]|\\.)*)"|([\w$]+))|\[(\d+)\]|(\.\*|\[\*\])')
_WORD = re.compile(r"[A-Za-z_$][\w$]*")
_MISSING = object()


def contains_path(documents: pa.Array, modes: pa.Array, paths: pa.Array) -> pa.Array:
    """Whether there is something at one of the paths, or at all of them."""

    def found(text: str, mode: str, wanted: list[str]) -> bool:
        document = _read(text)
        there = (_at(document, path) is not _MISSING for path in wanted)
        return all(there) if mode.lower() == "all" else any(there)

    return _each(pa.bool_(), found, documents, modes, paths)


def overlaps(first: pa.Array, second: pa.Array) -> pa.Array:
    """Whether two documents have an element, or a key with its value, in common."""

    def common(a: str, b: str) -> bool:
        return _overlap(_read(a), _read(b))

    return _each(pa.bool_(), common, first, second)


def merge(first: pa.Array, second: pa.Array) -> pa.Array:
    """Both documents in one: arrays one after another, objects key by key."""
    return _each(pa.string(), lambda a, b: _write(_merged(_read(a), _read(b))), first, second)


def append(documents: pa.Array, paths: pa.Array, values: pa.Array) -> pa.Array:
    """The value added to the end of the array at the path; a scalar there becomes an array."""

    def added(text: str, path: str, value: str) -> str:
        document = _read(text)
        there = _at(document, path)
        if there is _MISSING:
            return _write(document)
        longer = [*there, _read(value)] if isinstance(there, list) else [there, _read(value)]
        return _write(_put(document, _steps(path), longer))

    return _each(pa.string(), added, documents, paths, values)


def insert(documents: pa.Array, paths: pa.Array, values: pa.Array) -> pa.Array:
    """The value in an array, in front of what is at the path."""

    def added(text: str, path: str, value: str) -> str:
        document, steps = _read(text), _steps(path)
        if not steps or not isinstance(steps[-1], int):
            raise DbError(ErrorKind.INVALID_ARGUMENT, "the path must end with a place in an array")
        holder = _walk(document, steps[:-1])
        if isinstance(holder, list):
            holder.insert(steps[-1], _read(value))
        return _write(document)

    return _each(pa.string(), added, documents, paths, values)


def search(documents: pa.Array, modes: pa.Array, patterns: pa.Array) -> pa.Array:
    """The paths of the texts that are LIKE the pattern: the first, or an array of all."""

    def found(text: str, mode: str, pattern: str) -> str | None:
        like = _like(pattern)
        paths = [path for path, value in _texts(_read(text), "$") if like.fullmatch(value)]
        if not paths:
            return None
        return _write(paths[0] if len(paths) == 1 or mode.lower() == "one" else paths)

    return _each(pa.string(), found, documents, modes, patterns)


def _each(kind: pa.DataType, make: Callable[..., Any], *columns: pa.Array) -> pa.Array:
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    return pa.array([None if None in row else make(*row) for row in rows], kind)


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        message = f'invalid input syntax for type json: "{text[:80]}"'
        raise DbError(ErrorKind.INVALID_TEXT, message) from error


def _write(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _steps(path: str) -> list[str | int]:
    """The keys and places of a path. Raises: DbError INVALID_ARGUMENT; wildcards too."""
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if found is None or found[4]:
            break
        quoted = found[1]
        steps.append(int(found[3]) if found[3] else quoted if quoted is not None else found[2])
        at = found.end()
    if not path.startswith("$") or at < len(path):
        message = f"invalid JSON path expression {path!r}"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message, hint="wildcards are not known here")
    return steps


def _at(document: Any, path: str) -> Any:
    return _walk(document, _steps(path))


def _walk(value: Any, steps: list[str | int]) -> Any:
    for step in steps:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step, _MISSING)
        elif isinstance(step, int) and isinstance(value, list):
            value = value[step] if step < len(value) else _MISSING
        elif step != 0 or isinstance(value, dict):  # a scalar is at place 0 of itself
            return _MISSING
    return value


def _put(document: Any, steps: list[str | int], value: Any) -> Any:
    """The document with a value in place of what is at the steps. Requires: it is there."""
    if not steps:
        return value
    holder = _walk(document, steps[:-1])
    holder[steps[-1]] = value
    return document


def _overlap(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return any(key in b and b[key] == value for key, value in a.items())
    first = a if isinstance(a, list) else [a]
    second = b if isinstance(b, list) else [b]
    return any(value in second for value in first)


def _merged(a: Any, b: Any) -> Any:
    if isinstance(a, dict) and isinstance(b, dict):
        return a | {key: _merged(a[key], value) if key in a else value for key, value in b.items()}
    return (a if isinstance(a, list) else [a]) + (b if isinstance(b, list) else [b])


def _like(pattern: str) -> re.Pattern[str]:
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in pattern), re.DOTALL)


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """(path, text) of every text in a document."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _texts(each, f"{path}[{place}]")
    elif isinstance(value, dict):
        for key, each in value.items():
            name = key if _WORD.fullmatch(key) else json.dumps(key, ensure_ascii=False)
            yield from _texts(each, f"{path}.{name}")
