"""COLLATE in MySQL's queries: the store's collation in its place.

Called by plan.py for MySQL's sessions; columns that were declared with a collation have it anyway.
LIKE BINARY is LIKE by bytes. Source: MySQL 8.4 reference, "Using COLLATE in SQL Statements".
"""

from __future__ import annotations

from sqlglot import exp

from sql.collations import query_collation
from sql.dialect.pieces import IN_STORE, store_collated

_BYTES = (exp.DType.BINARY, exp.DType.VARBINARY)


def collated(tree: exp.Expr) -> exp.Expr:
    """Rewrites them in place.

    >>> from sqlglot import parse_one
    >>> collated(parse_one("SELECT a COLLATE utf8mb4_0900_as_ci = 'X'")).sql()
    "SELECT a COLLATE nocase = 'X'"
    """
    for node in list(tree.find_all(exp.Collate, exp.Like)):
        if isinstance(node, exp.Like):
            _without_binary(node)
        elif not node.meta.get(IN_STORE):
            node.replace(store_collated(node.this, query_collation(node.expression.name)))
    return tree


def _without_binary(node: exp.Like) -> None:
    for side in (node.this, node.expression):
        bare = side.unnest()
        if isinstance(bare, exp.Cast) and bare.to.this in _BYTES:
            side.replace(store_collated(bare.this, query_collation("binary")))
