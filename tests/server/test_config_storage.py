"""The options of the object store: where they come from, what is missing, what stays secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.store.options import Secret, StorageOptions, StorageType
from server.commands import parser, run
from server.config import OPTIONS, ConfigError, load

S3 = """
[storage]
type = "s3"
bucket = "metrics"
root = "/nodes/one/"
endpoint = "https://s3.example.com"
region = "eu-central-1"
access_key_id = "an id"
secret_access_key = "hush-hush"
enable_virtual_host_style = true
cache_path = "cache"
cache_size = "1GiB"
request_timeout = "500ms"
retry_timeout = "2m"
"""


def test_a_file_names_everything_of_the_store(tmp_path: Path) -> None:
    file = tmp_path / "gnomon.toml"
    file.write_text(S3)
    assert load({}, {}, file).settings.storage == StorageOptions(
        StorageType.S3,
        bucket="metrics",
        root="nodes/one",
        endpoint="https://s3.example.com",
        region="eu-central-1",
        virtual_host_style=True,
        access_key_id=Secret("an id"),
        secret_access_key=Secret("hush-hush"),
        cache_path=Path("cache"),
        cache_bytes=1 << 30,
        request_seconds=0.5,
        retry_seconds=120.0,
    )


def test_the_environment_and_flags_have_the_section_in_their_names() -> None:
    environment = {
        "GNOMON_STORAGE_TYPE": "Azblob",
        "GNOMON_STORAGE_CONTAINER": "metrics",
        "GNOMON_STORAGE_ACCOUNT_KEY": "hush",
    }
    storage = load({"storage_account_name": "me"}, environment).settings.storage
    assert (storage.type, storage.container) == (StorageType.AZBLOB, "metrics")
    assert (storage.account_name, storage.account_key) == ("me", Secret("hush"))


@pytest.mark.parametrize("text", ["File", "file", "MEMORY", "gcs", "S3", "azblob"])
def test_the_type_is_read_in_any_case(text: str) -> None:
    names = {
        "storage_type": text,
        "storage_bucket": "b",
        "storage_container": "c",
        "storage_account_name": "a",
    }
    assert load(names, {}).settings.storage.type.value.lower() == text.lower()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"type": "tape"}, "expected one of File, Memory, S3, Gcs, Azblob"),
        ({"type": "S3"}, "needs a bucket"),
        ({"type": "Gcs"}, "needs a bucket"),
        ({"type": "Azblob", "container": "c"}, "an account_name"),
        ({"type": "S3", "bucket": "b", "access_key_id": "i"}, "go together"),
        ({"type": "Gcs", "bucket": "b", "credential": "{}", "credential_path": "x"}, "two ways"),
        ({"root": "a/../b"}, "no .. in it"),
        ({"retry_timeout": "0"}, "more than 0"),
        ({"cache_size": "much"}, "a size such as"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load({f"storage_{name}": value for name, value in values.items()}, {})


def test_secrets_are_shown_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "gnomon.toml"
    file.write_text(S3)
    configuration = load({}, {}, file)
    assert "hush" not in repr(configuration)
    assert "hush" not in f"{configuration.settings.storage}"
    assert run(["config", "--config", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "hush" not in shown
    assert f'secret_access_key = "******"  # file {file}' in shown
    assert 'bucket = "metrics"' in shown


def test_secrets_have_no_flag() -> None:
    secret = [option for option in OPTIONS if option.kind.is_secret]
    assert len(secret) >= 5
    for option in secret:
        with pytest.raises(SystemExit):
            parser().parse_args(["serve", option.flag, "x"])
