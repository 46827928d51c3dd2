"""Makes the client of a cloud's object store from options.

Called by `engine.store.opening`. It translates our names into obstore's and does no request.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import obstore.exceptions
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store

from engine.errors import DbError, ErrorKind
from engine.store.cloud import Client, Cloud
from engine.store.options import StorageOptions, StorageType

# A machine that does not answer at all is known sooner than a slow one.
_CONNECT_SECONDS = 5.0


def make_cloud(options: StorageOptions) -> Cloud:
    """The object store of the options. Requires: not File. Raises: DbError INVALID_ARGUMENT."""
    if options.type is StorageType.MEMORY:
        memory = MemoryStore()
        return Cloud(memory, memory, options.root, "memory", options.retry_seconds)
    try:
        patient = _client(options, retries=True)
        hasty = _client(options, retries=False)
    except (obstore.exceptions.BaseError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise DbError(
            ErrorKind.INVALID_ARGUMENT, f"the {options.type.value} storage is not usable: {reason}"
        ) from None
    name = f"{options.type.value} bucket {options.bucket or options.container}"
    return Cloud(patient, hasty, options.root, name, options.retry_seconds)


def _client(options: StorageOptions, *, retries: bool) -> Client:
    """`retries`: requests that fail for the moment are tried again inside the client."""
    common: dict[str, Any] = {
        "client_options": {
            "allow_http": (options.endpoint or "").startswith("http://"),
            "connect_timeout": timedelta(seconds=min(_CONNECT_SECONDS, options.request_seconds)),
            "timeout": timedelta(seconds=options.request_seconds),
        },
        "retry_config": {
            "max_retries": 1_000 if retries else 0,  # time is the bound
            "retry_timeout": timedelta(seconds=options.retry_seconds),
            "backoff": {"max_backoff": timedelta(seconds=5)},
        },
    }
    if options.type is StorageType.S3:
        return S3Store(options.bucket, config=_s3(options), **common)
    if options.type is StorageType.GCS:
        return GCSStore(options.bucket, config=_gcs(options), **common)
    return AzureStore(options.container, config=_azure(options), **common)


def _s3(options: StorageOptions) -> Any:
    return _given(
        endpoint=options.endpoint,
        region=options.region,
        access_key_id=_revealed(options.access_key_id),
        secret_access_key=_revealed(options.secret_access_key),
        virtual_hosted_style_request=options.virtual_host_style or None,
    )


def _gcs(options: StorageOptions) -> Any:
    return _given(
        base_url=options.endpoint,
        service_account=None if options.credential_path is None else str(options.credential_path),
        service_account_key=_revealed(options.credential),
    )


def _azure(options: StorageOptions) -> Any:
    return _given(
        endpoint=options.endpoint,
        account_name=options.account_name,
        account_key=_revealed(options.account_key),
        sas_key=_revealed(options.sas_token),
    )


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _revealed(secret: Any) -> str | None:
    return None if secret is None else secret.reveal()
