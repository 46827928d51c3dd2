"""What `gnomon` can do: serve, config, warm, backup, restore, doctor, user hash-password, version.

Called by main.py. Reads arguments and settings; the work itself is done elsewhere, and whatever a
command does not need (the database, Numba) is imported only by the command that needs it.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from server import doctor, logs, maintenance
from server.auth import users
from server.config import OPTIONS, ConfigError, Configuration, load
from sql.settings import PRODUCT_VERSION

Command = Callable[[argparse.Namespace], int]
_FLAGGED = [option for option in OPTIONS if not option.kind.is_secret]


def run(arguments: Sequence[str]) -> int:
    """Parses and runs one command line. Usage errors exit with 2 (argparse)."""
    chosen = parser().parse_args(arguments)
    command: Command = chosen.command
    try:
        return command(chosen)
    except ConfigError as error:
        sys.stderr.write(f"gnomon: {error}\n")
        return 2


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="gnomon", description="A time-series database that speaks PostgreSQL and MySQL."
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _with_options(_add(commands, "serve", serve, "run the server"))
    _with_options(_add(commands, "config", config, "print the effective configuration"))
    _add(commands, "warm", warm, "compile the kernels into the on-disk cache")
    _add(commands, "version", version, "print the version")
    maintenance.add_backup_arguments(
        _add(commands, "backup", maintenance.backup, "back up a running server")
    )
    doctor.add_arguments(
        _add(commands, "doctor", doctor.doctor, "examine (and repair) a stopped data directory")
    )
    maintenance.add_restore_arguments(
        _add(commands, "restore", maintenance.restore, "make a data directory from a backup")
    )
    user = commands.add_parser("user", help="help with the users file")
    user_commands = user.add_subparsers(required=True, metavar="COMMAND")
    hashing = _add(
        user_commands,
        "hash-password",
        hash_password,
        "print users-file lines for a password, which is asked for or read from standard input",
    )
    hashing.add_argument("name", help="the user's name")
    hashing.add_argument("--mode", choices=("rw", "ro", "wo"), default="rw")
    return top


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Command,
    help_text: str,
) -> argparse.ArgumentParser:
    added = commands.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
    added.set_defaults(command=command)
    return added


def _with_options(command: argparse.ArgumentParser) -> None:
    """A flag per option; `--flag` alone means true for those that are true or false."""
    command.add_argument("--config", type=Path, metavar="FILE", help="TOML file of settings")
    for option in _FLAGGED:
        flag = command.add_argument(
            option.flag,
            dest=f"option_{option.name}",
            metavar=option.kind.metavar,
            help=f"{option.help} [{option.variable}]".replace("%", "%%"),
        )
        if option.kind.is_boolean:
            flag.nargs, flag.const = "?", "true"


def _configuration(chosen: argparse.Namespace) -> Configuration:
    """Raises: ConfigError."""
    flags = {option.name: getattr(chosen, f"option_{option.name}") for option in _FLAGGED}
    return load(flags, os.environ, chosen.config)


def serve(chosen: argparse.Namespace) -> int:
    """Runs a server until a signal ends it."""
    import logging

    configuration = _configuration(chosen)
    logs.setup(configuration.settings.log_format, configuration.settings.log_level)
    logger = logging.getLogger(__name__)
    for warning in configuration.warnings:
        logger.warning(warning)
    logger.info("starting")  # the first start on a machine compiles kernels: it may take a while

    import uvloop

    from server import app

    app.allow_many_files()
    return uvloop.run(app.serve(configuration))


def config(chosen: argparse.Namespace) -> int:
    """Prints the settings as TOML with the origin of each."""
    configuration = _configuration(chosen)
    sys.stdout.write(configuration.to_toml())
    for warning in configuration.warnings:
        sys.stderr.write(f"gnomon: {warning}\n")
    return 0


def warm(chosen: argparse.Namespace) -> int:
    """Compiles every kernel."""
    del chosen
    from server.warm import warm_together

    sys.stdout.write("compiling kernels for this processor: a minute or two the first time\n")
    sys.stdout.flush()
    sys.stdout.write(f"kernels ready after {warm_together():.1f} s\n")
    return 0


def version(chosen: argparse.Namespace) -> int:
    """Prints the version."""
    del chosen
    sys.stdout.write(f"gnomon {PRODUCT_VERSION}\n")
    return 0


def hash_password(chosen: argparse.Namespace) -> int:
    """Prints lines for the users file; the password itself is not in them."""
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            sys.stderr.write("gnomon: the passwords differ\n")
            return 1
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        sys.stderr.write("gnomon: the password is empty\n")
        return 1
    try:
        lines = users.lines(chosen.name, password, chosen.mode)
    except ValueError as error:
        sys.stderr.write(f"gnomon: {error}\n")
        return 2
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
