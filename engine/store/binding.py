"""Which data directory a folder of a bucket belongs to: a name on both sides that must agree.

Called by `engine.store.opening` before anything else is read. The catalog of a data directory
decides which regions exist, so a directory that met another one's regions would drop them as
orphans; a mistaken bucket or root must be an error instead.
"""

from __future__ import annotations

import json
from pathlib import Path
from secrets import token_hex

from engine.errors import DbError, ErrorKind
from engine.store.cloud import Cloud
from engine.store.local import LocalStore

# The name in the data directory, and below the root of the bucket.
LOCAL_NAME = "STORE"
REMOTE_NAME = "OWNER"
_LOCAL_REGIONS = "regions"


def bind(cloud: Cloud, directory: Path, *, sync: bool = True) -> str:
    """The id that both sides have; both get a new one at the first start.

    Raises: DbError STORAGE_UNAVAILABLE when they do not belong together, or when the store lets a
    conditional write replace an object, so that two owners would not notice each other.
    """
    local = LocalStore(directory, sync=sync)
    mark = local.get(LOCAL_NAME)
    if mark is None:
        if local.list(_LOCAL_REGIONS):
            raise _refused(
                f"the data directory {directory} keeps its regions in local files, not in {cloud}",
                "set the storage type to File, or choose another data directory",
            )
        owner = token_hex(16)
        local.put(LOCAL_NAME, _local_mark(owner, is_bound=False))
    else:
        owner = str(json.loads(mark)["id"])
    if mark is None or not json.loads(mark)["bound"]:
        if not cloud.put_if_absent(REMOTE_NAME, _remote_mark(owner)):
            _check(cloud, directory, owner)
        local.put(LOCAL_NAME, _local_mark(owner, is_bound=True))
    _check(cloud, directory, owner)
    if cloud.put_if_absent(REMOTE_NAME, _remote_mark(owner)):
        raise _refused(
            f"{cloud} replaces objects although it is asked to create them only if they are absent",
            "use a store with conditional writes (If-None-Match)",
        )
    return owner


def check_unbound(directory: Path) -> None:
    """Raises: DbError STORAGE_UNAVAILABLE if the regions of a directory are in a bucket."""
    if LocalStore(directory).get(LOCAL_NAME) is not None:
        raise _refused(
            f"the data directory {directory} keeps its regions in an object store",
            "set the storage options that it was made with",
        )


def _check(cloud: Cloud, directory: Path, owner: str) -> None:
    mark = cloud.get(REMOTE_NAME)
    if mark is None:
        raise _refused(
            f"{cloud} holds nothing of the data directory {directory}",
            "check the bucket, the root and the endpoint",
        )
    if mark != _remote_mark(owner):
        raise _refused(
            f"{cloud} belongs to another data directory than {directory}",
            "give every data directory a root of its own",
        )


def _local_mark(owner: str, *, is_bound: bool) -> bytes:
    return json.dumps({"id": owner, "bound": is_bound}).encode()


def _remote_mark(owner: str) -> bytes:
    return json.dumps({"id": owner}).encode()


def _refused(message: str, hint: str) -> DbError:
    return DbError(ErrorKind.STORAGE_UNAVAILABLE, message, hint=hint)
