"""Runs MySQL's stored routines, statement by statement as if their client had sent them.

Called by sql/execute.py for CALL and by calls.py for functions. Each statement is a transaction of
its own unless one is open, has the caller's rights, and is what the session shows as running. A
routine's variables are user variables under names of their own, by the depth of the call; they go
when it ends.
Source: MySQL 8.4 reference, "CALL Statement", "Compound Statements".
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.objects import Routine
from engine.errors import DbError, ErrorKind
from sql.blocks.held import held
from sql.dialect import mysql_nodes, nodes
from sql.dialect.dialects import to_sql
from sql.dialect.parser import ParsedStatement, parse
from sql.mysql_errors import missing
from sql.results import Affected, Empty, Result, Rows
from sql.routines.conditions import (
    Cursor,
    ExitError,
    Scope,
    as_warning,
    changed,
    diagnostic,
    handler_for,
    merged,
    no_data,
    signalled,
)
from sql.routines.find import find
from sql.routines.parse import (
    Block,
    Branches,
    Condition,
    Declare,
    DeclareCursor,
    Diagnostics,
    Handler,
    Jump,
    Loop,
    Piece,
    Return,
    Signal,
    Step,
    UseCursor,
    parse_body,
)
from sql.routines.spelling import Names, as_statement, spelled
from sql.session import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sql.client_session import ClientSession

_DEPTH_MAX = 32  # calls within calls
_ANSWER = "answer"  # the variable that conditions are read from
_RETURNED = "$returned"  # no name that is likely


def call(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """Runs CALL. Raises: DbError, also of any statement of the procedure."""
    tree = statement.tree
    assert isinstance(tree, nodes.Call)
    database = tree.text("db") or session.database
    routine = find(session, database, tree.this.name, is_function=False)
    if routine is None:
        raise missing("PROCEDURE", f"{database}.{tree.this.name}")
    given = tree.this.expressions
    if len(given) != len(routine.arguments):
        error = DbError(
            ErrorKind.WRONG_ARGUMENTS,
            f"PROCEDURE {database}.{routine.name} takes {len(routine.arguments)} arguments,"
            f" {len(given)} were given",
        )
        error.mysql = (1318, "42000")
        raise error
    run = _Run(session, routine, session.routine_depth + 1)

    def act() -> None:
        run.take(given, parameters)
        run.start()
        run.give(given)

    _inside(session, routine, run, act)
    return Affected("CALL", run.affected, sets=tuple(run.results))


def evaluate(session: ClientSession, routine: Routine, values: Sequence[object]) -> object:
    """What a function gives for values of its arguments. Raises: DbError."""
    run = _Run(session, routine, session.routine_depth + 1)

    def act() -> None:
        for argument, value in zip(routine.arguments, values, strict=True):
            run.set(argument.name, value)
            run.convert(argument.name, argument.type)
        try:
            run.start()
        except _ReturnError as answer:
            run.declare(_RETURNED, answer.value)
            run.convert(_RETURNED, routine.returns)
            return
        error = DbError(ErrorKind.RAISED, f"FUNCTION {routine.name} ended without RETURN")
        error.mysql = (1321, "2F005")
        raise error

    _inside(session, routine, run, act)
    return run.returned


def _inside(session: ClientSession, routine: Routine, run: _Run, act: Callable[[], None]) -> None:
    """Does something one call deeper, in the routine's database."""
    session.routine_depth += 1
    before = session.database
    try:
        if session.routine_depth > _DEPTH_MAX:
            raise DbError(ErrorKind.LIMIT_EXCEEDED, "routines call each other too deeply")
        if routine.database != before:
            session.use(routine.database)
        act()
    except _JumpError as jump:
        raise DbError(ErrorKind.SYNTAX, f"no label {jump.step.label} to go to") from None
    finally:
        session.routine_depth -= 1
        run.forget()
        if session.running and not session.routine_depth:
            session.statement_ended()
        if session.database != before:
            session.use(before)


class _JumpError(Exception):
    """LEAVE or ITERATE on its way to the labelled statement."""

    def __init__(self, step: Jump) -> None:
        super().__init__(step.label)
        self.step = step


class _ReturnError(Exception):
    """RETURN: the function has its value."""

    def __init__(self, value: object) -> None:
        super().__init__("a function returns")
        self.value = value


@dataclass
class _Run:
    """One call."""

    session: ClientSession
    routine: Routine
    depth: int
    names: Names = field(default_factory=dict)
    results: list[Rows] = field(default_factory=list)
    affected: int = 0
    returned: object = None
    scopes: list[Scope] = field(default_factory=lambda: [Scope()])
    handled: list[DbError] = field(default_factory=list)  # by the handlers that run, innermost last
    known: DbError | None = None  # an error that no handler of this call takes

    def __post_init__(self) -> None:
        for argument in self.routine.arguments:
            self.declare(argument.name, None)

    def start(self) -> None:
        """Runs the body. Raises: DbError, _ReturnError, _JumpError."""
        body, is_function = self.routine.body, self.routine.is_function
        self.step(parse_body(body, is_function=is_function), body)

    # --- Variables --------------------------------------------------------------------------------

    def take(self, given: Sequence[exp.Expr], parameters: Sequence[object]) -> None:
        """The arguments' values."""
        for argument, node in zip(self.routine.arguments, given, strict=True):
            if argument.mode != "IN" and not isinstance(node, nodes.UserVariable):
                error = DbError(
                    ErrorKind.WRONG_ARGUMENTS,
                    f"{argument.mode} argument {argument.name} is no variable",
                )
                error.mysql = (1414, "42000")
                raise error
            if argument.mode == "OUT":
                continue
            value: object = None
            if isinstance(node, nodes.UserVariable):
                value = self.session.user_variables.get(str(node.this))
            elif isinstance(node, exp.Parameter | exp.Placeholder):
                value = parameters[
                    sum(isinstance(n, type(node)) for n in given[: given.index(node)])
                ]
            else:
                value = self._evaluated(to_sql(node, Wire.MYSQL))
            self.set(argument.name, value)
            self.convert(argument.name, argument.type)

    def give(self, given: Sequence[exp.Expr]) -> None:
        """What OUT and INOUT arguments have become."""
        for argument, node in zip(self.routine.arguments, given, strict=True):
            if argument.mode != "IN":
                self.convert(argument.name, argument.type)
                value = self.session.user_variables.get(self.names[argument.name.lower()])
                self.session.user_variables[str(node.this)] = value

    def forget(self) -> None:
        """The variables are no more; what a function returned is kept."""
        if _RETURNED in self.names:
            self.returned = self.session.user_variables.get(self.names[_RETURNED])
        for name in [*self.names.values(), self._own(_ANSWER)]:
            self.session.user_variables.pop(name, None)

    def _own(self, name: str) -> str:
        return f"__{self.depth}_{name.lower()}"

    def declare(self, name: str, value: object) -> None:
        """A new variable."""
        self.names[name.lower()] = self._own(name)
        self.set(name, value)

    def set(self, name: str, value: object) -> None:
        """Gives a variable a value."""
        self.session.user_variables[self.names[name.lower()]] = value

    def convert(self, name: str, kind: str) -> None:
        """Makes a variable's value one of its type. Raises: DbError."""
        own = self.names[name.lower()]
        if kind and self.session.user_variables.get(own) is not None:
            self._run_text(f"SELECT CAST(@{own} AS {kind}) INTO @{own}")

    def _evaluated(self, text: str) -> object:
        answer = self._own(_ANSWER)
        self._run_text(f"SELECT ({text}) INTO @{answer}")
        return self.session.user_variables.get(answer)

    def _holds(self, text: str) -> bool:
        return bool(self._evaluated(f"({text}) IS TRUE"))

    # --- Statements -------------------------------------------------------------------------------

    def step(self, step: Step, body: str) -> None:
        """Runs one statement of the body; a handler may take what it raises.

        Raises: DbError, _JumpError, _ReturnError, ExitError.
        """
        self._check()
        try:
            self._step(step, body)
        except DbError as error:
            self._handle(error, body)

    def _step(self, step: Step, body: str) -> None:
        if isinstance(step, Piece):
            self._plain(step, body)
        elif isinstance(step, Block):
            self._block(step, body)
        elif isinstance(step, Branches):
            self._branch(step, body)
        elif isinstance(step, Loop):
            self._loop(step, body)
        elif isinstance(step, Signal):
            self._signal(step, body)
        elif isinstance(step, Return):
            raise _ReturnError(self._evaluated(self._spelled(body, step.value)))
        elif isinstance(step, Jump):
            raise _JumpError(step)
        elif isinstance(step, UseCursor):
            self._use_cursor(step)
        elif isinstance(step, Diagnostics):
            self._diagnose(step, body)
        else:
            self._declared(step, body)

    def _declared(self, step: Declare | Handler | Condition | DeclareCursor, body: str) -> None:
        scope = self.scopes[-1]
        if isinstance(step, Handler):
            scope.handlers.append(step)
        elif isinstance(step, Condition):
            scope.conditions[step.name] = step.value
        elif isinstance(step, DeclareCursor):
            scope.cursors[step.name] = Cursor(as_statement(body, step.query, self.names))
        else:
            default = None if step.default is None else self._spelled(body, step.default)
            for name in step.names:
                self.declare(name, None if default is None else self._evaluated(default))
                self.convert(name, step.type)

    def _plain(self, step: Piece, body: str) -> None:
        """A statement of its own; SELECT … INTO without a row is a condition for handlers."""
        text = as_statement(body, step, self.names)
        if self._run_text(text):
            return
        error = no_data()
        if handler_for(error, self.scopes) is not None:
            raise error

    def _block(self, step: Block, body: str) -> None:
        scope = Scope()
        self.scopes.append(scope)
        depth = len(self.scopes)
        try:
            with contextlib.suppress(_LeftError):
                self._labelled(step.label, lambda: self.steps(step.body, body))
        except ExitError as left:
            if left.scope is not scope:
                raise
        finally:
            del self.scopes[depth - 1 :]

    def _handle(self, error: DbError, body: str) -> None:
        """Runs the handler that an error meets. Raises: the error if there is none, ExitError."""
        if error is self.known or error.kind in (ErrorKind.CANCELLED, ErrorKind.TIMEOUT):
            raise error
        found = handler_for(error, self.scopes)
        if found is None:
            self.known = error
            raise error
        place, handler = found
        inner, self.scopes = self.scopes, [*self.scopes[:place], Scope()]
        left = inner[place]
        self.scopes[-1].conditions = dict(left.conditions)
        self.scopes[-1].cursors = left.cursors
        self.handled.append(error)
        try:
            self.step(handler.body, body)
        finally:
            self.handled.pop()
            self.scopes = inner
        if handler.leaves:
            raise ExitError(left)

    def steps(self, steps: Iterable[Step], body: str) -> None:
        """One after the other."""
        for step in steps:
            self.step(step, body)

    def _spelled(self, body: str, piece: Piece) -> str:
        return spelled(body, piece.tokens, self.names)

    def _check(self) -> None:
        """Ends the call if it was cancelled, also where no statement is running.

        Raises: DbError CANCELED.
        """
        if not self.session.running:
            self.session.statement_started(f"CALL {self.routine.name}")
        self.session.duck.check()

    def _labelled(self, label: str, run: Callable[[], None]) -> None:
        """Runs what has the label; ITERATE ends the run. Raises: _LeftError for its LEAVE."""
        try:
            run()
        except _JumpError as jump:
            if not label or jump.step.label != label:
                raise
            if not jump.step.again:
                raise _LeftError from None

    def _branch(self, step: Branches, body: str) -> None:
        for condition, steps in step.branches:
            if condition is None:
                self.steps(steps, body)
                return
            text = self._spelled(body, condition)
            if step.subject is not None:
                text = f"({self._spelled(body, step.subject)}) = ({text})"
            if self._holds(text):
                self.steps(steps, body)
                return
        if step.is_case:
            error = DbError(ErrorKind.RAISED, "Case not found for CASE statement")
            error.mysql = (1339, "20000")
            raise error

    def _loop(self, step: Loop, body: str) -> None:
        condition = "" if step.condition is None else self._spelled(body, step.condition)
        try:
            while not condition or step.until or self._holds(condition):
                self._check()
                self._labelled(step.label, lambda: self.steps(step.body, body))
                if step.until and self._holds(condition):
                    return
        except _LeftError:
            return

    def _signal(self, step: Signal, body: str) -> None:
        items = {name: self._evaluated(self._spelled(body, one)) for name, one in step.items}
        if step.again and not step.condition:
            if not self.handled:
                error = DbError(ErrorKind.RAISED, "RESIGNAL when handler not active")
                error.mysql = (1645, "0K000")
                raise error
            raise changed(self.handled[-1], items)
        error = signalled(step.condition, merged(self.scopes), items)
        if error.codes.mysql_state[:2] == "01" and handler_for(error, self.scopes) is None:
            self.session.notice(as_warning(error))
            return
        raise error

    def _use_cursor(self, step: UseCursor) -> None:
        """OPEN reads the rows, FETCH takes them one by one. Raises: DbError."""
        found = (scope.cursors.get(step.name) for scope in reversed(self.scopes))
        cursor = next((one for one in found if one is not None), None)
        if cursor is None:
            raise _cursor_error(1324, f"Undefined CURSOR: {step.name}")
        if (step.verb == "OPEN") == (cursor.rows is not None):
            is_open = step.verb == "OPEN"
            state = "already" if is_open else "not"
            raise _cursor_error(1325 if is_open else 1326, f"Cursor is {state} open")
        if step.verb == "OPEN":
            cursor.rows, cursor.at = self._rows(cursor.text), 0
        elif step.verb == "CLOSE":
            cursor.rows = None
        else:
            self._fetch(cursor, step.targets)

    def _fetch(self, cursor: Cursor, targets: Sequence[str]) -> None:
        assert cursor.rows is not None
        if len(targets) != cursor.rows.num_columns:
            raise _cursor_error(1328, "Incorrect number of FETCH variables")
        if cursor.at >= cursor.rows.num_rows:
            raise no_data()
        for target, column in zip(targets, cursor.rows.columns, strict=True):
            if target not in self.names:
                raise _cursor_error(1327, f"Undeclared variable: {target}")
            self.set(target, held(column[cursor.at]))
        cursor.at += 1

    def _rows(self, text: str) -> pa.Table:
        statement = parse(text, Wire.MYSQL)[0]
        result = self.session.execute(statement)
        if not isinstance(result, Rows):
            raise DbError(ErrorKind.SYNTAX, "a cursor is declared for a query")
        batches = list(result)
        result.close()
        names = [f"c{place}" for place in range(len(result.columns))]
        if not batches:
            return pa.table([pa.nulls(0)] * len(names), names=names)
        return pa.Table.from_batches(batches).rename_columns(names)

    def _diagnose(self, step: Diagnostics, body: str) -> None:
        error = self.handled[-1] if self.handled else None
        for target, item in step.items:
            value = diagnostic(error, self.affected, item)
            own = self._spelled(body, target).strip().lstrip("@").strip("`").lower()
            self.session.user_variables[own] = value

    def _run_text(self, text: str) -> bool:
        """Runs statements of SQL; False if one was to give a row and gave none. Raises: DbError."""
        found = True
        for statement in parse(text, Wire.MYSQL):
            result = self.session.execute(statement)
            if isinstance(result, Rows):
                if self.routine.is_function:
                    result.close()
                    message = "Not allowed to return a result set from a function"
                    error = DbError(ErrorKind.UNSUPPORTED, message)
                    error.mysql = (1415, "0A000")
                    raise error
                self.results.append(_kept(result))
            elif isinstance(result, Affected):
                self.results += result.sets
                self.affected = result.rows or 0
                into = isinstance(statement.tree, mysql_nodes.SelectInto)
                found = found and not (into and not result.rows)
            elif not isinstance(result, Empty):
                raise DbError(ErrorKind.UNSUPPORTED, "routines move no data from or to clients")
        return found


def _cursor_error(number: int, message: str) -> DbError:
    error = DbError(ErrorKind.RAISED, message, sqlstate="24000" if number < 1327 else "42000")
    error.mysql = (number, "24000" if number in (1325, 1326) else "42000")
    return error


class _LeftError(Exception):
    """LEAVE has reached its label."""


def _kept(rows: Rows) -> Rows:
    """The rows in memory, so that the next statement can run."""
    batches = list(rows)
    rows.close()
    return Rows(rows.columns, iter(batches), tag=rows.tag)
