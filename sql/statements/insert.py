"""INSERT and REPLACE: literal VALUES by kernel, everything else as a query into the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.records import Column, Table
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.decode.assign import assign
from sql.decode.values import InsertHead, LiteralRows, match_insert, read_values, to_table
from sql.dialect.parser import parse
from sql.plan.plan import QueryPlan, plan_query, plan_statement
from sql.results import Affected, Description, Result
from sql.session import Wire
from sql.statements.conflict import check_conflict
from sql.statements.metric_engine import check_not_physical
from sql.statements.query import bind
from sql.statements.target import (
    columns_named,
    complete,
    insert_rows,
    writable,
)

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


@dataclass(frozen=True)
class FastInsert:
    """INSERT … VALUES of plain literals, already tokenised; stands for a parsed statement."""

    text: str
    head: InsertHead
    rows: LiteralRows
    tree: None = None
    parameter_count: int = 0
    is_empty: bool = False


def recognise(session: ClientSession, text: str) -> FastInsert | None:
    """The statement, if the whole request is one INSERT of plain literals."""
    head = match_insert(text, session.wire)
    if head is None:
        return None
    rows = read_values(text, head.start, session.wire)
    return FastInsert(text, head, rows) if rows is not None else None


def run_fast(session: ClientSession, statement: FastInsert) -> Result:
    """Inserts literal rows. Raises: DbError."""
    node = _table_node(statement.head.table)
    table = writable(session, node, statement.text)
    check_not_physical(table)
    columns = columns_named(table, statement.head.columns, statement.text)
    _check_count(len(columns), statement.rows.width)
    data = to_table(statement.rows, columns, session.timezone)
    with session.writing() as transaction:
        insert_rows(session, transaction, table, complete(session, table, columns, data))
    return Affected("INSERT", data.num_rows)


def _table_node(name: Sequence[str]) -> exp.Table:
    catalog, database, table = (*[""] * (3 - len(name)), *name)
    return exp.table_(table, database or None, catalog or None, quoted=True)


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Inserts the rows of any source. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, exp.Insert)
    table, columns = _target(session, tree, statement.text)
    plan = _plan_source(session, statement, tree, table, columns, ())
    values = bind(parameters, plan.parameter_types, session.timezone)
    with session.writing() as transaction:
        data = session.runner.table(plan, values, statement.text)
        _check_count(len(columns), data.num_columns)
        typed = pa.table(
            [assign(data.column(i), column, session.timezone) for i, column in enumerate(columns)],
            names=[column.name for column in columns],
        )
        rows = complete(session, table, columns, typed)
        if table.is_time_series:
            check_conflict(tree, table, columns)
        elif tree.args.get("conflict") or tree.args.get("returning"):
            return _insert_relational(session, statement, tree, table, rows)
        insert_rows(session, transaction, table, rows)
    return Affected("INSERT", rows.num_rows)


def describe(
    session: ClientSession, statement: ParsedStatement, declared: Sequence[DataType | None]
) -> Description:
    """Parameter types from the target columns; columns only with RETURNING."""
    tree = statement.tree
    assert isinstance(tree, exp.Insert)
    table, columns = _target(session, tree, statement.text)
    plan = _plan_source(session, statement, tree, table, columns, declared)
    returned = None
    if tree.args.get("returning"):
        select = exp.select(*[e.copy() for e in tree.args["returning"].expressions])
        target = tree.find(exp.Table)
        assert target is not None
        select = select.from_(target.copy())
        shape = plan_query(select, session.plan_context(statement.text))
        returned = session.runner.describe(shape, statement.text)
    return Description(plan.parameter_types, returned, tag="INSERT")


def _target(
    session: ClientSession, tree: exp.Insert, text: str
) -> tuple[Table, tuple[Column, ...]]:
    into = tree.this
    names = None
    if isinstance(into, exp.Schema):
        names = [identifier.name for identifier in into.expressions]
        into = into.this
    assert isinstance(into, exp.Table)
    table = writable(session, into, text)
    check_not_physical(table)
    return table, columns_named(table, names, text)


def _plan_source(
    session: ClientSession,
    statement: ParsedStatement,
    tree: exp.Insert,
    table: Table,
    columns: tuple[Column, ...],
    declared: Sequence[DataType | None],
) -> QueryPlan:
    source = tree.expression
    if source is None or tree.args.get("default"):
        source = _default_row(columns)
    if isinstance(source, exp.Values):
        source = _fill_defaults(source, columns)
    with_ = tree.args.get("with_")
    if with_ is not None:
        source = source.copy()
        source.set("with_", with_.copy())
    return plan_query(
        source,
        session.plan_context(statement.text),
        parameter_count=statement.parameter_count,
        declared=declared,
        target=(table, [column.name for column in columns]),
    )


def _default_row(columns: tuple[Column, ...]) -> exp.Expr:
    """DEFAULT VALUES: one row of the columns' defaults."""
    return exp.select(*[_default_of(column) for column in columns])


def _fill_defaults(values: exp.Values, columns: tuple[Column, ...]) -> exp.Values:
    """Replaces the word DEFAULT by the column's default."""
    values = values.copy()
    for row in values.expressions:
        items = row.expressions if isinstance(row, exp.Tuple) else [row]
        if len(items) != len(columns):
            _check_count(len(columns), len(items))
        for item, column in zip(list(items), columns, strict=True):
            if _is_default_word(item):
                item.replace(_default_of(column))
    return values


def _is_default_word(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column | exp.Var) and node.name.upper() == "DEFAULT"


def _default_of(column: Column) -> exp.Expr:
    if column.default is None:
        return exp.null()
    parsed = parse(f"SELECT {column.default}", Wire.HTTP)[0].tree
    assert isinstance(parsed, exp.Select)
    value: exp.Expr = parsed.expressions[0]
    return value


def _check_count(columns: int, values: int) -> None:
    if columns != values:
        raise DbError(
            ErrorKind.COLUMN_COUNT,
            f"column count mismatch, columns: {columns}, values: {values}",
        )


def _insert_relational(
    session: ClientSession,
    statement: ParsedStatement,
    tree: exp.Insert,
    table: Table,
    rows: pa.Table,
) -> Result:
    """ON CONFLICT and RETURNING, which DuckDB does for its own tables."""
    transaction = session.transaction
    assert transaction is not None
    transaction.change_store()
    name = session.duck.register(rows)
    try:
        changed = tree.copy()
        changed.set("with_", None)
        changed.set("expression", exp.select("*").from_(exp.table_(name, quoted=True)))
        changed.set("this", changed.find(exp.Table))
        plan = plan_statement(changed, session.plan_context(statement.text))
        if tree.args.get("returning"):
            return session.runner.collect(plan, (), statement.text, tag="INSERT")
        counted = session.runner.run(plan, (), statement.text)
        return Affected("INSERT", int(counted[0][0]) if counted else 0)
    finally:
        session.duck.unregister([name])
