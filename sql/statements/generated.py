"""Columns whose values clients do not give: GENERATED ALWAYS, as identity or by an expression.

https://www.postgresql.org/docs/15/ddl-generated-columns.html
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from catalog.records import Column, Table
from engine.errors import DbError, ErrorKind
from sql.dialect.parser import parse
from sql.session import Wire
from sql.statements.parts import is_default_word

OVERRIDING = "overriding"  # what an INSERT's tree says in its `meta`: SYSTEM or USER


def check_inserted(tree: exp.Insert, columns: Sequence[Column]) -> None:
    """Raises: DbError GENERATED_ALWAYS if a value is given that is not for clients to give."""
    system = tree.meta.get(OVERRIDING) is not None
    for at, column in enumerate(columns):
        always = column.identity == "always" and not system
        if (always or column.generated) and _is_given(tree, at):
            raise DbError(
                ErrorKind.GENERATED_ALWAYS,
                f'cannot insert a non-DEFAULT value into column "{column.name}"',
                detail=_why(column),
                hint="use OVERRIDING SYSTEM VALUE to override" if always else None,
            )


def check_fast(columns: Sequence[Column]) -> None:
    """As `check_inserted`, of rows of literals."""
    values = exp.Values(expressions=[exp.Tuple(expressions=[exp.null()] * len(columns))])
    check_inserted(exp.Insert(expression=values), columns)


def _is_given(tree: exp.Insert, at: int) -> bool:
    """False if every row has DEFAULT there."""
    source = tree.expression
    if source is None or tree.args.get("default"):
        return False
    if not isinstance(source, exp.Values):
        return True
    rows = (row.expressions if isinstance(row, exp.Tuple) else [row] for row in source.expressions)
    return not all(at < len(row) and is_default_word(row[at]) for row in rows)


def _why(column: Column) -> str:
    if column.generated:
        return f'Column "{column.name}" is a generated column.'
    return f'Column "{column.name}" is an identity column defined as GENERATED ALWAYS.'


def check_assigned(column: Column, value: exp.Expr) -> None:
    """Raises: DbError GENERATED_ALWAYS if SET gives the column anything but DEFAULT."""
    if (column.generated or column.identity == "always") and not is_default_word(value):
        raise DbError(
            ErrorKind.GENERATED_ALWAYS,
            f'column "{column.name}" can only be updated to DEFAULT',
            detail=_why(column),
        )


def counted_places(tree: exp.Insert, columns: Sequence[Column]) -> list[int]:
    """Places of the columns whose values count: OVERRIDING USER VALUE leaves identities out."""
    user = tree.meta.get(OVERRIDING) == "USER"
    return [at for at, column in enumerate(columns) if not (user and column.identity)]


def generated_names(table: Table) -> frozenset[str]:
    """The columns that change with others."""
    return frozenset(column.name for column in table.columns if column.generated)


def has_own_values(table: Table) -> bool:
    """True if there are columns whose values clients do not give."""
    return any(column.generated or column.identity == "always" for column in table.columns)


def recomputed(table: Table, alias: str, changed: dict[str, exp.Expr]) -> list[exp.Expr]:
    """SET items of the generated columns, where columns are set to these values."""
    items: list[exp.Expr] = []
    for column in table.columns:
        if not column.generated:
            continue
        tree = parse(f"SELECT {column.generated}", Wire.HTTP)[0].tree
        assert isinstance(tree, exp.Select)
        for part in list(tree.find_all(exp.Column)):
            value = changed.get(part.name)
            old = exp.column(part.name, table=alias, quoted=True)
            part.replace(old if value is None else exp.Paren(this=value.copy()))
        target = exp.column(column.name, quoted=True)
        items.append(exp.EQ(this=target, expression=tree.expressions[0]))
    return items
