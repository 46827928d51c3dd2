"""CREATE EXTERNAL TABLE: files of others as a table that is only read.

Called by create.py. Its files are looked at once, to find them and, without a column list, their
columns; whatever they hold later is seen by later queries (sql/run/external.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from catalog.records import Column, Table, TableKind
from engine import datatypes
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from sql.dialect.definitions import TableDefinition
from sql.files.external import MADE_UP, TIME_INDEX, external_files
from sql.files.inference import infer
from sql.privileges import owner_of_new
from sql.results import Affected, Notice, Result
from sql.statements.defaults import settled

if TYPE_CHECKING:
    from sql.client_session import ClientSession


def create_external(session: ClientSession, definition: TableDefinition) -> Result:
    """Puts the table into the catalog.

    Raises: DbError DUPLICATE_TABLE, INVALID_ARGUMENT, UNDEFINED_FILE, ACCESS_DENIED,
    BAD_COPY_DATA for files whose columns cannot be found out.
    """
    database, name = definition.database or session.database, definition.name
    if session.lookup(database, name) is not None:
        if not definition.if_not_exists:
            raise DbError(ErrorKind.DUPLICATE_TABLE, f'table "{database}.{name}" already exists')
        message = f'relation "{name}" already exists, skipping'
        session.notice(Notice(message, sqlstate="42P07"))
        return Affected("CREATE TABLE", 0)
    _check(definition)
    options = {key: text for key, text in definition.options.items() if key != "comment"}
    external = external_files(options)
    sources = external.sources(session.server.files)
    columns = definition.columns
    if not columns:
        found = infer(sources, external.options)
        columns = _inferred(found.columns(), found.time_index)
    with session.writing() as transaction:
        transaction.change_store()
        cursor = session.duck.cursor
        table = Table(
            id=session.next_id(),
            database=database,
            name=name,
            kind=TableKind.EXTERNAL,
            columns=tuple(settled(session, column) for column in columns),
            primary_key=definition.primary_key,
            options=options | {"format": external.options.format.value},
            engine=definition.engine,
            comment=definition.comment,
            owner=owner_of_new(session),
            created_ms=session.server.clock.now_ms(),
        )
        session.catalog.put_table(cursor, table)
    return Affected("CREATE TABLE", 0)


def _check(definition: TableDefinition) -> None:
    problem = None
    if definition.as_query is not None or definition.like is not None:
        problem = "an external table has columns of its own: no AS, no LIKE"
    elif definition.partition_columns:
        problem = "an external table has no partitions"
    elif definition.temporary or definition.or_replace:
        problem = "an external table is neither TEMPORARY nor made by OR REPLACE"
    if problem is not None:
        raise DbError(ErrorKind.INVALID_TABLE_DEFINITION, problem)


def _inferred(
    found: list[tuple[str, datatypes.DataType]], marked: str | None
) -> tuple[Column, ...]:
    """The columns of files, one of them the time index."""
    types = dict(found)
    index = next(
        (n for n in (marked, TIME_INDEX) if n is not None and n in types and types[n].is_timestamp),
        None,
    )
    columns = [Column(name, type_, semantic=Semantic.FIELD) for name, type_ in found]
    if index is None:
        return (*(c for c in columns if c.name != TIME_INDEX), MADE_UP)
    return tuple(
        replace(c, nullable=False, semantic=Semantic.TIMESTAMP) if c.name == index else c
        for c in columns
    )
