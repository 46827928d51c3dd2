"""TRUNCATE: a time-series table gets a new, empty region; a relational one is emptied by DuckDB.

TRUNCATE … FILE RANGE takes whole files out of the table's regions, at once and outside any
transaction: it says nothing about single rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.options import region_options
from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.decode.assign import assign
from sql.foreign import lookup
from sql.foreign.guard import GO
from sql.foreign.keys import keys_onto
from sql.foreign.pending import touch
from sql.partition.layout import new_region_ids
from sql.results import Affected, Result
from sql.sequences import sequences_of, set_value
from sql.session import Wire
from sql.statements.foreign_keys import with_children
from sql.statements.metric_engine import check_not_physical
from sql.statements.parts import Pieces
from sql.statements.target import quoted, writable

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement
    from sql.transaction import Transaction


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Empties tables, all or none. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, exp.TruncateTable)
    tables = {}
    for node in tree.expressions:
        table = writable(session, node, statement.text)
        tables[table.id] = table
    if tree.args.get("ranges"):
        pieces = Pieces(session, statement.text, parameters)
        _remove_files(pieces, list(tables.values()), tree.args["ranges"])
    else:
        with session.writing() as transaction:
            transaction.change_store()
            cascade = str(tree.args.get("option") or "").upper() == "CASCADE"
            with_children(session, tables, cascade=cascade)
            for table in tables.values():
                _empty(session, transaction, table)
    return Affected("TRUNCATE TABLE", 0)


def _empty(session: ClientSession, transaction: Transaction, table: Table) -> None:
    if not table.is_time_series:
        transaction.change_store(rows_of=table)
        touch(session, transaction, table, GO)
        for key in keys_onto(session, table):
            everything, meet = lookup.everything(key), lookup.meeting(session)
            guard = session.server.keys
            guard.take(transaction.keys.claims, key.constraint.id, everything, meet)
        session.duck.execute(f"DELETE FROM {quoted(table)}")
        if session.wire is Wire.MYSQL:
            for one in sequences_of(session, table.id):  # AUTO_INCREMENT begins again
                set_value(session, one, one.start, called=False)
        return
    if table.metric:
        transaction.drop_metric(table)
        number = session.next_id()
        session.change_table(table, replace(table, metric=number))
        return
    check_not_physical(table)
    count, existing = len(table.region_ids), session.regions.region_ids()
    region_ids = new_region_ids(table, count, existing)
    home = session.catalog.database(session.duck.cursor, table.database)
    for region_id in region_ids:
        transaction.create_region(region_id, table.region_schema(), region_options(table, home))
    transaction.drop_regions(table.region_ids)
    emptied = replace(table, region_ids=region_ids)
    session.change_table(table, emptied)
    transaction.follow(emptied)


def _remove_files(pieces: Pieces, tables: Sequence[Table], ranges: Sequence[exp.Expr]) -> None:
    """Files whose rows are all within one of the ranges, both ends included."""
    session = pieces.session
    open_ = session.transaction
    if len(tables) != 1 or not tables[0].is_time_series:
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE,
            "TRUNCATE … FILE RANGE is for one table with a time index",
            hint="DELETE … WHERE removes rows of any table",
        )
    if open_ is not None and open_.explicit:
        raise DbError(
            ErrorKind.ACTIVE_TRANSACTION,
            "TRUNCATE … FILE RANGE cannot run inside a transaction block",
        )
    table = tables[0]
    times = _times(pieces, table, ranges)
    for region_id in table.region_ids:
        session.regions.remove_files(region_id, times)


def _times(pieces: Pieces, table: Table, ranges: Sequence[exp.Expr]) -> list[tuple[int, int]]:
    """The ranges in the unit of the time index. Raises: DbError INVALID_DATETIME and its kin."""
    time = table.column(str(table.time_index))
    assert time is not None
    found = []
    for range_ in ranges:
        ends = []
        for end in range_.expressions:
            value = pieces.table(exp.select(exp.alias_(end.copy(), "moment"))).column(0)
            moment = assign(value, time, pieces.session.timezone).cast(pa.int64())[0].as_py()
            if moment is None:
                raise DbError(ErrorKind.INVALID_ARGUMENT, "an end of a range is NULL")
            ends.append(moment)
        if ends[0] > ends[1]:
            raise DbError(ErrorKind.INVALID_ARGUMENT, "a range ends before it begins")
        found.append((ends[0], ends[1]))
    return found
