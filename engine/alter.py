"""ALTER of a region: its rows are flushed in the old schema, then an edit names the new one.

Called by `engine.regions`. Files are left as they are; whoever reads them looks up the schema they
were written in (engine.evolve).
"""

from __future__ import annotations

from collections.abc import Callable

from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from engine.flush import FlushTools, flush_held
from engine.region import Region
from engine.schema import RegionOptions, RegionSchema
from engine.version import Edit, Version


def alter(
    region: Region,
    schema: RegionSchema,
    options: RegionOptions,
    tools: FlushTools,
    freed: Callable[[int], None],
) -> bool:
    """Gives a region these columns and options; `freed` is told of bytes that leave memory.

    Returns True if it had others. Raises: DbError as `engine.api.Regions.alter`; nothing has
    changed then.
    """
    with region.maintenance:
        version = region.version
        if schema.version <= version.schema.version:
            schema = version.schema
        if region.is_dropped:
            raise DbError(ErrorKind.REGION_NOT_FOUND, f"region {region.id} does not exist")
        if (schema, options) == (version.schema, version.options):
            return False
        _check(version, schema, options)
        edit = Edit(
            schema=schema if schema != version.schema else None,
            options=options if options != version.options else None,
        )
        if edit.schema is None and options.append_mode == version.options.append_mode:
            region.publish(edit)  # rows in memory look the same afterwards
            return True
        flush_held(region, tools, freed)
        with region.still():  # what was written meanwhile is little
            flush_held(region, tools, freed)
            region.publish(edit)
        return True


def _check(version: Version, schema: RegionSchema, options: RegionOptions) -> None:
    old = version.options
    if old.append_mode and not options.append_mode:
        raise _refused("append mode cannot be turned off: rows of the region have no identity")
    if old.merge_mode is not options.merge_mode and not options.append_mode:
        raise _refused("the merge mode cannot be changed")
    if schema.ids[schema.time_index] != version.schema.ids[version.schema.time_index]:
        raise _refused("the time index cannot be replaced")
    if _key(schema)[: len(_key(version.schema))] != _key(version.schema):
        raise _refused("tags can only be added behind the others: files are sorted by them")
    if schema.time_type != version.schema.time_type:
        raise _refused("the type of the time index cannot be changed")


def _key(schema: RegionSchema) -> list[tuple[int, DataType]]:
    """Which tags make up the primary key, in order."""
    return [(schema.ids[name], schema.by_id[schema.ids[name]].type) for name in schema.primary_key]


def _refused(message: str) -> DbError:
    return DbError(ErrorKind.INVALID_ARGUMENT, message)
