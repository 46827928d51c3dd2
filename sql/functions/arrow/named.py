"""Casts to types with a name of their own, and ranges, over columns: see sql/named/.

Each distinct row of arguments is looked at once.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from engine.datatypes import from_tag
from sql.functions.arrow.columns import each_row
from sql.named import algebra
from sql.named.keys import key
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


def named_keys(texts: pa.Array, tags: pa.Array) -> pa.Array:
    """Bytes that are ordered as the values are."""
    return each_row(lambda text, tag: key(from_tag(tag), text), pa.binary(), texts, tags)


def _ranges(text: str, tag: str, other: str) -> algebra.Ranges:
    if tag:
        return algebra.ranges_of(from_tag(tag), text)
    return algebra.point(algebra.element_of(from_tag(other)), text)


def range_tests(
    signs: pa.Array, left: pa.Array, left_tags: pa.Array, right: pa.Array, right_tags: pa.Array
) -> pa.Array:
    """`a @> b` and its kin; an operand without a tag is an element."""

    def test(sign: str, a: str, of_a: str, b: str, of_b: str) -> bool:
        of = algebra.element_of(from_tag(of_a or of_b))
        return algebra.TESTS[sign](_ranges(a, of_a, of_b), _ranges(b, of_b, of_a), of)

    return each_row(test, pa.bool_(), signs, left, left_tags, right, right_tags)


def ranges_made(
    signs: pa.Array,
    left: pa.Array,
    left_tags: pa.Array,
    right: pa.Array,
    right_tags: pa.Array,
    results: pa.Array,
) -> pa.Array:
    """`a + b` and its kin, as the type of the result."""

    def make(sign: str, a: str, of_a: str, b: str, of_b: str, result: str) -> str:
        of = algebra.element_of(from_tag(result))
        made = algebra.MADE[sign](_ranges(a, of_a, of_b), _ranges(b, of_b, of_a), of)
        return algebra.shown(from_tag(result), made)

    return each_row(make, pa.string(), signs, left, left_tags, right, right_tags, results)


def new_ranges(lower: pa.Array, upper: pa.Array, marks: pa.Array, tags: pa.Array) -> pa.Array:
    """`int4range(1, 5)`: a NULL as a bound is no bound."""
    rows = zip(*(column.to_pylist() for column in (lower, upper, marks, tags)), strict=True)
    made = [algebra.made(from_tag(tag), low, high, both or "") for low, high, both, tag in rows]
    return pa.array(made, pa.string())


def range_bounds(which: pa.Array, texts: pa.Array, tags: pa.Array) -> pa.Array:
    """lower() and upper()."""

    def find(side: str, text: str, tag: str) -> str | None:
        return algebra.bound(side, algebra.ranges_of(from_tag(tag), text))

    return each_row(find, pa.string(), which, texts, tags)


def range_facts(names: pa.Array, texts: pa.Array, tags: pa.Array) -> pa.Array:
    """isempty(), lower_inc() and their kin."""

    def ask(name: str, text: str, tag: str) -> bool:
        return algebra.FACTS[name](algebra.ranges_of(from_tag(tag), text))

    return each_row(ask, pa.bool_(), names, texts, tags)
