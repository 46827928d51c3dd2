"""A data directory and a root of a bucket belong together, and nothing else may meet there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fault_proxy import Fault, FaultProxy, Handler, answers
from fix_engine import CPU, cpu_rows, live_rows
from fix_store import s3_options

from engine.api import Op, Write
from engine.clock import ManualClock
from engine.errors import DbError, ErrorKind
from engine.options import EngineOptions
from engine.regions import LocalRegions
from engine.schema import RegionOptions
from engine.store import LocalStore
from engine.store.backends import make_cloud
from engine.store.options import LOCAL_FILES, StorageOptions


def opened(directory: Path, storage: StorageOptions) -> LocalRegions:
    return LocalRegions(directory, EngineOptions(), ManualClock(), storage=storage)


def make(directory: Path, storage: StorageOptions) -> None:
    """A data directory with one region."""
    regions = opened(directory, storage)
    regions.create(1, CPU, RegionOptions())
    regions.close()


def refusal(directory: Path, storage: StorageOptions) -> str:
    with pytest.raises(DbError) as caught:
        opened(directory, storage)
    assert caught.value.kind is ErrorKind.STORAGE_UNAVAILABLE
    return caught.value.message


def test_another_directory_may_not_use_the_same_root(s3_url: str, tmp_path: Path) -> None:
    """It would take the regions for orphans and drop them."""
    storage = s3_options(s3_url)
    make(tmp_path / "one", storage)
    for _ in range(2):
        assert "belongs to another data directory" in refusal(tmp_path / "two", storage)
    beside = replace(storage, root=f"{storage.root}/two")
    make(tmp_path / "two", beside)
    for directory, own in (("one", storage), ("two", beside)):
        regions = opened(tmp_path / directory, own)
        assert regions.region_ids() == {1}
        regions.close()


def test_an_empty_bucket_is_not_the_old_one(s3_url: str, tmp_path: Path) -> None:
    make(tmp_path, s3_options(s3_url))
    assert "holds nothing of the data directory" in refusal(tmp_path, s3_options(s3_url))


def test_a_remote_directory_is_not_taken_for_a_local_one(s3_url: str, tmp_path: Path) -> None:
    make(tmp_path, s3_options(s3_url))
    assert "in an object store" in refusal(tmp_path, LOCAL_FILES)


def rows(number: int) -> Write:
    return Write(1, Op.PUT, cpu_rows([("a", 1, number, 1.0, None)]))


def test_local_regions_move_to_the_bucket(s3_url: str, tmp_path: Path) -> None:
    """Also the way from a backup, which is restored as local files, to a bucket."""
    regions = opened(tmp_path, LOCAL_FILES)
    regions.create(1, CPU, RegionOptions())
    for number in range(3):
        regions.write([rows(number)])
        regions.flush(1)
    regions.write([rows(3)])
    regions.close()
    taken = s3_options(s3_url)
    make(tmp_path / "another", taken)
    assert "belongs to another" in refusal(tmp_path, taken)
    for storage in [s3_options(s3_url)] * 2:
        regions = opened(tmp_path, storage)
        assert len(live_rows(regions)) == 4
        regions.close()
        assert not (tmp_path / "regions").exists()


def test_a_move_that_fails_half_way_begins_again(
    proxy: FaultProxy, s3_url: str, tmp_path: Path
) -> None:
    regions = opened(tmp_path, LOCAL_FILES)
    regions.create(1, CPU, RegionOptions())
    regions.write([rows(1)])
    regions.flush(1)
    regions.close()
    storage = s3_options(proxy.url, request=5.0, retry=0.3)
    proxy.add("PUT .*parquet", answers(503), -1)
    assert "does not answer" in refusal(tmp_path, storage)
    regions = opened(tmp_path, LOCAL_FILES)  # nothing is lost by going on as before
    regions.write([rows(2)])
    regions.compact(1)
    regions.flush(1)
    regions.drop(1)
    regions.create(2, CPU, RegionOptions())
    regions.close()
    proxy.clear()
    regions = opened(tmp_path, storage)
    assert regions.region_ids() == {2}
    regions.close()
    assert "in an object store" in refusal(tmp_path, LOCAL_FILES)


def test_an_interrupted_first_start_is_finished(s3_url: str, tmp_path: Path) -> None:
    for is_written in (False, True):
        directory, storage = tmp_path / str(is_written), s3_options(s3_url)
        mark = {"id": "0123", "bound": False}
        LocalStore(directory).put("STORE", json.dumps(mark).encode())
        if is_written:
            make_cloud(storage).put("OWNER", json.dumps({"id": "0123"}).encode())
        make(directory, storage)
        assert json.loads((directory / "STORE").read_bytes())["bound"]
        make_cloud(storage).delete("OWNER")
        assert "holds nothing" in refusal(directory, storage)


def test_a_store_without_conditional_writes_is_refused(proxy: FaultProxy, tmp_path: Path) -> None:
    def ignores_the_condition(handler: Handler, _: Fault) -> None:
        request = handler.read()
        request.headers.pop("if-none-match", None)
        handler.answer(*handler.forward(request))

    proxy.add("^PUT .*/OWNER", ignores_the_condition, -1)
    assert "replaces objects" in refusal(tmp_path, s3_options(proxy.url))
