"""The guided tour, `make demo`: starts a server, fills it, asks it, restarts it, kills it.

    python -m examples.demo [--seconds 3] [--postgres HOST:PORT --mysql HOST:PORT]

With addresses it uses that server and leaves out the restart and the kill. It exits with 1 if an
answer after the restart or the kill is not byte for byte the answer before.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench.launch import Gnomon
from examples.demo import public_data, sensors
from examples.demo.questions import QUESTIONS, ask_all
from examples.demo.shell import DATABASE, Addresses, ClientError, mysql, psql

SURVIVORS = 500  # rows whose INSERT is acknowledged right before the kill


def main() -> int:
    """Runs the tour. Returns: the exit code."""
    options = _options()
    try:
        if options.postgres and options.mysql:
            _fill(Addresses(options.postgres, options.mysql), options.seconds)
            _show(ask_all(Addresses(options.postgres, options.mysql)))
            return 0
        with tempfile.TemporaryDirectory(prefix="gnomon-demo-") as home:
            return _tour(Path(home), options.seconds)
    except ClientError as error:
        print(f"\nThe tour ends here: {error}")
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.demo")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to read sensors")
    parser.add_argument("--postgres", type=_address, metavar="HOST:PORT")
    parser.add_argument("--mysql", type=_address, metavar="HOST:PORT")
    return parser.parse_args()


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


def _tour(home: Path, seconds: float) -> int:
    server = Gnomon(home / "data", home / "log")
    try:
        _title(f"A server on an empty directory: ready after {server.start():.1f} s")
        to = Addresses(("127.0.0.1", server.postgres), ("127.0.0.1", server.mysql))
        _fill(to, seconds)
        before = ask_all(to)
        _show(before)
        code = server.stop()
        _title(f"Stopped (exit code {code}); started again after {server.start():.1f} s")
        same = _compare("restart", before, ask_all(to))
        _before_kill(to)
        server.kill()
        _title(f"Killed with -9; recovered after {server.start():.1f} s")
        same = _compare("kill -9", before, ask_all(to)) and same
        return 0 if _after_kill(to) and same and code == 0 else 1
    finally:
        server.stop()


def _fill(to: Addresses, seconds: float) -> None:
    psql(to, f"DROP DATABASE IF EXISTS {DATABASE}", database="public")
    psql(to, f"CREATE DATABASE {DATABASE}", database="public")
    psql(to, sensors.TABLES)
    _title(f"This machine's sensors for {seconds:g} s, written over both wires")
    samples = sensors.sample(seconds)
    began = time.monotonic()
    sensors.write(samples, to)
    took = time.monotonic() - began
    for table, count in samples.counts().items():
        print(f"  {table:8} {count:6} rows")
    print(f"  written durably in {took * 1000:.0f} ms")
    _title("Public data by psql's \\copy, ordinary tables by the mysql client")
    print("  " + " / ".join(" ".join(said.split()) for said in public_data.load(to) if said))


def _before_kill(to: Addresses) -> None:
    mysql(to, "CREATE TABLE survivors (ts TIMESTAMP TIME INDEX, v INT)")
    values = ", ".join(f"({i}, {i})" for i in range(SURVIVORS))
    mysql(to, f"INSERT INTO survivors VALUES {values}")


def _after_kill(to: Addresses) -> bool:
    said = psql(to, "SELECT count(*), sum(v) FROM survivors")
    wanted = f"{SURVIVORS} | {SURVIVORS * (SURVIVORS - 1) // 2}"
    good = wanted in said
    print(f"  {SURVIVORS} rows acknowledged just before the kill: {'all there' if good else said}")
    return good


def _show(answers: list[str]) -> None:
    for question, answer in zip(QUESTIONS, answers, strict=True):
        _title(f"{question.title} [{question.client}]")
        print(f"  {question.sql}\n")
        print("\n".join("  " + line for line in answer.rstrip().split("\n")))


def _compare(event: str, before: list[str], after: list[str]) -> bool:
    different = [
        question.title
        for question, old, new in zip(QUESTIONS, before, after, strict=True)
        if old != new
    ]
    same = len(QUESTIONS) - len(different)
    print(f"  {same} of {len(QUESTIONS)} answers are byte for byte the same after the {event}")
    for title in different:
        print(f"  DIFFERENT: {title}")
    return not different


def _title(text: str) -> None:
    print(f"\n=== {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
