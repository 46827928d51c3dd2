"""Tables that live in plans alone: `numbers`, MySQL's DUAL, and sequences read as tables.

`numbers` is GreptimeDB's: the numbers from 0 on, in the default database. Called by
sql/plan/tables.py for a name that no table has, so a table of that name takes its place. Lists of
tables show the record below.
"""

from __future__ import annotations

from sqlglot import exp

from catalog.records import Column, Table, TableKind
from engine import datatypes
from sql.plan.context import PlanContext
from sql.session import Wire

_DATABASE = "public"
_ROWS = 100  # unless a plain LIMIT asks for more or fewer
_MOST = 1 << 32  # there are no more unsigned 32-bit numbers
RECORD = Table(
    id=0,
    database=_DATABASE,
    name="numbers",
    kind=TableKind.RELATIONAL,
    columns=(Column("number", datatypes.UINT32, nullable=False),),
    primary_key=("number",),
    engine="test_engine",
    temporary=True,
)
_NARROWING = ("where", "group", "having", "distinct", "order", "joins", "offset", "windows")


def is_numbers(node: exp.Table, context: PlanContext) -> bool:
    """True if a node that names no table means the built-in one."""
    return node.name == "numbers" and (node.db or context.database) == _DATABASE


def is_dual(node: exp.Table, context: PlanContext) -> bool:
    """True for the table of one row that MySQL reads where there is nothing to read."""
    return context.wire is Wire.MYSQL and not node.db and node.name.lower() == "dual"


def dual(node: exp.Table) -> exp.Subquery:
    """The query that stands for DUAL."""
    alias = exp.TableAlias(this=exp.to_identifier(node.alias_or_name, quoted=True))
    return exp.Subquery(this=exp.select(exp.Literal.number(1).as_("dummy")), alias=alias)


def numbers(node: exp.Table) -> exp.Subquery:
    """The query that stands for the node: one column `number` of unsigned 32-bit numbers.

    There are 100 rows, or as many as the LIMIT of a query that only passes rows on asks for.
    """
    series = exp.Table(this=exp.Anonymous(this="range", expressions=[_count(node)]))
    value = exp.cast(exp.column("range"), exp.DType.UINT).as_("number", quoted=True)
    query = exp.select(value).from_(series)
    alias = exp.to_identifier(node.alias_or_name, quoted=True)
    given = node.args.get("alias")
    columns = given.columns if given is not None else []
    return exp.Subquery(this=query, alias=exp.TableAlias(this=alias, columns=columns))


def sequence_state(node: exp.Table, database: str, name: str) -> exp.Subquery:
    """The query that stands for a sequence: one row of where it is, as pg_dump asks for it."""
    query = exp.select(
        "coalesce(last_value, start_value) AS last_value",
        "CAST(0 AS BIGINT) AS log_cnt",
        "last_value IS NOT NULL AS is_called",
    ).from_(exp.table_("pg_sequences", "pg_catalog", quoted=True))
    for column, value in (("schemaname", database), ("sequencename", name)):
        query = query.where(exp.column(column).eq(exp.Literal.string(value)))
    alias = exp.TableAlias(this=exp.to_identifier(node.alias_or_name, quoted=True))
    return exp.Subquery(this=query, alias=alias)


def _count(node: exp.Table) -> exp.Expr:
    select = node.find_ancestor(exp.Select)
    default = exp.Literal.number(_ROWS)
    if select is None or any(select.args.get(clause) for clause in _NARROWING):
        return default
    from_ = select.args.get("from_")
    limit = select.args.get("limit")
    count = limit.expression if isinstance(limit, exp.Limit) else None
    whole = from_ is not None and from_.this is node and not node.args.get("joins")
    passes = not any(isinstance(e.unalias(), exp.AggFunc) for e in select.expressions)
    plain = isinstance(count, exp.Literal) and count.name.isdigit()
    if not (whole and passes and plain) or select.find(exp.AggFunc, exp.Window):
        return default
    assert count is not None
    return exp.Literal.number(min(int(count.name), _MOST))
