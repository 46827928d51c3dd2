"""`gnomon backup` and `gnomon restore` against a running server."""

from __future__ import annotations

import http.client
import threading
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from server.auth.users import lines
from server.doctor import examine
from server.main import main

pytestmark = pytest.mark.slow

PATH = "/v1/admin/backup"


def sql(server: Any, text: str, **login: Any) -> Any:
    answer = httpx.post(f"{server.http_url}/v1/sql", data={"sql": text}, timeout=60, **login)
    assert answer.status_code == 200, answer.text
    return answer.json()["output"][-1]


def rows(server: Any, text: str) -> Any:
    return sql(server, text)["records"]["rows"]


def address(server: Any) -> str:
    return f"127.0.0.1:{server.port('http')}"


def backup(server: Any, target: Path, *more: str) -> int:
    return main(["backup", "--from", address(server), "--to", str(target), *more])


@pytest.mark.parametrize("name", ["b.tar", "folder"])
def test_a_backup_under_load_is_restored_and_whole(
    server_factory: Any, tmp_path: Path, name: str
) -> None:
    server = server_factory.start("--warm", "false")
    sql(
        server,
        "CREATE TABLE s (w INT, ts TIMESTAMP(3) TIME INDEX, PRIMARY KEY (w));"
        "CREATE TABLE p (w INT, n INT)",
    )
    ends, begun = threading.Event(), threading.Event()

    def write(writer: int) -> None:
        with psycopg.connect(server.postgres_dsn()) as connection:
            number = 0
            while not ends.is_set():
                number += 1
                connection.execute(f"INSERT INTO s VALUES ({writer}, {number})")
                connection.execute(f"INSERT INTO p VALUES ({writer}, {number})")
                connection.commit()
                if number == 30:
                    begun.set()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in (1, 2)]
    for thread in threads:
        thread.start()
    assert begun.wait(60)
    try:
        assert backup(server, tmp_path / name) == 0
        assert backup(server, tmp_path / name) == 1, "it exists"
    finally:
        ends.set()
        for thread in threads:
            thread.join()
    server.stop()
    assert main(["restore", str(tmp_path / name), str(tmp_path / "restored")]) == 0
    assert [f for f in examine(tmp_path / "restored").findings if f.readable is not None] == []
    copy = server_factory.start("--warm", "false", data=tmp_path / "restored")
    found = rows(copy, "SELECT w, CAST(ts AS BIGINT) FROM s ORDER BY 1, 2")
    assert found == rows(copy, "SELECT w, n FROM p ORDER BY 1, 2")
    for writer in (1, 2):
        numbers = [n for w, n in found if w == writer]
        assert numbers == list(range(1, len(numbers) + 1))
    assert len(found) >= 30


def test_only_users_with_all_rights_may(
    server_factory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    users = tmp_path / "users"
    users.write_text("\n".join([*lines("root", "pw"), *lines("ann", "pw", "ro"), ""]))
    server = server_factory.start("--warm", "false", "--users", str(users))
    assert httpx.post(f"{server.http_url}{PATH}").status_code == 401
    assert httpx.post(f"{server.http_url}{PATH}", auth=("ann", "pw")).status_code == 403
    monkeypatch.setenv("GNOMON_PASSWORD", "pw")
    assert backup(server, tmp_path / "x.tar", "--user", "ann") == 1
    assert "may not make backups" in capsys.readouterr().err
    assert backup(server, tmp_path / "x.tar", "--user", "root") == 0
    assert "all checksums verified" in capsys.readouterr().out


def test_a_server_that_dies_leaves_no_backup(
    server_factory: Any, tmp_path: Path, capsys: Any
) -> None:
    server = server_factory.start("--warm", "false")
    sql(server, "CREATE TABLE p (n BIGINT)")
    sql(server, "INSERT INTO p SELECT (r * 2654435761) % 1000000007 FROM range(8000000) t(r)")
    connection = http.client.HTTPConnection("127.0.0.1", server.port("http"))
    connection.request("POST", PATH)
    answer = connection.getresponse()
    assert answer.status == 200
    begun = answer.read(1000)
    server.kill()
    with pytest.raises((http.client.HTTPException, OSError)):
        answer.read()
    connection.close()
    assert begun
    assert backup(server, tmp_path / "b.tar") == 1
    assert "cannot back up" in capsys.readouterr().err
    assert not list(tmp_path.glob("b.tar*"))


def test_a_client_that_goes_away_frees_the_files(server_factory: Any) -> None:
    server = server_factory.start("--warm", "false")
    sql(server, "CREATE TABLE s (ts TIMESTAMP(3) TIME INDEX, v BIGINT)")
    sql(
        server,
        "INSERT INTO s SELECT epoch_ms(r), (r * 2654435761) % 1000000007 FROM range(3000000) t(r)",
    )
    sql(server, "ADMIN flush_table('s')")
    connection = http.client.HTTPConnection("127.0.0.1", server.port("http"))
    connection.request("POST", PATH)
    connection.getresponse().read(1000)
    sql(server, "DROP TABLE s")
    regions = server.data / "engine" / "regions"
    assert list(regions.rglob("*.parquet"))
    connection.close()
    for _ in range(600):
        if not list(regions.rglob("*.parquet")):
            break
        httpx.get(f"{server.http_url}/health")
    assert not list(regions.rglob("*.parquet"))
