"""Set-returning functions that stand side by side in FROM: `unnest(a, b)` and `ROWS FROM (f, g)`.

`joined_functions` makes each a query whose list holds the functions: DuckDB then sets their rows
side by side and fills the shorter ones with NULL, as PostgreSQL does. Called by sql/plan/plan.py
while names are still the client's. It knows no table.

https://www.postgresql.org/docs/15/queries-table-expressions.html#QUERIES-TABLEFUNCTIONS
"""

from __future__ import annotations

from sqlglot import exp

_ORDINALITY = "ordinality"


def joined_functions(tree: exp.Expr) -> exp.Expr:
    """Rewrites in place and returns the tree.

    >>> from sqlglot import parse_one
    >>> query = "SELECT * FROM unnest(ARRAY[1, 2], ARRAY['a']) AS t(x, y)"
    >>> joined_functions(parse_one(query, read="postgres")).sql("duckdb")
    "SELECT * FROM (SELECT UNNEST([1, 2]) AS unnest, UNNEST(['a']) AS unnest) AS t(x, y)"
    """
    for unnest in list(tree.find_all(exp.Unnest)):
        if len(unnest.expressions) > 1 and _is_source(unnest):
            _replace_unnest(unnest)
    for table in list(tree.find_all(exp.Table)):
        if table.args.get("rows_from"):
            _replace_rows_from(table)
    return tree


def _is_source(node: exp.Expr) -> bool:
    return isinstance(node.parent, exp.From | exp.Join | exp.Lateral)


def _replace_unnest(node: exp.Unnest) -> None:
    alias = node.args.get("alias")
    offset = node.args.get("offset")
    if isinstance(offset, exp.Identifier) and alias is not None:
        alias.append("columns", offset.copy())  # the parser has taken the name off the list
    query = _side_by_side(node.expressions, [_ROW_NAME] * len(node.expressions), bool(offset))
    if isinstance(node.parent, exp.Lateral):
        node.replace(exp.Subquery(this=query))
    else:
        node.replace(exp.Subquery(this=query, alias=alias or _derived()))


def _replace_rows_from(table: exp.Table) -> None:
    """Every function of the list is made an array, of which each element is a row."""
    calls = table.args["rows_from"]
    arrays: list[exp.Expr] = []
    names: list[str] = []
    for call in calls:
        inner = call.this if isinstance(call, exp.Table | exp.Alias) else call
        if isinstance(inner, exp.Unnest):
            arrays += inner.expressions
            names += [_ROW_NAME] * len(inner.expressions)
        else:
            arrays.append(_array(inner))
            names.append(inner.name if isinstance(inner, exp.Anonymous) else _key(inner))
    query = _side_by_side(arrays, names, bool(table.args.get("ordinality")))
    table.replace(exp.Subquery(this=query, alias=table.args.get("alias") or _derived()))


_ROW_NAME = "unnest"


def _key(node: exp.Expr) -> str:
    return "generate_series" if _is_series(node) else node.key


def _is_series(node: exp.Expr) -> bool:
    return isinstance(node, exp.GenerateSeries | exp.ExplodingGenerateSeries)


def _array(call: exp.Expr) -> exp.Expr:
    """All rows of a function as one array; a scalar function gives one row."""
    if isinstance(call, exp.ExplodingGenerateSeries):
        return exp.GenerateSeries(**{name: value for name, value in call.args.items() if value})
    if isinstance(call, exp.GenerateSeries):
        return call
    return exp.Array(expressions=[call.copy()])


def _side_by_side(arrays: list[exp.Expr], names: list[str], numbered: bool) -> exp.Select:
    items = [
        exp.alias_(exp.Explode(this=array.copy()), name)
        for array, name in zip(arrays, names, strict=True)
    ]
    if numbered:
        lengths = [exp.Anonymous(this="len", expressions=[array.copy()]) for array in arrays]
        longest = exp.Greatest(this=lengths[0], expressions=lengths[1:])
        end = exp.Add(this=longest, expression=exp.Literal.number(1))
        places = exp.Anonymous(this="range", expressions=[exp.Literal.number(1), end])
        items.append(exp.alias_(exp.Explode(this=places), _ORDINALITY))
    return exp.select(*items)


def _derived() -> exp.TableAlias:
    return exp.TableAlias(this=exp.to_identifier(_ROW_NAME))
