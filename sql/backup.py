"""The moment of a backup: both stores as they are while no commit is half done.

Called by `sql.database.Database.backup`. Like what a crash would leave, but with DuckDB's commits
held for the time it takes to copy its file; the log and the regions' files are pinned, not copied.
How the files travel is server/backup's business.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import BinaryIO

from catalog.catalog import EmbeddedCatalog
from catalog.store import EmbeddedStore
from engine.backup import BackupFile, Capture
from engine.regions import LocalRegions
from sql.gate import CommitGate

ENGINE_FOLDER = "engine"  # of a data directory
# Longer than a commit takes; the backup is refused then, because new commits wait as well.
_COMMIT_SECONDS_MAX = 10.0


def begin(
    gate: CommitGate, store: EmbeddedStore, catalog: EmbeddedCatalog, regions: LocalRegions
) -> Capture:
    """Captures one moment.

    It is consistent: rows that were written before a captured commit are captured, and of every
    transaction all or nothing. DuckDB's state is that from before the gate closed; the log may end
    a little later, with writes that depend on no later commit. Raises: DbError; nothing stays
    pinned then.
    """
    with ExitStack() as stack, gate.closed(_COMMIT_SECONDS_MAX):
        cursor = store.cursor()
        stack.callback(cursor.close)
        tables = catalog.tables(cursor)
        captured = regions.backup({id_ for table in tables for id_ in table.region_ids})
        release = ExitStack()
        release.callback(captured.close)
        stack.callback(release.close)
        files = [
            BackupFile(f"{ENGINE_FOLDER}/{file.path}", file.size, file.open)
            for file in captured.files
        ]
        for name, copy in store.copy():
            release.enter_context(copy)
            files.append(BackupFile(name, os.fstat(copy.fileno()).st_size, _rewound(copy)))
        return Capture(files, release.pop_all())


def _rewound(copy: BinaryIO) -> Callable[[], BinaryIO]:
    def opened() -> BinaryIO:
        copy.seek(0)
        return copy

    return opened
