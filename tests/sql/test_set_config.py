"""set_config() in a query."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import sqlglot

from sql.dialect.dialects import GnomonPostgres
from sql.session import Wire
from sql.statements.set_config import apply_calls


class Recorder:
    """A session that remembers what was set."""

    wire = Wire.POSTGRES

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}

    def set(self, name: str, value: str) -> None:
        self.settings[name] = value


@pytest.mark.parametrize(
    ("text", "parameters", "settings"),
    [
        ("SELECT set_config('jit', 'off', false)", (), {"jit": "off"}),
        ("SELECT pg_catalog.set_config('lock_timeout', $1, true)", ("5",), {"lock_timeout": "5"}),
        ("SELECT set_config(name, 'x', false) FROM pg_settings", (), {}),
        ("SELECT set_config('a.b', $2, false)", ("x",), {}),
        ("SELECT 'set_config'", (), {}),
    ],
)
def test_literal_names_are_set(
    text: str, parameters: Sequence[object], settings: dict[str, str]
) -> None:
    session = Recorder()
    apply_calls(session, sqlglot.parse_one(text, read=GnomonPostgres), text, parameters)
    assert session.settings == settings
