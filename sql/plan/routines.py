"""Calls of stored functions in a statement: which function is meant, and with what arguments.

Called by inline.py, which puts bodies of one query in place of calls, and by the modules that run
other bodies (sql/routines/). Whatever the wire offers itself under a name comes first, as
pg_catalog does. https://www.postgresql.org/docs/15/typeconv-func.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from sqlglot import exp

from catalog.objects import Argument, Routine
from engine import datatypes as dt
from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from sql.dialect.object_nodes import NamedType
from sql.dialect.parser import parse
from sql.functions.index import of_wire
from sql.plan.context import PlanContext
from sql.plan.named_types import resolve_types
from sql.plan.shown_types import shown_type
from sql.plan.tables import known_table
from sql.run.errors import position_of
from sql.session import Wire
from sql.types import from_sql

POLYMORPHIC = frozenset(
    {"anyelement", "anyarray", "anynonarray", "anyenum", "anyrange", "anycompatible", "any"}
    | {"anycompatiblearray", "anycompatiblenonarray", "anycompatiblerange", "anymultirange"}
)
NO_VALUE = frozenset({"void", "record", "trigger", "event_trigger"})
_INTEGERS = (TypeId.INT8, TypeId.INT16, TypeId.INT32, TypeId.INT64)
_NUMBERS = (*_INTEGERS, TypeId.DECIMAL, TypeId.FLOAT32, TypeId.FLOAT64)


@dataclass(frozen=True)
class Call:
    """A call of a stored function. `arguments` are one for each that it takes, as they stand.

    `is_answered`: what it gives is known, and there is no body to put arguments in.
    """

    node: exp.Expr  # the call itself
    routine: Routine
    arguments: tuple[exp.Expr, ...]
    is_answered: bool = False

    @property
    def place(self) -> exp.Expr:
        """What stands in the statement: the call, or `schema.call`."""
        parent = self.node.parent
        qualified = isinstance(parent, exp.Dot) and parent.expression is self.node
        return parent if qualified and parent is not None else self.node

    @property
    def is_source(self) -> bool:
        """True if it stands in FROM."""
        return isinstance(self.node.parent, exp.Table | exp.Lateral)


def calls_in(tree: exp.Expr, context: PlanContext) -> Iterator[Call]:
    """The calls of stored functions, inner ones first. Raises: DbError UNDEFINED_FUNCTION."""
    if not context.routines:
        return
    for node in reversed(list(tree.find_all(exp.Func))):
        found = call_of(node, context)
        if found is not None:
            yield found


def call_of(node: exp.Expr, context: PlanContext) -> Call | None:
    """The call that a node is, if it is one of a stored function. Raises: DbError."""
    name, written = _named(node, context)
    known = context.routines.get(name, ())
    if not known or (name in of_wire(context.wire) and not _schema(node)):
        return None
    database = _schema(node) or context.database
    ours = [one for one in known if one.database == database and one.is_function]
    if not ours:
        return None
    return Call(node, *chosen(ours, written, node, context))


def chosen(
    ours: Sequence[Routine], written: Sequence[exp.Expr], node: exp.Expr, context: PlanContext
) -> tuple[Routine, tuple[exp.Expr, ...]]:
    """Which of the routines of a name takes the arguments, and these in its order.

    Raises: DbError UNDEFINED_FUNCTION.
    """
    fitting = [
        (one, found) for one in ours if (found := _matched(one, written, context)) is not None
    ]
    if len(fitting) == 1:
        return fitting[0][0], tuple(fitting[0][1])
    ranked = [(rank, one, found) for one, found in fitting if (rank := _rank(one, found, context))]
    if not ranked:
        raise _undefined(ours[0], written, context)
    best = max(rank for rank, _, _ in ranked)
    first = [(one, found) for rank, one, found in ranked if rank == best]
    if len(first) > 1:
        raise DbError(
            ErrorKind.UNDEFINED_FUNCTION,
            f"function {ours[0].name} is not unique",
            hint="an argument may need a cast",
            position=position_of(ours[0].name, context.text),
            sqlstate="42725",
        )
    return first[0][0], tuple(first[0][1])


def _undefined(one: Routine, written: Sequence[exp.Expr], context: PlanContext) -> DbError:
    takes = ", ".join(f"{a.name} {a.type}".strip() for a in one.given)
    error = DbError(
        ErrorKind.UNDEFINED_FUNCTION,
        f"no {'function' if one.is_function else 'procedure'} {one.name} takes these arguments",
        detail=f"{len(written)} are given; there is {one.name}({takes})",
        position=position_of(one.name, context.text),
    )
    error.mysql = (1318, "42000")
    return error


def _schema(node: exp.Expr) -> str:
    parent = node.parent
    if isinstance(parent, exp.Dot) and parent.expression is node:
        return str(parent.this.name)
    return parent.text("db") if isinstance(parent, exp.Table) and parent.this is node else ""


def _named(node: exp.Expr, context: PlanContext) -> tuple[str, list[exp.Expr]]:
    """The name and arguments of a call; the library has nodes of its own for many names."""
    if isinstance(node, exp.Anonymous):
        return node.name.lower(), list(node.expressions)
    if not isinstance(node, exp.Func) or isinstance(node, exp.Cast | exp.And | exp.Or | exp.Case):
        return "", []
    names = [name.lower() for name in type(node).sql_names()]
    name = next((name for name in names if name in context.routines), "")
    if not name:
        return "", []
    given: list[exp.Expr] = []
    for key in node.arg_types:
        value = node.args.get(key)
        given += [
            one
            for one in (value if isinstance(value, list) else [value])
            if isinstance(one, exp.Expr)
        ]
    return name, given


# --- Which one ------------------------------------------------------------------------------------


def _matched(
    one: Routine, written: Sequence[exp.Expr], context: PlanContext
) -> list[exp.Expr] | None:
    """An argument for each that the routine takes; None if these are not such."""
    takes = [a for a in one.arguments if a.is_given or not one.is_function]
    given: dict[int, exp.Expr] = {}
    for place, argument in enumerate(written):
        if isinstance(argument, exp.Kwarg | exp.PropertyEQ):
            name = argument.this.name
            found = next((at for at, each in enumerate(takes) if each.name == name), None)
            if found is None or found in given:
                return None
            given[found] = argument.expression
        elif place < len(takes) and takes[place].mode != "VARIADIC":
            given[place] = argument
        elif takes and takes[-1].mode == "VARIADIC":
            last = len(takes) - 1
            if isinstance(argument, exp.Variadic):
                given[last] = argument.this
            elif isinstance(given.get(last), exp.Array):
                given[last].append("expressions", argument.copy())
            else:
                given[last] = exp.Array(expressions=[argument.copy()])
        else:
            return None
    for place, each in enumerate(takes):
        if place in given:
            continue
        if each.default is None and each.mode != "VARIADIC":
            return None
        empty = exp.Array(expressions=[])
        given[place] = empty if each.default is None else default_of(each, context.wire)
    return [given[place] for place in range(len(takes))]


def default_of(argument: Argument, wire: Wire) -> exp.Expr:
    """An argument's default as an expression. Requires: it has one."""
    tree = parse(f"SELECT {argument.default}", wire)[0].tree
    assert isinstance(tree, exp.Select)
    value: exp.Expr = tree.expressions[0]
    return value.copy()


def _rank(one: Routine, given: Sequence[exp.Expr], context: PlanContext) -> int:
    """How well the arguments' types fit, from 1 on; 0 if they do not."""
    total = 1
    takes = [a for a in one.arguments if a.is_given or not one.is_function]
    for argument, value in zip(takes, given, strict=True):
        rank = _fit(argument, value, context)
        if rank is None:
            return 0
        total += rank
    return total


def _fit(argument: Argument, value: exp.Expr, context: PlanContext) -> int | None:
    has = type_of_value(value, context)
    if argument.type in POLYMORPHIC or context.wire is Wire.MYSQL:
        return 0
    wanted = from_sql(type_node(argument.type, context))
    if has is None:  # a literal text, say, may be anything, and most likely a text
        return 1 if wanted.id is TypeId.STRING else 0
    if has == wanted:
        return 8
    if has.id in _NUMBERS and wanted.id in _NUMBERS:
        apart = _NUMBERS.index(wanted.id) - _NUMBERS.index(has.id)
        return 7 - apart if apart >= 0 else None
    if has.id is wanted.id or (has.is_timestamp and wanted.is_timestamp):
        return 6
    moments = (TypeId.DATE, TypeId.TIMESTAMP_TZ)
    if (has.id in moments or has.is_timestamp) and (wanted.id in moments or wanted.is_timestamp):
        return 4
    return 1 if context.wire is not Wire.POSTGRES else None


def type_of_value(value: exp.Expr, context: PlanContext) -> DataType | None:
    """The type an expression plainly has; None if it is not known before planning."""
    inner = value.unnest()
    if isinstance(inner, exp.Neg):
        return type_of_value(inner.this, context)
    if isinstance(inner, exp.Boolean | exp.Predicate):
        return dt.BOOLEAN
    if isinstance(inner, exp.Literal) and not inner.is_string:
        whole = inner.name.isdigit()
        return (dt.INT32 if int(inner.name) < 2**31 else dt.INT64) if whole else _NUMERIC
    if isinstance(inner, exp.Add | exp.Sub | exp.Mul):
        left = type_of_value(inner.this, context)
        return left if left is not None else type_of_value(inner.expression, context)
    if isinstance(inner, exp.DPipe | exp.Lower | exp.Upper | exp.Concat):
        return dt.STRING
    if isinstance(inner, exp.Cast) and isinstance(inner.to, exp.DataType):
        try:
            return from_sql(resolve_types(inner.to.copy(), context.type_named))
        except DbError:  # told when the statement is planned
            return None
    return shown_type(context.type_named, partial(known_table, context=context), value)


_NUMERIC = DataType(TypeId.DECIMAL, 38, 0)


# --- Types ----------------------------------------------------------------------------------------


def type_node(name: str, context: PlanContext) -> exp.DataType:
    """The node of a type by the name it has in a routine's record. Raises: DbError."""
    return resolve_types(_type(name, context.wire).copy(), context.type_named)


@lru_cache(1_000)
def _type(name: str, wire: Wire) -> exp.DataType:
    tree = parse(f"SELECT CAST(NULL AS {name})", wire)[0].tree
    assert isinstance(tree, exp.Select)
    kind = tree.expressions[0].to
    assert isinstance(kind, exp.DataType | NamedType)
    return kind


def cast(value: exp.Expr, name: str, context: PlanContext) -> exp.Expr:
    """A copy of the value as the type of that name; as it is where no type is meant."""
    if name in POLYMORPHIC or name in NO_VALUE:
        return value.copy()
    return exp.Cast(this=value.copy(), to=_type(name, context.wire).copy())
