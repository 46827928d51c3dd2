"""Texts cut into words, numbers, addresses and paths, as PostgreSQL's default parser does.

Called by configurations.py, which makes lexemes of them. What stands between (blanks, signs, tags
and entities of XML) is left out. https://www.postgresql.org/docs/15/textsearch-parsers.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of a text; `plain` if it is of letters alone, as words of a language are."""

    text: str
    plain: bool
    start: int
    end: int
    part: bool = False  # of a compound that came before it


_LETTER = r"[^\W\d_]"
_PART = rf"\d*{_LETTER}(?:{_LETTER}|\d)*"
# Repetitions are bounded: no text takes more than linear time.
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?"
_HOST = rf"{_LABEL}(?:\.{_LABEL}){{0,16}}\.[A-Za-z]{{1,63}}(?![\w-])"
_PIECES = re.compile(
    rf"""
    (?P<gap><[/!?]?{_LETTER}[^<>]{{0,1000}}>|&(?:\#\w{{1,8}}|{_LETTER}\w{{0,31}});|[A-Za-z]{{1,31}}://)
  | (?P<email>[A-Za-z0-9_.+-]{{1,64}}@(?:{_LABEL}\.){{1,16}}[A-Za-z]{{2,}}(?![\w-]))
  | (?P<host>{_HOST}(?::\d+)?)(?P<path>/[^\s<>"]*)?
  | (?P<file>/?\w[\w.-]{{0,255}}(?:/[\w.-]+)+|/{_LETTER}[\w.-]*|{_LETTER}\w{{0,255}}(?:\.\w+)+)
  | (?P<version>\d{{1,19}}(?:\.\d{{1,19}}){{2,16}})(?![\w.])
  | (?P<number>(?:[+-]|(?<!\w))(?:\d+\.\d+|\d+)(?:[eE][+-]?\d+)?(?!\w))
  | (?P<word>{_PART}(?:-{_PART})*)
  | (?P<digits>\d+)
    """,
    re.VERBOSE,
)


def words(text: str) -> Iterator[Word]:
    """The pieces of a text that are looked at, in their order.

    >>> [word.text for word in words("An up-to-date <b>v1.2.3</b> of example.com/x")]
    ['An', 'up-to-date', 'up', 'to', 'date', 'v1.2.3', 'of', 'example.com/x', 'example.com', '/x']
    """
    for found in _PIECES.finditer(text):
        kind = found.lastgroup
        if kind == "path":
            yield Word(found[0], False, found.start(), found.end())
            yield Word(found["host"], False, found.start(), found.end("host"), part=True)
            yield Word(found["path"], False, found.start("path"), found.end(), part=True)
        elif kind == "word":
            yield from _compound(found[0], found.start())
        elif kind != "gap":
            yield Word(found[0], False, found.start(), found.end())


def _compound(text: str, start: int) -> Iterator[Word]:
    """A word; of one with hyphens the whole and each part."""
    parts = text.split("-")
    yield Word(text, _is_plain(text.replace("-", "")), start, start + len(text))
    if len(parts) == 1:
        return
    for part in parts:
        yield Word(part, _is_plain(part), start, start + len(part), part=True)
        start += len(part) + 1


def _is_plain(text: str) -> bool:
    return not any(character.isdigit() for character in text)
