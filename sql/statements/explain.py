"""EXPLAIN: our nodes above DuckDB's plan, as text or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from engine import datatypes
from engine.errors import DbError, ErrorKind
from sql.results import Result, ResultColumn, Rows
from sql.run.errors import strip_internal
from sql.session import Wire
from sql.statements.answers import table_rows
from sql.statements.plan_nodes import PlanNode, document, plan_nodes
from sql.statements.query import QUERIES, bind, inner_statement, plan_of

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Shows the plan of a query; ANALYZE runs it too. Raises: DbError."""
    tree = statement.tree
    assert tree is not None
    inner = tree.this
    if not isinstance(inner, QUERIES):
        raise DbError(ErrorKind.UNSUPPORTED, "EXPLAIN is supported for queries")
    analyze, is_json = bool(tree.args.get("analyze")), tree.args.get("format") == "JSON"
    options = [*(["ANALYZE"] if analyze else []), *(["FORMAT JSON"] if is_json else [])]
    plan = plan_of(session, inner_statement(session, statement, inner))
    values = bind(parameters, plan.parameter_types, session.timezone)
    prefix = f"EXPLAIN ({', '.join(options)})" if options else "EXPLAIN"
    rows, statistics = session.runner.explain(plan, values, statement.text, prefix)
    theirs = str(rows[-1][-1]) if rows else ""
    ours = plan_nodes(inner, plan, statistics, verbose=bool(tree.args.get("verbose")))
    if is_json:
        return _document(session.wire, document(ours, theirs))
    return _lines(session.wire, ours, strip_internal(theirs), analyze=analyze)


def _document(wire: Wire, text: str) -> Result:
    name = "EXPLAIN" if wire is Wire.MYSQL else "QUERY PLAN"
    batch = pa.RecordBatch.from_pydict({name: [text]})
    return Rows((ResultColumn(name, datatypes.JSON),), iter([batch]), tag="EXPLAIN")


def _lines(wire: Wire, ours: list[PlanNode], physical: str, *, analyze: bool) -> Result:
    logical = "\n".join(line for node in ours for line in node.lines()) or "no time-series scan"
    if wire is Wire.POSTGRES:
        lines = [line for line in (logical + "\n" + physical).splitlines() if line.strip()]
        return table_rows(pa.table({"QUERY PLAN": lines}), tag="EXPLAIN")
    if analyze:
        table = pa.table({"stage": ["0", "0"], "node": ["0", "0"], "plan": [logical, physical]})
    else:
        names = ["logical_plan", "physical_plan"]
        table = pa.table({"plan_type": names, "plan": [logical, physical]})
    return table_rows(table, tag="EXPLAIN")
