"""Fuzzes everything that reads bytes from a MySQL client: frames, logins, commands, parameters.

    python bench/fuzz_mysql.py [--inputs 1000000] [--seed 1] [--seconds 0]

Inputs are mutations of valid conversations. Whatever comes in, the readers must answer with values
or with DbError; any other exception is printed with the input that caused it, and the exit code
is 1. The same seed gives the same inputs.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable
from time import perf_counter

from engine.datatypes import STRING
from engine.errors import DbError
from server.auth.api import OpenDoor, UserRecord, Users
from server.auth.caching_sha2 import Secrets
from server.auth.steps import Say
from server.mysql.constants import OFFERED, Capability
from server.mysql.handshake import Terms, change_user, login
from server.mysql.packets import Framer
from server.mysql.prepared import Prepared, decode_parameters
from server.mysql.protocol import Execute, SendLongData, parse_command
from sql import verifiers
from sql.results import Description

SALT = b"abcdefghijklmnopqrst"
SECRETS = Secrets()


class _Known:
    """Users whose checks take the fast and the full path."""

    required = True
    _records = {
        "ann": UserRecord(
            "ann",
            mysql_native=verifiers.mysql_native("x"),
            caching_sha2=verifiers.caching_sha2("x"),
        ),
        "scr": UserRecord("scr", scram=verifiers.scram_verifier("x", b"salt", iterations=1)),
    }

    def lookup(self, name: str) -> UserRecord | None:
        """The user of that name."""
        return self._records.get(name)


class _Statement:
    """A statement with three placeholders."""

    text = "select ?, ?, ?"
    parameter_count = 3
    is_empty = False


def _prepared() -> Prepared:
    return Prepared(1, _Statement(), Description((STRING,) * 3, None))


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def _response(user: bytes, flags: Capability, plugin: bytes) -> bytes:
    return b"".join(
        (
            _u32(int(flags)),
            _u32(1 << 24),
            b"\x2d",
            bytes(23),
            user + b"\0",
            b"\x14" + SALT,
            b"public\0",
            plugin + b"\0",
            b"\x0a\x04_pid\x04abcd",
        )
    )


_FLAGS = OFFERED | Capability.CONNECT_WITH_DB
RESPONSES = [
    _response(user, _FLAGS, plugin)
    for user in (b"ann", b"scr", b"nobody")
    for plugin in (b"mysql_native_password", b"caching_sha2_password", b"other")
]
CHANGES = [
    b"ann\0\x14" + SALT + b"public\0\x2d\0mysql_native_password\0\x0a\x04_pid\x04abcd",
    b"scr\0\0\0",
]
_TYPES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 246, 247, 252, 253, 254, 245)
_MOMENT = b"\x0b\xe8\x07\x02\x1d\x0c\x1e\x0f\x40\xe2\x01\x00"
PARAMETERS = [
    b"\0\x01" + bytes((code, sign)) + bytes((3, 0, 253, 0)) + value + b"\1\0\0\0" + b"\x02hi"
    for code in _TYPES
    for sign in (0, 0x80)
    for value in (
        b"\x08" + bytes(8),
        _MOMENT,
        b"\x0c\x01" + bytes(11),
        b"\x0512.50",
        b"\xfc\x02\0ab",
    )
]
COMMANDS = [
    b"\x01",
    b"\x02public",
    b"\x03select 1",
    b"\x04table\0a%",
    b"\x09",
    b"\x0a",
    b"\x0c\x01\0\0\0",
    b"\x0e",
    b"\x11" + CHANGES[0],
    b"\x16select ?",
    *(b"\x17\x01\0\0\0\x01\x01\0\0\0" + body for body in PARAMETERS),
    b"\x18\x01\0\0\0\x02\0piece",
    b"\x19\x01\0\0\0",
    b"\x1a\x01\0\0\0",
    b"\x1b\0\0",
    b"\x1c\x01\0\0\0\x0a\0\0\0",
    b"\x1f",
]


def fuzz_frames(data: bytes, rng: random.Random) -> None:
    """A stream cut at random places; what is read must not depend on the cuts."""
    whole = _read_frames([data])
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(3)) if data else []
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    if _read_frames(pieces) != whole:
        raise AssertionError("the cuts changed what was read")


def _read_frames(pieces: list[bytes]) -> list[bytes | str]:
    framer = Framer(4096)
    seen: list[bytes | str] = []
    for piece in pieces:
        framer.receive(piece)
        try:
            while (payload := framer.next_payload()) is not None:
                seen.append(payload)
        except DbError as error:
            return [*seen, error.kind.name]
    return seen


def fuzz_login(data: bytes, rng: random.Random) -> None:
    """A login answered with the data first and with junk afterwards."""
    users: Users = _Known() if rng.random() < 0.7 else OpenDoor()
    exchange = login(Terms(1, SALT, users, SECRETS, "1.2.3.4:5"))
    next(exchange)
    answer = data
    try:
        while True:
            step = exchange.send(answer)
            answer = b"" if isinstance(step, Say) else rng.choice((b"", b"\x02", data, b"x\0"))
    except StopIteration:
        return


def fuzz_change_user(data: bytes, rng: random.Random) -> None:
    """A change of user."""
    flags = rng.choice((OFFERED, OFFERED & ~Capability.PLUGIN_AUTH, Capability.PROTOCOL_41))
    terms = Terms(1, SALT, OpenDoor(), SECRETS, "1.2.3.4:5")
    try:
        next(change_user(terms, data, flags, secure=False))
    except StopIteration:
        return


def fuzz_command(data: bytes, rng: random.Random) -> None:
    """A command, and the parameters in it."""
    del rng
    command = parse_command(data)
    prepared = _prepared()
    if isinstance(command, SendLongData):
        prepared.add_long_data(command.parameter, command.data)
    elif isinstance(command, Execute):
        decode_parameters(prepared, command.parameters)


def fuzz_parameters(data: bytes, rng: random.Random) -> None:
    """The parameters of an execution, some of them sent as long data."""
    prepared = _prepared()
    if rng.random() < 0.2:
        prepared.add_long_data(rng.randrange(4), data[:5])
    decode_parameters(prepared, data)
    decode_parameters(prepared, data[:1] + b"\0" + data[8:])


Target = Callable[[bytes, random.Random], None]
_FRAMES = [Framer(1 << 20).frame(*COMMANDS[:9]), Framer(1 << 20).frame(bytes(5000), b"a")]
TARGETS: list[tuple[Target, list[bytes]]] = [
    (fuzz_frames, _FRAMES),
    (fuzz_login, RESPONSES),
    (fuzz_change_user, CHANGES),
    (fuzz_command, COMMANDS),
    (fuzz_parameters, PARAMETERS),
]
_INTERESTING = (0, 1, 4, 7, 8, 11, 12, 127, 128, 250, 251, 252, 253, 254, 255)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """A copy with a few random changes; sometimes none."""
    changed = bytearray(data)
    for _ in range(rng.randrange(5)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(6):
            case 0 if at < len(changed):
                changed[at] = rng.choice(_INTERESTING)
            case 1 if at < len(changed):
                changed[at] ^= 1 << rng.randrange(8)
            case 2:
                changed[at:at] = rng.randbytes(rng.randrange(4))
            case 3:
                del changed[at : at + rng.randrange(4)]
            case 4:
                del changed[at:]
            case _:
                changed += changed[at : at + 8]
    return bytes(changed)


def run(inputs: int, seed: int, seconds: float = 0.0) -> tuple[int, int]:
    """Tries that many inputs (or as many as fit the seconds); returns them and the failures."""
    rng = random.Random(seed)
    started = perf_counter()
    failures = done = 0
    while done < inputs and not (seconds and perf_counter() - started > seconds):
        target, seeds = TARGETS[done % len(TARGETS)]
        data = mutate(rng.choice(seeds), rng)
        done += 1
        try:
            target(data, rng)
        except DbError:
            pass  # what broken bytes are answered with
        except Exception as error:  # noqa: BLE001 that is what is looked for
            failures += 1
            print(f"{target.__name__}({data!r}): {error!r}")
    return done, failures


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.0)
    options = parser.parse_args()
    started = perf_counter()
    done, failures = run(options.inputs, options.seed, options.seconds)
    rate = done / (perf_counter() - started)
    print(f"{done} inputs, {failures} failures, {rate:,.0f} inputs/s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
