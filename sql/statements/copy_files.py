"""COPY between a table, a query or a whole database and files.

Called by copy.py for every COPY whose other end is a path. COPY TO streams the query's batches into
a file that appears only when it is whole. COPY FROM reads everything first (sql/files/load.py) and
then writes it: what is wrong with any row of any file leaves no row behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from catalog.records import Column, Table
from engine.api import Op
from engine.errors import DbError, ErrorKind
from sql.decode.assign import assign
from sql.decode.text import column_from_text
from sql.dialect import nodes
from sql.files.load import Load, Room, is_small
from sql.files.options import FileOptions, file_options
from sql.files.places import Place, Source
from sql.files.readers import read_rows
from sql.files.remote import RemoteFiles, is_remote
from sql.files.target import Target
from sql.files.writers import open_writer, write_all
from sql.metrics.writes import writes_of
from sql.plan.tables import find_table
from sql.results import Affected, Notice, Result, Rows
from sql.statements.query import bind, inner_statement, plan_of
from sql.statements.target import clock_text, columns_named, insert_rows, writable

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement
    from sql.transaction import Transaction

# What a transaction that the client began may hold in memory until COMMIT for one COPY: with other
# statements' rows it stays below what the engine writes at once (512 MiB).
STAGED_BYTES_MAX = 256 << 20
_BUSY_ATTEMPTS = 12  # each waits some seconds for the flusher


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """COPY … TO 'path' and COPY … FROM 'path'. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, nodes.CopyStatement)
    path = str(tree.args["endpoint"].name)
    options = file_options(tree, path)
    place = place_of(session, path, tree)
    path = path.removeprefix("file://")
    if tree.args.get("into"):
        rows = _copy_from(session, statement, tree, place, path, options)
    else:
        rows = _copy_to(session, statement, parameters, place, path, options)
    return Affected("COPY", rows)


def place_of(session: ClientSession, path: str, tree: nodes.CopyStatement) -> Place:
    """Where a path is. Raises: DbError UNSUPPORTED, INVALID_ARGUMENT."""
    files = session.server.files
    connection = {
        str(option.this): nodes.constant_text(option.args["expression"]) or ""
        for option in tree.args.get("connection") or []
    }
    if is_remote(path):
        return RemoteFiles.of(path, connection, files.spool)
    if connection:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            "CONNECTION is for object stores",
            hint="a path there begins with s3://, gs:// or azblob://",
        )
    return files


# --- TO


def _copy_to(
    session: ClientSession,
    statement: ParsedStatement,
    parameters: Sequence[object],
    place: Place,
    path: str,
    options: FileOptions,
) -> int:
    tree = statement.tree
    assert isinstance(tree, nodes.CopyStatement)
    query = tree.this
    names = [node.name for node in tree.args.get("columns") or []] or None
    if isinstance(query, exp.Table):
        query = table_query(session, query, names, options, statement.text)
    elif options.start is not None or options.end is not None:
        raise _no_time_index("a query")
    inner = inner_statement(session, statement, query)
    plan = plan_of(session, inner)
    values = bind(parameters, plan.parameter_types, session.timezone)
    with place.writing(path) as file:
        rows = session.runner.query(plan, values, statement.text, tag="COPY")
        return write_rows(session, rows, file, path, options)


def write_rows(
    session: ClientSession, rows: Rows, file: Any, path: str, options: FileOptions
) -> int:
    """Writes a result to a file and closes it; returns the number of rows. Raises: DbError."""
    try:
        writer = open_writer(file, path, rows.columns, options, session.timezone)
        return write_all(writer, iter(rows))
    # How Arrow's writers refuse a type that their format lacks; the client is told which.
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        reason = str(error).split("\n", 1)[0]
        raise DbError(
            ErrorKind.UNSUPPORTED, f'these columns cannot be written to "{path}": {reason}'
        ) from error
    finally:
        rows.close()


def table_query(
    session: ClientSession,
    node: exp.Table,
    names: Sequence[str] | None,
    options: FileOptions,
    text: str,
) -> exp.Select:
    """The query that reads a table, or columns of it, within the options' time bounds."""
    chosen: list[exp.Expr | str] = ["*"]
    if names is not None:
        chosen = [exp.column(name, quoted=True) for name in names]
    query = exp.select(*chosen).from_(node.copy())
    if options.start is None and options.end is None:
        return query
    table = find_table(node, session.plan_context(text))
    index = _time_index(table)
    column = exp.column(index.name, quoted=True)
    for bound, operator in ((options.start, exp.GTE), (options.end, exp.LT)):
        if bound is not None:
            moment = _moment(bound, index, session.timezone)
            shown = moment.cast(pa.timestamp(index.type.unit, "UTC")).cast(pa.string()).as_py()
            literal = exp.Literal.string(shown)
            query = query.where(operator(this=column.copy(), expression=literal))
    return query


def _time_index(table: Table) -> Column:
    index = table.column(table.time_index or "")
    if index is None:
        raise _no_time_index(f'"{table.name}"')
    return index


def _no_time_index(what: str) -> DbError:
    return DbError(
        ErrorKind.INVALID_ARGUMENT,
        f"START_TIME and END_TIME need a table with a time index, which {what} has not",
    )


def _moment(text: str, index: Column, timezone: str) -> Any:
    """A time bound as a scalar of the time index's type."""
    return column_from_text(pa.array([text]), index.type, timezone, column=index.name)[0]


# --- FROM


def _copy_from(
    session: ClientSession,
    statement: ParsedStatement,
    tree: nodes.CopyStatement,
    place: Place,
    path: str,
    options: FileOptions,
) -> int:
    if not isinstance(tree.this, exp.Table):
        raise DbError(ErrorKind.SYNTAX, "COPY FROM needs a table")
    table = writable(session, tree.this, statement.text)
    names = [node.name for node in tree.args.get("columns") or []] or None
    columns = columns_named(table, names, statement.text)
    with ExitStack() as stack:
        load = new_load(session, table, Room(), stack)
        target = target_of(session, table, columns, options)
        fill(session, load, target, place, path, options, limit=_limit(tree))
        write_loads(session, [(table, load)])
        return load.count


def _limit(tree: nodes.CopyStatement) -> int | None:
    node = tree.args.get("limit")
    if node is None:
        return None
    text = nodes.constant_text(node) or ""
    if not text.isdigit():
        raise DbError(ErrorKind.INVALID_ARGUMENT, "LIMIT of COPY must be a number of rows")
    return int(text)


def new_load(session: ClientSession, table: Table, room: Room, stack: ExitStack) -> Load:
    """An empty load for a table; `stack` closes it."""
    fields = [pa.field(c.name, c.type.arrow, c.nullable) for c in table.columns]
    load = Load(pa.schema(fields), room, session.server.files.spool)
    stack.callback(load.close)
    return load


def target_of(
    session: ClientSession, table: Table, columns: Sequence[Column], options: FileOptions
) -> Target:
    """What rows of files become. Raises: DbError INVALID_ARGUMENT for a bad time bound."""

    def evaluate(column: Column, rows: int) -> Any:
        return assign(session.evaluate(clock_text(column), rows), column, session.timezone)

    inside = _inside(table, options, session.timezone)
    return Target(table, tuple(columns), session.timezone, evaluate, inside)


def _inside(table: Table, options: FileOptions, timezone: str) -> Callable[[Any], Any] | None:
    if options.start is None and options.end is None:
        return None
    index = _time_index(table)
    start = None if options.start is None else _moment(options.start, index, timezone)
    end = None if options.end is None else _moment(options.end, index, timezone)

    def inside(values: Any) -> Any:
        after = pc.greater_equal(values, start) if start is not None else None
        before = pc.less(values, end) if end is not None else None
        if after is None or before is None:
            return before if after is None else after
        return pc.and_(after, before)

    return inside


def fill(
    session: ClientSession,
    load: Load,
    target: Target,
    place: Place,
    path: str,
    options: FileOptions,
    *,
    limit: int | None = None,
) -> None:
    """Reads the files at a path into a load, at most `limit` rows. Raises: DbError."""
    _fill(session, load, target, place.sources(path, options.pattern), options, limit)
    if target.skipped:
        message = f"{target.skipped} bad records were passed over"
        session.notice(Notice(message, sqlstate=ErrorKind.BAD_COPY_DATA.codes.sqlstate))


def _fill(
    session: ClientSession,
    load: Load,
    target: Target,
    sources: Sequence[Source],
    options: FileOptions,
    limit: int | None,
) -> None:
    for source in sources:
        for rows in read_rows(source, target, options):
            session.duck.check()
            left = rows.num_rows if limit is None else limit - load.count
            load.add(rows.slice(0, left) if left < rows.num_rows else rows)
            if limit is not None and load.count >= limit:
                return


def write_loads(session: ClientSession, loads: Sequence[tuple[Table, Load]]) -> None:
    """Writes what was read. Raises: DbError.

    Relational rows, and time-series rows up to 64 MiB altogether, are written as a whole or not at
    all. More time-series rows go in pieces, each of them atomic and durable: a full disk or
    a crash in between leaves the pieces before it. Within a transaction of the client's, everything
    waits for COMMIT.
    """
    with session.writing() as transaction:
        series = [(table, load) for table, load in loads if table.is_time_series]
        size = sum(load.bytes for _, load in series)
        if is_small(size) or not _is_alone(transaction):
            _check_staged(size)
            for table, load in series:
                for rows in load.pieces():
                    for write in writes_of(session, table, Op.PUT, rows):
                        transaction.stage(write)
        else:
            for table, load in series:
                for rows in load.pieces():
                    _write_piece(session, table, rows)
        for table, load in loads:
            if not table.is_time_series:
                for rows in load.pieces():
                    session.duck.check()
                    insert_rows(session, transaction, table, rows)


def _is_alone(transaction: Transaction) -> bool:
    """True if nothing of the transaction waits for COMMIT, so that nothing can be undone."""
    return not (transaction.explicit or transaction.staged or transaction.changed_store)


def _check_staged(size: int) -> None:
    if size > STAGED_BYTES_MAX:
        raise DbError(
            ErrorKind.LIMIT_EXCEEDED,
            f"COPY of {size >> 20} MiB is too much for a transaction, which keeps its rows in"
            f" memory until COMMIT: {STAGED_BYTES_MAX >> 20} MiB at most",
            hint="run it outside of BEGIN and COMMIT: it is written in pieces then",
        )


def _write_piece(session: ClientSession, table: Table, rows: Any) -> None:
    """One write; waits for the flusher as long as that takes within reason."""
    for attempt in range(_BUSY_ATTEMPTS):
        session.duck.check()
        try:
            session.write_now(writes_of(session, table, Op.PUT, rows))
            return
        except DbError as error:
            if error.kind is not ErrorKind.REGION_BUSY or attempt + 1 == _BUSY_ATTEMPTS:
                raise
