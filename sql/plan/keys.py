"""What the WHERE clauses ask of tags: equalities, IN lists and ORs of them.

What is found only prunes (the filter itself stays), so missing something costs time, never rows.
Values may be parameters: `wanted_keys` reads them when the statement runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from sqlglot import exp

from catalog.records import Column
from engine.api import KeyFilter, KeyValue
from sql.plan.literals import conjuncts, references_of
from sql.plan.parameters import parameter_number
from sql.plan.scopes import Scopes
from sql.plan.tables import Reference, TagKey

VALUES_MAX = 1_000  # longer lists are hardly selective, and cost time to look up one by one


def tag_keys(
    tree: exp.Expr, scopes: Scopes, scans: Sequence[Reference]
) -> dict[str, tuple[TagKey, ...]]:
    """Placeholder → what its tags must equal, one entry for each condition."""
    by_node = {reference.node_id: reference for reference in scans if reference.table.primary_key}
    found: dict[str, tuple[TagKey, ...]] = {}
    for holder in tree.find_all(exp.Select, exp.Delete, exp.Update) if by_node else ():
        where = holder.args.get("where")
        references = references_of(holder, by_node)
        for conjunct in conjuncts(where.this) if where is not None and references else ():
            asked = _asked(conjunct, scopes, references)
            if asked is not None:
                place, key = asked
                found[place] = (*found.get(place, ()), key)
    return found


def _asked(
    node: exp.Expr, scopes: Scopes, references: dict[str, Reference]
) -> tuple[str, TagKey] | None:
    """The scan and the values of one tag of it that a condition restricts."""
    node = node.unnest()
    if isinstance(node, exp.EQ):
        for column, value in ((node.left, node.right), (node.right, node.left)):
            if isinstance(value, exp.Literal | exp.Parameter):
                return _key(column, [value], scopes, references)
        return None
    if isinstance(node, exp.In) and not node.args.get("query") and not node.args.get("unnest"):
        values = list(node.expressions)
        plain = all(isinstance(value, exp.Literal | exp.Parameter) for value in values)
        return _key(node.this, values, scopes, references) if plain and values else None
    if isinstance(node, exp.Or):
        parts = [_asked(part, scopes, references) for part in node.flatten()]
        first = parts[0]
        if first is None:
            return None
        place, key = first
        merged: list[exp.Expr] = []
        for part in parts:
            if part is None or (part[0], part[1].column) != (place, key.column):
                return None
            merged += part[1].values
        return place, TagKey(key.column, tuple(merged))
    return None


def _key(
    node: exp.Expr, values: list[exp.Expr], scopes: Scopes, references: dict[str, Reference]
) -> tuple[str, TagKey] | None:
    source = scopes.source(node)
    if source is None or len(values) > VALUES_MAX:
        return None
    alias, column, table = source
    reference = references.get(alias)
    if reference is None or reference.table is not table or column.name not in table.primary_key:
        return None
    return reference.placeholder, TagKey(column.name, tuple(values))


def wanted_keys(reference: Reference, parameters: Sequence[object]) -> tuple[KeyFilter, ...]:
    """The conditions whose values are known and of their column's kind."""
    found = []
    for key in reference.keys:
        column = reference.table.column(key.column)
        values = [_value(node, column, parameters) for node in key.values] if column else [None]
        known = tuple(value for value in values if value is not None)
        if len(known) == len(values):
            found.append(KeyFilter(key.column, known))
    return tuple(found)


def _value(node: exp.Expr, column: Column, parameters: Sequence[object]) -> KeyValue | None:
    """A literal's or parameter's value, None if the comparison would convert it or the column."""
    number = parameter_number(node)
    value: object
    if number is not None:
        value = parameters[number - 1]
    elif isinstance(node, exp.Literal) and not node.is_string:
        value = int(node.name) if node.name.isdigit() else None
    else:
        value = node.name
    kind = column.type.arrow
    if pa.types.is_string(kind):
        return value if isinstance(value, str) else None
    if pa.types.is_integer(kind) and isinstance(value, int) and not isinstance(value, bool):
        signed = pa.types.is_signed_integer(kind)
        low = -(2 ** (kind.bit_width - 1)) if signed else 0
        high = 2 ** (kind.bit_width - signed)
        return value if low <= value < high else None
    return None
