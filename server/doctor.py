"""`gnomon doctor`: examines a stopped data directory, tells, and repairs what is safe if asked.

Registered by commands.py. Exit codes: 0 nothing is wrong (any more), 1 something is, 2 it could
not run: the directory is in use, or is none.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.doctor.report import Finding, Report
from engine.errors import DbError, ErrorKind

CLEAN, PROBLEMS, CANNOT_RUN = 0, 1, 2
_COUNTED = (
    ("log_segments", "log segments"),
    ("log_records", "log records"),
    ("regions", "regions"),
    ("manifest_objects", "manifest objects"),
    ("files", "files"),
    ("rows", "rows"),
    ("file_bytes", "bytes of files"),
    ("deletion_vectors", "deletion vectors"),
    ("text_indexes", "text indexes"),
    ("tables", "tables"),
    ("relational_tables", "tables of DuckDB's"),
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The grammar of `gnomon doctor`."""
    command.add_argument("directory", type=Path, metavar="DIR", help="a data directory")
    command.add_argument(
        "--repair",
        action="store_true",
        help="clear leftovers away and correct the manifest where the files prove it wrong; "
        "damaged data is never touched",
    )
    command.add_argument("--json", action="store_true", help="print the report as JSON")


def doctor(chosen: argparse.Namespace) -> int:
    """Examines a directory and prints the report."""
    try:
        report = examine(chosen.directory, repairing=chosen.repair)
    except DbError as error:
        _print_error(chosen, error)
        return CANNOT_RUN
    if chosen.json:
        body = {"directory": str(chosen.directory), **report.to_json()}
        sys.stdout.write(json.dumps(body, indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(_text(chosen.directory, report)) + "\n")
    return PROBLEMS if report.open_findings else CLEAN


def examine(directory: Path, *, repairing: bool = False) -> Report:
    """The report on a stopped data directory.

    Raises: DbError INVALID_ARGUMENT if it is none, STORAGE_UNAVAILABLE if it is in use, keeps its
    regions elsewhere, or cannot be read.
    """
    from catalog.doctor import examine_catalog
    from engine.doctor.examine import examine_engine
    from engine.lock import DirectoryLock
    from engine.store.opening import open_store
    from engine.store.options import StorageOptions
    from sql.backup import ENGINE_FOLDER

    engine = directory / ENGINE_FOLDER
    if not engine.is_dir():
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"{directory} is not a data directory: it has no folder {ENGINE_FOLDER}",
        )
    report = Report(repairing=repairing)
    lock = DirectoryLock(engine)
    try:
        report.prefix = f"{ENGINE_FOLDER}/"
        facts = examine_engine(engine, open_store(StorageOptions(), engine), report)
        report.prefix = ""
        examine_catalog(directory, facts, f"{ENGINE_FOLDER}/", report)
    finally:
        lock.release()
    return report


def _text(directory: Path, report: Report) -> Iterator[str]:
    """The report for people."""
    counts = (f"{report.checked[name]} {words}" for name, words in _COUNTED if report.checked[name])
    yield f"{directory}: checked {', '.join(counts) or 'nothing'}"
    for finding in report.findings:
        yield from _finding(finding)
    repaired = len(report.findings) - len(report.open_findings)
    if not report.findings:
        yield "nothing is wrong"
    else:
        yield f"{len(report.findings)} findings, {repaired} repaired"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"[{finding.severity.value}] {finding.path}: {finding.message}"
    if finding.readable is not None:
        yield f"    still readable: {finding.readable}"
    if finding.repair is not None:
        yield f"    repaired: {finding.repair}"


def _print_error(chosen: argparse.Namespace, error: DbError) -> None:
    words = "; ".join(part for part in (error.message, error.detail, error.hint) if part)
    if chosen.json:
        body: dict[str, Any] = {"directory": str(chosen.directory), "error": words}
        sys.stdout.write(json.dumps(body) + "\n")
    sys.stderr.write(f"gnomon: {words}\n")
