"""Settings: where a value comes from, what is refused and how it is said."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from server.commands import run
from server.config import OPTIONS, Address, ConfigError, Configuration, load, parse_address
from server.config_document import document


def write(path: Path, text: str) -> Path:
    file = path / "gnomon.toml"
    file.write_text(text)
    return file


def test_without_anything_the_defaults_hold() -> None:
    configuration = load({}, {})
    assert configuration.settings.http == Address("127.0.0.1", 4000)
    assert configuration.settings.mysql == Address("127.0.0.1", 4002)
    assert configuration.settings.postgres == Address("127.0.0.1", 4003)
    assert set(configuration.origins.values()) == {"default"}


def test_flags_beat_environment_beats_file(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        '[log]\nlog_level = "error"\nlog_format = "json"\nslow_statement = "1m"\n'
        "[listen]\nmax_connections = 7\nallow_remote = true\n",
    )
    environment = {"GNOMON_LOG_LEVEL": "warning", "GNOMON_LOG_FORMAT": "text", "HOME": "/"}
    configuration = load({"log_level": "debug", "data": None}, environment, file)
    settings = configuration.settings
    assert (settings.log_level, settings.log_format) == ("debug", "text")
    assert (settings.max_connections, settings.allow_remote) == (7, True)
    assert settings.slow_statement_ms == 60_000
    assert configuration.origins["log_level"] == "flag --log-level"
    assert configuration.origins["log_format"] == "environment GNOMON_LOG_FORMAT"
    assert configuration.origins["max_connections"] == f"file {file}"


def test_the_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    file = write(tmp_path, '[storage]\ndata = "elsewhere"\n')
    configuration = load({}, {"GNOMON_CONFIG": str(file)})
    assert configuration.settings.data == Path("elsewhere")
    assert configuration.warnings == ()


def test_the_printed_configuration_reads_back_equal(tmp_path: Path) -> None:
    flags = {
        "data": 'a "quoted" \\ path',
        "http": "[::1]:0",
        "mysql": "off",
        "users": "people",
        "threads": "3",
        "memory_limit": "2GB",
        "statement_timeout": "1500ms",
        "http_body_limit": "1000",
        "http_origins": "https://a.example,https://b.example",
        "prom_validation_mode": "lossy",
        "warm": "no",
    }
    first = load(flags, {})
    again = load({}, {}, write(tmp_path, first.to_toml()))
    assert again.settings == first.settings
    assert set(tomllib.loads(first.to_toml())) == {option.section for option in OPTIONS}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[listn]\nhttp = 'off'", "unknown section [listn]; did you mean 'listen'?"),
        ("[listen]\nhtpt = 'off'", "unknown key 'htpt' in [listen]; did you mean 'http'?"),
        ("[listen]\nlog_level = 'info'", "unknown key 'log_level' in [listen]"),
        ("top = 1", "unknown section [top]"),
        ("[listen]\nhttp = ['a']", "[listen] http must be a string, an integer or a boolean"),
        ("[listen]\nmax_connections = 0", "expected a whole number from 1"),
        ("[listen]\nallow_remote = 2", "expected true or false"),
        ("[listen", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, text: str, words: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load({}, {}, file)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("http", "4000"),
        ("http", "host:99999"),
        ("http", "::1:4000"),
        ("log_level", "loud"),
        ("statement_timeout", "soon"),
        ("statement_timeout", "-1s"),
        ("http_body_limit", "many"),
        ("memory_limit", "0%"),
        ("memory_limit", "10MB"),
        ("threads", "x"),
        ("http_origins", "example"),
        ("data", ""),
    ],
)
def test_a_wrong_value_names_option_value_and_origin(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({}, {f"GNOMON_{name.upper()}": text})
    assert f"{name} = {text!r} (environment GNOMON_{name.upper()})" in str(caught.value)


def test_strange_environment_variables_only_warn() -> None:
    configuration = load({}, {"GNOMON_LOGLEVEL": "info", "GNOMON_SERVICE_HOST": "10.0.0.1"})
    assert len(configuration.warnings) == 2
    assert "did you mean 'GNOMON_LOG_LEVEL'?" in configuration.warnings[0]


@pytest.mark.parametrize("address", ["0.0.0.0:4003", "[::]:4003", "db.example:4003"])
def test_listening_beyond_this_machine_needs_users_or_consent(address: str) -> None:
    with pytest.raises(ConfigError, match="--allow-remote"):
        load({"postgres": address}, {})
    assert load({"postgres": address, "allow_remote": "true"}, {}).settings.postgres
    assert load({"postgres": address, "users": "people"}, {}).settings.postgres


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1"])
def test_this_machine_is_always_allowed(address: str) -> None:
    assert load({"postgres": address}, {}).settings.postgres == parse_address(address)


def test_settings_that_cannot_work_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="nothing could connect"):
        load({"http": "off", "mysql": "off", "postgres": "off"}, {})
    with pytest.raises(ConfigError, match="go together"):
        load({"tls_key": "key.pem"}, {})
    with pytest.raises(ConfigError, match="cannot read configuration file"):
        load({}, {}, Path("missing.toml"))


def test_config_prints_the_effective_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "--mysql", "127.0.0.1:0", "--allow-remote"]) == 0
    printed = capsys.readouterr().out
    assert 'mysql = "127.0.0.1:0"  # flag --mysql' in printed
    assert "allow_remote = true  # flag --allow-remote" in printed


def test_usage_errors_exit_with_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "--http", "nonsense"]) == 2
    assert "http = 'nonsense' (flag --http)" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        run(["serve", "--no-such-flag"])
    assert caught.value.code == 2


def test_every_option_says_what_it_is_for() -> None:
    assert isinstance(load({}, {}), Configuration)
    assert all(option.help for option in OPTIONS)
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)


def test_the_page_of_all_options_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert page.read_text(encoding="utf-8") == document(), (
        "run: python -m server.config_document > docs/configuration.md"
    )
