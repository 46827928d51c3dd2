"""What the options of an external table mean: which files, of what format, read how.

The options are those of CREATE EXTERNAL TABLE … WITH, kept as text with the table. Read by
sql/statements/external.py and, for every query, by sql/run/external.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import BinaryIO

from sqlglot import exp

from catalog.records import Column
from engine import datatypes
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from sql.dialect import nodes
from sql.files.options import FileOptions, file_options
from sql.files.places import LocalFiles, Source
from sql.files.remote import CONNECTION_WORDS, RemoteFiles, is_remote

_SECRETS = frozenset({"secret_access_key", "session_token", "account_key", "sas_token"})
_SECRETS |= {"credential", "access_key_id"}
_HIDDEN = "******"
_GLOB = re.compile(r"[*?]")


# The time index of files without one, as the peer makes it up.
TIME_INDEX = "greptime_timestamp"
MADE_UP = Column(
    TIME_INDEX,
    datatypes.TIMESTAMP_MILLISECOND,
    nullable=False,
    default="'1970-01-01 00:00:00+0000'",
    semantic=Semantic.TIMESTAMP,
)


def is_made_up(column: Column) -> bool:
    """True for a column that no file has."""
    return (column.name, column.default) == (MADE_UP.name, MADE_UP.default)


@dataclass(frozen=True, slots=True)
class ExternalFiles:
    """The files of one external table; `path` is a file, or a directory with its `/`."""

    path: str
    options: FileOptions
    connection: tuple[tuple[str, str], ...]

    def sources(self, files: LocalFiles) -> Sequence[Source]:
        """The files there are now, sorted by name.

        Raises: DbError UNDEFINED_FILE when there is none, ACCESS_DENIED below no copy_root.
        """
        spool: Callable[[], BinaryIO] = files.spool
        if is_remote(self.path):
            place = RemoteFiles.of(self.path, dict(self.connection), spool)
            return place.sources(self.path, self.options.pattern)
        return files.sources(self.path.removeprefix("file://"), self.options.pattern)


def external_files(options: Mapping[str, str]) -> ExternalFiles:
    """Reads a table's options.

    Raises: DbError INVALID_ARGUMENT, SYNTAX for an unknown one, UNSUPPORTED for one that the
    format does not have.
    """
    return _external_files(tuple(sorted(options.items())))


@lru_cache(maxsize=256)
def _external_files(given: tuple[tuple[str, str], ...]) -> ExternalFiles:
    options = dict(given)
    location = options.pop("location", "")
    if not location:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            "an external table needs the option LOCATION",
            hint="WITH (location = 'directory/', format = 'csv')",
        )
    connection = {key: options.pop(key) for key in list(options) if key in CONNECTION_WORDS}
    if connection and not is_remote(location):
        message = f"option {next(iter(connection)).upper()} is for object stores"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    path, pattern = _glob(location)
    if pattern is not None and "pattern" in options:
        message = "LOCATION with * and the option PATTERN do not go together"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    read = _file_options(options, path if pattern is None else location)
    if pattern is not None:
        read = replace(read, pattern=pattern)
    return ExternalFiles(path, read, tuple(sorted(connection.items())))


def _glob(location: str) -> tuple[str, str | None]:
    """A directory and the regular expression of names in it, for a location with `*`."""
    directory, slash, name = location.rpartition("/")
    if _GLOB.search(directory):
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f'only the last part of a location may have *: "{location}"',
        )
    if not _GLOB.search(name):
        return location, None
    parts = {"*": "[^/]*", "?": "[^/]"}
    pattern = "".join(parts.get(one) or re.escape(one) for one in re.split(r"([*?])", name) if one)
    return (directory or ".") + (slash or "/"), f"^{pattern}$"


def _file_options(options: Mapping[str, str], path: str) -> FileOptions:
    made = [nodes.Option(this=k, expression=exp.Literal.string(v)) for k, v in options.items()]
    try:
        return file_options(nodes.CopyStatement(into=True, assigned=True, options=made), path)
    except DbError as error:
        words = error.message.replace("COPY option", "option").replace("COPY ", "")
        raise DbError(error.kind, words, hint=error.hint) from error


def shown_options(options: Mapping[str, str]) -> dict[str, str]:
    """The options as anybody may see them: without secrets."""
    return {key: _HIDDEN if key in _SECRETS else text for key, text in options.items()}
