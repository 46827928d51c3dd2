"""Every example of docs/time-series-sql.md runs and gives what the page shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fix_database import Client

from sql.session import Wire

PAGE = Path(__file__).parent.parent / "docs" / "time-series-sql.md"
_BLOCK = re.compile(r"```sql\n(.*?)```\n(?:\n((?:    [^\n]*\n)+))?", re.DOTALL)


def examples() -> list[tuple[str, list[str]]]:
    """(statements, the rows shown below them)."""
    return [
        (text.strip(), [line.strip() for line in (rows or "").splitlines()])
        for text, rows in _BLOCK.findall(PAGE.read_text())
    ]


def _shown(value: Any) -> str:
    return "NULL" if value is None else str(value)


@pytest.mark.parametrize("wire", [Wire.POSTGRES, Wire.MYSQL, Wire.HTTP])
def test_the_page_is_true(connect: Callable[..., Client], wire: Wire) -> None:
    made = connect(wire)
    answered = 0
    for text, rows in examples():
        answer = made.run(text)
        if text.startswith("SELECT"):
            assert rows, f"no rows are shown for {text}"
            assert [" | ".join(map(_shown, row)) for row in answer] == rows, text
            answered += 1
    assert answered >= 9
