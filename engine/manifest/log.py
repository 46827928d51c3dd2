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

    @classmethod
    def create(
        cls, store: ObjectStore, region_id: int, version: Version, distance: int
    ) -> Manifest | None:
        """A new region's manifest, durable with its first version; None if there is one."""
        manifest = cls(store, manifest_folder(region_id), 0, 0, distance)
        body = {"number": 1, "version": codec.version_to_json(version)}
        if not store.put_if_absent(manifest._path(1, _CHECKPOINT), codec.frame(body)):
            return None
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
        checkpoint = codec.unframe(
            _read(store, f"{folder}/{checkpoints[-1]}"), f"{folder}/{checkpoints[-1]}"
        )
        start = number = int(checkpoint["number"])
        version = codec.version_from_json(checkpoint["version"])
        for name in sorted(set(names) - set(checkpoints)):
            if int(name.removesuffix(_ACTION)) <= start:
                continue  # a leftover: the checkpoint holds it
            number += 1
            version = version.apply(_edit(store, folder, name, number))
        return cls(store, folder, number, number - start, distance), version

    def append(self, edit: Edit) -> None:
        """Makes an edit durable. Raises: DbError; see I2."""
        if self._doubtful:
            raise DbError(
                ErrorKind.STORAGE_UNAVAILABLE,
                f"an earlier write to the manifest {self._folder} failed with unknown outcome",
                hint="restart the server: it reads back what was written",
            )
        path = self._path(self._number + 1, _ACTION)
        body = {"number": self._number + 1, "edit": codec.edit_to_json(edit)}
        try:
            fresh = self._store.put_if_absent(path, codec.frame(body))
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

    def checkpoint_if_due(self, version: Version) -> None:
        """Writes a checkpoint after every so many actions, and removes what it replaces.

        Raises: DbError if the store fails; the manifest is as good as before then.
        """
        if self._since_checkpoint < self._distance:
            return
        new = self._path(self._number, _CHECKPOINT)
        body = {"number": self._number, "version": codec.version_to_json(version)}
        self._store.put(new, codec.frame(body))
        self._since_checkpoint = 0
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


def _read(store: ObjectStore, path: str) -> bytes:
    data = store.get(path)
    if data is None:
        raise DbError(ErrorKind.CORRUPTED, f"the manifest file {path} disappeared")
    return data


def _edit(store: ObjectStore, folder: str, name: str, number: int) -> Edit:
    path = f"{folder}/{name}"
    body = codec.unframe(_read(store, path), path)
    if int(name.removesuffix(_ACTION)) != number or body["number"] != number:
        raise DbError(
            ErrorKind.CORRUPTED, f"the manifest {folder} misses the action {number} before {name}"
        )
    return codec.edit_from_json(body["edit"])
