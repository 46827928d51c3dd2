"""Runs inputs through parsing, planning and, if asked, execution on a database of its own.

Whatever the text, it must end soon and in an answer or a `DbError` that is not an internal error.
"""

from __future__ import annotations

import contextlib
import faulthandler
import re
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import DbError, ErrorKind
from sql.client_session import ClientSession
from sql.database import Database, DatabaseOptions
from sql.decode import jit
from sql.results import CopyIn, CopyOut, Rows
from sql.session import ClientInfo, Wire
from tests.fuzz.inputs import seeds

TIMEOUT_MS = 500
SLOW_SECONDS = 5.0
HANG_SECONDS = 60  # then the process prints where it is, and ends
_CLIENT = ClientInfo("me", "public", "127.0.0.1:1")
_ROWS_MAX = 10_000
_SETUP = (
    "CREATE TABLE fz (host STRING PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX, v DOUBLE, n INT)",
    "INSERT INTO fz VALUES ('a', 1000, 1.5, 1), ('b', 2000, NULL, -2), ('a', 61000, 3, NULL)",
    "CREATE TABLE rel (id INT PRIMARY KEY, s TEXT)",
    "INSERT INTO rel VALUES (1, 'x'), (2, NULL)",
)
# What may not run beside others: the shared server's life, and the clients' files.
_LEFT_ALONE = re.compile(r"\bKILL\b|\bDROP\s+DATABASE\b|pg_sleep|\bsleep\s*\(", re.IGNORECASE)


@dataclass
class Problem:
    """An input that did not end as it must."""

    wire: Wire
    text: str
    what: str


@dataclass
class Harness:
    """Sessions of the three wires over one database."""

    directory: Path
    problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = Database.open(self.directory, DatabaseOptions(memory_limit="512MB"))
        jit.warm()  # compiling counts as nobody's time
        self.inputs = 0
        self.errors: dict[ErrorKind, int] = {}
        first = self.database.connect(Wire.HTTP, _CLIENT)
        for text in _SETUP:
            for statement in first.parse(text):
                _end(first.execute(statement))
        for text in seeds():  # tables that the inputs may mean
            if text.startswith("CREATE TABLE"):
                with contextlib.suppress(DbError):
                    first.execute(first.parse(text)[0])
        first.close()
        self.sessions = {wire: self._session(wire) for wire in Wire}

    def close(self) -> None:
        self.database.close()

    def feed(self, text: str, *, run: bool) -> None:
        """One input on all wires."""
        for wire in Wire:
            self.inputs += 1
            began = time.monotonic()
            with self._watched(wire, text):
                self._feed(wire, text, run=run)
            took = time.monotonic() - began
            if took > SLOW_SECONDS:
                self.problems.append(Problem(wire, text, f"took {took:.1f} s"))

    def _feed(self, wire: Wire, text: str, *, run: bool) -> None:
        session = self.sessions[wire]
        for statement in session.parse(text):
            if not run:
                session.describe(statement)
            elif not _LEFT_ALONE.search(text):
                _end(session.execute(statement))

    @contextlib.contextmanager
    def _watched(self, wire: Wire, text: str) -> Iterator[None]:
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True, file=sys.__stderr__)
        try:
            yield
        except DbError as error:
            self.errors[error.kind] = self.errors.get(error.kind, 0) + 1
            if error.kind is ErrorKind.INTERNAL:
                cause = error.__cause__ or error
                self.problems.append(
                    Problem(wire, text, f"internal error: {error}; {cause!r}"[:900])
                )
        except Exception as error:  # noqa: BLE001 (this is what is looked for)
            where = traceback.extract_tb(error.__traceback__)[-1]
            name = Path(where.filename).name
            self.problems.append(Problem(wire, text, f"{error!r} at {name}:{where.lineno}"[:900]))
        finally:
            faulthandler.cancel_dump_traceback_later()
        self._settle(wire)

    def _settle(self, wire: Wire) -> None:
        """A clean session for the next input."""
        session = self.sessions[wire]
        try:
            session.reset()
            session.set("statement_timeout", str(TIMEOUT_MS))
        except Exception as error:  # noqa: BLE001
            self.problems.append(Problem(wire, "(reset)", repr(error)[:900]))
            self.sessions[wire] = self._session(wire)

    def _session(self, wire: Wire) -> ClientSession:
        session = self.database.connect(wire, _CLIENT)
        session.set("statement_timeout", str(TIMEOUT_MS))
        return session


def _end(result: object) -> None:
    """Reads a little of an answer and gives it back."""
    if isinstance(result, CopyOut):
        result = result.rows
    if isinstance(result, CopyIn):
        result.sink.abort()
    elif isinstance(result, Rows):
        try:
            seen = 0
            for batch in result:
                seen += batch.num_rows
                if seen > _ROWS_MAX:
                    break
        finally:
            result.close()
