"""Rows to lines of CSV, PostgreSQL's text format or JSON.

Called by writers.py with one batch at a time. Fields are protected only where they need it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import DataType, TypeId
from sql.files.options import FileFormat, FileOptions, Header, TimeFormats
from sql.files.texts import Texts, json_strings
from sql.results import CopyOptions, ResultColumn

_TEXT_ESCAPES = {
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


class Lines:
    """Makes the lines of one file."""

    def __init__(
        self, columns: Sequence[ResultColumn], options: FileOptions, timezone: str
    ) -> None:
        self._columns = tuple(columns)
        self._options = options
        self._texts = Texts(options.times, timezone)
        self._is_safe = _is_safe(options)
        self._json_keys = [
            f"{',' if index else '{'}{json_strings(pa.array([column.name]))[0].as_py()}:"
            for index, column in enumerate(columns)
        ]

    def header(self) -> bytes:
        """What stands before the rows."""
        options = self._options
        if not options.format.is_delimited or options.header is Header.NONE:
            return b""
        names = [pa.array([column.name]) for column in self._columns]
        fields = [_protected(name, options.delimited, force=False) for name in names]
        line = options.delimited.delimiter.join(field[0].as_py() for field in fields)
        return line.encode() + b"\n"

    def rows(self, batch: Any) -> memoryview:
        """The lines of a batch. Requires: the text of a batch is below 2 GiB."""
        pairs = list(zip(batch.columns, self._columns, strict=True))
        pieces: list[Any] = []
        if self._options.format is FileFormat.JSON:
            for key, (array, column) in zip(self._json_keys, pairs, strict=True):
                pieces += [key, self._texts.json(array, column.type)]
            pieces.append("}\n" if pairs else "{}\n")
        else:
            for array, column in pairs:
                pieces += [self._field(array, column), self._options.delimited.delimiter]
            pieces[-1:] = ["\n"]
        if not pairs:
            return memoryview(b"\n" * batch.num_rows)
        return _bytes_of(pc.binary_join_element_wise(*pieces, ""))

    def _field(self, array: Any, column: ResultColumn) -> Any:
        options = self._options.delimited
        text = self._texts.plain(array, column.type)
        force = column.name in options.force_quote or "*" in options.force_quote
        alone = len(self._columns) == 1
        if not force and self._is_safe and _is_plain(column.type, self._options.times):
            return pc.fill_null(text, options.null)
        if self._options.format is FileFormat.TEXT:
            text = _escaped(text, options)
        else:
            text = _protected(text, options, force=force, alone=alone)
        return pc.fill_null(text, options.null)


_PLAIN_LETTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzEINZ+-. :")
_PLAIN_TYPES = frozenset({TypeId.BOOLEAN, TypeId.DATE, TypeId.TIME, TypeId.TIMESTAMP_TZ})


def _is_safe(options: FileOptions) -> bool:
    """True if no number or moment can look like a delimiter, a quote or NULL."""
    marks = options.delimited
    null = marks.null
    same = null != "" and all(letter in _PLAIN_LETTERS for letter in null)
    return not same and not any(
        letter in _PLAIN_LETTERS for letter in marks.delimiter + marks.quote
    )


def _is_plain(type_: DataType, times: TimeFormats) -> bool:
    """True for types whose text is made of the plain letters."""
    if type_.is_numeric:
        return True
    return times == TimeFormats() and (type_.is_timestamp or type_.id in _PLAIN_TYPES)


def _protected(texts: Any, options: CopyOptions, *, force: bool, alone: bool = False) -> Any:
    """CSV fields, in quotes where they could be misread.

    `alone`: the only column, whose `\\.` would end the data.
    """
    special = re.escape(options.delimiter + options.quote)
    needs = pc.or_(
        pc.match_substring_regex(texts, f"[{special}\\r\\n]"), pc.equal(texts, options.null)
    )
    if alone:
        needs = pc.or_(needs, pc.equal(texts, "\\."))
    if not force and not pc.any(needs).as_py():
        return texts
    inner = texts
    for mark in dict.fromkeys((options.escape, options.quote)):
        inner = pc.replace_substring(inner, mark, options.escape + mark)
    quoted = pc.binary_join_element_wise(options.quote, inner, options.quote, "")
    return quoted if force else pc.if_else(needs, quoted, texts)


def _escaped(texts: Any, options: CopyOptions) -> Any:
    """Fields of the text format."""
    marks = dict(_TEXT_ESCAPES)
    marks.setdefault(options.delimiter, "\\" + options.delimiter)
    needs = "[" + re.escape("".join(marks)) + "]"
    if pc.any(pc.match_substring_regex(texts, needs)).as_py():
        for mark, escape in marks.items():
            texts = pc.replace_substring(texts, mark, escape)
    same = pc.equal(texts, options.null)
    if pc.any(same).as_py():  # only a NULL string without a backslash can be a value as well
        first = re.escape(options.null[:1])
        marked = pc.replace_substring_regex(texts, f"^({first})", "\\\\\\1", max_replacements=1)
        texts = pc.if_else(same, marked, texts)
    return texts


def _bytes_of(texts: Any) -> memoryview:
    """All the text of an array without NULLs, one after another."""
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    _, offsets, data = texts.buffers()
    if data is None or len(texts) == 0:
        return memoryview(b"")
    bounds = memoryview(offsets).cast("i")
    first, last = bounds[texts.offset], bounds[texts.offset + len(texts)]
    return memoryview(data)[first:last]
