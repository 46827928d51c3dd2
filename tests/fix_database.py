"""A whole database without listeners: sessions over a temporary directory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_SECONDS, wait_until

from engine import jit
from engine.errors import DbError
from sql.client_session import ClientSession
from sql.database import Database, DatabaseOptions
from sql.results import Affected, Empty, Result, Rows
from sql.session import ClientInfo, Wire


class Client:
    """One session, with answers as plain Python values."""

    def __init__(self, session: ClientSession) -> None:
        self.session = session

    def run(self, text: str, parameters: Sequence[object] = ()) -> Any:
        """The last statement's answer: rows as a list of tuples, or the affected count."""
        answer: Any = None
        for statement in self.session.parse(text):
            answer = plain(self.session.execute(statement, parameters))
        return answer

    def at_once(self, text: str, parameters: Sequence[object] = ()) -> Any:
        """The rows of a query as an event loop may give them; None if it may not."""
        jit.warm()  # before that nothing is answered so
        statements = self.session.instant.parse(text) or self.session.parse(text)
        found = self.session.instant.execute(statements[0], parameters)
        if found is None:
            return None
        return list(zip(*map(_values, found.rows.columns), strict=True))

    def names(self, text: str) -> list[str]:
        """The column names of a query."""
        rows = self.session.execute(self.session.parse(text)[0])
        assert isinstance(rows, Rows)
        rows.close()
        return [column.name for column in rows.columns]


def plain(result: Result) -> Any:
    if isinstance(result, Rows):
        try:
            batches = list(result)
        finally:
            result.close()
        return [row for batch in batches for row in zip(*map(_values, batch.columns), strict=True)]
    if isinstance(result, Affected):
        return result.rows
    assert isinstance(result, Empty)
    return None


def _values(array: Any) -> list[Any]:
    return list(array.to_pylist())


class Later:
    """A statement in a thread of its own."""

    def __init__(self, one: Client, text: str) -> None:
        self.error: DbError | None = None
        self.answer: object = None
        self._session = one.session
        self._thread = threading.Thread(target=self._run, args=(one, text))
        self._thread.start()

    def _run(self, one: Client, text: str) -> None:
        try:
            self.answer = one.run(text)
        except DbError as error:
            self.error = error

    def is_waiting(self) -> bool:
        """True once it waits for another session; False if it ends without that."""
        wait_until(lambda: bool(self._session.activity.waits_for) or not self._thread.is_alive())
        return self._thread.is_alive()

    def end(self) -> None:
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "it still waits"


class Databases:
    """Opens the database of one directory, again and again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database: Database | None = None

    def open(self) -> Database:
        self.close()
        self.database = Database.open(self.directory, DatabaseOptions())
        return self.database

    def close(self) -> None:
        if self.database is not None:
            self.database.close()
            self.database = None


def client(database: Database, wire: Wire = Wire.POSTGRES, **info: str) -> Client:
    """A fresh session."""
    values = {"user": "me", "database": "public", "address": "127.0.0.1:1", **info}
    return Client(database.connect(wire, ClientInfo(**values)))


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[Databases]:
    opened = Databases(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.open()


@pytest.fixture
def db(database: Database) -> Client:
    return client(database)


@pytest.fixture
def connect(database: Database) -> Callable[..., Client]:
    def connect(wire: Wire = Wire.POSTGRES, **info: str) -> Client:
        return client(database, wire, **info)

    return connect
