"""Where a data directory keeps the files of its regions: the operator's choice as plain values.

Filled by the composition root from the configuration, read by `engine.store.opening`. Secrets are
wrapped, so that no log line, error message or traceback shows them by accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

MIB = 1 << 20


class StorageType(Enum):
    """The kinds of object store; the values are the words of the configuration."""

    FILE = "File"
    MEMORY = "Memory"  # for tests: everything is gone when the process ends
    S3 = "S3"
    GCS = "Gcs"
    AZBLOB = "Azblob"


class Secret:
    """A text that is shown to nobody by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return "'******'"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """An object store, how to reach it, and the local cache before it.

    `container` is what Azure calls the bucket. `root` is the folder in it that belongs to this data
    directory alone. Credentials that are None come from the machine's own environment: instance
    metadata, web identity, the variables of the cloud's tools.
    """

    type: StorageType = StorageType.FILE
    bucket: str = ""
    container: str = ""
    root: str = ""
    endpoint: str | None = None
    region: str | None = None
    virtual_host_style: bool = False
    access_key_id: Secret | None = None  # S3
    secret_access_key: Secret | None = None
    account_name: str | None = None  # Azure
    account_key: Secret | None = None
    sas_token: Secret | None = None
    credential_path: Path | None = None  # Google: file of a service account
    credential: Secret | None = None  # its content
    # None: `cache` in the directory of the regions.
    cache_path: Path | None = None
    # Ten files of the largest size that compaction writes. More than this is kept only while
    # running statements read it.
    cache_bytes: int = 5120 * MIB
    # One request moves at most 8 MiB, so that 0.3 MB/s are enough.
    request_seconds: float = 30.0
    # How long a failing request is tried again: longer than the hiccups of a store, not so long
    # that a statement seems to hang.
    retry_seconds: float = 30.0

    @property
    def is_remote(self) -> bool:
        """True if objects are not files of this machine's own folder."""
        return self.type is not StorageType.FILE


LOCAL_FILES = StorageOptions()
