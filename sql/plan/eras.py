"""Years before Christ in literals and texts: PostgreSQL's `0044-03-15 BC`, DuckDB's `… (BC)`.

Called by plan.py for PostgreSQL's wire and by cast_literals.py. Without this DuckDB would read such
a moment as one after Christ.
https://www.postgresql.org/docs/15/datatype-datetime.html
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from engine.datatypes import DataType, TypeId
from sql.dialect.pieces import composed

_BC = re.compile(r"\s*(\d{1,6}-\d\d?-\d\d?)(?:[T\s]\s*(\d.*?))?\s+BC\s*", re.IGNORECASE)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_SHOWN = (
    "CASE WHEN {x} < DATE '0001-01-01' AND CAST({x} AS VARCHAR) <> '-infinity' THEN"
    " concat(replace(CAST({x} AS VARCHAR), ' (BC)', ''), ' BC') ELSE CAST({x} AS VARCHAR) END"
)


def before_christ(text: str) -> str | None:
    """The text as DuckDB reads it; None if it says no such time.

    >>> before_christ("0044-03-15 12:00:00+01 BC"), before_christ("0044-03-15 bc")
    ('0044-03-15 (BC) 12:00:00+01', '0044-03-15 (BC)')
    """
    found = _BC.fullmatch(text)
    return None if found is None else f"{found[1]} (BC) {found[2] or ''}".rstrip()


def eras(tree: exp.Expr, infer: Callable[[exp.Expr], DataType | None]) -> exp.Expr:
    """Rewrites literals beside dates, and what shows dates and times as text, in place."""
    for node in reversed(list(tree.find_all(exp.Cast, *_COMPARISONS))):
        if not isinstance(node, exp.Cast):
            _read(node, infer)
        elif node.to.is_type(*exp.DataType.TEXT_TYPES) and _has_era(infer(node.this)):
            node.replace(composed(_SHOWN, x=node.this))
    return tree


def _read(node: exp.Expr, infer: Callable[[exp.Expr], DataType | None]) -> None:
    for literal, other in ((node.this, node.expression), (node.expression, node.this)):
        text = before_christ(literal.name) if literal.is_string else None
        if text is not None and _has_era(infer(other)):
            literal.set("this", text)


def _has_era(type_: DataType | None) -> bool:
    if type_ is None:
        return False
    return type_.is_timestamp or type_.id in (TypeId.DATE, TypeId.TIMESTAMP_TZ)
