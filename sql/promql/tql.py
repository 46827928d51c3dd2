"""TQL: PromQL between two times as an Arrow table, for statements and common table expressions.

Called by sql/statements/tql.py and, while a plan is run, for `WITH c AS (TQL EVAL …)`. A table with
several fields is evaluated once for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.records import Table
from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from sql.decode.text import column_from_text
from sql.dialect import nodes
from sql.durations import parse_promql
from sql.plan.plan import plan_query
from sql.privileges import check_table, is_superuser, may_read
from sql.promql.answer import answer_table
from sql.promql.check import check
from sql.promql.model import Limits, Result
from sql.promql.parser import parse
from sql.promql.shape import Shape, shape_of
from sql.promql.source import TableSource
from sql.promql.source_tables import Catalogue, Metric, metrics
from sql.promql.tree import Node, Type, VectorSelector

if TYPE_CHECKING:
    from sql.client_session import ClientSession

LOOKBACK_MS = 300_000
_BARE_STEP_MS = 300_000  # of a TQL without bounds
POINTS_MAX = 10_000_000
_MOMENT = dt.TIMESTAMP_MILLISECOND
_MICROS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class Bounds:
    """When to evaluate, in milliseconds."""

    start: int
    end: int
    step: int
    lookback: int = LOOKBACK_MS


@dataclass(frozen=True)
class Evaluated:
    """A TQL's rows, and what making them took."""

    table: pa.Table
    tree: Node
    bounds: Bounds
    read: list[tuple[Metric, int]]
    warnings: tuple[str, ...]


def catalogue_of(session: ClientSession, database: str | None = None) -> Catalogue:
    """The tables of a session, by default of its current database.

    Naming one that the session's role may not read is ACCESS_DENIED; others do not show it.
    """

    def lookup(database: str, name: str) -> Table | None:
        table = session.lookup(database, name)
        if table is not None:
            check_table(session, table, "SELECT")
        return table

    def tables(database: str) -> list[Table]:
        found = session.catalog.tables(session.duck.cursor, database)
        if is_superuser(session):
            return list(found)
        return [table for table in found if may_read(session, table)]

    return Catalogue(database or session.database, lookup, tables, session.has_database)


def run_tql(session: ClientSession, node: nodes.Tql) -> Evaluated:
    """Evaluates a TQL's expression. Raises: DbError."""
    if session.transaction is not None:
        session.transaction.order.read((), (), more=True)
    bounds = bounds_of(session, node)
    tree = parse(node.args["text"])
    kind = check(tree)
    catalogue = catalogue_of(session)
    shape = shape_of(tree, lambda selector: metrics(selector.matchers, catalogue))
    source = TableSource(session.runner, catalogue)
    results = []
    for number in range(_rounds(tree, shape, catalogue)):
        source.field_number = number
        results.append(_evaluate(session, node.args["text"], kind, bounds, source))
    alias = node.args.get("alias")
    if alias is not None:
        if len(shape.fields) != 1:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f"AS {alias.name} names one column, the expression has {len(shape.fields)}",
                hint="choose a field with {__field__=…}",
            )
        shape = shape.aliased(alias.name)
    warnings = tuple(dict.fromkeys(w for result in results for w in result.warnings))
    return Evaluated(answer_table(results, shape, tree), tree, bounds, source.read, warnings)


def _evaluate(
    session: ClientSession, text: str, kind: Type, bounds: Bounds, source: TableSource
) -> Result:
    """A range evaluation; of a range vector, whose steps would overlap, the samples at the end."""
    from sql.promql.evaluate import evaluate  # its kernels are declared when first needed

    step = 0 if kind in (Type.MATRIX, Type.STRING) else bounds.step
    return evaluate(
        text,
        bounds.start,
        bounds.end,
        step,
        source,
        lookback_ms=bounds.lookback,
        limits=Limits(points=POINTS_MAX),
        check=session.duck.check,
    )


def _rounds(tree: Node, shape: Shape, catalogue: Catalogue) -> int:
    """How often to evaluate: once for each field of the tables that have several.

    Raises: DbError INVALID_ARGUMENT for tables of different numbers of fields, and where the
    number of series is chosen.
    """
    counts = {len(shape.fields)}
    for selector in selectors(tree):
        counts.update(len(metric.fields) for metric in metrics(selector.matchers, catalogue))
    several = counts - {1}
    if not several:
        return 1
    if len(several) > 1 or any(_chooses(node) for node in walk(tree)):
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            "the expression is not defined for tables with several fields",
            hint="choose a field with {__field__=…}",
        )
    return several.pop()


def _chooses(node: Node) -> bool:
    return getattr(node, "op", "") in ("topk", "bottomk", "count_values", "limitk", "limit_ratio")


def walk(tree: Node) -> list[Node]:
    """The node and all below it."""
    found = [tree]
    for value in vars(tree).values():
        if isinstance(value, Node):
            found += walk(value)
        elif isinstance(value, tuple):
            found += [inner for item in value if isinstance(item, Node) for inner in walk(item)]
    return found


def selectors(tree: Node) -> list[VectorSelector]:
    """The selectors of an expression."""
    return [node for node in walk(tree) if isinstance(node, VectorSelector)]


# --- Bounds ---------------------------------------------------------------------------------------


def bounds_of(session: ClientSession, node: nodes.Tql) -> Bounds:
    """What stands in the parentheses. Raises: DbError."""
    given = node.expressions
    if not given:
        return Bounds(0, 0, _BARE_STEP_MS)
    start, end = (_moment(session, one) for one in given[:2])
    step = _length(session, given[2])
    lookback = _length(session, given[3]) if len(given) > 3 else LOOKBACK_MS
    if end < start:
        raise DbError(ErrorKind.INVALID_ARGUMENT, "TQL's end is before its start")
    return Bounds(start, end, step, lookback)


def _moment(session: ClientSession, node: exp.Expr) -> int:
    """Seconds since 1970, a text of either kind, or an expression of SQL, in milliseconds."""
    value = _value(session, node)
    if isinstance(value, str):
        try:
            return round(float(value) * 1000)
        except ValueError:
            column = column_from_text(pa.array([value]), _MOMENT, session.timezone, column="time")
            return int(column.cast(pa.int64())[0].as_py())
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return round(float(value) * 1000)
    if isinstance(value, datetime | date):
        return int(pa.scalar(value).cast(pa.timestamp("ms")).value)
    # The difference of two times is one since 1970; other intervals are lengths, not times.
    between = isinstance(node.unnest(), exp.Sub)
    if isinstance(value, timedelta) and between:
        return int(value / timedelta(milliseconds=1))
    if isinstance(value, pa.MonthDayNano) and not value.months and between:
        return int(value.days * 86_400_000 + value.nanoseconds // 1_000_000)
    raise DbError(
        ErrorKind.INVALID_ARGUMENT,
        f"TQL cannot begin or end at {node.sql()}",
        hint="give a number of seconds, a timestamp or an expression of one",
    )


def _length(session: ClientSession, node: exp.Expr) -> int:
    """Seconds, a PromQL duration or an interval, in milliseconds."""
    value = _value(session, node)
    length = 0
    if isinstance(value, str):
        length = _text_length(value)
    elif isinstance(value, pa.MonthDayNano) and not value.months:
        length = value.days * 86_400_000 + value.nanoseconds // 1_000_000
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        length = round(float(value) * 1000)
    if length <= 0:
        raise DbError(
            ErrorKind.INVALID_ARGUMENT,
            f"{node.sql()} is no length for TQL",
            hint="write a duration like '30s' or '1h30m', or a number of seconds above 0",
        )
    return length


def _text_length(text: str) -> int:
    try:
        return round(float(text) * 1000)
    except ValueError:
        return parse_promql(text)


def _value(session: ClientSession, node: exp.Expr) -> object:
    """A literal's value, or the expression's as DuckDB computes it."""
    if isinstance(node, exp.Literal):
        return node.name if node.is_string else float(node.name)
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
        return -float(node.this.name)
    if isinstance(node, exp.Paren):
        return _value(session, node.this)
    if any(isinstance(part, exp.Column | exp.Subquery) for part in node.walk()):
        raise DbError(ErrorKind.SYNTAX, f"TQL's bounds are constant: {node.sql()} is not")
    plan = plan_query(exp.select(node.copy()), session.plan_context())
    rows = session.runner.table(plan, (), "TQL")
    return rows.column(0)[0].as_py()
