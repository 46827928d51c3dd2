"""Walking and copying trees, which is half of the time that planning takes, made quick.

The library walks through three generators per node and copies positions deeply. What is put in
their place here does the same in the same order (tests/sql/dialect/test_walking.py compares them).
The nodes of the tree searched last are kept by class until any tree is changed: the planner's rules
ask one tree for some classes after another, and most find nothing.
Installed by sql/dialect/core.py, before any tree is made; it never changes what a tree means.
Requires: trees are changed by the library's methods (`set`, `append`, `replace`), not by `args`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlglot import exp

Prune = Callable[[exp.Expr], bool]
_REPLACED = ("bfs", "find_all", "__deepcopy__", "set", "append")
# The library's own, for comparison.
PLAIN = {name: getattr(exp.Expression, name) for name in _REPLACED}
_Node = exp.Expr  # a name nearer than an attribute
_new = exp.Expression.__new__
_set, _append = PLAIN["set"], PLAIN["append"]


_KEPT_NODES_MAX = 20_000  # larger trees are mostly data, and take memory

_ByClass = dict[type[exp.Expr], list[tuple[int, exp.Expr]]]  # nodes with their places in the walk
# The tree searched last and what is in it. One for all threads: a change by any forgets it.
_found: tuple[exp.Expr, _ByClass] | None = None


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
    """The nodes of some classes, as they are when it is called if `self` is a whole tree."""
    if not bfs:
        return (node for node in self.dfs() if isinstance(node, kinds))
    if self.parent is not None:
        return _below(self, kinds)
    found = _found
    by_class = found[1] if found is not None and found[0] is self else _noted(self)
    lists = [nodes for cls, nodes in by_class.items() if issubclass(cls, kinds)]
    if not lists:
        return iter(())
    if len(lists) == 1:
        return iter([node for _, node in lists[0]])
    return iter([node for _, node in sorted(chain(*lists), key=itemgetter(0))])


def _below(top: exp.Expr, kinds: tuple[type[exp.Expr], ...]) -> Iterator[exp.Expr]:
    queue = deque((top,))
    while queue:
        node = queue.popleft()
        if isinstance(node, kinds):
            yield node
        for value in node.args.values():
            if isinstance(value, list):
                queue.extend([part for part in value if isinstance(part, exp.Expr)])
            elif isinstance(value, exp.Expr):
                queue.append(value)


def _noted(root: exp.Expr) -> _ByClass:
    """Walks a tree and keeps what is found."""
    global _found
    by_class: _ByClass = {}
    nodes = [root]
    for place, node in enumerate(nodes):  # which grows
        cls = node.__class__
        if cls in by_class:
            by_class[cls].append((place, node))
        else:
            by_class[cls] = [(place, node)]
        for value in node.args.values():
            if isinstance(value, _Node):
                nodes.append(value)
            elif value.__class__ is list:
                nodes += [part for part in value if isinstance(part, _Node)]
    if len(nodes) <= _KEPT_NODES_MAX:
        _found = root, by_class
    return by_class


def set_(
    self: exp.Expr, arg_key: str, value: object, index: int | None = None, overwrite: bool = True
) -> None:
    """The library's own, which is how trees change."""
    global _found
    _found = None
    _set(self, arg_key, value, index, overwrite)


def append(self: exp.Expr, arg_key: str, value: object) -> None:
    """The library's own, which is how trees change."""
    global _found
    _found = None
    _append(self, arg_key, value)


def deepcopy(self: exp.Expr, _memo: Any) -> exp.Expr:
    """A copy of a tree, with notes on nodes (`meta`) copied as far as their own values."""
    root = _bare(self, None, None, None)
    stack = [(self, root)]
    while stack:
        node, copy = stack.pop()
        args = copy.args
        for name, value in node.args.items():
            if isinstance(value, exp.Expr):
                made = args[name] = _bare(value, copy, name, None)
                stack.append((value, made))
            elif value.__class__ is list:
                args[name] = _copied(value, copy, name, stack)
            else:
                args[name] = value
    return root


def _copied(
    values: list[Any], parent: exp.Expr, name: str, stack: list[tuple[exp.Expr, exp.Expr]]
) -> list[Any]:
    """A list of children, to be filled by whoever works on `stack`."""
    made: list[Any] = []
    for value in values:
        if isinstance(value, exp.Expr):
            child = _bare(value, parent, name, len(made))
            stack.append((value, child))
            made.append(child)
        else:
            made.append(value)
    return made


def _bare(node: exp.Expr, parent: exp.Expr | None, name: str | None, index: int | None) -> exp.Expr:
    """A node of the same class without children, in its place below `parent`."""
    made = _new(node.__class__)
    made.args = {}
    made.parent = parent
    made.arg_key = name
    made.index = index
    made.comments = None if node.comments is None else list(node.comments)
    made._type = None if node._type is None else node._type.copy()
    made._meta = None if node._meta is None else dict(node._meta)
    made._hash = None
    return made


def install() -> None:
    """Puts the functions in the library's place."""
    for name, function in zip(_REPLACED, (bfs, find_all, deepcopy, set_, append), strict=True):
        setattr(exp.Expression, name, function)
