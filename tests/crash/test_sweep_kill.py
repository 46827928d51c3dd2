"""kill -9 while series are retired and come back: no sample is lost, none has another's labels."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from sql.client_session import ClientSession
from sql.database import Database
from tests.crash.commit_kill import OPTIONS, Client
from tests.crash.engine_kill import events, in_child, tell

ROUNDS = 4
PODS = 40  # of which most are dead at any time
SETUP = (
    "CREATE TABLE phy (ts TIMESTAMP TIME INDEX, val DOUBLE)"
    " ENGINE=metric WITH (physical_metric_table = '')",
    "CREATE TABLE cpu (ts TIMESTAMP TIME INDEX, val DOUBLE, pod STRING PRIMARY KEY)"
    " ENGINE=metric WITH (on_physical_table = 'phy')",
)
WROTE, RETIRED = range(2)


def pods_of(number: int) -> list[int]:
    """Which pods the writer's step of that number names: always the same."""
    return Random(number).sample(range(PODS), 4)


def write_for_ever(session: ClientSession, number: int, out: int) -> None:
    """Each step is the only row of some pods; the rows of the step before go."""
    client = Client.__new__(Client)
    client.session = session
    while True:
        number += 1
        rows = ", ".join(f"({number}, {number}, 'p{pod}')" for pod in pods_of(number))
        client.run(f"INSERT INTO cpu (ts, val, pod) VALUES {rows}")
        tell(out, WROTE, number)
        client.run(f"DELETE FROM cpu WHERE ts < {number}")


def retire_for_ever(database: Database, out: int) -> None:
    """Until the process is killed."""
    while True:
        for store in database.metrics.open():
            database.regions.flush(store.samples_region_id)
        if count := database.sweeper.retire(1):
            tell(out, RETIRED, count)


def check(client: Client, known: int) -> int:
    """Each row has the labels its step gave it, the last acknowledged one is there."""
    _, rows = client.run("SELECT CAST(val AS BIGINT), pod FROM cpu")
    steps: dict[int, list[int]] = {}
    for number, pod in rows:
        steps.setdefault(number, []).append(int(pod[1:]))
    for number, pods in steps.items():
        assert sorted(pods) == sorted(pods_of(number)), number
    newest = max(steps, default=0)
    assert newest in (known, known + 1), (newest, known)
    return newest


def work(directory: Path, known: int, out: int) -> None:
    """Opens, checks, writes and retires until it is killed."""
    database = Database.open(directory, OPTIONS)
    client = Client(database)
    if not known:
        for text in SETUP:
            client.run(text)
    number = check(client, known)
    thread = threading.Thread(target=retire_for_ever, args=(database, out), daemon=True)
    thread.start()
    write_for_ever(client.session, number, out)


@pytest.mark.slow
def test_a_kill_while_series_are_retired_loses_and_mixes_nothing(tmp_path: Path) -> None:
    chance, known, retired = Random(11), 0, 0
    for _ in range(ROUNDS):
        pid, source = in_child(lambda out, known=known: work(tmp_path / "data", known, out))
        told = events(source, 3 + chance.random() * 2)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        told += events(source, 10)
        os.close(source)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), "the child ended by itself"
        known = max([known, *(number for kind, number in told if kind == WROTE)])
        retired += sum(count for kind, count in told if kind == RETIRED)
    assert known > ROUNDS
    assert retired > PODS, "hardly anything was retired"
