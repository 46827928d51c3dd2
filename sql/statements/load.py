"""LOAD DATA [LOCAL] INFILE: a file becomes rows of a table.

A LOCAL file is asked of the client (`CopyIn.file`) and only when the operator allows it; any other
lies below the directory of COPY's files. One LOAD DATA is one statement: all rows, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from catalog.records import Column, Table
from engine import datatypes
from engine.errors import DbError, ErrorKind
from sql.decode.adjusted import Adjuster
from sql.decode.lengths import length_max
from sql.decode.load import LoadReader
from sql.dialect import mysql_nodes, nodes
from sql.dialect.load import load_format
from sql.results import Affected, CopyIn, CopyOptions, Notice, Result, ResultColumn, Severity
from sql.session import Wire
from sql.statements.adjusting import is_strict
from sql.statements.insert import store
from sql.statements.parts import Pieces, assigned, column_of, source
from sql.statements.setting import assignments, qualified
from sql.statements.target import columns_named, default_values, writable

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

_READ_BYTES = 1 << 20
_ROW = "__loaded"
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg)  # a text counts as a number
_VARIABLE = "@{}"  # the column of a field that a variable takes


class LoadSink:
    """Takes the file's bytes. Implements `CopySink`."""

    def __init__(
        self,
        session: ClientSession,
        tree: mysql_nodes.LoadFile,
        text: str,
        parameters: Sequence[object],
    ) -> None:
        self.options = CopyOptions()
        # Called once at the end with the error, if any: the statement is over.
        self.on_end: Callable[[DbError | None], None] = lambda error: None
        self._session = session
        self._tree = tree
        self._pieces = Pieces(session, text, parameters)
        self._table = writable(session, tree.this, text)
        self._read = _columns_read(tree, self._table, text)
        self._changes = assignments(self._table, tree.expressions, text)
        adjusts = tree.args.get("local") or tree.args.get("duplicates") == "IGNORE"
        self._adjuster = None
        if (adjusts or not is_strict(session)) and not self._table.is_time_series:
            self._adjuster = Adjuster(session.timezone)  # LOCAL means IGNORE
        adjust = None if self._adjuster is None else self._adjuster.values
        self._reader = LoadReader(self._read, load_format(tree), session.timezone, adjust)
        self._rows: list[pa.Table] = []
        self.columns = tuple(ResultColumn(c.name, c.type) for c in self._read)

    def feed(self, data: bytes) -> None:
        """See `CopySink.feed`."""
        with self._ending_on_error():
            self._session.duck.check()
            self._rows += self._reader.feed(data)

    def finish(self) -> int:
        """See `CopySink.finish`."""
        with self._ending_on_error():
            self._rows += self._reader.finish()
            done = self._stored(self._cut(self._whole())) if self._rows else Affected("LOAD", 0)
        self._session.tally.end(done)
        self.on_end(None)
        return done.rows or 0

    def abort(self) -> None:
        """See `CopySink.abort`."""
        self._rows.clear()
        self.on_end(DbError(ErrorKind.CANCELLED, "the client ended LOAD DATA"))

    def _whole(self) -> pa.Table:
        """All rows read, short ones completed. Raises: DbError BAD_COPY_DATA."""
        rows = pa.concat_tables(self._rows)
        self._rows.clear()
        counts = np.concatenate(self._reader.counts)
        wrong = np.flatnonzero(counts != len(self._read))
        if not wrong.size:
            return rows
        row = int(wrong[0]) + 1
        few = counts[wrong[0]] < len(self._read)
        message = (
            f"row {row} does not contain data for all columns"
            if few
            else f"row {row} contains more data than there are columns"
        )
        if not self._tree.args.get("local"):
            raise DbError(ErrorKind.BAD_COPY_DATA, message)
        if wrong.size > 1:
            message += f", nor do {wrong.size - 1} others"
        self._session.notice(Notice(message, Severity.WARNING, "01000", 1261 if few else 1262))
        for index, column in enumerate(self._read):
            missing = counts <= index
            if missing.any() and column.default is not None:
                defaults = default_values(self._session, column, rows.num_rows)
                values = pc.if_else(pa.array(missing), defaults, rows.column(index))
                rows = rows.set_column(index, rows.schema.field(index), values)
        return rows

    def _cut(self, rows: pa.Table) -> pa.Table:
        """Texts as long as their columns allow, with a warning of each; the client is told all."""
        if self._adjuster is None:
            return rows
        for index, column in enumerate(self._read):
            if length_max(column) is not None:
                made = self._adjuster.cut(rows.column(index).combine_chunks(), column)
                rows = rows.set_column(index, rows.schema.field(index), made)
        for warning in self._adjuster.warnings:
            self._session.notice(warning)
        return rows

    def _stored(self, rows: pa.Table) -> Affected:
        """Writes the rows into the table, by the rules of INSERT."""
        session = self._session
        columns = self._read
        if self._changes or len(columns) < len(self.columns) or _variables(columns):
            columns, rows = self._computed(rows)
        insert = exp.Insert(this=self._tree.this.copy())
        local = self._tree.args.get("local") and not self._table.is_time_series
        duplicates = self._tree.args.get("duplicates") or ("IGNORE" if local else None)
        if duplicates == "REPLACE":
            insert.set("alternative", "REPLACE")
        elif duplicates:
            insert.set("ignore", True)
        with session.writing() as transaction:

            def write() -> Result:
                return store(self._pieces, transaction, insert, self._table, columns, rows)

            with transaction.step(write):
                done = write()
        assert isinstance(done, Affected)
        return replace(done, tag="LOAD")

    def _computed(self, rows: pa.Table) -> tuple[tuple[Column, ...], pa.Table]:
        """What SET makes of the fields that were read."""
        kept = [c for c in self._read if self._table.column(c.name) and c.name not in self._changes]
        targets = [self._table.column(name) for name in self._changes]
        columns = (*kept, *(column for column in targets if column is not None))
        values = [column_of(_ROW, column.name) for column in kept]
        names = {column.name for column in self._read}

        def field(node: exp.Expr) -> exp.Expr:
            variable = isinstance(node, nodes.UserVariable) and _VARIABLE.format(node.this)
            if variable not in names:
                return node
            column = column_of(_ROW, variable)
            return exp.cast(column, "DOUBLE") if isinstance(node.parent, _ARITHMETIC) else column

        made = [
            qualified(value.copy().transform(field), _ROW, self._table)
            for value in self._changes.values()
        ]
        with self._pieces.with_rows(rows, self._table) as (name, inner):
            select = exp.select(*values, *made).from_(source(name, _ROW))
            found = inner.table(select, (self._table, [column.name for column in columns]))
        return columns, assigned(self._session, found, columns)

    @contextmanager
    def _ending_on_error(self) -> Iterator[None]:
        try:
            yield
        except DbError as error:
            self._rows.clear()
            self.on_end(error)
            raise


def _columns_read(tree: mysql_nodes.LoadFile, table: Table, text: str) -> tuple[Column, ...]:
    """What each field of the file goes to: a column, or a variable's text."""
    listed = tree.args.get("columns")
    if not listed:
        return table.columns
    found: list[Column] = []
    for node in listed:
        if isinstance(node, nodes.UserVariable):
            found.append(Column(_VARIABLE.format(node.this), datatypes.STRING))
        else:
            found += columns_named(table, [node.name], text)
    names = [column.name for column in found]
    for index, column in enumerate(found):
        later = column.name in names[index + 1 :]
        if later and table.column(column.name) is None:  # the last field of that variable counts
            found[index] = replace(column, name=f"{column.name}@{index}")
        elif later:
            message = f'column "{column.name}" specified more than once'
            raise DbError(ErrorKind.DUPLICATE_COLUMN, message)
    return tuple(found)


def _variables(columns: Sequence[Column]) -> bool:
    return any(column.name.startswith(_VARIABLE.format("")) for column in columns)


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """LOAD DATA: asks the client for its file, or reads one of the server's. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, mysql_nodes.LoadFile)
    name = tree.args["file"].name
    if not tree.args.get("local"):
        return _run_on_server(session, LoadSink(session, tree, statement.text, parameters), name)
    if not session.server.local_infile:
        raise DbError(
            ErrorKind.LOCAL_INFILE_REFUSED,
            "loading local data is disabled on this server",
            hint="SET GLOBAL local_infile = ON, or the server's setting local_infile",
        )
    if session.wire is not Wire.MYSQL:
        raise DbError(ErrorKind.UNSUPPORTED, "LOAD DATA LOCAL needs the MySQL protocol")
    return CopyIn(LoadSink(session, tree, statement.text, parameters), name)


def _run_on_server(session: ClientSession, sink: LoadSink, path: str) -> Result:
    (file,) = session.server.files.sources(path, None)
    with file.open() as opened:
        while data := opened.read(_READ_BYTES):
            sink.feed(data)
    return Affected("LOAD", sink.finish())
