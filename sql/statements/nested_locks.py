"""Locking clauses in sub-queries: `UPDATE … WHERE id = (SELECT … FOR UPDATE SKIP LOCKED LIMIT 1)`.

Called by sql/execute.py before a statement that may hold one is run. The sub-query is run first,
its rows are locked, and they take its place. One that reads the row outside of it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql.dialect.dialects import to_sql
from sql.dialect.parser import ParsedStatement
from sql.results import Result, ResultColumn, Rows
from sql.statements.query import Handler
from sql.statements.row_locking import has_locks, run_locking
from sql.types import duckdb_name

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_CLAUSE = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+|KEY\s+)?(?:UPDATE|SHARE)\b", re.IGNORECASE)
_REFUSED = (TypeId.BINARY, TypeId.LIST, TypeId.STRUCT, TypeId.MAP)


def locking(handler: Handler) -> Handler:
    """The handler of statements, told the rows of sub-queries that lock them."""

    def run(
        session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
    ) -> Result:
        tree = statement.tree
        if tree is None or not _CLAUSE.search(statement.text) or not _inner(tree):
            return handler(session, statement, parameters)
        tree = tree.copy()
        for node in _inner(tree):
            node.replace(_locked(session, statement, node, parameters))
        settled = replace(statement, tree=tree, text=to_sql(tree, session.wire))
        return handler(session, settled, parameters)

    return run


def _inner(tree: exp.Expr) -> list[exp.Select]:
    return [node for node in tree.find_all(exp.Select) if node is not tree and has_locks(node)]


def _locked(
    session: ClientSession,
    statement: ParsedStatement,
    node: exp.Select,
    parameters: Sequence[object],
) -> exp.Expr:
    text = to_sql(node, session.wire)
    try:
        rows = run_locking(session, replace(statement, tree=node, text=text), parameters)
    except DbError as error:
        if error.kind not in (ErrorKind.UNDEFINED_COLUMN, ErrorKind.UNDEFINED_TABLE):
            raise
        message = "rows of a sub-query cannot be locked if it reads what is outside of it"
        raise DbError(ErrorKind.UNSUPPORTED, message, detail=error.message) from error
    if rows is None:
        node.set("locks", None)
        return node
    return literal_rows(rows)


def literal_rows(rows: Rows) -> exp.Select:
    """The rows as a query of literals. Raises: DbError UNSUPPORTED for types that have none."""
    nothing = _line([None] * len(rows.columns), rows.columns)  # refuses before any row is read
    lines = [
        _line(line, rows.columns)
        for batch in rows
        for line in zip(*(_texts(array) for array in batch.columns), strict=True)
    ]
    names = exp.TableAlias(
        this=exp.to_identifier("locked"),
        columns=[exp.to_identifier(column.name, quoted=True) for column in rows.columns],
    )
    select = exp.select("*").from_(exp.Values(expressions=lines or [nothing], alias=names))
    return select if lines else select.where(exp.false())


def _line(values: Sequence[str | None], columns: Sequence[ResultColumn]) -> exp.Tuple:
    return exp.Tuple(
        expressions=[_literal(value, one) for value, one in zip(values, columns, strict=True)]
    )


def _texts(array: pa.Array) -> list[str | None]:
    found: list[str | None] = array.cast(pa.string()).to_pylist()
    return found


def _literal(value: str | None, column: ResultColumn) -> exp.Expr:
    if column.type.id in _REFUSED:
        message = f'column "{column.name}": values of its type cannot be carried into the statement'
        raise DbError(ErrorKind.UNSUPPORTED, message)
    kind = exp.DataType.build(duckdb_name(column.type), dialect="duckdb")
    return exp.cast(exp.null() if value is None else exp.Literal.string(value), kind)
