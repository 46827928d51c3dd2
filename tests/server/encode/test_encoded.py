"""Columns of texts in other encodings."""

from __future__ import annotations

import pyarrow as pa
import pytest

from server.encode.cells import from_arrow
from server.encode.encoded import encoded_cells
from sql.charsets import LENIENT

ROWS = ["", None, "дом", "a", "赵\\", None, "\U0001f600", "шум"]


@pytest.mark.parametrize("codec", ["cp1251", "gbk", "cp950", "euc_jp", "gb18030", "utf-16-be"])
@pytest.mark.parametrize("zero", ["", "\0"])
def test_each_cell_is_what_the_codec_makes_of_it(codec: str, zero: str) -> None:
    texts = [None if row is None else row + zero for row in ROWS]
    cells = from_arrow(pa.array(texts)).slice(1, len(texts))
    encoded = encoded_cells(cells, codec, LENIENT)
    expected = [None if t is None else t.encode(codec, LENIENT) for t in texts[1:]]
    assert encoded.to_list() == expected


@pytest.mark.parametrize("codec", ["cp1251", "gbk"])
def test_without_a_handler_what_is_missing_is_an_error(codec: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        encoded_cells(from_arrow(pa.array(["a", "😀"])), codec)


def test_texts_of_ascii_alone_are_left_as_they_are() -> None:
    cells = from_arrow(pa.array(["a", None, "bc"]))
    assert encoded_cells(cells, "gbk") is cells
