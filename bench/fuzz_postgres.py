"""Fuzzes what a PostgreSQL client can reach: the reader, the conversation, parameters, SCRAM.

    python -m bench.fuzz_postgres [--inputs 1000000] [--seed 1]

Every input is a mutated session. It must end in messages, replies or DbError; any other exception
stops the run and prints the input. One seed gives one run.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

import pyarrow as pa

from engine import datatypes as dt
from engine.datatypes import DataType
from engine.errors import DbError
from server.auth import scram
from server.postgres.conversation import Conversation
from server.postgres.protocol import FrontendReader
from server.postgres.types import oids
from server.postgres.types.parameters import decode_parameters
from sql.results import Affected, CopyIn, CopyOptions, Description, Notice, ResultColumn, Rows
from sql.session import Statement, TransactionStatus

PROGRESS_SECONDS = 5.0


class FuzzStatement:
    """A statement that wants as many parameters as its text has dollars."""

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def parameter_count(self) -> int:
        return self.text.count("$")

    @property
    def is_empty(self) -> bool:
        return not self.text.strip()


class FuzzSink:
    """Takes COPY data and forgets it."""

    columns = (ResultColumn("a", dt.INT32),)
    options = CopyOptions()

    def feed(self, data: bytes) -> None:
        pass

    def finish(self) -> int:
        return 0

    def abort(self) -> None:
        pass


class FuzzSession:
    """Answers every statement at once: rows, a count, or COPY."""

    id = 1
    timezone = "UTC"
    transaction_status = TransactionStatus.IDLE
    batch = pa.record_batch([pa.array([1, None], pa.int32()), pa.array(["x", "y"])], ["a", "b"])
    columns = (ResultColumn("a", dt.INT32), ResultColumn("b", dt.STRING))

    def is_instant(self, text: str) -> bool:
        return not text

    def parse(self, text: str) -> list[Statement]:
        return [FuzzStatement(part) for part in text.split(";")]

    def describe(
        self, statement: Statement, parameter_types: Sequence[DataType | None] = ()
    ) -> Description:
        del parameter_types
        return Description((dt.INT32,) * statement.parameter_count, self.columns)

    def execute(self, statement: Statement, parameters: Sequence[object] = ()) -> object:
        del parameters
        if statement.text.startswith("COPY"):
            return CopyIn(FuzzSink())
        if statement.text.startswith("I"):
            return Affected("INSERT", 1)
        return Rows(self.columns, iter([self.batch]))

    def take_notices(self) -> list[Notice]:
        return []

    def take_reports(self) -> dict[str, str]:
        return {}


def framed(code: bytes, body: bytes = b"") -> bytes:
    return code + struct.pack("!i", len(body) + 4) + body


_NAMES = b"user\0me\0database\0public\0\0"
STARTUP = struct.pack("!ii", len(_NAMES) + 8, 196608) + _NAMES
SEEDS = [
    framed(b"Q", b"SELECT 1; INSERT\0"),
    framed(b"P", b"s\0SELECT $1\0\0\1\0\0\0\x17"),
    framed(b"B", b"p\0s\0\0\1\0\1\0\1\0\0\0\4\0\0\0\7\0\2\0\1\0\0"),
    framed(b"D", b"Ss\0"),
    framed(b"D", b"Pp\0"),
    framed(b"E", b"p\0\0\0\0\1"),
    framed(b"E", b"p\0\0\0\0\0"),
    framed(b"C", b"Pp\0"),
    framed(b"C", b"Ss\0"),
    framed(b"H"),
    framed(b"S"),
    framed(b"Q", b"COPY t FROM STDIN;SELECT\0"),
    framed(b"d", b"1\t2\n"),
    framed(b"c"),
    framed(b"f", b"why\0"),
    framed(b"F", b"\0\0\0\1"),
]
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
FINAL = b"c=biws,r=rOprNGfwEbeRWgbNEkqOabc,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
TYPES = sorted([*oids.ELEMENTS, *oids.ARRAYS, oids.JSONB, oids.OID, 0, 999])
VALUES = [
    b"1",
    b"{1,NULL,{2}}",
    b'{"a\\"b",c}',
    b"2024-01-01 00:00:00+02",
    b"1 day -02:03:04.5",
    b"\\xdeadbeef",
    struct.pack("!q", 12345),
    struct.pack("!hhHHh", 1, 1, 0x4000, 2, 9999),
    struct.pack("!iiIiiii", 1, 0, 23, 1, 1, 4, 7),
    struct.pack("!qii", 1, 2, 3),
]


def mutate(dice: random.Random, data: bytes) -> bytes:
    """A few bytes changed, dropped, doubled or added."""
    out = bytearray(data)
    for _ in range(dice.choice((0, 1, 1, 2, 4))):
        if not out:
            break
        at = dice.randrange(len(out))
        match dice.randrange(5):
            case 0:
                out[at] = dice.randrange(256)
            case 1:
                out[at] = dice.choice(b"\0\1\4\x7f\x80\xff")
            case 2:
                del out[at : at + dice.randrange(1, 5)]
            case 3:
                out[at:at] = dice.randbytes(dice.randrange(1, 5))
            case _:
                out[at:at] = out[at : at + dice.randrange(1, 9)]
    return bytes(out)


def fuzz_reader(dice: random.Random) -> bytes:
    """Any stream, before or after the login, through the reader alone."""
    data = mutate(dice, STARTUP + b"".join(dice.choices(SEEDS, k=dice.randrange(6))))
    reader = FrontendReader()
    reader.authenticated = dice.random() < 0.8
    cut = dice.randrange(len(data) + 1)
    for piece in (data[:cut], data[cut:]):
        reader.feed(piece)
        while reader.next_event() is not None:
            pass
    return data


def fuzz_conversation(dice: random.Random) -> bytes:
    """Messages in any order, sound or not, through reader and conversation."""
    messages = [
        mutate(dice, seed) if dice.random() < 0.3 else seed
        for seed in dice.choices(SEEDS, k=dice.randrange(1, 12))
    ]
    data = b"".join(messages)
    reader = FrontendReader()
    reader.feed(STARTUP)
    reader.next_event()
    reader.authenticated = True
    reader.feed(data)
    conversation = Conversation(FuzzSession())  # type: ignore[arg-type]
    try:
        while (event := reader.next_event()) is not None:
            if type(event).__name__ == "Terminate":
                break
            for piece in conversation.handle(event):
                if b"CXX000\0" in bytes(piece):
                    raise AssertionError("an internal error reached the client")
    finally:
        conversation.close()
    return data


def fuzz_parameters(dice: random.Random) -> bytes:
    """Any bytes as any type, text and binary."""
    data = mutate(dice, dice.choice(VALUES))
    decode_parameters([data], [dice.randrange(2)], [dice.choice(TYPES)])
    return data


def fuzz_scram(dice: random.Random) -> bytes:
    """Any client messages."""
    running = scram.exchange(VERIFIER, mutate(dice, FIRST), "abc")
    next(running)
    with contextlib.suppress(StopIteration):  # the proof is wrong
        running.send(mutate(dice, FINAL))
    return b""


VERIFIER = scram.mock_verifier("user")
TARGETS: tuple[Callable[[random.Random], bytes], ...] = (
    fuzz_reader,
    fuzz_reader,
    fuzz_conversation,
    fuzz_parameters,
    fuzz_parameters,
    fuzz_scram,
)


def run(inputs: int, seed: int) -> None:
    """Raises: whatever a target let through."""
    started = shown = time.monotonic()
    refused: Counter[str] = Counter()
    for number in range(inputs):
        dice = random.Random(seed * 1_000_003 + number)
        target = TARGETS[number % len(TARGETS)]
        try:
            target(dice)
        except DbError:
            refused[target.__name__] += 1
        except BaseException:
            print(f"input {number} of seed {seed} broke {target.__name__}", file=sys.stderr)
            raise
        if number % 1024 == 0 and time.monotonic() - shown > PROGRESS_SECONDS:
            shown = time.monotonic()
            print(f"{number:,} inputs, {number / (shown - started):,.0f}/s", flush=True)
    seconds = time.monotonic() - started
    print(f"{inputs:,} inputs in {seconds:.0f} s, none broke anything; refused: {dict(refused)}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--inputs", type=int, default=1_000_000)
    arguments.add_argument("--seed", type=int, default=1)
    chosen = arguments.parse_args()
    run(chosen.inputs, chosen.seed)


if __name__ == "__main__":
    main()
