"""MySQL's SET items follow each other: a later one reads what an earlier one has assigned.

Called by the grammar of MySQL. Source: MySQL 8.4 reference, "UPDATE Statement" ("assignments are
generally evaluated from left to right").
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp


def in_turn(items: Sequence[exp.Expr], tables: Sequence[str]) -> None:
    """Puts assigned values in place of the columns, in place. `tables`: what the target is called.

    >>> from sqlglot import parse_one
    >>> tree = parse_one("UPDATE t SET a = 1, b = a + t.a")
    >>> in_turn(tree.expressions, ["t"])
    >>> tree.sql()
    'UPDATE t SET a = 1, b = (1) + (1)'
    """
    assigned: dict[str, exp.Expr] = {}
    for item in items:
        if not isinstance(item, exp.EQ) or not isinstance(item.this, exp.Column):
            return
        for column in list(item.expression.find_all(exp.Column)) if assigned else ():
            value = assigned.get(column.name.lower())
            if value is None or column.table not in ("", *tables) or _is_elsewhere(column, item):
                continue
            column.replace(exp.paren(value.copy()))
        if not isinstance(item.expression, exp.Column) or item.expression.name.upper() != "DEFAULT":
            assigned[item.this.name.lower()] = item.expression


def _is_elsewhere(column: exp.Column, item: exp.Expr) -> bool:
    """True in a sub-query, which has columns of its own, and in VALUES(a), the row that came."""
    node = column.parent
    while node is not None and node is not item:
        if isinstance(node, exp.Query):
            return True
        if isinstance(node, exp.Anonymous) and node.name.upper() == "VALUES":
            return True
        node = node.parent
    return False
