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
from engine.sst.file import DeletionVector, FileMeta, IndexFile
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
        "older": [schema_to_json(schema) for schema in version.older.values()],
        "window_ms": version.window_ms,
    }


def version_from_json(body: Json) -> Version:
    """The inverse of `version_to_json`."""
    return Version(
        schema_from_json(body["schema"]),
        options_from_json(body["options"]),
        tuple(file_from_json(file) for file in body["files"]),
        body["flushed_sequence"],
        body["next_file_id"],
        {old["version"]: schema_from_json(old) for old in body.get("older", ())},
        body.get("window_ms"),
    )


def edit_to_json(edit: Edit) -> Json:
    """One edit."""
    return {
        "added": [file_to_json(file) for file in edit.added],
        "removed": list(edit.removed),
        "deletions": {str(id_): asdict(vector) for id_, vector in edit.deletions.items()},
        "flushed_sequence": edit.flushed_sequence,
        "schema": schema_to_json(edit.schema) if edit.schema else None,
        "options": options_to_json(edit.options) if edit.options else None,
        "window_ms": edit.window_ms,
        "indexes": {str(id_): asdict(index) for id_, index in edit.indexes.items()},
    }


def edit_from_json(body: Json) -> Edit:
    """The inverse of `edit_to_json`."""
    schema, options = body.get("schema"), body.get("options")
    return Edit(
        tuple(file_from_json(file) for file in body["added"]),
        tuple(body["removed"]),
        {int(id_): DeletionVector(**vector) for id_, vector in body["deletions"].items()},
        body["flushed_sequence"],
        schema_from_json(schema) if schema else None,
        options_from_json(options) if options else None,
        body.get("window_ms"),
        {int(id_): IndexFile(**index) for id_, index in body.get("indexes", {}).items()},
    )


def file_to_json(file: FileMeta) -> Json:
    """One file."""
    return asdict(file)


def file_from_json(body: Json) -> FileMeta:
    """The inverse of `file_to_json`."""
    known = {name: body[name] for name in FileMeta.__slots__ if name in body}
    if known.get("deletion") is not None:
        known["deletion"] = DeletionVector(**known["deletion"])
    if known.get("index") is not None:
        known["index"] = IndexFile(**known["index"])
    return FileMeta(**known)


def options_to_json(options: RegionOptions) -> Json:
    """The options of a region."""
    return {**asdict(options), "merge_mode": options.merge_mode.value}


def options_from_json(body: Json) -> RegionOptions:
    """The inverse of `options_to_json`."""
    known = {name: body[name] for name in RegionOptions.__slots__ if name in body}
    known["merge_mode"] = MergeMode(known["merge_mode"])
    return RegionOptions(**known)


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
                "id": column.id,
                "initial": scalar_to_json(column.initial),
                "past": [type_to_json(type_) for type_ in column.past],
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
            column.get("id", -1),
            scalar_from_json(column.get("initial")),
            tuple(type_from_json(type_) for type_ in column.get("past", ())),
        )
        for column in body["columns"]
    )
    return RegionSchema(columns, tuple(body["primary_key"]), body["version"])


def scalar_to_json(value: pa.Scalar | None) -> str | None:
    """One value with its type, as an Arrow stream in base64."""
    if value is None:
        return None
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([pa.repeat(value, 1)], names=[""])
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return base64.b64encode(sink.getvalue()).decode()


def scalar_from_json(body: str | None) -> pa.Scalar | None:
    """The inverse of `scalar_to_json`."""
    if body is None:
        return None
    return pa.ipc.open_stream(base64.b64decode(body)).read_next_batch().column(0)[0]


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
