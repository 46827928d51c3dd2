"""One moment of the engine as files that can be copied while it goes on working.

Called by `LocalRegions.backup`. The moment is what a crash would leave: the files of every
region's version, and the log up to some record. It copies nothing itself; whoever copies calls
`Capture.close` when it is done, because until then no captured file is deleted.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import BinaryIO

from engine.api import TimeRange
from engine.errors import DbError, ErrorKind
from engine.manifest.log import checkpoint_object
from engine.region import Region
from engine.sst.deletion import size
from engine.store.local import translated
from engine.store.store import ObjectStore, reading
from engine.version import Version
from engine.wal.segments import LogFolder


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A file to copy: its place in the data directory, and how to read it.

    `open` gives a stream whose first `size` bytes are the content; there may be more behind them.
    It may be called once.
    """

    path: str
    size: int
    open: Callable[[], BinaryIO]


class Capture:
    """Files that stay as they are until `close`."""

    def __init__(self, files: Sequence[BackupFile], release: ExitStack) -> None:
        self.files = tuple(files)
        self._release = release

    def close(self) -> None:
        """Lets go of everything. A second call does nothing."""
        self._release.close()


def capture(regions: Sequence[Region], store: ObjectStore, log: LogFolder) -> Capture:
    """Pins the regions' files and opens the log.

    The log is opened last, so it holds every record that a captured version lacks. Requires: no
    segment is removed meanwhile. Raises: DbError; nothing stays pinned then.
    """
    with ExitStack() as stack:
        files: list[BackupFile] = []
        for region in regions:
            state, pins = region.pinned_state(TimeRange())
            stack.callback(region.unpin, pins)
            files += _region_files(region.id, state.version, store)
        for segment in log.pin():
            stack.enter_context(segment.file)
            path = f"wal/{segment.name}"
            files.append(BackupFile(path, segment.length, _once(segment.file)))
        return Capture(files, stack.pop_all())


def _region_files(region_id: int, version: Version, store: ObjectStore) -> list[BackupFile]:
    """A manifest of the version alone, its SSTs, deletion vectors and text indexes."""
    version = _with_sound_indexes(version, store)
    path, manifest = checkpoint_object(region_id, 1, version)
    files = [content_file(path, manifest)]
    for file in version.files:
        files.append(_stored_file(file.path, file.bytes, store))
        if file.deletion is not None:
            files.append(_stored_file(file.deletion.path, size(file.deletion.count), store))
        if file.index is not None:
            files.append(_stored_file(file.index.path, file.index.bytes, store))
    return files


def _with_sound_indexes(version: Version, store: ObjectStore) -> Version:
    """The version without text indexes that are not there: nobody needs them to restore it."""
    files = []
    for file in version.files:
        if file.index is not None and not store.is_remote:
            path = store.local_path(file.index.path)
            is_sound = os.path.exists(path) and os.path.getsize(path) == file.index.bytes
            file = file if is_sound else replace(file, index=None)
        files.append(file)
    return replace(version, files=tuple(files))


def _stored_file(path: str, length: int, store: ObjectStore) -> BackupFile:
    def opened() -> BinaryIO:
        with translated(f"read {path}"), reading(store, path) as name:
            file = open(name, "rb")  # noqa: SIM115 - the caller closes it
        if os.fstat(file.fileno()).st_size != length:
            file.close()
            raise DbError(ErrorKind.CORRUPTED, f"{path} does not have its {length} bytes")
        return file

    return BackupFile(path, length, opened)


def _once(file: BinaryIO) -> Callable[[], BinaryIO]:
    return lambda: file


def content_file(path: str, content: bytes) -> BackupFile:
    """A file of which the bytes are at hand."""
    return BackupFile(path, len(content), lambda: io.BytesIO(content))
