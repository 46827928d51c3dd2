"""Which data directory a folder of a bucket belongs to: a name on both sides that must agree.

Called by `engine.store.opening` before anything else is read. The catalog of a data directory
decides which regions exist, so a directory that met another one's regions would drop them as
orphans; a mistaken bucket or root must be an error instead. A directory whose regions are local
files brings them along when it is bound.
"""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_hex

from engine.errors import DbError, ErrorKind
from engine.store.cloud import Cloud
from engine.store.local import LocalStore, translated

# The name in the data directory, and below the root of the bucket.
LOCAL_NAME = "STORE"
REMOTE_NAME = "OWNER"
_REGIONS = "regions"
_UPLOADS = 8  # files at a time when regions move
_LOG = logging.getLogger(__name__)


def bind(cloud: Cloud, directory: Path, *, sync: bool = True) -> str:
    """The id that both sides have; both get a new one at the first start.

    Raises: DbError STORAGE_UNAVAILABLE when they do not belong together, or when the store lets a
    conditional write replace an object, so that two owners would not notice each other.
    """
    local = LocalStore(directory, sync=sync)
    owner, is_bound = _read(local)
    if not owner:
        owner = token_hex(16)
        local.put(LOCAL_NAME, _local_mark(owner, is_bound=False))
    if not is_bound:
        is_new = cloud.put_if_absent(REMOTE_NAME, _remote_mark(owner))
        _check(cloud, directory, owner)
        _move(local, cloud, is_new=is_new)
        local.put(LOCAL_NAME, _local_mark(owner, is_bound=True))
    _check(cloud, directory, owner)
    if cloud.put_if_absent(REMOTE_NAME, _remote_mark(owner)):
        raise _refused(
            f"{cloud} replaces objects although it is asked to create them only if they are absent",
            "use a store with conditional writes (If-None-Match)",
        )
    for path in local.list(_REGIONS):
        local.delete(path)  # they were moved
    local.clean(_REGIONS)
    return owner


def check_unbound(directory: Path) -> None:
    """Raises: DbError STORAGE_UNAVAILABLE if the regions of a directory are in a bucket."""
    if _read(LocalStore(directory))[1]:
        raise _refused(
            f"the data directory {directory} keeps its regions in an object store",
            "set the storage options that it was made with",
        )


def _move(local: LocalStore, cloud: Cloud, *, is_new: bool) -> None:
    """Brings local regions to the root, which has become ours and is not used yet."""
    if not is_new:
        for path in cloud.list(_REGIONS):  # of an earlier attempt, from other local files perhaps
            cloud.delete(path)
    paths = local.list(_REGIONS)
    if not paths:
        return
    _LOG.info("%d files of regions move to %s", len(paths), cloud)

    def upload(path: str) -> None:
        with translated(f"read {path}"):
            cloud.upload(path, local.local_path(path))

    with ThreadPoolExecutor(_UPLOADS, "move") as pool:
        for _ in pool.map(upload, paths):
            continue
    _LOG.info("the regions have moved to %s", cloud)


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


def _read(local: LocalStore) -> tuple[str, bool]:
    """The directory's id, empty if it has none, and whether everything is in the bucket."""
    mark = local.get(LOCAL_NAME)
    if mark is None:
        return "", False
    try:
        body = json.loads(mark)
        return str(body["id"]), bool(body["bound"])
    except (ValueError, KeyError, TypeError) as error:
        message = f"the file {LOCAL_NAME} of the data directory is damaged: {error!r}"
        raise DbError(ErrorKind.CORRUPTED, message) from error


def _local_mark(owner: str, *, is_bound: bool) -> bytes:
    return json.dumps({"id": owner, "bound": is_bound}).encode()


def _remote_mark(owner: str) -> bytes:
    return json.dumps({"id": owner}).encode()


def _refused(message: str, hint: str) -> DbError:
    return DbError(ErrorKind.STORAGE_UNAVAILABLE, message, hint=hint)
