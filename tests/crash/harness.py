"""Rounds of writing, kill -9 at a random moment, recovery and counting.

Called by test_crash.py (a few rounds) and run.py (as many as one likes). What must hold after each
recovery, for every unit (statement or transaction) that any writer ever sent:

I1. Acknowledged means there: all its rows, once each.
I2. All or nothing: a unit whose answer never came is there whole or not at all, in all its tables.
I3. Acknowledged deletions stay deleted.
I4. Nothing else is there.
I5. `gnomon doctor` finds nothing but leftovers in what the kill left.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench.launch import Gnomon
from engine.doctor.report import Severity
from server.doctor import examine
from tests.crash.writers import (
    PLAIN_TABLE,
    SERIES_TABLES,
    TABLES,
    WRITERS,
    Ledger,
    Maintainer,
    Writer,
)

WORK_SECONDS_MAX = 60
Found = dict[tuple[str, str, int], tuple[int, int, int, int]]


@dataclass
class Summary:
    """What the rounds so far have seen."""

    rounds: int = 0
    units: int = 0
    rows: int = 0
    unsure_kept: int = 0
    unsure_lost: int = 0
    kills_in_recovery: int = 0
    recovery_seconds: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Harness:
    """One data directory, its server and what every writer knows of its own units."""

    def __init__(self, home: Path, seed: int, flush: bool = True) -> None:
        self.server = Gnomon(home / "data", home / "log")
        self.random = random.Random(seed)
        self.ledgers = {writer: Ledger(writer.tables) for writer in WRITERS}
        self.summary = Summary()
        self._flush = flush

    def prepare(self) -> None:
        """Starts the server and makes the tables."""
        self.server.start()
        columns = "unit BIGINT, part INT, size INT"
        with self._connect() as connection:
            for table, options in SERIES_TABLES.items():
                connection.execute(
                    f"CREATE TABLE {table} (writer STRING PRIMARY KEY, "
                    f"ts TIMESTAMP(3) TIME INDEX, {columns}) {options}".encode()
                )
            connection.execute(
                f"CREATE TABLE {PLAIN_TABLE} (writer VARCHAR(20), ts BIGINT, {columns})".encode()
            )

    def round(self) -> None:
        """Writes, kills, recovers and checks. Problems are added to the summary."""
        killed = threading.Event()
        writers = [
            kind(self.server, ledger, killed, self.random.randrange(2**32))
            for kind, ledger in self.ledgers.items()
        ]
        if self._flush:
            writers.append(
                Maintainer(self.server, Ledger(()), killed, self.random.randrange(2**32))
            )
        for writer in writers:
            writer.start()
        self._wait_for_work()
        self._wait(self.random.uniform(0.0, 1.5))
        killed.set()
        self.server.kill()
        self._collect(writers)
        self._examine()
        if self.random.random() < 0.3:
            self._kill_in_recovery()
        self.summary.recovery_seconds.append(self.server.start())
        self.check()
        self.summary.rounds += 1

    def _collect(self, writers: list[Writer]) -> None:
        for writer in writers:
            writer.join(30)
            if writer.is_alive():
                self.summary.problems.append(f"{writer.name} still waits for a dead server")
            self.summary.problems += writer.errors

    def _examine(self) -> None:
        """I5."""
        for finding in examine(self.server.directory).findings:
            if finding.severity is not Severity.LEFTOVER:
                self.summary.problems.append(f"I5: {finding}")

    def _kill_in_recovery(self) -> None:
        self.server.launch()
        self._wait(self.random.uniform(0.2, 1.5))
        self.server.kill()
        self.summary.kills_in_recovery += 1

    def _wait_for_work(self) -> None:
        """Until something is acknowledged: the first statement may wait for compiled kernels."""
        before = self._acknowledged()
        for _ in range(WORK_SECONDS_MAX * 50):
            if self._acknowledged() > before:
                return
            self._wait(0.02)
        self.summary.problems.append(f"nothing was acknowledged within {WORK_SECONDS_MAX} s")

    def _acknowledged(self) -> int:
        return sum(ledger.acknowledged for ledger in self.ledgers.values())

    def _wait(self, seconds: float) -> None:
        threading.Event().wait(seconds)

    def check(self) -> None:
        """Compares what is there with what was promised, and settles what was unsure."""
        found = self._found()
        for kind, ledger in self.ledgers.items():
            self._check_writer(kind.name, ledger, found)
        for table, writer, unit in found:
            self.summary.problems.append(f"I4: {table} has unit {unit} of {writer}, never sent")
        ledgers = self.ledgers.values()
        self.summary.units = sum(len(one.present) + len(one.absent) for one in ledgers)
        self.summary.rows = sum(sum(one.present.values()) for one in ledgers)

    def _check_writer(self, name: str, ledger: Ledger, found: Found) -> None:
        for unit, size in ledger.present.items():
            for table in ledger.tables:
                self._expect_whole(
                    "I1", table, name, unit, size, found.pop((table, name, unit), None)
                )
        for unit in ledger.absent:
            for table in ledger.tables:
                if found.pop((table, name, unit), None) is not None:
                    self.summary.problems.append(f"I3: {table} has deleted unit {unit} of {name}")
        for unit, size in list(ledger.unsure.items()):
            self._settle(name, ledger, unit, size, found)

    def _settle(self, name: str, ledger: Ledger, unit: int, size: int, found: Found) -> None:
        parts = [(table, found.pop((table, name, unit), None)) for table in ledger.tables]
        if all(rows is None for _, rows in parts):
            self.summary.unsure_lost += 1
            ledger.deleted(unit)
            return
        for table, rows in parts:
            self._expect_whole("I2", table, name, unit, size, rows)
        self.summary.unsure_kept += 1
        ledger.written(unit)

    def _expect_whole(
        self,
        rule: str,
        table: str,
        name: str,
        unit: int,
        size: int,
        rows: tuple[int, int, int, int] | None,
    ) -> None:
        whole = (size, size * (size - 1) // 2, size, size)
        if rows != whole:
            got = "nothing" if rows is None else f"{rows[0]} rows (part sum {rows[1]})"
            self.summary.problems.append(
                f"{rule}: {table} unit {unit} of {name}: expected {size} rows, got {got}"
            )

    def _found(self) -> Found:
        found: Found = {}
        with self._connect() as connection:
            for table in TABLES:
                cursor = connection.execute(
                    "SELECT writer, unit, count(*), sum(part), min(size), max(size) "
                    f"FROM {table} GROUP BY writer, unit".encode()
                )
                for writer, unit, *counts in cursor:
                    rows, parts, low, high = map(int, counts)
                    found[table, writer, unit] = (rows, parts, low, high)
        return found

    def log_of_errors(self) -> str:
        """The server's last errors, for whoever has to explain a problem."""
        lines = self.server.log.read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if " ERROR " in line][-3:])

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.server.postgres,
            user="gnomon",
            dbname="public",
            autocommit=True,
        )
