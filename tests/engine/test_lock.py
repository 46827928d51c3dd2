"""One owner per data directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import DbError, ErrorKind
from engine.lock import DirectoryLock


def test_a_second_owner_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    with pytest.raises(DbError, match=f"pid {os.getpid()}") as caught:
        DirectoryLock(tmp_path)
    assert caught.value.kind is ErrorKind.STORAGE_UNAVAILABLE
    lock.release()
    lock.release()
    DirectoryLock(tmp_path).release()


def test_the_lock_of_a_dead_process_is_free(tmp_path: Path) -> None:
    script = (
        "import sys, os; from pathlib import Path; from engine.lock import DirectoryLock;"
        "DirectoryLock(Path(sys.argv[1])); os._exit(9)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=root, check=False)
    assert done.returncode == 9
    DirectoryLock(tmp_path).release()
