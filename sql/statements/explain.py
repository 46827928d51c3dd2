"""EXPLAIN: our scans above DuckDB's plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.errors import DbError, ErrorKind
from sql.plan.plan import QueryPlan
from sql.results import Result
from sql.run.errors import strip_internal
from sql.run.scan import ScanStatistics
from sql.session import Wire
from sql.statements.answers import table_rows
from sql.statements.query import QUERIES, bind, plan_of

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
    analyze = bool(tree.args.get("analyze"))
    plan = plan_of(session, session.inner_statement(statement, inner))
    values = bind(parameters, plan.parameter_types, session.timezone)
    prefix = "EXPLAIN ANALYZE" if analyze else "EXPLAIN"
    rows, statistics = session.runner.explain(plan, values, statement.text, prefix)
    physical = strip_internal(str(rows[-1][-1])) if rows else ""
    ours = _scans(plan, statistics)
    if session.wire is Wire.POSTGRES:
        lines = [line for line in (ours + "\n" + physical).splitlines() if line.strip()]
        return table_rows(pa.table({"QUERY PLAN": lines}), tag="EXPLAIN")
    if analyze:
        table = pa.table({"stage": ["0", "0"], "node": ["0", "0"], "plan": [ours, physical]})
    else:
        table = pa.table({"plan_type": ["logical_plan", "physical_plan"], "plan": [ours, physical]})
    return table_rows(table, tag="EXPLAIN")


def _scans(plan: QueryPlan, statistics: ScanStatistics) -> str:
    """One line per time-series scan: which table, what range, how much is read."""
    if not plan.scans:
        return "no time-series scan"
    lines = []
    for reference in plan.scans:
        bounds = [b for b in plan.bounds if b.placeholder == reference.placeholder]
        ends = {("from" if bound.is_start else "to") for bound in bounds}
        pruned = f", time range bounded {' and '.join(sorted(ends))}" if ends else ""
        name = f"{reference.table.database}.{reference.table.name}"
        tags = ", ".join(dict.fromkeys(key.column for key in reference.keys))
        pruned += f", by tags: {tags}" if tags else ""
        texts = ", ".join(sorted({a.column for t in reference.texts for s in t for a in s}))
        pruned += f", by texts: {texts}" if texts else ""
        pruned += ", newest rows only" if reference.latest is not None else ""
        lines.append(f"RegionScan: {name} as {reference.alias}{pruned}")
    if plan.front is not None:
        which = "last" if plan.front.descending else "first"
        lines.append(f"  run over the {which} part of the time first; here over all of it")
    if statistics.regions + statistics.regions_pruned > len(plan.scans):
        lines.append(
            f"  partitions: {statistics.regions}, partitions pruned: {statistics.regions_pruned}"
        )
    lines.append(
        f"  files: {statistics.files}, rows in files: {statistics.stored_rows}, "
        f"rows in memory: {statistics.memory_rows}, rows selected: {statistics.selected_rows}"
    )
    lines.append(
        f"  files considered: {statistics.files_considered}, outside the time range: "
        f"{statistics.pruned_by_time}, without the tags: {statistics.pruned_by_keys}, "
        f"served from memory: {statistics.served}, bytes of files read: {statistics.bytes}"
    )
    if statistics.searched:
        lines.append(
            f"  text indexes asked: {statistics.searched}, blocks: {statistics.blocks}, "
            f"blocks pruned: {statistics.blocks - statistics.blocks_read}"
        )
    if statistics.newest:
        lines.append("  the newest row of each series was known")
    return "\n".join(lines)
