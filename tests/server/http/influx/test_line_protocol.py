"""Line protocol: what each spelling means, and what is said of those that mean nothing."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.errors import DbError, ErrorKind
from server.http.influx.lines import read_lines

NOW = 42


def rows(text: str | bytes, unit: int = 1) -> dict[str, dict[str, list[Any]]]:
    """The good lines by measurement and column; times as whole numbers."""
    content = text if isinstance(text, bytes) else text.encode()
    found = {}
    for table in read_lines(content, unit, NOW).tables:
        columns = {}
        for column in table.columns:
            values = column.values
            values.validate(full=True)
            is_time = column.name == "greptime_timestamp"
            columns[column.name] = (values.cast("int64") if is_time else values).to_pylist()
        found[table.name] = columns
    return found


def test_every_type_of_field() -> None:
    found = rows('m f=1.5,e=-2E+3,i=-7i,u=8u,s="x y",b=true,d=.5,p=2. 9')
    assert found == {
        "m": {
            "f": [1.5], "e": [-2000.0], "i": [-7], "u": [8], "s": ["x y"], "b": [True],
            "d": [0.5], "p": [2.0], "greptime_timestamp": [9],
        }
    }  # fmt: skip


def test_limits_of_integers() -> None:
    found = rows(f"m a={2**63 - 1}i,b=-{2**63}i,c={2**64 - 1}u,d=000000000000000000000000001i")
    assert [found["m"][name] for name in "abcd"] == [[2**63 - 1], [-(2**63)], [2**64 - 1], [1]]
    for text in (f"m a={2**63}i", f"m a=-{2**63 + 1}i", f"m a={2**64}u", f"m a={10**30}u"):
        assert "does not fit 64 bits" in read_lines(text.encode(), 1, NOW).errors[0].why


@pytest.mark.parametrize("word", ["t", "T", "true", "True", "TRUE"])
def test_words_of_booleans(word: str) -> None:
    assert rows(f"m b={word}")["m"]["b"] == [True]
    opposite = {"t": "f", "T": "F", "true": "false", "True": "False", "TRUE": "FALSE"}[word]
    assert rows(f"m b={opposite} 1")["m"]["b"] == [False]


def test_escapes_and_quotes() -> None:
    found = rows('my\\ m\\,x=y,t\\=\\ k=v\\,\\ \\=\\w f\\,1=1,s="a\\"b\\\\c\\n, = d" 5')
    assert found == {
        "my m,x=y": {
            "t= k": ["v, =\\w"], "f,1": [1.0], "s": ['a"b\\c\\n, = d'],
            "greptime_timestamp": [5],
        }
    }  # fmt: skip


def test_lines_end_and_times_are_scaled() -> None:
    found = rows("m f=1 1\r\n# c f=1 2\n\n  m f=2  -3 \n\r\nm f=3", 1_000)
    assert found["m"] == {"f": [1.0, 2.0, 3.0], "greptime_timestamp": [1_000, -3_000, NOW]}
    assert rows('m s="a\nb" 1\nm s="" 2')["m"]["s"] == ["a\nb", ""]


def test_the_unit_may_be_guessed() -> None:
    times = rows("m f=1 1700000000\nm f=1 1700000000123\nm f=1 1700000000123456", 0)["m"]
    assert times["greptime_timestamp"] == [
        1700000000_000000000, 1700000000_123000000, 1700000000_123456000,
    ]  # fmt: skip


def test_absent_values_are_null_and_measurements_are_apart() -> None:
    found = rows("a,t=1 x=1 1\nb x=1i 2\na,u=2 y=2 3\na,t=4 x=3 4")
    assert found["a"] == {
        "t": ["1", None, "4"], "u": [None, "2", None], "x": [1.0, None, 3.0],
        "y": [None, 2.0, None], "greptime_timestamp": [1, 3, 4],
    }  # fmt: skip
    assert found["b"] == {"x": [1], "greptime_timestamp": [2]}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (",a=b f=1", "missing measurement"),
        ("m", "missing fields"),
        ("m,a=b", "missing fields"),
        ("m,=b f=1", "missing tag key"),
        ("m,a f=1", 'missing value of tag "a"'),
        ("m,a= f=1", 'missing value of tag "a"'),
        ("m,a=b=c f=1", "equals sign"),
        ("m =1", "missing field key"),
        ("m f", 'missing value of field "f"'),
        ("m f=", 'missing value of field "f"'),
        ("m f=1,", "missing field key"),
        ("m f=x", "neither true nor false"),
        ("m f=nan", "neither true nor false"),
        ("m f=1.2.3", "neither a number"),
        ("m f=1e", "neither a number"),
        ("m f=1.5i", "neither a number"),
        ("m f=-1u", "neither a number"),
        ("m f=+1", "neither a number"),
        ("m f=-", "neither a number"),
        ('m f="x', "no closing quote"),
        ('m f="x"y', "neither a number"),
        ("m f=1 x", "not a whole number"),
        ("m f=1 1.5", "not a whole number"),
        ("m f=1 1 2", "not a whole number"),
        (f"m f=1 {10**19}", "1677 to 2262"),
        ("m f=1,f=2", "given twice"),
        ("m,f=x f=2", "given twice"),
        ("m g=1i", "field type conflict"),
        ("m,g=1 f=2", "field type conflict"),
    ],
)
def test_a_bad_line_is_named_and_leaves_nothing(line: str, why: str) -> None:
    found = read_lines(f"m g=1 1\n{line}\nm g=3 3".encode(), 1, NOW)
    assert found.errors[0].line == 2
    assert why in found.errors[0].why
    if "quote" not in why:
        assert len(found.errors) == 1
        assert found.errors[0].text == line
    assert [c.name for c in found.tables[0].columns] == ["g", "greptime_timestamp"]
    assert found.tables[0].rows == 2


def test_a_bad_line_ends_where_its_texts_end() -> None:
    found = read_lines(b'm s="a\nb=1,c=2 ",f=x\nm f=1 1\nm f="\nm f=2 2', 1, NOW)
    assert [error.line for error in found.errors] == [1, 4]
    assert found.tables[0].columns[0].values.to_pylist() == [1.0, 2.0]


def test_bytes_that_are_no_text_are_refused() -> None:
    for content in (b"m f=1\nm,a=\xff f=1", b"m f=1\nm,a=\0 f=1"):
        with pytest.raises(DbError, match="line 2") as caught:
            read_lines(content, 1, NOW)
        assert caught.value.kind is ErrorKind.INVALID_ENCODING


def test_a_float_beyond_all_floats_names_its_line() -> None:
    with pytest.raises(DbError) as caught:
        read_lines(b"m f=1\n\nm f=1e999", 1, NOW)
    assert caught.value.kind is ErrorKind.OUT_OF_RANGE
    assert 'line 3, column "f"' in (caught.value.detail or "")


def test_many_lines_come_back_as_they_were_written() -> None:
    chance = random.Random(7)
    expected: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    lines = []
    for time in range(2_000):
        name = f"m{chance.randrange(20)}"
        tags = {f"t{k}": f"v{chance.randrange(9)}" for k in range(5) if chance.random() < 0.6}
        fields: dict[str, Any] = {f"f{k}": chance.uniform(-9, 9) for k in range(4)}
        fields = {k: v for k, v in fields.items() if chance.random() < 0.7} or {"i": time}
        shown = [f"{k}={v}i" if k == "i" else f"{k}={v!r}" for k, v in fields.items()]
        head = ",".join([name, *(f"{k}={v}" for k, v in tags.items())])
        lines.append(f"{head} {','.join(shown)} {time}")
        expected.setdefault(name, []).append((time, tags | fields))
    found = rows("\n".join(lines))
    assert set(found) == set(expected)
    for name, columns in found.items():
        times = columns.pop("greptime_timestamp")
        back = [
            (time, {key: values[row] for key, values in columns.items() if values[row] is not None})
            for row, time in enumerate(times)
        ]
        assert back == expected[name]


def test_mutated_lines_never_break_the_reader() -> None:
    chance = random.Random(11)
    seeds = [
        b'cpu,host=a\\ b,dc=x usage=1.5,n=3i,u=7u,s="q \\"x\\" \\\\ y\nz",ok=true 10\n',
        b"m f=1 1\r\n# c\nm f=2e5,g=t -5\n",
    ]
    alphabet = b', =\\"\n\r#-+.eiutTfF0123456789\xc3\xa9ab'
    for _ in range(2_000):
        text = bytearray(chance.choice(seeds) * chance.randint(1, 2))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(text))
            text[at : at + chance.randint(0, 2)] = bytes(chance.choices(alphabet, k=1))
        try:
            found = read_lines(bytes(text), chance.choice([0, 1, 10**9]), NOW)
        except DbError as error:
            if error.kind not in (ErrorKind.INVALID_ENCODING, ErrorKind.OUT_OF_RANGE):
                raise
            continue
        for table in found.tables:
            for column in table.columns:
                column.values.validate(full=True)
                assert len(column.values) == table.rows
