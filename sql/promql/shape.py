"""The columns of a TQL answer: what they are called and in which order they stand.

Follows GreptimeDB, whose columns are named after its plans: `prom_irate(ts_range,val)`, `sum(t.v)`.
Called by tql.py; looks up tables, reads no rows. Labels that an answer has beyond these columns are
appended by answer.py, so that no label is ever lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from catalog.records import Column
from sql.promql import shape_names
from sql.promql.labels import NAME
from sql.promql.model import Match
from sql.promql.source_tables import Metric
from sql.promql.tree import (
    COMPARISONS,
    SETS,
    Aggregate,
    Binary,
    Call,
    MatrixSelector,
    Node,
    Number,
    Subquery,
    Text,
    Unary,
    VectorSelector,
    unwrap,
)

TIME = "time"  # the time column of what reads no table
VALUE = "value"  # the field of an unknown metric
CONSTANT = "greptime_value"  # the field of vector(1) and of numbers
BUCKET = "le"
_WHOLE = frozenset({"sum", "min", "max"})  # of integers they are integers

Find = Callable[[VectorSelector], list[Metric]]


@dataclass(frozen=True)
class Shape:
    """Columns of an expression's value.

    Attributes:
        columns: all names in their order.
        fields: which of them are values, in the order of the tables' fields.
        table: what qualifies the fields in names of operations; "" for what reads no table.
        origins: the table columns the fields plainly are, () if they are computed.
        inlined: an operation of two vectors that is not qualified in names around it.
        scalar: has no labels by its type.
        whole: the fields are integers by the types of their tables' columns.
    """

    time: str
    tags: tuple[str, ...]
    fields: tuple[str, ...]
    columns: tuple[str, ...]
    table: str = ""
    origins: tuple[Column, ...] = ()
    inlined: bool = False
    scalar: bool = False
    whole: bool = False

    def projected(self, fields: tuple[str, ...], tags: tuple[str, ...] | None = None) -> Shape:
        """As a function gives it: time, fields, tags."""
        tags = self.tags if tags is None else tags
        columns = (self.time, *fields, *tags)
        return Shape(self.time, tags, fields, columns, self.table, scalar=self.scalar)

    def computed(self, fields: tuple[str, ...]) -> Shape:
        """As an operation gives it: tags, time, fields."""
        columns = (*self.tags, self.time, *fields)
        return Shape(self.time, self.tags, fields, columns, self.table, scalar=self.scalar)

    def aliased(self, name: str) -> Shape:
        """As `AS name` gives it. Requires: one field."""
        columns = (name, *self.tags, self.time)
        return replace(self, fields=(name,), columns=columns)

    def qualified(self) -> tuple[str, ...]:
        """The fields as arguments of aggregates: with their table, if they plainly are its own."""
        if not self.origins:
            return self.fields
        return tuple(f"{self.table}.{name}" for name in self.fields)


def shape_of(node: Node, find: Find) -> Shape:
    """The columns of an expression. Requires: it was checked. Raises: as `find` does."""
    node = unwrap(node)
    if isinstance(node, VectorSelector):
        return _selector(node, find)
    if isinstance(node, MatrixSelector):
        return _selector(node.selector, find)
    if isinstance(node, Subquery):
        return shape_of(node.inner, find)
    if isinstance(node, Number | Text):
        return _constant(CONSTANT)
    if isinstance(node, Unary):
        return _unary(node, find)
    if isinstance(node, Aggregate):
        return _aggregate(node, find)
    if isinstance(node, Binary):
        return _binary(node, find)
    assert isinstance(node, Call)
    return _call(node, find)


def _constant(name: str, *, scalar: bool = True) -> Shape:
    return Shape(TIME, (), (name,), (TIME, name), scalar=scalar)


def _selector(node: VectorSelector, find: Find) -> Shape:
    found = find(node)
    if not found:
        return replace(_constant(VALUE, scalar=False), table=node.name)
    if len(found) > 1:
        return _several(found)
    metric = found[0]
    table, names = metric.table, tuple(field.name for field in metric.fields)
    tags = tuple(tag.name for tag in metric.tags)
    time = str(table.time_index)
    columns = tuple(c.name for c in table.columns if c.name in {*tags, *names, time})
    whole = all(field.type.is_integer for field in metric.fields)
    return Shape(time, tags, names, columns, table.name, metric.fields, whole=whole)


def _several(found: list[Metric]) -> Shape:
    """What several tables have in common; the metric's name tells their rows apart."""
    times = {str(metric.table.time_index) for metric in found}
    names = {tuple(field.name for field in metric.fields) for metric in found}
    tags = sorted({tag.name for metric in found for tag in metric.tags})
    time = times.pop() if len(times) == 1 else TIME
    fields = names.pop() if len(names) == 1 else (VALUE,)
    return Shape(time, (), fields, ()).projected(fields, (NAME, *tags))


def _unary(node: Unary, find: Find) -> Shape:
    inner = shape_of(node.inner, find)
    if node.op == "+":
        return inner
    return inner.computed(tuple(f"(- {name})" for name in inner.fields))


# --- Aggregates -----------------------------------------------------------------------------------


def _aggregate(node: Aggregate, find: Find) -> Shape:
    inner = shape_of(node.inner, find)
    if node.op in shape_names.SELECTING:
        columns = (*inner.fields, *inner.tags, inner.time)
        return replace(inner, columns=columns, origins=())
    if node.without:
        tags = tuple(sorted(set(inner.tags) - set(node.labels)))
    else:
        tags = tuple(name for name in node.labels if name in inner.tags)
    parameter = _literal(node.parameter)
    fields = tuple(shape_names.aggregate(node.op, name, parameter) for name in inner.qualified())
    grouped = replace(inner, tags=tags, scalar=False).computed(fields)
    whole = node.op == "count" or (inner.whole and node.op in _WHOLE)
    grouped = replace(grouped, whole=whole)
    if node.op == "count_values" and isinstance(node.parameter, Text):
        label = node.parameter.value
        rest = (name for name in grouped.columns if name not in grouped.fields)
        columns = (*grouped.fields, *rest, label)
        return replace(grouped, tags=(*tags, label), columns=columns)
    return grouped


def _literal(node: Node | None) -> float | None:
    """The value of a constant expression as the text has it, None for any other."""
    if node is None:
        return None
    node = unwrap(node)
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Unary):
        inner = _literal(node.inner)
        return inner if inner is None or node.op == "+" else -inner
    if isinstance(node, Binary):
        left, right = _literal(node.left), _literal(node.right)
        return None if left is None or right is None else shape_names.folded(node.op, left, right)
    return None


# --- Operations -----------------------------------------------------------------------------------


def _binary(node: Binary, find: Find) -> Shape:
    left, right = _literal(node.left), _literal(node.right)
    filters = node.op in COMPARISONS and not node.boolean
    if left is not None and right is not None:
        sides = shape_names.number(left), shape_names.number(right)
        return _constant(shape_names.operation(node.op, *sides))
    if left is not None or right is not None:
        shape = shape_of(node.right if left is not None else node.left, find)
        if filters:
            return shape
        return shape.computed(
            tuple(
                shape_names.operation(node.op, *_with_number(name, left, right))
                for name in shape.fields
            )
        )
    return _of_two(node, shape_of(node.left, find), shape_of(node.right, find), filters=filters)


def _with_number(name: str, left: float | None, right: float | None) -> tuple[str, str]:
    if left is not None:
        return shape_names.number(left), name
    assert right is not None
    return name, shape_names.number(right)


def _of_two(node: Binary, left: Shape, right: Shape, *, filters: bool) -> Shape:
    if node.op == "or":
        return _union(left, right)
    if node.op in SETS:
        return left
    if filters:
        kept = right if left.scalar and not right.scalar else left
        return replace(kept.projected(kept.fields), origins=kept.origins, whole=kept.whole)
    plain = not (node.matching.on or node.matching.labels or node.matching.group)
    names = _sides(left, right, plain=plain)
    fields = tuple(shape_names.operation(node.op, *pair) for pair in names)
    tags = left.tags if right.scalar and not right.tags else right.tags
    both = Shape(right.time, tags, fields, (), right.table, scalar=left.scalar and right.scalar)
    inlined = plain and not left.scalar and not right.scalar
    return replace(both.computed(fields), inlined=inlined)


def _sides(left: Shape, right: Shape, *, plain: bool) -> list[tuple[str, str]]:
    """The operands' names, field by field; the shorter side's last one serves for the rest."""
    shown = (left.table, right.table)
    if left.table == right.table and not (plain and (left.inlined or right.inlined)):
        shown = ("lhs", "rhs")
    count = max(len(left.fields), len(right.fields))
    found = []
    for place in range(count):
        pair = []
        for side, table in zip((left, right), shown, strict=True):
            name = side.fields[min(place, len(side.fields) - 1)]
            pair.append(name if plain and side.inlined else f"{table}.{name}")
        found.append((pair[0], pair[1]))
    return found


def _union(left: Shape, right: Shape) -> Shape:
    tags = tuple(sorted({*left.tags, *right.tags}))
    columns = (left.time, *sorted((*tags, *left.fields)))
    both = left.whole and right.whole
    return replace(left, tags=tags, columns=columns, inlined=False, scalar=False, whole=both)


# --- Functions ------------------------------------------------------------------------------------


def _call(node: Call, find: Find) -> Shape:
    if node.name in shape_names.OF_NOTHING and not node.arguments:
        name = shape_names.OF_NOTHING[node.name] or shape_names.call(node.name, VALUE, TIME, 0, ())
        return _constant(name)
    if node.name == "vector":
        return _constant(CONSTANT)
    argument = _main_argument(node)
    inner = shape_of(argument, find)
    if node.name in ("absent", "absent_over_time"):
        return _absent(inner, unwrap(argument))
    if node.name == "histogram_quantile":
        return _without_bucket(inner)
    if node.name in ("label_replace", "label_join"):
        target = unwrap(node.arguments[1])
        label = target.value if isinstance(target, Text) else ""
        tags = (label, *(name for name in inner.tags if name != label))
        return inner.projected(inner.fields, tags)
    if node.name.startswith("sort"):
        return replace(inner.projected(inner.fields), origins=inner.origins, whole=inner.whole)
    shape = replace(inner, scalar=False)
    if node.name == "scalar":
        shape = replace(inner, tags=(), scalar=True)
    range_ms = _range_ms(unwrap(argument))
    literals = tuple(value for one in node.arguments if (value := _literal(one)) is not None)
    return shape.projected(
        tuple(
            shape_names.call(node.name, name, inner.time, range_ms, literals)
            for name in inner.fields
        )
    )


def _main_argument(node: Call) -> Node:
    """The argument whose series the answer has: the first that is no literal."""
    for argument in node.arguments:
        if _literal(argument) is None and not isinstance(unwrap(argument), Text):
            return argument
    return node.arguments[0]


def _range_ms(node: Node) -> int:
    if isinstance(node, MatrixSelector | Subquery):
        seconds = _literal(node.range)
        return 0 if seconds is None else round(seconds * 1000)
    return 0


def _absent(inner: Shape, argument: Node) -> Shape:
    if isinstance(argument, MatrixSelector):
        argument = argument.selector
    labels: list[str] = []
    if isinstance(argument, VectorSelector):
        labels = [m.name for m in argument.matchers if m.op is Match.EQUAL and m.name != NAME]
    return inner.projected(inner.fields, tuple(labels))


def _without_bucket(inner: Shape) -> Shape:
    tags = tuple(name for name in inner.tags if name != BUCKET)
    columns = tuple(name for name in inner.columns if name != BUCKET or name in inner.fields)
    return replace(inner, tags=tags, columns=columns, origins=(), whole=False)
