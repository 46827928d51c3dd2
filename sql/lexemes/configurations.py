"""Text search configurations: which words of a text become which lexemes.

There are two, as PostgreSQL calls them: `simple` takes words in lower case, `english` their stems
and leaves out stop words. Called by queries.py and by the functions of sql/functions/arrow.
https://www.postgresql.org/docs/15/textsearch-configuration.html
"""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import DbError, ErrorKind
from sql.lexemes.english import STOP_WORDS, stem
from sql.lexemes.vectors import POSITION_MAX, Vector, add
from sql.lexemes.words import Word, words

Lexize = Callable[[str, bool], str | None]


def _simple(word: str, plain: bool) -> str | None:
    return word.lower()


def _english(word: str, plain: bool) -> str | None:
    """The stem of a word of letters; None if it is a stop word."""
    folded = word.lower()
    if not plain:
        return folded
    return None if folded in STOP_WORDS else stem(folded)


CONFIGURATIONS: dict[str, Lexize] = {"simple": _simple, "english": _english}
OIDS = {"simple": 3748, "english": 13_043}  # PostgreSQL fixes the first only


def configuration(name: str) -> Lexize:
    """Raises: DbError UNDEFINED_OBJECT."""
    found = CONFIGURATIONS.get(name.lower().removeprefix("pg_catalog."))
    if found is None:
        message = f'text search configuration "{name}" does not exist'
        hint = "there are simple and english"
        raise DbError(ErrorKind.UNDEFINED_OBJECT, message, hint=hint)
    return found


def regconfig(text: str, timezone: str) -> str:
    """A configuration's name or number as regconfig prints it. Raises: DbError UNDEFINED_OBJECT."""
    name = next((name for name, oid in OIDS.items() if text.strip() == str(oid)), text.strip())
    configuration(name)
    return name.lower().removeprefix("pg_catalog.")


def lexemes(name: str, text: str) -> list[tuple[Word, int, str | None]]:
    """(word, its place from 1, its lexeme) of a text; a stop word has a place and no lexeme."""
    lexize = configuration(name)
    return [
        (word, place, lexize(word.text, word.plain)) for place, word in enumerate(words(text), 1)
    ]


def vector_of(name: str, text: str) -> Vector:
    """to_tsvector().

    >>> from sql.lexemes.vectors import show_vector
    >>> show_vector(vector_of("english", "The fat cats ate the rats"))
    "'ate':4 'cat':3 'fat':2 'rat':6"
    """
    vector: Vector = {}
    for _, place, lexeme in lexemes(name, text):
        if lexeme:
            add(vector, lexeme, min(place, POSITION_MAX), "D")
    return vector
