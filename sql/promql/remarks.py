"""What agents tell of metrics beside samples: metadata and exemplars, read for the Prometheus API.

Each is a `Task` (sql/session.py). The tables are made by remote write (sql/ingest/metrics.py);
where there are none, nothing was told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from catalog.records import Table
from engine.api import ALWAYS, TimeRange
from sql.ingest.metrics import EXEMPLARS, METADATA, METADATA_KINDS, TIME, VALUE
from sql.promql.check import check
from sql.promql.labels import NAME
from sql.promql.model import Matcher
from sql.promql.parser import parse
from sql.promql.source_conditions import time_range
from sql.promql.source_series import matches, milliseconds
from sql.promql.source_tables import is_metric
from sql.promql.tql import catalogue_of
from sql.promql.tree import Node, VectorSelector
from sql.run.read import Wanted, read_distinct

if TYPE_CHECKING:
    from sql.client_session import ClientSession

Labels = dict[str, str]


@dataclass(frozen=True)
class About:
    """What is known of a metric: its type in the API's words, help and unit."""

    kind: str
    help: str
    unit: str


@dataclass(frozen=True)
class Metadata:
    """What is known of metrics: what agents told last, else the comment of the table."""

    metric: str = ""  # only this one
    text: str = "PROMETHEUS METADATA"
    writes: bool = False

    def run(self, session: ClientSession) -> dict[str, About]:
        """By name, sorted. Raises: DbError."""
        tables = catalogue_of(session).tables(session.database)
        found = {
            table.name: About(METADATA_KINDS[0], table.comment, "")
            for table in tables
            if is_metric(table)
        }
        found |= dict(self._told(session))
        wanted = (name for name in found if self.metric in ("", name))
        return {name: found[name] for name in sorted(wanted)}

    def _told(self, session: ClientSession) -> Iterator[tuple[str, About]]:
        """Oldest first."""
        names = ("metric", "type", "help", "unit")
        rows = _rows(session, METADATA, (TIME, *names))
        if rows is None:
            return
        for row in rows.sort_by(TIME).select(names).to_pylist():
            yield row["metric"] or "", About(*(row[name] or "" for name in names[1:]))


@dataclass(frozen=True)
class Exemplar:
    """One exemplar: its own labels, its value, its time in milliseconds."""

    labels: Labels
    value: float
    time_ms: int


@dataclass(frozen=True)
class FindExemplars:
    """The exemplars of the series that a query reads, between two times, both included."""

    query: str
    start_ms: int
    end_ms: int
    text: str = "PROMETHEUS EXEMPLARS"
    writes: bool = False

    def run(self, session: ClientSession) -> list[tuple[Labels, list[Exemplar]]]:
        """Per series, sorted by labels, its exemplars by time. Raises: DbError SYNTAX."""
        tree = parse(self.query)
        check(tree)
        selectors = [node.matchers for node in _selectors(tree)]
        times = time_range(self.start_ms, self.end_ms, "ms")
        rows = _rows(session, EXEMPLARS, (TIME, "metric", "labels", "exemplar", VALUE), times)
        if rows is None or not selectors:
            return []
        rows = rows.sort_by([("metric", "ascending"), ("labels", "ascending"), (TIME, "ascending")])
        found: dict[tuple[str, str], list[Exemplar]] = {}
        columns = [
            rows.column(name).to_pylist() for name in ("metric", "labels", "exemplar", VALUE)
        ]
        times_ms = milliseconds(rows.column(TIME)).tolist()
        for time_ms, metric, labels, own, value in zip(times_ms, *columns, strict=True):
            if self.start_ms <= time_ms <= self.end_ms:
                exemplar = Exemplar(json.loads(own or "{}"), value, time_ms)
                found.setdefault((metric, labels or "{}"), []).append(exemplar)
        series = [({NAME: k[0], **json.loads(k[1])}, exemplars) for k, exemplars in found.items()]
        return [one for one in series if any(_fits(one[0], matchers) for matchers in selectors)]


def _rows(
    session: ClientSession, name: str, columns: tuple[str, ...], times: TimeRange = ALWAYS
) -> pa.Table | None:
    """Rows of one of the tables; None if it is not there or is not what remote write makes."""
    table: Table | None = catalogue_of(session).lookup(session.database, name)
    if table is None or not table.is_time_series:
        return None
    if any(table.column(column) is None for column in columns):
        return None
    return read_distinct(session.runner, Wanted(table, columns, times))


def _fits(labels: Labels, matchers: Sequence[Matcher]) -> bool:
    return all(bool(matches([labels.get(one.name, "")], one)[0]) for one in matchers)


def _selectors(node: Any) -> Iterator[VectorSelector]:
    """All selectors of a tree."""
    if isinstance(node, VectorSelector):
        yield node
    elif isinstance(node, Node) and is_dataclass(node):
        for part in fields(node):
            yield from _selectors(getattr(node, part.name))
    elif isinstance(node, tuple | list):
        for one in node:
            yield from _selectors(one)
