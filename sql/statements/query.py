"""SELECT, VALUES, set operations: plan (or find the plan), bind parameters, stream."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from engine.datatypes import TIMESTAMP_MICROSECOND, DataType, TypeId
from engine.errors import DbError, ErrorKind
from engine.named import Named
from sql.decode.text import column_from_text
from sql.dialect.dialects import to_sql
from sql.dialect.parser import ParsedStatement, parse
from sql.named.read import read
from sql.plan.array_depths import deepened
from sql.plan.cache import Key, Unliftable, plan_key
from sql.plan.context import PlanContext
from sql.plan.lifting import Lifted
from sql.plan.named_types import domain_parameters
from sql.plan.plan import QueryPlan, plan_query
from sql.plan.whole_rows import has_no_list
from sql.plan.wide_numeric import is_wide, widened
from sql.results import Description, Notice, Result, Rows, Severity
from sql.run.at_hand import is_candidate
from sql.sequences import may_call
from sql.session import Wire
from sql.settings import zone_of
from sql.statements.set_config import apply_calls

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_PLAIN_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?")
_LIMIT = "sql_select_limit"
QUERIES = (exp.Select, exp.SetOperation, exp.Subquery, exp.Values)
_LIFTED = (*QUERIES, exp.Update, exp.Delete)
_OF_VALUES = ("0A", "22", "42")  # classes of SQLSTATE: not supported, data, names and types
Handler = Callable[["ClientSession", ParsedStatement, Sequence[object]], Result]


@dataclass(frozen=True)
class LiftedQuery(ParsedStatement):
    """A query, UPDATE or DELETE whose literals were lifted into parameters (sql/plan/lifting.py).

    `text` is what the client wrote; `tree` and `form` have parameters in place of `values`.
    """

    form: str = ""
    values: tuple[object, ...] = ()


def recognise(session: ClientSession, text: str) -> LiftedQuery | None:
    """The request as a lifted query, UPDATE or DELETE, if it is one."""
    lifted = session.instant.lift(text)
    if lifted is None:
        return None
    cache = session.server.plans.lifted
    known = cache.get((lifted.text, session.wire))
    if known is None:
        known = _parse_lifted(session, lifted)
        cache.put((lifted.text, session.wire), known)
    if isinstance(known, Unliftable):
        return None
    return LiftedQuery(text, known.tree, form=lifted.text, values=lifted.values)


def _parse_lifted(session: ClientSession, lifted: Lifted) -> ParsedStatement | Unliftable:
    try:
        statements = parse(lifted.text, session.wire)
    except DbError:
        return Unliftable()
    alone = len(statements) == 1 and statements[0].parameter_count == len(lifted.values)
    return statements[0] if alone and isinstance(statements[0].tree, _LIFTED) else Unliftable()


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Runs a query. Raises: DbError."""
    try:
        rows = locked_rows(session, statement, parameters) or _run(session, statement, parameters)
    except DbError as error:
        if session.wire is not Wire.MYSQL or error.kind not in _OF_TYPES:
            raise
        rows = _run_loosely(session, statement, parameters, error)
    if session.settings.shown.limited:
        return _limited(session, statement, rows)
    if session.wire is Wire.POSTGRES and has_no_list(statement.tree):
        batches = (batch.select([]) for batch in rows)
        return Rows((), batches, tag=rows.tag, on_close=rows.close)
    return rows


def locked_rows(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Rows | None:
    """The rows of a query that locks them (FOR UPDATE …), None for other queries."""
    from sql.statements.row_locking import has_locks, run_locking

    return run_locking(session, statement, parameters) if has_locks(statement.tree) else None


def _run_loosely(
    session: ClientSession,
    statement: ParsedStatement,
    parameters: Sequence[object],
    refused: DbError,
) -> Rows:
    """Once more, with MySQL's conversions of whatever has no certain type. Raises: `refused`."""
    session.duck.check()
    loose = replace(statement, text=_LOOSELY + statement.text)  # plans are known by their texts
    try:
        return _run(session, loose, parameters, loosely=True)
    except DbError as error:
        if error.kind is ErrorKind.CANCELLED or error.kind is ErrorKind.TIMEOUT:
            raise
        raise refused from error


_LOOSELY = "/* loosely */ "
_OF_TYPES = frozenset(
    {
        *(ErrorKind.UNDEFINED_FUNCTION, ErrorKind.INVALID_TEXT, ErrorKind.INVALID_DATETIME),
        *(ErrorKind.DATATYPE_MISMATCH, ErrorKind.DATETIME_OVERFLOW),
    }
)


def _run(
    session: ClientSession,
    statement: ParsedStatement,
    parameters: Sequence[object],
    *,
    loosely: bool = False,
) -> Rows:
    plan = plan_of(session, statement, loosely=loosely)
    for warning in plan.warnings:
        session.notice(Notice(warning, Severity.WARNING, "22007", 1292))
    if any(isinstance(value, list) for value in parameters):
        types = deepened(plan.parameter_types, parameters)
        if types != plan.parameter_types:
            plan = plan_of(session, statement, types, loosely=loosely)
    if session.wire is Wire.POSTGRES and any(v is None or is_wide(v) for v in parameters):
        types = widened(statement.tree, plan.parameter_types, parameters)
        if types != plan.parameter_types:
            plan = plan_of(session, statement, types)
    apply_calls(session, statement.tree, statement.text, parameters)
    if plan.is_constant and not plan.warnings and not may_call(statement.text):
        return _constant(session, plan, statement)
    values = bind(parameters, plan.parameter_types, session.timezone)
    rows = session.runner.query(plan, values, statement.text)
    if is_candidate(plan) and not plan.session_bound:
        session.instant.remember(statement, plan)
    return rows


def state_of(session: ClientSession) -> Key:
    """What a session's plans, and what it may do, depend on beside texts."""
    return (
        session.catalog.state(session.duck.cursor),
        session.temporary.state,
        session.database,
        session.settings.shown,
        session.role,
    )


def _limited(session: ClientSession, statement: ParsedStatement, rows: Rows) -> Rows:
    """At most sql_select_limit rows of a query without a LIMIT of its own: JDBC's setMaxRows."""
    limit = session.settings.get(_LIMIT)
    own = statement.tree is not None and statement.tree.args.get("limit") is not None
    return rows if own or not limit.isdigit() else rows.first(int(limit))


def run_lifted(session: ClientSession, statement: LiftedQuery, run_: Handler) -> Result:
    """Runs a lifted statement; as it was written if that fails. Raises: DbError."""
    try:
        return run_(session, _form(statement), statement.values)
    except DbError as error:
        session.duck.check()  # a cancelled statement is not run again
        # Nor one that may have failed while it wrote: what is wrong with its values is told before.
        if (
            not isinstance(statement.tree, QUERIES)
            and error.kind.codes.sqlstate[:2] not in _OF_VALUES
        ):
            raise
        session.server.plans.lifted.put((statement.form, session.wire), Unliftable())
    if session.transaction is not None:
        session.transaction.recover()
    return run_(session, parse(statement.text, session.wire)[0], ())


def _form(statement: LiftedQuery) -> ParsedStatement:
    return ParsedStatement(statement.form, statement.tree, 0, len(statement.values))


def describe(
    session: ClientSession, statement: ParsedStatement, declared: Sequence[DataType | None]
) -> Description:
    """Parameter types and columns. Raises: DbError."""
    plan = plan_of(session, statement, tuple(declared))
    if plan.learned.columns is None:
        plan.learned.columns = session.runner.describe(plan, statement.text)
    bare = session.wire is Wire.POSTGRES and has_no_list(statement.tree)
    columns = () if bare else plan.learned.columns
    domains: dict[int, int] = {}
    if session.wire is Wire.POSTGRES and statement.parameter_count and statement.tree is not None:
        domains = domain_parameters(statement.tree, session.plan_context().type_named)
    return Description(plan.parameter_types, columns, tag="SELECT", domains=domains)


def plan_of(
    session: ClientSession,
    statement: ParsedStatement,
    declared: tuple[DataType | None, ...] = (),
    *,
    loosely: bool = False,
) -> QueryPlan:
    """The plan of a query, from the cache when nothing it depends on has changed."""
    declared = declared or statement.declared
    text = statement.text, declared
    state = state_of(session)
    if (recent := session.recent_plans.get(text, state)) is not None:
        return recent
    context = session.plan_context(statement.text)
    if loosely:
        context = replace(context, loosely=True)
    cache = session.server.plans
    key = key_of(session, statement.text, context, declared)
    plan = cache.get(key)
    if plan is None:
        assert statement.tree is not None
        plan = plan_query(
            statement.tree,
            context,
            parameter_count=statement.parameter_count,
            declared=declared,
            shown=True,
        )
        cache.put(key, plan)
    if key is not None and not plan.session_bound:
        session.recent_plans.put(text, state, plan)
    return plan


def key_of(
    session: ClientSession,
    text: str,
    context: PlanContext,
    declared: tuple[DataType | None, ...] = (),
) -> Key | None:
    """What a plan of the text depends on; None if it is the session's alone, or not to be kept."""
    if may_call(text):
        return None
    state = session.catalog.state(session.duck.cursor), session.temporary.state
    return plan_key(text, context, state, declared)


def bind(values: Sequence[object], types: Sequence[DataType], timezone: str) -> list[object]:
    """Parameter values as DuckDB shall see them: times without a zone are UTC there."""
    if len(values) < len(types):
        raise DbError(ErrorKind.UNDEFINED_PARAMETER, f"there is no parameter ${len(values) + 1}")
    return [
        _bound(value, types[index] if index < len(types) else None, timezone)
        for index, value in enumerate(values)
    ]


def _bound(value: object, type_: DataType | None, timezone: str) -> object:
    if type_ is not None and type_.innermost.named is not None:
        return _named(value, type_.innermost.named, timezone)
    if isinstance(value, datetime):
        wall = type_ is not None and type_.wall
        if value.tzinfo is None:
            if timezone == "UTC" or wall:
                return value
            value = value.replace(tzinfo=zone_of(timezone))
        return value.astimezone(zone_of(timezone) if wall else UTC).replace(tzinfo=None)
    if isinstance(value, str | int) and type_ is not None and type_.is_timestamp:
        return _timestamp(str(value), type_, timezone)
    if isinstance(value, str) and type_ is not None and type_.id is TypeId.TIMESTAMP_TZ:
        if type_.wall:
            return _on_wall(_timestamp(value, TIMESTAMP_MICROSECOND, timezone), timezone)
        return value if timezone == "UTC" else _timestamp(value, TIMESTAMP_MICROSECOND, timezone)
    return value


def _named(value: object, named: Named, timezone: str) -> object:
    """Texts (in lists) as their type prints them; what is none, as text."""
    if isinstance(value, list):
        return [_named(item, named, timezone) for item in value]
    return None if value is None else read(named, str(value), timezone)


def _on_wall(moment: object, timezone: str) -> object:
    """What the session's clock shows at a moment of UTC; infinities stay."""
    if not isinstance(moment, datetime):
        return moment
    return moment.replace(tzinfo=UTC).astimezone(zone_of(timezone)).replace(tzinfo=None)


def _timestamp(text: str, type_: DataType, timezone: str) -> object:
    """A moment as a parameter; nanoseconds as text, which Python's datetime cannot hold."""
    if timezone == "UTC" and type_.unit != "ns" and _PLAIN_MOMENT.fullmatch(text):
        with contextlib.suppress(ValueError):  # a day that no month has: told below
            return datetime.fromisoformat(text)
    if (word := text.strip().lower()) in ("infinity", "-infinity"):
        return word
    if type_.unit == "ms" and ":" in text:
        type_ = replace(
            TIMESTAMP_MICROSECOND, wall=type_.wall
        )  # compared as it is, not rounded to the column's unit
    array = column_from_text(pa.array([text]), type_, timezone, column="parameter")
    if type_.unit == "ns":
        return array.cast(pa.string())[0].as_py()
    try:
        return array.cast(pa.timestamp("us"))[0].as_py()
    except (ValueError, OverflowError, pa.ArrowInvalid) as error:
        message = f'timestamp out of range: "{text}"'
        raise DbError(ErrorKind.DATETIME_OVERFLOW, message) from error


def _constant(session: ClientSession, plan: QueryPlan, statement: ParsedStatement) -> Rows:
    """A query of literals alone: its rows were made when it was first asked."""
    if plan.learned.constant is None:
        rows = session.runner.query(plan, (), statement.text)
        try:
            plan.learned.constant = rows.columns, list(rows)
        finally:
            rows.close()
    if not plan.session_bound and "set_config" not in statement.text.lower():
        session.instant.remember(statement, plan)
    columns, batches = plan.learned.constant
    return Rows(columns, iter(batches))


def inner_statement(
    session: ClientSession, outer: ParsedStatement, tree: exp.Expr
) -> ParsedStatement:
    """A query inside another statement (EXPLAIN, DECLARE, COPY), as one of its own."""
    return replace(outer, tree=tree, text=to_sql(tree, session.wire))
