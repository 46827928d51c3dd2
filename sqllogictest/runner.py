"""Runs .slt files over PostgreSQL wire, MySQL wire and HTTP, with one expected answer for all.

Called by test_slt.py (pytest) and by hand:

    python -m sqllogictest.runner --postgres 127.0.0.1:4003 --mysql 127.0.0.1:4002 \\
        --http 127.0.0.1:4000 [--rewrite] [sqllogictest/cases/insert ...]

`--rewrite` replaces every query's rows by what PostgreSQL wire answers; reviewing that diff is the
point, so nothing is ever written without being asked.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqllogictest import parse
from sqllogictest.clients import Address, Answer, Client, Refused, codes_of, connect
from sqllogictest.parse import CaseError, Query, Statement, Timezone
from sqllogictest.values import ValueShapeError, canonical

CASES = Path(__file__).parent / "cases"
MAINTENANCE = {"postgres": "public", "mysql": "public", "http": "public"}


@dataclass(frozen=True, slots=True)
class Failure:
    """One record whose outcome is not the expected one."""

    line: int
    sql: str
    message: str

    def show(self, path: Path, wire: str) -> str:
        """A report that names the file, the line and the wire."""
        return f"{path}:{self.line} over {wire}\n{_indent(self.sql)}\n{self.message}"


def run_file(
    path: Path, wire: str, address: Address, login: Sequence[str] = (), maintenance: str = ""
) -> list[Failure]:
    """Runs one file in a fresh database of its own. Raises: CaseError for a bad file."""
    records = parse.read(path)
    database = database_name(path, wire)
    _fresh(database, wire, address, login, maintenance)
    client = connect(wire, address, database, login)
    try:
        return [
            failure
            for record in records
            if wire in record.wires and (failure := check(client, record, database)) is not None
        ]
    finally:
        client.close()
        _drop(database, wire, address, login, maintenance)


def database_name(path: Path, wire: str) -> str:
    """The database of one case over one wire."""
    return f"slt_{path.parent.name}_{path.stem}_{wire}"


def check(client: Client, record: parse.Record, database: str) -> Failure | None:
    """Runs one record and says how it went wrong, None if it did not."""
    if isinstance(record, Timezone):
        return _guard(record.line, f"timezone {record.name}", client, record.name)
    sql = record.sql.replace("$db", database)
    if isinstance(record, Statement):
        message = _statement(client, record, sql)
    else:
        message = _query(client, record, sql, database)
    return None if message is None else Failure(record.line, sql, message)


def _guard(line: int, sql: str, client: Client, name: str) -> Failure | None:
    try:
        client.set_timezone(name)
    except Refused as refused:
        return Failure(line, sql, f"expected success, got {refused}")
    return None


def _statement(client: Client, record: Statement, sql: str) -> str | None:
    try:
        answer = client.run(sql)
    except Refused as refused:
        return _refusal(client.wire, record, refused)
    if record.error is not None:
        wanted = f"{record.sqlstate} {record.error}".strip()
        return f"expected error {wanted}, got success ({_outcome(answer)})"
    if record.count is not None and answer.affected != record.count:
        return f"expected {record.count} affected rows, got {answer.affected}"
    return None


def _refusal(wire: str, record: Statement, refused: Refused) -> str | None:
    if record.error is None:
        return f"expected success, got {refused}"
    if record.sqlstate:
        codes = codes_of(record.sqlstate, wire)
        if refused.code not in codes:
            wanted = " or ".join(sorted(codes))
            return f"expected error {record.sqlstate} (here {wanted}), got {refused}"
    if not re.search(record.error, refused.message, re.IGNORECASE):
        return f"expected an error matching {record.error!r}, got {refused}"
    return None


def _query(client: Client, record: Query, sql: str, database: str) -> str | None:
    try:
        answer = client.run(sql)
        got = rows_of(answer, record, database)
    except Refused as refused:
        return f"expected rows, got {refused}"
    except ValueShapeError as error:
        return str(error)
    if _sorted(got, record) == _sorted(list(record.rows), record):
        return None
    return f"expected\n{_indent(_show(list(record.rows)))}\ngot\n{_indent(_show(got))}"


def rows_of(answer: Answer, record: Query, database: str) -> list[tuple[str, ...]]:
    """An answer as the rows of a .slt file. Raises: ValueShapeError if the types do not fit."""
    if len(answer.names) != len(record.types):
        raise ValueShapeError(
            f"expected {len(record.types)} columns, got {len(answer.names)}: {answer.names}"
        )
    rows = [
        tuple(canonical(value, letter) for value, letter in zip(row, record.types, strict=True))
        for row in answer.rows
    ]
    if record.header:
        rows.insert(0, answer.names)
    return [tuple(value.replace(database, "$db") for value in row) for row in rows]


def _sorted(rows: list[tuple[str, ...]], record: Query) -> object:
    head, body = (rows[:1], rows[1:]) if record.header else ([], rows)
    if record.sort == "rowsort":
        return head, sorted(body)
    if record.sort == "valuesort":
        return head, sorted(value for row in body for value in row)
    return head, body


def rewrite(path: Path, address: Address, login: Sequence[str] = ()) -> bool:
    """Replaces the rows of one file by PostgreSQL wire's answers. Returns: whether it changed."""
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    database = database_name(path, "postgres")
    _fresh(database, "postgres", address, login, "")
    answers: list[tuple[tuple[int, int], list[str]]] = []
    with connect("postgres", address, database, login) as client:
        for record in parse.parse(text, str(path)):
            if isinstance(record, Query) and "postgres" in record.wires:
                try:
                    answers.append((record.answer, _answer_lines(client, record, database)))
                except (Refused, ValueShapeError) as error:
                    print(f"{path}:{record.line} is left as it is: {error}")
            elif "postgres" in record.wires:
                check(client, record, database)
    _drop(database, "postgres", address, login, "")
    for (start, end), rows_text in reversed(answers):
        lines[start:end] = rows_text
    path.write_text("\n".join(lines), encoding="utf-8")
    return "\n".join(lines) != text


def _answer_lines(client: Client, record: Query, database: str) -> list[str]:
    rows = rows_of(client.run(record.sql.replace("$db", database)), record, database)
    body = rows[1:] if record.header else rows
    ordered = body if record.sort == "nosort" else sorted(body)
    return _aligned(rows[: len(rows) - len(body)] + ordered)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))] if rows else []
    return [
        " | ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _fresh(database: str, wire: str, address: Address, login: Sequence[str], home: str) -> None:
    _drop(database, wire, address, login, home)
    with connect(wire, address, home or MAINTENANCE[wire], login) as client:
        client.run(f"CREATE DATABASE {database}")


def _drop(database: str, wire: str, address: Address, login: Sequence[str], home: str) -> None:
    with connect(wire, address, home or MAINTENANCE[wire], login) as client:
        client.run(f"DROP DATABASE IF EXISTS {database}")


def _outcome(answer: Answer) -> str:
    if answer.affected is not None:
        return f"{answer.affected} rows affected"
    return f"{len(answer.rows)} rows of {', '.join(answer.names)}"


def _show(rows: list[tuple[str, ...]]) -> str:
    return "\n".join(_aligned(rows)) if rows else "(no rows)"


def _indent(text: str) -> str:
    return "\n".join("    " + line for line in text.split("\n"))


def find(paths: Sequence[Path]) -> list[Path]:
    """The .slt files of some files and folders, sorted; of all cases when none are given."""
    found: list[Path] = []
    for path in paths or [CASES]:
        found += sorted(path.rglob("*.slt")) if path.is_dir() else [path]
    return found


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host or "127.0.0.1", int(port)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns: 0 if everything was as expected."""
    parser = argparse.ArgumentParser(prog="python -m sqllogictest.runner")
    for wire in parse.WIRES:
        parser.add_argument(f"--{wire}", type=_address, metavar="HOST:PORT")
    parser.add_argument("--user", default="")
    parser.add_argument("--password", default="")
    parser.add_argument("--maintenance", default="", help="database to create others from")
    parser.add_argument("--rewrite", action="store_true")
    parser.add_argument("paths", nargs="*", type=Path)
    options = parser.parse_args(arguments)
    login = (options.user, options.password) if options.user else ()
    addresses = {w: getattr(options, w) for w in parse.WIRES if getattr(options, w)}
    if not addresses:
        parser.error("give at least one of --postgres, --mysql, --http")
    if options.rewrite:
        for path in find(options.paths):
            print(path, "rewritten" if rewrite(path, addresses["postgres"], login) else "same")
        return 0
    return _run_all(find(options.paths), addresses, login, options.maintenance)


def _run_all(
    paths: Sequence[Path], addresses: dict[str, Address], login: Sequence[str], home: str
) -> int:
    bad = 0
    for path in paths:
        for wire, address in addresses.items():
            try:
                failures = run_file(path, wire, address, login, home)
            except (CaseError, Refused) as error:
                print(f"{path} over {wire}: {error}")
                bad += 1
                continue
            for failure in failures:
                print(failure.show(path, wire), end="\n\n")
            bad += bool(failures)
    total = len(paths) * len(addresses)
    print(f"{total - bad} of {total} runs ({len(paths)} files) as expected")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
