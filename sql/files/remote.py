"""Files of COPY in object stores: s3://, gs:// and azblob:// with the options of CONNECTION.

Called by sql/statements/copy_files.py. Reads in ranges as they are needed; what is written goes to
a temporary file first, because an object appears whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, BinaryIO, cast

import obstore
from obstore.exceptions import (
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from engine.errors import DbError, ErrorKind
from sql.files.places import Source, chosen

_URL = re.compile(r"([a-z0-9]+)://([^/]+)/?(.*)", re.DOTALL)
_READ_BYTES = 4 << 20
_TIMES = {"connect_timeout": timedelta(seconds=10), "timeout": timedelta(minutes=5)}
_RETRY = {"max_retries": 4, "retry_timeout": timedelta(seconds=60)}

# CONNECTION's words and what obstore calls them.
_S3 = {
    "region": "region",
    "endpoint": "endpoint",
    "access_key_id": "access_key_id",
    "secret_access_key": "secret_access_key",
    "session_token": "session_token",
    "enable_virtual_host_style": "virtual_hosted_style_request",
}
_GCS = {"credential": "service_account_key", "credential_path": "", "endpoint": "base_url"}
_AZURE = {
    "account_name": "account_name",
    "account_key": "account_key",
    "sas_token": "sas_key",
    "endpoint": "endpoint",
}
_SCHEMES: dict[str, tuple[str, Mapping[str, str], Any]] = {
    "s3": ("S3", _S3, S3Store),
    "gs": ("GCS", _GCS, GCSStore),
    "gcs": ("GCS", _GCS, GCSStore),
    "azblob": ("Azure", _AZURE, AzureStore),
}

CONNECTION_WORDS = frozenset({*_S3, *_GCS, *_AZURE})


def is_remote(path: str) -> bool:
    """True for a URL other than file://."""
    match = re.match(r"([A-Za-z0-9]+)://", path)
    return match is not None and match[1].lower() != "file"


@dataclass(frozen=True)
class RemoteFiles:
    """One bucket or container. Implements `Place`.

    Paths are whole URLs; those that a COPY makes of one have the same beginning.
    """

    store: Any
    start: str  # scheme://bucket/
    spool: Callable[[], BinaryIO]

    @classmethod
    def of(
        cls, path: str, connection: Mapping[str, str], spool: Callable[[], BinaryIO]
    ) -> RemoteFiles:
        """The bucket a URL names. Raises: DbError UNSUPPORTED for a scheme, INVALID_ARGUMENT."""
        match = _URL.fullmatch(path)
        known = _SCHEMES.get(match[1].lower()) if match else None
        if match is None or known is None:
            schemes = ", ".join(f"{name}://" for name in _SCHEMES)
            message = f'"{path}" is not the URL of an object store COPY knows'
            raise DbError(ErrorKind.UNSUPPORTED, message, hint=f"there are {schemes}")
        name, words, store = known
        try:
            made = store(match[2], **_arguments(name, words, connection))
        except (BaseError, ValueError, TypeError) as error:
            message = f"CONNECTION of {name} cannot be used: {_first_line(error)}"
            raise DbError(ErrorKind.INVALID_ARGUMENT, message) from error
        return cls(made, f"{match[1]}://{match[2]}/", spool)

    def sources(self, path: str, pattern: str | None) -> Sequence[Source]:
        """See `Place.sources`."""
        if not path.endswith("/"):
            if pattern is not None:
                hint = f"did you mean '{path}/'?"
                message = "COPY option PATTERN needs a directory"
                raise DbError(ErrorKind.INVALID_ARGUMENT, message, hint=hint)
            return [self._source(path)]
        with _translated("list", path):
            listed = obstore.list_with_delimiter(self.store, self._key(path) or None)
            names = [one["path"].rpartition("/")[2] for one in listed["objects"]]
        return [self._source(path + name) for name in chosen(names, pattern, path)]

    def _source(self, path: str) -> Source:
        return Source(path, lambda: self._open(path))

    def _open(self, path: str) -> BinaryIO:
        with _translated("read", path):
            opened = obstore.open_reader(self.store, self._key(path), buffer_size=_READ_BYTES)
        return cast(BinaryIO, _Reader(opened, path))

    @contextmanager
    def writing(self, path: str) -> Iterator[BinaryIO]:
        """See `Place.writing`."""
        key = self._key(path)
        if not key or key.endswith("/"):
            raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{path}" is a directory, not a file')
        with self.spool() as file:
            yield file
            file.flush()
            file.seek(0)
            with _translated("write", path):
                obstore.put(self.store, key, file)

    def _key(self, path: str) -> str:
        return path[len(self.start) :]


class _Reader:
    """An object as a file: obstore's reader, whose bytes are its own buffers, gives bytes here."""

    def __init__(self, reader: Any, path: str) -> None:
        self._reader = reader
        self._path = path
        self.closed = False

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def read(self, size: int = -1) -> bytes:
        with _translated("read", self._path):
            whole = size is None or size < 0
            return bytes(self._reader.read() if whole else self._reader.read(size))

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._reader.close()


def _arguments(name: str, words: Mapping[str, str], connection: Mapping[str, str]) -> Any:
    unknown = sorted(connection.keys() - words.keys())
    if unknown:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f'CONNECTION option "{unknown[0]}" is not one of {name}',
            hint="there are " + ", ".join(word.upper() for word in words),
        )
    config = {words[word]: text for word, text in connection.items() if words[word]}
    options: dict[str, Any] = dict(_TIMES)
    endpoint = connection.get("endpoint", "")
    if endpoint.startswith("http://"):
        options["allow_http"] = True
    if connection.get("credential_path"):
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "CREDENTIAL_PATH would name a file of the server",
            hint="give the service account's key itself as CREDENTIAL",
        )
    return {"config": config, "client_options": options, "retry_config": _RETRY}


@contextmanager
def _translated(action: str, path: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        message = f'could not {action} "{path}": no such object'
        raise DbError(ErrorKind.UNDEFINED_FILE, message) from error
    except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
        message = f'could not {action} "{path}": the store refuses these credentials'
        raise DbError(ErrorKind.ACCESS_DENIED, message, detail=_first_line(error)) from error
    except (BaseError, OSError) as error:
        message = f'could not {action} "{path}"'
        raise DbError(ErrorKind.STORAGE_UNAVAILABLE, message, detail=_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
