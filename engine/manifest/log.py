"""The manifest of one region: numbered actions, now and then a checkpoint.

Called by `engine.region`. Each action is one object, made by put-if-absent, so that of two owners
of a region only one can go on. Nothing that may still be on its way to the store is ever undone by
removing it: what must not count is answered by a later action that holds the whole version.
"""

from __future__ import annotations

from dataclasses import dataclass
from secrets import token_hex

from engine.errors import DbError, ErrorKind
from engine.manifest import codec
from engine.sst.file import region_folder
from engine.store.store import ObjectStore
from engine.version import Edit, Version

_ACTION = ".json"
CHECKPOINT = ".checkpoint.json"
Content = bytes  # under this name also where a property is called `bytes`
# How often opening reads again because an action of an earlier process has just arrived.
_CLAIMS_MAX = 5


@dataclass(frozen=True, slots=True)
class Loaded:
    """A manifest as it was read: the version, the last action, how many since the checkpoint."""

    version: Version
    number: int
    since_checkpoint: int
    bytes: int


class Manifest:
    """Appends edits; `open` reads them back.

    I1. Actions are numbered without gaps, but for those before one that holds a whole version; a
        checkpoint holds everything up to its own number.
    I2. After a failed append nothing else is appended before it is certain that the failed one
        never counts, even if it reaches the store later.
    I3. Over a remote store an open manifest has an action of its own: nothing that an earlier
        process left on its way can follow what was read.
    """

    def __init__(self, store: ObjectStore, folder: str, loaded: Loaded, distance: int) -> None:
        # Constant after construction.
        self._store = store
        self._folder = folder
        self._distance = distance
        self._owner = token_hex(8)
        # Guarded by the region's maintenance lock.
        self._version = loaded.version
        self._number = loaded.number
        self._since_checkpoint = loaded.since_checkpoint
        self._bytes = loaded.bytes
        self._is_doubtful = False
        self._lost: DbError | None = None

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
        path, content = checkpoint_object(region_id, 1, version)
        if not store.put_if_absent(path, content):
            return None
        loaded = Loaded(version, 1, 0, len(content))
        return cls(store, manifest_folder(region_id), loaded, distance)

    @classmethod
    def open(
        cls, store: ObjectStore, region_id: int, distance: int
    ) -> tuple[Manifest, Version] | None:
        """Reads a manifest back; None if there is none. Raises: DbError CORRUPTED."""
        folder = manifest_folder(region_id)
        for _ in range(_CLAIMS_MAX):
            loaded = load(store, folder)
            if loaded is None:
                return None
            manifest = cls(store, folder, loaded, distance)
            if not store.is_remote or manifest._put(manifest._action(edit=Edit())):
                return manifest, loaded.version
        raise DbError(
            ErrorKind.STORAGE_UNAVAILABLE,
            f"someone else writes to the manifest {folder}",
            hint="two servers must not own one data directory",
        )

    def append(self, edit: Edit) -> None:
        """Makes an edit durable. Raises: DbError; see I2."""
        if self._lost is not None:
            raise self._lost
        self.settle()
        after = self._version.apply(edit)
        if not self._put(self._action(edit=edit)):
            raise self._fenced_out()
        self._version = after

    def settle(self) -> None:
        """Makes certain that a failed append never counts; nothing to do after a good one.

        Until this has returned, files that the failed edit names must stay. Raises: DbError.
        """
        while self._is_doubtful:
            if self._put(self._action(version=self._version)):
                self._is_doubtful = False
                return
            found = self._store.get(self._path(self._number + 1, _ACTION))
            if found is None or codec.unframe(found, self._folder).get("owner") != self._owner:
                raise self._fenced_out()
            # The failed append did arrive: what follows must replace it.
            self._number += 1
            self._since_checkpoint += 1
            self._bytes += len(found)

    def confirm(self) -> None:
        """As `settle`; over a remote store also makes sure that nobody has taken the region over.

        For those who remove what the version does not name: a later owner's files are among that.
        Raises: DbError.
        """
        self.settle()
        if self._store.is_remote:
            self.append(Edit())

    def checkpoint_if_due(self, version: Version) -> None:
        """Writes a checkpoint after every so many actions, and removes what it replaces.

        Raises: DbError if the store fails; the manifest is as good as before then.
        """
        if self._since_checkpoint < self._distance:
            return
        body = {"number": self._number, "version": codec.version_to_json(version)}
        new, content = self._path(self._number, CHECKPOINT), codec.frame(body)
        self._store.put(new, content)
        self._since_checkpoint = 0
        self._bytes = len(content)
        for path in self._store.list(self._folder):
            if path < new:
                self._store.delete(path)

    def _action(self, *, edit: Edit | None = None, version: Version | None = None) -> Content:
        """The next action: an edit of the version before, or the whole version."""
        body: codec.Json = {"number": self._number + 1, "owner": self._owner}
        if edit is not None:
            body["edit"] = codec.edit_to_json(edit)
        if version is not None:
            body["version"] = codec.version_to_json(version)
        return codec.frame(body)

    def _put(self, content: Content) -> bool:
        """Makes the next action; False if there is one. After a DbError that is not known."""
        path = self._path(self._number + 1, _ACTION)
        try:
            is_new = self._store.put_if_absent(path, content)
        except DbError:
            self._is_doubtful = True
            raise
        if is_new:
            self._number += 1
            self._since_checkpoint += 1
            self._bytes += len(content)
        return is_new

    def _fenced_out(self) -> DbError:
        """From now on nothing is appended here."""
        path = self._path(self._number + 1, _ACTION)
        self._lost = DbError(
            ErrorKind.STORAGE_UNAVAILABLE,
            f"the manifest file {path} was written by someone else",
            hint="two servers must not own one data directory",
        )
        return self._lost

    def _path(self, number: int, suffix: str) -> str:
        return f"{self._folder}/{number:020}{suffix}"


def manifest_folder(region_id: int) -> str:
    """The folder of a region's manifest."""
    return f"{region_folder(region_id)}/manifest"


def checkpoint_object(region_id: int, number: int, version: Version) -> tuple[str, bytes]:
    """Path and bytes of a checkpoint; one alone is a whole manifest."""
    body = {"number": number, "version": codec.version_to_json(version)}
    path = f"{manifest_folder(region_id)}/{number:020}{CHECKPOINT}"
    return path, codec.frame(body)


def load(store: ObjectStore, folder: str) -> Loaded | None:
    """Reads a manifest's folder; None without a checkpoint. Changes nothing.

    Actions alone are what a dropped region's late write has left. Raises: DbError CORRUPTED.
    """
    names = [path.rsplit("/", 1)[1] for path in store.list(folder)]
    checkpoints = sorted(name for name in names if name.endswith(CHECKPOINT))
    if not checkpoints:
        return None
    content = _read(store, f"{folder}/{checkpoints[-1]}")
    size = len(content)
    checkpoint = codec.unframe(content, f"{folder}/{checkpoints[-1]}")
    start = number = int(checkpoint["number"])
    version = codec.version_from_json(checkpoint["version"])
    for name in sorted(set(names) - set(checkpoints)):
        if int(name.removesuffix(_ACTION)) <= start:
            continue  # a leftover: the checkpoint holds it
        content = _read(store, f"{folder}/{name}")
        size += len(content)
        version = _applied(version, content, f"{folder}/{name}", number)
        number = int(name.removesuffix(_ACTION))
    return Loaded(version, number, number - start, size)


def _applied(before: Version, content: bytes, path: str, number: int) -> Version:
    """The version after an action that follows the one with that number. Raises: CORRUPTED."""
    body = codec.unframe(content, path)
    own = int(path.rpartition("/")[2].removesuffix(_ACTION))
    if body["number"] == own and "version" in body:
        return codec.version_from_json(body["version"])
    if body["number"] != own or own != number + 1:
        folder, _, name = path.rpartition("/")
        raise DbError(
            ErrorKind.CORRUPTED,
            f"the manifest {folder} misses the action {number + 1} before {name}",
        )
    return before.apply(codec.edit_from_json(body["edit"]))


def _read(store: ObjectStore, path: str) -> bytes:
    data = store.get(path)
    if data is None:
        raise DbError(ErrorKind.CORRUPTED, f"the manifest file {path} disappeared")
    return data
