"""MySQL's ENUM and SET: the words that a column may hold, as they were declared.

Case and spaces at the end do not count, and a number that is no word stands for the word of that
place, of a SET for a bit of each. An empty text is what MySQL without strict mode makes of a word
that an ENUM does not know; it is taken, so that such rows can be copied. Each distinct text is
looked at once.
Source: MySQL 8.4 reference, "The ENUM Type" and "The SET Type".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from catalog.records import Column
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.dialect.pieces import composed

_DECLARED = re.compile(r"(enum|set)\((.*)\)", re.IGNORECASE | re.DOTALL)
_WORD = re.compile(r"'((?:[^']|'')*)'")
_ONE = (
    "CASE WHEN {value} IS NULL THEN NULL WHEN rtrim({value}) = '' THEN ''"
    " WHEN list_contains({folded}, lower(rtrim({value})))"
    " THEN list_extract({words}, list_position({folded}, lower(rtrim({value}))))"
    " ELSE CAST(error({refusal}) AS VARCHAR) END"
)
_MANY = (
    "CASE WHEN {value} IS NULL THEN NULL WHEN {value} = '' THEN ''"
    " WHEN list_has_all({folded}, string_split(lower({value}), ','))"
    " THEN array_to_string(list_filter({words}, lambda w:"
    " list_contains(string_split(lower({value}), ','), lower(w))), ',')"
    " ELSE CAST(error({refusal}) AS VARCHAR) END"
)


@dataclass(frozen=True)
class Members:
    """The words of one type; of a SET a value may have `many`."""

    words: tuple[str, ...]
    many: bool

    def value(self, text: str) -> str | None:
        """The value as it is stored; None for what is none.

        >>> Members(("a", "b"), many=True).value("B,a"), Members(("a", "b"), many=False).value("2")
        ('a,b', 'b')
        """
        kept, lost = self.nearest(text)
        return None if lost else kept

    def nearest(self, text: str) -> tuple[str, bool]:
        """The value with the words that are known, and whether others were left out."""
        folded = text.rstrip(" ").lower()
        if not folded:
            return "", False
        if not self.many:
            place = self._places.get(folded)
            if place is None and folded.isdecimal() and 0 < int(folded) <= len(self.words):
                place = int(folded) - 1
            return ("", True) if place is None else (self.words[place], False)
        parts = set(folded.split(","))
        if len(parts) == 1 and not parts <= self._places.keys() and folded.isdecimal():
            chosen = {n for n in range(len(self.words)) if int(folded) >> n & 1}
            return self._joined(chosen), int(folded) >> len(self.words) > 0
        known = {self._places[part] for part in parts if part in self._places}
        return self._joined(known), len(known) < len(parts)

    def _joined(self, places: set[int]) -> str:
        return ",".join(word for n, word in enumerate(self.words) if n in places)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word.lower(): n for n, word in reversed(list(enumerate(self.words)))}


def members_of(column: Column) -> Members | None:
    """None for a column that is neither an ENUM nor a SET."""
    return _read(column.declared) if column.type.id is TypeId.STRING and column.declared else None


@lru_cache(1024)
def _read(declared: str) -> Members | None:
    found = _DECLARED.fullmatch(declared)
    if found is None:
        return None
    words = tuple(word.replace("''", "'").rstrip(" ") for word in _WORD.findall(found[2]))
    return Members(words, found[1].lower() == "set")


def checked(
    members: Members, name: str, values: pa.Array | pa.ChunkedArray
) -> pa.Array | pa.ChunkedArray:
    """The values as they are stored. Raises: DbError INVALID_TEXT, MySQL's 1265."""
    if pc.all(pc.is_in(values, pa.array([*members.words, None], values.type))).as_py() is not False:
        return values
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    coded = array.dictionary_encode()
    texts = coded.dictionary.to_pylist()
    made = [members.value(text) for text in texts]
    if None in made:
        row = pc.index(array, pa.scalar(texts[made.index(None)], array.type)).as_py()
        raise _refused(name, row)
    return pa.array(made, array.type).take(coded.indices)


def nearest(members: Members, values: pa.Array) -> tuple[pa.Array, list[int]]:
    """The values with only the words that are known, and the rows that lost some."""
    found = [
        (None, False) if text is None else members.nearest(text) for text in values.to_pylist()
    ]
    rows = [row for row, (_, lost) in enumerate(found) if lost]
    return pa.array([kept for kept, _ in found], values.type), rows


def checked_expression(members: Members, name: str, value: exp.Expr) -> exp.Expr:
    """The same of a value that DuckDB computes; numbers are no places there."""
    return composed(
        _MANY if members.many else _ONE,
        value=exp.cast(exp.paren(value), "TEXT"),
        words=_list(members.words),
        folded=_list(tuple(word.lower() for word in members.words)),
        refusal=exp.Literal.string(_refused(name, 0).message),
    )


def _list(words: tuple[str, ...]) -> exp.Expr:
    return exp.Array(expressions=[exp.Literal.string(word) for word in words])


def _refused(name: str, row: int) -> DbError:
    error = DbError(ErrorKind.INVALID_TEXT, f"Data truncated for column '{name}' at row {row + 1}")
    error.mysql = (1265, "01000")
    return error
