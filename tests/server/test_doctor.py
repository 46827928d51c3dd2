"""`gnomon doctor`: a directory with one thing wrong, what is told of it, and what --repair does."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fix_database import Client, client

from engine.doctor.report import Finding, Severity
from engine.lock import DirectoryLock
from engine.manifest.log import Manifest, load, manifest_folder
from engine.sst.file import FileMeta
from engine.store.local import LocalStore
from engine.version import Edit, Version
from server.doctor import examine
from server.main import main
from sql.database import Database, DatabaseOptions

SETUP = """
CREATE TABLE cpu (host STRING, core BIGINT, ts TIMESTAMP(3) TIME INDEX, v DOUBLE,
                  PRIMARY KEY (host, core));
CREATE TABLE log (ts TIMESTAMP(0) TIME INDEX, line STRING) WITH (append_mode = 'true');
CREATE TABLE plain (a INT PRIMARY KEY, b TEXT);
INSERT INTO plain VALUES (1, 'x'), (2, 'y');
INSERT INTO cpu SELECT 'h' || (r % 3), r % 2, epoch_ms(r), r FROM range(3000) AS t(r);
INSERT INTO log VALUES (1, 'a'), (1, 'a'), (2, 'b');
ADMIN flush_table('cpu');
ADMIN flush_table('log');
INSERT INTO cpu VALUES ('h0', 0, 0, 7), ('h9', 0, 5, 7);
ADMIN flush_table('cpu');
ALTER TABLE cpu ADD COLUMN rack STRING PRIMARY KEY;
INSERT INTO cpu (host, core, ts, v, rack) VALUES ('h0', 0, 0, 8, 'r');
INSERT INTO plain VALUES (3, 'z');
"""


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with some of everything: files, vectors, a log that is needed."""
    directory = tmp_path_factory.mktemp("doctor") / "data"
    database = Database.open(directory, DatabaseOptions())
    client(database).run(SETUP)
    database.close()
    return directory


@pytest.fixture
def data(pattern: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pattern, tmp_path / "data"))


class Region:
    """The region of `cpu`, taken apart."""

    def __init__(self, data: Path) -> None:
        self.store = LocalStore(data / "engine")
        for path in self.store.list("regions"):
            if path.endswith(".dv"):
                self.id = int(path.split("/")[1])
        self.folder = data / "engine" / "regions" / str(self.id)

    @property
    def version(self) -> Version:
        loaded = load(self.store, manifest_folder(self.id))
        assert loaded is not None
        return loaded.version

    @property
    def first(self) -> FileMeta:
        """The large file, which has a deletion vector."""
        return self.version.files[0]

    @property
    def first_path(self) -> Path:
        return Path(self.store.local_path(self.first.path))

    def edit(self, edit: Edit) -> None:
        opened = Manifest.open(self.store, self.id, 1000)
        assert opened is not None
        opened[0].append(edit)

    def change(self, **facts: Any) -> None:
        """Lets the manifest say something else of the first file."""
        changed = replace(self.first, **facts)
        self.edit(Edit(added=(changed,), removed=(changed.id,)))


@pytest.fixture
def region(data: Path) -> Region:
    return Region(data)


def only(data: Path) -> Finding:
    (finding,) = examine(data).findings
    return finding


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def contents(data: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(data)): path.read_bytes()
        for path in data.rglob("*")
        if path.is_file() and path.name != "LOCK"
    }


def test_a_good_directory_is_clean_and_left_as_it_is(data: Path) -> None:
    before = contents(data)
    report = examine(data)
    assert report.findings == []
    assert contents(data) == before
    assert report.checked["regions"] == 2
    assert report.checked["files"] >= 3
    assert report.checked["deletion_vectors"] == 1
    assert report.checked["rows"] >= 3005
    assert report.checked["log_records"] >= 5
    assert report.checked["tables"] == 3
    assert report.checked["relational_tables"] >= 1


def test_the_command_tells_people_and_programs(data: Path, capsys: Any) -> None:
    assert main(["doctor", str(data)]) == 0
    assert "nothing is wrong" in capsys.readouterr().out
    (data / "engine" / "regions" / "x.tmp").touch()
    assert main(["doctor", str(data), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["clean"], told["findings"][0]["severity"]) == (False, "leftover")
    assert main(["doctor", str(data), "--repair"]) == 0
    assert "repaired: removed" in capsys.readouterr().out
    assert main(["doctor", str(data)]) == 0


def test_a_directory_in_use_or_none_at_all_is_refused(data: Path, capsys: Any) -> None:
    lock = DirectoryLock(data / "engine")
    try:
        assert main(["doctor", str(data)]) == 2
        assert "in use" in capsys.readouterr().err
    finally:
        lock.release()
    assert main(["doctor", str(data / "engine"), "--json"]) == 2
    assert "not a data directory" in json.loads(capsys.readouterr().out)["error"]
    assert not (data / "engine" / "engine").exists()


# Damage: told with what is left, never touched.


def damage_page(region: Region) -> None:
    chunk = pq.read_metadata(region.first_path).row_group(0).column(3)
    flip(region.first_path, chunk.data_page_offset + chunk.total_compressed_size // 2)


def damage_footer(region: Region) -> None:
    flip(region.first_path, region.first_path.stat().st_size - 6)


def remove_file(region: Region) -> None:
    region.first_path.unlink()


def cut_file(region: Region) -> None:
    region.first_path.write_bytes(region.first_path.read_bytes()[:-1])


def damage_vector(region: Region) -> None:
    assert region.first.deletion is not None
    flip(Path(region.store.local_path(region.first.deletion.path)), -1)


def remove_vector(region: Region) -> None:
    assert region.first.deletion is not None
    region.store.delete(region.first.deletion.path)


def miscount_vector(region: Region) -> None:
    assert region.first.deletion is not None
    region.change(deletion=replace(region.first.deletion, count=5))


def miscount_rows(region: Region) -> None:
    region.change(rows=3001)


def damage_manifest(region: Region) -> None:
    flip(max((region.folder / "manifest").iterdir()), 200)


def lose_action(region: Region) -> None:
    names = sorted(p for p in (region.folder / "manifest").iterdir() if "checkpoint" not in p.name)
    names[0].unlink()


def lose_manifest(region: Region) -> None:
    shutil.rmtree(region.folder / "manifest")


def lose_region(region: Region) -> None:
    shutil.rmtree(region.folder)


@pytest.mark.parametrize(
    ("break_it", "message", "readable"),
    [
        (damage_page, "column v", "0 of 1 row groups: 0 of 3000 rows"),
        (damage_footer, "footer", "nothing"),
        (remove_file, "missing", "nothing"),
        (cut_file, "bytes, the manifest says", None),
        (damage_vector, "positions do not match their checksum", None),
        (remove_vector, "missing", None),
        (miscount_vector, "the manifest says 5", None),
        (miscount_rows, "the manifest says 3001", None),
        (damage_manifest, "checksum", None),
        (lose_action, "misses the action", "Parquet files with"),
        (lose_manifest, "no checkpoint", "Parquet files with"),
        (lose_region, "the region of table public.cpu is missing", None),
    ],
)
def test_damage_is_told_and_never_touched(
    data: Path, region: Region, break_it: Callable[[Region], None], message: str, readable: str
) -> None:
    break_it(region)
    before = contents(data)
    findings = examine(data, repairing=True).findings
    assert findings[0].severity is Severity.DAMAGE
    assert message in findings[0].message
    assert readable is None or readable in (findings[0].readable or "")
    assert all(finding.repair is None for finding in findings)
    assert contents(data) == before


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_flipped_bit_in_the_log_is_damage_with_records_behind_it(
    data: Path, share: float
) -> None:
    (segment,) = (data / "engine" / "wal").glob("*.wal")
    size = segment.stat().st_size
    flip(segment, 36 + int((size - 72) * share))
    finding = examine(data).findings[0]
    assert finding.severity is Severity.DAMAGE
    assert "behind it" in (finding.readable or "")
    assert "no valid record at offset" in finding.message


def test_a_missing_segment_is_damage(data: Path) -> None:
    wal = data / "engine" / "wal"
    Database.open(data, DatabaseOptions()).close()
    Database.open(data, DatabaseOptions()).close()
    first, *rest = sorted(wal.glob("*.wal"))
    assert len(rest) >= 2
    rest[0].unlink()
    assert "the segment is missing" in examine(data).findings[0].message
    shutil.rmtree(wal)
    assert only(data).message == "the log is missing"
    assert first.name.endswith(".wal")


def test_a_damaged_catalog_is_damage(data: Path) -> None:
    path = data / "catalog.duckdb"
    content = bytearray(path.read_bytes())
    for position in range(20_000, len(content), 512):
        content[position] ^= 0xFF
    path.write_bytes(content)
    findings = examine(data).findings
    assert findings
    assert {finding.path for finding in findings} == {"catalog.duckdb"}
    assert {finding.severity for finding in findings} == {Severity.DAMAGE}
    path.unlink()
    assert "missing" in only(data).message


# Wrong: parts disagree.


def rewrite(region: Region, change: Callable[[Any], Any]) -> None:
    """The first file with other rows, and a manifest that agrees with it."""
    path = region.first_path
    table = pq.read_table(path)
    changed = change(table)
    pq.write_table(changed, path, write_page_checksum=True)
    region.change(bytes=path.stat().st_size, rows=changed.num_rows, deletion=None)


def test_rows_out_of_order_are_wrong(data: Path, region: Region) -> None:
    rewrite(region, lambda table: table.take([1, 0, *range(2, 3000)]))
    assert any("not sorted" in finding.message for finding in examine(data).findings)


def test_rows_twice_in_one_file_are_wrong(data: Path, region: Region) -> None:
    rewrite(region, lambda table: table.take([0, 0, *range(2, 3000)]))
    assert any("there twice" in finding.message for finding in examine(data).findings)


def test_an_identity_alive_in_two_files_is_wrong(data: Path, region: Region) -> None:
    region.change(deletion=None)  # the overwritten row comes back
    finding = next(f for f in examine(data).findings if f.severity is Severity.WRONG)
    assert "alive in more than one file" in finding.message
    assert "h0" in finding.message


@pytest.mark.parametrize(
    ("said", "real"),
    [
        ({"time_min": 1}, "time_min"),
        ({"time_max": 2998}, "time_max"),
        ({"key_min": "h1"}, "key_min"),
        ({"key_max": "h1"}, "key_max"),
    ],
)
def test_bounds_that_lose_rows_are_corrected(
    data: Path, region: Region, said: dict[str, Any], real: str
) -> None:
    right = region.first
    region.change(**said)
    finding = only(data)
    assert finding.severity is Severity.WRONG
    assert f"the manifest says {real}" in finding.message
    report = examine(data, repairing=True)
    assert report.open_findings == []
    assert region.first == right
    assert examine(data).findings == []


def test_a_table_with_other_columns_than_its_region_is_wrong(data: Path, region: Region) -> None:
    schema = region.version.schema
    columns = (replace(schema.columns[0], name="other"), *schema.columns[1:])
    wrong = replace(
        schema,
        columns=columns,
        version=schema.version + 1,
        primary_key=("other", *schema.primary_key[1:]),
    )
    region.edit(Edit(schema=wrong))
    assert any(
        "does not have the columns of table public.cpu" in finding.message
        for finding in examine(data).findings
    )


# Leftovers: cleared away.


def leave_orphan(data: Path, region: Region) -> None:
    shutil.copy(region.first_path, region.folder / "sst" / "0000000099-abcdabcd.parquet")


def leave_temporary(data: Path, region: Region) -> None:
    (region.folder / "sst" / "0000000099.parquet.0.tmp").write_bytes(b"half")


def leave_segment(data: Path, region: Region) -> None:
    (data / "engine" / "wal" / "00000000000000000099.tmp").write_bytes(b"half")


def leave_tail(data: Path, region: Region) -> None:
    segment = max((data / "engine" / "wal").glob("*.wal"))
    segment.write_bytes(segment.read_bytes() + b"\xabGnR half a record")


def leave_tail_in_room(data: Path, region: Region) -> None:
    segment = max((data / "engine" / "wal").glob("*.wal"))
    segment.write_bytes(segment.read_bytes() + b"\xabGnR half a record" + bytes(10_000))


def leave_drop(data: Path, region: Region) -> None:
    folder = data / "engine" / "regions" / "77" / "sst"
    folder.mkdir(parents=True)
    (folder.parent / "DROPPED").touch()
    (folder / "0000000001-abcdabcd.parquet").touch()


def leave_action(data: Path, region: Region) -> None:
    path = region.folder / "manifest" / f"{0:020}.json"
    from engine.manifest import codec

    path.write_bytes(codec.frame({"number": 0, "edit": codec.edit_to_json(Edit())}))


@pytest.mark.parametrize(
    "leave",
    [
        leave_orphan,
        leave_temporary,
        leave_segment,
        leave_tail,
        leave_tail_in_room,
        leave_drop,
        leave_action,
    ],
)
def test_leftovers_are_told_and_cleared_away(
    data: Path, pattern: Path, region: Region, leave: Callable[[Path, Region], None]
) -> None:
    leave(data, region)
    finding = only(data)
    assert finding.severity is Severity.LEFTOVER
    report = examine(data, repairing=True)
    assert [f.repair is not None for f in report.findings] == [True]
    assert contents(data) == contents(pattern)


def test_the_room_of_a_killed_server_s_log_is_no_finding(data: Path) -> None:
    segment = max((data / "engine" / "wal").glob("*.wal"))
    segment.write_bytes(segment.read_bytes() + bytes(10_000))
    assert examine(data).findings == []


def region_of_nobody(data: Path, statements: str) -> None:
    """A region whose table's creation has not committed."""
    database = Database.open(data, DatabaseOptions())
    db = client(database)
    db.run("CREATE TABLE gone (ts TIMESTAMP TIME INDEX);" + statements)
    catalog = (data / "catalog.duckdb").with_suffix(".kept")
    database.close()
    database.store.close()
    shutil.copy(data / "catalog.duckdb", catalog)


def test_an_empty_region_without_a_table_is_removed(data: Path, pattern: Path) -> None:
    region_of_nobody(data, "")
    shutil.copy(pattern / "catalog.duckdb", data / "catalog.duckdb")
    report = examine(data, repairing=True)
    assert [(f.severity, f.repair) for f in report.findings] == [(Severity.LEFTOVER, "removed")]
    assert examine(data).findings == []


def test_a_region_with_rows_is_never_removed(data: Path, pattern: Path) -> None:
    region_of_nobody(data, "INSERT INTO gone VALUES (1); ADMIN flush_table('gone')")
    shutil.copy(pattern / "catalog.duckdb", data / "catalog.duckdb")
    report = examine(data, repairing=True)
    assert [(f.severity, f.repair) for f in report.findings] == [(Severity.LEFTOVER, None)]
    assert report.findings[0].readable == "1 rows in files"


def test_what_a_crash_leaves_is_no_damage(data: Path, tmp_path: Path) -> None:
    """The files of a running server, as a kill -9 would leave them."""
    database = Database.open(data, DatabaseOptions())
    ends = threading.Event()

    def write(db: Client) -> None:
        number = 0
        while not ends.is_set():
            number += 1
            db.run(f"INSERT INTO cpu VALUES ('h', 1, {number}, 1, 'r')")
            if number % 20 == 0:
                db.run("ADMIN flush_table('cpu')")

    thread = threading.Thread(target=write, args=(client(database),))
    thread.start()
    capture = database.backup()
    ends.set()
    thread.join()
    for file in capture.files:
        path = tmp_path / "copy" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with file.open() as source:
            path.write_bytes(source.read(file.size))
    capture.close()
    database.close()
    assert [
        f for f in examine(tmp_path / "copy").findings if f.severity is not Severity.LEFTOVER
    ] == []
