"""`gnomon backup` and `gnomon restore`: arguments in, one line of outcome out.

Registered by commands.py. Exit codes: 0 done, 1 failed (nothing of the result exists then).
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

from engine.errors import DbError
from server.backup.archive import Contents
from server.config import Address, ConfigError

PASSWORD_VARIABLE = "GNOMON_PASSWORD"


def add_backup_arguments(command: argparse.ArgumentParser) -> None:
    """The grammar of `gnomon backup`."""
    command.add_argument(
        "--from",
        dest="source",
        default="127.0.0.1:4000",
        metavar="HOST:PORT",
        help="HTTP address of the running server (default: 127.0.0.1:4000)",
    )
    command.add_argument(
        "--to",
        dest="target",
        type=Path,
        required=True,
        metavar="FILE.tar|DIR",
        help="what to make: a tar file if the name ends in .tar, else a folder",
    )
    command.add_argument(
        "--user",
        metavar="NAME",
        help=f"a user with all rights; the password is taken from {PASSWORD_VARIABLE} or asked for",
    )


def backup(chosen: argparse.Namespace) -> int:
    """Backs up a running server."""
    from server.backup.fetch import fetch

    address = _address(chosen.source)
    login = None if chosen.user is None else (chosen.user, _password())
    return _told(lambda: fetch(address, login, chosen.target), f"backed up to {chosen.target}")


def add_restore_arguments(command: argparse.ArgumentParser) -> None:
    """The grammar of `gnomon restore`."""
    command.add_argument("backup", type=Path, metavar="BACKUP", help="a tar file or a folder")
    command.add_argument(
        "directory", type=Path, metavar="DIR", help="the data directory to make; it must not exist"
    )


def restore(chosen: argparse.Namespace) -> int:
    """Makes a data directory from a backup."""
    from server.backup import unpack

    return _told(
        lambda: unpack.restore(chosen.backup, chosen.directory), f"restored to {chosen.directory}"
    )


def _told(work: Callable[[], Contents], done: str) -> int:
    started = perf_counter()
    try:
        contents = work()
    except DbError as error:
        sys.stderr.write(f"gnomon: {explained(error)}\n")
        return 1
    sys.stdout.write(
        f"{done}: {len(contents.files)} files, {contents.size} bytes, all checksums verified, "
        f"{perf_counter() - started:.1f} s\n"
    )
    return 0


def explained(error: DbError) -> str:
    """An error with its detail and hint in one line."""
    return "; ".join(part for part in (error.message, error.detail, error.hint) if part)


def _address(text: str) -> Address:
    try:
        parts = urlsplit(f"//{text}")
        if parts.hostname and parts.port and parts.netloc == text:
            return Address(parts.hostname, parts.port)
    except ValueError:
        pass  # the answer is the same for all that is none
    raise ConfigError(f"--from: expected HOST:PORT, got {text!r}")


def _password() -> str:
    found = os.environ.get(PASSWORD_VARIABLE)
    if found is not None:
        return found
    return (
        getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    )
