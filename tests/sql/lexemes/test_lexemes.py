"""Texts to tsvector and tsquery, and what matches: beside what PostgreSQL 15 prints."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DbError, ErrorKind
from sql.lexemes.configurations import vector_of
from sql.lexemes.english import stem
from sql.lexemes.headlines import headline, options_of
from sql.lexemes.matching import matches
from sql.lexemes.queries import (
    pack_query,
    read_query,
    show_query,
    to_query,
    tsquery,
    unpack_query,
    web_query,
)
from sql.lexemes.ranking import rank, rank_cd
from sql.lexemes.vectors import pack_vector, read_vector, show_vector, tsvector, unpack_vector
from sql.lexemes.words import words

_STEMS = {
    "skies": "sky", "generously": "generous", "nationalities": "nation", "hopping": "hop",
    "hoping": "hope", "relational": "relat", "agreed": "agre", "happily": "happili",
    "controlling": "control", "communism": "communism", "inning": "inning", "yes": "yes",
}  # fmt: skip


@pytest.mark.parametrize("word", _STEMS)
def test_english_words_have_the_stems_of_snowball(word: str) -> None:
    assert stem(word) == _STEMS[word]


def test_texts_are_cut_as_by_the_default_parser() -> None:
    text = (
        "x-1y 10-12 v1.2.3 a_b don't e.g. /usr/x.txt foo@bar.org http://a.com/b?c <b>1e5</b> AT&T"
    )
    assert [word.text for word in words(text)] == [
        *("x-1y", "x", "1y", "10", "-12", "v1.2.3", "a", "b", "don", "t", "e.g", "/usr/x.txt"),
        *("foo@bar.org", "a.com/b?c", "a.com", "/b?c", "1e5", "AT", "T"),
    ]


@pytest.mark.parametrize("unit", ["1.", "a_", "+a", "a-", "<a", "&a", "a.", "a@", "A://"])
def test_no_text_takes_more_than_linear_time(unit: str) -> None:
    def once(count: int) -> float:
        begin = time.thread_time()
        for _ in words(unit * count):
            pass
        return time.thread_time() - begin

    def cost(count: int) -> float:
        """The least of several: a collection of garbage or a cold cache counts for nothing."""
        return min(once(count) for _ in range(4))

    assert cost(8000) < 40 * max(cost(800), 0.002)


def test_a_vector_holds_stems_places_and_no_stop_words() -> None:
    shown = show_vector(vector_of("english", "The up-to-date Cats, cats and 日本"))
    assert shown == "'cat':6,7 'date':5 'up-to-d':2 '日本':9"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fat:2,1a cat", "'cat' 'fat':1A,2"),
        (r"$ 'it''s':3b,3 \'x", "'$' '''x' 'it''s':3B"),
        ("a:99999", "'a':16383"),
        ("", ""),
    ],
)
def test_vectors_are_printed_in_order(text: str, shown: str) -> None:
    assert tsvector(text, "UTC") == shown
    assert unpack_vector(pack_vector(shown)) == shown


@pytest.mark.parametrize("text", ["'open", "a:0", ":1"])
def test_what_is_no_vector_is_refused(text: str) -> None:
    with pytest.raises(DbError) as caught:
        read_vector(text)
    assert caught.value.kind is ErrorKind.SYNTAX


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fat & (rat:*ab | !cat)", "'fat' & ( 'rat':*AB | !'cat' )"),
        ("a|b&c<->d", "'a' | 'b' & 'c' <-> 'd'"),
        ("a <-> (b <2> c)", "'a' <-> ( 'b' <2> 'c' )"),
        ("!!a", "!!'a'"),
        ("!(a | b)", "!( 'a' | 'b' )"),
        ("'a b':d", "'a b':D"),
    ],
)
def test_queries_are_printed_with_few_parentheses(text: str, shown: str) -> None:
    assert tsquery(text, "UTC") == shown
    assert unpack_query(pack_query(shown)) == shown


@pytest.mark.parametrize("text", ["a &", "(a", "a b", "& a", "a <99999> b", "!" * 2000 + "a"])
def test_what_is_no_query_is_refused(text: str) -> None:
    with pytest.raises(DbError):
        read_query(text)


def test_stop_words_leave_their_distance() -> None:
    assert show_query(to_query("english", "cat <-> the <-> rat & of")) == "'cat' <2> 'rat'"
    assert show_query(web_query("english", '"fat rat" or cat -dog')) == (
        "'fat' <-> 'rat' | 'cat' & !'dog'"
    )


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("a <-> b", True),
        ("b <-> a", False),
        ("a <2> c", True),
        ("a <-> !c", True),
        ("(x | a) <-> (b & !c)", True),
        ("!(a <-> b)", False),
        ("d:*", True),
        ("c:a", True),
        ("c:b", False),
        ("!x & b", True),
    ],
)
def test_queries_match_by_lexemes_places_and_weights(query: str, holds: bool) -> None:
    assert matches(read_vector("a:1 b:2 c:3A dog:7"), read_query(query)) is holds


def test_a_stripped_vector_satisfies_no_phrase() -> None:
    assert not matches(read_vector("a b"), read_query("a <-> b"))


def test_ranks_are_those_of_postgresql() -> None:
    vector = vector_of("english", "a fat cat sat on a mat and ate a fat rat")
    both, phrase = read_query("fat & rat"), read_query("fat <-> rat")
    assert rank(vector, both) == pytest.approx(0.13493292)
    assert rank_cd(vector, both) == pytest.approx(0.1)
    assert rank_cd(vector, phrase, method=5) == pytest.approx(0.048089836)
    assert rank(read_vector("fat:1A cat:2"), read_query("fat | cat"), method=1) == pytest.approx(
        0.21095762
    )


def test_a_headline_marks_what_is_found() -> None:
    text = "All documents containing given query terms, in order of their likeness to the query."
    query = to_query("english", "query & likeness")
    assert headline("english", text, query, options_of("MinWords=3, MaxWords=9")) == (
        "<b>query</b> terms, in order of their <b>likeness</b>"
    )
    options = options_of("MaxFragments=2, MaxWords=5, MinWords=2, StartSel=[, StopSel=]")
    assert headline("english", text, query, options) == (
        "containing given [query] terms ... [likeness] to the [query]"
    )


@pytest.mark.parametrize("options", ["MinWords=9, MaxWords=9", "Colour=red", "MaxWords=x"])
def test_options_of_headlines_are_checked(options: str) -> None:
    with pytest.raises(DbError):
        options_of(options)


@given(st.text(max_size=60))
def test_any_text_becomes_a_vector_that_reads_back(text: str) -> None:
    shown = show_vector(vector_of("english", text.replace("\0", "")))
    assert tsvector(shown, "UTC") == shown
