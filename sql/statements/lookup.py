"""Stored rows by their keys, for statements that write what depends on them.

The keys come as an Arrow table and are joined with the stored rows; the join's scan is narrowed to
the keys' times and, when they are few, to their tags, so that a small batch costs little whatever
the size of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from catalog.records import Table
from sql.plan.keys import VALUES_MAX
from sql.plan.literals import Bound, moment_literal
from sql.plan.plan import QueryPlan
from sql.plan.tables import Reference, TagKey
from sql.statements.parts import Pieces, column_of, derived, same_key, source
from sql.statements.target import identity_columns

if TYPE_CHECKING:
    from sql.client_session import ClientSession

SEEN = "__seen"
_KEYS = "__keys"


def is_empty(rows: pa.Table) -> bool:
    """True without rows."""
    return bool(rows.num_rows == 0)


def hash_of(table: Table, alias: str) -> exp.Expr:
    """A row's values as one number, to tell later whether they are the same."""
    values = [column_of(alias, column.name) for column in table.columns]
    hashed = exp.Anonymous(this="hash", expressions=values)
    return exp.alias_(hashed, SEEN, quoted=True)


def rows_at(session: ClientSession, table: Table, keys: pa.Table) -> pa.Table:
    """The key columns and hash (`SEEN`) of the rows with those keys. Each key counts once."""
    names = identity_columns(table)
    keys = keys.select(list(names))
    alias = "__stored"
    found = [column_of(alias, name) for name in names]
    with Pieces(session, "").with_rows(keys, table) as (name, pieces):
        node = exp.table_(table.name, table.database, quoted=True)
        each = exp.select("*").distinct().from_(source(name, _KEYS))
        select = (
            exp.select(*found, hash_of(table, alias))
            .from_(derived(each, _KEYS))
            .join(
                exp.alias_(node, alias, quoted=True, table=True),
                on=same_key(_KEYS, alias, names),
            )
        )
        plan, values = pieces.plan(select)
        return session.runner.table(narrowed(plan, alias, table, keys), values, "")


def same_rows(session: ClientSession, left: pa.Table, right: pa.Table) -> bool:
    """True if both have the same rows, in any order."""
    if left.num_rows != right.num_rows:
        return False
    pieces = Pieces(session, "")
    with pieces.with_rows(left) as (a, _), pieces.with_rows(right) as (b, _):
        differing = session.duck.table(
            f"SELECT count(*) AS n FROM (SELECT * FROM {a} EXCEPT ALL SELECT * FROM {b})"
        )
    return bool(differing.column(0)[0].as_py() == 0)


def narrowed(plan: QueryPlan, alias: str, table: Table, keys: pa.Table) -> QueryPlan:
    """The plan with the scan of that alias reading only what may have one of the keys.

    Requires: the plan joins that scan with the keys, so that other rows of it are not wanted.
    `keys` may lack some of the table's key columns.
    """
    if not table.is_time_series or is_empty(keys):
        return plan
    scan = next(reference for reference in plan.scans if reference.alias == alias)
    bounds = plan.bounds + _bounds(scan, table, keys)
    wanted = _tags(table, keys)
    scans = tuple(
        replace(one, keys=one.keys + wanted) if one is scan else one for one in plan.scans
    )
    return replace(plan, bounds=bounds, scans=scans, front=None)


def _bounds(scan: Reference, table: Table, keys: pa.Table) -> tuple[Bound, ...]:
    """First and last time of the keys."""
    time = table.column(str(table.time_index))
    if time is None or time.name not in keys.column_names:
        return ()
    ends = pc.min_max(keys.column(time.name).cast(time.type.arrow))
    if not ends["min"].is_valid:
        return ()
    return tuple(
        Bound(scan.placeholder, end == "min", True, moment_literal(ends[end], time.type))
        for end in ("min", "max")
    )


def _tags(table: Table, keys: pa.Table) -> tuple[TagKey, ...]:
    """The values of each tag, if they are few and none is NULL."""
    found: Sequence[TagKey] = []
    for name in table.primary_key:
        if name not in keys.column_names or keys.column(name).null_count:
            continue
        kind = keys.schema.field(name).type
        if not (pa.types.is_string(kind) or pa.types.is_integer(kind)):
            continue
        values = pc.unique(keys.column(name))
        if len(values) <= VALUES_MAX:
            literals = tuple(_literal(value) for value in values.to_pylist())
            found = [*found, TagKey(name, literals)]
    return tuple(found)


def _literal(value: str | int) -> exp.Expr:
    if isinstance(value, str):
        return exp.Literal.string(value)
    return exp.Literal.number(value)
