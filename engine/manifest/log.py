"""The manifest of one region: numbered actions, now and then a checkpoint.

Called by `engine.region`. Each action is one object, made by put-if-absent, so that of two owners
of a region only one can go on.
"""

from __future__ import annotations

from engine.errors import DbError, ErrorKind
from engine.manifest import codec
from engine.sst.file import region_folder
from engine.store.store import ObjectStore
from engine.version import Edit, Version

_ACTION = ".json"
_CHECKPOINT = ".checkpoint.json"


class Manifest:
    """Appends edits; `open` reads them back.

    I1. Actions are numbered without gaps; a checkpoint holds everything up to its own number.
    I2. After a failed append it is known that the action is not there, or nothing is appended any
        more until the region is opened again.
    """

    def __init__(
        self, store: ObjectStore, folder: str, number: int, since_checkpoint: int, distance: int
    ) -> None:
        # Constant after construction.
        self._store = store
        self._folder = folder
        self._distance = distance
        # Guarded by the region's maintenance lock.
        self._number = number
        self._since_checkpoint = since_checkpoint
        self._doubtful = False
        self._bytes = 0

    @property
    def number(self) -> int:
        """The number of the last action."""
        return self._number

    @property
    def bytes(self) -> int:
        """Size of all objects that count."""
        return self._bytes

    @classmethod
    def create(
        cls, store: ObjectStore, region_id: int, version: Version, distance: int
    ) -> Manifest | None:
        """A new region's manifest, durable with its first version; None if there is one."""
        manifest = cls(store, manifest_folder(region_id), 0, 0, distance)
        path, content = checkpoint_object(region_id, 1, version)
        if not store.put_if_absent(path, content):
            return None
        manifest._bytes = len(content)
        manifest._number = 1
        return manifest

    @classmethod
    def open(
        cls, store: ObjectStore, region_id: int, distance: int
    ) -> tuple[Manifest, Version] | None:
        """Reads a manifest back; None if there is none. Raises: DbError CORRUPTED."""
        folder = manifest_folder(region_id)
        names = [path.rsplit("/", 1)[1] for path in store.list(folder)]
        checkpoints = sorted(name for name in names if name.endswith(_CHECKPOINT))
        if not checkpoints:
            if names:
                raise DbError(ErrorKind.CORRUPTED, f"the manifest {folder} has no checkpoint")
            return None
        content = _read(store, f"{folder}/{checkpoints[-1]}")
        size = len(content)
        checkpoint = codec.unframe(content, f"{folder}/{checkpoints[-1]}")
        start = number = int(checkpoint["number"])
        version = codec.version_from_json(checkpoint["version"])
        for name in sorted(set(names) - set(checkpoints)):
            if int(name.removesuffix(_ACTION)) <= start:
                continue  # a leftover: the checkpoint holds it
            number += 1
            content = _read(store, f"{folder}/{name}")
            size += len(content)
            version = version.apply(read_edit(content, folder, name, number))
        manifest = cls(store, folder, number, number - start, distance)
        manifest._bytes = size
        return manifest, version

    def append(self, edit: Edit) -> None:
        """Makes an edit durable. Raises: DbError; see I2."""
        if self._doubtful:
            raise DbError(
                ErrorKind.STORAGE_UNAVAILABLE,
                f"an earlier write to the manifest {self._folder} failed with unknown outcome",
                hint="restart the server: it reads back what was written",
            )
        path = self._path(self._number + 1, _ACTION)
        content = codec.frame({"number": self._number + 1, "edit": codec.edit_to_json(edit)})
        try:
            fresh = self._store.put_if_absent(path, content)
        except DbError:
            self._undo(path)
            raise
        if not fresh:
            self._doubtful = True
            raise DbError(
                ErrorKind.STORAGE_UNAVAILABLE,
                f"the manifest file {path} was written by someone else",
                hint="two servers must not own one data directory",
            )
        self._number += 1
        self._since_checkpoint += 1
        self._bytes += len(content)

    def checkpoint_if_due(self, version: Version) -> None:
        """Writes a checkpoint after every so many actions, and removes what it replaces.

        Raises: DbError if the store fails; the manifest is as good as before then.
        """
        if self._since_checkpoint < self._distance:
            return
        body = {"number": self._number, "version": codec.version_to_json(version)}
        new, content = self._path(self._number, _CHECKPOINT), codec.frame(body)
        self._store.put(new, content)
        self._since_checkpoint = 0
        self._bytes = len(content)
        for path in self._store.list(self._folder):
            if path < new:
                self._store.delete(path)

    def _undo(self, path: str) -> None:
        """Makes sure that an action whose append failed is not there."""
        self._doubtful = True
        if self._store.get(path) is not None:
            self._store.delete(path)
        self._doubtful = False

    def _path(self, number: int, suffix: str) -> str:
        return f"{self._folder}/{number:020}{suffix}"


def manifest_folder(region_id: int) -> str:
    """The folder of a region's manifest."""
    return f"{region_folder(region_id)}/manifest"


def checkpoint_object(region_id: int, number: int, version: Version) -> tuple[str, bytes]:
    """Path and bytes of a checkpoint; one alone is a whole manifest."""
    body = {"number": number, "version": codec.version_to_json(version)}
    path = f"{manifest_folder(region_id)}/{number:020}{_CHECKPOINT}"
    return path, codec.frame(body)


def _read(store: ObjectStore, path: str) -> bytes:
    data = store.get(path)
    if data is None:
        raise DbError(ErrorKind.CORRUPTED, f"the manifest file {path} disappeared")
    return data


def read_edit(content: bytes, folder: str, name: str, number: int) -> Edit:
    """The edit of the action that must have that number. Raises: DbError CORRUPTED."""
    body = codec.unframe(content, f"{folder}/{name}")
    if int(name.removesuffix(_ACTION)) != number or body["number"] != number:
        raise DbError(
            ErrorKind.CORRUPTED, f"the manifest {folder} misses the action {number} before {name}"
        )
    return codec.edit_from_json(body["edit"])
