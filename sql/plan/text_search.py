"""The planning rule of tsvector and tsquery, before names are resolved: which columns are of these.

Called by plan.py, ahead of the rule of function calls, for which `@@` is a search for one term.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from catalog.records import Table
from sql.functions.rewrites.text_search import search_operators
from sql.plan.scopes import Scopes
from sql.plan.typed import inferred_type

_SIGNS = (exp.DPipe, exp.ArrayOverlaps, exp.Distance, exp.Length)


def text_search(tree: exp.Expr, known: Callable[[exp.Table], Table | None]) -> exp.Expr:
    """Rewrites in place; `known` gives the record of a table node, None for what is no table."""
    if not _may_search(tree):
        return tree
    found = ((id(table), known(table)) for table in tree.find_all(exp.Table))
    scopes = Scopes({key: record for key, record in found if record is not None})
    return search_operators(tree, lambda node: inferred_type(scopes, node))


def _may_search(tree: exp.Expr) -> bool:
    calls = (node.name.lower() for node in tree.find_all(exp.Anonymous))
    return (
        any(name in ("matches_term", "length") for name in calls) or tree.find(*_SIGNS) is not None
    )
