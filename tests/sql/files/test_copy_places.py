"""Where COPY may read and write: below one directory, whatever the path says."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import DbError, ErrorKind
from sql.files.places import LocalFiles


@pytest.fixture
def files(tmp_path: Path) -> LocalFiles:
    (tmp_path / "secret").write_text("secret")
    made = LocalFiles(tmp_path / "root", tmp_path / "spill")
    made.root.mkdir()
    (made.root / "x").write_text("x")
    (made.root / "folder").mkdir()
    (made.root / "folder" / "y").write_text("y")
    return made


def content(files: LocalFiles, path: str) -> str:
    source, *_ = files.sources(path, None)
    with source.open() as file:
        return file.read().decode()


def put(files: LocalFiles, path: str, text: str = "new") -> None:
    with files.writing(path) as file:
        file.write(text.encode())


def test_paths_are_below_the_root_with_or_without_its_name(files: LocalFiles) -> None:
    for path in ("x", "./x", ".//x"):
        assert content(files, path) == "x"
    assert content(files, f"{files.root}/folder/y") == "y"
    put(files, "a/new/folder/z")
    assert content(files, str(files.root / "a/new/folder/z")) == "new"


OUTSIDE = [
    "../secret",
    "folder/../x",
    "folder/../../secret",
    "/etc/hostname",
    "..",
    "/",
    "../root2/x",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_out(files: LocalFiles, path: str) -> None:
    (files.root.parent / "root2").mkdir()
    for action in (lambda: content(files, path), lambda: put(files, path)):
        with pytest.raises(DbError) as caught:
            action()
        assert caught.value.kind is ErrorKind.ACCESS_DENIED
        assert str(files.root) in (caught.value.hint or "")


def test_links_may_stay_inside_but_not_lead_out(files: LocalFiles) -> None:
    (files.root / "inside").symlink_to("folder/y")
    (files.root / "around").symlink_to(files.root / "folder")
    assert content(files, "inside") == content(files, "around/y") == "y"
    (files.root / "out").symlink_to(files.root.parent / "secret")
    (files.root / "up").symlink_to(files.root.parent)
    for path in ("out", "up/secret", "up/new"):
        for action in (lambda path=path: content(files, path), lambda path=path: put(files, path)):
            with pytest.raises(DbError) as caught:
                action()
            assert caught.value.kind is ErrorKind.ACCESS_DENIED
    assert (files.root.parent / "secret").read_text() == "secret"
    with pytest.raises(DbError):
        files.sources("./", None)


def test_the_root_itself_may_be_reached_by_a_link(files: LocalFiles, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(files.root)
    linked = LocalFiles(tmp_path / "link", tmp_path / "spill")
    assert content(linked, "x") == content(linked, str(tmp_path / "link" / "x")) == "x"


def test_a_link_that_appears_after_the_check_is_not_followed(files: LocalFiles) -> None:
    """The name was a plain file when the path was checked, and is a way out when it is opened."""
    [source] = files.sources("x", None)
    [below] = files.sources("folder/y", None)
    (files.root / "x").unlink()
    (files.root / "x").symlink_to(files.root.parent / "secret")
    (files.root / "folder").rename(files.root / "old")
    (files.root / "folder").symlink_to(files.root.parent)
    for one in (source, below):
        with pytest.raises(DbError):
            one.open()


def test_only_regular_files_are_read(files: LocalFiles) -> None:
    os.mkfifo(files.root / "pipe")
    for path in ("pipe", "folder", ""):
        with pytest.raises(DbError):
            content(files, path)
    with pytest.raises(DbError) as caught:
        content(files, "no\0name")
    assert caught.value.kind is ErrorKind.INVALID_ARGUMENT


@pytest.mark.parametrize("path", ["folder", "folder/", "./"])
def test_a_directory_is_not_written_over(files: LocalFiles, path: str) -> None:
    with pytest.raises(DbError) as caught:
        put(files, path)
    assert caught.value.kind is ErrorKind.WRONG_OBJECT_TYPE
    assert content(files, "folder/y") == "y"


def test_a_file_appears_whole_or_not_at_all(files: LocalFiles) -> None:
    with files.writing("new") as file:
        file.write(b"half")
        assert not (files.root / "new").exists()
    assert content(files, "new") == "half"
    assert stat.S_IMODE((files.root / "new").stat().st_mode) & 0o007 == 0

    def fail() -> None:
        with files.writing("new") as file:
            file.write(b"other")
            raise KeyError("new")

    with pytest.raises(KeyError):
        fail()
    assert content(files, "new") == "half"
    assert sorted(path.name for path in files.root.iterdir()) == ["folder", "new", "x"]


def test_half_written_files_are_not_read(files: LocalFiles) -> None:
    with files.writing("folder/z") as file:
        file.write(b"half")
        assert [source.name for source in files.sources("folder/", None)] == ["folder/y"]


def test_a_full_disk_is_told_so(files: LocalFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sql.files.places.os.fsync", full)
    with pytest.raises(DbError) as caught:
        put(files, "new")
    assert caught.value.kind is ErrorKind.DISK_FULL
    assert sorted(path.name for path in files.root.iterdir()) == ["folder", "x"]


PARTS = st.sampled_from(["..", ".", "", "x", "folder", "up", "secret", "root", "~", "a\\b", "é"])


def test_random_paths_never_lead_out(tmp_path_factory: pytest.TempPathFactory) -> None:
    where = tmp_path_factory.mktemp("random")
    (where / "secret").write_text("secret")
    files = LocalFiles(where / "root", where / "spill")
    files.root.mkdir()
    (files.root / "up").symlink_to("..")

    @settings(max_examples=300, deadline=None)
    @given(st.lists(PARTS, min_size=1, max_size=5).map("/".join), st.booleans())
    def check(path: str, write: bool) -> None:
        try:
            if write:
                put(files, path)
            else:
                assert content(files, path) != "secret"
        except DbError:
            path = ""
        assert sorted(p.name for p in where.iterdir()) == ["root", "secret"], path
        assert (where / "secret").read_text() == "secret"

    check()
