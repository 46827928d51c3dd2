"""Intervals as text in PostgreSQL's spelling: `3 mons` and `-1 days +02:00:00`, not DuckDB's.

Called by sql/plan/plan.py for every wire but MySQL's, once types are known. Only what is certain to
be an interval is rewritten; in a row DuckDB's spelling stays. Never looks at a setting:
the text is that of the style `postgres`.
https://www.postgresql.org/docs/15/datatype-datetime.html#DATATYPE-INTERVAL-OUTPUT
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from engine.datatypes import DataType, TypeId
from sql.dialect.pieces import composed

Infer = Callable[[exp.Expr], DataType | None]

# DuckDB writes `months`, one of each kind without an s, and no plus sign after a negative part.
_SPELLED = (
    "regexp_replace(regexp_replace(replace(CAST({x} AS VARCHAR), 'month', 'mon'),"
    " '-1 (year|mon|day)\\b', '-1 \\1s', 'g'), '(-\\d+ [a-z]+) (\\d)', '\\1 +\\2', 'g')"
)
_JOINED = frozenset({"concat", "concat_ws"})


def interval_texts(tree: exp.Expr, infer: Infer) -> exp.Expr:
    """Rewrites casts to text and what joins texts, in place; returns the tree."""
    for node in reversed(list(tree.find_all(exp.Cast, exp.DPipe, exp.Anonymous))):
        for item in _shown(node):
            held = infer(item)
            if held is not None and held.id is TypeId.INTERVAL:
                item.replace(spelled_interval(item))
    return tree


def spelled_interval(value: exp.Expr) -> exp.Expr:
    """The text of an interval."""
    return composed(_SPELLED, x=value)


def _shown(node: exp.Expr) -> list[exp.Expr]:
    """The operands that the node turns into text."""
    if isinstance(node, exp.Cast):
        return [node.this] if node.to.is_type(*exp.DataType.TEXT_TYPES) else []
    if isinstance(node, exp.DPipe):
        return [node.left, node.right]
    return list(node.expressions) if node.name.lower() in _JOINED else []
