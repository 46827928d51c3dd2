"""An object store of a cloud, request by request: retries, conditional writes, large objects.

Called by `engine.store.cached`, which adds local files. It keeps nothing itself.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar
from zlib import crc32

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from engine.errors import DbError, ErrorKind
from engine.store.local import storage_error

Client = Any  # a store of obstore

# One request moves at most this much: a cut connection costs little, and a timeout can be short.
CHUNK_BYTES = 8 << 20
# Requests for one large object at a time. One S3 connection gives 50 to 100 MB/s.
CHUNK_REQUESTS = 4
# Metadata of objects. One word each: Azure takes no hyphens, some proxies no underscores.
_WRITER = "gnomonwriter"
_CHECKSUM = "gnomoncrc32"
_BACKOFF_SECONDS = 0.1
_BACKOFF_SECONDS_MAX = 5.0
_REFUSED = (PermissionDeniedError, UnauthenticatedError)
_REFUSALS = ("401 Unauthorized", "403 Forbidden")  # of listings, which have no class of their own
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a listing tells of an object."""

    size: int
    etag: str
    modified_ms: int = 0


@dataclass(frozen=True, slots=True)
class Copy:
    """A local file with the content of an object."""

    size: int
    etag: str
    checksum: int  # CRC-32 of the content


class Cloud:
    """The objects below one folder of a bucket. Any thread.

    Every method raises DbError STORAGE_UNAVAILABLE when the store does not answer as it should
    within the time for retries, and ACCESS_DENIED at once when it refuses our credentials.
    I1. `put_if_absent` says True exactly if the object is the caller's, however many answers were
        lost: each call leaves a token of its own with the object.
    """

    def __init__(
        self, patient: Client, hasty: Client, root: str, name: str, retry_seconds: float
    ) -> None:
        """`patient` retries inside itself, `hasty` never does; `name` is for messages."""
        self._patient = patient
        self._hasty = hasty
        self._root = root.strip("/")
        self._name = name
        self._retry_seconds = retry_seconds

    def __str__(self) -> str:
        return f"{self._name}, root /{self._root}"

    def get(self, path: str) -> bytes | None:
        """The whole object, None if there is none."""
        with self._translated(f"read {path}"):
            try:
                return bytes(obstore.get(self._patient, self._key(path)).bytes())
            except FileNotFoundError:
                return None

    def put(self, path: str, data: bytes) -> None:
        """Makes or replaces an object."""
        with self._translated(f"write {path}"):
            obstore.put(self._patient, self._key(path), data, use_multipart=False)

    def put_if_absent(self, path: str, data: bytes) -> bool:
        """Makes an object; False if one is there already. See I1."""
        token = token_hex(16)

        def attempt() -> bool:
            try:
                obstore.put(
                    self._hasty,
                    self._key(path),
                    data,
                    mode="create",
                    attributes={_WRITER: token},
                    use_multipart=False,
                )
            except AlreadyExistsError:
                # Ours if an earlier attempt arrived whose answer was lost. None: S3 may also
                # refuse because of someone else's request that came to nothing.
                writer = self._writer(path)
                if writer is None:
                    raise
                return writer == token
            return True

        with self._translated(f"write {path}"):
            return self._repeated(attempt)

    def delete(self, path: str) -> None:
        """Removes an object. A missing one is no error."""

        def attempt() -> None:
            with suppress(FileNotFoundError):
                obstore.delete(self._hasty, self._key(path))

        with self._translated(f"remove {path}"):
            self._repeated(attempt)  # obstore itself does not repeat a removal that hangs

    def list(self, prefix: str) -> dict[str, ObjectInfo]:
        """All objects below a folder, by path."""
        start = len(self._root) + 1 if self._root else 0

        def attempt() -> dict[str, ObjectInfo]:
            stream = obstore.list(self._patient, self._key(prefix), chunk_size=1_000)
            return {found["path"][start:]: _info(found) for chunk in stream for found in chunk}

        with self._translated(f"list {prefix}"):
            return self._repeated(attempt)  # obstore does not repeat an answer that is cut

    def upload(self, path: str, file: str) -> Copy:
        """Makes an object from a local file, a large one in parts. Raises also: OSError."""
        checksum = file_checksum(file)
        with self._translated(f"write {path}"):
            made = obstore.put(
                self._patient,
                self._key(path),
                Path(file),
                attributes={_CHECKSUM: f"{checksum:08x}"},
                chunk_size=CHUNK_BYTES,
                max_concurrency=CHUNK_REQUESTS,
            )
        return Copy(os.path.getsize(file), made["e_tag"] or "", checksum)

    def download(self, path: str, file: str, make_room: Callable[[int], None]) -> Copy:
        """Fills a new local file with an object.

        `make_room` is told the size before anything is written. Raises also: OSError; DbError
        CORRUPTED if the content is not what was uploaded.
        """
        with self._translated(f"read {path}"):
            data, attributes, size, etag = self._first_chunk(path)
        make_room(size)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            _write_all(descriptor, data, 0)
            starts = range(CHUNK_BYTES, size, CHUNK_BYTES)
            if starts:
                self._rest(path, etag, starts, size, descriptor)
        finally:
            os.close(descriptor)
        checksum = file_checksum(file)
        expected = attributes.get(_CHECKSUM)
        if expected is not None and expected != f"{checksum:08x}":
            raise DbError(
                ErrorKind.CORRUPTED,
                f"the object {path} of {self} is damaged: checksum {checksum:08x}, "
                f"expected {expected}",
            )
        return Copy(size, etag, checksum)

    def _first_chunk(self, path: str) -> tuple[Any, Any, int, str]:
        """The first bytes, the attributes, the size and the version's tag of an object."""
        key = self._key(path)
        try:
            found = obstore.get(self._patient, key, options={"range": (0, CHUNK_BYTES)})
        except BaseError as error:
            if _is_final(error):
                raise
            # An empty object has no first chunk.
            found = obstore.get(self._patient, key, options={"head": True})
            if found.meta["size"]:
                raise
            return b"", found.attributes, 0, found.meta["e_tag"] or ""
        return found.bytes(), found.attributes, found.meta["size"], found.meta["e_tag"] or ""

    def _rest(self, path: str, etag: str, starts: range, size: int, descriptor: int) -> None:
        """Everything after the first chunk, several chunks at a time."""

        def copy(start: int) -> None:
            options: Any = {"range": (start, min(start + CHUNK_BYTES, size))}
            if etag:
                options["if_match"] = etag  # all chunks of one version
            with self._translated(f"read {path}"):
                data = obstore.get(self._patient, self._key(path), options=options).bytes()
            _write_all(descriptor, data, start)

        with ThreadPoolExecutor(CHUNK_REQUESTS, "download") as pool:
            for _ in pool.map(copy, starts):
                continue

    def _writer(self, path: str) -> str | None:
        """The token an object was made with, empty if without one; None if there is no object."""
        try:
            found = obstore.get(self._patient, self._key(path), options={"head": True})
        except FileNotFoundError:
            return None
        return found.attributes.get(_WRITER, "")

    def _repeated(self, attempt: Callable[[], Result]) -> Result:
        """Makes attempts, with growing pauses between, until one succeeds or it is time to stop."""
        end = time.monotonic() + self._retry_seconds
        pause = _BACKOFF_SECONDS
        while True:
            try:
                return attempt()
            except (BaseError, OSError) as error:
                if _is_final(error) or time.monotonic() + pause > end:
                    raise
            length = pause * random.uniform(0.5, 1.0)
            time.sleep(length)  # backoff with jitter, as object stores ask of clients
            pause = min(pause * 2, _BACKOFF_SECONDS_MAX)

    def _key(self, path: str) -> str:
        return f"{self._root}/{path}" if self._root else path

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        """Turns what obstore raises into a DbError that says what was being done, and where."""
        try:
            yield
        except FileNotFoundError as error:
            message = f"cannot {action}: it is not in {self._name}: {_reason(error)}"
            raise DbError(ErrorKind.STORAGE_UNAVAILABLE, message) from None
        except PreconditionError:
            message = f"cannot {action}: the object was replaced meanwhile"
            raise DbError(ErrorKind.STORAGE_UNAVAILABLE, message) from None
        except (BaseError, OSError, ValueError) as error:
            if _is_refusal(error):
                message = f"cannot {action}: {self._name} refuses the credentials: "
                raise DbError(ErrorKind.ACCESS_DENIED, message + _reason(error)) from None
            message = f"cannot {action}: {self._name} does not answer as it should: "
            raise DbError(ErrorKind.STORAGE_UNAVAILABLE, message + _reason(error)) from None


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, _REFUSED) or any(words in str(error) for words in _REFUSALS)


def _is_final(error: BaseException) -> bool:
    """True if trying again would not help. Not found, of a write: there is no such bucket."""
    return isinstance(error, (InvalidPathError, FileNotFoundError)) or _is_refusal(error)


def _info(found: Any) -> ObjectInfo:
    modified_ms = int(found["last_modified"].timestamp() * 1_000)
    return ObjectInfo(found["size"], found["e_tag"] or "", modified_ms)


def file_checksum(file: str) -> int:
    """CRC-32 of a file's content. Raises: OSError."""
    checksum = 0
    with open(file, "rb") as source:
        while data := source.read(1 << 20):
            checksum = crc32(data, checksum)
    return checksum


def _write_all(descriptor: int, data: Any, offset: int) -> None:
    """Writes at a place of the file. Raises: DbError DISK_FULL, STORAGE_UNAVAILABLE."""
    view = memoryview(data)
    try:
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written
    except OSError as error:
        raise storage_error(error, "write to the cache") from error


# What is left out of messages: queries of addresses (they may hold signatures), documents.
_QUERY = re.compile(r"\?[^\s'\")]*")
_DETAILS = re.compile(r"(<\?xml|Debug source).*", re.DOTALL)


def _reason(error: BaseException) -> str:
    text = _QUERY.sub("", _DETAILS.sub("", str(error)))
    return " ".join(text.split())[:400].rstrip(": ")
