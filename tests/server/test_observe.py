"""What the observed database counts, limits, logs and refuses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from fake_database import FakeInstant

from catalog.details import Role
from engine import datatypes
from engine.errors import DbError, ErrorKind
from server.auth.api import AccessMode, OpenDoor, UserRecord, Users
from server.metrics import Metrics
from server.observe import ObservedDatabase
from sql.dialect.parser import parse
from sql.results import Affected, CopyOptions, CopyOut, ResultColumn, Rows
from sql.session import ClientInfo, TransactionStatus, Wire

CLIENT = ClientInfo("ann", "public", "127.0.0.1:5")


class Text:
    """A statement."""

    def __init__(self, text: str) -> None:
        self.text = text


class Inner:
    """A database and its only session at once."""

    id = 1
    wire = Wire.MYSQL
    client = CLIENT
    database = "public"

    def __init__(self) -> None:
        self.transaction_status = TransactionStatus.IDLE
        self.closed = 0
        self.roles: dict[str, Role] = {}
        self.live: list[Inner] = []

    def login_role(self, name: str) -> Role | None:
        return self.roles.get(name)

    def sessions(self) -> list[Inner]:
        return self.live

    def connect(self, wire: Wire, client: ClientInfo, session_id: int | None = None) -> Any:
        if client.database == "nowhere":
            raise DbError(ErrorKind.UNDEFINED_DATABASE, "none")
        return self

    @property
    def instant(self) -> FakeInstant:
        return FakeInstant()

    def execute(self, statement: Text, parameters: object = ()) -> Any:
        if statement.text == "fail":
            raise DbError(ErrorKind.DIVISION_BY_ZERO, "no")
        if statement.text == "insert":
            return Affected("INSERT", 3)
        rows = Rows((ResultColumn("a", datatypes.INT64),), self._batches(statement.text))
        return CopyOut(rows, CopyOptions()) if statement.text == "copy" else rows

    def _batches(self, text: str) -> Iterator[pa.RecordBatch]:
        for _ in range(3):
            yield pa.RecordBatch.from_pydict({"a": [1, 2]})
        if text == "fail late":
            raise DbError(ErrorKind.CORRUPTED, "no")

    def close(self) -> None:
        self.closed += 1


def observed(
    slow_ms: int = 0, connections_max: int = 2, users: Users | None = None, reserved: int = 0
) -> tuple[ObservedDatabase, Metrics, Inner]:
    inner, metrics = Inner(), Metrics("1")
    parts: Any = (inner, metrics, users or OpenDoor())
    limits: Any = {"connections_max": connections_max, "reserved": reserved}
    database = ObservedDatabase(*parts, slow_ms=slow_ms, **limits)
    return database, metrics, inner


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, {"wire": "mysql", **labels}) or 0.0


def run(session: Any, text: str) -> Any:
    return session.execute(Text(text))


def test_connections_are_counted_limited_and_given_back() -> None:
    database, metrics, _ = observed()
    first = database.connect(Wire.MYSQL, CLIENT)
    second = database.connect(Wire.MYSQL, CLIENT)
    with pytest.raises(DbError) as caught:
        database.connect(Wire.MYSQL, CLIENT)
    assert caught.value.kind is ErrorKind.TOO_MANY_CONNECTIONS
    assert value(metrics, "gnomon_connections") == 2
    assert value(metrics, "gnomon_connections_refused_total") == 1
    first.close()
    first.close()
    assert value(metrics, "gnomon_connections") == 1
    database.connect(Wire.MYSQL, CLIENT).close()
    second.close()
    assert value(metrics, "gnomon_connections") == 0


def test_a_failed_login_gives_its_place_back() -> None:
    database, metrics, _ = observed(connections_max=1)
    for _ in range(3):
        with pytest.raises(DbError) as caught:
            database.connect(Wire.MYSQL, ClientInfo("ann", "nowhere", ""))
        assert caught.value.kind is ErrorKind.UNDEFINED_DATABASE
    database.connect(Wire.MYSQL, CLIENT)
    assert value(metrics, "gnomon_connections") == 1


def test_a_statement_lasts_until_its_last_row() -> None:
    database, metrics, _ = observed()
    session = database.connect(Wire.MYSQL, CLIENT)
    rows = run(session, "select")
    next(iter(rows))
    assert database.running == 1
    assert value(metrics, "gnomon_statements_total", outcome="ok") == 0
    assert sum(batch.num_rows for batch in rows) == 4
    rows.close()
    assert database.running == 0
    assert value(metrics, "gnomon_statements_total", outcome="ok") == 1
    assert value(metrics, "gnomon_rows_sent_total") == 6


def test_a_result_closed_early_or_never_read_ends_too() -> None:
    database, metrics, _ = observed()
    session = database.connect(Wire.MYSQL, CLIENT)
    run(session, "select").close()
    rows = run(session, "copy").rows
    next(iter(rows))
    rows.close()
    rows.close()
    assert database.running == 0
    assert value(metrics, "gnomon_statements_total", outcome="ok") == 2
    assert value(metrics, "gnomon_rows_sent_total") == 2


def test_failures_are_counted_by_kind() -> None:
    database, metrics, _ = observed()
    session = database.connect(Wire.MYSQL, CLIENT)
    with pytest.raises(DbError):
        run(session, "fail")
    with pytest.raises(DbError):
        list(run(session, "fail late"))
    assert run(session, "insert") == Affected("INSERT", 3)
    assert database.running == 0
    assert value(metrics, "gnomon_statements_total", outcome="division_by_zero") == 1
    assert value(metrics, "gnomon_statements_total", outcome="corrupted") == 1
    assert value(metrics, "gnomon_statements_total", outcome="ok") == 1


def test_slow_statements_are_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([100.0, 100.5, 200.0, 203.5])
    monkeypatch.setattr("server.observe.perf_counter", lambda: next(moments))
    database, _, _ = observed(slow_ms=1_000)
    session = database.connect(Wire.MYSQL, CLIENT)
    run(session, "insert")
    assert caplog.records == []
    with caplog.at_level(logging.WARNING):
        list(run(session, "select" + " " * 5_000))
    [record] = caplog.records
    fields = vars(record)
    assert (fields["seconds"], fields["rows"], fields["outcome"]) == (3.5, 6, "ok")
    assert (fields["user"], fields["wire"], fields["session"]) == ("ann", "mysql", 1)
    assert len(fields["statement"]) == 2_000


def test_draining_refuses_new_work_but_lets_transactions_end() -> None:
    database, _, inner = observed()
    session = database.connect(Wire.MYSQL, CLIENT)
    rows = run(session, "select")
    database.drain()
    assert len(list(rows)) == 3
    for refused in (lambda: run(session, "insert"), lambda: database.connect(Wire.MYSQL, CLIENT)):
        with pytest.raises(DbError) as caught:
            refused()
        assert caught.value.kind is ErrorKind.SHUTTING_DOWN
    inner.transaction_status = TransactionStatus.ACTIVE
    assert run(session, "insert") == Affected("INSERT", 3)
    assert database.running == 0


def test_a_role_keeps_to_its_limit_and_to_the_slots_left_for_superusers() -> None:
    database, _, inner = observed(connections_max=3, reserved=1)
    inner.roles = {
        "ann": Role(1, "ann", login=True, connections_max=1),
        "bob": Role(2, "bob"),
        "cat": Role(3, "cat", login=True),
        "dan": Role(4, "dan", login=True, superuser=True, connections_max=0),
    }

    def refused(name: str) -> ErrorKind:
        with pytest.raises(DbError) as caught:
            database.connect(Wire.MYSQL, ClientInfo(name, "public", ""))
        return caught.value.kind

    database.connect(Wire.MYSQL, CLIENT)
    inner.live.append(inner)
    assert refused("ann") is ErrorKind.TOO_MANY_CONNECTIONS
    assert refused("bob") is ErrorKind.BAD_AUTHORIZATION
    database.connect(Wire.MYSQL, ClientInfo("cat", "public", ""))
    assert refused("cat") is ErrorKind.TOO_MANY_CONNECTIONS
    database.connect(Wire.MYSQL, ClientInfo("dan", "public", ""))
    assert refused("dan") is ErrorKind.TOO_MANY_CONNECTIONS


class Modes:
    """Users named after what they may do."""

    required = True

    def lookup(self, name: str) -> UserRecord | None:
        return UserRecord(name, mode=AccessMode(name))


@pytest.mark.parametrize(
    ("mode", "reads", "writes"),
    [("readwrite", True, True), ("readonly", True, False), ("writeonly", False, True)],
)
def test_users_do_only_what_their_mode_allows(mode: str, reads: bool, writes: bool) -> None:
    database, _, _ = observed(users=Modes())
    session = database.connect(Wire.MYSQL, ClientInfo(mode, "public", ""))
    for text, allowed in {
        "SELECT * FROM t": reads,
        "INSERT INTO t VALUES (1)": writes,
        "SELECT 1": True,
    }.items():
        [statement] = parse(text, Wire.MYSQL)
        if allowed:
            result = session.execute(statement)
            assert isinstance(result, Rows)
            result.close()
            continue
        with pytest.raises(DbError) as caught:
            session.execute(statement)
        assert caught.value.kind is ErrorKind.ACCESS_DENIED
    assert database.running == 0
