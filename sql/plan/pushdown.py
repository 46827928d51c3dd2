"""Conditions on a sub-query's, view's or CTE's columns are repeated inside it.

DuckDB would push them down by itself, but what a scan reads is chosen before DuckDB is asked: time
bounds, tags, partitions and texts are looked for in the WHERE clause beside the table. The outer
condition stays, so repeating one only prunes. Runs after names are resolved and before literals get
types, outer queries first, so that conditions sink through several levels.
"""

from __future__ import annotations

from sqlglot import exp

from engine.datatypes import DataType
from sql.plan.literals import conjuncts
from sql.plan.scopes import Scopes

_COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Like)
_JOINING = (exp.Or, exp.And, exp.Not, exp.Paren)
_CONSTANT = (
    *(exp.Literal, exp.Parameter, exp.Cast, exp.DataType, exp.DataTypeParam, exp.Interval),
    *(exp.Var, exp.Add, exp.Sub, exp.Neg, exp.CurrentTimestamp, exp.Boolean, exp.Null, exp.Paren),
)
_CUTTING = (
    "limit",
    "offset",
    "fetch",
    "sample",
    "qualify",
    "pivots",
    "laterals",
    "windows",
    "kind",
)


def push_conditions(tree: exp.Expr, scopes: Scopes) -> exp.Expr:
    """Repeats conditions in place; the tree must be the caller's own.

    `SELECT * FROM (SELECT ts FROM t) AS v WHERE v.ts > 5` reads as
    `SELECT * FROM (SELECT ts FROM t WHERE ts > 5) AS v WHERE v.ts > 5`.
    """
    if tree.find(exp.Subquery, exp.CTE) is None:
        return tree
    for holder in list(tree.find_all(exp.Select)):
        where = holder.args.get("where")
        if where is None:
            continue
        sources = _sources(holder, tree)
        for condition in conjuncts(where.this):
            alias = _owner(condition, holder)
            if alias in sources:
                _push(condition, *sources[alias], scopes)
    return tree


def _sources(holder: exp.Select, tree: exp.Expr) -> dict[str, tuple[exp.Expr, list[str]]]:
    """Alias → the query behind it, and the names its alias gives to the columns."""
    found: dict[str, tuple[exp.Expr, list[str]]] = {}
    for node in _relations(holder):
        alias = node.args.get("alias")
        names = [name.name for name in alias.columns] if alias is not None else []
        if isinstance(node, exp.Subquery):
            found[node.alias_or_name] = node.this, names
        elif isinstance(node, exp.Table) and (cte := _single_cte(node, tree)) is not None:
            given = cte.args["alias"].columns
            found[node.alias_or_name] = cte.this, names or [name.name for name in given]
    return found


def _relations(holder: exp.Select) -> list[exp.Expr]:
    from_ = holder.args.get("from_")
    nodes = [from_.this] if from_ is not None else []
    return nodes + [join.this for join in holder.args.get("joins") or []]


def _single_cte(node: exp.Table, tree: exp.Expr) -> exp.CTE | None:
    """The CTE a table name means, if nothing else reads it."""
    if node.db or not isinstance(node.this, exp.Identifier):
        return None
    ctes = [cte for cte in tree.find_all(exp.CTE) if cte.alias == node.name]
    if len(ctes) != 1 or ctes[0].parent is None or ctes[0].parent.args.get("recursive"):
        return None
    readers = [table for table in tree.find_all(exp.Table) if table.name == node.name]
    return ctes[0] if len(readers) == 1 else None


def _owner(condition: exp.Expr, holder: exp.Select) -> str:
    """The one relation that a condition compares with constants; '' if it does anything else.

    Such conditions are not true for NULL, so that outer joins do not matter.
    """
    aliases: set[str] = set()
    if not _compares(condition, aliases) or len(aliases) != 1:
        return ""
    alias = aliases.pop()
    relations = _relations(holder)
    if alias:
        return alias
    return relations[0].alias_or_name if len(relations) == 1 else ""


def _compares(node: exp.Expr, aliases: set[str]) -> bool:
    if isinstance(node, _JOINING):
        return all(_compares(part, aliases) for part in node.iter_expressions())
    if not isinstance(node, _COMPARED) or node.args.get("query") or node.args.get("unnest"):
        return False
    columns = [part for part in node.iter_expressions() if isinstance(part, exp.Column)]
    if len(columns) != 1 or columns[0].is_star:
        return False
    aliases.add(columns[0].table)
    others = [part for part in node.iter_expressions() if part is not columns[0]]
    return all(isinstance(leaf, _CONSTANT) for part in others for leaf in part.walk())


def _push(condition: exp.Expr, query: exp.Expr, names: list[str], scopes: Scopes) -> None:
    """Repeats a condition in all branches of a query, if it can be in each of them."""
    branches = _branches(query)
    if branches is None:
        return
    first = branches[0]
    made: list[tuple[exp.Select, exp.Expr]] = []
    kinds: list[list[DataType | None]] = []
    wanted = {column.name for column in condition.find_all(exp.Column)}
    for branch in branches:
        inner = {name: _inner(name, names, first, branch, scopes) for name in wanted}
        if not all(inner.values()):
            return
        kinds.append([_type(column, scopes) for column in inner.values()])
        repeated = condition.copy()
        for column in list(repeated.find_all(exp.Column)):
            replacement = inner[column.name]
            assert replacement is not None
            column.replace(replacement.copy())
        made.append((branch, repeated))
    if len(made) > 1 and (None in kinds[0] or any(kind != kinds[0] for kind in kinds)):
        return  # of other types, the comparison may mean something else
    for branch, repeated in made:
        branch.where(exp.Paren(this=repeated), copy=False)


def _type(column: exp.Column | None, scopes: Scopes) -> DataType | None:
    found = scopes.column(column) if column is not None and column.parent is not None else None
    return found.type if found is not None else None


def _branches(query: exp.Expr) -> list[exp.Select] | None:
    """The SELECTs whose rows are a query's rows, None if rows are chosen otherwise."""
    if any(query.args.get(name) for name in _CUTTING):
        return None
    if isinstance(query, exp.Subquery) and not query.alias:
        return _branches(query.this)
    if isinstance(query, exp.Union):
        left, right = _branches(query.left), _branches(query.right)
        return None if left is None or right is None else left + right
    return [query] if isinstance(query, exp.Select) and _passes(query) else None


def _passes(select: exp.Select) -> bool:
    """True if a row's output depends on that row or its group alone."""
    distinct = select.args.get("distinct")
    if distinct is not None and distinct.args.get("on") is not None:
        return False
    group = select.args.get("group")
    if group is not None and any(
        value for key, value in group.args.items() if key != "expressions"
    ):
        return False
    return not any(item.find(exp.Window, exp.Explode, exp.Unnest) for item in select.expressions)


def _inner(
    name: str, names: list[str], first: exp.Select, branch: exp.Select, scopes: Scopes
) -> exp.Column | None:
    """The column of a branch that an output is, None if it is not plainly one."""
    outputs = names or [item.alias_or_name for item in first.expressions]
    stars = any(item.is_star for item in (*first.expressions, *branch.expressions))
    if stars:
        return _of_star(name, names, branch)
    if outputs.count(name) != 1 or len(branch.expressions) != len(first.expressions):
        return None
    place = outputs.index(name)
    if place >= len(branch.expressions):
        return None
    found = branch.expressions[place].unalias()
    if not isinstance(found, exp.Column):
        return None
    return found if _is_kept(found, branch, scopes) else None


def _of_star(name: str, names: list[str], branch: exp.Select) -> exp.Column | None:
    """`SELECT *` of one relation passes its columns on by name."""
    star = branch.expressions[0]
    plain = type(star) is exp.Star and not any(star.args.values()) and len(branch.expressions) == 1
    if names or not plain or len(_relations(branch)) != 1 or branch.args.get("group"):
        return None
    return exp.column(exp.to_identifier(name, quoted=True))


def _is_kept(column: exp.Column, branch: exp.Select, scopes: Scopes) -> bool:
    """True if a row's value decides about whole groups, where there are groups."""
    group = branch.args.get("group")
    if group is None:
        return not any(True for item in branch.expressions for _ in item.find_all(exp.AggFunc))
    return any(scopes.item(branch, key) == column for key in group.expressions)
