"""Names under which DuckDB may read files of clients: hard links in a folder of ours.

DuckDB opens files by name, and a name below copy_root could lead elsewhere by the time it is used.
So a file is opened as COPY opens it (places.py), and DuckDB gets another name of the very file that
is open. Used by sql/run/external.py. The links are no copies; they are gone when nobody reads.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from sql.files.streams import reading

_SCHEMAS_MAX = 4096  # files whose columns are remembered


class Links:
    """The folder, and what is lent. Any thread may call.

    I1. A name says which content it stands for: device, inode, size and time of the last change,
        so that what DuckDB remembers of a name stays true.
    """

    def __init__(self, folder: Path) -> None:
        """Requires: DuckDB may read `folder`. What an earlier process left there is removed."""
        # Constant after construction.
        self.folder = folder
        # Guarded by _lock.
        self._lock = Lock()
        self._lent: dict[str, int] = {}
        self._schemas: OrderedDict[str, pa.Schema] = OrderedDict()
        for left in folder.glob("*.parquet") if folder.is_dir() else ():
            left.unlink(missing_ok=True)

    def lend(self, file: BinaryIO) -> str | None:
        """A name of an open file; None if it has none here: another file system, no local file.

        The caller gives it back.
        """
        try:
            descriptor = file.fileno()
            name = f"{_identity(descriptor)}.parquet"
        except (OSError, AttributeError):
            return None
        path = str(self.folder / name)
        with self._lock:
            if name not in self._lent:
                try:
                    self.folder.mkdir(mode=0o700, exist_ok=True)
                    # With a directory given (of no use here), Python follows the link to the file.
                    os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)
                except OSError:
                    return None
            self._lent[name] = self._lent.get(name, 0) + 1
        return path

    def give_back(self, path: str) -> None:
        """The reader of a lent name is done."""
        name = os.path.basename(path)
        with self._lock:
            self._lent[name] -= 1
            if not self._lent[name]:
                del self._lent[name]
                with suppress(OSError):
                    os.unlink(path)

    def schema(self, file: BinaryIO, name: str) -> Any:
        """The Arrow schema of a Parquet file. Raises: DbError BAD_COPY_DATA if it is none."""
        try:
            key = _identity(file.fileno())
        except (OSError, AttributeError):
            key = None
        with self._lock:
            if key is not None and key in self._schemas:
                self._schemas.move_to_end(key)
                return self._schemas[key]
        with reading(name):
            schema = pq.ParquetFile(file).schema_arrow
        if key is not None:
            with self._lock:
                self._schemas[key] = schema
                while len(self._schemas) > _SCHEMAS_MAX:
                    self._schemas.popitem(last=False)
        return schema


def _identity(descriptor: int) -> str:
    facts = os.fstat(descriptor)
    return f"{facts.st_dev:x}-{facts.st_ino:x}-{facts.st_size:x}-{facts.st_mtime_ns:x}"
