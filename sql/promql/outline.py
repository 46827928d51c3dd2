"""A PromQL tree as indented lines, one per node: what TQL EXPLAIN shows.

Called by sql/statements/tql.py. Pure.
"""

from __future__ import annotations

from sql.promql.tree import (
    Aggregate,
    Binary,
    Call,
    DurationCall,
    MatrixSelector,
    Node,
    Number,
    Subquery,
    Text,
    Unary,
    VectorSelector,
    unwrap,
)


def outline(tree: Node, depth: int = 1) -> list[str]:
    """The node's line and those of what it is made of, two spaces further in each."""
    tree = unwrap(tree)
    lines = ["  " * depth + _title(tree)]
    for part in _parts(tree):
        lines += outline(part, depth + 1)
    return lines


def _parts(node: Node) -> tuple[Node, ...]:
    if isinstance(node, MatrixSelector):
        return (node.selector,)
    if isinstance(node, Subquery | Unary):
        return (node.inner,)
    if isinstance(node, Aggregate):
        return (node.inner,) if node.parameter is None else (node.parameter, node.inner)
    if isinstance(node, Binary):
        return (node.left, node.right)
    if isinstance(node, Call | DurationCall):
        return node.arguments
    return ()


def _title(node: Node) -> str:
    if isinstance(node, Number):
        return f"Number: {node.value:g}"
    if isinstance(node, Text):
        return f"Text: {node.value!r}"
    if isinstance(node, VectorSelector):
        matchers = ", ".join(f'{m.name}{m.op.value}"{m.value}"' for m in node.matchers)
        return f"Selector: {{{matchers}}}"
    if isinstance(node, Aggregate):
        how = " without" if node.without else " by"
        return f"Aggregate: {node.op}{how} ({', '.join(node.labels)})"
    if isinstance(node, Binary):
        return _binary_title(node)
    if isinstance(node, Unary):
        return f"Unary: {node.op}"
    if isinstance(node, Call | DurationCall):
        return f"Call: {node.name}"
    return type(node).__name__


def _binary_title(node: Binary) -> str:
    matching = node.matching
    how = " bool" if node.boolean else ""
    if matching.on or matching.labels:
        how += f" {'on' if matching.on else 'ignoring'} ({', '.join(matching.labels)})"
    if matching.group:
        how += f" group_{matching.group} ({', '.join(matching.include)})"
    return f"Operation: {node.op}{how}"
