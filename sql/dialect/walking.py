"""Walking and copying trees, which is half of the time that planning takes, made quick.

The library walks through three generators per node and copies positions deeply. What is put in
their place here does the same in the same order (tests/sql/dialect/test_walking.py compares them).
Installed by sql/dialect/core.py, before any tree is made; it never changes what a tree means.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from sqlglot import exp

Prune = Callable[[exp.Expr], bool]
# The library's own, for comparison.
PLAIN = {name: getattr(exp.Expression, name) for name in ("bfs", "find_all", "__deepcopy__")}


def bfs(self: exp.Expr, prune: Prune | None = None) -> Iterator[exp.Expr]:
    """The nodes, breadth first. Children are looked up after their parent was given out."""
    queue = deque((self,))
    while queue:
        node = queue.popleft()
        yield node
        if prune is None or not prune(node):
            for value in node.args.values():
                if isinstance(value, list):
                    queue.extend([part for part in value if isinstance(part, exp.Expr)])
                elif isinstance(value, exp.Expr):
                    queue.append(value)


def find_all(self: exp.Expr, *kinds: type[exp.Expr], bfs: bool = True) -> Iterator[exp.Expr]:
    """The nodes of some classes."""
    if not bfs:
        yield from (node for node in self.dfs() if isinstance(node, kinds))
        return
    queue = deque((self,))
    while queue:
        node = queue.popleft()
        if isinstance(node, kinds):
            yield node
        for value in node.args.values():
            if isinstance(value, list):
                queue.extend([part for part in value if isinstance(part, exp.Expr)])
            elif isinstance(value, exp.Expr):
                queue.append(value)


def deepcopy(self: exp.Expr, _memo: Any) -> exp.Expr:
    """A copy of a tree, with notes on nodes (`meta`) copied as far as their own values."""
    root = _bare(self)
    stack = [(self, root)]
    while stack:
        node, copy = stack.pop()
        for name, value in node.args.items():
            if isinstance(value, exp.Expr):
                made = _bare(value)
                _attach(made, copy, name, None)
                copy.args[name] = made
                stack.append((value, made))
            elif isinstance(value, list):
                copy.args[name] = _copied(value, copy, name, stack)
            else:
                copy.args[name] = value
    return root


def _copied(
    values: list[Any], parent: exp.Expr, name: str, stack: list[tuple[exp.Expr, exp.Expr]]
) -> list[Any]:
    """A list of children, to be filled by whoever works on `stack`."""
    made: list[Any] = []
    for value in values:
        if isinstance(value, exp.Expr):
            child = _bare(value)
            _attach(child, parent, name, len(made))
            stack.append((value, child))
            made.append(child)
        else:
            made.append(value)
    return made


def _bare(node: exp.Expr) -> exp.Expr:
    """A node of the same class without children."""
    made = node.__class__()
    if node.comments is not None:
        made.comments = list(node.comments)
    if node._type is not None:
        made._type = node._type.copy()
    if node._meta is not None:
        made._meta = dict(node._meta)
    return made


def _attach(child: exp.Expr, parent: exp.Expr, name: str, index: int | None) -> None:
    child.parent = parent
    child.arg_key = name
    child.index = index


def install() -> None:
    """Puts the functions in the library's place."""
    for name, function in (("bfs", bfs), ("find_all", find_all), ("__deepcopy__", deepcopy)):
        setattr(exp.Expression, name, function)
