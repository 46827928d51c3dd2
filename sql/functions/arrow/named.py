"""Casts to types with a name of their own, over columns: see sql/named/."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import from_tag
from sql.named.read import read_column
from sql.named.records import read_record, show_record


def read_named(texts: pa.Array, tags: pa.Array) -> pa.Array:
    """Texts as their type prints them; the tag says which that is, the same in all rows."""
    present = pc.drop_null(tags)
    if len(present) == 0:
        return texts
    return read_column(texts, from_tag(present[0].as_py()))


def show_records(fields: pa.Array) -> pa.Array:
    """Lists of texts as records."""
    rows = fields.to_pylist()
    shown = [None if row is None else show_record(row) for row in rows]
    return pa.array(shown, pa.string())


def record_fields(records: pa.Array, places: pa.Array) -> pa.Array:
    """One field of each record, by its place from 0."""
    distinct = records.dictionary_encode()
    present = pc.drop_null(places)
    if len(present) == 0:
        return records
    place = present[0].as_py()
    fields = [read_record(text)[place] for text in distinct.dictionary.to_pylist()]
    return pa.array(fields, pa.string()).take(distinct.indices)
