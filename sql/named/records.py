"""Values of composite types: `(1,"a b",)`.

https://www.postgresql.org/docs/15/rowtypes.html#ROWTYPES-IO-SYNTAX
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from sql.named.errors import malformed

_SPECIAL = re.compile(r'[\s"\\(),]')


def show_record(fields: Iterable[str | None]) -> str:
    """Texts of fields as one text.

    >>> show_record(["1", None, "", "a b"])
    '(1,,"","a b")'
    """
    return "(" + ",".join(map(_shown, fields)) + ")"


def _shown(field: str | None) -> str:
    if field is None:
        return ""
    if field and not _SPECIAL.search(field):
        return field
    return '"' + field.replace("\\", "\\\\").replace('"', '""') + '"'


def read_record(text: str) -> list[str | None]:
    """The inverse of `show_record`, of any spelling. Raises: DbError INVALID_TEXT."""
    word = text.strip()
    if word[:1] != "(":
        raise malformed("record", text, "Missing left parenthesis.")
    if word == "()":
        return []
    fields: list[str | None] = []
    at = 1
    while True:
        field, at = _field(word, at, text)
        fields.append(field)
        mark = word[at : at + 1]
        at += 1
        if mark == ")":
            break
    if at != len(word):
        raise malformed("record", text, "Junk after right parenthesis.")
    return fields


def _field(word: str, at: int, text: str) -> tuple[str | None, int]:
    """A field and the place of the comma or parenthesis after it."""
    letters: list[str] = []
    quoted = seen = False
    while True:
        char = word[at : at + 1]
        if not char:
            raise malformed("record", text, "Unexpected end of input.")
        if not quoted and char in ",)":
            return ("".join(letters) if letters or seen else None), at
        at += 1
        if char == "\\":
            letters.append(word[at : at + 1])
            at += 1
        elif char != '"':
            letters.append(char)
        elif quoted and word[at : at + 1] == '"':
            letters.append('"')
            at += 1
        else:
            quoted, seen = not quoted, True
