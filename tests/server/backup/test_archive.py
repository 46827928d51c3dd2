"""The archive format: what is taken for a backup, and what is not."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from engine.backup import BackupFile, content_file
from engine.errors import DbError, ErrorKind
from server.backup.archive import CONTENTS, archive
from server.backup.unpack import restore, take, tar_members

FILES = (
    content_file("catalog.duckdb", b"catalog"),
    content_file("engine/wal/1.wal", bytes(1000)),
    content_file("engine/regions/7/sst/empty.parquet", b""),
    content_file(f"engine/{'long/' * 40}name", b"x" * 3_000_000),
)


def made(files: Iterable[BackupFile] = FILES) -> bytes:
    return b"".join(archive(files, "1.2.3", 1_700_000_000_000))


def checked(data: bytes) -> None:
    take(tar_members(io.BytesIO(data)), None)


def tar(*members: tuple[str, bytes]) -> bytes:
    """A tar as anybody may make it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made_by_hand:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            made_by_hand.addfile(info, io.BytesIO(content))
    return out.getvalue()


def contents_of(data: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        found = opened.extractfile(CONTENTS)
        assert found is not None
        return found.read()


def test_it_is_a_tar_that_any_tool_reads() -> None:
    with tarfile.open(fileobj=io.BytesIO(made())) as opened:
        assert opened.getnames() == [*(file.path for file in FILES), CONTENTS]
        found = opened.extractfile(FILES[3].path)
        assert found is not None
        assert found.read() == b"x" * 3_000_000
    listed = json.loads(contents_of(made()))
    assert (listed["format"], listed["version"]) == (1, "1.2.3")
    assert [file["bytes"] for file in listed["files"]] == [7, 1000, 0, 3_000_000]


def test_a_restored_directory_has_the_files_and_not_the_list(tmp_path: Path) -> None:
    backup = tmp_path / "b.tar"
    backup.write_bytes(made())
    contents = restore(backup, tmp_path / "data")
    assert contents.size == 3_001_007
    found = {
        str(path.relative_to(tmp_path / "data")): path.read_bytes()
        for path in (tmp_path / "data").rglob("*")
        if path.is_file()
    }
    assert found == {file.path: file.open().read() for file in FILES}


def test_no_piece_is_empty() -> None:
    files = [*FILES, content_file("whole blocks", bytes(1024))]
    assert all(archive(files, "1", 0)), "a sender may take an empty one for the end"


def test_an_unpacked_backup_is_restored_too(tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    take(tar_members(io.BytesIO(made())), unpacked, with_contents=True)
    restore(unpacked, tmp_path / "data")
    assert (tmp_path / "data" / "catalog.duckdb").read_bytes() == b"catalog"
    (unpacked / "catalog.duckdb").unlink()
    with pytest.raises(DbError, match="missing"):
        restore(unpacked, tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.9, 0.9995])
def test_a_broken_off_archive_is_no_backup(share: float, tmp_path: Path) -> None:
    data = made()
    backup = tmp_path / "b.tar"
    backup.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DbError) as failed:
        restore(backup, tmp_path / "data")
    assert failed.value.kind is ErrorKind.CORRUPTED
    assert list(tmp_path.iterdir()) == [backup], "something was left behind"


@pytest.mark.parametrize("position", [512 + 3, 1536 + 600, 1_000_000])
def test_one_flipped_bit_is_found(position: int) -> None:
    data = bytearray(made())
    data[position] ^= 1
    with pytest.raises(DbError, match=r"checksum|cannot be read|not listed"):
        checked(bytes(data))


def test_files_must_be_exactly_those_of_the_list() -> None:
    listed = contents_of(made(FILES[:2]))
    first, second = ((file.path, file.open().read()) for file in FILES[:2])
    checked(tar(first, second, (CONTENTS, listed)))
    for wrong in (
        tar(first, (CONTENTS, listed)),
        tar(first, first, second, (CONTENTS, listed)),
        tar(first, second, ("more", b""), (CONTENTS, listed)),
        tar(first, second, (CONTENTS, listed), ("more", b"")),
        tar((first[0], b"CATALOG"), second, (CONTENTS, listed)),
        tar(first, second),
    ):
        with pytest.raises(DbError, match="not a whole backup"):
            checked(wrong)


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a//b", "a\\b"])
def test_names_cannot_leave_the_directory(name: str, tmp_path: Path) -> None:
    backup = tmp_path / "b.tar"
    backup.write_bytes(tar((name, b"x")))
    with pytest.raises(DbError):
        restore(backup, tmp_path / "in" / "data")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [backup]


def test_links_are_refused() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made_by_hand:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made_by_hand.addfile(link)
    with pytest.raises(DbError, match="plain file"):
        checked(out.getvalue())


def test_a_newer_format_is_refused() -> None:
    newer = json.dumps({**json.loads(contents_of(made(()))), "format": 2}).encode()
    with pytest.raises(DbError, match="format 2"):
        checked(tar((CONTENTS, newer)))


def test_a_file_that_is_shorter_than_announced_fails_the_backup() -> None:
    short = BackupFile("a", 5, lambda: io.BytesIO(b"abc"))
    with pytest.raises(DbError, match="2 bytes shorter"):
        made([short])


def test_a_directory_that_is_in_use_is_not_touched(tmp_path: Path) -> None:
    backup, data = tmp_path / "b.tar", tmp_path / "data"
    backup.write_bytes(made())
    data.mkdir()
    (data / "mine").write_bytes(b"")
    with pytest.raises(DbError) as failed:
        restore(backup, data)
    assert failed.value.kind is ErrorKind.INVALID_ARGUMENT
    assert [path.name for path in data.iterdir()] == ["mine"]
