"""PostgreSQL's array text, `{1,2,NULL}`, to nested lists of element texts."""

from __future__ import annotations

import re

# One element's text, NULL, or a nested array.
Item = str | None | list["Item"]

_DIMENSIONS = re.compile(r"\s*(?:\[[+-]?\d+(?::[+-]?\d+)?\])+\s*=")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.S)
_BARE = re.compile(r'(?:[^{}",\\]|\\.)+', re.S)
_ESCAPE = re.compile(r"\\(.)", re.S)
_SPACE = re.compile(r"\s*")
MAX_DEPTH = 6


class MalformedArrayError(ValueError):
    """The text is no array."""


class DeepArrayError(MalformedArrayError):
    """It has more dimensions than an array may have."""


def parse_array(text: str) -> list[Item]:
    """The items of an array literal. Raises: MalformedArrayError."""
    dimensions = _DIMENSIONS.match(text)
    at = _skip(text, dimensions.end() if dimensions else 0)
    items, at = _array(text, at, 1)
    if _skip(text, at) != len(text):
        raise MalformedArrayError(text)
    return items


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()


def _array(text: str, at: int, depth: int) -> tuple[list[Item], int]:
    """An array from its brace: (items, index after it)."""
    if text[at : at + 1] != "{":
        raise MalformedArrayError(text)
    if depth > MAX_DEPTH:
        message = f"number of array dimensions ({depth}) exceeds the maximum allowed ({MAX_DEPTH})"
        raise DeepArrayError(message)
    items: list[Item] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] == "}":
        return items, at + 1
    while True:
        item, at = _item(text, _skip(text, at), depth)
        items.append(item)
        at = _skip(text, at)
        mark = text[at : at + 1]
        at += 1
        if mark == "}":
            return items, at
        if mark != ",":
            raise MalformedArrayError(text)


def _item(text: str, at: int, depth: int) -> tuple[Item, int]:
    if text[at : at + 1] == "{":
        return _array(text, at, depth + 1)
    quoted = _QUOTED.match(text, at)
    if quoted is not None:
        return _ESCAPE.sub(r"\1", quoted[1]), quoted.end()
    bare = _BARE.match(text, at)
    if bare is None or not bare[0].strip():
        raise MalformedArrayError(text)
    word = bare[0].rstrip()
    if word.lower() == "null":
        return None, bare.end()
    return _ESCAPE.sub(r"\1", word), bare.end()
