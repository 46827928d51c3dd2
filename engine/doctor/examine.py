"""The examination of an engine's directory from its log to its last page.

Called by `gnomon doctor` (server/doctor.py) with the directory locked. Memory stays bounded: one
log record, one row group, or DuckDB's limit while identities are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.doctor.files import examine_file
from engine.doctor.identity import SoundFile, examine_identities
from engine.doctor.log import LogFacts, examine_log
from engine.doctor.regions import RegionFacts, examine_regions
from engine.doctor.report import Report, Severity
from engine.recovery import REGIONS
from engine.store.local import TEMPORARY, translated
from engine.store.store import ObjectStore
from engine.version import Version


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What is there."""

    log: LogFacts
    regions: dict[int, RegionFacts]


def examine_engine(directory: Path, store: ObjectStore, report: Report) -> EngineFacts:
    """Examines everything below an engine's directory. Requires: it is locked by the caller."""
    log = examine_log(directory / "wal", report)
    _unfinished(directory / REGIONS, directory, report)
    regions = examine_regions(store, report)
    for region_id, region in regions.items():
        if region.version is not None:
            _region(store, region_id, region.version, report)
    return EngineFacts(log, regions)


def _region(store: ObjectStore, region_id: int, version: Version, report: Report) -> None:
    sound = []
    for file in version.files:
        dead = examine_file(store, region_id, version, file, report)
        if dead is not None:
            sound.append(SoundFile(file, dead))
    examine_identities(store, region_id, version, sound, report)


def _unfinished(folder: Path, directory: Path, report: Report) -> None:
    """Files that a crash left half written; nothing ever reads them."""
    for path in sorted(folder.rglob(f"*{TEMPORARY}")):
        report.found(
            Severity.LEFTOVER,
            str(path.relative_to(directory)),
            "a file that was not finished",
            fix=_remover(path),
        )


def _remover(path: Path) -> Callable[[], str]:
    def remove() -> str:
        with translated(f"remove {path}"):
            path.unlink(missing_ok=True)
        return "removed"

    return remove
