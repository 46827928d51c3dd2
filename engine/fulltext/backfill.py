"""Makes the text indexes that files of a region lack, or that are damaged: `ADMIN build_index`.

Called by `engine.regions`. Flushes go on meanwhile; what they or a merge replace is left alone.
"""

from __future__ import annotations

from engine.api import TimeRange
from engine.errors import DbError
from engine.fulltext.build import TextColumn, build, described, wanted_columns
from engine.fulltext.codec import verify
from engine.purge import Purge
from engine.region import Region
from engine.schema import RegionSchema
from engine.sst.file import FileMeta, IndexFile, index_path
from engine.store.store import ObjectStore, reading
from engine.version import Edit, Version


def build_missing(region: Region, store: ObjectStore, purge: Purge) -> int:
    """How many files got an index. Raises: DbError."""
    state, pins = region.pinned_state(TimeRange())
    try:
        return sum(
            _build_one(region, state.version, file, store, purge) for file in state.version.files
        )
    finally:
        region.unpin(pins)


def _build_one(
    region: Region, version: Version, file: FileMeta, store: ObjectStore, purge: Purge
) -> bool:
    schema = version.schema_of(file.schema_version)
    columns = _columns(version, schema)
    is_there = file.index is not None and file.index.columns == described(schema, columns)
    if not columns or (is_there and _is_sound(file, store)):
        return False
    path = index_path(region.id, file.id)
    purge.pin((path,))
    try:
        index = build(store, path, file, schema, columns)
        if index is not None and _publish(region, file, index):
            return True
        store.delete(path)
        return False
    finally:
        purge.unpin((path,))


def _is_sound(file: FileMeta, store: ObjectStore) -> bool:
    """True if the index can be read to its end."""
    assert file.index is not None
    try:
        with reading(store, file.index.path) as path:
            return bool(verify(path).header["rows"] == file.rows)
    except (DbError, OSError, ValueError, KeyError):
        return False


def _columns(version: Version, old: RegionSchema) -> dict[str, TextColumn]:
    """The indexed columns that a file of an earlier schema has, by their names there."""
    found = {}
    for name, column in wanted_columns(version.options, version.schema).items():
        before = old.by_id.get(version.schema.ids[name])
        if (
            before is not None
            and before.type == version.schema.by_id[version.schema.ids[name]].type
        ):
            found[before.name] = column
    return found


def _publish(region: Region, file: FileMeta, index: IndexFile) -> bool:
    """Names the index, unless the file is gone or has got another."""
    with region.maintenance:
        now = {other.id: other for other in region.version.files}.get(file.id)
        if region.is_dropped or now is None or now.index != file.index:
            return False
        region.publish(Edit(indexes={file.id: index}))
        return True
