"""Operators whose meaning hangs on their operands' types, where DuckDB's differs from ours.

Integers divide to an integer and sum up to one; a timestamp cast to BIGINT is its epoch in its own
unit; an integer cast to a timestamp is such an epoch; any integer can be added to a date. Types are
inferred only as far as is certain: an expression of unknown type is left to DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, TypeVar

from sqlglot import exp

from engine import datatypes as dt
from engine.datatypes import DataType, TypeId
from engine.errors import DbError
from sql import types
from sql.functions.expansion import RETURNS, Expansion
from sql.functions.index import FUNCTIONS
from sql.functions.registry import PREFIX
from sql.plan.scopes import Scopes
from sql.session import Wire

_EPOCHS = {
    TypeId.TIMESTAMP_MILLISECOND: "epoch_ms",
    TypeId.TIMESTAMP_MICROSECOND: "epoch_us",
    TypeId.TIMESTAMP_NANOSECOND: "epoch_ns",
    TypeId.TIMESTAMP_TZ: "epoch_us",
}
_COUNTS = (
    *(exp.Count, exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile, exp.Length, exp.IntDiv),
    *(exp.StrPosition, exp.Extract, exp.Unicode, exp.Ascii),
)
_INTEGERS = ("bigint", "integer", "int")  # what the registry calls them
_AROUND = (exp.Filter, exp.Window)  # what may stand around an aggregate and belongs to it
_SAME = (
    *(exp.Min, exp.Max, exp.First, exp.Last, exp.FirstValue, exp.LastValue, exp.Sum, exp.Abs),
    *(exp.Paren, exp.Neg, exp.Alias, exp.Window, exp.Filter, exp.Order, exp.IgnoreNulls),
    *(exp.Lag, exp.Lead, exp.AnyValue, exp.Nullif, exp.TimestampTrunc, exp.Round, exp.Distinct),
)
_MIXED = (exp.Add, exp.Sub, exp.Mul, exp.Mod)
_N = TypeVar("_N", bound=exp.Expr)
BY_TYPES = "by_types"  # of a division: DuckDB tells integers from other numbers
_DEPTH_MAX = 64  # of subqueries and expressions looked through for a type


def typed_operators(tree: exp.Expr, scopes: Scopes, wire: Wire) -> exp.Expr:
    """Rewrites the operators of a statement in place.

    Requires: `scopes` knows the statement's tables.
    """
    infer = partial(_type_of, scopes, 0)
    for sign in _inner_first(tree, exp.Add, exp.Sub):
        _shift_date(sign, infer)
    if wire is not Wire.MYSQL:  # whose SUM of integers is a DECIMAL, as DuckDB's is
        for total in _inner_first(tree, exp.Sum):
            _sum(total, infer)
        for shift in _inner_first(tree, exp.BitwiseLeftShift):
            _shift_left(shift, infer)
    else:
        for step in _inner_first(tree, exp.Add, exp.Sub):
            _keep_date(step, infer)
    divisions = _inner_first(tree, exp.Div)
    spans = bool(divisions) and _tells_of_spans(tree, scopes, infer)
    for division in divisions:
        _divide(division, infer, spans=spans)
    for cast in _inner_first(tree, exp.Cast):
        if isinstance(cast.to, exp.DataType):
            _cast(cast, infer)
    for quantile in list(tree.find_all(exp.WithinGroup)):
        _whole_quantile(quantile, infer)
    return tree


def _inner_first(tree: exp.Expr, *kinds: type[_N]) -> list[_N]:
    """Operands before operators: what replaces an operator holds copies of its operands."""
    return list(tree.find_all(*kinds))[::-1]


def _divide(node: exp.Div, infer: Callable[[exp.Expr], DataType | None], *, spans: bool) -> None:
    """Integers divide to an integer; where one of the types is not known here, DuckDB decides.

    Its `//` of floats is no integer. It knows no intervals, so none may be divided by it.
    """
    if not node.args.get("typed"):
        return
    left, right = infer(node.left), infer(node.right)
    if _whole(left) and _whole(right):
        node.replace(exp.IntDiv(this=node.left.copy(), expression=node.right.copy()))
    elif all(type_ is None or type_.is_integer for type_ in (left, right)):
        node.set(BY_TYPES, left is not None or not spans)


_OF_SPANS = frozenset({"age", "make_interval", "justify_hours", "justify_days"})


def _tells_of_spans(
    tree: exp.Expr, scopes: Scopes, infer: Callable[[exp.Expr], DataType | None]
) -> bool:
    """True if something in the statement may be an interval."""
    if any(column.type == dt.INTERVAL for table in scopes.tables for column in table.columns):
        return True
    for node in tree.find_all(exp.Interval, exp.Cast, exp.Sub, exp.Anonymous, Expansion):
        if isinstance(node, exp.Sub):
            sides = [infer(node.left), infer(node.right)]
            if all(side is None or side.is_timestamp for side in sides):
                return True
        elif isinstance(node, exp.Anonymous) and node.name.lower() in _OF_SPANS:
            return True
        if infer(node) == dt.INTERVAL:
            return True
    return False


def _shift_date(node: exp.Binary, infer: Callable[[exp.Expr], DataType | None]) -> None:
    """DuckDB adds 32-bit integers to dates, but lengths, extracts and counts are of 64 bits."""
    if not isinstance(node.right, exp.Literal) and _whole(infer(node.right)):
        left = infer(node.left)
        if left is not None and left.id is TypeId.DATE:
            node.set("expression", exp.cast(node.right.copy(), exp.DType.INT))


def _shift_left(node: exp.BitwiseLeftShift, infer: Callable[[exp.Expr], DataType | None]) -> None:
    """DuckDB refuses negative numbers."""
    if not isinstance(node.this, exp.Literal) and _whole(infer(node.this)):
        operands = [node.this.copy(), node.expression.copy()]
        node.replace(exp.Anonymous(this=f"{PREFIX}shifted_left", expressions=operands))


def _sum(node: exp.Sum, infer: Callable[[exp.Expr], DataType | None]) -> None:
    """Sums of integers are BIGINT, and an error beyond that; DuckDB's have 128 bits."""
    value = node.this
    if isinstance(value, exp.Distinct) and len(value.expressions) == 1:
        value = value.expressions[0]
    found = infer(value)
    if found is None or not found.is_integer or found.id is TypeId.UINT64:
        return
    whole: exp.Expr = node
    while isinstance(whole.parent, _AROUND) and whole.parent.this is whole:
        whole = whole.parent
    if not isinstance(whole.parent, exp.Select):  # there the output would have another name
        whole.replace(exp.cast(whole.copy(), exp.DType.BIGINT))


def _whole_quantile(node: exp.WithinGroup, infer: Callable[[exp.Expr], DataType | None]) -> None:
    """An approximate percentile of integers is the integer below it; DuckDB rounds."""
    function, keys = node.this, node.expression.expressions
    ours = isinstance(function, exp.Anonymous) and function.name.lower() == _PERCENTILE
    if not ours or isinstance(node.parent, exp.Window) or not _whole(infer(keys[0].this)):
        return
    keys[0].set("this", exp.cast(keys[0].this.copy(), exp.DType.DOUBLE))
    outer = node.parent if isinstance(node.parent, exp.Filter) else node
    whole = exp.Anonymous(this="trunc", expressions=[outer.copy()])
    outer.replace(exp.cast(whole, exp.DType.BIGINT))


_PERCENTILE = "approx_percentile_cont"
_DAYS = frozenset({"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})


def _keep_date(node: exp.Expr, infer: Callable[[exp.Expr], DataType | None]) -> None:
    """MySQL's date plus whole days is a date; in PostgreSQL it is a timestamp.

    Source: https://dev.mysql.com/doc/refman/8.4/en/date-and-time-functions.html#function_date-add
    """
    step = node.expression
    unit = step.args.get("unit") if isinstance(step, exp.Interval) else None
    if unit is not None and unit.name.upper().rstrip("S") in _DAYS and infer(node.this) == dt.DATE:
        node.replace(exp.cast(node.copy(), exp.DType.DATE))


def _cast(node: exp.Cast, infer: Callable[[exp.Expr], DataType | None]) -> None:
    try:
        target = types.from_sql(node.to)
    except DbError:
        return
    if not target.is_integer and not target.is_timestamp and target != dt.TIME:
        return
    source = infer(node.this)
    if source is None:
        return
    if target.is_integer and (source.is_timestamp or source.id is TypeId.TIMESTAMP_TZ):
        node.set("this", _epoch(node.this, source))
    elif target.is_timestamp and source.is_integer and not node.this.is_int:
        node.set("this", exp.cast(node.this.copy(), exp.DType.BIGINT))  # now plainly an integer
    elif (source.id, target.id) in _NO_DIRECT_WAY:
        micros = exp.DataType(this=exp.DType.TIMESTAMP)
        node.set("this", exp.Cast(this=node.this.copy(), to=micros))


_NO_DIRECT_WAY = frozenset(  # for DuckDB, but by way of TIMESTAMP
    {
        (TypeId.TIMESTAMP_NANOSECOND, TypeId.TIMESTAMP_SECOND),
        (dt.TIMESTAMP_TZ.id, TypeId.TIME),
    }
)


def _epoch(node: exp.Expr, source: DataType) -> exp.Expr:
    """The epoch of a time in its type's unit."""
    if source.id is TypeId.TIMESTAMP_SECOND:
        millis = exp.Anonymous(this="epoch_ms", expressions=[node.copy()])
        return exp.Paren(this=exp.IntDiv(this=millis, expression=exp.Literal.number(1000)))
    return exp.Anonymous(this=_EPOCHS[source.id], expressions=[node.copy()])


def _whole(data_type: DataType | None) -> bool:
    return data_type is not None and data_type.is_integer


# --- Inference ------------------------------------------------------------------------------------


def inferred_type(scopes: Scopes, node: exp.Expr) -> DataType | None:
    """The type of an expression, looking into subqueries; None when it is not certain."""
    return _type_of(scopes, 0, node)


def _type_of(scopes: Scopes, depth: int, node: exp.Expr | None) -> DataType | None:
    """The type of an expression, None when it is not certain."""
    if node is None or depth > _DEPTH_MAX:
        return None
    infer = partial(_type_of, scopes, depth + 1)
    if isinstance(node, exp.Column):
        return _column_type(scopes, depth, node)
    if isinstance(node, exp.Literal):
        return dt.STRING if node.is_string else dt.INT64 if node.is_int else dt.FLOAT64
    if isinstance(node, exp.Cast):
        return _cast_type(node)
    if isinstance(node, (exp.Interval, *_COUNTS)):
        return dt.INTERVAL if isinstance(node, exp.Interval) else dt.INT64
    if isinstance(node, _SAME):
        return infer(node.this)
    if isinstance(node, _MIXED):
        return _arithmetic(node, infer(node.left), infer(node.right))
    if isinstance(node, exp.Div):
        return _quotient(node, infer(node.left), infer(node.right))
    if isinstance(node, (exp.Coalesce, exp.Greatest, exp.Least, exp.Case, exp.If)):
        return _branches(infer, node)
    if isinstance(node, Expansion | exp.Anonymous):
        return _call_type(node)
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select):
        return infer(node.this.expressions[0]) if len(node.this.expressions) == 1 else None
    return None


def _call_type(node: exp.Expr) -> DataType | None:
    if node.meta.get(RETURNS) in _SPANNING:
        return _SPANNING[node.meta[RETURNS]]
    if isinstance(node, Expansion):
        return dt.INT64 if node.meta.get(RETURNS) in _INTEGERS else None
    return _returned().get(node.name.lower())


_SPANNING = {"interval": dt.INTERVAL, "time": dt.SPAN}
_SPANS = ("years", "months", "weeks", "days", "hours", "minutes", "seconds", "microseconds")


@cache
def _returned() -> dict[str, DataType]:
    """Functions that give one type whatever they are called with."""
    kinds: dict[str, set[DataType | None]] = {}
    for entry in FUNCTIONS:
        type_ = dt.INT64 if entry.returns in _INTEGERS else None
        type_ = dt.INTERVAL if entry.returns == "interval" else type_
        for name in entry.names:
            kinds.setdefault(name.lower(), set()).add(type_)
    known = {name: next(iter(found)) for name, found in kinds.items() if len(found) == 1}
    sure = {name: type_ for name, type_ in known.items() if type_ is not None}
    sure |= {f"{PREFIX}{name}": type_ for name, type_ in sure.items()}
    spans = {f"to_{unit}": dt.INTERVAL for unit in _SPANS}
    return sure | spans | {"unhex": dt.BINARY}  # what a literal cast to bytea has become


def _cast_type(node: exp.Cast) -> DataType | None:
    try:
        return types.from_sql(node.to)
    except DbError:
        return None


def _arithmetic(node: exp.Expr, left: DataType | None, right: DataType | None) -> DataType | None:
    if left is not None and right is not None and left.id is TypeId.DATE:
        between = isinstance(node, exp.Sub) and right.id is TypeId.DATE
        return dt.INT64 if between else left if right.is_integer else None
    if _whole(left) and _whole(right):
        return dt.INT64
    if dt.SPAN in (left, right) and dt.INTERVAL in (left, right):
        return dt.SPAN
    if _is_span(node, left, right):
        return dt.INTERVAL
    known = left is not None and right is not None and left.is_numeric and right.is_numeric
    return dt.FLOAT64 if known else None


def _quotient(node: exp.Div, left: DataType | None, right: DataType | None) -> DataType | None:
    if left == dt.INTERVAL:
        return left
    return dt.INT64 if _whole(left) and _whole(right) and node.args.get("typed") else None


def _is_span(node: exp.Expr, left: DataType | None, right: DataType | None) -> bool:
    """True if the node is an interval: of intervals, its multiple, or between two timestamps."""
    if left is None or right is None:
        return False
    if isinstance(node, exp.Mul):
        return (left == dt.INTERVAL) != (right == dt.INTERVAL)
    if left == dt.INTERVAL:
        return right == dt.INTERVAL
    return isinstance(node, exp.Sub) and left.is_timestamp and right.is_timestamp


def _branches(infer: Callable[[exp.Expr], DataType | None], node: exp.Expr) -> DataType | None:
    """The common type of COALESCE's arguments or CASE's results (NULLs aside)."""
    if isinstance(node, exp.Coalesce | exp.Greatest | exp.Least):
        values = [node.this, *node.expressions]
    elif isinstance(node, exp.If):
        values = [node.args.get("true"), node.args.get("false")]
    else:
        values = [branch.args.get("true") for branch in node.args["ifs"]]
        values.append(node.args.get("default"))
    found = {infer(v) for v in values if v is not None and not isinstance(v, exp.Null)}
    if len(found) == 1:
        return found.pop()
    return dt.INT64 if found and all(map(_whole, found)) else None


def _column_type(scopes: Scopes, depth: int, node: exp.Column) -> DataType | None:
    declared = scopes.column(node)
    if declared is not None:
        return declared.type
    holder: Any = node.find_ancestor(exp.Select)
    if holder is None:
        return None
    relations = [holder.args[key].this for key in ("from_",) if holder.args.get(key)]
    relations += [join.this for join in holder.args.get("joins") or []]
    for relation in relations:
        if node.table and relation.alias_or_name != node.table:
            continue
        query = query_of(relation, holder)
        name = query and inner_name(relation, query, node.name)
        found = query and name and _projected_type(scopes, depth + 1, query, name)
        if found:
            return found
    return None


def inner_name(relation: exp.Expr, query: exp.Select, name: str) -> str | None:
    """What a column of `(SELECT …) AS t (a, b)` is called inside; None if that is not certain."""
    alias = relation.args.get("alias")
    renamed = [column.name for column in alias.columns] if alias is not None else []
    if name not in renamed:
        return name if not renamed else None
    items = query.expressions[: len(renamed)]
    place = renamed.index(name)
    known = place < len(items) and not any(item.is_star for item in items)
    return items[place].alias_or_name or None if known else None


def query_of(relation: exp.Expr, holder: exp.Expr) -> exp.Select | None:
    """The SELECT behind a subquery, or behind the name of a CTE."""
    body: exp.Expr | None = relation.this if isinstance(relation, exp.Subquery) else None
    scope: exp.Expr | None = holder if isinstance(relation, exp.Table) else None
    while body is None and scope is not None:
        with_ = scope.args.get("with_")
        ctes = with_.expressions if with_ is not None else []
        body = next((cte.this for cte in ctes if cte.alias == relation.name), None)
        scope = scope.parent
    while isinstance(body, (exp.SetOperation, exp.Subquery)):
        body = body.this
    return body if isinstance(body, exp.Select) else None


def _projected_type(scopes: Scopes, depth: int, query: exp.Select, name: str) -> DataType | None:
    for item in query.expressions:
        if item.alias_or_name == name:
            return _type_of(scopes, depth + 1, item)
        if item.is_star:
            column = exp.column(name)
            column.parent = query  # only to be looked up from here
            return _column_type(scopes, depth + 1, column)
    return None
