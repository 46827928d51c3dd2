"""COLLATE in MySQL's comparisons: a collation that ends in `_ci` compares without case.

Called by plan.py for MySQL's sessions. Text is compared byte by byte elsewhere; a clause that names
such a collation compares both sides folded, without accents too unless it is an `_as_ci` one.
LIKE BINARY is LIKE: bytes are compared anyway.
Source: MySQL 8.4 reference, "Using COLLATE in SQL Statements", "Collation Naming Conventions".
"""

from __future__ import annotations

from sqlglot import exp

_COMPARISONS = (exp.EQ, exp.NEQ, exp.NullSafeEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Like)
_BYTES = (exp.DType.BINARY, exp.DType.VARBINARY)


def collated(tree: exp.Expr) -> exp.Expr:
    """Rewrites them in place.

    >>> from sqlglot import parse_one
    >>> collated(parse_one("SELECT a COLLATE utf8mb4_0900_as_ci = 'X'")).sql()
    "SELECT LOWER(a) = LOWER('X')"
    """
    for node in list(tree.find_all(exp.Collate, exp.Like)):
        if isinstance(node, exp.Like):
            _without_binary(node)
            continue
        name = node.expression.name.lower()
        outer = node.parent
        while isinstance(outer, exp.Paren):
            outer = outer.parent
        if not name.endswith("_ci") or outer is None:
            continue
        for side in _compared(outer):
            side.replace(_folded(side, accents=name.endswith("_as_ci")))
    return tree


def _compared(outer: exp.Expr) -> list[exp.Expr]:
    """What a comparison compares; none if the node compares nothing."""
    if isinstance(outer, _COMPARISONS):
        return [outer.this, outer.expression]
    if isinstance(outer, exp.In) and not outer.args.get("query"):
        return [outer.this, *outer.expressions]
    if isinstance(outer, exp.Between):
        return [outer.this, outer.args["low"], outer.args["high"]]
    return [outer.this] if isinstance(outer, exp.Ordered) else []


def _folded(side: exp.Expr, *, accents: bool) -> exp.Expr:
    bare = side.unnest()
    text = bare.this.copy() if isinstance(bare, exp.Collate) else side.copy()
    if not accents:
        text = exp.Anonymous(this="strip_accents", expressions=[text])
    return exp.Lower(this=text)


def _without_binary(node: exp.Like) -> None:
    for side in (node.this, node.expression):
        bare = side.unnest()
        if isinstance(bare, exp.Cast) and bare.to.this in _BYTES:
            side.replace(bare.this.copy())
