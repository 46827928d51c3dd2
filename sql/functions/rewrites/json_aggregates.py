"""JSON's aggregates where their values are ordered, distinct or filtered.

DuckDB's json_group_array and json_group_object are macros, which take none of these. Its `list`
does: the values are gathered by it, as written, and what it gathered becomes JSON.
"""

from __future__ import annotations

from sqlglot import exp

from sql.dialect.pieces import composed

_ARRAYS = frozenset({"json_agg", "jsonb_agg", "json_arrayagg"})
_OBJECTS = frozenset({"json_object_agg", "jsonb_object_agg", "json_objectagg"})
_KINDS = (exp.JSONArrayAgg, exp.JSONObjectAgg, exp.JSONBObjectAgg, exp.Anonymous)
_AROUND = (exp.Filter, exp.Window)  # what may stand around an aggregate and belongs to it
_FIELD = (
    "CAST(to_json(CAST({key} AS VARCHAR)) AS VARCHAR) || ':'"
    " || coalesce(CAST(to_json({value}) AS VARCHAR), 'null')"
)
_ARRAY = "to_json({gathered})"
_OBJECT = (  # keys are looked at behind the filter: DuckDB computes a field of every row
    "CAST('{{' || array_to_string(list_transform({gathered}, lambda f: CASE WHEN f IS NULL"
    " THEN error('field name must not be null') ELSE f END), ',') || '}}' AS JSON)"
)


def gathered_json(tree: exp.Expr) -> None:
    """Rewrites such calls in place; plain ones stay, and so does their name as outputs."""
    for node in reversed(list(tree.find_all(*_KINDS))):
        if isinstance(node, exp.JSONArrayAgg) or node.name.lower() in _ARRAYS:
            _gather(node, _values(node))
        elif not isinstance(node, exp.Anonymous) or node.name.lower() in _OBJECTS:
            _gather(node, _fields(node), _OBJECT)


def _values(node: exp.Expr) -> exp.Expr | None:
    """What an array is made of, with its order; None if DuckDB is not to be asked for it."""
    parts = node.expressions if isinstance(node, exp.Anonymous) else [node.this]
    if len(parts) != 1:
        return None
    value: exp.Expr = parts[0]
    if isinstance(value, exp.Distinct):  # PostgreSQL finds distinct values by sorting them
        keys = [exp.Ordered(this=key.copy(), nulls_first=False) for key in value.expressions]
        return exp.Order(this=value.copy(), expressions=keys)
    return value


def _fields(node: exp.Expr) -> exp.Expr | None:
    """Texts of an object's fields, with their order."""
    parts = node.expressions or [node.this, node.expression]
    if len(parts) == 1 and isinstance(parts[0], exp.JSONKeyValue):
        parts = [parts[0].this, parts[0].expression]
    if len(parts) != 2:
        return None
    key, value = parts
    if not isinstance(value, exp.Order):
        return composed(_FIELD, key=key, value=value)
    field = composed(_FIELD, key=key, value=value.this)
    return exp.Order(this=field, expressions=[one.copy() for one in value.expressions])


def _gather(node: exp.Expr, values: exp.Expr | None, made: str = _ARRAY) -> None:
    whole = node
    while isinstance(whole.parent, _AROUND) and whole.parent.this is whole:
        whole = whole.parent
    filtered = isinstance(node.parent, exp.Filter) and node.parent.this is node
    if values is None or not (filtered or isinstance(values, exp.Order)):
        return
    gathered = exp.Anonymous(this="list", expressions=[values])
    if whole is node:
        node.replace(composed(made, gathered=gathered))
        return
    node.replace(gathered)
    whole.replace(composed(made, gathered=whole))
