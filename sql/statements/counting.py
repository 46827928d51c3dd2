"""How many rows an UPDATE tells MySQL's clients: those it changed, not all that it matched.

A client asks for the rows matched instead when it connects (CLIENT_FOUND_ROWS). Used by UPDATE.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from catalog.records import Table
from sql.session import Wire
from sql.statements.joined import Joined, Target, find
from sql.statements.parts import Pieces, by_bytes
from sql.types import duckdb_name

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_SAME = "__same"


def counts_changed(session: ClientSession) -> bool:
    """True if rows that stay as they are do not count."""
    return session.wire is Wire.MYSQL and not session.client.found_rows


def same_column(
    session: ClientSession, target: Target, changes: Mapping[str, exp.Expr]
) -> exp.Expr:
    """An output that tells of a row found whether the changes leave it as it is."""
    if not counts_changed(session):
        return exp.alias_(exp.false(), _SAME, quoted=True)
    return exp.alias_(_same(target.table, target.alias, changes), _SAME, quoted=True)


def count_of(found: pa.Table) -> int:
    """How many of the rows count. Requires: `same_column` is among the columns."""
    same = pc.sum(found.column(_SAME).cast(pa.bool_())).as_py() or 0
    return int(found.num_rows - same)


def changed_count(
    pieces: Pieces, joined: Joined, target: Target, changes: Mapping[str, exp.Expr]
) -> int:
    """How many rows a plain UPDATE will change. Requires: it has not run yet."""

    def made() -> exp.Expr:
        differs = exp.not_(_same(target.table, target.alias, changes))
        query = find(joined, target, [exp.alias_(differs, "differs")])
        return exp.select("count(*)").from_(query.subquery("found")).where("differs")

    plan, values = pieces.prepared("changed", made)
    counted = pieces.session.runner.table(plan, values, pieces.text)
    return int(counted.column(0)[0].as_py())


def _same(table: Table, alias: str, changes: Mapping[str, exp.Expr]) -> exp.Expr:
    """True if no column differs. TRY_CAST: this only counts, errors are the statement's own."""
    equal: list[exp.Expr] = []
    for name, value in changes.items():
        column = table.column(name)
        assert column is not None
        if column.touched and isinstance(value, exp.CurrentTimestamp):
            continue  # the time alone makes no row a changed one
        kind = exp.DataType.build(duckdb_name(column.type), dialect="duckdb")
        cast = exp.TryCast(this=value.copy(), to=kind)
        equal.append(exp.NullSafeEQ(this=by_bytes(column, alias), expression=cast))
    return exp.and_(*equal)
