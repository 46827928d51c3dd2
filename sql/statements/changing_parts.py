"""Changes in WITH: `WITH gone AS (DELETE … RETURNING *) INSERT INTO kept SELECT * FROM gone`.

Called by sql/execute.py for statements that can begin with WITH. Each change is run once, in the
order that is written, before what it is part of; the rows that it returned take its place. All is
one transaction. In PostgreSQL every part sees tables as they were before the statement; here parts
see what those before them did, so a statement that would show the difference is refused.
https://www.postgresql.org/docs/15/queries-with.html#QUERIES-WITH-MODIFYING
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect.dialects import to_sql
from sql.dialect.parser import ParsedStatement
from sql.dialect.pieces import cast_to
from sql.plan.parameters import parameter_number
from sql.results import Description, Result, ResultColumn, Rows
from sql.session import Wire
from sql.statements.nested_locks import literal_rows
from sql.statements.query import Handler
from sql.types import duckdb_name

if TYPE_CHECKING:
    from sql.client_session import ClientSession

ROWS_MAX = 10_000  # of one change; they become literals

_WITH = re.compile(r"\bWITH\b", re.IGNORECASE)
HandlerOf = Callable[[ParsedStatement], Handler]
Describer = Callable[["ClientSession", ParsedStatement], Description]
Answer = Callable[[ParsedStatement], exp.Query | None]


def settling(handler: Handler, handler_of: HandlerOf) -> Handler:
    """The handler of statements, told what the changes in WITH returned."""

    def run(
        session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
    ) -> Result:
        if not _has_changes(session, statement):
            return handler(session, statement, parameters)

        def rows_of(part: ParsedStatement) -> exp.Query | None:
            result = handler_of(part)(session, part, parameters)
            return _literals(session, result) if isinstance(result, Rows) else None

        with session.writing():
            whole = _settled(session, statement, rows_of)
            result = handler(session, whole, parameters)
            if isinstance(result, Rows):  # to its end, while the transaction is there
                try:
                    batches = session.duck.gather(result)
                finally:
                    result.close()
                return Rows(result.columns, iter(batches), tag=result.tag)
            return result

    return run


def describe_parts(
    session: ClientSession, statement: ParsedStatement, describe: Describer
) -> Description | None:
    """What a statement with changes in WITH takes and gives; None for any other."""
    if not _has_changes(session, statement):
        return None
    told: list[tuple[exp.Expr, Description]] = []

    def columns_of(part: ParsedStatement) -> exp.Query | None:
        found = describe(session, part)
        assert part.tree is not None
        told.append((part.tree, found))
        return _nothing(found.columns) if found.columns is not None else None

    whole = _settled(session, statement, columns_of)
    found = describe(session, whole)
    types = list(found.parameters)
    for tree, part in told:
        for number in map(parameter_number, tree.find_all(exp.Parameter)):
            if number is not None and number <= min(len(types), len(part.parameters)):
                types[number - 1] = part.parameters[number - 1]
    return replace(found, parameters=tuple(types))


def changes_in_with(tree: exp.Expr) -> Iterator[exp.CTE]:
    """Those of WITH at the statement's top that are no queries."""
    with_ = tree.args.get("with_")
    yield from (cte for cte in _ctes(with_) if isinstance(cte.this, exp.DML))


def _ctes(with_: exp.With | None) -> list[exp.CTE]:
    return list(with_.expressions) if with_ is not None else []


def _has_changes(session: ClientSession, statement: ParsedStatement) -> bool:
    tree = statement.tree
    if tree is None or session.wire is Wire.MYSQL or not _WITH.search(statement.text):
        return False
    return any(True for _ in changes_in_with(tree))


def _settled(session: ClientSession, statement: ParsedStatement, answer: Answer) -> ParsedStatement:
    """The statement with an answer in place of each change. Raises: DbError UNSUPPORTED."""
    assert statement.tree is not None
    tree = statement.tree.copy()
    with_ = tree.args["with_"]
    for cte in changes_in_with(tree):
        _check_seen(tree, cte)
    kept: list[exp.CTE] = []
    for cte in _ctes(with_):
        if isinstance(cte.this, exp.DML):
            part = _with_those_before(cte.this, kept, with_)
            query = answer(replace(statement, tree=part, text=to_sql(part, session.wire)))
            if query is None:
                _check_unused(tree, cte)
                continue
            cte.set("this", query)
        kept.append(cte)
    if kept:
        with_.set("expressions", kept)
    else:
        tree.set("with_", None)
    return replace(statement, tree=tree, text=to_sql(tree, session.wire))


def _with_those_before(part: exp.Expr, before: Sequence[exp.CTE], with_: exp.With) -> exp.Expr:
    """A statement of its own, with what it may name."""
    part = part.copy()
    own = _ctes(part.args.get("with_"))
    named = {table.name for table in part.find_all(exp.Table)}
    if any(cte.alias in named for cte in before):
        every = [*(cte.copy() for cte in before), *own]
        part.set("with_", exp.With(expressions=every, recursive=with_.recursive))
    return part


def _check_seen(tree: exp.Expr, cte: exp.CTE) -> None:
    """Raises: DbError UNSUPPORTED if something else names the table that a change changes."""
    target = cte.this.this
    if isinstance(target, exp.Schema):
        target = target.this
    inside = {id(table) for table in cte.find_all(exp.Table)}
    names = {one.alias for one in _ctes(tree.args.get("with_"))}
    for table in tree.find_all(exp.Table):
        if id(table) in inside or table.name != target.name:
            continue
        if not table.db and table.name in names:
            continue  # a query of WITH hides the table
        if not table.db or not target.db or table.db == target.db:
            raise DbError(
                ErrorKind.UNSUPPORTED,
                f'table "{table.name}" is changed in WITH and named elsewhere in the statement',
                hint="use a transaction of several statements",
            )


def _check_unused(tree: exp.Expr, cte: exp.CTE) -> None:
    if any(table.name == cte.alias and not table.db for table in tree.find_all(exp.Table)):
        message = f'WITH query "{cte.alias}" does not have a RETURNING clause'
        raise DbError(ErrorKind.UNSUPPORTED, message)


def _literals(session: ClientSession, rows: Rows) -> exp.Query:
    try:
        batches = session.duck.gather(rows)
    finally:
        rows.close()
    if sum(batch.num_rows for batch in batches) > ROWS_MAX:
        raise DbError(
            ErrorKind.LIMIT_EXCEEDED,
            f"a change in WITH may return {ROWS_MAX} rows at most",
            hint="use a transaction of several statements",
        )
    return literal_rows(Rows(rows.columns, iter(batches)))


def _nothing(columns: Sequence[ResultColumn]) -> exp.Query:
    """A query without rows, of such columns."""
    values = [
        exp.alias_(cast_to(exp.null(), duckdb_name(one.type)), one.name, quoted=True)
        for one in columns
    ]
    return exp.select(*values).where(exp.false())
