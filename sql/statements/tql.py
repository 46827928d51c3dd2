"""TQL EVAL, EXPLAIN and ANALYZE: PromQL as statements of SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING

import pyarrow as pa

from engine import datatypes as dt
from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.promql.check import check
from sql.promql.outline import outline
from sql.promql.parser import parse
from sql.promql.source_tables import metrics
from sql.promql.tql import Evaluated, bounds_of, catalogue_of, run_tql, selectors
from sql.results import Description, Notice, Result, ResultColumn, Severity
from sql.statements.answers import table_rows

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

_FORMATS = ("TEXT", "JSON")


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Runs a TQL statement. Raises: DbError."""
    node = statement.tree
    assert isinstance(node, nodes.Tql)
    verb = str(node.this)
    shown = node.args.get("format")
    if shown is not None and shown not in _FORMATS:
        message = f"TQL cannot show plans in the format {shown}"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message, hint="TEXT and JSON are known")
    session.duck.settle()
    if verb == "EXPLAIN":
        return table_rows(_explained(session, node), tag="EXPLAIN")
    started = perf_counter()
    evaluated = run_tql(session, node)
    for warning in evaluated.warnings:
        session.notice(Notice(warning, Severity.WARNING, sqlstate="01000"))
    if verb == "ANALYZE":
        seconds = perf_counter() - started
        return table_rows(_analyzed(node, evaluated, seconds), tag="EXPLAIN")
    return table_rows(evaluated.table, tag="SELECT")


def describe(session: ClientSession, node: nodes.Tql) -> Description:
    """The columns of a TQL. Those of TQL EVAL depend on labels that only its evaluation knows."""
    if str(node.this) == "EXPLAIN":
        names = ("plan_type", "plan")
        columns = tuple(ResultColumn(name, dt.STRING) for name in names)
        return Description((), columns, tag="EXPLAIN")
    if str(node.this) == "ANALYZE":
        types = (("stage", dt.INT64), ("node", dt.INT64), ("plan", dt.STRING))
        columns = tuple(ResultColumn(name, type_) for name, type_ in types)
        return Description((), columns, tag="EXPLAIN")
    rows = table_rows(run_tql(session, node).table, tag="SELECT")
    rows.close()
    return Description((), rows.columns, tag="SELECT")


def _explained(session: ClientSession, node: nodes.Tql) -> pa.Table:
    tree = parse(node.args["text"])
    check(tree)
    catalogue = catalogue_of(session)
    scans = []
    for selector in selectors(tree):
        found = metrics(selector.matchers, catalogue)
        scans += [f"RegionScan: {m.table.database}.{m.table.name}" for m in found]
    bounds = bounds_of(session, node)
    head = (
        f"PromQL: from {bounds.start} to {bounds.end} every {bounds.step} ms, "
        f"lookback {bounds.lookback} ms"
    )
    plans = [_shown(node, [head, *outline(tree)]), _shown(node, scans or ["nothing to scan"])]
    return pa.table({"plan_type": ["logical_plan", "physical_plan"], "plan": plans})


def _analyzed(node: nodes.Tql, evaluated: Evaluated, seconds: float) -> pa.Table:
    bounds = evaluated.bounds
    total = (
        f"PromQL: from {bounds.start} to {bounds.end} every {bounds.step} ms, "
        f"rows: {evaluated.table.num_rows}, milliseconds: {seconds * 1000:.3f}"
    )
    scans = [
        f"RegionScan: {metric.table.database}.{metric.table.name}, rows read: {rows}"
        for metric, rows in evaluated.read
    ]
    stages = [_shown(node, [total, *outline(evaluated.tree)]), _shown(node, scans or ["no scan"])]
    return pa.table({"stage": [0, 1], "node": [0, 0], "plan": stages})


def _shown(node: nodes.Tql, lines: Sequence[str]) -> str:
    """Lines as they are, or as a JSON list of what stands where."""
    if node.args.get("format") == "JSON":
        steps = [{"depth": (len(s) - len(s.lstrip())) // 2, "step": s.strip()} for s in lines]
        return json.dumps(steps, ensure_ascii=False)
    return "\n".join(lines)
