"""Object stores for tests: a real S3 API server (moto's) in this process, and stores over it."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from fake_clouds import FakeAzure, FakeGcs, running
from fault_proxy import FaultProxy

from engine.store import LocalStore, ObjectStore
from engine.store.backends import make_cloud
from engine.store.cache import DiskCache
from engine.store.cached import CachedStore
from engine.store.cloud import Cloud
from engine.store.options import Secret, StorageOptions, StorageType

BUCKET = "gnomon-test"
_roots = count(1)


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The address of an S3 server with one bucket."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    request = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
    urllib.request.urlopen(request).close()
    yield url
    server.stop()


@pytest.fixture
def proxy(s3_url: str) -> Iterator[FaultProxy]:
    """Between a test's client and the S3 server."""
    running = FaultProxy(s3_url)
    yield running
    running.close()


def s3_options(
    url: str, *, root: str | None = None, request: float = 30.0, retry: float = 60.0
) -> StorageOptions:
    """Options for a root of the bucket that nothing has used before, unless it is named."""
    return StorageOptions(
        StorageType.S3,
        bucket=BUCKET,
        root=f"test/{next(_roots)}" if root is None else root,
        endpoint=url,
        region="us-east-1",
        access_key_id=Secret("an id"),
        secret_access_key=Secret("a key"),
        request_seconds=request,
        retry_seconds=retry,
    )


def cached(cloud: Cloud, folder: Path, bytes_max: int = 1 << 30) -> CachedStore:
    """A store with a cache in a folder."""
    return CachedStore(cloud, DiskCache(folder, bytes_max))


@pytest.fixture
def s3_cloud(s3_url: str) -> Cloud:
    """A fresh root of the S3 server."""
    return make_cloud(s3_options(s3_url))


@pytest.fixture
def gcs_cloud() -> Iterator[Cloud]:
    """Google's client before a stand-in for its server."""
    account = {"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True}
    with running(FakeGcs) as url:
        yield make_cloud(
            StorageOptions(
                StorageType.GCS,
                bucket=BUCKET,
                root="some/root",
                endpoint=url,
                credential=Secret(json.dumps(account)),
            )
        )


@pytest.fixture
def azblob_cloud() -> Iterator[Cloud]:
    """Azure's client before a stand-in for its server."""
    with running(FakeAzure) as url:
        yield make_cloud(
            StorageOptions(
                StorageType.AZBLOB,
                container=BUCKET,
                root="some/root",
                endpoint=url,
                account_name="me",
                account_key=Secret("a2V5"),
            )
        )


@pytest.fixture(params=["local", "memory", "s3", "gcs", "azblob"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], ObjectStore]:
    """Opens one and the same store again and again, each time as a new process would."""
    if request.param == "local":
        return lambda: LocalStore(tmp_path / "objects")
    if request.param == "memory":
        cloud = make_cloud(StorageOptions(StorageType.MEMORY))
    else:
        cloud = request.getfixturevalue(f"{request.param}_cloud")
    return lambda: cached(cloud, tmp_path / "cache")
