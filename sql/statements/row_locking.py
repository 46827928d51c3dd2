"""SELECT … FOR UPDATE and its kin, and changes of rows that others have locked so.

Called by query.py for a query with a locking clause, by found.py and changes.py before rows are
changed. Locks last until the transaction ends (a rollback to a savepoint keeps them). A clause in a
sub-query does nothing of its own. New rows are never locked: nobody else can see them.
https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from catalog.records import Table, TableKind
from engine.errors import DbError, ErrorKind
from sql.acts.row_locks import Rows as RowNumbers
from sql.acts.row_locks import Wanted
from sql.plan.parameters import parameter_number
from sql.plan.tables import known_table
from sql.results import Rows
from sql.statements.lock_waits import lock_rows
from sql.statements.modes import check_writable
from sql.statements.parts import Pieces, column_of
from sql.statements.target import identity_columns

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement
    from sql.statements.changes import Changes
    from sql.statements.joined import Joined, Target
    from sql.transaction import Transaction

_ROWID = "rowid"
_LOCK = "__lock_{}"
_REFUSED = {"distinct": "DISTINCT clause", "group": "GROUP BY clause", "having": "HAVING clause"}


@dataclass(frozen=True)
class Locking:
    """What a query's clauses ask for: how rows of each source are locked."""

    shared: Mapping[str, bool]  # by alias
    tables: Mapping[str, Table]  # by alias
    nowait: bool
    skips: bool


def has_locks(tree: exp.Expr | None) -> bool:
    """True if a query locks the rows it gives."""
    return isinstance(tree, exp.Select) and bool(tree.args.get("locks"))


def run_locking(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Rows | None:
    """Runs such a query; None if it reads no table whose rows can be locked.

    Raises: DbError LOCK_TIMEOUT (also with NOWAIT), DEADLOCK, UNSUPPORTED, READ_ONLY.
    """
    tree = statement.tree
    assert isinstance(tree, exp.Select)
    _check_form(tree)
    sources = _sources(session, tree, statement.text)
    locking = _locking(tree, sources)
    if not locking.shared:
        return None
    check_writable(session)
    if session.transaction is None and not session.autocommit:
        session.begin(explicit=True)  # MySQL's: it lasts until COMMIT, and the locks with it
    for table in locking.tables.values():
        session.server.begin_row_locks(table.home_id)
    query = tree.copy()
    query.set("locks", None)
    for place, (alias, table) in enumerate(locking.tables.items()):
        query.select(exp.alias_(number_of(table, alias), _LOCK.format(place)), copy=False)
    limits = _without_limit(session, query, locking, parameters) if locking.skips else None
    pieces = Pieces(session, statement.text, parameters)
    return _locked(session, pieces, query, locking, limits)


def _locked(
    session: ClientSession,
    pieces: Pieces,
    query: exp.Select,
    locking: Locking,
    limits: tuple[int, int | None] | None,
) -> Rows:
    """The rows, once they are locked; those that others had locked are looked at again."""
    while True:
        rows = pieces.collect(query, "SELECT")
        shown = len(rows.columns) - len(locking.tables)
        found = pa.Table.from_batches(list(rows), _schema(rows))
        numbers = found.columns[shown:]
        wanted = [
            Wanted(table.home_id, _numbers(column), locking.shared[alias])
            for (alias, table), column in zip(locking.tables.items(), numbers, strict=True)
        ]
        if locking.skips:
            found = found.filter(_free(session, wanted, numbers))
            found = found if limits is None else found.slice(*limits)
        elif not lock_rows(session, wanted, nowait=locking.nowait):
            continue
        return Rows(rows.columns[:shown], iter(found.select(range(shown)).to_batches()))


def _free(
    session: ClientSession, wanted: Sequence[Wanted], numbers: Sequence[pa.ChunkedArray]
) -> pa.Array:
    """Locks what is free; which rows of the result are."""
    keep = pa.array(np.ones(len(numbers[0]), np.bool_))
    masks = session.server.row_locks.lock_free(session.id, wanted)
    for column, one, mask in zip(numbers, wanted, masks, strict=True):
        mine = column.combine_chunks().cast(pa.int64(), safe=False)
        keep = pc.and_(keep, pc.invert(pc.is_in(mine, pa.array(one.rows[~mask]))))
    return keep


def _schema(rows: Rows) -> pa.Schema:
    return pa.schema([pa.field(c.name, c.type.arrow) for c in rows.columns])


def _check_form(tree: exp.Select) -> None:
    """Raises: DbError UNSUPPORTED if rows given are not rows of tables."""
    name = "FOR UPDATE" if tree.args["locks"][0].args.get("update") else "FOR SHARE"
    what = next((shown for part, shown in _REFUSED.items() if tree.args.get(part)), None)
    for item in tree.expressions if what is None else ():
        if item.find(exp.Window) is not None:
            what = "window functions"
        elif any(node.find_ancestor(exp.Query) is tree for node in item.find_all(exp.AggFunc)):
            what = "aggregate functions"
    if what is not None:
        raise DbError(ErrorKind.UNSUPPORTED, f"{name} is not allowed with {what}")


def _sources(session: ClientSession, tree: exp.Select, text: str) -> dict[str, Table]:
    """Alias → table of what FROM names directly. Raises: DbError UNSUPPORTED for other rows."""
    from_ = tree.args.get("from_")
    nodes = [from_.this] if from_ is not None else []
    nodes += [join.this for join in tree.args.get("joins") or []]
    for node in list(nodes):
        nodes += [join.this for join in node.args.get("joins") or []]
    context = session.plan_context(text)
    found: dict[str, Table] = {}
    for node in nodes:
        if isinstance(node, exp.Subquery):
            raise DbError(ErrorKind.UNSUPPORTED, "rows of a sub-query cannot be locked")
        table = known_table(node, context) if isinstance(node, exp.Table) else None
        if table is None:
            continue
        if table.kind is TableKind.VIEW or table.id == 0:
            message = f'rows of "{table.name}" cannot be locked'
            raise DbError(ErrorKind.UNSUPPORTED, message, hint="name the tables it reads")
        if not table.temporary:  # nobody else sees it
            found[node.alias_or_name] = table
    return found


def _locking(tree: exp.Select, sources: Mapping[str, Table]) -> Locking:
    """Raises: DbError UNDEFINED_TABLE for a name in OF that FROM does not have."""
    shared: dict[str, bool] = {}
    nowait = skips = False
    for lock in tree.args["locks"]:
        named = [node.alias_or_name for node in lock.args.get("expressions") or []]
        for alias in named or list(sources):
            if alias not in sources:
                message = f'relation "{alias}" in FOR UPDATE clause not found in FROM clause'
                raise DbError(ErrorKind.UNDEFINED_TABLE, message)
            shared[alias] = shared.get(alias, True) and not lock.args.get("update")
        wait = lock.args.get("wait")
        nowait, skips = nowait or wait is True, skips or wait is False
    tables = {alias: sources[alias] for alias in shared}
    return Locking(shared, tables, nowait, skips and not nowait)


def _without_limit(
    session: ClientSession,
    query: exp.Select,
    locking: Locking,
    parameters: Sequence[object],
) -> tuple[int, int | None] | None:
    """Makes the query give enough rows for some to be skipped; (offset, limit) to be applied."""
    limit, offset = query.args.get("limit"), query.args.get("offset")
    if limit is None and offset is None:
        return None
    skipped = 0 if offset is None else _whole(offset.expression, parameters)
    locks = session.server.row_locks
    tables = locking.tables.values()
    spare = sum(locks.count_of_others(session.id, table.home_id) for table in tables)
    query.set("offset", None)
    if limit is None:
        return skipped, None
    count = limit.args.get("count") if isinstance(limit, exp.Fetch) else limit.expression
    wanted = 1 if count is None else _whole(count, parameters)
    query.set("limit", exp.Limit(expression=exp.Literal.number(wanted + skipped + spare)))
    return skipped, wanted


def _whole(node: exp.Expr, parameters: Sequence[object]) -> int:
    number = parameter_number(node)
    value = parameters[number - 1] if number is not None else node.name
    if not str(value).isdigit():
        message = "SKIP LOCKED needs a plain number of rows in LIMIT and OFFSET"
        raise DbError(ErrorKind.UNSUPPORTED, message)
    return int(str(value))


# What a row is.


def number_of(table: Table, alias: str) -> exp.Expr:
    """A row's number as an expression over the table."""
    if not table.is_time_series:
        return column_of(alias, _ROWID)
    return exp.Anonymous(this="hash", expressions=_identity(table, alias))


def _identity(table: Table, alias: str) -> list[exp.Expr]:
    parts: list[exp.Expr] = []
    for name in identity_columns(table):
        column, part = table.column(name), column_of(alias, name)
        assert column is not None
        # Plans may read milliseconds as microseconds, which have another hash.
        is_moment = column.type.is_timestamp
        parts.append(exp.Anonymous(this="epoch_us", expressions=[part]) if is_moment else part)
    return parts


def _numbers(column: pa.ChunkedArray) -> RowNumbers:
    """Sorted, each once; outer joins give rows that are none."""
    values: RowNumbers = column.drop_null().cast(pa.int64(), safe=False).to_numpy()
    return np.unique(values)


# Changes of rows.


def lock_found(
    session: ClientSession, pieces: Pieces, joined: Joined, query: Callable[[Target], exp.Select]
) -> None:
    """Before a statement changes what it finds: locks those rows, if anybody locks rows there.

    `query` finds a target's rows; its one output is the row's key.
    """
    open_ = session.transaction
    lasting = open_.explicit if open_ is not None else not session.autocommit
    locks = session.server.row_locks
    targets = [
        target
        for target in joined.targets
        if locks.concerns(session.id, target.table.home_id, lasting=lasting)
    ]
    if not targets:
        return
    while True:
        wanted = [
            Wanted(target.table.home_id, _numbers(pieces.table(query(target)).column(0)))
            for target in targets
        ]
        if lock_rows(session, wanted):
            return


def guarded(
    session: ClientSession,
    transaction: Transaction,
    tables: Sequence[Table],
    look: Callable[[], list[Changes]],
) -> Callable[[], list[Changes]]:
    """What gives changes, once their rows are locked; as it is where nobody locks rows."""
    locks = session.server.row_locks
    lasting = transaction.explicit
    if not any(locks.concerns(session.id, table.home_id, lasting=lasting) for table in tables):
        return look

    def locked() -> list[Changes]:
        while True:
            changes = look()
            wanted = [
                Wanted(table.home_id, _keys_as_numbers(session, table, keys))
                for table, one in zip(tables, changes, strict=True)
                for keys in (one.deleted, one.old)
                if keys is not None and not table.temporary
            ]
            if lock_rows(session, wanted):
                return changes

    return locked


def _keys_as_numbers(session: ClientSession, table: Table, keys: pa.Table) -> RowNumbers:
    if not table.is_time_series:
        return _numbers(keys.column(_ROWID))
    with Pieces(session, "").with_rows(keys) as (name, inner):
        query = exp.select(number_of(table, name)).from_(exp.to_identifier(name))
        return _numbers(inner.table(query).column(0))
