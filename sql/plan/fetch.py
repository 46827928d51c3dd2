"""FETCH FIRST … WITH TIES and PERCENT: refused, because DuckDB would leave the words out.

A rule of plan.py. Plain FETCH FIRST n ROWS is LIMIT n and needs nothing.
"""

from __future__ import annotations

from sqlglot import exp

from engine.errors import DbError, ErrorKind


def check_fetch(tree: exp.Expr) -> None:
    """Raises: DbError UNSUPPORTED for what would silently give other rows."""
    for node in tree.find_all(exp.Fetch):
        options = node.args.get("limit_options")
        if options is None:
            continue
        if options.args.get("with_ties"):
            raise DbError(
                ErrorKind.UNSUPPORTED,
                "FETCH FIRST … WITH TIES is not supported",
                hint="QUALIFY rank() OVER (ORDER BY …) <= n gives the same rows",
            )
        if options.args.get("percent"):
            raise DbError(ErrorKind.UNSUPPORTED, "FETCH FIRST … PERCENT is not supported")
