"""Literals next to timestamp columns, and the time range a WHERE clause asks of each scan.

A string beside a timestamp column is a time in the session's zone, an integer is an epoch in the
column's own unit. The range rule then reads the top-level AND conjuncts of each query; what it
finds only prunes (the filter itself stays), so missing something costs time, never rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import pyarrow as pa
from sqlglot import exp

from catalog.records import Table
from engine import datatypes
from engine.datatypes import DataType
from engine.errors import DbError
from sql.decode.text import column_from_text
from sql.dialect.pieces import cast_to
from sql.plan.clocks import KIND, Clock
from sql.plan.scopes import Scopes
from sql.plan.tables import Scanned
from sql.plan.typed import inferred_type
from sql.types import duckdb_name

_S = TypeVar("_S", bound=Scanned)

# Text with a fraction of a second beyond what seconds, milliseconds or microseconds may hold.
_FINE = re.compile(r":\d\d[.,]\d+")
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.NullSafeEQ)


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a scan's time range: `value` is a constant expression of the column's type."""

    placeholder: str
    is_start: bool
    inclusive: bool
    value: exp.Expr


def timestamp_literals(tree: exp.Expr, scopes: Scopes, timezone: str) -> exp.Expr:
    """Turns literals compared with timestamps into literals of the timestamps' type.

    A literal between two values of the type becomes the one that leaves the comparison as it is.
    Raises: DbError INVALID_DATETIME.
    """
    for node in list(tree.find_all(*_COMPARISONS, exp.Between, exp.In)):
        moment, others = node.this, _other_sides(node)
        kind = _timestamp_type(scopes, moment)
        if kind is None and isinstance(node, _COMPARISONS):
            moment, others = node.expression, [node.this]
            kind = _timestamp_type(scopes, moment)
        if kind is None:
            continue
        name = moment.name if isinstance(moment, exp.Column) else "timestamp"
        for other in others:
            literal = _literal(other, kind, timezone, name, _rounding(node, other))
            if literal is not None:
                other.replace(literal)
    return tree


def _timestamp_type(scopes: Scopes, node: exp.Expr) -> DataType | None:
    """The type of what is certainly a timestamp without a zone, also from within subqueries."""
    if isinstance(node, (exp.Literal, exp.Parameter, exp.Null, exp.Cast)):
        return None
    found = inferred_type(scopes, node)
    if found is None or not found.is_timestamp:
        return None
    return found.on_wall if node.meta.get(KIND) == Clock.WALL.value else found


def _rounding(node: exp.Expr, literal: exp.Expr) -> int | None:
    """Which neighbour of a too fine literal means the same: -1 below, 1 above, None neither."""
    left = node.this is literal
    if isinstance(node, exp.Between):
        return 1 if literal.arg_key == "low" else -1
    if isinstance(node, (exp.LT, exp.GTE)):
        return -1 if left else 1
    if isinstance(node, (exp.GT, exp.LTE)):
        return 1 if left else -1
    return None


def binary_literals(tree: exp.Expr) -> exp.Expr:
    """Reads `'\\x00ff'::bytea` as PostgreSQL does; DuckDB's own blob text differs.

    Raises: DbError INVALID_TEXT.
    """
    for node in list(tree.find_all(exp.Cast)):
        inner = node.this
        if not (isinstance(inner, exp.Literal) and inner.is_string):
            continue
        if not node.to.is_type("binary", "varbinary", "blob"):
            continue
        texts = pa.array([inner.name], pa.string())
        value = column_from_text(texts, datatypes.BINARY, "UTC", column="bytea")[0].as_py()
        made = exp.Anonymous(this="unhex", expressions=[exp.Literal.string(value.hex())])
        if node is tree:
            return made
        node.replace(made)
    return tree


_SHORT_OFFSET = re.compile(r"(:\d\d(?:\.\d+)?\s*[+-])(\d)")


def short_offsets(tree: exp.Expr) -> exp.Expr:
    """`'2020-01-01 00:00:00-0'::timestamp`: a zone of one digit, which DuckDB does not read."""
    for node in tree.find_all(exp.Cast):
        inner = node.this
        if inner.is_string and node.to.this in exp.DataType.TEMPORAL_TYPES:
            found = _SHORT_OFFSET.search(inner.name)
            if found is not None and found.end() == len(inner.name):
                inner.set("this", _SHORT_OFFSET.sub(r"\g<1>0\2", inner.name))
    return tree


def _other_sides(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Between):
        return [node.args["low"], node.args["high"]]
    if isinstance(node, exp.In):
        return list(node.expressions)
    return [node.expression]


def _literal(
    node: exp.Expr, type_: DataType, timezone: str, column: str, rounding: int | None
) -> exp.Expr | None:
    negative = isinstance(node, exp.Neg)
    inner = node.this if negative else node
    if not isinstance(inner, exp.Literal) or (negative and inner.is_string):
        return None
    if not inner.is_string:
        if not inner.name.isdigit():
            return None
        text = f"-{inner.name}" if negative else inner.name
        return timestamp_literal(text, type_, timezone, column)
    if type_.unit != "ns" and _FINE.search(inner.name):
        return _fine_literal(inner.name, type_, timezone, column, rounding)
    return timestamp_literal(inner.name, type_, timezone, column)


def _fine_literal(
    text: str, type_: DataType, timezone: str, column: str, rounding: int | None
) -> exp.Expr:
    """A literal that may lie between two values of the type; DuckDB compares the finer unit."""
    try:
        nanos = replace(datatypes.TIMESTAMP_NANOSECOND, wall=type_.wall)
        exact = _value_of(text, nanos, timezone, column)
    except DbError:  # beyond the years that nanoseconds reach, or no timestamp at all
        return timestamp_literal(text, type_, timezone, column)
    coarse = exact.cast(type_.arrow, safe=False)  # towards the epoch
    left = exact.cast(pa.int64())[0].as_py() - coarse.cast(exact.type).cast(pa.int64())[0].as_py()
    if left and rounding is None:
        return _printed(exact, datatypes.TIMESTAMP_NANOSECOND)
    step = (left > 0) - (left < 0)
    if left and step == rounding:
        coarse = pa.array([coarse.cast(pa.int64())[0].as_py() + step]).cast(type_.arrow)
    return _printed(coarse, type_)


def timestamp_literal(text: str, type_: DataType, timezone: str, column: str) -> exp.Expr:
    """A DuckDB literal of a timestamp type from text or an epoch in the type's unit."""
    return _printed(_value_of(text, type_, timezone, column), type_)


def moment_literal(value: pa.Scalar, type_: DataType) -> exp.Expr:
    """A DuckDB literal of a timestamp."""
    return cast_to(exp.Literal.string(value.cast(pa.string()).as_py()), duckdb_name(type_))


def _value_of(text: str, type_: DataType, timezone: str, column: str) -> pa.Array:
    return column_from_text(pa.array([text], pa.string()), type_, timezone, column=column)


def _printed(value: pa.Array, type_: DataType) -> exp.Expr:
    return moment_literal(value[0], type_)


def time_bounds(tree: exp.Expr, scopes: Scopes, scans: Sequence[Scanned]) -> tuple[Bound, ...]:
    """What the WHERE clauses say about the time index of each scan."""
    by_node = {reference.node_id: reference for reference in scans}
    if not by_node:
        return ()
    found: list[Bound] = []
    for holder in tree.find_all(exp.Select, exp.Delete, exp.Update):
        where = holder.args.get("where")
        if where is None:
            continue
        references = references_of(holder, by_node)
        for conjunct in conjuncts(where.this):
            found.extend(bounds_of(conjunct, scopes, references))
    return tuple(found)


def columns_read(tree: exp.Expr, table: Table) -> tuple[str, ...]:
    """The columns a statement may read of a table: by name anywhere, or all when in doubt."""
    everything = tuple(column.name for column in table.columns)
    stars = (star for star in tree.find_all(exp.Star) if not isinstance(star.parent, exp.Count))
    if next(stars, None) is not None:
        return everything
    if any(j.args.get("using") or j.args.get("method") for j in tree.find_all(exp.Join)):
        return everything
    names = {node.name for node in tree.find_all(exp.Column)}
    if names - set(everything) & {node.alias_or_name for node in tree.find_all(exp.Table)}:
        return everything  # a whole row by its table's name
    wanted = names | {str(table.time_index)}
    return tuple(name for name in everything if name in wanted)


def names_read(tree: exp.Expr) -> frozenset[str] | None:
    """The columns a statement may read of anything, None for all: by a star, USING, a whole row."""
    stars = (star for star in tree.find_all(exp.Star) if not isinstance(star.parent, exp.Count))
    if next(stars, None) is not None:
        return None
    if any(j.args.get("using") or j.args.get("method") for j in tree.find_all(exp.Join)):
        return None
    names = {node.name.lower() for node in tree.find_all(exp.Column)}
    tables = {node.alias_or_name.lower() for node in tree.find_all(exp.Table, exp.Subquery)}
    return None if names & tables else frozenset(names)


def references_of(holder: exp.Expr, by_node: dict[int, _S]) -> dict[str, _S]:
    """Alias → scan of what a statement reads directly."""
    nodes = [holder.this] if isinstance(holder, exp.Delete | exp.Update) else []
    from_ = holder.args.get("from_")
    nodes += [from_.this] if from_ is not None else []
    nodes += [join.this for join in holder.args.get("joins") or []]
    return {node.alias_or_name: by_node[id(node)] for node in nodes if id(node) in by_node}


def conjuncts(node: exp.Expr) -> list[exp.Expr]:
    """The conditions that must all hold."""
    if isinstance(node, exp.And):
        return conjuncts(node.left) + conjuncts(node.right)
    if isinstance(node, exp.Paren):
        return conjuncts(node.this)
    return [node]


_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.LT: exp.GT,
    exp.GT: exp.LT,
    exp.LTE: exp.GTE,
    exp.GTE: exp.LTE,
    exp.EQ: exp.EQ,
}


def bounds_of(node: exp.Expr, scopes: Scopes, references: Mapping[str, Scanned]) -> list[Bound]:
    """What a condition says about the time index of a scan; nothing if it says anything else."""
    if isinstance(node, exp.Between) and not node.args.get("symmetric"):
        # Of copies: a node has one parent, and is looked up from where it stands.
        low = exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())
        high = exp.LTE(this=node.this.copy(), expression=node.args["high"].copy())
        reference = _time_reference(node.this, scopes, references)
        return _of(low, reference, type(low)) + _of(high, reference, type(high))
    if type(node) not in _MIRRORED:
        return []
    reference = _time_reference(node.this, scopes, references)
    if reference is not None:
        return _of(node, reference, type(node))
    reference = _time_reference(node.expression, scopes, references)
    swapped = type(node)(this=node.expression.copy(), expression=node.this.copy())
    return _of(swapped, reference, _MIRRORED[type(node)])


def _time_reference(
    node: exp.Expr, scopes: Scopes, references: Mapping[str, Scanned]
) -> Scanned | None:
    source = scopes.source(node)
    if source is None:
        return None
    alias, column, table = source
    reference = references.get(alias)
    if reference is None or reference.table is not table or column.name != table.time_index:
        return None
    return reference


def _of(node: exp.Expr, reference: Scanned | None, kind: type[exp.Expr]) -> list[Bound]:
    value = node.expression
    if reference is None or not _is_constant(value):
        return []
    place = reference.placeholder
    bounds = []
    if kind in (exp.GT, exp.GTE, exp.EQ):
        bounds.append(Bound(place, True, kind is not exp.GT, value.copy()))
    if kind in (exp.LT, exp.LTE, exp.EQ):
        bounds.append(Bound(place, False, kind is not exp.LT, value.copy()))
    return bounds


_VARIABLE = (exp.Column, exp.Query, exp.Subquery, exp.Rand, exp.Window, exp.AggFunc, exp.Table)


def _is_constant(node: exp.Expr) -> bool:
    """True if the value is the same for every row and cheap to ask for beforehand."""
    volatile = {"random", "uuid", "gen_random_uuid", "uuid_generate_v4", "nextval", "setseed"}
    volatile.add("gn_act")
    for part in node.walk():
        if isinstance(part, _VARIABLE):
            return False
        if isinstance(part, exp.Anonymous) and part.name.lower() in volatile:
            return False
    return True
