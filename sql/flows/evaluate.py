"""One evaluation of a flow: its query over what changed, and the rows put into its sink."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.flows import Flow
from catalog.records import Table
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.decode.assign import assign
from sql.dialect import nodes
from sql.dialect.parser import parse
from sql.flows.ledger import Range
from sql.flows.narrow import narrowed
from sql.flows.shape import kept_type, named, shape_of, tables_named
from sql.plan.plan import plan_query
from sql.plan.tables import find_table
from sql.promql.parser import parse as parse_promql
from sql.promql.source_tables import Metric, metrics
from sql.promql.tql import catalogue_of, run_tql, selectors
from sql.results import ResultColumn
from sql.session import Wire
from sql.statements.target import complete, insert_rows
from sql.types import from_arrow

if TYPE_CHECKING:
    from sql.client_session import ClientSession

UPDATED = "update_at"  # when a row of a sink was computed
PLACEHOLDER = "__ts_placeholder"  # the time index of a sink whose rows have no time


def query_tree(flow: Flow) -> exp.Expr:
    """The flow's query. Raises: DbError SYNTAX."""
    tree = parse(flow.query, Wire(flow.dialect))[0].tree
    assert tree is not None, "a stored flow has a query"
    return tree


def sources_of(session: ClientSession, tree: exp.Expr) -> list[Table]:
    """The tables a flow's query reads. Raises: DbError UNDEFINED_TABLE."""
    context = session.plan_context()
    found = [find_table(node, context) for node in tables_named(tree)]
    for tql in tree.find_all(nodes.Tql):
        catalogue = catalogue_of(session)
        for selector in selectors(parse_promql(tql.args["text"])):
            for metric in metrics(selector.matchers, catalogue):
                _check_field(metric)
                found.append(metric.table)
    return list({table.id: table for table in found}.values())


def _check_field(metric: Metric) -> None:
    """The columns of a sink do not change: which field is meant must be said."""
    if len(metric.fields) > 1:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f'a flow of TQL reads one field, "{metric.table.name}" has {len(metric.fields)}',
            hint="choose a field with {__field__=…}",
        )


def columns_of(
    session: ClientSession, tree: exp.Expr, source: Table | None
) -> tuple[ResultColumn, ...]:
    """The columns a flow's query gives. Raises: DbError."""
    if isinstance(tree, nodes.Tql):
        schema = run_tql(session, tree).table.schema
        return tuple(ResultColumn(f.name, from_arrow(f.type)) for f in schema)
    plan = plan_query(named(tree, source), session.plan_context())
    found = session.runner.describe(plan, "")
    return tuple(replace(c, type=kept_type(tree, at, c.type, source)) for at, c in enumerate(found))


@dataclass(frozen=True)
class Evaluation:
    """A task for a session of the flow's own; `ranges` are what changed."""

    flow: Flow
    ranges: Sequence[Range]
    writes: bool = True

    @property
    def text(self) -> str:
        """What process lists show."""
        return f"FLOW {self.flow.name}"

    def run(self, session: ClientSession) -> int:
        """Gives the number of rows put into the sink. Raises: DbError."""
        flow, tree = self.flow, query_tree(self.flow)
        sink = session.lookup(*flow.sink)
        if sink is None:
            raise DbError(
                ErrorKind.UNDEFINED_TABLE,
                f'the sink table "{flow.sink[0]}.{flow.sink[1]}" of flow "{flow.name}" is gone',
                hint="create it again, or drop the flow",
            )
        count = 0
        for columns, rows in self._answers(session, tree):
            if not self._is_there(session):  # dropped meanwhile
                break
            count += _put(session, sink, columns, rows)
        return count

    def _is_there(self, session: ClientSession) -> bool:
        flows = session.catalog.flows(session.duck.cursor)
        return any(flow.id == self.flow.id for flow in flows)

    def _answers(
        self, session: ClientSession, tree: exp.Expr
    ) -> Iterator[tuple[Sequence[str], pa.Table]]:
        if isinstance(tree, nodes.Tql):
            table = run_tql(session, tree).table
            yield table.column_names, table
            return
        sources = sources_of(session, tree)
        source = sources[0] if len(sources) == 1 else None
        shape = shape_of(tree, source)
        query = named(tree, source)
        if self.flow.windowed and shape.window is not None and source is not None:
            assert isinstance(query, exp.Select)
            for times in self.ranges:
                part = narrowed(session, query, shape.window, source, times)
                yield _rows(session, part)
        else:
            yield _rows(session, query)


def _rows(session: ClientSession, tree: exp.Expr) -> tuple[Sequence[str], pa.Table]:
    plan = plan_query(tree, session.plan_context())
    rows = session.runner.collect(plan, (), "", tag="SELECT")
    names = [column.name for column in rows.columns]
    batches = list(rows)
    if not batches:
        return names, pa.table({})
    return names, pa.Table.from_batches(batches).rename_columns(names)


def _put(session: ClientSession, sink: Table, names: Sequence[str], rows: pa.Table) -> int:
    """Writes the rows into the sink's columns of the same names, or places."""
    if not rows.num_rows:
        return 0
    names = names_in(sink, names)
    arrays, given = [], []
    for column in sink.columns:
        values = _values(session, column.name, column.type, sink, names, rows)
        if values is not None:
            given.append(column)
            arrays.append(assign(values, column, session.timezone))
    unknown = [name for name in names if sink.column(name) is None]
    if unknown:
        raise DbError(
            ErrorKind.UNDEFINED_COLUMN,
            f'the sink table "{sink.name}" has no column "{unknown[0]}"',
            hint="add it to the sink, or replace the flow",
        )
    data = pa.table(arrays, names=[column.name for column in given])
    with session.writing() as transaction:
        insert_rows(session, transaction, sink, complete(session, sink, given, data))
    count: int = rows.num_rows
    return count


def names_in(sink: Table, names: Sequence[str]) -> list[str]:
    """The sink's columns that the columns of an answer are for.

    Those of the same names; if some have none and there are as many as the sink has (but for those
    that we fill), those at the same places, as INSERT has it.
    """
    own = [column.name for column in sink.columns]
    if all(name in own for name in names):
        return list(names)
    rest = own[len(names) :]
    ours = all(name in (UPDATED, PLACEHOLDER) for name in rest)
    return own[: len(names)] if ours and len(names) <= len(own) else list(names)


def _values(
    session: ClientSession,
    name: str,
    kind: DataType,
    sink: Table,
    names: Sequence[str],
    rows: pa.Table,
) -> pa.Array | pa.ChunkedArray | None:
    """A column of the answer, or what stands for one that it does not have."""
    if name in names:
        return rows.column(list(names).index(name))
    if name == sink.time_index and kind.is_timestamp:
        return pa.repeat(pa.scalar(0, pa.int64()).cast(kind.arrow), rows.num_rows)
    if name == UPDATED and kind.is_timestamp:
        now = pa.scalar(session.server.clock.now_ms(), pa.timestamp("ms"))
        return pa.repeat(now, rows.num_rows)
    return None
