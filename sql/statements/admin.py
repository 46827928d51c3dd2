"""ADMIN functions: flush, compaction and clean-up, asked for by hand.

Called by `sql.execute`. The answer is one number (or text) in a column named like the call. It
only asks the engine; what is done when nobody asks is described in docs/compaction.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp
from sqlglot.errors import SqlglotError

from catalog.records import Table
from engine import datatypes
from engine.api import ALWAYS, TimeRange
from engine.errors import DbError, ErrorKind
from sql.decode.text import column_from_text
from sql.dialect import nodes
from sql.plan.tables import find_table
from sql.results import Result, ResultColumn, Rows
from sql.run.errors import position_of
from sql.statements.found_flow import find_flow
from sql.statements.metric_engine import LOGICAL

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

_REGULAR = frozenset({"regular", "twcs"})
_STRICT = frozenset({"strict_window", "swcs"})
_OPTIONS = ("window", "parallelism", "start_time", "end_time")
_WINDOW_SECONDS_MAX = 100 * 366 * 86_400
# Functions of the same name elsewhere that make no sense here, and why.
_REFUSED = {
    "migrate_region": "all regions live on this one server",
    "reconcile_table": "the catalog and the regions cannot differ while the server runs",
    "reconcile_database": "the catalog and the regions cannot differ while the server runs",
    "reconcile_catalog": "the catalog and the regions cannot differ while the server runs",
}


def run_admin(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """ADMIN function(arguments). Raises: DbError UNDEFINED_FUNCTION, UNSUPPORTED and others."""
    assert statement.tree is not None
    call = statement.tree.this
    name = (call.name if isinstance(call, exp.Anonymous) else call.sql_name()).lower()
    function = _FUNCTIONS.get(name)
    if name in _REFUSED:
        raise DbError(ErrorKind.UNSUPPORTED, f"{name} is not supported: {_REFUSED[name]}")
    if function is None:
        raise DbError(
            ErrorKind.UNDEFINED_FUNCTION,
            f"ADMIN function {name} does not exist",
            hint=f"there are {', '.join(sorted(_FUNCTIONS))}",
            position=position_of(name, statement.text),
        )
    arguments = [_constant(item, name) for item in call.expressions]
    answer = function(session, statement, arguments)
    column = result_column(statement.tree)
    values = pa.array([answer], column.type.arrow)
    return Rows((column,), iter([pa.RecordBatch.from_arrays([values], names=[column.name])]))


def result_column(tree: exp.Expr) -> ResultColumn:
    """The one column of the answer, named like the statement: a number, or JSON text."""
    name = tree.args.get("shown") or f"ADMIN {tree.args.get('text') or tree.this.sql()}"
    is_text = str(tree.this.name).lower() == "procedure_state"
    return ResultColumn(str(name), datatypes.STRING if is_text else datatypes.UINT64)


def _constant(item: exp.Expr, function: str) -> str:
    text = nodes.constant_text(item)
    if text is None:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"the arguments of {function} must be constants")
    return text


def _flush_table(
    session: ClientSession, statement: ParsedStatement, arguments: Sequence[str]
) -> int:
    _count(arguments, "flush_table('name')", 1, 1)
    for region_id in _regions(session, _table(session, statement, arguments[0])):
        session.regions.flush(region_id)
    return 0


def _flush_region(
    session: ClientSession, statement: ParsedStatement, arguments: Sequence[str]
) -> int:
    for region_id in _region_ids(arguments, "flush_region(id, ...)"):
        session.regions.flush(region_id)
    return 0


def _compact_table(
    session: ClientSession, statement: ParsedStatement, arguments: Sequence[str]
) -> int:
    _count(arguments, "compact_table('name', 'kind', 'options')", 1, 3)
    table = _table(session, statement, arguments[0])
    kind = arguments[1].lower() if len(arguments) > 1 else "regular"
    if kind not in _REGULAR | _STRICT:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f'there is no kind of compaction "{arguments[1]}"',
            hint="there are regular (also called twcs) and strict_window (also called swcs)",
        )
    options = _options(arguments[2] if len(arguments) > 2 else "", strict=kind in _STRICT)
    window = options.get("window")
    time_range = _time_range(options, table, session.timezone)
    for region_id in _regions(session, table):
        session.regions.compact(
            region_id,
            None if window is None else int(window) * 1000,
            strict=kind in _STRICT,
            time_range=time_range,
        )
    return 0


def _compact_region(
    session: ClientSession, statement: ParsedStatement, arguments: Sequence[str]
) -> int:
    for region_id in _region_ids(arguments, "compact_region(id, ...)"):
        session.regions.compact(region_id)
    return 0


def _gc_table(session: ClientSession, statement: ParsedStatement, arguments: Sequence[str]) -> int:
    _count(arguments, "gc_table('name')", 1, 2)
    _flag(arguments[1:])
    regions = _regions(session, _table(session, statement, arguments[0]))
    return sum(session.regions.collect(region_id) for region_id in regions)


def _gc_regions(
    session: ClientSession, statement: ParsedStatement, arguments: Sequence[str]
) -> int:
    ids = [item for item in arguments if item not in ("on", "off")]
    _flag(arguments[len(ids) :])
    return sum(session.regions.collect(id_) for id_ in _region_ids(ids, "gc_regions(id, ...)"))


def _discard_unflushed(
    session: ClientSession, statement: ParsedStatement, arguments: Sequence[str]
) -> int:
    """Throws away what no file holds, of a table by name or of a region by id."""
    _count(arguments, "discard_unflushed('name')", 1, 1)
    if arguments[0].isascii() and arguments[0].isdigit():
        regions: Sequence[int] = _region_ids(arguments, "discard_unflushed(id)")
    else:
        table = _table(session, statement, arguments[0])
        if LOGICAL in table.options:
            raise DbError(
                ErrorKind.UNSUPPORTED,
                f'"{table.name}" is a logical table: its rows lie among those of others',
                hint="delete them, or name the physical table",
            )
        regions = table.region_ids
    for region_id in regions:
        session.regions.discard_unflushed(region_id)
    return 0


def _build_index(
    session: ClientSession, statement: ParsedStatement, arguments: Sequence[str]
) -> int:
    _count(arguments, "build_index('name')", 1, 1)
    for region_id in _regions(session, _table(session, statement, arguments[0])):
        session.regions.build_indexes(region_id)
    return 0


def _procedure_state(
    session: ClientSession, statement: ParsedStatement, arguments: Sequence[str]
) -> str:
    """What became of a statement WITH (WAIT = false), as JSON."""
    _count(arguments, "procedure_state('id')", 1, 1)
    procedure = session.server.procedures.find(arguments[0])
    if procedure is None:
        raise DbError(
            ErrorKind.UNDEFINED_OBJECT,
            f'procedure "{arguments[0]}" does not exist',
            hint="a restart forgets procedures; what had not ended did not happen",
        )
    return procedure.json()


def _flush_flow(
    session: ClientSession, statement: ParsedStatement, arguments: Sequence[str]
) -> int:
    """Evaluates a flow now; the number of rows that were put into its sink."""
    _count(arguments, "flush_flow('name')", 1, 1)
    if session.transaction is not None and session.transaction.changed_store:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "a flow cannot be flushed in a transaction that has changed tables",
            hint="commit first: flows see committed rows only",
        )
    return session.server.flows.flush(find_flow(session, arguments[0]))


_Function = Callable[["ClientSession", "ParsedStatement", Sequence[str]], int | str]
_FUNCTIONS: dict[str, _Function] = {
    "flush_table": _flush_table,
    "flush_region": _flush_region,
    "flush_flow": _flush_flow,
    "compact_table": _compact_table,
    "compact_region": _compact_region,
    "build_index": _build_index,
    "discard_unflushed": _discard_unflushed,
    "gc_table": _gc_table,
    "gc_regions": _gc_regions,
    "procedure_state": _procedure_state,
}


def _table(session: ClientSession, statement: ParsedStatement, name: str) -> Table:
    table = find_table(_named(name), session.plan_context(statement.text))
    if not table.is_time_series:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f'"{table.name}" has no regions: it is not a time-series table',
        )
    return table


def _regions(session: ClientSession, table: Table) -> Sequence[int]:
    """The regions of a table; of a metric in a series store those it shares with others."""
    physical = session.table_of(table.store_id) if table.metric else None
    return table.region_ids if physical is None else physical.region_ids


def _named(name: str) -> exp.Table:
    """The table that a text names, as SQL would. Raises: DbError INVALID_ARGUMENT."""
    try:
        return exp.to_table(name)
    except SqlglotError as error:
        raise DbError(ErrorKind.INVALID_ARGUMENT, f"not a table's name: {name}") from error


def _count(arguments: Sequence[str], usage: str, least: int, most: int) -> None:
    if not least <= len(arguments) <= most:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"wrong number of arguments: {len(arguments)}",
            hint=f"write ADMIN {usage}",
        )


def _region_ids(arguments: Sequence[str], usage: str) -> list[int]:
    if not arguments:
        _count(arguments, usage, 1, 1)
    for item in arguments:
        if not (item.isascii() and item.isdigit()):
            raise DbError(ErrorKind.INVALID_ARGUMENT, f'"{item}" is not the id of a region')
    return [int(item) for item in arguments]


def _flag(arguments: Sequence[str]) -> None:
    """Whether all files are to be listed: they always are."""
    if any(item not in ("on", "off") for item in arguments) or len(arguments) > 1:
        raise DbError(ErrorKind.INVALID_ARGUMENT, "the last argument must be true or false")


def _options(text: str, *, strict: bool) -> dict[str, str]:
    """`3600` or `window=3600,parallelism=2,…` as a dictionary. Raises: DbError INVALID_ARGUMENT."""
    options: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            key, value = "window", key
        key = key.lower()
        if key not in _OPTIONS or key in options:
            problem = "given twice" if key in options else "unknown"
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f'the compaction option "{key}" is {problem}',
                hint=f"there are {', '.join(_OPTIONS)}",
            )
        options[key] = value
    for key, most in (("window", _WINDOW_SECONDS_MAX), ("parallelism", 1 << 31)):
        value = options.get(key, "1")
        if not (value.isascii() and value.isdigit() and 0 < int(value) <= most):
            raise DbError(
                ErrorKind.INVALID_ARGUMENT, f"{key} must be a whole number from 1 to {most}"
            )
    if "window" in options and not strict:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            "a window can only be given for strict_window",
            hint="the window of a table is its option compaction.twcs.time_window",
        )
    return options


def _time_range(options: dict[str, str], table: Table, timezone: str) -> TimeRange:
    start = _moment(options.get("start_time"), table, timezone)
    end = _moment(options.get("end_time"), table, timezone)
    return ALWAYS if start is None and end is None else TimeRange(start, end)


def _moment(text: str | None, table: Table, timezone: str) -> int | None:
    """A time in the unit of the table's time index."""
    if text is None:
        return None
    index = table.column(table.time_index or "")
    assert index is not None
    found = column_from_text(pa.array([text]), index.type, timezone, column=index.name)[0]
    value: int = found.cast(index.type.arrow).value
    return value
