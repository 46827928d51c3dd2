"""What the catalog knows of a flow: a query whose answer is kept in a table.

A frozen record, stored as JSON in a table of its own. What still has to be computed is no part of
it (sql/flows/ledger.py keeps that): it changes with writes, not with DDL.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow. `id` is stable for its life and never used again; names are unique everywhere.

    `query` is text in the dialect of wire `dialect`, names without a database are of `database`.
    `sources` are (database, name) of the tables it reads. `expire_ms`: rows older than that many
    milliseconds are not looked at any more; `interval_ms`: it is evaluated that often whether rows
    came or not. None: not asked for. `windowed`: rows of some times change rows of these times
    only, so that no others are computed again. `role` is whose privileges count.
    """

    id: int
    name: str
    database: str
    sink: tuple[str, str]  # database, name
    query: str
    dialect: str
    sources: tuple[tuple[str, str], ...] = ()
    expire_ms: int | None = None
    interval_ms: int | None = None
    windowed: bool = False
    comment: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    timezone: str = "UTC"
    role: str = ""
    created_ms: int = 0
    updated_ms: int = 0


def flow_to_json(flow: Flow) -> str:
    """The record as stored; `flow_from_json` reads it back equal."""
    return json.dumps(asdict(flow))


def flow_from_json(text: str) -> Flow:
    """Reads a stored record."""
    data: dict[str, Any] = json.loads(text)
    database, name = data["sink"]
    sources = tuple((one[0], one[1]) for one in data["sources"])
    return Flow(**{**data, "sink": (database, name), "sources": sources})
