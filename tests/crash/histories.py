"""Random transactions of many sessions on both wires and both stores, amid kill -9.

`python -m tests.crash.histories --rounds 10 --seconds 10`. Sessions append numbers to lists and
read them; history.py tells what of their answers cannot be. A list is the text of an ordinary row,
appended to by an expression or by reading and writing it, or the rows of a time series.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pymysql

from tests.crash.history import LISTS, POINTS, Done, Key, Outcome, Read, problems
from tests.fix_server import RunningServer

KEYS = range(3)
SETUP = (
    "CREATE TABLE lists (k INT PRIMARY KEY, v TEXT NOT NULL)",
    "CREATE TABLE points (k INT PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX, id BIGINT)",
    "INSERT INTO lists VALUES " + ", ".join(f"({key}, '')" for key in KEYS),
)
LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
READS = {
    LISTS: "SELECT k, v FROM lists WHERE k IN ({})",
    POINTS: "SELECT k, id FROM points WHERE k IN ({})",
}
BROKEN = (psycopg.OperationalError, psycopg.InterfaceError, pymysql.err.InterfaceError, OSError)


class Session:
    """One client: transactions of its own, one after the other, until the server dies."""

    def __init__(self, run: Run, random: Random, server: RunningServer, wire: str) -> None:
        self._run, self._random = run, random
        self._is_mysql = wire == "mysql"
        self._connection: Any = connect(server, wire)

    def work(self) -> None:
        """In a thread of its own."""
        while not self._run.is_over.is_set():
            if not self._transaction():
                break
        with suppress(Exception):
            self._connection.close()

    def _ask(self, sql: str) -> Sequence[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []

    def _transaction(self) -> bool:
        """One more; False if the connection is gone."""
        random, run = self._random, self._run
        is_block = random.random() < 0.8
        level = random.choice(LEVELS) if is_block else LEVELS[0]
        done = Done(one_moment=level != LEVELS[0], serializable=level == LEVELS[-1])
        run.history.append(done)
        done.began = run.tick()
        ending = False
        try:
            if is_block:
                self._begin(level)
            for _ in range(random.randint(1, 4) if is_block else 1):
                self._step(done)
            rolls_back = is_block and random.random() < 0.1
            if is_block:
                ending = True
                self._ask("ROLLBACK" if rolls_back else "COMMIT")
            done.outcome = Outcome.FAILED if rolls_back else Outcome.OK
        except (psycopg.Error, pymysql.Error, OSError) as error:
            if is_gone(error, self._connection):
                done.outcome = Outcome.UNSURE if ending or not is_block else Outcome.FAILED
                return False
            done.outcome = Outcome.FAILED
            run.refused[type(error).__name__] = run.refused.get(type(error).__name__, 0) + 1
            with suppress(psycopg.Error, pymysql.Error, OSError):
                self._ask("ROLLBACK")
        finally:
            done.ended = run.tick()
        return True

    def _begin(self, level: str) -> None:
        if self._is_mysql:
            self._ask(f"SET TRANSACTION ISOLATION LEVEL {level}")
            self._ask("BEGIN")
        else:
            self._ask(f"BEGIN ISOLATION LEVEL {level}")

    def _step(self, done: Done) -> None:
        table = self._random.choice((LISTS, POINTS))
        if self._random.random() < 0.4:
            self._read(done, table, self._random.sample(KEYS, self._random.randint(1, 3)))
        elif table == POINTS:
            self._add_points(done)
        else:
            self._append(done, self._random.choice(KEYS))

    def _read(self, done: Done, table: str, keys: Sequence[int]) -> dict[Key, list[int]]:
        began = self._run.tick()
        rows = self._ask(READS[table].format(", ".join(map(str, keys))))
        found: dict[Key, list[int]] = {(table, key): [] for key in keys}
        for key, value in rows:
            values = [value] if table == POINTS else map(int, filter(None, value.split(",")))
            found[table, key].extend(values)
        done.reads.append(Read(began, found, frozenset(v for _, v in done.appended)))
        return found

    def _append(self, done: Done, key: int) -> None:
        value = self._run.tick()
        new = f"concat(v, ',{value}')"
        if done.one_moment and self._random.random() < 0.5:
            before = self._read(done, LISTS, [key])[LISTS, key]
            new = "'" + "".join(f",{one}" for one in (*before, value)) + "'"
        done.appended.append(((LISTS, key), value))
        self._ask(f"UPDATE lists SET v = {new} WHERE k = {key}")

    def _add_points(self, done: Done) -> None:
        added = [(key, self._run.tick()) for key in self._random.sample(KEYS, 2)]
        done.appended += [((POINTS, key), value) for key, value in added]
        rows = ", ".join(f"({key}, {1_700_000_000_000 + v}, {v})" for key, v in added)
        self._ask(f"INSERT INTO points (k, ts, id) VALUES {rows}")


def is_gone(error: BaseException, connection: Any) -> bool:
    """True if the connection broke: nobody knows what became of the statement."""
    if isinstance(error, pymysql.err.OperationalError) and error.args[0] in (2006, 2013, 2014):
        return True
    if isinstance(connection, psycopg.Connection):
        return bool(connection.closed or connection.broken)
    return isinstance(error, (OSError, pymysql.err.InterfaceError))


def connect(server: RunningServer, wire: str) -> Any:
    if wire == "mysql":
        return pymysql.connect(**server.mysql_args(), autocommit=True, read_timeout=60)
    return psycopg.connect(server.postgres_dsn(), autocommit=True)


class Run:
    """A server that is killed again and again, and all that its clients saw."""

    def __init__(self, home: Path, seed: int) -> None:
        self._data = home / "data"
        self._random = Random(seed)
        self._ticks = itertools.count(1)  # its next is atomic
        self.tick: Callable[[], int] = lambda: next(self._ticks)
        self.history: list[Done] = []
        self.refused: dict[str, int] = {}
        self.is_over = threading.Event()
        self.server = RunningServer(self._data)
        with connect(self.server, "postgres") as connection:
            for sql in SETUP:
                connection.execute(sql)

    def round(self, seconds: float, sessions: int = 6) -> None:
        """Work, a kill -9, and the server again."""
        self.is_over.clear()
        clients = [
            Session(self, Random(self._random.random()), self.server, wire)
            for _, wire in zip(range(sessions), itertools.cycle(("postgres", "mysql")))
        ]
        threads = [threading.Thread(target=client.work) for client in clients]
        for thread in threads:
            thread.start()
        self.is_over.wait(seconds)  # nobody says so before
        self.server.kill()
        self.is_over.set()
        for thread in threads:
            thread.join()
        self.server = RunningServer(self._data)

    def problems(self) -> list[str]:
        """What must not be, all rounds together."""
        return list(problems(self.history, self._last()))

    def _last(self) -> Mapping[Key, list[int]]:
        last: dict[Key, list[int]] = {(t, key): [] for t in (LISTS, POINTS) for key in KEYS}
        with connect(self.server, "postgres") as connection:
            for key, text in connection.execute("SELECT k, v FROM lists"):
                last[LISTS, key] = [int(part) for part in text.split(",") if part]
            for key, value in connection.execute("SELECT k, id FROM points"):
                last[POINTS, key].append(value)
        return last

    def told(self) -> str:
        """How much there was of what."""
        ends = [done.outcome for done in self.history]
        counts = ", ".join(f"{ends.count(one)} {one.value}" for one in Outcome)
        reads = sum(len(done.reads) for done in self.history)
        return f"{len(ends)} transactions ({counts}), {reads} reads; refused: {self.refused}"


def main() -> int:
    """Returns: 0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.histories", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--sessions", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gnomon-histories-") as home:
        run = Run(Path(home), options.seed)
        try:
            for _ in range(options.rounds):
                run.round(options.seconds, options.sessions)
            found = run.problems()
        finally:
            run.server.stop()
    print(run.told())
    for problem in found[:50]:
        print("  " + problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
