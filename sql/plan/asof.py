"""ASOF JOIN and LT JOIN without a condition on time, as QuestDB writes them, for DuckDB.

    trades ASOF JOIN quotes ON (symbol)     the newest quote not after the trade
    trades LT JOIN quotes ON (symbol)       the newest quote before the trade

Every row of the left side comes out, with NULLs where nothing matches. A join whose ON compares
times itself (DuckDB's and ClickHouse's form) is left as it is. sql/plan/time_series.py calls this.

    https://questdb.com/docs/reference/sql/asof-join/
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.plan.literals import conjuncts
from sql.plan.range_source import Source, find_source

Resolve = Callable[[exp.Table], Table | None]
_ORDERINGS = (exp.GT, exp.GTE, exp.LT, exp.LTE)


def rewrite_asof(select: exp.Select, resolve: Resolve) -> exp.Select:
    """Adds the condition on time to a query's ASOF and LT joins, in place. Raises: DbError."""
    joins = [j for j in select.args.get("joins") or [] if j.method in ("ASOF", "LT")]
    for join in joins:
        if join.args.get("tolerance") is not None:
            raise DbError(
                ErrorKind.UNSUPPORTED,
                "TOLERANCE is not supported",
                hint="CASE WHEN left.ts - right.ts <= INTERVAL '…' THEN right.x END",
            )
        on = join.args.get("on")
        conditions = [] if on is None else conjuncts(on)
        if any(isinstance(condition, _ORDERINGS) for condition in conditions):
            _check_method(join)
            continue
        _complete(select, join, conditions, resolve)
    return select


def _check_method(join: exp.Join) -> None:
    if join.method == "LT":
        raise DbError(
            ErrorKind.SYNTAX,
            "LT JOIN compares the times by itself: its ON names only what must be equal",
        )


def _complete(
    select: exp.Select, join: exp.Join, conditions: list[exp.Expr], resolve: Resolve
) -> None:
    left = find_source(select, resolve)
    alone = exp.Select(expressions=[exp.Star()], from_=exp.From(this=join.this.copy()))
    alone.parent = select  # only to see the CTEs from here
    right = find_source(alone, resolve)
    equal = [e for c in _keys(join, conditions, left, right) for e in [c]]
    compare = exp.GT if join.method == "LT" else exp.GTE
    equal.append(compare(this=left.time_column(), expression=right.time_column()))
    join.set("using", None)
    join.set("on", exp.and_(*equal, copy=False))
    join.set("method", "ASOF")
    join.set("side", "LEFT")


def _keys(
    join: exp.Join, conditions: list[exp.Expr], left: Source, right: Source
) -> list[exp.Expr]:
    """`ON (symbol)`, `ON (a, b)` and USING as equalities; equalities stay."""
    keys: list[exp.Expr] = []
    names = list(join.args.get("using") or [])
    for condition in conditions:
        if isinstance(condition, exp.Tuple):
            names += condition.expressions
        elif isinstance(condition, (exp.Column, exp.Identifier)):
            names.append(condition)
        elif isinstance(condition, exp.EQ):
            keys.append(condition)
        else:
            raise DbError(
                ErrorKind.SYNTAX,
                f"the ON clause of an {join.method} JOIN names columns that must be equal",
                hint="ON (symbol), or ON a.symbol = b.symbol",
            )
    for name in names:
        mine = exp.column(name.name, table=left.alias, quoted=True)
        theirs = exp.column(name.name, table=right.alias, quoted=True)
        keys.append(exp.EQ(this=mine, expression=theirs))
    return keys
