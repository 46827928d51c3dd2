"""The nodes of a plan that are ours: what EXPLAIN shows above DuckDB's own.

Called by explain.py. A node is a name and facts; the text form has a line per node and its facts
below, the JSON form an object per node.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from sql.dialect import nodes
from sql.dialect.dialects import to_sql
from sql.plan.plan import QueryPlan
from sql.plan.tables import Reference
from sql.run.errors import strip_internal
from sql.run.scan import ScanStatistics
from sql.session import Wire

_WRAPPERS = frozenset({"RESULT_COLLECTOR", "EXPLAIN_ANALYZE"})
_FACTS = {  # attribute → how it is called
    "files": "files",
    "stored_rows": "rows in files",
    "memory_rows": "rows in memory",
    "selected_rows": "rows selected",
    "files_considered": "files considered",
    "pruned_by_time": "outside the time range",
    "pruned_by_keys": "without the tags",
    "served": "served from memory",
    "bytes": "bytes of files read",
}


@dataclass(frozen=True)
class PlanNode:
    """One node: `about` completes its name, `facts` are what was counted."""

    name: str
    about: str
    facts: dict[str, int | str]

    def lines(self) -> list[str]:
        """As text."""
        head = f"{self.name}: {self.about}" if self.about else self.name
        told = [f"{name}: {value}" for name, value in self.facts.items()]
        return [head, *("  " + ", ".join(told[at : at + 4]) for at in range(0, len(told), 4))]

    def document(self) -> dict[str, int | str]:
        """As JSON."""
        return {"Node Type": self.name, "About": self.about, **self.facts}


def plan_nodes(
    tree: exp.Expr, plan: QueryPlan, statistics: ScanStatistics, *, verbose: bool
) -> list[PlanNode]:
    """Our nodes of a query, outer ones first."""
    found = list(_clauses(tree))
    if plan.front is not None:
        which = "last" if plan.front.descending else "first"
        about = f"run over the {which} part of the time first; here over all of it"
        found.append(PlanNode("FrontOfTime", about, {}))
    for reference in plan.scans:
        counted = statistics.scans.get(reference.placeholder, ScanStatistics())
        found.append(_scan(plan, reference, counted, verbose=verbose))
    return found


def _clauses(tree: exp.Expr) -> Iterator[PlanNode]:
    """The time-series clauses, as they were written."""
    for select in tree.find_all(exp.Select):
        align = select.args.get("align")
        if align is not None:
            parts = [to_sql(align, Wire.HTTP)]
            parts += [to_sql(n, Wire.HTTP) for n in select.find_all(nodes.RangeAggregate)]
            yield PlanNode("RangeSelect", "; ".join(parts), {})
        for name, shown in (("sample_by", "SampleBy"), ("latest_on", "LatestOn")):
            clause = select.args.get(name)
            if clause is not None:
                yield PlanNode(shown, to_sql(clause, Wire.HTTP), {})


def _scan(
    plan: QueryPlan, reference: Reference, counted: ScanStatistics, *, verbose: bool
) -> PlanNode:
    facts: dict[str, int | str] = {shown: getattr(counted, n) for n, shown in _FACTS.items()}
    if counted.regions + counted.regions_pruned > 1:
        facts |= {"partitions": counted.regions, "partitions pruned": counted.regions_pruned}
    if counted.searched:
        facts["text indexes asked"] = counted.searched
        facts["blocks"] = counted.blocks
        facts["blocks pruned"] = counted.blocks - counted.blocks_read
    if verbose:
        facts["columns"] = " ".join(reference.columns)
    return PlanNode("SeriesScan", _about(plan, reference, counted), facts)


def _about(plan: QueryPlan, reference: Reference, counted: ScanStatistics) -> str:
    """Which table, and what of it is wanted."""
    parts = [f"{reference.table.database}.{reference.table.name} as {reference.alias}"]
    bounds = [b for b in plan.bounds if b.placeholder == reference.placeholder]
    ends = sorted({("from" if bound.is_start else "to") for bound in bounds})
    parts += [f"time range bounded {' and '.join(ends)}"] if ends else []
    tags = ", ".join(dict.fromkeys(key.column for key in reference.keys))
    parts += [f"by tags: {tags}"] if tags else []
    texts = ", ".join(sorted({a.column for t in reference.texts for s in t for a in s}))
    parts += [f"by texts: {texts}"] if texts else []
    parts += ["newest rows only"] if reference.latest is not None else []
    parts += ["the newest row of each series was known"] if counted.newest else []
    return ", ".join(parts)


def document(ours: list[PlanNode], theirs: str) -> str:
    """The whole plan in the form of PostgreSQL's `FORMAT JSON`."""
    parsed: Any = json.loads(strip_internal(theirs)) if theirs else []
    operators = parsed.get("operator", []) if isinstance(parsed, dict) else parsed
    plans = [part for operator in operators for part in _operators(operator)]
    made: dict[str, Any] = {"Plan": plans[0] if plans else {}}
    made["Gnomon Nodes"] = [node.document() for node in ours]
    return json.dumps([made], indent=2)


def _operators(node: dict[str, Any]) -> list[dict[str, Any]]:
    """DuckDB's operator in PostgreSQL's words; what only carries others is left out."""
    children = [part for child in node.get("children", []) for part in _operators(child)]
    name = str(node.get("type") or node.get("name", "")).strip()
    if name in _WRAPPERS:
        return children
    made: dict[str, Any] = {"Node Type": name.replace("_", " ").title()}
    if "intermediate_rows" in node:
        made["Actual Rows"] = node["intermediate_rows"]
        made["Actual Total Time"] = round(float(node.get("timing", 0)) * 1000, 3)
    made |= {str(key): value for key, value in node.get("extra_info", {}).items()}
    if children:
        made["Plans"] = children
    return [made]
