"""Feeds broken input to every reader of sql/decode: it must end in rows or in a DbError.

Run by a slow test, or by hand for longer: `python tests/fuzz_decode.py 1000000 [seed]`. An input
that ends otherwise is raised with the input in its note, so that it can become a test.
"""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

import pyarrow as pa

from catalog.records import Column
from engine import datatypes as dt
from engine.datatypes import DataType
from engine.errors import DbError
from sql.decode.copy import CopyReader
from sql.decode.text import column_from_text
from sql.decode.values import match_insert, read_values, to_table
from sql.results import CopyFormat, CopyOptions
from sql.session import Wire

TYPES: list[DataType] = [
    dt.BOOLEAN, dt.INT8, dt.INT64, dt.UINT32, dt.UINT64, dt.FLOAT32, dt.FLOAT64, dt.decimal(9, 3),
    dt.decimal(38, 0), dt.STRING, dt.BINARY, dt.JSON, dt.UUID, dt.DATE, dt.TIME, dt.INTERVAL,
    dt.TIMESTAMP_SECOND, dt.TIMESTAMP_NANOSECOND, dt.TIMESTAMP_TZ, dt.list_of(dt.INT32),
    dt.list_of(dt.list_of(dt.STRING)),
]  # fmt: skip
ZONES = ["UTC", "+05:30", "Europe/Berlin"]
WORDS = [
    "NULL", "true", "FALSE", "t", "0", "-1", "+7", "1.5", "-2.5e3", "1e400", "9223372036854775808",
    "0x1f", "1_000", "NaN", "-Infinity", "2024-02-29", "2024-01-01 00:00:00.123456789",
    "2024-01-01T00:00:00+08:00", "9999-12-31 24:00:00", "2024-03-31 02:30:00", "now", "12:34:56.7",
    "1 year 2 mons -3 days 04:05:06", "P1Y2M3DT4H", "3y2mon4h ago", "{1,NULL,3}", '{{a,"b"},{c,d}}',
    '{"a": [1, 2.5e3, true, null, "\\u00e9"]}', "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "\\xdeadbeef", "\\001\\\\", "é€𝄞", "it''s", "\\N", "\\.", "", " ", "x" * 40,
]  # fmt: skip
MARKS = [*"'\"`,;()\\.\n\r\t:-+{}[]eE0159 \0\x7f", "é", "''", '""', "\\x", "\r\n", "\\.\n"]


def text_of(rng: random.Random) -> str:
    """A word, often with a few characters changed."""
    word = rng.choice(WORDS)
    for _ in range(rng.choice([0, 0, 1, 1, 2, 5])):
        at = rng.randint(0, len(word))
        word = word[:at] + rng.choice(["", *MARKS]) + word[at + rng.randint(0, 2) :]
    return word


def columns_of(rng: random.Random) -> list[Column]:
    return [Column(f"c{i}", rng.choice(TYPES)) for i in range(rng.randint(1, 4))]


def mutated(rng: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut out or put in."""
    changed = bytearray(data)
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        at = rng.randint(0, len(changed))
        mark = rng.choice([rng.choice(MARKS).encode(), rng.randbytes(rng.randint(1, 4)), b""])
        changed[at : at + rng.randint(0, 3)] = mark
    return bytes(changed)


def fuzz_text(rng: random.Random) -> None:
    texts = [rng.choice([None, text_of(rng)]) for _ in range(rng.randint(1, 3))]
    type_ = rng.choice(TYPES)
    result = column_from_text(pa.array(texts, pa.string()), type_, rng.choice(ZONES), column="c")
    result.validate(full=True)
    assert len(result) == len(texts)
    assert result.null_count == texts.count(None)


def literal_of(rng: random.Random) -> str:
    word = text_of(rng)
    return word if rng.random() < 0.4 else "'" + word.replace("'", "''") + "'"


def fuzz_values(rng: random.Random) -> None:
    columns = columns_of(rng)
    wire = rng.choice(list(Wire))
    rows = [
        "(" + ", ".join(literal_of(rng) for _ in columns) + ")" for _ in range(rng.randint(1, 3))
    ]
    data = f"INSERT INTO t VALUES {','.join(rows)};".encode()
    text = mutated(rng, data).decode(errors="replace")
    head = match_insert(text, wire)
    literals = read_values(text, head.start if head else rng.randint(0, len(text)), wire)
    if literals is not None:
        table = to_table(literals, columns, rng.choice(ZONES))
        table.validate(full=True)
        assert table.num_rows == literals.count > 0


def read_copy(
    rng: random.Random, data: bytes, columns: list[Column], options: CopyOptions
) -> list[Any]:
    reader = CopyReader(columns, options, rng.choice(ZONES), table="t")
    size = rng.choice([1, 7, 1000])
    tables = [t for at in range(0, len(data), size) for t in reader.feed(data[at : at + size])]
    tables += reader.finish()
    for table in tables:
        table.validate(full=True)
    return tables


def fuzz_copy(rng: random.Random) -> None:
    columns = columns_of(rng)
    header = rng.random() < 0.2
    options = rng.choice([
        CopyOptions(header=header, match_header=header and rng.random() < 0.5),
        CopyOptions(delimiter="|", null="NULL"),
        CopyOptions(CopyFormat.CSV, ",", "", header=header),
        CopyOptions(CopyFormat.CSV, ";", "NULL", quote="'", escape="\\"),
        CopyOptions(CopyFormat.CSV, ",", "", force_null=frozenset({"*"})),
    ])  # fmt: skip
    lines = [
        options.delimiter.join(text_of(rng) for _ in columns) for _ in range(rng.randint(1, 4))
    ]
    data = rng.choice(["\n", "\r\n", "\r"]).join([*lines, ""]).encode()
    read_copy(rng, mutated(rng, data), columns, options)


SIZES = {dt.INT8: 2, dt.BOOLEAN: 1, dt.DATE: 4, dt.FLOAT32: 4, dt.UUID: 16, dt.INTERVAL: 16}


def binary_of(rng: random.Random, type_: DataType) -> bytes:
    """Bytes that have a fair chance to be a value of the type."""
    if type_ in (dt.STRING, dt.JSON, dt.BINARY):
        return text_of(rng).encode()
    if type_.id is dt.TypeId.LIST:
        sizes = [rng.randint(-1, 3) for _ in range(rng.randint(0, 3))]
        parts = [struct.pack(">iii", len(sizes), 0, 23)]
        parts += [struct.pack(">ii", size, 1) for size in sizes]
        parts += [struct.pack(">ii", 4, rng.randint(-9, 9)) for _ in range(rng.randint(0, 4))]
        return b"".join(parts)
    if type_.id is dt.TypeId.DECIMAL or type_ is dt.UINT64:
        groups = [rng.randint(0, 9999) for _ in range(rng.randint(0, 6))]
        sign = rng.choice([0, 0, 0x4000, 0xC000])
        head = struct.pack(">hhHh", len(groups), rng.randint(-9, 9), sign, rng.randint(0, 9))
        return head + struct.pack(f">{len(groups)}h", *groups)
    small = rng.choice([b"", b"\xff", bytes(2)])
    return small.rjust(SIZES.get(type_, 8), small[:1] or b"\0") or rng.randbytes(8)


def fuzz_binary(rng: random.Random) -> None:
    columns = columns_of(rng)
    parts = [b"PGCOPY\n\xff\r\n\0" + bytes(8)]
    for _ in range(rng.randint(0, 3)):
        parts.append(struct.pack(">h", len(columns)))
        for column in columns:
            value = b"" if rng.random() < 0.2 else binary_of(rng, column.type)
            parts.append(struct.pack(">i", len(value) if value else -1) + value)
    data = b"".join(parts) + rng.choice([b"", b"\xff\xff"])
    if rng.random() < 0.7:
        data = data[:19] + mutated(rng, data[19:])
    read_copy(rng, data, columns, CopyOptions(CopyFormat.BINARY))


TARGETS: list[Callable[[random.Random], None]] = [fuzz_text, fuzz_values, fuzz_copy, fuzz_binary]


def fuzz(inputs: int, seed: int) -> tuple[int, int]:
    """Tries so many inputs. Returns: how many gave rows, how many a DbError."""
    good, bad = 0, 0
    for number in range(inputs):
        target = TARGETS[number % len(TARGETS)]
        rng = random.Random(f"{seed}-{number}")
        try:
            target(rng)
            good += 1
        except DbError as error:
            assert error.message  # noqa: PT017 (no test: it counts)
            bad += 1
        except BaseException as error:
            error.add_note(f"{target.__name__}(random.Random('{seed}-{number}'))")
            raise
    return good, bad


if __name__ == "__main__":
    print(fuzz(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
