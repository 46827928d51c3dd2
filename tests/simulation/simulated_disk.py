"""A disk that dies, fills up and loses what was not synced.

`SimulatedDisk` counts every change that the engine makes to its store and its log. At an armed
number it fails: once, for a while (full), or for good (the power is gone). `lose_power` then cuts
the log files back to what was synced, or a little more, torn.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import RLock

from engine.store.local import LocalStore, storage_error, translated
from engine.wal.segments import Buffers, LocalLogFolder, LogFile


class SimulatedDisk:
    """One directory; `store` and `log` are what the engine opens."""

    def __init__(self, directory: Path, random: Random) -> None:
        self.directory = directory
        self.random = random
        self.calls = 0
        self.synced: dict[int, int] = {}  # log file number -> bytes that survive a power loss
        self._lock = RLock()
        self._fails_at: int | None = None
        self._fails_for = 0
        self._code = errno.EIO
        self._late = False
        self.revive()

    def revive(self) -> None:
        """The machine is on again, nothing fails."""
        self.store = SimulatedStore(self)
        self.log = SimulatedLogFolder(self)
        self.heal()

    def heal(self) -> None:
        """Nothing fails from now on."""
        self._fails_at = None

    def arm(self, after: int, *, count: int, code: int = errno.EIO, late: bool = False) -> None:
        """The change after so many others fails, and the `count` - 1 that follow it.

        `late`: the first one takes effect before it fails, as when only the answer is lost.
        """
        with self._lock:
            self._fails_at = self.calls + after
            self._fails_for, self._code, self._late = count, code, late

    @property
    def has_failed(self) -> bool:
        """True if the armed failure has struck."""
        return self._fails_at is not None and self.calls > self._fails_at

    @contextmanager
    def change(self) -> Iterator[None]:
        """Counts one change of the disk. Raises: OSError."""
        with self._lock:
            number, at = self.calls, self._fails_at
            self.calls += 1
        fails = at is not None and at <= number < at + self._fails_for
        late = fails and self._late and number == at
        if fails and not late:
            raise OSError(self._code, os.strerror(self._code))
        yield
        if late:
            raise OSError(self._code, os.strerror(self._code))

    def lose_power(self) -> None:
        """What was not synced is gone, but for a torn part of it."""
        folder = LocalLogFolder(self.directory / "wal")
        for number in folder.numbers():
            path = self.directory / "wal" / folder.name(number)
            length = path.stat().st_size
            synced = self.synced.get(number, length)
            if length > synced:
                kept = self.random.randint(synced, length)
                os.truncate(path, kept)
                if kept > synced and self.random.random() < 0.5:
                    with path.open("r+b") as file:
                        file.seek(self.random.randrange(synced, kept))
                        file.write(bytes([self.random.randrange(256)]))
        self.revive()


class SimulatedStore(LocalStore):
    """Local files whose changes may fail; each is whole or not there, as `rename` makes them."""

    def __init__(self, disk: SimulatedDisk) -> None:
        super().__init__(disk.directory, sync=False)
        self._disk = disk

    @contextmanager
    def _step(self, action: str) -> Iterator[None]:
        try:
            with self._disk.change():
                yield
        except OSError as error:
            raise storage_error(error, action) from error

    def put(self, path: str, data: bytes) -> None:
        with self._step(f"write {path}"):
            super().put(path, data)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        with self._step(f"write {path}"):
            return super().put_if_absent(path, data)

    def delete(self, path: str) -> None:
        with self._step(f"remove {path}"):
            super().delete(path)

    @contextmanager
    def create(self, path: str) -> Iterator[str]:
        with self._step(f"write {path}"), super().create(path) as temporary:
            yield temporary


class SimulatedLogFolder:
    """The log's files; implements `engine.wal.segments.LogFolder`."""

    def __init__(self, disk: SimulatedDisk) -> None:
        self._disk = disk
        self._inner = LocalLogFolder(disk.directory / "wal")

    def numbers(self) -> list[int]:
        return self._inner.numbers()

    def name(self, number: int) -> str:
        return self._inner.name(number)

    def create(self, number: int, header: bytes) -> LogFile:
        with self._disk.change():
            file = self._inner.create(number, header)
            self._disk.synced[number] = len(header)
            return SimulatedLogFile(self._disk, number, file)

    def read(self, number: int) -> memoryview:
        return self._inner.read(number)

    def truncate(self, number: int, length: int) -> None:
        self._inner.truncate(number, length)
        self._disk.synced[number] = length

    def remove(self, number: int) -> None:
        with translated("remove a log file"), self._disk.change():
            self._inner.remove(number)


class SimulatedLogFile:
    """One log file; implements `engine.wal.segments.LogFile`."""

    def __init__(self, disk: SimulatedDisk, number: int, inner: LogFile) -> None:
        self._disk = disk
        self._number = number
        self._inner = inner
        self._end = disk.synced[number]

    def write_at(self, offset: int, buffers: Buffers) -> None:
        data = b"".join(bytes(buffer) for buffer in buffers)
        try:
            with self._disk.change():
                self._inner.write_at(offset, [data])
        except OSError:
            torn = data[: self._disk.random.randint(0, len(data))]
            self._inner.write_at(offset, [torn])
            raise
        finally:
            self._end = max(self._end, offset + len(data))

    def sync(self) -> None:
        with self._disk.change():
            self._disk.synced[self._number] = self._end

    def truncate(self, length: int) -> None:
        with self._disk.change():
            self._inner.truncate(length)
            self._end = length
            self._disk.synced[self._number] = min(self._disk.synced[self._number], length)

    def close(self) -> None:
        self._inner.close()
