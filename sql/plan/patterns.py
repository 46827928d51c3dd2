"""The plain pieces that every text matching a pattern holds.

Used by `sql.plan.search`. In doubt a pattern has none: they only prune.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """Some neighbouring characters; `starts` and `ends`: no letter or digit can be beside them."""

    text: str
    starts: bool = False
    ends: bool = False


def like_pieces(pattern: str) -> list[Piece]:
    """The pieces of a LIKE pattern without escapes.

    >>> like_pieces("GET %/a_c")
    [Piece(text='GET ', starts=True, ends=False), Piece(text='/a', starts=False, ends=False), \
Piece(text='c', starts=False, ends=True)]
    """
    if "\\" in pattern:
        return []
    parts = re.split("[%_]", pattern)
    last = len(parts) - 1
    return [Piece(text, i == 0, i == last) for i, text in enumerate(parts) if text]


# Groups, alternatives, and escapes that are more than a class, a boundary or a character itself.
_UNUSUAL = re.compile(r"[|()]|\\(?:[^dwsDWSbB\W]|_|$)")
_ATOM = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\(.)|(.)", re.DOTALL)
_REPEAT = re.compile(r"[*?+]\??|\{[^}]*\}\??")


def regex_pieces(pattern: str) -> list[Piece]:
    r"""The pieces of a regular expression without groups and alternatives.

    >>> regex_pieces(r"^GET /a+\.js")
    [Piece(text='GET /', starts=True, ends=False), Piece(text='.js', starts=False, ends=False)]
    """
    if _UNUSUAL.search(pattern):
        return []
    pieces: list[Piece] = []
    text, starts, at = "", False, 0

    def close(*, ends: bool = False) -> None:
        nonlocal text, starts
        if text:
            pieces.append(Piece(text, starts, ends))
        text, starts = "", False

    while at < len(pattern):
        found = _ATOM.match(pattern, at)
        if found is None:
            return []  # an open bracket
        at = found.end()
        repeat = _REPEAT.match(pattern, at)
        at = repeat.end() if repeat is not None else at
        escaped, plain = found[1], found[1] or found[2]
        is_edge = repeat is None and (escaped == "b" or (escaped is None and plain in ("^", "$")))
        is_class = plain is None or (escaped is not None and escaped.isalpha())
        if is_edge or is_class or repeat is not None or (escaped is None and plain in ".*+?{}[]"):
            close(ends=is_edge)
            starts = is_edge
        else:
            text += plain
    close()
    return pieces
