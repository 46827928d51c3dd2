"""A server that dies at any step of a split has the old layout or the new one, and all rows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fix_database import Client, Databases, client

from engine.regions import LocalRegions
from sql.database import Database, DatabaseOptions
from sql.partition import move
from sql.run.duck import Duck

SPLIT = "ALTER TABLE m SPLIT PARTITION (k < 50) INTO (k < 20, k >= 20 AND k < 50)"
OLD = ["k < 50", "k >= 50"]
NEW = ["k < 20", "k >= 20 AND k < 50", "k >= 50"]


class Images:
    """Copies of the data directory, as a kill at that moment would leave it."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.source = source
        self.folder = folder
        self.names: list[str] = []

    def take(self, what: str) -> None:
        name = f"{len(self.names):02} {what}"
        shutil.copytree(self.source, self.folder / name)
        self.names.append(name)


def around(
    patch: pytest.MonkeyPatch, images: Images, owner: type, name: str, wanted: str | None = None
) -> None:
    """Takes an image before and after every call (with that first argument)."""
    original: Callable[..., Any] = getattr(owner, name)

    def watched(self: Any, *arguments: Any, **named: Any) -> Any:
        if wanted is not None and arguments[:1] != (wanted,):
            return original(self, *arguments, **named)
        images.take(f"before {name}")
        result = original(self, *arguments, **named)
        images.take(f"after {name}")
        return result

    patch.setattr(owner, name, watched)


def state(database: Database) -> tuple[list[Any], list[str], int]:
    """Rows, rules and the number of regions."""
    db = client(database)
    rows = sorted(db.run("SELECT k, v, CAST(ts AS BIGINT) FROM m"))
    rules = db.run(
        "SELECT partition_description FROM information_schema.partitions "
        "ORDER BY partition_ordinal_position"
    )
    return rows, [rule for (rule,) in rules], len(database.regions.region_ids())


@pytest.mark.slow
def test_every_step_leaves_one_whole_layout(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = databases.open()
    db: Client = client(database)
    db.run(
        "CREATE TABLE m (k INT, v INT, ts TIMESTAMP TIME INDEX, PRIMARY KEY (k)) "
        "PARTITION ON COLUMNS (k) (k < 50, k >= 50)"
    )
    db.run("INSERT INTO m SELECT i % 100, i, i FROM range(3000) t(i)")
    db.run("DELETE FROM m WHERE k = 7")
    before = state(database)
    assert before[1:] == (OLD, 2)
    images = Images(databases.directory, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(move, "PIECE_BYTES", 8_000)  # several pieces of the copy
        for name in ("create", "write", "drop"):
            around(patch, images, LocalRegions, name)
        around(patch, images, Duck, "execute", "COMMIT")
        db.run(SPLIT)
    after = state(database)
    assert after == (before[0], NEW, 3)
    databases.close()
    layouts = []
    for name in images.names:
        reopened = Database.open(tmp_path / name, DatabaseOptions())
        try:
            found = state(reopened)
            assert found in (before, after), name
            layouts.append(found == after)
            client(reopened).run(SPLIT if found == before else "INSERT INTO m VALUES (1, 1, 1)")
        finally:
            reopened.close()
    assert layouts == sorted(layouts), "once the new layout is there it stays"
    assert {False, True} == set(layouts)
    assert len(layouts) > 10
