"""Pieces of DuckDB text that rules of the planner are written in, read once.

Called with texts of ours, which are few: reading one costs as much as reading a client's query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

import sqlglot
from sqlglot import exp

_KEPT = 1_000

IN_STORE = "in store"  # in the meta of a COLLATE that names one of DuckDB's own
SPELLING = "spelling"  # in a node's meta: a name as it was written, before it was folded
CALLED = "called"  # in a function's meta: the name that PostgreSQL's sessions call it by


def piece(text: str) -> exp.Expr:
    """The tree of a text; the caller's own, to be changed.

    >>> piece("a + 1").sql()
    'a + 1'
    """
    return _read(text).copy()


def composed(text: str, **parts: exp.Expr) -> exp.Expr:
    """The tree of a text with copies of other trees in place of its `{names}`.

    >>> composed("{x} * 2", x=exp.column("a")).sql()
    'a * 2'
    """
    tree = piece(text.format(**{name: f"__part_{name}" for name in parts}))
    for column in list(tree.find_all(exp.Column)):
        part = parts.get(column.name.removeprefix("__part_"))
        if part is None or not column.name.startswith("__part_"):
            continue
        if column is tree:
            return part.copy()
        column.replace(part.copy())
    return tree


def rewritten(
    tree: exp.Expr,
    kinds: tuple[type[exp.Expr], ...],
    make: Callable[[exp.Expr], exp.Expr | None],
) -> exp.Expr:
    """The tree, changed in place: nodes of these kinds become what `make` gives for them.

    Inner nodes come before those they stand in; one for which `make` gives None, or itself, stays.

    >>> tree = sqlglot.parse_one("a + b + c")
    >>> rewritten(tree, (exp.Add,), lambda node: exp.Sub(this=node.left, expression=node.right))
    Sub(
      this=Sub(
        this=Column(
          this=Identifier(this=a, quoted=False)),
        expression=Column(
          this=Identifier(this=b, quoted=False))),
      expression=Column(
        this=Identifier(this=c, quoted=False)))
    """
    for node in reversed(list(tree.find_all(*kinds))):
        made = make(node)
        if made is None or made is node:
            continue
        if node is tree:
            tree = made
        else:
            node.replace(made)
    return tree


def collation_of(properties: Iterable[str]) -> str:
    """The collation that what is said of a whole table or database names, empty if none is.

    >>> collation_of(["CHARSET utf8mb4", "COLLATE utf8mb4_general_ci"])
    'utf8mb4_general_ci'
    """
    said = (text.split() for text in properties)
    return next((words[-1].lower() for words in said if "COLLATE" in words), "")


def store_collated(node: exp.Expr, collation: str) -> exp.Collate:
    """A copy of the node that compares by one of DuckDB's collations, whatever it did before."""
    made = exp.Collate(this=node.copy(), expression=exp.var(collation))
    made.meta[IN_STORE] = True
    return made


def cast_to(node: exp.Expr, kind: str) -> exp.Expr:
    """A copy of the node as a DuckDB type; the node alone if it is cast to that type already.

    >>> cast_to(exp.column("a"), "TIMESTAMP_MS").sql("duckdb")
    'CAST(a AS TIMESTAMP_MS)'
    """
    return exp.cast(node, _type(kind), dialect="duckdb")


@lru_cache(_KEPT)
def _type(kind: str) -> exp.DataType:
    return exp.DataType.build(kind, dialect="duckdb")


@lru_cache(_KEPT)
def _read(text: str) -> exp.Expr:
    tree: exp.Expr = sqlglot.parse_one(text, dialect="duckdb")
    return tree


def written(definition: exp.ColumnDef) -> str:
    """A column's name in the case its definition was written in, empty if that is its name."""
    return str(definition.this.meta.get(SPELLING, ""))


def prefixes(parts: Sequence[exp.Expr]) -> tuple[int, ...]:
    """How many characters of each part of MySQL's keys count, 0 for all; empty if all do of all."""
    found = [part.find(exp.ColumnPrefix) for part in parts]
    sizes = tuple(0 if part is None else int(part.expression.name) for part in found)
    return sizes if any(sizes) else ()
