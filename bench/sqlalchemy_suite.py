"""SQLAlchemy's dialect suite against us and against PostgreSQL or MariaDB, test by test.

By hand: `.ci/sqlalchemy`, then `python -m bench.sqlalchemy_suite psycopg|asyncpg|pymysql [pytest
arguments]`. Prints how many of the tests that the peer passes we pass, and the others by their
error. Nothing of the suite is kept here: it is run where `.ci/sqlalchemy` has put it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pymysql

from bench import peers
from bench.launch import ROOT

HOME = ROOT / ".venv-sqlalchemy"
SUITE = "test/dialect/test_suite.py"
_ADDRESS = re.compile(r"0x[0-9a-f]+")
_DIALECT = re.compile(r"_(postgresql|mysql|mariadb)\+.*")
_ERROR = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Warning)\b.*", re.MULTILINE)
SCHEMA = "test_schema"

Outcomes = dict[str, tuple[str, str]]  # test: ok, skipped, failure or error, and its text


def main() -> int:
    """Returns: 0, or 2 if something is not installed."""
    if len(sys.argv) < 2 or not (HOME / "source").is_dir():
        print(__doc__)
        return 2
    driver, arguments = sys.argv[1], sys.argv[2:]
    mysql = driver == "pymysql"
    try:
        with peers.mariadb() if mysql else peers.postgresql() as server:
            expected = run(server, driver, arguments)
        with peers.gnomon() as server:
            found = run(server, driver, arguments)
    except peers.MissingPeerError as missing:
        print(missing)
        return 2
    report(driver, expected, found)
    return 0


def run(server: peers.Server, driver: str, arguments: list[str]) -> Outcomes:
    """The suite's outcomes on one server."""
    _prepare(server, driver)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        command = [str(HOME / "bin" / "python"), "-m", "pytest", "-q", "--maxfail=9999"]
        command += ["-p", "no:cacheprovider", "--dburi", _url(server, driver)]
        command += [f"--junitxml={results}", *(arguments or [SUITE])]
        subprocess.run(command, cwd=HOME / "source", stdout=subprocess.DEVNULL, check=False)
        return read(results)


def _prepare(server: peers.Server, driver: str) -> None:
    if driver != "pymysql":
        with server.psycopg() as connection:
            connection.execute(f"CREATE SCHEMA {SCHEMA}")
        return
    connection = pymysql.connect(host="127.0.0.1", port=server.mysql, user=server.user)
    with connection, connection.cursor() as cursor:
        for name in ("test", SCHEMA):
            cursor.execute(f"CREATE DATABASE {name}")


def _url(server: peers.Server, driver: str) -> str:
    at = f"{server.user}@127.0.0.1"
    if driver == "pymysql":
        return f"mysql+pymysql://{at}:{server.mysql}/test?charset=utf8mb4"
    return f"postgresql+{driver}://{at}:{server.postgres}/{server.database}"


def read(results: Path) -> Outcomes:
    """Outcomes by test, with names that are the same on every server."""
    found: Outcomes = {}
    for case in ElementTree.parse(results).iter("testcase"):
        group = _DIALECT.sub("", (case.get("classname") or "").rpartition(".")[2])
        name = _ADDRESS.sub("", f"{group}.{case.get('name')}")
        found[name] = ("ok", "")
        for child in case:
            if child.tag in ("failure", "error", "skipped"):
                found[name] = (child.tag, child.text or "")
    return found


def report(driver: str, expected: Outcomes, found: Outcomes) -> None:
    """Prints the share of what the peer passes, and what fails by its last error."""
    passed = [name for name, (outcome, _) in expected.items() if outcome == "ok"]
    offered = [name for name in passed if found.get(name, ("skipped", ""))[0] != "skipped"]
    ours = [name for name in offered if found[name][0] == "ok"]
    print(f"{driver}: the peer passes {len(passed)}, {len(offered)} of these are run here,")
    print(f"  we pass {len(ours)}: {100 * len(ours) / max(len(offered), 1):.1f} %")
    why: Counter[str] = Counter()
    for name in sorted(set(offered) - set(ours)):
        errors = _ERROR.findall(found[name][1])
        why[errors[-1][:160] if errors else found[name][0]] += 1
        print(f"    {name}")
    for reason, count in why.most_common():
        print(f"{count:5} {reason}")


if __name__ == "__main__":
    sys.exit(main())
