"""Full-text search over columns: see sql/lexemes/.

Each distinct row of arguments is looked at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache

import pyarrow as pa

from engine.errors import DbError, ErrorKind
from sql.functions.arrow.columns import each_row
from sql.lexemes.configurations import vector_of
from sql.lexemes.headlines import headline, options_of
from sql.lexemes.matching import matches
from sql.lexemes.queries import (
    Operator,
    Query,
    nodes,
    phrase_query,
    plain_query,
    read_query,
    show_query,
    to_query,
    web_query,
)
from sql.lexemes.ranking import rank, rank_cd
from sql.lexemes.vectors import joined, ordered, read_vector, show_vector, weighted

_ASKED: dict[str, Callable[[str, str], Query]] = {
    "to": to_query,
    "plain": plain_query,
    "phrase": phrase_query,
    "web": web_query,
}
_RANKS = {"ts_rank": rank, "ts_rank_cd": rank_cd}


@lru_cache(maxsize=256)
def _query(text: str) -> Query:
    return read_query(text)


def ts_vectors(names: pa.Array, texts: pa.Array) -> pa.Array:
    """to_tsvector()."""
    return each_row(
        lambda name, text: show_vector(vector_of(name, text)), pa.string(), names, texts
    )


def ts_queries(kinds: pa.Array, names: pa.Array, texts: pa.Array) -> pa.Array:
    """to_tsquery() and its kin."""

    def make(kind: str, name: str, text: str) -> str:
        return show_query(_ASKED[kind](name, text))

    return each_row(make, pa.string(), kinds, names, texts)


def ts_matches(vectors: pa.Array, queries: pa.Array) -> pa.Array:
    """`vector @@ query`."""

    def test(vector: str, query: str) -> bool:
        return matches(read_vector(vector), _query(query))

    return each_row(test, pa.bool_(), vectors, queries)


def ts_ranks(
    names: pa.Array, weights: pa.Array, vectors: pa.Array, queries: pa.Array, methods: pa.Array
) -> pa.Array:
    """ts_rank() and ts_rank_cd(); weights as a list's text, of D, C, B and A."""

    def make(name: str, given: str, vector: str, query: str, method: int) -> float:
        return _RANKS[name](read_vector(vector), _query(query), _weights(given), method)

    return each_row(make, pa.float32(), names, weights, vectors, queries, methods)


def _weights(text: str) -> Sequence[float]:
    found = [float(weight) for weight in json.loads(text)]
    if len(found) < 4:
        raise DbError(ErrorKind.INVALID_ARGUMENT, "array of weight is too short")
    if not all(0 <= weight <= 1 for weight in found):
        raise DbError(ErrorKind.INVALID_ARGUMENT, "weight out of range")
    return found[:4]


def ts_headlines(names: pa.Array, texts: pa.Array, queries: pa.Array, asked: pa.Array) -> pa.Array:
    """ts_headline()."""

    def make(name: str, text: str, query: str, options: str) -> str:
        return headline(name, text, _query(query), options_of(options))

    return each_row(make, pa.string(), names, texts, queries, asked)


def ts_joined(left: pa.Array, right: pa.Array) -> pa.Array:
    """`vector || vector`."""

    def make(one: str, other: str) -> str:
        return show_vector(joined(read_vector(one), read_vector(other)))

    return each_row(make, pa.string(), left, right)


def ts_weighted(vectors: pa.Array, weights: pa.Array) -> pa.Array:
    """setweight()."""

    def make(vector: str, weight: str) -> str:
        return show_vector(weighted(read_vector(vector), weight))

    return each_row(make, pa.string(), vectors, weights)


def ts_stripped(vectors: pa.Array) -> pa.Array:
    """strip(): lexemes alone."""
    return each_row(
        lambda vector: show_vector({lexeme: {} for lexeme in read_vector(vector)}),
        pa.string(),
        vectors,
    )


def ts_lexemes(vectors: pa.Array) -> pa.Array:
    """tsvector_to_array()."""
    return each_row(lambda vector: ordered(read_vector(vector)), pa.list_(pa.string()), vectors)


def ts_query_joined(
    signs: pa.Array, left: pa.Array, right: pa.Array, distances: pa.Array
) -> pa.Array:
    """`query && query` and its kin; an empty query leaves the other as it is."""

    def make(sign: str, one: str, other: str, distance: int) -> str:
        first, second = _query(one), _query(other)
        if first is None or second is None:
            return show_query(first or second)
        return show_query(Operator(sign, first, second, distance))

    return each_row(make, pa.string(), signs, left, right, distances)


def ts_query_negated(queries: pa.Array) -> pa.Array:
    """`!! query`."""

    def make(text: str) -> str:
        query = _query(text)
        return "" if query is None else show_query(Operator("!", query))

    return each_row(make, pa.string(), queries)


def ts_query_nodes(queries: pa.Array) -> pa.Array:
    """numnode()."""
    return each_row(lambda query: len(nodes(_query(query))), pa.int32(), queries)
