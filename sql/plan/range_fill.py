"""FILL of range queries: what may be filled with what, and how."""

from __future__ import annotations

from sqlglot import exp

from engine.datatypes import FLOAT64, DataType
from engine.errors import DbError, ErrorKind
from sql.dialect.pieces import piece
from sql.plan.range_source import Source

_SAME_TYPE = (exp.Min, exp.Max, exp.FirstValue, exp.LastValue, exp.First, exp.Last, exp.Sum)


def check_fill(aggregate: exp.Expr, fill: exp.Expr | None, source: Source) -> None:
    """Refuses a constant that does not fit the aggregate's type, where that is plain to see.

    Raises: DbError PLAN.
    """
    if isinstance(fill, exp.Var) and fill.name == "LINEAR":
        _check_linear(aggregate, source)
    if fill is None or isinstance(fill, exp.Null):
        return
    if isinstance(fill, exp.Var) and fill.name in ("PREV", "LINEAR"):
        return
    bare = fill.this if isinstance(fill, exp.Neg) else fill
    if not isinstance(bare, (exp.Literal, exp.Boolean, exp.Cast)):
        raise _bad_fill(fill, "it is not a constant")
    if isinstance(aggregate, exp.Count):
        fits = isinstance(bare, exp.Literal) and _is_whole(bare.name)
        expected = "Int64"
    else:
        data_type = _aggregate_type(aggregate, source)
        if data_type is None or not isinstance(bare, exp.Literal):
            return
        fits, expected = _fits(bare, data_type), data_type.name
    if not fits:
        raise _bad_fill(fill, f"it is no {expected}")


def _check_linear(aggregate: exp.Expr, source: Source) -> None:
    data_type = _aggregate_type(aggregate, source)
    if data_type is not None and not data_type.is_numeric:
        raise DbError(
            ErrorKind.PLAN,
            f"FILL LINEAR is for numbers, and {data_type.name} is none",
            hint="FILL PREV or a constant",
        )


def _bad_fill(fill: exp.Expr, reason: str) -> DbError:
    return DbError(
        ErrorKind.PLAN,
        f"{fill.sql()} is not a valid fill option, fail to convert to a const value: {reason}",
    )


def _aggregate_type(aggregate: exp.Expr, source: Source) -> DataType | None:
    """The type of min(column) and its kin; of averages."""
    if isinstance(aggregate, exp.Filter):
        return _aggregate_type(aggregate.this, source)
    if isinstance(aggregate, exp.Avg) and isinstance(aggregate.this, exp.Column):
        known = source.table.column(aggregate.this.name) if source.table is not None else None
        return FLOAT64 if known is not None and known.type.is_numeric else None
    if not isinstance(aggregate, _SAME_TYPE) or source.table is None:
        return None
    argument = aggregate.this
    if isinstance(argument, exp.Order):
        argument = argument.this
    column = source.table.column(argument.name) if isinstance(argument, exp.Column) else None
    return None if column is None else column.type


def _fits(literal: exp.Literal, data_type: DataType) -> bool:
    if data_type.is_integer:
        return _is_whole(literal.name)
    if data_type.is_numeric:
        try:
            float(literal.name)
        except ValueError:
            return False
    return True


def _is_whole(text: str) -> bool:
    return text.strip().lstrip("+-").isdigit()


def fill_expression(name: str, fill: exp.Expr | None, partition: str, slot: str) -> exp.Expr:
    """The value of an aggregate's column after filling.

    `partition` is a PARTITION BY clause or empty, `slot` the column that counts time.
    """
    column = f'"{name}"'
    if fill is None or isinstance(fill, exp.Null):
        return exp.column(name, quoted=True)
    before = f'OVER ({partition}ORDER BY "{slot}" ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)'
    if isinstance(fill, exp.Var) and fill.name == "PREV":
        return piece(f"last_value({column} IGNORE NULLS) {before}")
    if isinstance(fill, exp.Var):  # LINEAR
        return piece(_linear(column, f'"{slot}"', before, partition))
    return exp.Coalesce(
        this=exp.column(name, quoted=True),
        expressions=[
            exp.Anonymous(
                this="cast_to_type", expressions=[fill.copy(), exp.column(name, quoted=True)]
            )
        ],
    )


def _linear(column: str, slot: str, before: str, partition: str) -> str:
    """On the line between the neighbours that have a value; NULL without one on either side."""
    after = f"OVER ({partition}ORDER BY {slot} ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)"
    value = f"CAST({column} AS DOUBLE)"
    time = f"CASE WHEN {column} IS NOT NULL THEN {slot} END"
    low, high = (
        f"last_value({value} IGNORE NULLS) {before}",
        f"first_value({value} IGNORE NULLS) {after}",
    )
    start, end = (
        f"last_value({time} IGNORE NULLS) {before}",
        f"first_value({time} IGNORE NULLS) {after}",
    )
    share = f"CAST({slot} - {start} AS DOUBLE) / ({end} - {start})"
    return f"coalesce({value}, {low} + ({high} - {low}) * ({share}))"
