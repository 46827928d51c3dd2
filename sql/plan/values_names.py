"""Names of the columns of VALUES in FROM: `column1`, `column2`, … as PostgreSQL has them.

Called by sql/plan/plan.py. DuckDB would count from `col0`.
"""

from __future__ import annotations

from sqlglot import exp


def name_values(tree: exp.Expr) -> exp.Expr:
    """Names the columns of each VALUES that is read from and has none, in place."""
    for node in list(tree.find_all(exp.Values)):
        holder: exp.Expr = node
        if isinstance(node.parent, exp.Subquery) and not node.args.get("alias"):
            holder = node.parent
        if not isinstance(holder.parent, exp.From | exp.Join):
            continue
        alias = holder.args.get("alias")
        rows = node.expressions
        if (alias is not None and alias.columns) or not isinstance(rows[0], exp.Tuple):
            continue
        names = [exp.to_identifier(f"column{i}") for i in range(1, len(rows[0].expressions) + 1)]
        table = alias.this if alias is not None else exp.to_identifier("values", quoted=True)
        holder.set("alias", exp.TableAlias(this=table, columns=names))
    return tree
