"""Opening a data directory: regions from their manifests, then the log on top.

Called once by `engine.regions`. Order matters: an interrupted drop is finished first, orphans go
before anything is written, and the log is read to its end before a new segment is started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from engine.manifest.log import Manifest, manifest_folder
from engine.options import EngineOptions
from engine.purge import Purge
from engine.region import Region
from engine.sst.file import region_folder, sst_folder
from engine.store.store import ObjectStore
from engine.wal.format import Kind, corrupted
from engine.wal.payload import RegionRows, decode_decision, decode_prepare, decode_writes
from engine.wal.reader import LogReader, Record
from engine.wal.segments import LogFolder

REGIONS = "regions"
# To a remote store at a time. A region takes about five, so 1000 regions open within seconds.
REQUESTS = 16
Argument = TypeVar("Argument")
Result = TypeVar("Result")


def drop_marker(region_id: int) -> str:
    """The object that says a region is dropped, until nothing else of it is left."""
    return f"{region_folder(region_id)}/DROPPED"


def remove_region_files(store: ObjectStore, region_id: int) -> None:
    """Removes everything of a dropped region; the marker goes last."""
    marker = drop_marker(region_id)
    paths = [path for path in store.list(region_folder(region_id)) if path != marker]
    for _ in each(store, store.delete, paths):
        continue
    store.delete(marker)
    store.clean(region_folder(region_id))


def open_regions(store: ObjectStore, purge: Purge, options: EngineOptions) -> Iterator[Region]:
    """Every region of the store. Raises: DbError CORRUPTED."""
    store.clean(REGIONS)
    paths = store.list(REGIONS)
    dropped = {path.split("/")[1] for path in paths if path.endswith("/DROPPED")}
    for name in sorted(dropped):
        remove_region_files(store, int(name))

    def open_one(name: str) -> Region | None:
        region_id = int(name)
        opened = Manifest.open(store, region_id, options.manifest_checkpoint_actions)
        if opened is None:
            return None  # files without a manifest: a creation that never came to pass
        manifest, version = opened
        needed = version.paths()
        for path in store.list(sst_folder(region_id)):
            if path not in needed:
                store.delete(path)
        return Region(region_id, manifest, version, purge)

    names = sorted({path.split("/")[1] for path in paths} - dropped)
    yield from (region for region in each(store, open_one, names) if region is not None)


def each(
    store: ObjectStore, call: Callable[[Argument], Result], arguments: Sequence[Argument]
) -> Iterator[Result]:
    """Calls for each argument, several at a time if the store is remote; results in order."""
    if not store.is_remote or len(arguments) < 2:
        yield from map(call, arguments)
        return
    with ThreadPoolExecutor(min(REQUESTS, len(arguments)), "recovery") as pool:
        yield from pool.map(call, arguments)


class Replay:
    """Reads the log and gives back the rows that regions lack.

    I1. A PREPARE without a decision stays in `prepared`; its rows are seen by nobody.
    """

    def __init__(
        self, folder: LogFolder, apply: Callable[[list[RegionRows], int, int], None]
    ) -> None:
        self._folder = folder
        self._apply = apply
        self._oldest = 0
        self.reader = LogReader(folder)
        self.prepared: dict[str, tuple[int, list[RegionRows]]] = {}

    def run(self) -> None:
        """Applies every record in order. Raises: DbError CORRUPTED."""
        for record in self.reader.records():
            self._oldest = self._oldest or record.sequence
            self._replay(record)

    def _replay(self, record: Record) -> None:
        if record.kind is Kind.WRITE:
            self._apply(decode_writes(record.payload), record.sequence, record.sequence)
        elif record.kind is Kind.PREPARE:
            transaction, writes = decode_prepare(record.payload)
            self.prepared[transaction] = record.sequence, writes
        elif record.kind in (Kind.COMMIT, Kind.ABORT):
            self._decide(record)

    def _decide(self, record: Record) -> None:
        transaction, prepare_sequence = decode_decision(record.payload)
        prepared = self.prepared.pop(transaction, None)
        if prepared is None:
            if prepare_sequence >= self._oldest:
                raise corrupted(
                    f"record {record.sequence}", 0, f"no PREPARE for transaction {transaction}"
                )
            return  # its segment was removed: every region has flushed those rows
        if record.kind is Kind.COMMIT:
            self._apply(prepared[1], record.sequence, prepared[0])


__all__ = ["Replay", "drop_marker", "manifest_folder", "open_regions", "remove_region_files"]
