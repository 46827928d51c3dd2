"""Whether a query may read seconds and milliseconds as the microseconds DuckDB computes in.

Parquet's milliseconds are microseconds in DuckDB; a cast to the declared type, and the casts back
that date_trunc and comparisons then need, take a quarter of an aggregate over millions of rows.
They are left out where no one can tell the difference: the query only compares, truncates, sorts
and groups such columns, or gives them out as they are (results are typed by the catalog).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from engine.datatypes import TypeId
from sql.plan.tables import Reference

_COARSE = frozenset({TypeId.TIMESTAMP_SECOND, TypeId.TIMESTAMP_MILLISECOND})
_COMPARED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.Is)
_TRUNCATED = (exp.TimestampTrunc, exp.DateTrunc, exp.DateBin, exp.Extract)
_PLACED = (exp.Ordered, exp.Group)
_FUNCTIONS = frozenset({"time_bucket", "epoch", "epoch_ms", "epoch_us", "epoch_ns"})


def fine_scans(tree: exp.Expr, scans: Sequence[Reference]) -> frozenset[str]:
    """Placeholders of the scans whose coarse times may stay microseconds in `tree`, a query."""
    if not scans or not isinstance(tree, exp.Select):
        return frozenset()
    coarse = {
        reference.placeholder: {c.name for c in reference.table.columns if c.type.id in _COARSE}
        for reference in scans
    }
    wanted = set().union(*coarse.values())
    columns = list(tree.find_all(exp.Column))
    told = {node.name for node in columns if not _is_neutral(node, tree)}
    if any(not _is_counted(star) and star.parent is not tree for star in tree.find_all(exp.Star)):
        told |= wanted
    aliases = {reference.alias for reference in scans}
    if aliases & {node.name for node in columns} or _has_natural_join(tree):
        return frozenset()  # a whole row by its table's name
    return frozenset(place for place, names in coarse.items() if names and not names & told)


def _is_counted(star: exp.Star) -> bool:
    return isinstance(star.parent, exp.Count)


def _has_natural_join(tree: exp.Expr) -> bool:
    return any(j.args.get("using") or j.args.get("method") for j in tree.find_all(exp.Join))


def _is_neutral(node: exp.Expr, root: exp.Expr) -> bool:
    parent = node.parent
    while isinstance(parent, exp.Paren):
        node, parent = parent, parent.parent
    if isinstance(parent, exp.Alias):
        node, parent = parent, parent.parent
        return parent is root and node.arg_key == "expressions"
    if isinstance(parent, (*_COMPARED, *_TRUNCATED, *_PLACED)):
        return True
    if isinstance(parent, exp.In):
        return node.arg_key == "this" and not parent.args.get("query")
    if isinstance(parent, exp.Anonymous):
        return parent.name.lower() in _FUNCTIONS
    return parent is root and node.arg_key == "expressions"
