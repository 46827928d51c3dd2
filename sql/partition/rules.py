"""Partition rules: from expressions over columns to small typed trees.

`column {= != < <= > >=} literal`, joined by AND, OR, NOT and parentheses. Literals become keys:
plain Python values that sort as the column's values do (text by code points, which is the order of
its bytes; moments as epochs in the column's unit). Called when rules are declared and, with the
stored text, whenever a table's partitions are needed. It never looks at rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pyarrow as pa
from sqlglot import exp

from catalog.records import Column
from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from sql.decode.text import column_from_text
from sql.dialect.dialects import to_sql
from sql.dialect.parser import parse
from sql.session import Wire

Key = Any  # a str, int, float or Decimal: all keys along one axis are of one kind

_EPOCHS = frozenset({TypeId.TIMESTAMP_TZ})
_PLAIN = frozenset({TypeId.STRING, TypeId.BOOLEAN, TypeId.DATE, TypeId.FLOAT64, TypeId.FLOAT32})


class Op(Enum):
    """How a column is compared with a literal."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="


@dataclass(frozen=True, slots=True)
class Compare:
    """`column op key`."""

    column: str
    op: Op
    key: Key


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a rule. Rules have two truth values: NULL sorts below every value."""

    part: Rule


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds."""

    parts: tuple[Rule, ...]


Rule = Compare | Not | All | AnyOf

_OPS: dict[type[exp.Expr], Op] = {
    exp.EQ: Op.EQ,
    exp.NEQ: Op.NE,
    exp.LT: Op.LT,
    exp.LTE: Op.LE,
    exp.GT: Op.GT,
    exp.GTE: Op.GE,
}
MIRRORED = {Op.EQ: Op.EQ, Op.NE: Op.NE, Op.LT: Op.GT, Op.LE: Op.GE, Op.GT: Op.LT, Op.GE: Op.LE}


def is_partitionable(type_: DataType) -> bool:
    """True if values of the type can be compared in a rule."""
    ordered = type_.is_integer or type_.is_timestamp or type_.id is TypeId.DECIMAL
    return ordered or type_.id in _PLAIN | _EPOCHS


def operator_of(node: exp.Expr) -> Op | None:
    """The comparison a node is, None for others."""
    return _OPS.get(type(node))


def read_rules(texts: Sequence[str], columns: Sequence[Column]) -> tuple[Rule, ...]:
    """Stored rules as trees. Raises: DbError as `read_rule`."""
    return tuple(read_rule(_parsed(text), columns) for text in texts)


def _parsed(text: str) -> exp.Expr:
    select = parse(f"SELECT {text}", Wire.HTTP)[0].tree
    assert isinstance(select, exp.Select)
    rule: exp.Expr = select.expressions[0]
    return rule


def spelled(text: str, wire: Wire, bare: Collection[str] = ()) -> str:
    """A stored rule as a wire's clients would write it, the names in `bare` without quotes."""
    rule = _parsed(text)
    for name in rule.find_all(exp.Identifier):
        if name.name in bare:
            name.set("quoted", False)
    return to_sql(rule, wire)


def settled(text: str, columns: Sequence[Column], timezone: str) -> str:
    """A rule as the catalog keeps it: as it was written, but with its moments in UTC.

    Raises: DbError as `read_rule`.
    """
    rule = _parsed(text)
    for node in list(rule.find_all(*_OPS)):
        column, literal = _sides(node, columns)
        moment = column.type.is_timestamp or column.type.id is TypeId.TIMESTAMP_TZ
        if moment and timezone != "UTC":
            literal.replace(exp.Literal.string(_moment(literal, column, timezone)))
    read_rule(rule, columns)
    return to_sql(rule, Wire.HTTP)


def _moment(literal: exp.Expr, column: Column, timezone: str) -> str:
    value = _value(literal, column, timezone)
    unit = pa.timestamp(value.type.unit)
    return f"{pa.array([value]).cast(unit).cast(pa.string())[0].as_py()}+00:00"


def read_rule(node: exp.Expr, columns: Sequence[Column]) -> Rule:
    """The typed tree of an expression over these columns.

    Raises: DbError INVALID_ARGUMENT for what no rule may hold, UNDEFINED_COLUMN, and what literals
    raise that are no values of their column.
    """
    if isinstance(node, exp.Paren):
        return read_rule(node.this, columns)
    if isinstance(node, exp.And):
        return All((read_rule(node.left, columns), read_rule(node.right, columns)))
    if isinstance(node, exp.Or):
        return AnyOf((read_rule(node.left, columns), read_rule(node.right, columns)))
    if isinstance(node, exp.Not):
        return Not(read_rule(node.this, columns))
    op = operator_of(node)
    if op is None:
        raise _refused(node, "is no rule")
    column, literal = _sides(node, columns)
    if literal is node.this:
        op = MIRRORED[op]
    value = _value(literal, column, "UTC")
    key = key_of(value, column.type)
    if isinstance(key, float) and key != key:
        raise _refused(node, "compares with NaN")
    return Compare(column.name, op, key)


def columns_of(rule: Rule) -> Iterator[str]:
    """The columns a rule speaks of, with repetitions."""
    if isinstance(rule, Compare):
        yield rule.column
    else:
        for part in parts_of(rule):
            yield from columns_of(part)


def parts_of(rule: Not | All | AnyOf) -> tuple[Rule, ...]:
    """What a compound rule is made of."""
    return (rule.part,) if isinstance(rule, Not) else rule.parts


def comparisons(rule: Rule) -> Iterator[Compare]:
    """Every comparison in a rule."""
    if isinstance(rule, Compare):
        yield rule
    else:
        for part in parts_of(rule):
            yield from comparisons(part)


def _sides(node: exp.Expr, columns: Sequence[Column]) -> tuple[Column, exp.Expr]:
    """The column and the literal of a comparison, whichever side they are on."""
    left, right = node.this, node.expression
    named, literal = (left, right) if isinstance(left, exp.Column) else (right, left)
    if not isinstance(named, exp.Column) or named.table:
        raise _refused(node, "compares no column")
    if isinstance(literal, exp.Column):
        raise _refused(node, "compares two columns")
    found = next((c for c in columns if c.name == named.name), None)
    if found is None:
        raise DbError(
            ErrorKind.UNDEFINED_COLUMN,
            f'partition rule {to_sql(node, Wire.HTTP)}: "{named.name}" is no partition column',
            hint="name it in PARTITION ON COLUMNS",
        )
    return found, literal


def _value(literal: exp.Expr, column: Column, timezone: str) -> pa.Scalar:
    """The literal as a value of the column. Raises: DbError."""
    node, sign = literal, ""
    if isinstance(node, exp.Cast):
        node = node.this
    if isinstance(node, exp.Neg):
        node, sign = node.this, "-"
    if isinstance(node, exp.Boolean) and column.type.id is TypeId.BOOLEAN:
        return pa.scalar(bool(node.this))
    if not isinstance(node, exp.Literal) or (sign and node.is_string):
        raise _refused(literal, f'is no literal of the type of "{column.name}"')
    if not node.is_string and column.type.id in (TypeId.STRING, TypeId.BOOLEAN):
        raise _refused(literal, f'is no literal of the type of "{column.name}"')
    text = pa.array([sign + node.name], pa.string())
    return column_from_text(text, column.type, timezone, column=column.name)[0]


def key_of(value: pa.Scalar, type_: DataType) -> Key:
    """The key of a value that is not NULL. Requires: `is_partitionable`."""
    if type_.id is TypeId.DATE:
        return int(value.cast(pa.int32()).as_py())
    if type_.is_timestamp or type_.id in _EPOCHS:
        return int(value.value)
    found = value.as_py()
    if isinstance(found, bool):
        return int(found)
    return found


def _refused(node: exp.Expr, what: str) -> DbError:
    return DbError(
        ErrorKind.INVALID_ARGUMENT,
        f"partition rule: {to_sql(node, Wire.HTTP)} {what}",
        hint="a rule is made of `column < literal` and its kin, AND, OR, NOT and parentheses",
    )
