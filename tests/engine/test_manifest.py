"""The manifest: edits come back, checkpoints replace them, damage is reported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from fix_engine import CPU

from engine import datatypes
from engine.datatypes import DataType, TypeId, decimal, list_of
from engine.errors import DbError, ErrorKind
from engine.manifest import codec
from engine.manifest.log import Manifest
from engine.schema import MergeMode, RegionColumn, RegionOptions, RegionSchema, Semantic
from engine.sst.file import DeletionVector, FileMeta
from engine.store import LocalStore, ObjectStore
from engine.store.faulty import FaultyStore
from engine.version import Edit, Version

OPTIONS = RegionOptions(merge_mode=MergeMode.LAST_NON_NULL, ttl_ms=5, extra={"a": "ä"})
EMPTY = Version(CPU, OPTIONS)


def file(number: int) -> FileMeta:
    return FileMeta(number, f"f{number}", 10, 99, -5, 5, number, number, 1, "ä", None)


def grow(manifest: Manifest, version: Version, numbers: range) -> Version:
    for number in numbers:
        edit = Edit(added=(file(number),), flushed_sequence=number)
        manifest.append(edit)
        version = version.apply(edit)
        manifest.checkpoint_if_due(version)
    return version


def opened_version(store: ObjectStore) -> Version:
    opened = Manifest.open(store, 1, 9)
    assert opened is not None
    return opened[1]


def test_edits_come_back_with_and_without_checkpoints(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    manifest = Manifest.create(store, 1, EMPTY, distance=4)
    assert manifest is not None
    version = grow(manifest, EMPTY, range(1, 7))
    edit = Edit(removed=(2,), deletions={3: DeletionVector("d", 4)}, flushed_sequence=9)
    manifest.append(edit)
    opened = Manifest.open(store, 1, 4)
    assert opened is not None
    assert opened[1] == version.apply(edit)
    assert len(store.list("regions/1/manifest")) < 6
    grown = grow(opened[0], opened[1], range(10, 20))
    reopened = Manifest.open(store, 1, 4)
    assert reopened is not None
    assert reopened[1] == grown


def test_a_region_is_created_once(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert Manifest.create(store, 1, EMPTY, 4) is not None
    assert Manifest.create(store, 1, EMPTY, 4) is None
    assert Manifest.open(store, 2, 4) is None


def test_every_flipped_bit_of_an_action_is_found(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, sync=False)
    manifest = Manifest.create(store, 1, EMPTY, 4)
    assert manifest is not None
    grow(manifest, EMPTY, range(1, 2))
    path = store.list("regions/1/manifest")[1]
    good = store.get(path)
    assert good is not None
    for position in range(len(good)):
        data = bytearray(good)
        data[position] ^= 1
        store.put(path, bytes(data))
        with pytest.raises(DbError) as caught:
            Manifest.open(store, 1, 4)
        assert caught.value.kind is ErrorKind.CORRUPTED


def test_a_missing_action_is_found(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    manifest = Manifest.create(store, 1, EMPTY, 9)
    assert manifest is not None
    grow(manifest, EMPTY, range(1, 4))
    store.delete(store.list("regions/1/manifest")[2])
    with pytest.raises(DbError, match="misses the action 3"):
        Manifest.open(store, 1, 9)


@pytest.mark.parametrize("after", [False, True])
def test_I2_a_failed_append_never_counts_once_something_follows_it(
    tmp_path: Path, after: bool
) -> None:
    store = FaultyStore(LocalStore(tmp_path), after=after)
    manifest = Manifest.create(store, 1, EMPTY, 9)
    assert manifest is not None
    store.fail_from(store.calls + 1)
    with pytest.raises(DbError, match="injected"):
        manifest.append(Edit(flushed_sequence=1))
    with pytest.raises(DbError, match="injected"):
        manifest.append(Edit(added=(file(1),)))  # what settles the first one fails as well
    assert opened_version(store).flushed_sequence == (1 if after else 0)
    store.fail_from(None)
    manifest.append(Edit(window_ms=5))
    expected = EMPTY.apply(Edit(window_ms=5))
    assert opened_version(store) == expected
    manifest.append(Edit(added=(file(1),)))
    assert opened_version(store) == expected.apply(Edit(added=(file(1),)))


def test_I2_after_settling_a_failed_append_does_not_count(tmp_path: Path) -> None:
    store = FaultyStore(LocalStore(tmp_path), after=True, once=True)
    manifest = Manifest.create(store, 1, EMPTY, 9)
    assert manifest is not None
    store.fail_from(store.calls + 1)
    with pytest.raises(DbError, match="injected"):
        manifest.append(Edit(flushed_sequence=1))
    assert opened_version(store).flushed_sequence == 1
    manifest.settle()
    assert opened_version(store).flushed_sequence == 0


def test_a_version_needs_no_action_before_it(tmp_path: Path) -> None:
    """A power loss may take a name whose making had failed, and leave the next one."""
    store = FaultyStore(LocalStore(tmp_path), after=True, once=True)
    manifest = Manifest.create(store, 1, EMPTY, 9)
    assert manifest is not None
    store.fail_from(store.calls + 1)
    with pytest.raises(DbError, match="injected"):
        manifest.append(Edit(flushed_sequence=1))
    manifest.append(Edit(flushed_sequence=2))
    store.delete(store.list("regions/1/manifest")[1])
    assert opened_version(store).flushed_sequence == 2


def test_another_writer_of_the_same_manifest_is_noticed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    mine = Manifest.create(store, 1, EMPTY, 9)
    other = Manifest.open(store, 1, 9)
    assert mine is not None
    assert other is not None
    other[0].append(Edit(flushed_sequence=1))
    with pytest.raises(DbError, match="someone else"):
        mine.append(Edit(flushed_sequence=2))


def test_every_type_of_column_comes_back() -> None:
    struct = pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))])
    types = [t for t in vars(datatypes).values() if isinstance(t, DataType)]
    types += [
        decimal(12, 3),
        list_of(list_of(decimal(5, 2))),
        DataType(TypeId.STRUCT, arrow_nested=struct),
        list_of(DataType(TypeId.MAP, arrow_nested=pa.map_(pa.string(), pa.int64()))),
    ]
    assert [codec.type_from_json(codec.type_to_json(t)) for t in types] == types


def test_a_version_survives_its_text(tmp_path: Path) -> None:
    schema = RegionSchema(
        (
            RegionColumn('we"ird', datatypes.STRING, Semantic.TAG),
            RegionColumn("t", datatypes.TIMESTAMP_NANOSECOND, Semantic.TIMESTAMP, False),
        ),
        ('we"ird',),
        version=3,
    )
    files = (file(1), replace(file(2), deletion=DeletionVector("d", 4)))
    version = Version(schema, OPTIONS, files, 7, 3)
    framed = codec.frame(codec.version_to_json(version))
    assert codec.version_from_json(codec.unframe(framed, "x")) == version
