"""Which partitions a WHERE can touch.

`filters` runs when a query is planned and keeps what the top-level conjuncts say about partition
columns; `candidates` runs when it is executed, with parameters bound. What is not understood
excludes nothing, so a mistake here could only be to keep too little: it reads comparisons alone,
which are never true for NULL, and so stay correct on either side of an outer join.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
from sqlglot import exp

from catalog.records import Column, Table
from engine.api import TimeRange
from engine.datatypes import TIMESTAMP_NANOSECOND, TypeId
from engine.errors import DbError
from sql.decode.text import column_from_text
from sql.partition.check import Partitioning, partitioning_of
from sql.partition.rules import MIRRORED, Key, Op, key_of, operator_of
from sql.partition.space import Axis, Mask, compared
from sql.plan.parameters import parameter_number
from sql.plan.scopes import Scopes
from sql.plan.tables import Reference

# Casts of text to moments without a zone.
_MOMENTS = frozenset(
    {
        exp.DType.TIMESTAMP,
        exp.DType.TIMESTAMPNTZ,
        exp.DType.TIMESTAMP_S,
        exp.DType.TIMESTAMP_MS,
        exp.DType.TIMESTAMP_NS,
        exp.DType.DATE,
    }
)
_FLOAT_EXACT = 2**53  # whole numbers beyond this are rounded when compared with floats


@dataclass(frozen=True)
class Asks:
    """`column op value` for one of the values (IN has many)."""

    column: str
    op: Op
    values: tuple[exp.Expr, ...]


@dataclass(frozen=True)
class AllFilters:
    """Every part must hold."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True)
class AnyFilter:
    """Some part must hold."""

    parts: tuple[Filter, ...]


Filter = Asks | AllFilters | AnyFilter
Value = Callable[[exp.Expr], object]


def filter_of(conjuncts: Sequence[exp.Expr], scopes: Scopes, alias: str, table: Table) -> Filter:
    """What the conjuncts of a WHERE demand of a table's partition columns."""
    found = [_read(node, scopes, alias, table) for node in conjuncts]
    return AllFilters(tuple(part for part in found if part is not None))


def filters(tree: exp.Expr, scopes: Scopes, scans: Sequence[Reference]) -> dict[str, Filter]:
    """Placeholder → what its statement's WHERE demands of the partition columns of its table."""
    wanted = {scan.node_id: scan for scan in scans if scan.table.partition_columns}
    found: dict[str, Filter] = {}
    for holder in tree.find_all(exp.Select) if wanted else ():
        where = holder.args.get("where")
        if where is None:
            continue
        from_ = holder.args.get("from_")
        sources = [from_.this] if from_ is not None else []
        sources += [join.this for join in holder.args.get("joins") or []]
        for node in sources:
            scan = wanted.get(id(node))
            if scan is not None:
                found[scan.placeholder] = filter_of([where.this], scopes, scan.alias, scan.table)
    return found


def _read(node: exp.Expr, scopes: Scopes, alias: str, table: Table) -> Filter | None:
    if isinstance(node, exp.Paren):
        return _read(node.this, scopes, alias, table)
    if isinstance(node, exp.And):
        return filter_of([node.left, node.right], scopes, alias, table)
    if isinstance(node, exp.Or):
        parts = [_read(side, scopes, alias, table) for side in (node.left, node.right)]
        known = tuple(part for part in parts if part is not None)
        return AnyFilter(known) if len(known) == len(parts) else None

    def column(side: exp.Expr) -> str | None:
        source = scopes.source(side)
        if source is None or source[0] != alias or source[2] is not table:
            return None
        return source[1].name if source[1].name in table.partition_columns else None

    if isinstance(node, exp.Between) and not node.args.get("symmetric"):
        name = column(node.this)
        ends = ((Op.GE, node.args["low"]), (Op.LE, node.args["high"]))
        return (
            AllFilters(tuple(Asks(name, op, (end.copy(),)) for op, end in ends)) if name else None
        )
    if isinstance(node, exp.In) and node.expressions:
        name = column(node.this)
        return Asks(name, Op.EQ, tuple(v.copy() for v in node.expressions)) if name else None
    op = operator_of(node)
    if op is None:
        return None
    if (name := column(node.this)) is not None:
        return Asks(name, op, (node.expression.copy(),))
    name = column(node.expression)
    return Asks(name, MIRRORED[op], (node.this.copy(),)) if name else None


def wanted_regions(
    table: Table, scan: Reference, parameters: Sequence[object], time_range: TimeRange
) -> tuple[int, ...]:
    """The regions a scan of the table must read. `table`: its present record."""
    if table.store_id:
        return table.row_regions
    partitioning = partitioning_of(table)
    if partitioning is None:
        return table.region_ids
    numbers = candidates(
        partitioning,
        scan.partitions,
        lambda node: constant(node, parameters),
        str(table.time_index),
        time_range,
    )
    return tuple(table.region_ids[number] for number in numbers)


def candidates(
    partitioning: Partitioning,
    wanted: Filter | None,
    value: Value,
    time_index: str,
    time_range: TimeRange,
) -> list[int]:
    """Positions of the partitions that may hold wanted rows, ascending.

    `value` gives what an expression is now: a Python value, or None if it cannot tell.
    """
    space = partitioning.space
    possible = np.ones((1,) * len(space.axes), np.bool_)
    if wanted is not None:
        possible = _mask(partitioning, wanted, value)
    position = space.position(time_index)
    if position is not None:
        possible = possible & space.spread(position, _within(space.axes[position], time_range))
    reached = partitioning.numbers[np.broadcast_to(possible, space.shape)]
    return [int(number) for number in np.unique(reached) if number >= 0]


def _mask(partitioning: Partitioning, wanted: Filter, value: Value) -> Mask:
    space = partitioning.space
    if isinstance(wanted, Asks):
        position = space.position(wanted.column)
        if position is None:
            return np.ones((1,) * len(space.axes), np.bool_)
        return space.spread(position, _axis_mask(space.axes[position], wanted, value))
    join = np.logical_and if isinstance(wanted, AllFilters) else np.logical_or
    parts = [_mask(partitioning, part, value) for part in wanted.parts]
    found = parts[0] if parts else np.ones((1,) * len(space.axes), np.bool_)
    for part in parts[1:]:
        found = join(found, part)
    return found


def _axis_mask(axis: Axis, wanted: Asks, value: Value) -> Mask:
    """The cells that may hold a value for which the comparison is true."""
    found = np.zeros(axis.cells, np.bool_)
    for node in wanted.values:
        key = _key(value(node), axis.column)
        if key is None:
            return np.ones(axis.cells, np.bool_)
        found |= _reachable(axis, wanted.op, key)
    return found


def _reachable(axis: Axis, op: Op, key: Key) -> Mask:
    at = axis.cell(key)
    exact = at % 2 == 1  # the cell holds this one value
    found = compared(np.arange(axis.cells), op, at)
    if not exact and op is not Op.EQ:
        found[at] = True  # some of its values are below the key, some above
    return found


def _within(axis: Axis, wanted: TimeRange) -> Mask:
    found = np.ones(axis.cells, np.bool_)
    if wanted.start is not None:
        found &= _reachable(axis, Op.GE, wanted.start)
    if wanted.end is not None:
        found &= _reachable(axis, Op.LT, wanted.end)
    return found


def _key(value: object, column: Column) -> Key | None:
    """The value as DuckDB would compare it with the column; None when in doubt."""
    kind = column.type
    if isinstance(value, bool):
        return int(value) if kind.id is TypeId.BOOLEAN else None
    if kind.id is TypeId.STRING:
        return value if isinstance(value, str) else None
    if kind.is_integer or kind.id is TypeId.DECIMAL:
        return _number(value)
    if kind.is_timestamp or kind.id is TypeId.DATE:
        return _moment(value, column)
    return None


def _number(value: object) -> Key | None:
    if isinstance(value, int):
        return value
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, float):
        return value if abs(value) < _FLOAT_EXACT else None
    return None


def _moment(value: object, column: Column) -> Key | None:
    """A moment in the column's unit, None if the unit is too coarse for it."""
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        micros = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        moment = pa.scalar(micros, pa.timestamp("us"))
    elif isinstance(value, str):
        try:
            text = pa.array([value], pa.string())
            moment = column_from_text(text, TIMESTAMP_NANOSECOND, "UTC", column=column.name)[0]
        except DbError:
            return None  # the statement itself will say what is wrong with it
    else:
        return None
    try:
        return key_of(moment.cast(column.type.arrow), column.type)
    except pa.ArrowInvalid:
        return None


def constant(node: exp.Expr, parameters: Sequence[object]) -> object:
    """What a literal or parameter is, None for everything else."""
    number = parameter_number(node)
    if number is not None:
        return parameters[number - 1]
    if isinstance(node, exp.Paren):
        return constant(node.this, parameters)
    if isinstance(node, exp.Neg):
        inner = constant(node.this, parameters)
        return -inner if isinstance(inner, int | Decimal) else None
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.this.is_string:
        return str(node.this.name) if node.to.this in _MOMENTS else None
    if not isinstance(node, exp.Literal):
        return None
    if node.is_string:
        return str(node.name)
    return int(node.name) if node.name.isdigit() else Decimal(node.name)
