"""Time-series clauses of every SELECT in a tree, as plain SQL: the first planning rule.

RANGE … ALIGN, SAMPLE BY, LATEST ON, gap-filling buckets, ASOF and LT joins. Afterwards the tree
is free of those nodes. plan.py calls this for queries, tables.py for the queries of views.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from catalog.records import Table
from sql.plan.asof import rewrite_asof
from sql.plan.gapfill import rewrite_gapfill
from sql.plan.latest_on import rewrite_latest_on
from sql.plan.range_align import rewrite_range
from sql.plan.sample_by import rewrite_sample_by
from sql.session import Wire

Resolve = Callable[[exp.Table], Table | None]


def rewrite_time_series(tree: exp.Expr, resolve: Resolve, timezone: str, wire: Wire) -> exp.Expr:
    """Rewrites every query in a tree, innermost first; the argument may be changed.

    `resolve` gives the table a name stands for (None: unknown, or the name of a CTE). `timezone`
    is the session's. Raises: DbError.
    """
    selects = list(tree.find_all(exp.Select))
    for select in reversed(selects):  # breadth first, so the reverse meets inner ones first
        rewritten = _rewrite(select, resolve, timezone, wire)
        if rewritten is select:
            continue
        if select is tree:
            tree = rewritten
        else:
            select.replace(rewritten)
    return tree


def _rewrite(select: exp.Select, resolve: Resolve, timezone: str, wire: Wire) -> exp.Expr:
    asof = rewrite_asof(select, resolve)
    latest = rewrite_latest_on(asof, resolve)
    sampled = rewrite_sample_by(latest, resolve, timezone, wire)
    filled = rewrite_gapfill(sampled, resolve, timezone, wire)
    return rewrite_range(filled, resolve, timezone)
