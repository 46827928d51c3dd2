"""Kills the process between any two steps of a COMMIT: all of it must be there then, or nothing.

`python -m tests.crash.commit_kill --rounds 1000`. Each round forks a child that opens the database
(and checks what the last kill left), commits transactions over both stores with DDL in them, and
kills itself at one step of the last one: a step is a call or return of any Python or C function,
counted by the interpreter's profiler, or a moment inside of one (a thread kills after some
microseconds). What a transaction does follows from its number alone, so the state after any count
of them is known. Some children are killed while they recover.
"""

from __future__ import annotations

import argparse
import os
import pickle
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from catalog.store import SYSTEM_SCHEMA
from engine import jit
from engine.errors import DbError
from sql.client_session import ClientSession
from sql.database import Database, DatabaseOptions
from sql.results import Rows
from sql.session import ClientInfo, Wire
from tests.crash.engine_kill import events, in_child, tell

OPENED, FOUND, COMMITTED = range(3)  # what a child tells
SERIES = "(host STRING PRIMARY KEY, ts TIMESTAMP(3) TIME INDEX, v BIGINT)"
SETUP = (
    f"CREATE TABLE one {SERIES}",
    f"CREATE TABLE two {SERIES} PARTITION ON COLUMNS (host) (host < 'h5', host >= 'h5')",
    f"CREATE TABLE log {SERIES} WITH (append_mode = 'true')",
    f"CREATE TABLE swap {SERIES}",
    "CREATE TABLE plain (id BIGINT PRIMARY KEY, v BIGINT)",
    "CREATE TABLE model (id BIGINT, v BIGINT)",
)
Action = Callable[[int, Random], list[str]]


def _insert(table: str) -> Action:
    def action(number: int, random: Random) -> list[str]:
        rows = (f"('h{random.randrange(9)}', {random.randrange(50)}, {number})" for _ in range(4))
        return [f"INSERT INTO {table} (host, ts, v) VALUES {', '.join(rows)}"]

    return action


def _delete(number: int, random: Random) -> list[str]:
    return [f"DELETE FROM one WHERE host = 'h{random.randrange(9)}'"]


def _update_series(number: int, random: Random) -> list[str]:
    return [f"UPDATE two SET v = {number} WHERE host = 'h{random.randrange(9)}'"]


def _insert_plain(number: int, random: Random) -> list[str]:
    return [f"INSERT INTO plain (id, v) VALUES ({number}, 0)", f"UPDATE plain SET v = v + {number}"]


def _swap(number: int, random: Random) -> list[str]:
    """Create, rename, swap: as dbt does it, once with an ordinary and once with a series table."""
    name, made = random.choice(
        [
            ("model", f"CREATE TABLE new AS SELECT id, {number} AS v FROM plain"),
            ("swap", f"CREATE TABLE new {SERIES}"),
        ]
    )
    filled = ["INSERT INTO new SELECT host, ts, v FROM one"] if name == "swap" else []
    swapped = [f"ALTER TABLE {name} RENAME TO old", f"ALTER TABLE new RENAME TO {name}"]
    return [made, *filled, *swapped, "DROP TABLE old"]


def _alter(number: int, random: Random) -> list[str]:
    """A column that comes with this transaction; its rows are shown with it."""
    table = random.choice(["one", "two", "plain"])
    return [f"ALTER TABLE {table} ADD COLUMN c{number} BIGINT DEFAULT {number}"]


def _truncate(number: int, random: Random) -> list[str]:
    return [f"TRUNCATE {random.choice(['log', 'two', 'plain'])}"]


def _savepoint(number: int, random: Random) -> list[str]:
    gone = f"INSERT INTO plain (id, v) VALUES ({-number}, 1)"
    return ["SAVEPOINT s", gone, *_insert("log")(number, random), "ROLLBACK TO s", "RELEASE s"]


_IN_SERIES = (_insert("one"), _insert("two"), _insert("log"), _delete, _update_series)
_CHANGES = (_swap, _swap, _alter, _truncate, _savepoint)
OPTIONS = DatabaseOptions(threads=2)
COMMIT_SECONDS = 0.015  # more than a COMMIT takes
OPENING_STEPS = 30_000  # about as many as opening has
TABLES = ("one", "two", "log", "swap", "plain", "model")
Contents = dict[str, tuple[list[str], list[tuple[Any, ...]]]]  # columns and rows by table


def transaction(number: int) -> list[str]:
    """The statements of the transaction of that number: always the same."""
    random = Random(number)
    actions: list[Action] = [_insert_plain, *random.sample(_IN_SERIES, random.randrange(1, 4))]
    actions += random.sample(_CHANGES, random.randrange(3))
    random.shuffle(actions)
    return [text for action in actions for text in action(number, random)]


class Client:
    """A session of the database in this process."""

    def __init__(self, database: Database) -> None:
        self.session: ClientSession = database.connect(
            Wire.POSTGRES, ClientInfo("tester", "public", "local")
        )

    def run(self, text: str) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of one statement."""
        (statement,) = self.session.parse(text)
        result = self.session.execute(statement)
        if not isinstance(result, Rows):
            return [], []
        rows = [
            row
            for batch in result
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        ]
        result.close()
        return [column.name for column in result.columns], rows

    def contents(self) -> Contents:
        """Everything that is there, in an order of its own."""
        found: Contents = {}
        for table in TABLES:
            names, rows = self.run(f"SELECT * FROM {table}")
            found[table] = names, sorted(rows, key=repr)
        return found

    def run_transaction(self, number: int) -> None:
        """All statements of the transaction but COMMIT."""
        for text in ("BEGIN", *transaction(number)):
            self.run(text)


# Killing oneself at a step.


@dataclass
class Trigger:
    """Counts calls and returns of functions in all threads; ends the process at one of them."""

    at: int | None  # None: only count
    count: int = 0

    def start(self) -> None:
        """From here on it counts."""
        threading.setprofile(self._step)
        sys.setprofile(self._step)

    def stop(self) -> None:
        """No longer."""
        sys.setprofile(None)
        threading.setprofile(None)

    def _step(self, frame: Any, event: str, argument: Any) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_after(seconds: float) -> None:
    """Ends the process in so many seconds, wherever it is then, inside C code too."""

    def end() -> None:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=end, daemon=True).start()


# What there should be.


@dataclass(frozen=True)
class State:
    """After so many transactions: what is there, and the steps of the last one."""

    contents: Contents
    commit_steps: int = 0
    all_steps: int = 0  # from BEGIN on


def prepare(directory: Path, count: int) -> None:
    """Makes the tables, and a file of the states after 0, 1, … transactions nobody killed."""
    database = Database.open(directory / "data", OPTIONS)
    client = Client(database)
    for text in SETUP:
        client.run(text)
    database.close()
    shutil.copytree(directory / "data", directory / "model")
    database = Database.open(directory / "model", OPTIONS)
    client = Client(database)
    states = [State(client.contents())]
    for number in range(1, count + 1):
        trigger = Trigger(None)
        trigger.start()
        client.run_transaction(number)
        before = trigger.count
        client.run("COMMIT")
        trigger.stop()
        states.append(State(client.contents(), trigger.count - before, trigger.count))
    (directory / "states").write_bytes(pickle.dumps(states))
    database.close()


# The child.


@dataclass(frozen=True)
class Orders:
    """What a child shall do."""

    known: int  # transactions that were acknowledged, or found committed
    more: int  # transactions to be committed before the one that is killed
    how: str  # commit, whole: at a step of either; moment: at any time in COMMIT
    share: float  # of the steps, or of the time, after which it dies
    opening_steps: int | None  # dies at this step of opening the database


def work(directory: Path, states: list[State], orders: Orders, out: int) -> None:
    """Opens, checks, commits some, dies in the last one. Raises: AssertionError."""
    trigger = Trigger(orders.opening_steps)
    trigger.start()
    database = Database.open(directory, OPTIONS)
    trigger.stop()
    tell(out, OPENED, trigger.count)
    client = Client(database)
    number = check(database, client, states, orders.known)
    tell(out, FOUND, number)
    for _ in range(orders.more):
        number += 1
        client.run_transaction(number)
        client.run("COMMIT")
        tell(out, COMMITTED, number)
        if number % 5 == 0:
            for region in sorted(database.regions.region_ids()):
                database.regions.flush(region)
    die(client, states[number + 1], orders, number + 1)
    tell(out, COMMITTED, number + 1)
    os.kill(os.getpid(), signal.SIGKILL)


def die(client: Client, state: State, orders: Orders, number: int) -> None:
    """One transaction that is killed; it may come to its end if it has fewer steps than before."""
    if orders.how == "whole":
        Trigger(int(orders.share * state.all_steps)).start()
        client.run_transaction(number)
        client.run("COMMIT")
        return
    client.run_transaction(number)
    if orders.how == "commit":
        Trigger(int(orders.share * state.commit_steps)).start()
    else:
        kill_after(orders.share * COMMIT_SECONDS)
    client.run("COMMIT")


def check(database: Database, client: Client, states: list[State], known: int) -> int:
    """Compares with the state after `known` transactions, or one more; gives which it is."""
    rows = client.session.duck.execute(f"FROM {SYSTEM_SCHEMA}.decisions")
    assert rows == [], "a decision is left over"
    assert not database.regions.prepared(), "prepared rows are left over"
    named = {r for t in database.catalog.tables(client.session.duck.cursor) for r in t.region_ids}
    assert database.regions.region_ids() == named, "regions are not those of the tables"
    found = client.contents()
    before, after = states[known].contents, states[known + 1].contents
    if found == before:
        return known
    if found == after:
        return known + 1
    raise AssertionError(f"transaction {known + 1} is half there: {half(found, before, after)}")


def half(found: Contents, before: Contents, after: Contents) -> str:
    """Which tables are as before, which as after, and what the others hold."""
    told = []
    for table in TABLES:
        if before[table] == after[table]:
            continue
        known = {"before": before[table], "after": after[table]}
        names = [name for name, contents in known.items() if contents == found[table]]
        told.append(f"{table}: {names[0] if names else (found[table], known)}")
    return "; ".join(told)


# The parent.


@dataclass
class Summary:
    """What the rounds so far have seen."""

    rounds: int = 0
    committed: int = 0
    kept: int = 0  # of those that were killed
    killed_opening: int = 0


def kill_round(
    directory: Path, states: list[State], known: int, random: Random, seen: Summary
) -> int:
    """One child's life; gives how many transactions are there now. Raises: AssertionError."""
    opening = random.randrange(1, OPENING_STEPS) if random.random() < 0.15 else None
    how = random.choice(["commit", "commit", "commit", "moment", "whole"])
    orders = Orders(known, random.randrange(3), how, random.uniform(0, 1.02), opening)
    pid, source = in_child(lambda out: work(directory, states, orders, out))
    told = events(source, 120)
    os.close(source)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), f"the child that had {orders} ended by itself"
    assert os.WTERMSIG(status) == signal.SIGKILL, f"signal {os.WTERMSIG(status)}"
    seen.rounds += 1
    seen.killed_opening += not told
    for what, number in told:
        if what == FOUND:
            seen.kept += number > known
        if what in (FOUND, COMMITTED):
            known = number
    return known


def _prepare(directory: Path, count: int, _: int) -> None:
    prepare(directory, count)


def run(rounds: int, seed: int, home: Path, rounds_per_directory: int = 50) -> Summary:
    """Kills so many times. Raises: AssertionError."""
    random = Random(seed)
    seen = Summary()
    jit.warm()  # once, before the children are made
    for first in range(0, rounds, rounds_per_directory):
        directory = home / f"{seed}-{first}"
        count = min(rounds_per_directory, rounds - first)
        pid, source = in_child(partial(_prepare, directory, 4 * count + 1))
        os.close(source)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        states = pickle.loads((directory / "states").read_bytes())
        known = 0
        for number in range(first, first + count):
            try:
                known = kill_round(directory / "data", states, known, random, seen)
            except AssertionError as error:
                raise AssertionError(f"round {number} of seed {seed}: {error}") from error
        seen.committed += known
        shutil.rmtree(directory)
    return seen


def main() -> int:
    """Prints what was found; 1 after a transaction that was there by half."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.commit_kill", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    directory = options.directory or Path(tempfile.mkdtemp())
    started = time.monotonic()
    try:
        seen = run(options.rounds, options.seed, directory)
    except (AssertionError, DbError) as error:
        print(f"{error}\nthe directory is kept: {directory}")
        return 1
    print(
        f"{seen.rounds} kills ({seen.killed_opening} while opening), {seen.committed} transactions "
        f"committed, {seen.kept} of them unacknowledged, all whole; "
        f"{time.monotonic() - started:.0f} s"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
