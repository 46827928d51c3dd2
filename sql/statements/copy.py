"""COPY … FROM STDIN and COPY … TO STDOUT; COPY of files is handed to copy_files.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.records import Column, Table
from engine.errors import DbError, ErrorKind
from sql.decode.copy import CopyReader
from sql.dialect.copy import copy_options
from sql.dialect.nodes import CopyStatement
from sql.results import CopyIn, CopyOptions, CopyOut, Notice, Result, ResultColumn
from sql.session import Wire
from sql.statements import copy_database, copy_files
from sql.statements.parts import Pieces, source
from sql.statements.query import QUERIES, bind, inner_statement, plan_of
from sql.statements.target import columns_named, complete, insert_rows, writable

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


class TableSink:
    """Takes COPY data for one table. Implements `CopySink`.

    A COPY is one statement: its rows become visible together at `finish`, or not at all.
    """

    def __init__(
        self,
        session: ClientSession,
        table: Table,
        columns: tuple[Column, ...],
        options: CopyOptions,
        where: exp.Expr | None = None,
    ) -> None:
        self.columns = tuple(ResultColumn(c.name, c.type) for c in columns)
        self.options = options
        self._session = session
        self._table = table
        self._columns = columns
        self._reader = CopyReader(columns, options, session.timezone, table=table.name)
        self._where = where
        self._pieces: list[pa.Table] = []
        # Called once at the end with the error, if any: the statement is over.
        self.on_end: Callable[[DbError | None], None] = lambda error: None

    def feed(self, data: bytes) -> None:
        """See `CopySink.feed`."""
        with self._ending_on_error():
            self._session.duck.check()
            with _telling_place():
                read = self._reader.feed(data)
            self._keep(read)

    def finish(self) -> int:
        """See `CopySink.finish`."""
        with self._ending_on_error():
            with _telling_place():
                read = self._reader.finish()
            self._keep(read)
            self._tell_rejected()
            rows = pa.concat_tables(self._pieces) if self._pieces else None
            self._pieces.clear()
            if rows is not None:
                self._write(rows)
        self.on_end(None)
        return int(rows.num_rows) if rows is not None else 0

    def abort(self) -> None:
        """See `CopySink.abort`."""
        self._pieces.clear()
        reason = DbError(ErrorKind.CANCELLED, "COPY from stdin failed")
        self.on_end(reason)

    def _tell_rejected(self) -> None:
        rejected = self._reader.rejected
        for report in rejected.take():
            self._session.notice(Notice(report))
        if rejected.count and self.options.log_verbosity != "silent":
            rows = "row was" if rejected.count == 1 else "rows were"
            message = f"{rejected.count} {rows} skipped due to data type incompatibility"
            self._session.notice(Notice(message))

    def _write(self, rows: pa.Table) -> None:
        session, table = self._session, self._table
        with session.writing() as transaction:

            def write() -> None:
                insert_rows(session, transaction, table, rows)

            with transaction.step(write):
                write()

    @contextmanager
    def _ending_on_error(self) -> Iterator[None]:
        try:
            yield
        except DbError as error:
            self._pieces.clear()
            self.on_end(error)
            raise

    def _keep(self, pieces: Sequence[pa.Table]) -> None:
        for piece in pieces:
            rows = complete(self._session, self._table, self._columns, piece)
            self._pieces.append(self._wanted(rows))

    def _wanted(self, rows: pa.Table) -> pa.Table:
        """The rows for which the COPY's WHERE holds."""
        if self._where is None or not rows.num_rows:
            return rows
        with Pieces(self._session, "").with_rows(rows, self._table) as (name, pieces):
            holds = exp.func("coalesce", self._where.copy(), exp.false())
            query = exp.select(exp.alias_(holds, "holds")).from_(source(name, self._table.name))
            return rows.filter(pieces.table(query).column("holds").combine_chunks())


@contextmanager
def _telling_place() -> Iterator[None]:
    """The line, column and value that the reader names are the error's context, not its detail."""
    try:
        yield
    except DbError as error:
        if error.detail is not None:
            error.about, error.detail = {**error.about, "context": error.detail}, None
        raise


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """COPY between a table or query and the client. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, CopyStatement)
    _check_clauses(tree)
    if not isinstance(tree.args["endpoint"], exp.Var):
        if tree.args.get("database"):
            return copy_database.run(session, statement)
        return copy_files.run(session, statement, parameters)
    if session.wire is not Wire.POSTGRES:
        raise DbError(ErrorKind.UNSUPPORTED, "COPY needs the PostgreSQL protocol")
    options = copy_options(tree)
    if options.ignore_errors and not tree.args.get("into"):
        raise DbError(ErrorKind.SYNTAX, "COPY ON_ERROR cannot be used with COPY TO")
    names = [node.name for node in tree.args.get("columns") or []] or None
    if tree.args.get("into"):
        table = writable(session, tree.this, statement.text)
        columns = columns_named(table, names, statement.text)
        where = tree.args.get("where")
        condition = where.this if isinstance(where, exp.Where) else where
        return CopyIn(TableSink(session, table, columns, options, condition))
    query = tree.this
    if isinstance(query, exp.Table):
        chosen = [exp.column(name, quoted=True) for name in names] if names else ["*"]
        query = exp.select(*chosen).from_(query.copy())
    inner = inner_statement(session, statement, query)
    plan = plan_of(session, inner)
    values = bind(parameters, plan.parameter_types, session.timezone)
    return CopyOut(session.runner.query(plan, values, statement.text, tag="COPY"), options)


def _check_clauses(tree: CopyStatement) -> None:
    """What the grammar takes and no COPY of that kind does."""
    from_client = isinstance(tree.args["endpoint"], exp.Var)
    if tree.args.get("where") is not None and not (from_client and tree.args.get("into")):
        raise DbError(ErrorKind.UNSUPPORTED, "WHERE is part of COPY FROM STDIN only")
    if tree.args.get("limit") is not None and (from_client or not tree.args.get("into")):
        raise DbError(ErrorKind.UNSUPPORTED, "LIMIT is part of COPY FROM files only")
    if from_client and tree.args.get("connection"):
        raise DbError(ErrorKind.UNSUPPORTED, "CONNECTION is part of COPY to and from files only")
    if from_client and tree.args.get("database"):
        raise DbError(ErrorKind.UNSUPPORTED, "COPY DATABASE needs the path of a directory")
    if not isinstance(tree.this, (exp.Table, exp.Identifier, *QUERIES)):
        raise DbError(ErrorKind.UNSUPPORTED, "COPY TO reads a table or a query")
