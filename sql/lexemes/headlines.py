"""ts_headline: the piece of a text that shows best what a query finds, with marks around it.

Called by the functions of sql/functions/arrow.
https://www.postgresql.org/docs/15/textsearch-controls.html#TEXTSEARCH-HEADLINE
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from engine.errors import DbError, ErrorKind
from sql.lexemes.configurations import lexemes
from sql.lexemes.matching import lexemes_of, matches
from sql.lexemes.queries import Query
from sql.lexemes.vectors import Vector


@dataclass(frozen=True, slots=True)
class Options:
    """How long the piece is, in words, and what stands around what was found."""

    start: str = "<b>"
    stop: str = "</b>"
    delimiter: str = " ... "
    max_words: int = 35
    min_words: int = 15
    short_word: int = 3
    max_fragments: int = 0
    whole: bool = False


_FIELDS = {
    "startsel": "start",
    "stopsel": "stop",
    "fragmentdelimiter": "delimiter",
    "maxwords": "max_words",
    "minwords": "min_words",
    "shortword": "short_word",
    "maxfragments": "max_fragments",
    "highlightall": "whole",
}
_OPTION = re.compile(r"\s*(\w+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^,]*?))\s*(?:,|$)")
_TRUE = ("1", "on", "t", "true", "y", "yes")


def options_of(text: str) -> Options:
    """`MaxWords=7, StartSel=<<`. Raises: DbError INVALID_ARGUMENT."""
    given: dict[str, Any] = {}
    for name, *values in _OPTION.findall(text):
        field = _FIELDS.get(name.lower())
        if field is None:
            message = f'unrecognized headline parameter: "{name}"'
            raise DbError(ErrorKind.INVALID_ARGUMENT, message)
        given[field] = _value(name, "".join(values), type(getattr(Options(), field)))
    found = Options(**given)
    if not 0 < found.min_words < found.max_words:
        message = "MinWords should be positive and less than MaxWords"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    return found


def _value(name: str, value: str, kind: type) -> str | int | bool:
    if kind is bool:
        return value.lower() in _TRUE
    if kind is int and not value.isdecimal():
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"{name} must be a number: {value!r}")
    return int(value) if kind is int else value


@dataclass(frozen=True, slots=True)
class _Token:
    """A word of the text, its place among all, and whether the query looks for it."""

    start: int
    end: int
    place: int
    lexeme: str | None
    hit: bool


def headline(name: str, text: str, query: Query, options: Options) -> str:
    """Requires: `query` is of the same configuration."""
    tokens = _tokens(name, text, query)
    if not tokens:
        return text
    if options.whole:
        return _marked(text, tokens, options, 0, len(text))
    covers = _covers(tokens, query)
    if options.max_fragments:
        return options.delimiter.join(
            _marked(text, tokens[low : high + 1], options, tokens[low].start, tokens[high].end)
            for low, high in _fragments(tokens, covers, options)
        )
    low, high = _stretched(tokens, covers[0] if covers else None, options)
    last = high == len(tokens) - 1  # what stands behind the last word of all is shown
    end = len(text.rstrip()) if last else tokens[high].end
    return _marked(text, tokens[low : high + 1], options, tokens[low].start, end)


def _tokens(name: str, text: str, query: Query) -> list[_Token]:
    asked = lexemes_of(query)
    found = []
    for word, place, lexeme in lexemes(name, text):
        hit = lexeme is not None and any(
            lexeme.startswith(one.text) if one.prefix else lexeme == one.text for one in asked
        )
        if not word.part:
            found.append(_Token(word.start, word.end, place, lexeme, hit))
    return found


def _covers(tokens: list[_Token], query: Query) -> list[tuple[int, int]]:
    """The shortest pieces from hit to hit that satisfy the query, each after the one before."""
    hits = [n for n, token in enumerate(tokens) if token.hit]
    found: list[tuple[int, int]] = []
    for at, low in enumerate(hits):
        vector: Vector = {}
        for high in hits[at:]:
            vector.setdefault(tokens[high].lexeme or "", {})[tokens[high].place] = "D"
            if matches(vector, query):
                found.append((low, high))
                break
    return found or [(n, n) for n in hits]


def _stretched(
    tokens: list[_Token], cover: tuple[int, int] | None, options: Options
) -> tuple[int, int]:
    """The cover made longer, to the right first, so that it ends with no short word."""
    if cover is None:
        return 0, min(options.min_words, len(tokens)) - 1
    low, high = cover[0], min(cover[1], cover[0] + options.max_words - 1)
    while high + 1 < len(tokens) and high - low + 1 < options.max_words:
        if high - low + 1 >= options.min_words and not _is_short(tokens[high], options):
            break
        high += 1
    while low > 0 and high - low + 1 < options.min_words:
        low -= 1
    while low > 0 and high - low + 1 < options.max_words and _is_short(tokens[low], options):
        low -= 1
    return low, high


def _is_short(token: _Token, options: Options) -> bool:
    return token.end - token.start <= options.short_word and not token.hit


def _fragments(
    tokens: list[_Token], covers: list[tuple[int, int]], options: Options
) -> list[tuple[int, int]]:
    """Pieces around those with most hits, then the shortest; in the order of the text."""
    if not covers:
        return [(0, min(options.min_words, len(tokens)) - 1)]
    left = sorted(
        {piece for cover in covers for piece in _short(tokens, cover, options)},
        key=lambda piece: (
            -sum(t.hit for t in tokens[piece[0] : piece[1] + 1]),
            piece[1] - piece[0],
        ),
    )
    found: list[tuple[int, int]] = []
    while left and len(found) < options.max_fragments:
        found.append(_widened(tokens, left[0], found, options))
        left = [piece for piece in left if all(_apart(piece, other) for other in found)]
    return sorted(found)


def _apart(piece: tuple[int, int], other: tuple[int, int]) -> bool:
    return piece[1] < other[0] or piece[0] > other[1]


def _short(tokens: list[_Token], cover: tuple[int, int], options: Options) -> list[tuple[int, int]]:
    """A cover in pieces that are not too long, each from a hit to a hit."""
    hits = [n for n in range(cover[0], cover[1] + 1) if tokens[n].hit]
    pieces: list[tuple[int, int]] = []
    for hit in hits:
        if pieces and hit - pieces[-1][0] < options.max_words:
            pieces[-1] = (pieces[-1][0], hit)
        else:
            pieces.append((hit, hit))
    return pieces


def _widened(
    tokens: list[_Token],
    piece: tuple[int, int],
    found: list[tuple[int, int]],
    options: Options,
) -> tuple[int, int]:
    """The piece with words around it, the same number on both sides; no short one at an end."""
    low, high = piece
    taken = {n for one in found for n in range(one[0], one[1] + 1)}
    spare = (options.max_words - (high - low + 1)) // 2
    while spare > 0 and low > 0 and low - 1 not in taken:
        low, spare = low - 1, spare - 1
    while low < piece[0] and _is_short(tokens[low], options):
        low += 1
    while high - low + 1 < options.max_words and high + 1 < len(tokens) and high + 1 not in taken:
        high += 1
    while high > piece[1] and _is_short(tokens[high], options):
        high -= 1
    return low, high


def _marked(text: str, tokens: list[_Token], options: Options, start: int, end: int) -> str:
    """The text from `start` to `end` with marks around the hits."""
    parts, at = [], start
    for token in tokens:
        if token.hit:
            parts += [text[at : token.start], options.start, text[token.start : token.end]]
            parts.append(options.stop)
            at = token.end
    return "".join([*parts, text[at:end]])
