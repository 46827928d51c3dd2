"""Functions and operators of hstore over columns: see sql/named/hstore.py.

Each distinct row of arguments is looked at once; a NULL among them gives NULL unless it says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from sql.named.hstore import Pairs, made_of, read_pairs, show_pairs, to_json

_TEXTS = pa.list_(pa.string())


def _each(make: Callable[..., Any], type_: pa.DataType, *columns: pa.Array) -> pa.Array:
    known: dict[tuple[Any, ...], Any] = {}
    found = []
    for row in zip(*(map(_hashable, column.to_pylist()) for column in columns), strict=True):
        if row not in known:
            known[row] = None if None in row else make(*row)
        found.append(known[row])
    return pa.array(found, type_)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def keys(texts: pa.Array) -> pa.Array:
    """akeys()."""
    return _each(lambda text: list(read_pairs(text)), _TEXTS, texts)


def values(texts: pa.Array) -> pa.Array:
    """avals()."""
    return _each(lambda text: list(read_pairs(text).values()), _TEXTS, texts)


def flat(texts: pa.Array) -> pa.Array:
    """hstore_to_array(): keys and values by turns."""

    def make(text: str) -> list[str | None]:
        return [one for pair in read_pairs(text).items() for one in pair]

    return _each(make, _TEXTS, texts)


def matrix(texts: pa.Array) -> pa.Array:
    """hstore_to_matrix(): a list of keys beside their values."""
    return _each(lambda t: [list(p) for p in read_pairs(t).items()], pa.list_(_TEXTS), texts)


def value(texts: pa.Array, wanted: pa.Array) -> pa.Array:
    """`h -> key`."""
    return _each(lambda text, key: read_pairs(text).get(key), pa.string(), texts, wanted)


def several(texts: pa.Array, wanted: pa.Array) -> pa.Array:
    """`h -> keys`: a value or NULL for each."""

    def make(text: str, names: tuple[str, ...]) -> list[str | None]:
        pairs = read_pairs(text)
        return [pairs.get(name) for name in names]

    return _each(make, _TEXTS, texts, wanted)


_TESTS: dict[str, Callable[[Pairs, tuple[str, ...]], bool]] = {
    "any": lambda pairs, names: any(name in pairs for name in names),
    "all": lambda pairs, names: all(name in pairs for name in names if name is not None),
    "defined": lambda pairs, names: all(pairs.get(name) is not None for name in names),
}


def test(which: pa.Array, texts: pa.Array, wanted: pa.Array) -> pa.Array:
    """`h ?| keys`, `h ?& keys` and defined(h, key)."""
    return _each(lambda w, t, n: _TESTS[w](read_pairs(t), n), pa.bool_(), which, texts, wanted)


def contains(left: pa.Array, right: pa.Array) -> pa.Array:
    """`left @> right`."""

    def make(whole: str, part: str) -> bool:
        return read_pairs(part).items() <= read_pairs(whole).items()

    return _each(make, pa.bool_(), left, right)


def joined(left: pa.Array, right: pa.Array) -> pa.Array:
    """`left || right`: where both have a key, the right one's value."""
    both = lambda a, b: show_pairs(read_pairs(a) | read_pairs(b))  # noqa: E731
    return _each(both, pa.string(), left, right)


def less(left: pa.Array, right: pa.Array) -> pa.Array:
    """`left - right` of two: without the pairs that both have."""

    def make(whole: str, part: str) -> str:
        gone = read_pairs(part).items()
        return show_pairs(dict(pair for pair in read_pairs(whole).items() if pair not in gone))

    return _each(make, pa.string(), left, right)


def part(which: pa.Array, texts: pa.Array, wanted: pa.Array) -> pa.Array:
    """slice(h, keys), and `h - keys`."""

    def make(kind: str, text: str, names: tuple[str, ...]) -> str:
        pairs, keep = read_pairs(text).items(), kind == "slice"
        return show_pairs({k: v for k, v in pairs if (k in names) is keep})

    return _each(make, pa.string(), which, texts, wanted)


def made(names: pa.Array, given: pa.Array) -> pa.Array:
    """hstore(keys, values): NULL for the values is one for each. Raises: DbError."""

    def make(keys_: list[str | None] | None, values_: list[str | None] | None) -> str | None:
        if keys_ is None:
            return None
        return show_pairs(made_of(keys_, [None] * len(keys_) if values_ is None else values_))

    rows = zip(names.to_pylist(), given.to_pylist(), strict=True)
    return pa.array([make(*row) for row in rows], pa.string())


def paired(flat_: pa.Array) -> pa.Array:
    """hstore(array) of keys and values by turns. Raises: DbError ARRAY_SUBSCRIPT for an odd one."""
    return _each(lambda row: show_pairs(made_of(row[::2], row[1::2])), pa.string(), flat_)


def as_json(texts: pa.Array, loosely: pa.Array) -> pa.Array:
    """hstore_to_json() and hstore_to_json_loose()."""
    return _each(lambda t, loose: to_json(t, loose=loose), pa.string(), texts, loosely)
