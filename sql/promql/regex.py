"""Regular expressions of label matchers and `label_replace`: RE2, by way of Arrow.

RE2 takes linear time, so a client's pattern cannot hang the server as Python's own could.
Patterns are anchored at both ends and `.` also matches line ends, as in Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.errors import DbError, ErrorKind

_REFERENCE = re.compile(r"\$(?:\$|\{(\w+)\}|(\w+))")
_GROUP_NAME = re.compile(r"\\.|\(\?P?<([A-Za-z_]\w*)>|(\((?!\?))")
_GROUPS_MAX = 9  # what RE2's rewriting knows


def check(pattern: str, position: int = 0) -> None:
    """Raises: DbError(SYNTAX) if RE2 does not take the pattern."""
    try:
        matches([""], pattern)
    except DbError as error:
        raise DbError(ErrorKind.SYNTAX, error.message, position=position + 1) from None


def matches(values: Sequence[str], pattern: str) -> NDArray[np.bool_]:
    """Which values the whole pattern matches. Raises: DbError(SYNTAX) for a bad pattern."""
    return matches_array(_encoded(values), pattern)


def matches_array(values: pa.Array, pattern: str) -> NDArray[np.bool_]:
    """The same of an Arrow array without NULLs."""
    try:
        found = pc.match_substring_regex(values, _anchored(pattern))
    except pa.ArrowInvalid as error:
        raise _bad(pattern, error) from None
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)


@lru_cache(maxsize=1024)
def matches_empty(pattern: str) -> bool:
    """Whether a label that is not there matches."""
    return bool(matches([""], pattern)[0])


def replaced(
    values: Sequence[str], pattern: str, template: str
) -> tuple[list[str], NDArray[np.bool_]]:
    """The template filled from each value's groups (`$1`, `${1}`, `$name`), and which matched.

    Raises: DbError(SYNTAX) for a bad pattern or a group beyond the ninth.
    """
    matched = matches(values, pattern)
    texts = _encoded([value for value, fits in zip(values, matched, strict=True) if fits])
    pieces = _pieces(template, pattern)
    filled = [""] * len(texts)
    for literal, group in pieces:
        parts = _group(texts, pattern, group) if group is not None else None
        for place in range(len(filled)):
            filled[place] += literal if parts is None else parts[place]
    results = iter(filled)
    return [next(results) if fits else "" for fits in matched.tolist()], matched


def replace_all(text: str, pattern: str, template: str) -> str:
    """Every match in the text, not anchored, replaced by the template filled from its groups.

    Raises: DbError(SYNTAX) for a bad pattern or a group beyond the ninth.
    """
    filled = ""
    for literal, group in _pieces(template, pattern):
        if group is not None and group > _GROUPS_MAX:
            raise DbError(ErrorKind.SYNTAX, f"groups beyond ${_GROUPS_MAX} cannot be referred to")
        filled += literal.replace("\\", "\\\\") if group is None else f"\\{group}"
    try:
        found = pc.replace_substring_regex(_encoded([text]), pattern, filled)
    except pa.ArrowInvalid as error:
        raise _bad(pattern, error) from None
    changed: bytes = found[0].as_py()
    return changed.decode("utf-8", "surrogateescape")


def found_in(text: str, pattern: str) -> bool:
    """Whether some part of the text matches. Raises: DbError(SYNTAX) for a bad pattern."""
    try:
        return bool(pc.match_substring_regex(_encoded([text]), pattern)[0].as_py())
    except pa.ArrowInvalid as error:
        raise _bad(pattern, error) from None


def _group(texts: pa.Array, pattern: str, group: int) -> list[str]:
    if group > _GROUPS_MAX:
        raise DbError(ErrorKind.SYNTAX, f"groups beyond ${_GROUPS_MAX} cannot be referred to")
    found = pc.replace_substring_regex(texts, _anchored(pattern), f"\\{group}")
    return [raw.decode("utf-8", "surrogateescape") for raw in found.to_pylist()]


def _pieces(template: str, pattern: str) -> list[tuple[str, int | None]]:
    """The template as literals (text, None) and references ("", group)."""
    names = _group_names(pattern)
    count = len(names)
    pieces: list[tuple[str, int | None]] = []
    place = 0
    for match in _REFERENCE.finditer(template):
        pieces.append((template[place : match.start()], None))
        name = match[1] or match[2]
        place = match.end()
        if name is None:
            pieces.append(("$", None))
        elif name.isdigit():
            if int(name) <= count:  # other references are empty
                pieces.append(("", int(name)))
        elif name in names:
            pieces.append(("", names.index(name) + 1))
    pieces.append((template[place:], None))
    return pieces


def _group_names(pattern: str) -> list[str]:
    """The name of each capturing group, "" for those without."""
    without_classes = re.sub(r"\[\]?(?:\\.|[^\]\\])*\]", "", pattern)
    return [
        match[1] or "" for match in _GROUP_NAME.finditer(without_classes) if match[1] or match[2]
    ]


def _anchored(pattern: str) -> str:
    return f"^(?s:{pattern})$"


def _encoded(values: Sequence[str]) -> pa.Array:
    return pa.array([value.encode("utf-8", "surrogateescape") for value in values], pa.binary())


def _bad(pattern: str, error: Exception) -> DbError:
    reason = str(error).removeprefix("Invalid regular expression: ")
    return DbError(ErrorKind.SYNTAX, f'"{pattern}" is not a regular expression: {reason}')
