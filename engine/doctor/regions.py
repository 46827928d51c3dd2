"""Examines what the regions keep in the store: manifests, files that no manifest names, leftovers.

The files that a manifest names are engine.doctor.files' business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from engine.doctor.report import Report, Severity
from engine.errors import DbError
from engine.manifest import codec
from engine.manifest.log import CHECKPOINT, load, manifest_folder
from engine.recovery import REGIONS, drop_marker, remove_region_files
from engine.sst.file import region_folder, sst_folder
from engine.store.store import ObjectStore
from engine.version import Version


@dataclass(frozen=True, slots=True)
class RegionFacts:
    """A region that is there; `version` is None if its manifest is damaged."""

    version: Version | None
    remove: Callable[[], str]  # for a region that nobody needs


def examine_regions(store: ObjectStore, report: Report) -> dict[int, RegionFacts]:
    """Every region of the store by its id."""
    found: dict[int, RegionFacts] = {}
    for name in sorted({path.split("/")[1] for path in store.list(REGIONS)}):
        if not name.isdecimal():
            report.found(Severity.WRONG, f"{REGIONS}/{name}", "no region has that name")
            continue
        region_id = int(name)
        if store.get(drop_marker(region_id)) is not None:
            report.found(
                Severity.LEFTOVER,
                region_folder(region_id),
                "the region was dropped, but not all of it is removed",
                fix=partial(_removed_region, store, region_id),
            )
            continue
        report.checked["regions"] += 1
        if _is_made(store, region_id, report):
            version = _manifest(store, region_id, report)
            found[region_id] = RegionFacts(version, partial(_removed_region, store, region_id))
    return found


def _is_made(store: ObjectStore, region_id: int, report: Report) -> bool:
    """False for what is left of a region that never came to be."""
    if store.list(manifest_folder(region_id)) or store.list(sst_folder(region_id)):
        return True
    folder = region_folder(region_id)
    report.found(Severity.LEFTOVER, folder, "a region that was not finished being made")
    return False


def _manifest(store: ObjectStore, region_id: int, report: Report) -> Version | None:
    """Checks the objects of a manifest one by one, then reads it as a start would."""
    folder = manifest_folder(region_id)
    names = [path.rsplit("/", 1)[1] for path in store.list(folder)]
    damaged = [name for name in names if not _sound(store, f"{folder}/{name}", report)]
    try:
        loaded = load(store, folder)
    except DbError as error:
        # What is wrong with an object was reported already; a gap or a missing start was not.
        message = error.message if not damaged else "the region cannot be opened"
        readable = _parquet_rows(store, region_id)
        report.found(Severity.DAMAGE, folder, message, readable=readable)
        return None
    if loaded is None:
        message = "the manifest has no checkpoint, so the region cannot be opened"
        readable = _parquet_rows(store, region_id)
        report.found(Severity.DAMAGE, folder, message, readable=readable)
        return None
    _superseded(store, folder, names, report)
    _orphans(store, region_id, loaded.version, report)
    return loaded.version


def _sound(store: ObjectStore, path: str, report: Report) -> bool:
    """True if an object has its checksum and its number."""
    report.checked["manifest_objects"] += 1
    try:
        body = codec.unframe(store.get(path) or b"", path)
    except DbError as error:
        report.found(Severity.DAMAGE, path, error.message)
        return False
    number = path.rsplit("/", 1)[1].split(".")[0]
    if not number.isdecimal() or body.get("number") != int(number):
        report.found(Severity.DAMAGE, path, f"it says it is number {body.get('number')}")
        return False
    return True


def _superseded(store: ObjectStore, folder: str, names: list[str], report: Report) -> None:
    """Objects that an interrupted checkpoint should have removed."""
    newest = max(name for name in names if name.endswith(CHECKPOINT))
    for name in names:
        if name < newest:
            path = f"{folder}/{name}"
            message = "a later checkpoint holds what it says"
            report.found(Severity.LEFTOVER, path, message, fix=remover(store, path))


def _orphans(store: ObjectStore, region_id: int, version: Version, report: Report) -> None:
    needed = version.paths()
    for path in store.list(sst_folder(region_id)):
        if path not in needed:
            message = "no manifest names it: left by something that did not finish"
            report.found(Severity.LEFTOVER, path, message, fix=remover(store, path))


def _parquet_rows(store: ObjectStore, region_id: int) -> str:
    """What the files of a region without a manifest would give."""
    rows = files = 0
    for path in store.list(sst_folder(region_id)):
        if path.endswith(".parquet"):
            try:
                rows += pq.read_metadata(store.local_path(path)).num_rows
                files += 1
            except (OSError, pa.ArrowException):
                continue  # it does not count as readable
    return f"{files} Parquet files with {rows} rows, replaced and deleted ones among them"


def remover(store: ObjectStore, path: str) -> Callable[[], str]:
    """A fix that removes one object."""

    def remove() -> str:
        store.delete(path)
        return "removed"

    return remove


def _removed_region(store: ObjectStore, region_id: int) -> str:
    remove_region_files(store, region_id)
    return "removed"
