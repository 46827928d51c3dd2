"""COPY DATABASE: every table of a database to files of one directory, and back.

Called by copy.py. A table's file is named after it, `cpu.parquet`; what a file system cannot have
in a name is percent-encoded. Views are not copied.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote

from sqlglot import exp

from catalog.records import Table, TableKind
from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.files.load import Load, Room
from sql.files.options import Compression, FileFormat, FileOptions, file_options
from sql.files.places import Place
from sql.results import Affected, Notice, Result, Severity
from sql.statements.copy_files import (
    fill,
    new_load,
    place_of,
    table_query,
    target_of,
    write_loads,
    write_rows,
)
from sql.statements.query import inner_statement, plan_of

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


def run(session: ClientSession, statement: ParsedStatement) -> Result:
    """COPY DATABASE … TO 'dir/' and … FROM 'dir/'. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, nodes.CopyStatement)
    path, database = str(tree.args["endpoint"].name), tree.this.name
    options = file_options(tree, path)
    if not path.endswith("/"):
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f'COPY DATABASE needs a directory: "{path}" does not end with /',
            hint=f"did you mean '{path}/'?",
        )
    if session.catalog.database(session.duck.cursor, database) is None:
        raise DbError(ErrorKind.UNDEFINED_DATABASE, f'database "{database}" does not exist')
    place = place_of(session, path, tree)
    path = path.removeprefix("file://")
    if tree.args.get("into"):
        return Affected("COPY", _copy_from(session, database, place, path, options))
    return Affected("COPY", _copy_to(session, statement, database, place, path, options))


def tables_of(session: ClientSession, database: str) -> list[Table]:
    """The tables that hold rows, by name."""
    tables = session.catalog.tables(session.duck.cursor)
    mine = [t for t in tables if t.database == database and not t.temporary]
    return sorted(
        (t for t in mine if t.kind is not TableKind.EXTERNAL and not t.definition),
        key=lambda t: t.name,
    )


def _suffix(options: FileOptions) -> str:
    compression = options.compression or Compression.NONE
    return f".{options.format.value}{compression.value}"


def file_name(table: str) -> str:
    """A table's name as the beginning of a file's."""
    name = table.replace("%", "%25").replace("/", "%2F")
    return f"%2E{name[1:]}" if name.startswith(".") else name


def _copy_to(
    session: ClientSession,
    statement: ParsedStatement,
    database: str,
    place: Place,
    path: str,
    options: FileOptions,
) -> int:
    count = 0
    # The files get their names when all of them are written: a failure leaves none.
    with ExitStack() as files:
        for table in tables_of(session, database):
            node = exp.table_(table.name, database, quoted=True)
            bounded = options if table.is_time_series else replace(options, start=None, end=None)
            query = table_query(session, node, None, bounded, statement.text)
            plan = plan_of(session, inner_statement(session, statement, query))
            target = f"{path}{file_name(table.name)}{_suffix(options)}"
            file = files.enter_context(place.writing(target))
            rows = session.runner.query(plan, (), statement.text, tag="COPY")
            count += write_rows(session, rows, file, target, options)
    return count


def _copy_from(
    session: ClientSession, database: str, place: Place, path: str, options: FileOptions
) -> int:
    room = Room()
    loads: list[tuple[Table, Load]] = []
    with ExitStack() as stack:
        for file, name in _files(place, path, options):
            table = session.lookup(database, name)
            try:
                load = _read(session, table, name, file, place, options, room, stack)
            except DbError as error:
                if not options.continue_on_error or error.kind in _ENDING:
                    raise
                message = f'"{file}" was passed over: {error.message}'
                if error.detail:
                    message += f" ({error.detail})"
                session.notice(Notice(message, Severity.WARNING, error.codes.sqlstate))
            else:
                assert table is not None
                loads.append((table, load))
        write_loads(session, loads)
        return sum(load.count for _, load in loads)


_ENDING = frozenset({ErrorKind.CANCELLED, ErrorKind.TIMEOUT, ErrorKind.SHUTTING_DOWN})


def _files(place: Place, path: str, options: FileOptions) -> list[tuple[str, str]]:
    """The files of the format with the tables they are named after."""
    endings = [f".{options.format.value}"]
    if options.format is FileFormat.JSON:
        endings += [".ndjson", ".jsonl"]
    if options.format.is_text:
        chosen = list(Compression) if options.compression is None else [options.compression]
        endings = [ending + one.value for ending in endings for one in chosen]
    found = []
    for source in place.sources(path, options.pattern):
        name = source.name.rpartition("/")[2]
        ending = next((one for one in endings if name.endswith(one)), None)
        if ending is not None:
            found.append((source.name, unquote(name.removesuffix(ending))))
    if not found:
        raise DbError(
            ErrorKind.UNDEFINED_FILE,
            f'there is no {options.format.value} file in "{path}"',
            hint=f"the file of a table named cpu is cpu{endings[0]}",
        )
    return found


def _read(
    session: ClientSession,
    table: Table | None,
    name: str,
    file: str,
    place: Place,
    options: FileOptions,
    room: Room,
    stack: ExitStack,
) -> Load:
    if table is None:
        raise DbError(ErrorKind.UNDEFINED_TABLE, f'there is no table "{name}" for "{file}"')
    if table.definition:
        raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{name}" is a view: it takes no rows')
    bounded = options if table.is_time_series else replace(options, start=None, end=None)
    bounded = replace(bounded, pattern=None)
    load = new_load(session, table, room, stack)
    target = target_of(session, table, table.columns, bounded)
    fill(session, load, target, place, file, bounded)
    return load
