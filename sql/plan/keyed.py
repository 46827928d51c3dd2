"""Queries of one row of an ordinary table by its primary key: applications ask them all day.

`SELECT a, b FROM t WHERE id = $1`: DuckDB takes 0.4 ms to read, bind and start it, for one row.
What is found here is all that the query says: where anything else stands in it, it is DuckDB's.
sql/run/keyed.py runs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from catalog.records import Table, TableKind
from engine.datatypes import TypeId
from sql.collations import compared_by
from sql.plan.direct import PLAIN, is_bare
from sql.plan.literals import conjuncts
from sql.plan.scopes import Scopes

_CLAUSES = frozenset({"expressions", "from_", "where"})
_INTEGERS = frozenset({TypeId.INT8, TypeId.INT16, TypeId.INT32, TypeId.INT64})
_KEYS = _INTEGERS | {TypeId.UINT8, TypeId.UINT16, TypeId.UINT32, TypeId.STRING}


@dataclass(frozen=True, slots=True)
class Keyed:
    """All that such a query says: `key` has a literal or parameter for each column of the key."""

    table: Table
    columns: tuple[str, ...]
    key: tuple[exp.Expr, ...]


def keyed_of(
    tree: exp.Expr, scopes: Scopes, outputs: Sequence[tuple[Table, str] | None]
) -> Keyed | None:
    """What a planned query says, if it is of this kind.

    Requires: the tree is what DuckDB would run, and reads ordinary tables only.
    """
    if not isinstance(tree, exp.Select) or not outputs:
        return None
    if any(value for name, value in tree.args.items() if name not in _CLAUSES):
        return None
    from_, where = tree.args.get("from_"), tree.args.get("where")
    if from_ is None or where is None or not is_bare(from_.this, ("this", "db", "alias")):
        return None
    (table,) = scopes.sources(tree).values()
    if table is None or not has_copy(table):
        return None
    columns = tuple(output[1] for output in outputs if output is not None)
    if len(columns) < len(outputs) or not set(columns) <= set(copied(table)):
        return None
    key = _key(conjuncts(where.this), scopes, table)
    return Keyed(table, columns, key) if key is not None else None


def has_copy(table: Table) -> bool:
    """True if rows of the table can be found by its key in memory."""
    plain = table.kind is TableKind.RELATIONAL and not table.temporary and bool(table.primary_key)
    key = [c for c in table.columns if c.name in table.primary_key and not c.virtual]
    kinds = [c.type.id for c in key if not compared_by(c)]  # a copy is ordered by bytes
    return plain and len(kinds) == len(table.primary_key) and all(k in _KEYS for k in kinds)


def copied(table: Table) -> tuple[str, ...]:
    """The columns that a copy has: those whose values are the same everywhere."""
    return tuple(c.name for c in table.columns if c.type.id in PLAIN and not c.virtual)


def _key(parts: Sequence[exp.Expr], scopes: Scopes, table: Table) -> tuple[exp.Expr, ...] | None:
    """What the columns of the key are compared with; None if anything else is asked."""
    found: dict[str, exp.Expr] = {}
    for part in parts:
        if type(part) is not exp.EQ or not isinstance(part.right, exp.Literal | exp.Parameter):
            return None
        source = scopes.source(part.left)
        if source is None or source[2] is not table or source[1].name in found:
            return None
        found[source[1].name] = part.right
    if found.keys() != set(table.primary_key):
        return None
    return tuple(found[name] for name in table.primary_key)
