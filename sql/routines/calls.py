"""Calls of functions whose body is run statement by statement: answered before their statement.

Called by sql/execute.py and sql/blocks/. A call whose arguments read no row is made once. One for
the rows of a query is made once for each different set of arguments, which are looked up first; it
does not matter how often the statement would come to it. What a call gives stands in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.objects import Routine
from engine.errors import DbError, ErrorKind
from sql.blocks.held import held, held_all
from sql.dialect import mysql_nodes, nodes
from sql.dialect.dialects import to_sql
from sql.dialect.parser import ParsedStatement, parse
from sql.plan.inline import body_of, put
from sql.plan.routines import Call, call_of, calls_in, cast
from sql.results import Result, Rows
from sql.routines.find import routines_of
from sql.session import Wire
from sql.statements.parts import Pieces
from sql.statements.query import Handler

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_CALLS_MAX = 1_000  # in one statement, with those in bodies
_MAY_CALL = (
    *(exp.Query, exp.DML, exp.Values, mysql_nodes.SelectInto, mysql_nodes.Do),
    nodes.SetVariables,
)
_ANSWERS = "__answers"
_READ = (exp.Select, exp.Update, exp.Delete)


def are_interpreted(session: ClientSession, statement: ParsedStatement) -> bool:
    """True if a statement calls a function whose body is run statement by statement."""
    routines = routines_of(session)
    if not routines:
        return False
    text = statement.text.lower()
    named = [one for name, found in routines.items() if name in text for one in found]
    if not named or not isinstance(statement.tree, _MAY_CALL):
        return False
    known = (one for found in routines.values() for one in found)
    if not any(one.is_function and body_of(one, session.wire) is None for one in known):
        return False
    context = session.plan_context(statement.text)
    todo: list[exp.Expr] = [_own(session, statement)]
    seen: set[int] = set()
    while todo:
        for call in calls_in(todo.pop(), context):
            body = body_of(call.routine, session.wire)
            if body is None:
                return True
            if call.routine.id not in seen:
                seen.add(call.routine.id)
                todo.append(body)
    return False


def _own(session: ClientSession, statement: ParsedStatement) -> exp.Expr:
    """The statement's tree with the literals of its text."""
    if type(statement) is not ParsedStatement:
        tree = parse(statement.text, session.wire)[0].tree
        assert tree is not None
        return tree
    assert statement.tree is not None
    return statement.tree


def settled(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> tuple[ParsedStatement, Sequence[object]]:
    """The statement with answers in place of calls, and its parameters; see `handled`.

    It can be run again without any call. Raises: DbError, also what a function raises.
    """
    if not are_interpreted(session, statement):
        return statement, parameters
    settling = _Settling(session, statement.text, [*parameters])
    tree = settling.run(_own(session, statement).copy())
    text, count = statement.text, len(settling.parameters)
    if isinstance(tree, exp.Query | exp.DML):  # plans of queries are known by their texts
        text = to_sql(tree, session.wire)
    answers = tuple(settling.answers.items())
    made = ParsedStatement(text, tree, 0, count, statement.declared, answers)
    return made, settling.parameters


def handled(
    session: ClientSession,
    statement: ParsedStatement,
    parameters: Sequence[object],
    handler_of: Callable[[ParsedStatement], Handler],
) -> Result:
    """Runs a statement by its handler, which finds the rows of its answers. Raises: DbError."""
    if not statement.answers:
        return handler_of(statement)(session, statement, parameters)
    assert statement.tree is not None
    with _shown(session, statement.tree, dict(statement.answers)) as tree:
        made = replace(statement, text=to_sql(tree, session.wire), tree=tree, answers=())
        result = handler_of(made)(session, made, parameters)
        return _kept(result) if isinstance(result, Rows) else result


@contextmanager
def _shown(
    session: ClientSession, tree: exp.Expr, answers: Mapping[str, pa.Table]
) -> Iterator[exp.Expr]:
    """The tree with tables that DuckDB can read in place of those of answers, until the end."""
    tree, names = tree.copy(), {}
    try:
        for node in tree.find_all(exp.Table):
            if node.name in answers:
                if node.name not in names:
                    names[node.name] = session.duck.register(answers[node.name])
                node.set("this", exp.to_identifier(names[node.name], quoted=True))
        yield tree
    finally:
        session.duck.unregister(names.values())


def run(
    session: ClientSession,
    statement: ParsedStatement,
    parameters: Sequence[object],
    again: Callable[[ParsedStatement, Sequence[object]], Result],
) -> Result:
    """A statement of PostgreSQL's session that calls such functions, all in one transaction."""
    from sql.blocks.run import in_transaction

    found: list[Result] = []

    def act() -> None:
        result = again(*settled(session, statement, parameters))
        found.append(_kept(result) if isinstance(result, Rows) else result)

    in_transaction(session, act)
    return found[0]


def run_mysql(
    session: ClientSession,
    statement: ParsedStatement,
    parameters: Sequence[object],
    again: Callable[[ParsedStatement, Sequence[object]], Result],
) -> Result:
    """A statement of MySQL's session that calls such functions, whose own come before it."""
    result = again(*settled(session, statement, parameters))
    return _kept(result) if isinstance(result, Rows) else result


def _kept(rows: Rows) -> Rows:
    batches = list(rows)
    rows.close()
    return Rows(rows.columns, iter(batches), tag=rows.tag)


def described(session: ClientSession, statement: ParsedStatement) -> ParsedStatement:
    """The statement with something of the answers' types in place of calls; nothing is called."""
    if not are_interpreted(session, statement):
        return statement
    context = session.plan_context(statement.text)
    tree = _own(session, statement).copy()
    for node in reversed(list(tree.find_all(exp.Func))):
        call = call_of(node, context)
        if call is None or body_of(call.routine, session.wire) is not None:
            continue
        pairs = zip(call.routine.given, call.arguments, strict=True)
        asked = [exp.Is(this=cast(a, one.type, context), expression=exp.null()) for one, a in pairs]
        empty: exp.Query = exp.select(*[exp.null() for _ in call.routine.outputs or "x"])
        tree = put(tree, _bare(call), empty.where(*asked) if asked else empty, context)
    return ParsedStatement(
        to_sql(tree, session.wire), tree, 0, statement.parameter_count, statement.declared
    )


def _bare(call: Call) -> Call:
    """The call without arguments, which were used already."""
    kept = tuple(one for one in call.routine.arguments if one.mode in ("OUT", "TABLE"))
    kept += tuple(replace(o, mode="OUT") for o in call.routine.arguments if o.mode == "INOUT")
    made = replace(call.routine, arguments=kept, strict=False)
    return Call(call.node, made, (), is_answered=True)


def _literal(value: object) -> exp.Expr:
    """A value in a statement that takes no parameters; it will be cast to its type."""
    if value is None:
        return exp.null()
    if isinstance(value, bytes):
        return exp.Unhex(this=exp.Literal.string(value.hex()))
    return exp.Literal.string(str(value))


def _ancestors(node: exp.Expr) -> Iterator[exp.Expr]:
    while (parent := node.parent) is not None:
        yield parent
        node = parent


@dataclass
class _Settling:
    """One statement under work."""

    session: ClientSession
    text: str
    parameters: list[object]

    def __post_init__(self) -> None:
        self.answers: dict[str, pa.Table] = {}
        self.takes_parameters = True
        self.context = self.session.plan_context(self.text)

    def run(self, tree: exp.Expr) -> exp.Expr:
        """The tree with all calls answered. Raises: DbError."""
        self.takes_parameters = isinstance(tree, exp.Query | exp.DML | exp.Values)
        for _ in range(_CALLS_MAX):
            self.session.duck.check()
            call = self._next(tree)
            if call is None:
                return tree
            query = body_of(call.routine, self.session.wire)
            if query is not None:
                tree = put(tree, call, query, self.context)
            else:
                tree = self._answered(tree, call)
        raise DbError(ErrorKind.LIMIT_EXCEEDED, "stored functions call each other too deeply")

    def _next(self, tree: exp.Expr) -> Call | None:
        """The call to answer first: in FROM and WHERE, then as they stand; inner ones first."""
        nodes_ = list(tree.find_all(exp.Func, bfs=False))
        found = [c for node in nodes_ if (c := call_of(node, self.context)) is not None]
        held = {id(inner) for c in found for inner in _ancestors(c.node)}
        found = [c for c in found if id(c.node) not in held]
        first = [c for c in found if c.is_source or c.node.find_ancestor(exp.Where) is not None]
        return next(iter(first or found), None)

    def _answered(self, tree: exp.Expr, call: Call) -> exp.Expr:
        pairs = zip(call.routine.given, call.arguments, strict=True)
        arguments = [cast(value, one.type, self.context) for one, value in pairs]
        if any(one.find(exp.Column) for one in arguments):
            query = self._by_rows(call, arguments)
        else:
            values: list[object] = []
            if arguments:
                table = self._table(exp.select(*arguments))
                values = [held(column[0]) for column in table.columns]
            query = self._query(call.routine, values)
        return put(tree, _bare(call), query, self.context)

    def _table(self, tree: exp.Query) -> pa.Table:
        with _shown(self.session, tree, self.answers) as shown:
            return Pieces(self.session, self.text, self.parameters).table(shown)

    def _query(self, routine: Routine, values: Sequence[object]) -> exp.Query:
        """Makes a call; a query of what it gives. Raises: DbError."""
        answer = invoke(self.session, routine, values)
        if isinstance(answer, pa.Table):
            return exp.select("*").from_(self._source(answer))
        if not self.takes_parameters:
            return exp.select(_literal(answer))
        self.parameters.append(answer)
        return exp.select(exp.Parameter(this=exp.Literal.number(len(self.parameters))))

    def _source(self, rows: pa.Table) -> exp.Expr:
        name = f"{_ANSWERS}_{len(self.answers)}"
        self.answers[name] = rows
        return exp.table_(name, quoted=True)

    def _by_rows(self, call: Call, arguments: Sequence[exp.Expr]) -> exp.Query:
        """Calls for the rows of a query: answers beside the arguments. Raises: DbError."""
        routine = call.routine
        if routine.returns_set or len(routine.outputs) > 1 or call.is_source:
            raise _refused(routine, "it gives rows")
        wanted = self._rows_wanted(call, arguments)
        found = self._table(wanted)
        answers = [
            invoke(self.session, routine, values)
            for values in zip(*(held_all(column) for column in found.columns), strict=True)
        ]
        names = [f"a{place}" for place in range(len(arguments))]
        given = found.rename_columns(names).append_column("answer", pa.array(answers))
        same = [
            exp.NullSafeEQ(this=exp.column(name, table=_ANSWERS), expression=argument)
            for name, argument in zip(names, arguments, strict=True)
        ]
        source = exp.alias_(self._source(given), _ANSWERS, table=True)
        return exp.select(exp.column("answer", table=_ANSWERS)).from_(source).where(*same)

    def _rows_wanted(self, call: Call, arguments: Sequence[exp.Expr]) -> exp.Query:
        """A query of the arguments, each set once. Raises: DbError UNSUPPORTED."""
        home = call.node.find_ancestor(*_READ)
        if home is None or any(one.find(exp.AggFunc, exp.Window) for one in arguments):
            raise _refused(call.routine, "its arguments are no plain values of rows")
        wanted = exp.select(*(one.copy() for one in arguments)).distinct()
        if isinstance(home, exp.Select):
            for key in ("with_", "from_", "joins", "laterals", "where"):
                value = home.args.get(key)
                copied = [o.copy() for o in value] if isinstance(value, list) else value
                wanted.set(key, copied.copy() if isinstance(copied, exp.Expr) else copied)
        else:
            wanted = wanted.from_(home.this.copy())
            wanted.set("where", home.args["where"].copy() if home.args.get("where") else None)
        where = wanted.args.get("where")
        if where is not None and any(call_of(n, self.context) for n in where.find_all(exp.Func)):
            wanted.set("where", None)
        return wanted


def _refused(routine: Routine, why: str) -> DbError:
    return DbError(
        ErrorKind.UNSUPPORTED,
        f"function {routine.name} cannot be called for the rows of this query",
        detail=why,
        hint="call it in a statement of its own, or write its body as one query in SQL",
    )


def invoke(session: ClientSession, routine: Routine, values: Sequence[object]) -> object:
    """What a function gives: a value, or a table of rows and columns. Raises: DbError."""
    if routine.strict and None in values:
        return None if not routine.returns_set else pa.table({"c0": pa.nulls(0)})
    if session.wire is Wire.MYSQL:
        from sql.routines.run import evaluate

        return evaluate(session, routine, values)
    from sql.routines.interpreted import call_function

    return call_function(session, routine, values)
