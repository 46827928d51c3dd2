"""A database for wire tests: plain DuckDB in memory behind the session interface.

Enough SQL for real drivers; no planner, no regions. `SLEEP n` runs until cancelled or n seconds are
over, `NOTICE text` leaves a notice, `COPY t FROM/TO` take the options DuckDB does not need.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from catalog.details import Role
from engine import datatypes as dt
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.results import (
    Affected,
    CopyFormat,
    CopyIn,
    CopyOptions,
    CopyOut,
    Description,
    Empty,
    Found,
    Notice,
    Notification,
    Result,
    ResultColumn,
    Rows,
)
from sql.session import Activity, ClientInfo, Output, T, Task, TransactionStatus, Wire
from sql.types import duckdb_name, from_arrow, from_duckdb

SETTINGS = {
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "server_version": "16.3 (Gnomon test)",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "application_name": "",
    "default_transaction_read_only": "off",
    "in_hot_standby": "off",
    "is_superuser": "on",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
}
REPORTED = {
    "timezone": "TimeZone",
    "application_name": "application_name",
    "datestyle": "DateStyle",
}
_COPY = re.compile(r"\s*COPY\s+(.+?)\s+(FROM\s+STDIN|TO\s+STDOUT)\s*(?:\((.*)\))?\s*", re.I | re.S)


@dataclass(frozen=True)
class FakeStatement:
    text: str

    @property
    def parameter_count(self) -> int:
        return max((int(n) for n in re.findall(r"\$(\d+)", self.text)), default=0)

    @property
    def is_empty(self) -> bool:
        return not re.sub(r"--[^\n]*|/\*.*?\*/", "", self.text, flags=re.S).strip("; \n\t")


class FakeDatabase:
    """One in-memory DuckDB shared by all sessions."""

    def __init__(self, databases: Sequence[str] = ("public",)) -> None:
        self.root = duckdb.connect(config={"threads": 2})
        self.databases = set(databases)
        self.roles: dict[str, Role] = {}
        self._ids = itertools.count(1)
        self._live: dict[int, FakeSession] = {}
        self.opened: list[FakeSession] = []

    def reserve_id(self) -> int:
        return next(self._ids)

    def connect(self, wire: Wire, client: ClientInfo, session_id: int | None = None) -> FakeSession:
        if client.database not in self.databases:
            message = f'database "{client.database}" does not exist'
            raise DbError(ErrorKind.UNDEFINED_DATABASE, message)
        session = FakeSession(self, wire, client, session_id or next(self._ids))
        self._live[session.id] = session
        self.opened.append(session)
        return session

    def login_role(self, name: str) -> Role | None:
        return self.roles.get(name)

    def sessions(self) -> list[FakeSession]:
        return list(self._live.values())

    def forget(self, session: FakeSession) -> None:
        self._live.pop(session.id, None)

    def close(self) -> None:
        self.root.close()


class FakeInstant:
    """Knows `SELECT 'known'`, and that there is never anything to commit."""

    def __init__(self, session: FakeSession | None = None) -> None:
        self._session = session

    def parse(self, text: str, parameter_types: object = ()) -> list[FakeStatement] | None:
        return [FakeStatement(text)] if self._knows(text) else None

    def describe(self, statement: FakeStatement) -> Description | None:
        known = self._session is not None and self._knows(statement.text)
        return self._session.describe(statement) if known and self._session else None

    def execute(self, statement: FakeStatement, parameters: object = ()) -> Found | None:
        if self._session is None or not self._knows(statement.text):
            return None
        rows = self._session.execute(statement)
        assert isinstance(rows, Rows)
        (batch,) = rows
        rows.close()
        return Found(rows.columns, batch)

    def control(self, text: str) -> Affected | None:
        return None

    def is_settled(self) -> bool:
        return True

    def _knows(self, text: str) -> bool:
        return self._session is not None and text == "SELECT 'known'"


class QuietSession:
    """What sessions can that no fake needs: nothing happens."""

    @property
    def output(self) -> Output:
        return Output("UTC", "utf8mb4", "", "", "")

    def cursor(self, name: str) -> None:
        return None

    def share_cursor(self, name: str, cursor: object) -> None:
        pass

    def open_block(self) -> None:
        pass

    def close_block(self, *, commit: bool) -> None:
        pass

    def share_statement(self, name: str, statement: object) -> None:
        pass

    def when_killed(self, call: object) -> None:
        pass


class FakeSession(QuietSession):
    def __init__(self, server: FakeDatabase, wire: Wire, client: ClientInfo, id: int) -> None:  # noqa: A002
        self.id = id
        self.wire = wire
        self.client = client
        self.database = client.database
        self.transaction_status = TransactionStatus.IDLE
        self.autocommit = True
        self.literal_backslashes = False
        self.activity = Activity()
        self.is_closed = False
        self.open_rows = 0
        self.cancelled = threading.Event()
        self.is_sleeping = False
        self._server = server
        self._settings = dict(SETTINGS)
        self._notices: list[Notice] = []
        self._reports: dict[str, str] = {}
        self._duck = server.root.cursor()
        self._duck.execute("SET TimeZone='UTC'")

    @property
    def timezone(self) -> str:
        return self._settings["timezone"]

    @property
    def output(self) -> Output:
        return Output(self.timezone, "UTF8", "ISO, MDY", "postgres", "hex")

    @property
    def instant(self) -> FakeInstant:
        return FakeInstant(self)

    def parse(self, text: str, parameter_types: object = ()) -> list[FakeStatement]:
        if "SYNTAXERROR" in text:
            raise DbError(
                ErrorKind.SYNTAX,
                'syntax error at or near "SYNTAXERROR"',
                detail="more about it",
                hint="write SQL",
                position=text.index("SYNTAXERROR") + 1,
            )
        parts = re.split(r";(?=(?:[^']*'[^']*')*[^']*$)", text)
        return [FakeStatement(p) for p in parts if not FakeStatement(p).is_empty] or [
            FakeStatement(text)
        ]

    def type_of(self, oid: int) -> DataType | None:
        return None  # nobody makes types here

    def describe(
        self, statement: FakeStatement, parameter_types: Sequence[DataType | None] = ()
    ) -> Description:
        text = statement.text
        types = list(parameter_types) + [None] * (statement.parameter_count - len(parameter_types))
        casts = dict(re.findall(r"\$(\d+)::(\w+(?:\[\])?)", text))
        inferred = [
            types[k]
            or (
                from_duckdb(casts[str(k + 1)].upper().replace("DECIMAL", "DECIMAL(18,5)"))
                if str(k + 1) in casts
                else dt.STRING
            )
            for k in range(len(types))
        ]
        if not re.match(r"\s*(SELECT|FROM|VALUES|WITH|SHOW)", text, re.I) or "NODESCRIBE" in text:
            return Description(tuple(inferred), None)
        with self._errors():
            nulls = re.sub(r"\$(\d+)", lambda m: _null(inferred[int(m[1]) - 1]), text)
            rows = self._duck.execute(f"DESCRIBE {nulls}").fetchall()
        return Description(
            tuple(inferred), tuple(ResultColumn(r[0], from_duckdb(r[1])) for r in rows)
        )

    def run(self, task: Task[T]) -> T:
        return task.run(self)

    def execute(self, statement: FakeStatement, parameters: Sequence[object] = ()) -> Result:
        text = statement.text.strip()
        if statement.is_empty:
            return Empty()
        if self.transaction_status is TransactionStatus.FAILED and not re.match(
            r"(ROLLBACK|COMMIT)", text, re.I
        ):
            raise DbError(
                ErrorKind.FAILED_TRANSACTION,
                "current transaction is aborted, commands ignored until end of transaction block",
            )
        try:
            return self._execute(text, parameters)
        except DbError:
            if self.transaction_status is TransactionStatus.ACTIVE:
                self.transaction_status = TransactionStatus.FAILED
            raise

    def _execute(self, text: str, parameters: Sequence[object]) -> Result:
        word = text.split(None, 1)[0].upper()
        if word == "SLEEP":
            return self._sleep(float(text.split()[1]))
        if word == "NOTICE":
            self._notices.append(Notice(text.split(None, 1)[1]))
            return Affected("NOTICE")
        if word == "CRASH":
            raise RuntimeError("a bug")
        if word == "SET":
            name, value = re.match(r"SET\s+(\S+)\s*(?:=|TO)\s*'?([^']*)'?", text, re.I).groups()
            self.set(name, value)
            return Affected("SET")
        if word in ("BEGIN", "COMMIT", "ROLLBACK"):
            return self._transact(word)
        if word in ("DISCARD", "DEALLOCATE"):
            return Affected(f"{word} ALL")
        if word == "COPY":
            return self._copy(text)
        return self._run(word, text, parameters)

    def _run(self, word: str, text: str, parameters: Sequence[object]) -> Result:
        self.cancelled.clear()
        with self._errors():
            if word in ("SELECT", "FROM", "VALUES", "WITH"):
                return self._rows(self._duck.sql(text, params=list(parameters) or None))
            if "RETURNING" in text.upper():
                rows = self._rows(self._duck.sql(text, params=list(parameters) or None))
                rows.tag = word
                return rows
            cursor = self._duck.execute(text, list(parameters))
            if word in ("INSERT", "UPDATE", "DELETE"):
                return Affected(word, cursor.fetchone()[0])
        return Affected(" ".join(text.split()[:2]).upper())

    def _rows(self, found: Any) -> Rows:
        if isinstance(found, pa.Table):
            reader = found.to_reader()
            types = None
        else:
            types = [str(t) for t in found.types]
            reader = found.to_arrow_reader(122_880)
        columns = tuple(
            ResultColumn(field.name, from_duckdb(types[k]) if types else from_arrow(field.type))
            for k, field in enumerate(reader.schema)
        )
        schema = pa.schema([(c.name, c.type.arrow) for c in columns])
        self.open_rows += 1
        return Rows(columns, self._batches(reader, schema), on_close=self._closed_rows)

    def _batches(self, reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        with self._errors():
            for batch in reader:
                arrays = [
                    a if a.type == f.type else a.cast(f.type)
                    for a, f in zip(batch.columns, schema, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _closed_rows(self) -> None:
        self.open_rows -= 1

    def _sleep(self, seconds: float) -> Result:
        self.cancelled.clear()
        self.is_sleeping = True
        was_cancelled = self.cancelled.wait(seconds)
        self.is_sleeping = False
        if was_cancelled:
            raise DbError(ErrorKind.CANCELLED, "canceling statement due to user request")
        return Affected("SLEEP")

    def _transact(self, word: str) -> Result:
        was_failed = self.transaction_status is TransactionStatus.FAILED
        if word == "BEGIN":
            self.transaction_status = TransactionStatus.ACTIVE
        else:
            self.transaction_status = TransactionStatus.IDLE
        return Affected("ROLLBACK" if was_failed else word)

    def _copy(self, text: str) -> Result:
        target, direction, raw = _COPY.fullmatch(text).groups()
        options = _copy_options(raw or "")
        if direction.upper().startswith("TO"):
            query = target[1:-1] if target.startswith("(") else f"FROM {target}"
            rows = self._run("SELECT", query, ())
            assert isinstance(rows, Rows)
            return CopyOut(rows, options)
        columns = self.describe(FakeStatement(f"FROM {target}")).columns
        return CopyIn(FakeSink(self._duck, target, columns, options))

    def _errors(self) -> _Errors:
        return _Errors()

    def show(self, name: str) -> str:
        if name.lower() not in self._settings:
            message = f'unrecognized configuration parameter "{name}"'
            raise DbError(ErrorKind.UNDEFINED_OBJECT, message)
        return self._settings[name.lower()]

    def set(self, name: str, value: str) -> None:
        if name.lower() == "timezone" and value == "Mars/Olympus":
            message = f'invalid value for parameter "TimeZone": "{value}"'
            raise DbError(ErrorKind.INVALID_ARGUMENT, message)
        self._settings[name.lower()] = value
        if name.lower() in REPORTED:
            self._reports[REPORTED[name.lower()]] = value

    def use(self, database: str) -> None:
        if database not in self._server.databases:
            message = f'database "{database}" does not exist'
            raise DbError(ErrorKind.UNDEFINED_DATABASE, message)
        self.database = database

    def cancel(self) -> None:
        self.cancelled.set()
        self._duck.interrupt()

    def reset(self) -> None:
        self.transaction_status = TransactionStatus.IDLE
        self._settings = dict(SETTINGS)

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True
        self._server.forget(self)
        self._duck.close()

    def take_notices(self) -> list[Notice]:
        notices, self._notices = self._notices, []
        return notices

    def take_notifications(self) -> list[Notification]:
        return []

    def when_notified(self, call: object) -> None:
        pass

    def take_reports(self) -> dict[str, str]:
        reports, self._reports = self._reports, {}
        return reports


class FakeSink:
    """Collects COPY data; text and CSV are read by DuckDB at the end."""

    def __init__(
        self, duck: Any, table: str, columns: tuple[ResultColumn, ...], options: CopyOptions
    ) -> None:
        self.columns = columns
        self.options = options
        self.pieces: list[bytes] = []
        self.is_aborted = False
        self._duck = duck
        self._table = table

    def feed(self, data: bytes) -> None:
        if b"BADDATA" in data:
            raise DbError(ErrorKind.BAD_COPY_DATA, "bad data in COPY")
        self.pieces.append(data)

    def finish(self) -> int:
        lines = [line for line in b"".join(self.pieces).decode().split("\n") if line]
        rows = [
            [
                None if cell == self.options.null else cell
                for cell in line.split(self.options.delimiter)
            ]
            for line in lines
        ]
        for row in rows:
            marks = ", ".join("?" for _ in row)
            with _Errors():
                self._duck.execute(f"INSERT INTO {self._table} VALUES ({marks})", row)
        return len(rows)

    def abort(self) -> None:
        self.is_aborted = True
        self.pieces.clear()


class _Errors:
    """DuckDB's exceptions as ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, duckdb.InterruptException):
            message = "canceling statement due to user request"
            raise DbError(ErrorKind.CANCELLED, message) from error
        if isinstance(error, duckdb.CatalogException):
            raise DbError(ErrorKind.UNDEFINED_TABLE, str(error)) from error
        if isinstance(error, duckdb.Error):
            raise DbError(ErrorKind.PLAN, str(error)) from error


def _null(data_type: DataType) -> str:

    return f"NULL::{duckdb_name(data_type)}"


def _copy_options(raw: str) -> CopyOptions:
    text = raw.upper()
    header = "HEADER" in text
    if "BINARY" in text:
        return CopyOptions(CopyFormat.BINARY)
    if "CSV" in text:
        force = frozenset({"*"}) if "FORCE_QUOTE" in text else frozenset()
        return CopyOptions(CopyFormat.CSV, ",", "", header, force_quote=force)
    return CopyOptions(header=header)
