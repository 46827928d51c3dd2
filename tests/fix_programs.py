"""What tests run but do not bring: clients' programs, drivers, other databases' servers.

`make test` installs all of it. Where that was not done, tests that cannot go without are skipped,
each with a reason that says what is missing and how it comes here. Nothing else skips a test: a
program that is there and does not work is a failure.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from bench import peers


def path_of(*names: str) -> str | None:
    """The first of some programs that is there; they are names, or paths."""
    return next((found for name in names if (found := shutil.which(name))), None)


def needs(*things: str | Path, package: str) -> pytest.MarkDecorator:
    """Skips unless all of these programs and files are there. `package` has them."""
    absent = [str(thing) for thing in things if not _is_there(thing)]
    return lacking(", ".join(absent), package=package)


def lacking(absent: str, *, package: str) -> pytest.MarkDecorator:
    """Skips if anything is absent; "" stands for nothing."""
    return pytest.mark.skipif(bool(absent), reason=_reason(absent, package))


def _is_there(thing: str | Path) -> bool:
    return shutil.which(thing) is not None or Path(thing).exists()


def _reason(absent: str, package: str) -> str:
    return f"not installed: {absent}; `make test` installs {package}"


@pytest.fixture(scope="session")
def postgresql_peer() -> Iterator[peers.Server]:
    """A PostgreSQL server of the tests' own, to compare with."""
    yield from _started(peers.postgresql, "postgresql-15")


@pytest.fixture(scope="session")
def mariadb_peer() -> Iterator[peers.Server]:
    """A MariaDB server of the tests' own, to compare with."""
    yield from _started(peers.mariadb, "mariadb-server")


def _started(
    start: Callable[[], AbstractContextManager[peers.Server]], package: str
) -> Iterator[peers.Server]:
    try:
        with start() as server:
            yield server
    except peers.MissingPeerError as error:
        pytest.skip(_reason(str(error), package))
