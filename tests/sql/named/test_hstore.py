"""hstore's texts and its binary form, read and written."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DbError
from sql.named.hstore import pack_hstore, read_pairs, show_pairs, to_json, unpack_hstore

_WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.dictionaries(_WORDS, st.none() | _WORDS, max_size=4))
def test_any_pairs_come_back_from_text_and_bytes(pairs: dict[str, str | None]) -> None:
    text = show_pairs(pairs)
    assert read_pairs(text) == pairs
    assert unpack_hstore(pack_hstore(text)) == text


def test_bytes_are_those_of_hstore_send() -> None:
    packed = struct.pack("!ii1si1si2si", 2, 1, b"a", 1, b"1", 2, b"bb", -1)
    assert pack_hstore('"a"=>"1", "bb"=>NULL') == packed
    for cut in (packed[:-1], packed + b"x", struct.pack("!ii", 1, -1) + struct.pack("!i", -1)):
        with pytest.raises((ValueError, struct.error, DbError)):
            unpack_hstore(cut)


def test_json_keeps_texts_or_takes_what_looks_like_numbers() -> None:
    text = 'a=>1, b=>"x", c=>NULL, d=>01, e=>t'
    assert to_json(text) == '{"a": "1", "b": "x", "c": null, "d": "01", "e": "t"}'
    loose = '{"a": 1, "b": "x", "c": null, "d": "01", "e": true}'
    assert to_json(text, loose=True) == loose
