"""Forms of queries that only MySQL has, as DuckDB knows them: WITH ROLLUP, STRAIGHT_JOIN.

Called by plan.py for MySQL's sessions, together with loose_groups.py.
"""

from __future__ import annotations

from sqlglot import exp


def mysql_forms(tree: exp.Expr) -> exp.Expr:
    """Rewrites them in place.

    >>> from sqlglot import parse_one
    >>> tree = parse_one("SELECT a, sum(b) FROM t GROUP BY a WITH ROLLUP", dialect="mysql")
    >>> mysql_forms(tree).sql("duckdb")
    'SELECT a, SUM(b) FROM t GROUP BY ROLLUP (a)'
    """
    for node in tree.find_all(exp.Group, exp.Join):
        if isinstance(node, exp.Join):
            if node.kind == "STRAIGHT_JOIN":  # a hint about the order of reading
                node.set("kind", None)
        elif isinstance(node, exp.Group) and _is_with_rollup(node):
            keys = node.expressions
            node.set("expressions", [])
            node.set("rollup", [exp.Rollup(expressions=keys)])
    return tree


def _is_with_rollup(group: exp.Group) -> bool:
    rollups = group.args.get("rollup") or []
    return len(rollups) == 1 and not rollups[0].expressions and bool(group.expressions)
