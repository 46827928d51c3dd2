"""The options of the object store: section [storage], with the names GreptimeDB uses there.

Called by config.py. On the command line and in the environment the names begin with `storage`.
"""

from __future__ import annotations

from engine.store.options import StorageOptions, StorageType
from server.config_values import (
    BOOLEAN,
    BYTES,
    PATH_OR_NONE,
    SECRET,
    TEXT,
    TEXT_OR_NONE,
    Kind,
    Option,
    parse_duration_ms,
    quote,
    show_duration,
)


def _parse_type(text: str) -> StorageType:
    for known in StorageType:
        if text.lower() == known.value.lower():
            return known
    raise ValueError(f"expected one of {', '.join(known.value for known in StorageType)}")


def _parse_root(text: str) -> str:
    parts = [part for part in text.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise ValueError("a root has no . and no .. in it")
    return "/".join(parts)


def _parse_seconds(text: str) -> float:
    milliseconds = parse_duration_ms(text)
    if milliseconds < 1:
        raise ValueError("expected more than 0")
    return milliseconds / 1_000


def _show_type(value: StorageType) -> str:
    return quote(value.value)


def _show_seconds(value: float) -> str:
    return show_duration(round(value * 1_000))


_TYPE = Kind(_parse_type, _show_type, "|".join(known.value for known in StorageType))
_ROOT = Kind(_parse_root, quote, "PATH")
_SECONDS = Kind(_parse_seconds, _show_seconds, "DURATION")


def _option(key: str, field: str, kind: Kind, text: str) -> Option:
    return Option("storage", f"storage_{key}", f"storage.{field}", kind, text, key)


STORAGE_OPTIONS: tuple[Option, ...] = (
    _option("type", "type", _TYPE, "where the files of time-series tables are kept"),
    _option("bucket", "bucket", TEXT, "bucket of S3 or Gcs"),
    _option("container", "container", TEXT, "container of Azblob"),
    _option("root", "root", _ROOT, "folder in the bucket, for this data directory alone"),
    _option("endpoint", "endpoint", TEXT_OR_NONE, "address of the store if not the cloud's own"),
    _option("region", "region", TEXT_OR_NONE, "region of the S3 bucket"),
    _option(
        "enable_virtual_host_style",
        "virtual_host_style",
        BOOLEAN,
        "S3: the bucket is part of the host name",
    ),
    _option("access_key_id", "access_key_id", SECRET, "S3: id of the access key"),
    _option("secret_access_key", "secret_access_key", SECRET, "S3: the access key"),
    _option("account_name", "account_name", TEXT_OR_NONE, "Azblob: the account"),
    _option("account_key", "account_key", SECRET, "Azblob: key of the account"),
    _option("sas_token", "sas_token", SECRET, "Azblob: shared access signature"),
    _option("credential_path", "credential_path", PATH_OR_NONE, "Gcs: service account's file"),
    _option("credential", "credential", SECRET, "Gcs: content of such a file (JSON)"),
    _option("cache_path", "cache_path", PATH_OR_NONE, "folder of local copies"),
    _option("cache_size", "cache_bytes", BYTES, "how much the local copies may take"),
    _option("request_timeout", "request_seconds", _SECONDS, "time for one request of 8 MiB"),
    _option("retry_timeout", "retry_seconds", _SECONDS, "how long a failing request is repeated"),
)


def check_storage(options: StorageOptions) -> str | None:
    """What is missing or does not go together, in words; None if nothing."""
    if options.type in (StorageType.S3, StorageType.GCS) and not options.bucket:
        return f"storage type {options.type.value} needs a bucket"
    if options.type is StorageType.AZBLOB and not (options.container and options.account_name):
        return "storage type Azblob needs a container and an account_name"
    if (options.access_key_id is None) != (options.secret_access_key is None):
        return "access_key_id and secret_access_key go together: set both or neither"
    if options.credential is not None and options.credential_path is not None:
        return "credential and credential_path are two ways to say the same: set one of them"
    return None
