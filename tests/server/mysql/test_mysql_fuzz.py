"""Whatever bytes a client sends, the readers answer with values or with DbError."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import fuzz_mysql
from engine.errors import DbError, ErrorKind

NAMES = [target.__name__ for target, _ in fuzz_mysql.TARGETS]


@pytest.mark.parametrize("target", fuzz_mysql.TARGETS, ids=NAMES)
def test_valid_seeds_are_understood(
    target: tuple[fuzz_mysql.Target, list[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The seeds reach deep: most of them are well formed."""
    check, seeds = target
    malformed = 0
    for seed in seeds:
        try:
            check(seed, random.Random(1))
        except DbError as error:
            malformed += error.kind is ErrorKind.PROTOCOL
    # Parameters are every type joined with values of several: many do not fit.
    allowed = 0 if check in (fuzz_mysql.fuzz_login, fuzz_mysql.fuzz_frames) else 0.7 * len(seeds)
    assert malformed <= allowed
    assert capsys.readouterr().out == ""


def test_mutated_conversations_never_break_a_reader() -> None:
    assert fuzz_mysql.run(20_000, seed=2) == (20_000, 0)


@pytest.mark.slow
def test_many_mutated_conversations_never_break_a_reader() -> None:
    assert fuzz_mysql.run(400_000, seed=3) == (400_000, 0)


@pytest.mark.parametrize("target", fuzz_mysql.TARGETS, ids=NAMES)
def test_arbitrary_bytes_never_break_a_reader(
    target: tuple[fuzz_mysql.Target, list[bytes]],
) -> None:
    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=200), st.integers(0, 1 << 30))
    def check(data: bytes, seed: int) -> None:
        with contextlib.suppress(DbError):
            target[0](data, random.Random(seed))

    check()


def test_the_fuzzer_notices_a_broken_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes, rng: random.Random) -> None:
        del rng
        if len(data) % 7 == 3:
            raise KeyError(len(data))

    monkeypatch.setattr(fuzz_mysql, "TARGETS", [(broken, fuzz_mysql.COMMANDS)])
    done, failures = fuzz_mysql.run(500, seed=4)
    assert done == 500
    assert failures > 0
