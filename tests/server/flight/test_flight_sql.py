"""Flight SQL over gRPC: queries, changes, bulk rows, transactions, the catalog, logins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from server.flight.messages import message, pack, read, unpack


class Client:
    """The calls of a Flight SQL driver."""

    def __init__(self, port: int) -> None:
        self.flight = flight.connect(f"grpc://127.0.0.1:{port}")

    def ask(self, name: str, **fields: Any) -> pa.Table:
        descriptor = flight.FlightDescriptor.for_command(pack(name, message(**fields)))
        info = self.flight.get_flight_info(descriptor)
        table = self.flight.do_get(info.endpoints[0].ticket).read_all()
        assert table.schema.names == info.schema.names
        return table

    def query(self, text: str, transaction: bytes = b"") -> list[dict[str, Any]]:
        return self.ask("CommandStatementQuery", f1=text.encode(), f2=transaction).to_pylist()

    def put(self, descriptor: Any, rows: pa.Table) -> int:
        writer, reader = self.flight.do_put(descriptor, rows.schema)
        writer.write_table(rows)
        writer.done_writing()
        answer = reader.read()
        writer.close()
        return read(answer.to_pybytes()).number(1)

    def update(self, text: str, transaction: bytes = b"") -> int:
        command = pack("CommandStatementUpdate", message(f1=text.encode(), f2=transaction))
        return self.put(flight.FlightDescriptor.for_command(command), pa.table({}))

    def act(self, name: str, **fields: Any) -> bytes:
        body = pack(f"Action{name}Request", message(**fields))
        results = list(self.flight.do_action(flight.Action(name, body)))
        return unpack(results[0].body.to_pybytes())[1].data(1) or b"" if results else b""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    from fix_server import RunningServer

    data = tmp_path_factory.mktemp("flight") / "data"
    running = RunningServer(data, "--flight", "127.0.0.1:0")
    try:
        found = running.ready_line.partition("flight=")[2].split()[0]
        one = Client(int(found.rpartition(":")[2]))
        yield one
        one.flight.close()
    finally:
        running.stop()


def test_a_query_gives_arrow_of_the_columns_types(client: Client) -> None:
    assert client.query("SELECT 1 AS a, 'x' AS b") == [{"a": 1, "b": "x"}]
    table = client.ask("CommandStatementQuery", f1=b"SELECT i FROM generate_series(1, 50000) t(i)")
    assert table.num_rows == 50_000


def test_rows_go_in_and_come_out(client: Client) -> None:
    rows = pa.table({"a": pa.array([1, 2, None], pa.int64()), "b": ["x", None, "z"]})
    create = message(f1=1, f2=2)  # if missing; append if there
    command = pack("CommandStatementIngest", message(f1=create, f2=b"bulk"))
    descriptor = flight.FlightDescriptor.for_command(command)
    assert client.put(descriptor, rows) == 3
    assert client.put(descriptor, rows) == 3
    assert client.query("SELECT count(*) AS n, sum(a) AS s FROM bulk") == [{"n": 6, "s": 6}]
    with pytest.raises(flight.FlightServerError, match="42P01"):
        client.put(flight.FlightDescriptor.for_path("nowhere"), rows)


def test_rows_of_a_series_table_go_in_by_path(client: Client) -> None:
    client.update(
        "CREATE TABLE cpu (host STRING PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX, v DOUBLE)"
    )
    times = pa.array([1, 2], pa.timestamp("ms"))
    rows = pa.table({"host": ["a", "b"], "ts": times, "v": [0.5, 1.5]})
    assert client.put(flight.FlightDescriptor.for_path("public", "cpu"), rows) == 2
    assert client.query("SELECT sum(v) AS s FROM cpu") == [{"s": 2.0}]


def test_transactions_commit_and_roll_back(client: Client) -> None:
    client.update("CREATE TABLE t (a INT)")
    for action, count in ((2, 0), (1, 1)):
        handle = client.act("BeginTransaction")
        assert client.update("INSERT INTO t VALUES (1)", handle) == 1
        assert client.query("SELECT count(*) AS n FROM t", handle) == [{"n": 1}]
        client.act("EndTransaction", f1=handle, f2=action)
        assert client.query("SELECT count(*) AS n FROM t") == [{"n": count}]
    with pytest.raises(flight.FlightServerError, match="25P01"):
        client.query("SELECT 1", handle)


def test_prepared_statements_run_again_and_again(client: Client) -> None:
    handle = client.act("CreatePreparedStatement", f1=b"SELECT 7 AS seven")
    for _ in range(2):
        table = client.ask("CommandPreparedStatementQuery", f1=handle)
        assert table.to_pylist() == [{"seven": 7}]
    client.act("ClosePreparedStatement", f1=handle)
    with pytest.raises(flight.FlightServerError, match="26000"):
        client.ask("CommandPreparedStatementQuery", f1=handle)


def test_the_catalog_is_told(client: Client) -> None:
    client.update("CREATE TABLE shown (a INT, b TEXT)")
    tables = client.ask("CommandGetTables", f2=b"public", f3=b"sho%", f5=1).to_pylist()
    assert [row["table_name"] for row in tables] == ["shown"]
    schema = pa.ipc.read_schema(pa.py_buffer(tables[0]["table_schema"]))
    assert schema.names == ["a", "b"]
    assert {"db_schema_name": "public"}.items() <= client.ask(
        "CommandGetDbSchemas", f2=b"public"
    ).to_pylist()[0].items()
    assert client.ask("CommandGetTableTypes").num_rows == 2
    found = client.ask("CommandGetSqlInfo").to_pylist()
    facts = {row["info_name"]: row["value"] for row in found}
    assert facts[0] == "Gnomon"


def test_errors_tell_their_sqlstate(client: Client) -> None:
    with pytest.raises(flight.FlightServerError, match=r"\[42P01\]"):
        client.query("SELECT * FROM nowhere_at_all")
    with pytest.raises(flight.FlightServerError) as caught:
        client.query("SELEC 1")
    assert "Traceback" not in str(caught.value)
