"""Versions and edits as JSON, and back. See docs/formats/manifest.md.

Readers ignore keys they do not know; a key is never given another meaning.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import Any
from zlib import crc32

import pyarrow as pa

from engine.datatypes import DataType, TypeId, from_name, list_of
from engine.errors import DbError, ErrorKind
from engine.schema import MergeMode, RegionColumn, RegionOptions, RegionSchema, Semantic
from engine.sst.file import DeletionVector, FileMeta
from engine.version import Edit, Version

_HEAD = b"GNOMON-MANIFEST 1 "
Json = dict[str, Any]


def frame(body: Json) -> bytes:
    """One line with the checksum, then the JSON text."""
    text = json.dumps(body, indent=1, ensure_ascii=False).encode()
    return _HEAD + f"{crc32(text):08x}\n".encode() + text


def unframe(data: bytes, path: str) -> Json:
    """The inverse of `frame`. Raises: DbError CORRUPTED."""
    head, _, text = data.partition(b"\n")
    if not head.startswith(_HEAD):
        raise DbError(ErrorKind.CORRUPTED, f"the manifest file {path} has no valid first line")
    expected, got = head[len(_HEAD) :], f"{crc32(text):08x}".encode()
    if got != expected:
        raise DbError(
            ErrorKind.CORRUPTED,
            f"the manifest file {path} is damaged: checksum {got.decode()}, "
            f"expected {expected.decode('ascii', 'replace')}",
        )
    body: Json = json.loads(text)
    return body


def version_to_json(version: Version) -> Json:
    """A whole version."""
    return {
        "schema": schema_to_json(version.schema),
        "options": options_to_json(version.options),
        "files": [file_to_json(file) for file in version.files],
        "flushed_sequence": version.flushed_sequence,
        "next_file_id": version.next_file_id,
    }


def version_from_json(body: Json) -> Version:
    """The inverse of `version_to_json`."""
    return Version(
        schema_from_json(body["schema"]),
        options_from_json(body["options"]),
        tuple(file_from_json(file) for file in body["files"]),
        body["flushed_sequence"],
        body["next_file_id"],
    )


def edit_to_json(edit: Edit) -> Json:
    """One edit."""
    return {
        "added": [file_to_json(file) for file in edit.added],
        "removed": list(edit.removed),
        "deletions": {str(id_): asdict(vector) for id_, vector in edit.deletions.items()},
        "flushed_sequence": edit.flushed_sequence,
    }


def edit_from_json(body: Json) -> Edit:
    """The inverse of `edit_to_json`."""
    return Edit(
        tuple(file_from_json(file) for file in body["added"]),
        tuple(body["removed"]),
        {int(id_): DeletionVector(**vector) for id_, vector in body["deletions"].items()},
        body["flushed_sequence"],
    )


def file_to_json(file: FileMeta) -> Json:
    """One file."""
    return asdict(file)


def file_from_json(body: Json) -> FileMeta:
    """The inverse of `file_to_json`."""
    known = {name: body[name] for name in FileMeta.__slots__ if name in body}
    if known.get("deletion") is not None:
        known["deletion"] = DeletionVector(**known["deletion"])
    return FileMeta(**known)


def options_to_json(options: RegionOptions) -> Json:
    """The options of a region."""
    return {
        "append_mode": options.append_mode,
        "merge_mode": options.merge_mode.value,
        "ttl_ms": options.ttl_ms,
        "extra": dict(options.extra),
    }


def options_from_json(body: Json) -> RegionOptions:
    """The inverse of `options_to_json`."""
    return RegionOptions(
        body["append_mode"], MergeMode(body["merge_mode"]), body["ttl_ms"], body["extra"]
    )


def schema_to_json(schema: RegionSchema) -> Json:
    """The columns of a region."""
    return {
        "version": schema.version,
        "primary_key": list(schema.primary_key),
        "columns": [
            {
                "name": column.name,
                "type": type_to_json(column.type),
                "semantic": column.semantic.value,
                "nullable": column.nullable,
            }
            for column in schema.columns
        ],
    }


def schema_from_json(body: Json) -> RegionSchema:
    """The inverse of `schema_to_json`."""
    columns = tuple(
        RegionColumn(
            column["name"],
            type_from_json(column["type"]),
            Semantic(column["semantic"]),
            column["nullable"],
        )
        for column in body["columns"]
    )
    return RegionSchema(columns, tuple(body["primary_key"]), body["version"])


def type_to_json(type_: DataType) -> str | Json:
    """A type's name, or an object for the nested ones."""
    if type_.id is TypeId.LIST and type_.element is not None:
        return {"element": type_to_json(type_.element)}
    if type_.arrow_nested is not None:
        layout = pa.schema([pa.field("", type_.arrow_nested)]).serialize()
        return {"id": type_.id.value, "arrow": base64.b64encode(layout).decode()}
    return type_.name


def type_from_json(body: str | Json) -> DataType:
    """The inverse of `type_to_json`."""
    if isinstance(body, str):
        return from_name(body)
    if "element" in body:
        return list_of(type_from_json(body["element"]))
    layout = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(body["arrow"])))
    return DataType(TypeId(body["id"]), arrow_nested=layout.field(0).type)
