"""What a flow's query is like: which rows it computes again when some rows of its source change.

Pure: reads a tree and the records of the tables it names. Called when a flow is made and when it is
evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from catalog.records import Table
from engine import datatypes
from engine.datatypes import DataType
from sql.dialect import nodes

# Functions of a time that never decrease, and give the beginning of what they put it into.
_WINDOWS = frozenset(
    {
        "datebin",
        "date_bin",
        "date_trunc",
        "datetrunc",
        "timestamp_trunc",
        "timestamptrunc",
        "time_bucket",
    }
)
_WHOLE = datatypes.decimal(38, 0)  # sums of integers, where they are not BIGINT
_OUTSIDE = ("joins", "laterals", "limit", "offset", "with_", "with", "align", "sample_by", "order")
_INSIDE = (exp.Window, exp.Subquery, exp.Exists, nodes.RangeAggregate, nodes.LatestOn, nodes.Tql)


@dataclass(frozen=True)
class Shape:
    """`window` is an expression over the time index of the one source, None if there is none.

    `time` names the output column that is the time of the answer's rows, `keys` those that tell
    rows of one time apart. `promql`: the answer is that of a TQL; its columns tell what they are.
    """

    window: exp.Expr | None = None
    time: str | None = None
    keys: tuple[str, ...] = ()
    aggregates: bool = True
    promql: bool = False


def shape_of(tree: exp.Expr, source: Table | None) -> Shape:
    """The shape of a query. `source` is the table it reads, None if there are several."""
    if isinstance(tree, nodes.Tql) or tree.find(nodes.Tql) is not None:
        return Shape(promql=True)
    if not isinstance(tree, exp.Select):
        return Shape()
    groups = [(_resolved(tree, item)) for item in _groups(tree)]
    distinct = tree.args.get("distinct") is not None
    aggregates = (
        bool(groups) or distinct or tree.find(exp.AggFunc, exp.AnonymousAggFunc) is not None
    )
    index = source.time_index if source is not None else None
    grouped: list[exp.Expr] = list(tree.expressions) if distinct and not groups else groups
    if not aggregates and source is not None:
        names = [*source.primary_key, *([index] if index else [])]
        grouped = [exp.column(name) for name in names]
    outputs = [(item.alias_or_name, item.unalias()) for item in tree.expressions]
    window = next(
        (g for g in grouped if index is not None and _is_window(g.unalias(), index)), None
    )
    time = _output(outputs, window.unalias()) if window is not None else None
    keys = (_output(outputs, item.unalias()) for item in grouped if item is not window)
    simple = not any(tree.args.get(key) for key in _OUTSIDE) and tree.find(*_INSIDE) is None
    usable = simple and window is not None and len(list(tree.find_all(exp.Table))) == 1
    return Shape(
        window.unalias() if usable and window is not None else None,
        time,
        tuple(dict.fromkeys(key for key in keys if key)),
        aggregates,
    )


def _groups(tree: exp.Select) -> list[exp.Expr]:
    group = tree.args.get("group")
    return list(group.expressions) if group is not None else []


def _resolved(tree: exp.Select, item: exp.Expr) -> exp.Expr:
    """What GROUP BY means by an alias or a position."""
    if isinstance(item, exp.Literal) and not item.is_string:
        at = int(item.name) - 1
        return tree.expressions[at].unalias() if 0 <= at < len(tree.expressions) else item
    if isinstance(item, exp.Column) and not item.table:
        for output in tree.expressions:
            if isinstance(output, exp.Alias) and output.alias == item.name:
                meant: exp.Expr = output.this
                return meant
    return item


def _is_window(item: exp.Expr, index: str) -> bool:
    if isinstance(item, exp.Column):
        return item.name == index
    name = item.name if isinstance(item, exp.Anonymous) else item.key
    columns = {column.name for column in item.find_all(exp.Column)}
    return name.lower() in _WINDOWS and columns == {index}


def _output(outputs: list[tuple[str, exp.Expr]], item: exp.Expr) -> str | None:
    """The name of the output column that is this expression."""
    for name, expression in outputs:
        same = expression == item
        if isinstance(expression, exp.Column) and isinstance(item, exp.Column):
            same = expression.name == item.name
        if name and (same or (isinstance(expression, exp.Star) and isinstance(item, exp.Column))):
            return item.name if isinstance(expression, exp.Star) else name
    return None


def named(tree: exp.Expr, source: Table | None) -> exp.Expr:
    """A copy whose computed columns have names: their text, columns with their table's name.

    `sum(number)` over t becomes `sum(t.number)`: a sink's columns must be called something.
    """
    tree = tree.copy()
    if not isinstance(tree, exp.Select):
        return tree
    items = []
    for item in tree.expressions:
        plain = isinstance(item, (exp.Alias, exp.Column, exp.Star))
        items.append(item if plain else exp.alias_(item, _title(item, source), quoted=True))
    tree.set("expressions", items)
    return tree


def kept_type(tree: exp.Expr, at: int, found: DataType, source: Table | None) -> DataType:
    """The type a new sink keeps output column `at` in; `found` is the query's.

    Sums of integers are kept as BIGINT, whatever a wire shows them as. The beginnings of windows
    that are counted from a moment given as text have that moment's precision.
    """
    if not isinstance(tree, exp.Select) or at >= len(tree.expressions) or source is None:
        return found
    item = tree.expressions[at].unalias()
    if found == _WHOLE and not isinstance(item, exp.Column):
        read = [source.column(column.name) for column in item.find_all(exp.Column)]
        if all(column is not None and column.type.is_integer for column in read):
            return datatypes.INT64
    # sqlglot takes the third argument for another dialect's unit.
    from_text = isinstance(item, exp.DateBin) and isinstance(item.args.get("unit"), exp.Var)
    return datatypes.TIMESTAMP_NANOSECOND if from_text and found.is_timestamp else found


def _title(item: exp.Expr, source: Table | None) -> str:
    shown = item.copy()
    for column in list(shown.find_all(exp.Column)):
        if not column.table and source is not None:
            column.set("table", exp.to_identifier(source.name))
        for part in column.parts:
            part.set("quoted", False)
    return shown.sql(dialect="postgres", normalize_functions="lower")


def tables_named(tree: exp.Expr) -> Iterator[exp.Table]:
    """The tables a query reads by name, without its common table expressions."""
    inner = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if table.db or table.name not in inner:
            yield table
