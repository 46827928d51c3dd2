"""DELETE: time-series rows by tombstones for their identity, relational rows by DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.records import Table
from engine.api import Op
from engine.errors import DbError, ErrorKind
from sql.partition.route import writes_of
from sql.plan.plan import plan_query, plan_statement
from sql.results import Affected, Result
from sql.statements.query import bind
from sql.statements.target import identity_columns, writable

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Deletes the rows that match. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, exp.Delete)
    table = writable(session, target_of(tree), statement.text)
    if not table.is_time_series:
        return run_relational(session, statement, parameters, tag="DELETE")
    refuse_returning(tree)
    plan = plan_query(
        matching(tree, table, identity_columns(table)),
        session.plan_context(statement.text),
        parameter_count=statement.parameter_count,
    )
    values = bind(parameters, plan.parameter_types, session.timezone)
    with session.writing() as transaction:
        found = session.runner.table(plan, values, statement.text)
        keys = keys_of(table, found)
        session.apply(transaction, writes_of(table, Op.DELETE, keys))
    return Affected("DELETE", found.num_rows)


def target_of(tree: exp.Expr) -> exp.Table:
    """The table an UPDATE or DELETE names."""
    node = tree.this
    if not isinstance(node, exp.Table):
        raise DbError(ErrorKind.UNSUPPORTED, "rows can be changed in one named table at a time")
    return node


def refuse_returning(tree: exp.Expr) -> None:
    """Time-series tables answer with counts only."""
    if tree.args.get("returning"):
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "RETURNING is not supported on time-series tables",
            hint="select the rows in the same transaction instead",
        )


def matching(tree: exp.Expr, table: Table, names: Sequence[str]) -> exp.Select:
    """The query for the target rows an UPDATE or DELETE means, each once."""
    target = target_of(tree)
    alias = target.alias_or_name
    columns = [exp.column(name, table=alias, quoted=True) for name in names]
    select = exp.select(*columns).from_(target.copy())
    others = tree.args.get("using") or []
    from_ = tree.args.get("from_")
    if from_ is not None:
        others = [from_.this]
    for other in others:
        select = select.join(other.copy(), join_type="cross")
    where = tree.args.get("where")
    if where is not None:
        select.set("where", where.copy())
    if others:
        select.set("distinct", exp.Distinct())
    with_ = tree.args.get("with_")
    if with_ is not None:
        select.set("with_", with_.copy())
    return select


def keys_of(table: Table, found: pa.Table) -> pa.Table:
    """The found identity columns with the region's own Arrow types."""
    fields = []
    for name in identity_columns(table):
        column = table.column(name)
        assert column is not None
        fields.append(pa.field(name, column.type.arrow, column.nullable))
    return found.select([field.name for field in fields]).cast(pa.schema(fields))


def run_relational(
    session: ClientSession,
    statement: ParsedStatement,
    parameters: Sequence[object],
    *,
    tag: str,
) -> Result:
    """Lets DuckDB change its own table. Raises: DbError."""
    assert statement.tree is not None
    plan = plan_statement(
        statement.tree,
        session.plan_context(statement.text),
        parameter_count=statement.parameter_count,
    )
    values = bind(parameters, plan.parameter_types, session.timezone)
    with session.writing() as transaction:
        transaction.change_store()
        if statement.tree.args.get("returning"):
            return session.runner.collect(plan, values, statement.text, tag=tag)
        counted = session.runner.run(plan, values, statement.text)
    return Affected(tag, int(counted[0][0]) if counted else 0)
