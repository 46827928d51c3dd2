"""MySQL's GROUP BY without ONLY_FULL_GROUP_BY: a column that is not grouped by is that of any row.

Called by plan.py for MySQL's sessions. Columns are told apart by their names alone, and in doubt
nothing is changed: then DuckDB refuses what it would refuse.
Source: MySQL 8.4 reference, "MySQL Handling of GROUP BY".
"""

from __future__ import annotations

from sqlglot import exp

_OUTPUT = "\0"  # instead of a table: what the query gives out


def loose_groups(tree: exp.Expr) -> exp.Expr:
    """Wraps ungrouped columns of grouped queries in ANY_VALUE, in place.

    >>> from sqlglot import parse_one
    >>> loose_groups(parse_one("SELECT a, b, max(c) FROM t GROUP BY a ORDER BY b")).sql()
    'SELECT a, ANY_VALUE(b) AS b, MAX(c) FROM t GROUP BY a ORDER BY b'
    """
    for select in list(tree.find_all(exp.Select)):
        group = select.args.get("group")
        if group is not None and _is_plain(select, group):
            _loosen(select, group)
    return tree


def _is_plain(select: exp.Select, group: exp.Group) -> bool:
    """True for GROUP BY of expressions alone, without windows or clauses of time."""
    if any(value for name, value in group.args.items() if name != "expressions"):
        return False
    if select.args.get("align") or any(item.is_star for item in select.expressions):
        return False
    return select.find(exp.Window) is None


def _loosen(select: exp.Select, group: exp.Group) -> None:
    items = select.expressions
    keys = [_meant(key, items) for key in group.expressions]
    names = {(column.table, column.name) for key in keys for column in key.find_all(exp.Column)}
    for item in list(items):
        value = item.unalias()
        if value in keys:
            continue
        changed = _wrapped(value, keys, names)
        if changed is value:
            continue
        if isinstance(item, exp.Alias):
            item.set("this", changed)
        else:
            name = exp.to_identifier(item.output_name, quoted=True)
            item.replace(exp.alias_(changed, name) if item.output_name else changed)
    given = {(_OUTPUT, item.output_name) for item in items}
    order, having = select.args.get("order"), select.args.get("having")
    for part in order.expressions if order is not None else ():
        part.set("this", _wrapped(part.this, keys, names | given))
    if having is not None:
        having.set("this", _wrapped(having.this, keys, names | given))


def _meant(key: exp.Expr, items: list[exp.Expr]) -> exp.Expr:
    """What a key of GROUP BY stands for: an output by number or name, or itself."""
    if isinstance(key, exp.Literal) and not key.is_string and key.name.isdigit():
        at = int(key.name) - 1
        return items[at].unalias() if 0 <= at < len(items) else key
    if isinstance(key, exp.Column) and not key.table:
        for item in items:
            if isinstance(item, exp.Alias) and item.alias == key.name:
                return item.this  # type: ignore[no-any-return] # a node
    return key


def _wrapped(node: exp.Expr, keys: list[exp.Expr], names: set[tuple[str, str]]) -> exp.Expr:
    """The expression with its ungrouped columns wrapped; itself if there are none.

    `names` are table and name of columns that are there; of a table that is not told, any may be.
    """
    if node in keys or isinstance(node, (exp.AggFunc, exp.WithinGroup, exp.Query, exp.Anonymous)):
        return node
    if isinstance(node, exp.Column):
        return node if _is_there(node, names) else exp.AnyValue(this=node.copy())
    for child in list(node.iter_expressions()):
        changed = _wrapped(child, keys, names)
        if changed is not child:
            child.replace(changed)
    return node


def _is_there(column: exp.Column, names: set[tuple[str, str]]) -> bool:
    own = column.table
    return any(
        name == column.name and (not own or (table in (own, "") and table != _OUTPUT))
        for table, name in names
    )
