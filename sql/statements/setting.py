"""The SET list of UPDATE, ON CONFLICT and MERGE: which column gets which value."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.statements.element_setting import base_column, with_element
from sql.statements.generated import check_assigned
from sql.statements.parts import column_of, default_of, is_default_word
from sql.statements.target import columns_named


def assignments(table: Table, items: Sequence[exp.Expr], text: str) -> dict[str, exp.Expr]:
    """Column → new value; `(a, b) = (1, 2)` is taken apart, DEFAULT replaced.

    Columns declared ON UPDATE CURRENT_TIMESTAMP are among them even if nobody names them.

    Raises: DbError UNDEFINED_COLUMN, DUPLICATE_COLUMN, COLUMN_COUNT, UNSUPPORTED.
    """
    pairs: list[tuple[str, exp.Expr]] = []
    elements: list[tuple[exp.Bracket, exp.Expr]] = []
    for item in items:
        if not isinstance(item, exp.EQ):
            raise DbError(ErrorKind.UNSUPPORTED, "only SET column = expression is supported here")
        left, right = item.this, item.expression
        if isinstance(left, exp.Column):
            pairs.append((left.name, right))
        elif isinstance(left, exp.Bracket):
            elements.append((left, right))
        else:
            names = [part.name for part in _parts(left)]
            pairs += zip(names, _values(right, len(names)), strict=True)
    columns = columns_named(table, [name for name, _ in pairs], text)
    for column, (_, value) in zip(columns, pairs, strict=True):
        check_assigned(column, value)
    given = {
        column.name: default_of(column) if is_default_word(value) else value
        for column, (_, value) in zip(columns, pairs, strict=True)
    }
    given |= _with_elements(table, elements, text)
    return touched_by(table, items) | given


def _with_elements(
    table: Table, elements: Sequence[tuple[exp.Bracket, exp.Expr]], text: str
) -> dict[str, exp.Expr]:
    """The columns of which elements are set, one after the other."""
    made: dict[str, exp.Expr] = {}
    for place, value in elements:
        base = base_column(place)
        if base is None:
            raise DbError(ErrorKind.UNSUPPORTED, "only SET column = expression is supported here")
        column = columns_named(table, [base.name], text)[0]
        whole = made.get(
            column.name, exp.column(column.name, table=base.table or None, quoted=True)
        )
        made[column.name] = with_element(column, place, whole, value)
    return made


def touched_by(table: Table, items: Sequence[exp.Expr]) -> dict[str, exp.Expr]:
    """The columns that are set to the statement's time because nobody gives them a value."""
    touched = [column.name for column in table.columns if column.touched]
    if not touched:
        return {}
    named = {part.name.lower() for item in items for part in _parts(item.this)}
    return {name: exp.CurrentTimestamp() for name in touched if name.lower() not in named}


def _parts(node: exp.Expr) -> list[exp.Expr]:
    return node.expressions if isinstance(node, exp.Tuple) else [node.unnest()]


def _values(node: exp.Expr, count: int) -> list[exp.Expr]:
    """One expression for each of several columns: of a tuple, a ROW(…) or a query's outputs."""
    query = node.this if isinstance(node, exp.Subquery) else None
    if isinstance(query, exp.Select):
        found = [_only(query, i) for i in range(len(query.expressions))]
    elif isinstance(node, exp.Tuple | exp.Anonymous | exp.Struct):
        found = node.expressions
    else:
        found = [node.unnest()]
    if len(found) != count:
        raise DbError(ErrorKind.COLUMN_COUNT, f"SET names {count} columns, but {len(found)} values")
    return found


def _only(query: exp.Select, index: int) -> exp.Expr:
    """The query with one of its outputs."""
    copied = query.copy()
    copied.set("expressions", [copied.expressions[index]])
    return copied.subquery()


def new_values(
    table: Table,
    alias: str,
    changes: dict[str, exp.Expr],
    shaped: Callable[[exp.Expr], exp.Expr] = lambda value: value,
) -> list[exp.Expr]:
    """Every column of the table: its new value, or the one it has."""
    return [
        exp.alias_(shaped(changes[column.name].copy()), column.name, quoted=True)
        if column.name in changes
        else exp.alias_(column_of(alias, column.name), column.name, quoted=True)
        for column in table.columns
    ]


def qualified(node: exp.Expr, alias: str, table: Table) -> exp.Expr:
    """A copy whose unqualified columns are the table's; those in sub-queries stay as they are."""

    def walk(part: exp.Expr) -> exp.Expr:
        bare = isinstance(part, exp.Column) and not part.table
        outside = part.find_ancestor(exp.Query) is None
        if bare and outside and table.column(part.name) is not None:
            return column_of(alias, part.name)
        return part

    return node.copy().transform(walk)
