"""Runs the real command-line clients, psql and mysql, and keeps what they print.

Called by the other modules of the demo. It never speaks a wire protocol itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass

DATABASE = "gnomon_demo"


class ClientError(Exception):
    """A client is missing, or said that a statement failed."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the server listens: (host, port) per wire."""

    postgres: tuple[str, int]
    mysql: tuple[str, int]


def psql(to: Addresses, *commands: str, database: str = DATABASE) -> str:
    """What psql prints for these commands. Raises: ClientError."""
    host, port = to.postgres
    line = [_find("psql"), "-X", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", str(port)]
    line += ["-U", "gnomon", "-d", database, "-P", "pager=off"]
    for command in commands:
        line += ["-c", command]
    return _run(line)


def mysql(to: Addresses, sql: str, database: str = DATABASE) -> str:
    """What the mysql (or mariadb) client prints for this SQL. Raises: ClientError."""
    host, port = to.mysql
    line = [_find("mariadb", "mysql"), "--no-defaults", "--protocol=tcp", "-h", host]
    line += ["-P", str(port), "-u", "gnomon", "--table", "-D", database, "-e", sql]
    return _run(line)


def _find(*names: str) -> str:
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    raise ClientError(f"none of these programs is installed: {', '.join(names)}")


def _run(line: list[str]) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "MYSQL"))}
    done = subprocess.run(
        line,
        env=clean | {"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode != 0:
        raise ClientError(f"{line[0]} said: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
