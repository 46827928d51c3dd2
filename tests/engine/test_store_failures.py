"""An S3 server that fails, hangs, loses answers and cuts connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fault_proxy import (
    FaultProxy,
    answers,
    cuts_answer,
    cuts_request,
    fails_after,
    hangs,
    lands_late,
    loses_answer,
)
from fix_store import cached, s3_options

from engine.errors import DbError, ErrorKind
from engine.store.backends import make_cloud
from engine.store.cached import CachedStore
from engine.store.cloud import CHUNK_BYTES, Cloud
from engine.store.options import Secret

LARGE = bytes(range(256)) * (2 * CHUNK_BYTES // 256) + b"and more"
SMALL = bytes(range(256)) * 400

# What each step of work asks the server for.
READ = "^GET .*/object"
WRITE = "^PUT .*/object"
HICCUPS = {
    "busy": answers(503),
    "broken": answers(500),
    "too many": answers(429),
    "lost": loses_answer,
    "hangs": hangs,
}


@pytest.fixture
def cloud(proxy: FaultProxy) -> Cloud:
    """Behind the proxy, with little patience for one request and some for retries."""
    return make_cloud(s3_options(proxy.url, request=1.0, retry=60.0))


@pytest.fixture
def impatient(proxy: FaultProxy) -> Cloud:
    """Behind the proxy, and gives up soon."""
    return make_cloud(s3_options(proxy.url, request=0.3, retry=0.6))


@pytest.fixture
def store(cloud: Cloud, tmp_path: Path) -> CachedStore:
    return cached(cloud, tmp_path / "cache")


@pytest.fixture
def unhurried(proxy: FaultProxy, tmp_path: Path) -> CachedStore:
    """For large objects, of which a slow machine takes a second for each part."""
    cloud = make_cloud(s3_options(proxy.url, request=4.0, retry=60.0))
    return cached(cloud, tmp_path / "cache")


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in (folder / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("act", [*HICCUPS.values(), cuts_answer(100)], ids=[*HICCUPS, "cut"])
def test_reads_go_on_after_a_hiccup(
    proxy: FaultProxy, cloud: Cloud, act: Callable[..., None]
) -> None:
    cloud.put("object", SMALL)
    fault = proxy.add(READ, act)
    assert cloud.get("object") == SMALL
    listing = proxy.add("list-type", act)
    assert list(cloud.list("")) == ["object"]
    assert fault.met.is_set()
    assert listing.met.is_set()


@pytest.mark.parametrize("act", [*HICCUPS.values(), cuts_request(100)], ids=[*HICCUPS, "cut"])
def test_writes_go_on_after_a_hiccup(
    proxy: FaultProxy, cloud: Cloud, act: Callable[..., None]
) -> None:
    fault = proxy.add(WRITE, act)
    cloud.put("object", SMALL)
    assert fault.met.is_set()
    assert cloud.get("object") == SMALL
    fault = proxy.add("delete", act)
    cloud.delete("object")
    assert fault.met.is_set()
    assert cloud.get("object") is None


@pytest.mark.slow
@pytest.mark.parametrize("step", ["uploads=", "partNumber=2", "^POST .*uploadId="])
@pytest.mark.parametrize("act", HICCUPS.values(), ids=HICCUPS)
def test_a_large_file_goes_up_in_parts_whatever_part_fails(
    proxy: FaultProxy, unhurried: CachedStore, act: Callable[..., None], step: str
) -> None:
    fault = proxy.add(step, act)
    with unhurried.create("object") as name:
        Path(name).write_bytes(LARGE)
    assert fault.met.is_set()
    assert unhurried._cloud.get("object") == LARGE


@pytest.mark.slow
@pytest.mark.parametrize("act", [*HICCUPS.values(), cuts_answer(5000)], ids=[*HICCUPS, "cut"])
def test_a_large_file_comes_down_in_chunks_whatever_chunk_fails(
    proxy: FaultProxy, unhurried: CachedStore, act: Callable[..., None], tmp_path: Path
) -> None:
    unhurried.put("object", LARGE)
    for count in (1, 3):  # of the first chunk, of the others
        fault = proxy.add(READ, act, count)
        path = Path(unhurried.local_path("object"))
        assert fault.met.is_set()
        assert path.read_bytes() == LARGE
        unhurried._cache.forget("object")
        proxy.clear()
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    "act",
    [*HICCUPS.values(), cuts_request(10), fails_after(500), answers(409)],
    ids=[*HICCUPS, "cut", "told otherwise", "conflict"],
)
def test_put_if_absent_knows_its_own_object_although_answers_get_lost(
    proxy: FaultProxy, cloud: Cloud, act: Callable[..., None]
) -> None:
    fault = proxy.add(WRITE, act)
    assert cloud.put_if_absent("object", b"mine")
    assert fault.met.is_set()
    proxy.add(WRITE, act)
    assert not cloud.put_if_absent("object", b"mine")
    assert cloud.get("object") == b"mine"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (answers(503), ErrorKind.STORAGE_UNAVAILABLE),
        (hangs, ErrorKind.STORAGE_UNAVAILABLE),
        (answers(403), ErrorKind.ACCESS_DENIED),
        (answers(401), ErrorKind.ACCESS_DENIED),
    ],
    ids=["busy", "hangs", "forbidden", "unknown user"],
)
def test_a_store_that_stays_away_is_an_error_within_bounds(
    proxy: FaultProxy, impatient: Cloud, act: Callable[..., None], kind: ErrorKind, tmp_path: Path
) -> None:
    # A refusal ends it whatever the patience; a slow machine must not make it a silence.
    patient = make_cloud(s3_options(proxy.url))
    store = cached(patient if kind is ErrorKind.ACCESS_DENIED else impatient, tmp_path / "cache")

    def create() -> None:
        with store.create("object") as name:
            Path(name).write_bytes(SMALL)

    work: dict[str, Callable[[], object]] = {
        "read object": lambda: store.get("object"),
        "read x/object": lambda: store.local_path("x/object"),
        "list x": lambda: store.list("x"),
        "remove object": lambda: store.delete("object"),
        "write object": create,
        "write y/object": lambda: store.put("y/object", b""),
        "write z/object": lambda: store.put_if_absent("z/object", b""),
    }
    for what, call in work.items():
        proxy.clear()
        proxy.add("", act, -1)
        with pytest.raises(DbError, match=f"cannot {what}: S3 bucket gnomon-test") as caught:
            call()
        assert caught.value.kind is kind
        assert kind is ErrorKind.ACCESS_DENIED or caught.value.kind.retryable
    assert leftovers(tmp_path) == []


def test_nobody_listens(proxy: FaultProxy, impatient: Cloud) -> None:
    proxy.close()
    with pytest.raises(DbError, match="does not answer as it should") as caught:
        impatient.get("object")
    assert caught.value.kind is ErrorKind.STORAGE_UNAVAILABLE


def test_a_bucket_that_is_not_there_is_said_at_once(s3_url: str) -> None:
    options = replace(s3_options(s3_url), bucket="nowhere")
    with pytest.raises(DbError, match="S3 bucket nowhere"):
        make_cloud(options).put_if_absent("object", b"")


def test_a_download_that_ends_half_way_leaves_no_file(
    proxy: FaultProxy, s3_url: str, tmp_path: Path
) -> None:
    options = s3_options(proxy.url, request=0.5, retry=0.5)
    patient = replace(options, request_seconds=30.0, retry_seconds=60.0)
    make_cloud(patient).put("object", LARGE)
    store = cached(make_cloud(options), tmp_path / "cache")
    # The first chunk arrives, the others are cut again and again.
    proxy.add(READ, lambda handler, _: handler.answer(*handler.forward(handler.read())))
    proxy.add(READ, cuts_answer(3), -1)
    with pytest.raises(DbError) as caught:
        store.local_path("object")
    assert caught.value.kind is ErrorKind.STORAGE_UNAVAILABLE
    assert leftovers(tmp_path) == []
    proxy.clear()
    store = cached(make_cloud(patient), tmp_path / "cache")
    assert Path(store.local_path("object")).read_bytes() == LARGE


def test_damage_in_the_bucket_is_found(proxy: FaultProxy, store: CachedStore) -> None:
    with store.create("object") as name:
        Path(name).write_bytes(SMALL)
    store._cache.forget("object")

    def flips_a_bit(handler: object, _: object) -> None:
        status, headers, body = handler.forward(handler.read())  # type: ignore[attr-defined]
        body = body[:-1] + bytes([body[-1] ^ 1])
        handler.answer(status, headers, body)  # type: ignore[attr-defined]

    proxy.add(READ, flips_a_bit)
    with pytest.raises(DbError, match="the object object of S3 bucket") as caught:
        store.local_path("object")
    assert caught.value.kind is ErrorKind.CORRUPTED
    assert Path(store.local_path("object")).read_bytes() == SMALL


def test_a_conditional_write_that_lands_late_replaces_nothing(
    proxy: FaultProxy, s3_url: str
) -> None:
    options = s3_options(proxy.url, request=0.3, retry=0.6)
    impatient = make_cloud(options)
    patient = make_cloud(
        replace(options, endpoint=s3_url, request_seconds=30.0, retry_seconds=60.0)
    )
    fault = proxy.add(WRITE, lands_late)
    proxy.add("", answers(503), -1)
    with pytest.raises(DbError):
        impatient.put_if_absent("object", b"first")
    assert patient.put_if_absent("object", b"second")
    fault.go.set()
    assert fault.done.wait(60)
    assert patient.get("object") == b"second"


def test_errors_show_no_secrets(proxy: FaultProxy) -> None:
    options = replace(
        s3_options(proxy.url, request=0.3, retry=0.3), secret_access_key=Secret("hush-hush")
    )
    proxy.add("", answers(503), -1)
    cloud = make_cloud(options)
    for call in (lambda: cloud.list("a"), lambda: cloud.put_if_absent("a", b"")):
        with pytest.raises(DbError) as caught:
            call()
        shown = f"{caught.value.message} {caught.value.detail} {caught.value.hint}"
        assert "hush" not in shown
        assert "Signature" not in shown
    assert "hush" not in repr(options)
