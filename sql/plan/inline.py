"""Stored functions whose body is one query: the query takes the place of the call.

Called by plan.py before any other rule, so that a function costs what its body would cost if it
had been written there. Arguments that have to be worked out once, or meet tables of the body, come
from a derived table beside it. Bodies of other kinds are run by sql/routines/.
https://www.postgresql.org/docs/15/xfunc-sql.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import islice
from typing import TypeVar

from sqlglot import exp

from catalog.objects import Routine
from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.dialect.parser import parse
from sql.plan.context import PlanContext
from sql.plan.parameters import parameter_number
from sql.plan.routines import Call, call_of, cast
from sql.plan.tables import known_table
from sql.session import Wire

_T = TypeVar("_T", bound=exp.Expr)
_NESTED_MAX = 32  # calls within bodies; a function that calls itself has no end
_PLACED_MAX = 1_000  # calls of a statement, with those in bodies: two in each body double them
_LONG = 32  # nodes of an argument, which is written once however often it is used
_ARGUMENTS = "__arguments"
_BODY = "__body"
_CHANGING = frozenset(
    {"random", "nextval", "gen_random_uuid", "uuid", "uuid_generate_v4", "clock_timestamp"}
    | {"rand", "currval", "setval", "lastval", "pg_sleep"}
)
_RETURN = re.compile(r"\s*RETURN\b", re.IGNORECASE)
_ATOMIC = re.compile(r"\s*BEGIN\s+ATOMIC\b(.*)\bEND\s*;?\s*$", re.IGNORECASE | re.DOTALL)


def inline_routines(tree: exp.Expr, context: PlanContext) -> exp.Expr:
    """The tree, the caller's own, with bodies in place of calls. Raises: DbError."""
    if not context.routines:
        return tree
    placed = 0
    for _ in range(_NESTED_MAX):
        nodes = [one for one in tree.find_all(exp.Func) if call_of(one, context) is not None]
        if not nodes:
            return tree
        placed += len(nodes)
        if placed > _PLACED_MAX:
            break
        for node in reversed(nodes):
            call = call_of(node, context)
            assert call is not None
            tree = put(tree, call, _query_of(call, context.wire), context)
    raise DbError(ErrorKind.LIMIT_EXCEEDED, "stored functions call each other too deeply")


def _query_of(call: Call, wire: Wire) -> exp.Query:
    query = body_of(call.routine, wire)
    if query is None:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f"function {call.routine.name} cannot be called here",
            detail="its body is run statement by statement, before the statement that calls it",
        )
    return query


def put(tree: exp.Expr, call: Call, query: exp.Query, context: PlanContext) -> exp.Expr:
    """The tree, which is changed, with a query that answers a call in its place."""
    if call.is_source:
        parent = call.node.parent
        assert parent is not None
        parent.replace(_as_source(call, query, parent, context))
        return tree
    made, place = _as_value(call, query, context), call.place
    if isinstance(place.parent, exp.Select) and place.arg_key == "expressions":
        made = exp.Alias(this=made, alias=exp.to_identifier(call.routine.name, quoted=True))
    if place is tree:
        return made
    place.replace(made)
    return tree


# --- Bodies ---------------------------------------------------------------------------------------


def body_of(routine: Routine, wire: Wire) -> exp.Query | None:
    """The query that is a function's body, the caller's own; None for bodies of other kinds."""
    if routine.returns == "void" or not routine.is_function or routine.language == "plpgsql":
        return None
    found = _body(routine.body, wire, routine.is_standard)
    return None if found is None else found.copy()


@lru_cache(500)
def _body(text: str, wire: Wire, is_standard: bool) -> exp.Query | None:
    standard = is_standard or wire is Wire.MYSQL
    if standard and _RETURN.match(text):
        text = _RETURN.sub("SELECT ", text, count=1)
    elif wire is Wire.MYSQL:
        return None
    statements = [one.tree for one in parse(statements_of(text), wire) if one.tree is not None]
    tree = statements[0] if len(statements) == 1 else None
    if isinstance(tree, exp.Values):
        return exp.select("*").from_(tree)
    changes = tree is None or tree.find(exp.DML, exp.Into) is not None
    is_query = isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery)
    return tree if is_query and not changes else None  # type: ignore[return-value]


def statements_of(body: str) -> str:
    """The statements of a body of SQL, without BEGIN ATOMIC and END around them."""
    inside = _ATOMIC.match(body)
    return inside[1] if inside is not None else body


# --- Calls ----------------------------------------------------------------------------------------


def _as_value(call: Call, query: exp.Query, context: PlanContext) -> exp.Expr:
    """The call in an expression."""
    routine = call.routine
    value: exp.Expr | None = None
    if routine.returns_set:
        value = exp.Unnest(expressions=[exp.paren(_listed(call, query, context))])
    elif _is_expression(query) and not _has_row(routine):
        value = _direct(call, query.expressions[0].unalias(), context)
    if value is None:
        value = exp.Subquery(this=_with_arguments(call, _one_row(call, query, context), context))
    made = value if routine.returns_set else cast(value, _returned(routine), context)
    return _strict(call, made, context) if routine.strict and not routine.returns_set else made


def _has_row(routine: Routine) -> bool:
    return len(routine.outputs) > 1


def _returned(routine: Routine) -> str:
    return "record" if _has_row(routine) or routine.returns.startswith("%") else routine.returns


def _is_expression(query: exp.Query) -> bool:
    """True for `SELECT value` and nothing more."""
    if not isinstance(query, exp.Select) or len(query.expressions) != 1:
        return False
    more = any(value for key, value in query.args.items() if key != "expressions")
    return not more and not query.expressions[0].is_star and query.find(exp.AggFunc) is None


def _direct(call: Call, value: exp.Expr, context: PlanContext) -> exp.Expr | None:
    """The value with the arguments in it; None if they must not be written in it."""
    if value.find(exp.Query) is not None and any(a.find(exp.Column) for a in call.arguments):
        return None
    uses = [0] * len(call.arguments)

    def count(place: int) -> exp.Expr | None:
        uses[place] += 1
        return None

    _replaced(exp.paren(value.copy()), call, count, context)
    for argument, used in zip(call.arguments, uses, strict=True):
        if used != 1 and _changes(argument):
            return None
    casts = _cast_arguments(call, context)
    return _replaced(exp.paren(value.copy()), call, lambda at: casts[at].copy(), context)


def _changes(argument: exp.Expr) -> bool:
    """True for what must be evaluated once, or is long."""
    if argument.find(exp.Query, exp.Rand, exp.Uuid) is not None:
        return True
    if next(islice(argument.walk(), _LONG, None), None) is not None:
        return True
    names = {node.name.lower() for node in argument.find_all(exp.Anonymous)}
    return bool(names & _CHANGING)


def _cast_arguments(call: Call, context: PlanContext) -> list[exp.Expr]:
    pairs = zip(call.routine.given, call.arguments, strict=True)
    return [exp.paren(cast(value, one.type, context)) for one, value in pairs]


def _strict(call: Call, value: exp.Expr, context: PlanContext) -> exp.Expr:
    """NULL if an argument is; constants that are none need not be asked."""
    asked = [one for one in call.arguments if not isinstance(one, exp.Literal)]
    if not asked:
        return value
    missing = exp.or_(*(exp.Is(this=exp.paren(a.copy()), expression=exp.null()) for a in asked))
    null = cast(exp.null(), _returned(call.routine), context)
    return exp.paren(exp.case().when(missing, null).else_(value))


def _one_row(call: Call, query: exp.Query, context: PlanContext) -> exp.Query:
    """The first row of the body: its value, or its values as a row."""
    if not _has_row(call.routine):
        return query if _is_expression(query) else query.limit(1)
    names = [f"c{place}" for place in range(len(call.routine.outputs))]
    fields = [
        cast(exp.column(name, table=_BODY), output.type, context)
        for name, output in zip(names, call.routine.outputs, strict=True)
    ]
    row = exp.Anonymous(this="ROW", expressions=fields)
    return exp.select(row).from_(_derived(query.limit(1), _BODY, names))


def _listed(call: Call, query: exp.Query, context: PlanContext) -> exp.Expr:
    value: exp.Expr = exp.column("c0", table=_BODY)
    names = ["c0"]
    if _has_row(call.routine):
        outputs = call.routine.outputs
        names = [f"c{place}" for place in range(len(outputs))]
        pairs = zip(names, outputs, strict=True)
        casts = [cast(exp.column(name, table=_BODY), one.type, context) for name, one in pairs]
        value = exp.Anonymous(this="ROW", expressions=casts)
    else:
        value = cast(value, _returned(call.routine), context)
    gathered = exp.Anonymous(this="list", expressions=[value])
    inner = exp.select(gathered).from_(_derived(query, _BODY, names))
    return exp.Subquery(this=_with_arguments(call, inner, context))


def _derived(query: exp.Query, alias: str, columns: Sequence[str] = ()) -> exp.Subquery:
    names = [exp.to_identifier(name, quoted=True) for name in columns]
    name = exp.TableAlias(this=exp.to_identifier(alias, quoted=True), columns=names)
    return exp.Subquery(
        this=query.unnest() if isinstance(query, exp.Subquery) else query, alias=name
    )


def _with_arguments(call: Call, query: exp.Query, context: PlanContext) -> exp.Query:
    """The query with its arguments; those that read columns come from a table beside it."""
    casts = _cast_arguments(call, context)
    if not any(one.find(exp.Column) or _changes(one) for one in casts):
        return _replaced(query, call, lambda at: casts[at].copy(), context)
    names = [f"a{place}" for place in range(len(casts))]
    alias = f"{_ARGUMENTS}_{id(call.node)}"
    query = _replaced(query, call, lambda at: exp.column(names[at], table=alias), context)
    items = [exp.alias_(one, name) for one, name in zip(casts, names, strict=True)]
    return exp.select(exp.Subquery(this=query)).from_(_derived(exp.select(*items), alias))


# --- In FROM --------------------------------------------------------------------------------------


def _as_source(call: Call, query: exp.Query, parent: exp.Expr, context: PlanContext) -> exp.Expr:
    """The call in FROM: a derived table with the function's columns."""
    given: exp.TableAlias | None = parent.args.get("alias")
    columns, types = _columns(call, query, given, context)
    casts = _cast_arguments(call, context)
    beside = any(one.find(exp.Column) for one in casts)
    alias = f"{_ARGUMENTS}_{id(call.node)}"
    names = [f"a{place}" for place in range(len(casts))]
    if beside:
        value: Callable[[int], exp.Expr] = lambda at: exp.column(names[at], table=alias)  # noqa: E731
    else:
        value = lambda at: casts[at].copy()  # noqa: E731
    body = _replaced(query, call, value, context)
    if not call.routine.returns_set:
        body = body.limit(1)
    inner = [f"c{place}" for place in range(len(columns))]
    items = [
        exp.alias_(cast(exp.column(c, table=_BODY), type_, context), name, quoted=True)
        for c, type_, name in zip(inner, types, columns, strict=True)
    ]
    source = _derived(body, _BODY, inner)
    made = exp.select(*items)
    if beside:
        items_ = [exp.alias_(one, name) for one, name in zip(casts, names, strict=True)]
        made = made.from_(_derived(exp.select(*items_), alias))
        made = made.join(
            exp.Lateral(this=source, alias=source.args.pop("alias")), join_type="cross"
        )
    else:
        made = made.from_(source)
    return _placed(call, made, parent, given)


def _placed(
    call: Call, made: exp.Query, parent: exp.Expr, given: exp.TableAlias | None
) -> exp.Expr:
    name = given.this if given is not None and given.this else None
    alias = exp.TableAlias(this=(name or exp.to_identifier(call.routine.name, quoted=True)).copy())
    if given is not None and not any(isinstance(c, exp.ColumnDef) for c in given.columns):
        alias.set("columns", [column.copy() for column in given.columns])
    if parent.args.get("ordinality"):
        number = exp.Window(this=exp.RowNumber())
        made = exp.select("*", exp.alias_(number, "ordinality")).from_(_derived(made, _BODY))
    subquery = exp.Subquery(this=made, alias=alias)
    if parent.args.get("joins"):
        subquery.set("joins", parent.args["joins"])
    lateral = isinstance(parent, exp.Lateral) or any(a.find(exp.Column) for a in call.arguments)
    if lateral:
        subquery.set("alias", None)
        return exp.Lateral(this=subquery, alias=alias)
    return subquery


def _columns(
    call: Call, query: exp.Query, given: exp.TableAlias | None, context: PlanContext
) -> tuple[list[str], list[str]]:
    """Names and types of a function's columns. Raises: DbError SYNTAX if nobody says them."""
    routine, outputs = call.routine, call.routine.outputs
    if outputs:
        return [one.name or f"column{n}" for n, one in enumerate(outputs, 1)], [
            one.type for one in outputs
        ]
    if routine.returns == "record":
        defined = [
            c for c in (given.columns if given is not None else []) if isinstance(c, exp.ColumnDef)
        ]
        if not defined:
            message = "a column definition list is required for functions returning record"
            raise DbError(ErrorKind.SYNTAX, message)
        return [c.name for c in defined], [str(c.args["kind"].sql("postgres")) for c in defined]
    table = table_of_type(routine.returns, context)
    if table is not None:
        return [c.name for c in table.columns], ["record"] * len(table.columns)
    name = given.this.name if given is not None and given.this else routine.name
    return [name], [routine.returns]


def table_of_type(name: str, context: PlanContext) -> Table | None:
    """The table or view whose rows a function returns, by the name of its type."""
    if not re.fullmatch(r'(?:"?\w+"?\.)?"?\w+"?', name):
        return None
    database, _, table = name.replace('"', "").rpartition(".")
    return context.lookup(database or context.database, table)


# --- Arguments in bodies --------------------------------------------------------------------------


def _replaced(
    tree: _T, call: Call, value: Callable[[int], exp.Expr | None], context: PlanContext
) -> _T:
    """The tree with values in place of the arguments' names and numbers; it is changed."""
    routine = call.routine
    if call.is_answered:
        return tree
    places = {one.name: place for place, one in enumerate(routine.given) if one.name}
    hidden = column_names(tree, context) if context.wire is not Wire.MYSQL else frozenset()
    for node in list(tree.find_all(exp.Column, exp.Parameter)):
        place: int | None = None
        if isinstance(node, exp.Parameter):
            number = parameter_number(node)
            place = number - 1 if number is not None else None
        elif node.text("table") in ("", routine.name) and not node.args.get("db"):
            name = node.name.lower() if context.wire is Wire.MYSQL else node.name
            free = node.text("table") or name not in hidden
            place = places.get(name) if free else None
        if place is None:
            continue
        if place >= len(routine.given):
            raise DbError(ErrorKind.UNDEFINED_PARAMETER, f"there is no parameter ${place + 1}")
        made = value(place)
        if made is not None:
            node.replace(made)
    return tree


def column_names(tree: exp.Expr, context: PlanContext) -> frozenset[str]:
    """Names of columns that a statement's tables and derived tables have.

    INSERT's own table is one of them only where something looks at rows that are there.
    """
    found: set[str] = set()
    table_of = partial(known_table, context=context)
    blind = {
        id(one.this.this if isinstance(one.this, exp.Schema) else one.this)
        for one in tree.find_all(exp.Insert)
        if not one.args.get("conflict") and not one.args.get("returning")
    }
    for node in tree.find_all(exp.Table):
        if id(node) in blind:
            continue
        try:
            table = table_of(node)
        except DbError:  # told when the body is planned
            continue
        if table is not None:
            found.update(column.name for column in table.columns)
    for query in tree.find_all(exp.Select):
        if isinstance(query.parent, exp.Subquery | exp.CTE) and query.parent.alias:
            found.update(item.alias_or_name for item in query.expressions)
    return frozenset(found)
