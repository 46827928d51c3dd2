"""docs/functions.md from the registry: `python -m sql.functions.document > docs/functions.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from sql.functions.index import FUNCTIONS
from sql.functions.registry import ALL, MYSQL, POSTGRES, Function
from sql.session import Wire

_HEAD = """# Functions

This page is made from the registry in `sql/functions/` by `python -m sql.functions.document`; a
test holds that it is up to date. `SHOW FUNCTIONS [LIKE …]` tells the same in a session. Where
PostgreSQL and MySQL disagree about a name, the wire decides: each has its own entry. HTTP follows
PostgreSQL. The examples are run as tests.
"""
_WIRES = {ALL: "", POSTGRES: "PostgreSQL, HTTP", MYSQL: "MySQL", frozenset({Wire.POSTGRES}):
          "PostgreSQL"}  # fmt: skip


def document() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD.rstrip()
    for category in dict.fromkeys(entry.category for entry in FUNCTIONS):
        entries = [entry for entry in FUNCTIONS if entry.category == category]
        yield from ("", f"## {category}", "")
        yield "| function | meaning | where | example |"
        yield "|---|---|---|---|"
        yield from (_row(entry) for entry in sorted(entries, key=lambda e: e.name))


def _row(entry: Function) -> str:
    names = f" (also {', '.join(entry.aliases)})" if entry.aliases else ""
    example = ""
    if entry.examples:
        text, value = entry.examples[0]
        example = f"`{_cell(text)}` = `{_cell(_value(value))}`"
    where = _WIRES[entry.wires]
    return f"| `{_cell(entry.signature)}`{names} | {_cell(entry.doc)} | {where} | {example} |"


def _value(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, (bytes, str)) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "\\n")


if __name__ == "__main__":
    sys.stdout.write(document())
