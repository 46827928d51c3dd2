"""Writes a batch of rows to tables, all or nothing; makes tables and columns that are missing.

Run by `SessionApi.run`. While tables have all columns, a batch is one log record. Where the catalog
must change, change and rows are one transaction, so that no half of a batch is ever seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from catalog.records import Column, Table
from engine import datatypes as dt
from engine.api import Op, Write
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from sql.decode.assign import assign
from sql.dialect.definitions import TableDefinition
from sql.ingest.batch import IngestColumn, IngestTable
from sql.ingest.fit import fit_of, note_fit
from sql.ingest.put import put
from sql.metrics.writes import writes_of
from sql.privileges import check_schema, check_table
from sql.statements.create import make_table
from sql.statements.dependents import refresh_views
from sql.statements.metric_engine import LOGICAL, PHYSICAL, check_not_physical, in_order
from sql.statements.target import complete

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.transaction import Transaction

_TRIES_MAX = 5  # each of them lost against another change of the same table
_LOST = frozenset({ErrorKind.DUPLICATE_TABLE, ErrorKind.SERIALIZATION_FAILURE})
_UTC = "UTC"


@dataclass(frozen=True)
class Ingest:
    """A `Task`: rows for some tables. Several entries of one table are written in their order.

    `may_create`: tables and columns that are missing are made; otherwise they are an error.
    `known` are rows whose place in the regions was found before.
    """

    tables: Sequence[IngestTable]
    may_create: bool = True
    text: str = "INGEST"
    writes: bool = True
    known: Sequence[Write] = ()

    def run(self, session: ClientSession) -> int:
        """Writes the rows; returns how many. Raises: DbError; nothing was written then."""
        wanted = [table for table in self.tables if table.rows]
        for attempt in range(1, _TRIES_MAX + 1):
            try:
                self._write(session, wanted)
                break
            except DbError as error:
                if error.kind not in _LOST or attempt == _TRIES_MAX:
                    raise
        return sum(table.rows for table in wanted)

    def _write(self, session: ClientSession, wanted: Sequence[IngestTable]) -> None:
        found = [session.lookup(*_name(session, table)) for table in wanted]
        for there in found:
            if there is not None:
                check_table(session, there, "INSERT")
        if self._write_fitting(session, found, wanted):
            return
        as_given = wanted
        wanted = [_timed(there, given) for there, given in zip(found, wanted, strict=True)]
        if all(_fits(there, given) for there, given in zip(found, wanted, strict=True)):
            writes = list(self.known)
            with session.server.metrics.together():
                writes += [
                    write
                    for there, given in zip(found, wanted, strict=True)
                    if there is not None
                    for write in _writes(session, there, given)
                ]
            put(session, writes)
            for there, given, named in zip(found, as_given, wanted, strict=True):
                assert there is not None
                note_fit(there, given, named.columns)
            return
        if not self.may_create:
            raise _missing(session, found, wanted)
        self._change_and_write(session, wanted)

    def _write_fitting(
        self, session: ClientSession, found: Sequence[Table | None], wanted: Sequence[IngestTable]
    ) -> bool:
        """Writes rows that fit as others did before; False if they do not, or nobody knows."""
        writes = list(self.known)
        for there, given in zip(found, wanted, strict=True):
            fit = fit_of(there, given)
            some = None if fit is None else fit.writes(given)
            if some is None:
                return False
            writes += some
        put(session, writes)
        return True

    def _change_and_write(self, session: ClientSession, wanted: Sequence[IngestTable]) -> None:
        # All names first, in one order: two batches never wait for each other.
        for name in sorted({_name(session, table) for table in wanted}):
            session.catalog.lock(session.duck.cursor, *name)
        with session.writing() as transaction:
            transaction.change_store()
            writes = list(self.known)
            with session.server.metrics.together():
                for given in wanted:
                    table = _ready(session, transaction, given)
                    writes += _writes(session, table, given)
            session.apply(transaction, writes)


def written_to(session: ClientSession, given: IngestTable) -> Table | None:
    """The table that such rows go to, None if there is none."""
    return session.lookup(*_name(session, given))


def _name(session: ClientSession, table: IngestTable) -> tuple[str, str]:
    return table.database or session.database, table.name


def _fits(there: Table | None, given: IngestTable) -> bool:
    """True if the table has all columns. Raises: DbError if rows cannot be written to it."""
    if there is None:
        return False
    if not there.is_time_series:
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE,
            f'"{there.name}" has no time index: an agent cannot write to it',
        )
    check_not_physical(there)
    if given.exact:
        for column in given.columns:
            _check_exact(there, column)
    return all(there.column(column.name) is not None for column in given.columns)


def _timed(there: Table | None, given: IngestTable) -> IngestTable:
    """The rows with their time under the name that the table has for it.

    Raises: DbError DUPLICATE_COLUMN if they have another column of that name.
    """
    index = there.time_index if there is not None else None
    if index is None or any(
        c.name == index and c.semantic is Semantic.TIMESTAMP for c in given.columns
    ):
        return given
    if any(column.name == index for column in given.columns):
        raise DbError(
            ErrorKind.DUPLICATE_COLUMN,
            f'"{index}" of table "{given.name}" is the time of its rows and nothing else',
        )
    columns = (
        column._replace(name=index) if column.semantic is Semantic.TIMESTAMP else column
        for column in given.columns
    )
    return replace(given, columns=tuple(columns))


def _check_exact(there: Table, given: IngestColumn) -> None:
    """Raises: DbError DATATYPE_MISMATCH if the table's column is of another kind."""
    column = there.column(given.name)
    if column is None or given.semantic is Semantic.TIMESTAMP:
        return
    if column.semantic is not given.semantic:
        raise DbError(
            ErrorKind.DATATYPE_MISMATCH,
            f'"{given.name}" of table "{there.name}" is a {_kind(column.semantic)},'
            f" not a {_kind(given.semantic)}",
        )
    if _family(column.type) != _family(given.type):
        raise DbError(
            ErrorKind.DATATYPE_MISMATCH,
            f'field type conflict: "{given.name}" of table "{there.name}" is of type'
            f" {column.type.name}, not {given.type.name}",
        )


def _kind(semantic: Semantic | None) -> str:
    return "column" if semantic is None else semantic.value.lower()


def _family(type_: DataType) -> str:
    """Types whose values are assigned to each other without surprise."""
    if type_.is_integer:
        return "integer"
    return "number" if type_.is_numeric else type_.id.value


def _missing(
    session: ClientSession, found: Sequence[Table | None], wanted: Sequence[IngestTable]
) -> DbError:
    for there, given in zip(found, wanted, strict=True):
        if there is None:
            shown = ".".join(_name(session, given))
            return DbError(ErrorKind.UNDEFINED_TABLE, f'table "{shown}" does not exist')
        for column in given.columns:
            if there.column(column.name) is None:
                message = f'table "{there.name}" has no column "{column.name}"'
                return DbError(ErrorKind.UNDEFINED_COLUMN, message)
    raise AssertionError("something is missing")


# --- Rows -----------------------------------------------------------------------------------------


def _writes(session: ClientSession, table: Table, given: IngestTable) -> list[Write]:
    columns, arrays = [], []
    for one in given.columns:
        column = table.column(one.name)
        assert column is not None
        columns.append(column)
        arrays.append(assign(one.values, column, _UTC))
    names = [column.name for column in columns]
    rows = complete(session, table, columns, pa.Table.from_arrays(arrays, names=names))
    return writes_of(session, table, Op.PUT, rows)


# --- The catalog ----------------------------------------------------------------------------------


def _ready(session: ClientSession, transaction: Transaction, given: IngestTable) -> Table:
    """The table with all columns: as it is, widened, or made."""
    database, name = _name(session, given)
    there = session.lookup(database, name)
    if there is None:
        return _make(session, transaction, given, database)
    if _fits(there, given):
        return there
    check_table(session, there, "OWNER")
    new = [_column(c) for c in given.columns if there.column(c.name) is None]
    if there.metric:
        _widen_store(session, transaction, there.store_id, new)
    tags = tuple(column.name for column in new if column.semantic is Semantic.TAG)
    widened = replace(
        there,
        columns=in_order((*there.columns, *new), there.options),
        primary_key=(*there.primary_key, *tags),
        schema_version=there.schema_version + 1,
    )
    session.catalog.put_table(session.duck.cursor, widened)
    transaction.follow(widened)
    refresh_views(session, widened, cascade=False)
    return widened


def _make(
    session: ClientSession, transaction: Transaction, given: IngestTable, database: str
) -> Table:
    check_schema(session, database)
    engine, options = given.engine, dict(given.options)
    physical = given.options.get(LOGICAL)
    if physical is not None:
        store = session.lookup(database, physical)
        if store is None:
            store = make_table(session, transaction, _physical(physical, given), database)
        if store.is_store:
            _widen_store(session, transaction, store.id, [_column(c) for c in given.columns])
        elif any(c.type == dt.BINARY for c in given.columns):
            engine, options = "mito", {}  # such a physical table has one field alone
    columns = tuple(_column(column) for column in given.columns)
    definition = TableDefinition(
        database,
        given.name,
        columns,
        primary_key=tuple(c.name for c in columns if c.semantic is Semantic.TAG),
        time_index=next(c.name for c in columns if c.semantic is Semantic.TIMESTAMP),
        options=options,
        engine=engine,
    )
    return make_table(session, transaction, definition, database)


def _widen_store(
    session: ClientSession, transaction: Transaction, store_id: int, columns: Sequence[Column]
) -> None:
    """Gives a physical table the histograms' column if they need it and it has none."""
    physical = session.table_of(store_id)
    assert physical is not None
    new = tuple(c for c in columns if c.type == dt.BINARY and physical.column(c.name) is None)
    if not new:
        return
    session.catalog.lock(session.duck.cursor, physical.database, physical.name)
    widened = replace(
        physical,
        columns=(*physical.columns, *new),
        schema_version=physical.schema_version + 1,
    )
    session.catalog.put_table(session.duck.cursor, widened)
    transaction.follow(widened)


def _physical(name: str, given: IngestTable) -> TableDefinition:
    """What a logical table names: a time index and one DOUBLE, called as its own."""
    time = next(c for c in given.columns if c.semantic is Semantic.TIMESTAMP)
    values = [c for c in given.columns if c.semantic is Semantic.FIELD]
    field = next(c for c in values if c.type == dt.FLOAT64)
    columns = (_column(time), _column(field))
    return TableDefinition(
        None,
        name,
        columns,
        time_index=time.name,
        options={PHYSICAL: ""},
        engine=given.engine,
    )


def _column(given: IngestColumn) -> Column:
    nullable = given.semantic is not Semantic.TIMESTAMP
    return Column(given.name, given.type, nullable, semantic=given.semantic)
