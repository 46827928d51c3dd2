"""QuestDB's `LATEST ON ts PARTITION BY keys` as a window that latest.py knows how to answer fast.

https://questdb.com/docs/reference/sql/latest-on/ ; sql/plan/time_series.py calls this.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.plan.range_source import find_source

Resolve = Callable[[exp.Table], Table | None]
_INNER = ("from_", "joins", "laterals", "where")


def rewrite_latest_on(select: exp.Select, resolve: Resolve) -> exp.Select:
    """A query over the newest row of each group of keys; any other query as it is.

    WHERE comes before the newest rows are chosen, everything else after. Raises: DbError.
    """
    clause = select.args.get("latest_on")
    if clause is None:
        return select
    select = select.copy()
    select.set("latest_on", None)
    from_ = select.args.get("from_")
    if from_ is None or select.args.get("joins") or select.args.get("qualify"):
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "LATEST ON chooses from one table or subquery",
            hint="join with a subquery: (SELECT * FROM t LATEST ON ts PARTITION BY k)",
        )
    time = clause.this
    if time is None:
        time = find_source(select, resolve).time_column()
    alias = from_.this.alias_or_name
    inner = exp.Select(expressions=[exp.Star()])
    for key in _INNER:
        value = select.args.get(key)
        if value:
            inner.set(key, value)
            select.set(key, None)
    newest = exp.Window(
        this=exp.RowNumber(),
        partition_by=[key.copy() for key in clause.expressions],
        order=exp.Order(expressions=[exp.Ordered(this=time.copy(), desc=True, nulls_first=False)]),
    )
    one = exp.EQ(this=newest, expression=exp.Literal.number(1))
    inner.set("qualify", exp.Qualify(this=one))
    named = exp.TableAlias(this=exp.to_identifier(alias or "__latest", quoted=True))
    select.set("from_", exp.From(this=exp.Subquery(this=inner, alias=named)))
    return select
