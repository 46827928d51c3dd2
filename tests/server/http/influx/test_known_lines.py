"""Lines that begin as earlier ones did: read by comparing, with the same result as by parsing."""

from __future__ import annotations

import random
import re

import pyarrow as pa
import pytest

from engine.errors import DbError
from server.http.influx import lines
from server.http.influx.known import KnownLines
from server.http.influx.lines import Lines, read_lines

NOW = 1_700_000_000_000_000_000


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with nothing remembered."""
    monkeypatch.setattr(lines, "_KNOWN", KnownLines())


def shown(found: Lines) -> object:
    """All that was read, comparable."""
    tables = [
        (table.name, [(c.name, c.type, c.semantic, c.values.to_pylist()) for c in table.columns])
        for table in found.tables
    ]
    return tables, list(found.errors)


def forgotten(monkeypatch: pytest.MonkeyPatch, content: bytes, stops: list[int]) -> object:
    """What parsing finds in a text."""
    with monkeypatch.context() as patch:
        patch.setattr(lines, "_KNOWN", KnownLines())
        return shown(read_lines(content, 1, NOW, {}, stops))


def is_known(content: bytes) -> bool:
    return lines._KNOWN.read(content, [len(content)], 1, NOW, {}) is not None


FIRST = (
    b"cpu,host=a,region=eu\\ west user=1.5,idle=0,steps=3i,on=t,left=7u 1\n"
    b"cpu,host=b,region=\xc3\xa9 user=2,idle=-0,steps=-3i,on=false,left=8u 2\n"
    b"mem free=1i 3\n"
)
SECOND = (
    b"mem free=-9i -3\n"
    b"cpu,host=b,region=\xc3\xa9 user=-0,idle=1e-3,steps=0i,on=T,left=0u 5\n"
    b"cpu,host=a,region=eu\\ west user=0.1,idle=.5,steps=123456789012345678i,on=F,left=9u\n"
    b"cpu,host=a,region=eu\\ west user=9939879759519038,idle=99.39879759519038,"
    b"steps=1i,on=t,left=1u 8"
)


def test_values_are_those_that_parsing_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    read_lines(FIRST, 1, NOW)
    assert is_known(SECOND)
    assert shown(read_lines(SECOND, 1, NOW)) == forgotten(monkeypatch, SECOND, [len(SECOND)])


def test_texts_are_checked_and_lose_their_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    read_lines(b'log,a=b s="x",n=1 1\n', 1, NOW)
    text = b'log,a=b s="a \\"q\\" \\\\ c:\\d, \xe2\x82\xac\n",n=1 1\nlog,a=b s="",n=2 2\n'
    assert is_known(text)
    assert shown(read_lines(text, 1, NOW)) == forgotten(monkeypatch, text, [len(text)])
    with pytest.raises(DbError, match="0xff is no UTF-8"):
        read_lines(b'log,a=b s="\xff",n=1 1\n', 1, NOW)
    with pytest.raises(DbError, match="0x00 is no UTF-8"):
        read_lines(b'log,a=b s="\0",n=1 1\n', 1, NOW)


@pytest.mark.parametrize(
    "line",
    [
        b"cpu,host=c v=1,w=2i 1",  # a new host
        b"cpu,host=a\\ v=1,w=2i 1",  # an escaped space
        b"cpu,host=a v=1 1",  # a field less
        b"cpu,host=a v=1,w=2i,x=3 1",
        b"cpu,host=a w=2i,v=1 1",
        b"cpu,host=a v=1i,w=2i 1",  # another type
        b"cpu,host=a v=1,w=2 1",
        b"cpu,host=a v=1,w=2u 1",
        b"cpu,host=a v=t,w=2i 1",
        b"cpu,host=a v=1x,w=2i 1",
        b"cpu,host=a v=1e,w=2i 1",
        b"cpu,host=a v=,w=2i 1",
        b"cpu,host=a v=-,w=2i 1",
        b"cpu,host=a v=.,w=2i 1",
        b"cpu,host=a v=+1,w=2i 1",
        b"cpu,host=a v=1,w=9223372036854775808i 1",
        b"cpu,host=a v=1,w=-i 1",
        b"cpu,host=a v=1,w=2i 1 2",
        b"cpu,host=a v=1,w=2i x",
        b"cpu,host=a v=1,w=2i -",
        b"cpu,host=a v=1,w=2i 9223372036854775808",
        b"cpu,host=a  v=1,w=2i 1",
        b"cpu,host=a v=1,w=2i  1",
        b"cpu,host=a v=1,w=2i 1\r",
        b"cpu,host=a v=1,w=2i ",
        b"cpu,host=a v=1,w=2i,",
        b"cpu,host=a ",
        b"cpu,host=a",
        b"# cpu,host=a v=1,w=2i 1",
        b"",
    ],
)
def test_what_is_not_as_before_is_parsed(monkeypatch: pytest.MonkeyPatch, line: bytes) -> None:
    read_lines(b"cpu,host=a v=1,w=2i 1\ncpu,host=b v=1,w=2i 1", 1, NOW)
    text = b"cpu,host=b v=5,w=6i 7\n" + line + b"\ncpu,host=a v=8,w=9i 9\n"
    assert is_known(b"cpu,host=b v=5,w=6i 7\ncpu,host=a v=8,w=9i 9\n")
    assert not is_known(text)
    assert shown(read_lines(text, 1, NOW)) == forgotten(monkeypatch, text, [len(text)])


def test_nothing_has_no_rows() -> None:
    read_lines(b"m,a=b v=1 1\n", 1, NOW)
    assert shown(read_lines(b"", 1, NOW)) == ([], [])


def test_a_measurement_with_two_sets_of_tags_stays_one_table() -> None:
    text = b"m,a=1 v=1 1\nm,b=2 v=2 1\nm,a=1 v=3 1\n"
    read_lines(text, 1, NOW)
    (table,) = read_lines(text, 1, NOW).tables
    assert [c.name for c in table.columns] == ["a", "b", "v", "greptime_timestamp"]
    assert table.columns[2].values.to_pylist() == [1, 2, 3]


def test_a_line_that_one_text_leaves_open_is_not_ended_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read_lines(b"m,a=b v=1 1\n", 1, NOW)
    texts = [b"m,a=b v=1", b"m,a=b v=2 3", b"m,a=b v=3 4\n"]
    whole, stops = b"".join(texts), [9, 20, 32]
    assert lines._KNOWN.read(whole, stops, 1, NOW, {}) is not None
    assert shown(read_lines(whole, 1, NOW, {}, stops)) == forgotten(monkeypatch, whole, stops)
    assert lines._KNOWN.read(b"m,a=b v=1 1m,a=b v=2 3", [22], 1, NOW, {}) is None


@pytest.mark.parametrize("unit", [0, 1, 1_000_000_000])
def test_times_have_their_unit(monkeypatch: pytest.MonkeyPatch, unit: int) -> None:
    read_lines(b"m v=1 1\n", unit, NOW)
    for stamp in (b"1700000000", b"-1", b"9223372036854775807", b"9223372036"):
        text = b"m v=1 " + stamp
        found = read_lines(text, unit, NOW)
        with monkeypatch.context() as patch:
            patch.setattr(lines, "_KNOWN", KnownLines())
            assert shown(found) == shown(read_lines(text, unit, NOW))


def test_more_lines_than_there_is_room_for_at_first() -> None:
    text = b"".join(b"m,host=host_%d,x=%s v=1 1\n" % (k, b"y" * (1 + k % 90)) for k in range(5000))
    read_lines(text, 1, NOW)
    assert is_known(text)
    (table,) = read_lines(text, 1, NOW).tables
    assert table.columns[0].values.to_pylist() == [f"host_{k}" for k in range(5000)]
    assert table.columns[0].values.type == pa.string()


def test_a_set_of_fields_that_changes_is_learned_again() -> None:
    read_lines(b"m,a=b v=1 1\n", 1, NOW)
    assert not is_known(b"m,a=b v=1,w=2 1\n")
    read_lines(b"m,a=b v=1,w=2 1\n", 1, NOW)
    assert is_known(b"m,a=b v=5,w=6 1\n")
    read_lines(b"m,a=b v=1 1\n", 1, NOW)
    assert is_known(b"m,a=b v=2 1\n")


def test_random_changes_of_known_lines_read_as_parsing_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(11)
    samples = [FIRST, SECOND, b'm,a=b s="x \\"",f=1 1\n', b"m f=1\n"]
    for _ in range(400):
        text = bytearray(b"\n".join(chance.sample(samples, 2)))
        for _ in range(chance.randrange(3)):
            at = chance.randrange(len(text))
            text[at : at + chance.randrange(2)] = bytes([chance.choice(b'0a ,=\\"\n-.ei')])
        content = bytes(text)
        for sample in samples:
            read_lines(sample, 1, NOW)
        try:
            expected = forgotten(monkeypatch, content, [len(content)])
        except DbError as error:
            with pytest.raises(DbError, match=re.escape(error.message)):
                read_lines(content, 1, NOW)
            continue
        assert shown(read_lines(content, 1, NOW)) == expected
