"""UPDATE and MERGE. Time-series rows are read, changed and written; a changed key moves them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.records import Column, Table
from engine.api import Op
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.decode.assign import assign
from sql.partition.route import writes_of
from sql.plan.plan import plan_query, plan_statement
from sql.results import Affected, Description, Result
from sql.statements.delete import (
    keys_of,
    matching,
    refuse_returning,
    run_relational,
    target_of,
)
from sql.statements.query import bind
from sql.statements.target import columns_named, complete, identity_columns, writable

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

_OLD = "__old_{}"


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Updates the rows that match. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, exp.Update)
    table = writable(session, target_of(tree), statement.text)
    if not table.is_time_series:
        return run_relational(session, statement, parameters, tag="UPDATE")
    refuse_returning(tree)
    return _run_time_series(session, statement, tree, table, parameters)


def run_merge(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """MERGE INTO a relational table. Raises: DbError UNSUPPORTED for time-series ones."""
    tree = statement.tree
    assert isinstance(tree, exp.Merge)
    table = writable(session, target_of(tree), statement.text)
    if table.is_time_series:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "MERGE into a time-series table is not supported",
            hint="INSERT replaces rows with the same tags and time",
        )
    return run_relational(session, statement, parameters, tag="MERGE")


def describe(
    session: ClientSession, statement: ParsedStatement, declared: Sequence[DataType | None]
) -> Description:
    """Parameter types of UPDATE, DELETE and MERGE."""
    tree = statement.tree
    assert tree is not None
    writable(session, target_of(tree), statement.text)
    context = session.plan_context(statement.text)
    plan = plan_statement(
        tree, context, parameter_count=statement.parameter_count, declared=declared
    )
    columns = None
    if tree.args.get("returning"):
        select = exp.select(*[e.copy() for e in tree.args["returning"].expressions])
        shape = plan_query(select.from_(target_of(tree).copy()), context)
        columns = session.runner.describe(shape, statement.text)
    return Description(plan.parameter_types, columns, tag=tree.key.upper())


def _run_time_series(
    session: ClientSession,
    statement: ParsedStatement,
    tree: exp.Update,
    table: Table,
    parameters: Sequence[object],
) -> Result:
    changes = _assignments(table, tree, statement.text)
    identity = identity_columns(table)
    # A put alone would leave the old value where the new one is NULL, if rows may be partial.
    moves = table.append_mode or table.keeps_non_null or any(n in identity for n in changes)
    plan = plan_query(
        _select(tree, table, changes, identity if moves else ()),
        session.plan_context(statement.text),
        parameter_count=statement.parameter_count,
    )
    values = bind(parameters, plan.parameter_types, session.timezone)
    with session.writing() as transaction:
        found = session.runner.table(plan, values, statement.text)
        count = len(table.columns)
        typed = [
            assign(found.column(i), column, session.timezone)
            for i, column in enumerate(table.columns)
        ]
        rows = complete(session, table, table.columns, pa.table(typed, names=_names(table.columns)))
        writes = writes_of(table, Op.PUT, rows)
        if moves:
            old = found.select(range(count, found.num_columns)).rename_columns(list(identity))
            # A row that moves to another partition leaves the old one in the same log record.
            writes = writes_of(table, Op.DELETE, keys_of(table, old)) + writes
        session.apply(transaction, writes)
    return Affected("UPDATE", found.num_rows)


def _names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def _assignments(table: Table, tree: exp.Update, text: str) -> dict[str, exp.Expr]:
    changes: dict[str, exp.Expr] = {}
    for item in tree.expressions:
        if not isinstance(item, exp.EQ) or not isinstance(item.this, exp.Column):
            raise DbError(ErrorKind.UNSUPPORTED, "only SET column = expression is supported here")
        changes[item.this.name] = item.expression
    columns_named(table, list(changes), text)
    return changes


def _select(
    tree: exp.Update,
    table: Table,
    changes: dict[str, exp.Expr],
    identity: Sequence[str],
) -> exp.Select:
    """New values of every column, then the old identity (`__old_n`)."""
    select = matching(tree, table, [column.name for column in table.columns])
    alias = target_of(tree).alias_or_name
    projections: list[exp.Expr] = [
        exp.alias_(changes[c.name].copy(), c.name, quoted=True)
        if c.name in changes
        else exp.column(c.name, table=alias, quoted=True)
        for c in table.columns
    ]
    projections += [
        exp.alias_(exp.column(name, table=alias, quoted=True), _OLD.format(i), quoted=True)
        for i, name in enumerate(identity)
    ]
    select.set("expressions", projections)
    return select
