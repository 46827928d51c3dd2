"""FETCH FIRST n ROWS WITH TIES, of which DuckDB would leave the last words out.

A rule of plan.py. Plain FETCH FIRST n ROWS is LIMIT n and needs nothing; PERCENT is refused.
"""

from __future__ import annotations

from sqlglot import exp

from engine.errors import DbError, ErrorKind


def with_ties(tree: exp.Expr) -> exp.Expr:
    """Keeps the rows by their rank, in place: those that equal the last one come along.

    Raises: DbError SYNTAX without ORDER BY, UNSUPPORTED.
    """
    for node in list(tree.find_all(exp.Fetch)):
        options = node.args.get("limit_options")
        if options is None:
            continue
        if options.args.get("percent"):
            raise DbError(ErrorKind.UNSUPPORTED, "FETCH FIRST … PERCENT is not supported")
        if options.args.get("with_ties"):
            _rank(node)
    return tree


def _rank(fetch: exp.Fetch) -> None:
    query = fetch.parent
    if not isinstance(query, exp.Select) or query.args.get("distinct"):
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "FETCH FIRST … WITH TIES is not supported behind DISTINCT, UNION and their kin",
            hint="make it a query over that one, in parentheses",
        )
    order = query.args.get("order")
    if order is None:
        message = "WITH TIES cannot be specified without ORDER BY clause"
        raise DbError(ErrorKind.SYNTAX, message)
    keys = [_key(ordered, query) for ordered in order.expressions]
    count = fetch.args.get("count") or exp.Literal.number(1)
    offset = query.args.get("offset")
    last: exp.Expr = exp.cast(count.copy(), "BIGINT")
    wanted: list[exp.Expr] = []
    if offset is not None:
        skipped = exp.cast(offset.expression.copy(), "BIGINT")
        wanted.append(exp.GT(this=_over(exp.RowNumber(), keys), expression=skipped))
        last = exp.Paren(this=exp.Add(this=last, expression=skipped.copy()))
    wanted.append(exp.LTE(this=_over(exp.Anonymous(this="rank"), keys), expression=last))
    before = query.args.get("qualify")
    if before is not None:
        wanted.append(before.this)
    query.set("limit", None)
    query.set("offset", None)
    query.set("qualify", exp.Qualify(this=exp.and_(*wanted)))


def _over(function: exp.Expr, keys: list[exp.Expr]) -> exp.Window:
    order = exp.Order(expressions=[key.copy() for key in keys])
    return exp.Window(this=function, order=order, over="OVER")


def _key(ordered: exp.Expr, query: exp.Select) -> exp.Expr:
    """A key of ORDER BY with the output it names, by number or alias, in place of the name."""
    made = ordered.copy()
    value = made.this
    outputs = query.expressions
    if isinstance(value, exp.Literal) and value.is_int and 0 < int(value.name) <= len(outputs):
        value.replace(outputs[int(value.name) - 1].unalias().copy())
    elif isinstance(value, exp.Column) and not value.table:
        named = [one for one in outputs if isinstance(one, exp.Alias) and one.alias == value.name]
        if named:
            value.replace(named[0].this.copy())
    return made
