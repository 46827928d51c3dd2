"""Aggregates over a subquery that orders its rows take them in that order.

PostgreSQL and MySQL do so by the way they work, and what makes nested documents in one query relies
on it; DuckDB forgets the order where a subquery looks at the rows around it. So the aggregate is
given the subquery's keys, which are hidden outputs of it where they are none yet.

MySQL gives rows in the order of the query's window, too, if that has no order of its own.
"""

from __future__ import annotations

from sqlglot import exp

from sql.session import Wire

_JSON = frozenset({"json_agg", "jsonb_agg", "json_arrayagg"})
_GATHERING = (exp.ArrayAgg, exp.GroupConcat, exp.JSONArrayAgg, exp.Anonymous)
_HIDDEN = "__order_"


def ordered_rows(tree: exp.Expr, wire: Wire) -> exp.Expr:
    """Rewrites such queries in place."""
    for select in reversed(list(tree.find_all(exp.Select))):
        if wire is Wire.MYSQL:
            _order_by_window(select)
        _order_aggregates(select)
    return tree


def _order_by_window(select: exp.Select) -> None:
    """Rows that are cut off are the last of the window. Of several windows nothing is said."""
    if select.args.get("limit") is None or select.args.get("order") or select.args.get("distinct"):
        return
    windows = [w for item in select.expressions for w in item.find_all(exp.Window)]
    orders = [window.args.get("order") for window in windows if window.parent_select is select]
    if not orders or orders[0] is None or any(order != orders[0] for order in orders):
        return
    keys = [exp.Ordered(this=key.copy()) for key in windows[0].args.get("partition_by") or ()]
    keys += [key.copy() for key in orders[0].expressions]
    select.set("order", exp.Order(expressions=keys))


def _order_aggregates(select: exp.Select) -> None:
    calls = [call for item in select.expressions for call in _calls(item, select)]
    source = select.args.get("from_")
    rows = source.this if source is not None else None
    if not calls or not isinstance(rows, exp.Subquery) or select.args.get("joins"):
        return
    keys = _keys(rows, hiding=_hides(select, rows.alias)) if rows.alias else None
    for call in calls if keys else ():
        value = call.expressions[0] if isinstance(call, exp.Anonymous) else call.this
        ordered = exp.Order(this=value.copy(), expressions=[key.copy() for key in keys or ()])
        value.replace(ordered)


def _calls(item: exp.Expr, select: exp.Select) -> list[exp.Expr]:
    """Aggregates of the query itself whose result hangs on the order, and that name none."""
    found: list[exp.Expr] = []
    for call in item.find_all(*_GATHERING):
        if isinstance(call, exp.Anonymous) and call.name.lower() not in _JSON:
            continue
        values = call.expressions if isinstance(call, exp.Anonymous) else [call.this]
        own = call.parent_select is select and not isinstance(call.parent, exp.WithinGroup)
        if own and len(values) == 1 and not isinstance(values[0], exp.Order | exp.Distinct):
            found.append(call)
    return found


def _hides(select: exp.Select, alias: str) -> bool:
    """True if another output of the subquery would not be seen: no star, no whole row."""
    if any(isinstance(star.parent, exp.Select | exp.Column) for star in select.find_all(exp.Star)):
        return False
    return not any(c.name == alias and not c.table for c in select.find_all(exp.Column))


def _keys(rows: exp.Subquery, *, hiding: bool) -> list[exp.Expr] | None:
    """The subquery's order by its outputs; None if it has none, or not all can be named."""
    inner = rows.this
    order = inner.args.get("order") if isinstance(inner, exp.Select) else None
    keys: list[exp.Expr] = []
    for place, key in enumerate(order.expressions if order is not None else ()):
        name = _output(inner, key.this)
        if name is None and (not hiding or inner.args.get("distinct")):
            return None
        if name is None:
            name = f"{_HIDDEN}{place}"
            inner.select(exp.alias_(key.this.copy(), name, quoted=True), copy=False)
        ordered = key.copy()
        ordered.set("this", exp.column(name, table=rows.alias, quoted=True))
        keys.append(ordered)
    return keys or None


def _output(inner: exp.Select, key: exp.Expr) -> str | None:
    """The name under which a key is given by the subquery."""
    if key.is_int:
        place = int(key.name) - 1
        return inner.expressions[place].alias_or_name if place < len(inner.expressions) else None
    named = {item.alias_or_name: item for item in inner.expressions}
    if isinstance(key, exp.Column):
        found = named.get(key.name)
        if found is not None and (not key.table or found.unalias() == key):
            return key.name
        alone = not inner.args.get("joins") and not inner.args.get("group")
        return key.name if alone and any(item.is_star for item in inner.expressions) else None
    return next((name for name, item in named.items() if name and item.unalias() == key), None)
