"""Which tables and fields a selector means.

A metric is a table with a time index and numeric fields; its name is the table's, its labels are
the tags. Called by source.py and by TQL, which names columns after tables. Reads no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from catalog.records import Column, Table
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from sql.ingest.metrics import EXEMPLARS_MODEL, HISTOGRAM, TABLE_MODEL, VALUE
from sql.promql.labels import NAME
from sql.promql.model import Match, Matcher
from sql.promql.source_series import matches
from sql.statements.metric_engine import PHYSICAL

FIELD = "__field__"
DATABASE = frozenset({"__database__", "__schema__"})
_SPECIAL = DATABASE | {NAME, FIELD}


@dataclass(frozen=True)
class Catalogue:
    """Where tables are looked up: as the session's transaction sees them."""

    database: str
    lookup: Callable[[str, str], Table | None]
    tables: Callable[[str], Sequence[Table]]  # all of a database
    has_database: Callable[[str], bool]


@dataclass(frozen=True)
class Metric:
    """One table that a selector means, and those of its fields that it asks for."""

    table: Table
    fields: tuple[Column, ...]
    matchers: tuple[Matcher, ...]  # those on tags

    @cached_property
    def histograms(self) -> Column | None:
        """The column of native histograms, if they are asked for."""
        column = self.table.column(HISTOGRAM)
        if column is None or column.type.id is not TypeId.BINARY:
            return None
        return column if any(field.name == VALUE for field in self.fields) else None

    @cached_property
    def tags(self) -> tuple[Column, ...]:
        """The tags, in table order."""
        return tuple(c for c in self.table.columns if c.semantic is Semantic.TAG)


def numeric_fields(table: Table) -> tuple[Column, ...]:
    """The columns that have samples."""
    return tuple(c for c in table.columns if c.semantic is Semantic.FIELD and c.type.is_numeric)


def is_metric(table: Table) -> bool:
    """True if the table has samples of its own."""
    if not table.is_time_series or PHYSICAL in table.options:
        return False
    return table.options.get(TABLE_MODEL) != EXEMPLARS_MODEL and bool(numeric_fields(table))


def metrics(matchers: Sequence[Matcher], catalogue: Catalogue) -> list[Metric]:
    """The tables a selector means, by name; unknown names mean nothing.

    Raises: DbError SYNTAX for a bad regular expression, INVALID_ARGUMENT for a database that is
    not named by `=`, UNDEFINED_DATABASE.
    """
    database = _database(matchers, catalogue)
    on_name = [matcher for matcher in matchers if matcher.name == NAME]
    found = []
    for table in _named(on_name, database, catalogue):
        metric = _metric(table, matchers)
        if metric is not None:
            found.append(metric)
    return found


def _database(matchers: Sequence[Matcher], catalogue: Catalogue) -> str:
    database = catalogue.database
    for matcher in matchers:
        if matcher.name not in DATABASE:
            continue
        if matcher.op is not Match.EQUAL:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f"{matcher.name} is compared by {matcher.op.value}: only = is possible",
                hint="a selector reads one database",
            )
        database = matcher.value
        if not catalogue.has_database(database):
            message = f'database "{database}" does not exist'
            raise DbError(ErrorKind.UNDEFINED_DATABASE, message)
    return database


def _named(on_name: Sequence[Matcher], database: str, catalogue: Catalogue) -> list[Table]:
    exact = next((matcher for matcher in on_name if matcher.op is Match.EQUAL), None)
    if exact is not None:
        table = catalogue.lookup(database, exact.value)
        tables = [table] if table is not None else []
    else:
        tables = list(catalogue.tables(database))
    tables = [table for table in tables if is_metric(table)]
    for matcher in on_name:
        fits = matches([table.name for table in tables], matcher)
        tables = [table for table, fit in zip(tables, fits, strict=True) if fit]
    return tables


def _metric(table: Table, matchers: Sequence[Matcher]) -> Metric | None:
    """The table as the selector sees it, None if no row of it can match."""
    tags = {c.name for c in table.columns if c.semantic is Semantic.TAG}
    fields = numeric_fields(table)
    on_tags = []
    for matcher in matchers:
        if matcher.name == FIELD:
            fits = matches([field.name for field in fields], matcher)
            fields = tuple(f for f, fit in zip(fields, fits, strict=True) if fit)
        elif matcher.name in tags:
            on_tags.append(matcher)
        elif matcher.name not in _SPECIAL and not matches([""], matcher)[0]:
            return None
    return Metric(table, fields, tuple(on_tags)) if fields else None
