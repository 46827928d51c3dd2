"""SELECT, VALUES, set operations: plan (or find the plan), bind parameters, stream."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from engine.datatypes import DataType
from sql.decode.text import column_from_text
from sql.plan.cache import plan_key
from sql.plan.plan import QueryPlan, plan_query
from sql.results import Description, Result, Rows
from sql.settings import zone_of
from sql.statements.set_config import apply_set_config

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

QUERIES = (exp.Select, exp.SetOperation, exp.Subquery, exp.Values)


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Runs a query. Raises: DbError."""
    plan = plan_of(session, statement)
    apply_set_config(session, statement.tree, statement.text, parameters)
    if plan.is_constant:
        return _constant(session, plan, statement.text)
    values = bind(parameters, plan.parameter_types, session.timezone)
    return session.runner.query(plan, values, statement.text)


def describe(
    session: ClientSession, statement: ParsedStatement, declared: Sequence[DataType | None]
) -> Description:
    """Parameter types and columns. Raises: DbError."""
    plan = plan_of(session, statement, tuple(declared))
    if plan.learned.columns is None:
        plan.learned.columns = session.runner.describe(plan, statement.text)
    return Description(plan.parameter_types, plan.learned.columns, tag="SELECT")


def plan_of(
    session: ClientSession,
    statement: ParsedStatement,
    declared: tuple[DataType | None, ...] = (),
) -> QueryPlan:
    """The plan of a query, from the cache when nothing it depends on has changed."""
    context = session.plan_context(statement.text)
    cache = session.server.plans
    key = None
    if not session.catalog.changed_by(session.duck.cursor):
        key = plan_key(statement.text, context, session.catalog.version, declared)
    plan = cache.get(key)
    if plan is None:
        assert statement.tree is not None
        plan = plan_query(
            statement.tree,
            context,
            parameter_count=statement.parameter_count,
            declared=declared,
        )
        cache.put(key, plan)
    return plan


def bind(values: Sequence[object], types: Sequence[DataType], timezone: str) -> list[object]:
    """Parameter values as DuckDB shall see them: times without a zone are UTC there."""
    return [
        _bound(value, types[index] if index < len(types) else None, timezone)
        for index, value in enumerate(values)
    ]


def _bound(value: object, type_: DataType | None, timezone: str) -> object:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            if timezone == "UTC":
                return value
            value = value.replace(tzinfo=zone_of(timezone))
        return value.astimezone(UTC).replace(tzinfo=None)
    if isinstance(value, str) and type_ is not None and type_.is_timestamp:
        array = column_from_text(pa.array([value]), type_, timezone, column="parameter")
        return array.cast(pa.timestamp("us"), safe=False)[0].as_py()
    return value


def _constant(session: ClientSession, plan: QueryPlan, text: str) -> Rows:
    """A query of literals alone: its rows were made when it was first asked."""
    if plan.learned.constant is None:
        rows = session.runner.query(plan, (), text)
        try:
            plan.learned.constant = rows.columns, list(rows)
        finally:
            rows.close()
    columns, batches = plan.learned.constant
    return Rows(columns, iter(batches))
