"""CALL: runs a stored procedure, statement by statement as if its client had sent them.

Called by sql/client_session.py. Each statement is a transaction of its own unless one is open, has
the caller's rights, and is what the session shows as running. A procedure's variables are user
variables under names of their own, by the depth of the call; they go when it ends.
Source: MySQL 8.4 reference, "CALL Statement", "Compound Statements".
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.objects import Routine
from engine.errors import DbError, ErrorKind
from sql.dialect import nodes
from sql.dialect.dialects import to_sql
from sql.dialect.parser import ParsedStatement, parse
from sql.mysql_errors import missing
from sql.results import Affected, Empty, Result, Rows
from sql.routines.parse import (
    Block,
    Branches,
    Declare,
    Jump,
    Loop,
    Piece,
    Signal,
    Step,
    parse_body,
)
from sql.routines.spelling import Names, as_statement, spelled
from sql.session import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sql.client_session import ClientSession

_DEPTH_MAX = 32  # calls within calls
_ANSWER = "answer"  # the variable that conditions are read from


def call(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """Runs CALL. Raises: DbError, also of any statement of the procedure."""
    tree = statement.tree
    assert isinstance(tree, nodes.Call)
    database = tree.text("db") or session.database
    routine = find(session, database, tree.this.name)
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
    session.routine_depth += 1
    run = _Run(session, routine, session.routine_depth)
    before = session.database
    try:
        if session.routine_depth > _DEPTH_MAX:
            raise DbError(ErrorKind.LIMIT_EXCEEDED, "procedures call each other too deeply")
        if database != before:
            session.use(database)
        run.take(given, parameters)
        run.step(parse_body(routine.body), routine.body)
        run.give(given)
    except _JumpError as jump:
        raise DbError(ErrorKind.SYNTAX, f"no label {jump.step.label} to go to") from None
    finally:
        session.routine_depth -= 1
        run.forget()
        if session.running and not session.routine_depth:
            session.statement_ended()
        if session.database != before:
            session.use(before)
    return Affected("CALL", run.affected, sets=tuple(run.results))


def find(session: ClientSession, database: str, name: str) -> Routine | None:
    """The procedure of that name, whatever the case of its letters."""
    for one in session.catalog.objects(session.duck.cursor):
        named = (one.database, one.name.lower()) == (database, name.lower())
        if isinstance(one, Routine) and named:
            return one
    return None


class _JumpError(Exception):
    """LEAVE or ITERATE on its way to the labelled statement."""

    def __init__(self, step: Jump) -> None:
        super().__init__(step.label)
        self.step = step


@dataclass
class _Run:
    """One call."""

    session: ClientSession
    routine: Routine
    depth: int
    names: Names = field(default_factory=dict)
    results: list[Rows] = field(default_factory=list)
    affected: int = 0

    def __post_init__(self) -> None:
        for argument in self.routine.arguments:
            self._declare(argument.name, None)

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
            self._set(argument.name, value)
            self._convert(argument.name, argument.type)

    def give(self, given: Sequence[exp.Expr]) -> None:
        """What OUT and INOUT arguments have become."""
        for argument, node in zip(self.routine.arguments, given, strict=True):
            if argument.mode != "IN":
                self._convert(argument.name, argument.type)
                value = self.session.user_variables.get(self.names[argument.name.lower()])
                self.session.user_variables[str(node.this)] = value

    def forget(self) -> None:
        """The variables are no more."""
        for name in [*self.names.values(), self._own(_ANSWER)]:
            self.session.user_variables.pop(name, None)

    def _own(self, name: str) -> str:
        return f"__{self.depth}_{name.lower()}"

    def _declare(self, name: str, value: object) -> None:
        self.names[name.lower()] = self._own(name)
        self._set(name, value)

    def _set(self, name: str, value: object) -> None:
        self.session.user_variables[self.names[name.lower()]] = value

    def _convert(self, name: str, kind: str) -> None:
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
        """Runs one statement of the body. Raises: DbError, _JumpError."""
        self._check()
        if isinstance(step, Piece):
            self._run_text(as_statement(body, step, self.names))
        elif isinstance(step, Block):
            with contextlib.suppress(_LeftError):
                self._labelled(step.label, lambda: self.steps(step.body, body))
        elif isinstance(step, Branches):
            self._branch(step, body)
        elif isinstance(step, Loop):
            self._loop(step, body)
        elif isinstance(step, Declare):
            default = None if step.default is None else self._spelled(body, step.default)
            for name in step.names:
                self._declare(name, None if default is None else self._evaluated(default))
                self._convert(name, step.type)
        elif isinstance(step, Signal):
            self._signal(step, body)
        else:
            raise _JumpError(step)

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
        message = "Unhandled user-defined exception condition"
        if step.message is not None:
            message = str(self._evaluated(self._spelled(body, step.message)))
        error = DbError(ErrorKind.RAISED, message, sqlstate=step.state)
        error.mysql = (1644, step.state)
        raise error

    def _run_text(self, text: str) -> None:
        for statement in parse(text, Wire.MYSQL):
            result = self.session.execute(statement)
            if isinstance(result, Rows):
                self.results.append(_kept(result))
            elif isinstance(result, Affected):
                self.results += result.sets
                self.affected = result.rows or 0
            elif not isinstance(result, Empty):
                raise DbError(ErrorKind.UNSUPPORTED, "procedures move no data from or to clients")


class _LeftError(Exception):
    """LEAVE has reached its label."""


def _kept(rows: Rows) -> Rows:
    """The rows in memory, so that the next statement can run."""
    batches = list(rows)
    rows.close()
    return Rows(rows.columns, iter(batches), tag=rows.tag)
