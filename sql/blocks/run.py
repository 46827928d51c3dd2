"""PL/pgSQL: runs a block, each statement of it as a step of the transaction.

Called by sql/statements/utility.py for DO and by sql/routines/ for functions and procedures.
Everything a block does is undone if it fails. Expressions are queries whose plans are kept.
https://www.postgresql.org/docs/15/plpgsql-statements.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from catalog.objects import Routine
from engine.errors import DbError, ErrorKind
from sql.blocks import raising
from sql.blocks.conditions import sqlstate_of
from sql.blocks.parse import parse_block
from sql.blocks.statements import FROM, Statements
from sql.blocks.steps import (
    Assertion,
    Assign,
    Block,
    Declaration,
    Diagnostics,
    Exit,
    ForRange,
    ForRows,
    If,
    Loop,
    Raise,
    Return,
    ReturnQuery,
    Sql,
    Step,
    UseCursor,
)
from sql.blocks.types import declared
from sql.blocks.values import Found, Scope, Variable
from sql.plan.routines import NO_VALUE, POLYMORPHIC
from sql.results import Affected, Result

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_LANGUAGE = re.compile(r"\bLANGUAGE\s+(?:'(\w+)'|\"?(\w+)\"?)", re.IGNORECASE)
_BODY = re.compile(r"\$(\w*)\$(.*)\$\1\$|'((?:[^']|'')*)'", re.DOTALL)
_MARK = "__block_"  # of the savepoints that handlers go back to
_ITEMS_MAX = 10_000_000  # of an array that grows by its items: they are Python's objects
_NOT_OTHERS = ("57014", "P0004")  # query_canceled, assert_failure
_DIAGNOSTIC: dict[str, Callable[[DbError], str]] = {
    "RETURNED_SQLSTATE": lambda error: error.codes.sqlstate,
    "MESSAGE_TEXT": lambda error: error.message,
    "PG_EXCEPTION_DETAIL": lambda error: error.detail or "",
    "PG_EXCEPTION_HINT": lambda error: error.hint or "",
    "PG_EXCEPTION_CONTEXT": lambda error: error.about.get("context", ""),
    "COLUMN_NAME": lambda error: error.about.get("column", ""),
    "CONSTRAINT_NAME": lambda error: error.about.get("constraint", ""),
    "PG_DATATYPE_NAME": lambda error: error.about.get("datatype", ""),
    "TABLE_NAME": lambda error: error.about.get("table", ""),
    "SCHEMA_NAME": lambda error: error.about.get("schema", ""),
}


def run_do(session: ClientSession, text: str) -> Result:
    """`text` is what follows DO. Raises: DbError, also any that the block raises itself."""
    body = _BODY.search(text)
    if body is None:
        raise DbError(ErrorKind.SYNTAX, "no inline code specified")
    outside = text[: body.start()] + text[body.end() :]
    language = _LANGUAGE.search(outside)
    name = (language[1] or language[2]).lower() if language is not None else "plpgsql"
    if name != "plpgsql":
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'language "{name}" does not exist')
    source = body[2] if body[2] is not None else body[3].replace("''", "'")
    block = parse_block(source)
    in_transaction(session, lambda: Run(session).start(block))
    return Affected("DO")


def in_transaction(session: ClientSession, act: Callable[[], object]) -> None:
    """Does something whose statements are steps of the transaction; in one of its own if none.

    Its own is as one that a client began, and has ended when this returns; between statements that
    are sent as one it goes on.
    """
    if session.transaction is not None:
        act()
        return
    own = session.begin(explicit=True)
    try:
        act()
    except BaseException:
        _end(session, commit=False)
        raise
    if session.in_block:
        own.explicit = False
    else:
        _end(session, commit=True)


def _end(session: ClientSession, *, commit: bool) -> None:
    session.end_cursors(commit=commit)
    session.end_transaction(commit=commit)


class _ExitError(Exception):
    """EXIT or CONTINUE on its way to its loop."""

    def __init__(self, step: Exit) -> None:
        super().__init__(step.label)
        self.step = step


class _ReturnError(Exception):
    """RETURN has ended the body."""


@dataclass
class Run(Statements):
    """One run of a block: a DO, or a call of `routine`."""

    routine: Routine | None = None
    rows: list[tuple[object, ...]] = field(default_factory=list)  # of RETURN NEXT
    tables: list[pa.Table] = field(default_factory=list)  # of RETURN QUERY, and rows before it
    returned: object = None
    record: tuple[object, ...] | None = None  # what RETURN gave of a row
    handled: list[DbError] = field(default_factory=list)
    cursors: dict[str, tuple[Found, list[tuple[object, ...]]]] = field(default_factory=dict)
    queries: dict[str, str] = field(default_factory=dict)  # of declared cursors

    def start(self, block: Block) -> None:
        """Runs the body to its end or RETURN. Raises: DbError."""
        try:
            self.block(block)
        except _ReturnError:
            return
        except _ExitError as jump:
            message = f'there is no loop "{jump.step.label}" to leave'
            raise DbError(ErrorKind.SYNTAX, message) from None

    # --- Steps ------------------------------------------------------------------------------------

    def steps(self, steps: Iterable[Step]) -> None:
        """One after the other. Raises: DbError, _ReturnError, _ExitError."""
        for step in steps:
            self.session.duck.check()
            _ACTS[type(step)](self, step)

    def block(self, block: Block) -> None:
        """A block with handlers goes back to its begin before one of them runs."""
        scope = Scope(block.label)
        self.names.scopes.append(scope)
        depth = len(self.names.scopes)
        try:
            for one in block.declarations:
                self._declare(scope, one)
            if block.handlers:
                self._guarded(block)
            else:
                self.steps(block.steps)
        except _ExitError as jump:
            if not block.label or jump.step.label != block.label or jump.step.again:
                raise
        finally:
            del self.names.scopes[depth - 1 :]

    def _declare(self, scope: Scope, one: Declaration) -> None:
        if one.alias:
            scope.aliases[one.name] = one.alias
            return
        if one.cursor:
            self.queries[one.name] = one.cursor
            scope.variables[one.name] = Variable("refcursor", one.name)
            return
        made = declared(self.session, self.names, one.type)
        if one.default:
            made.value = self.value(one.default, made.type)
        made.constant = one.constant
        scope.variables[one.name] = made

    def _guarded(self, block: Block) -> None:
        handlers = [([_meant(name) for name in names], steps) for names, steps in block.handlers]
        transaction, mark = self.session.transaction, f"{_MARK}{id(block)}_{len(self.names.scopes)}"
        assert transaction is not None
        transaction.savepoint(mark)
        self.session.mailbox.savepoint(mark)
        depth = len(self.names.scopes)
        try:
            self.steps(block.steps)
        except (_ReturnError, _ExitError):
            self._release(mark)
            raise
        except DbError as error:
            state = error.codes.sqlstate
            found = next((steps for meant, steps in handlers if any(m(state) for m in meant)), None)
            if found is None:
                raise
            self.session.duck.settle()
            transaction.rollback_to(mark)
            self.session.mailbox.rollback_to(mark)
            del self.names.scopes[depth:]
            self._handle(error, found, mark)
        self._release(mark)

    def _release(self, mark: str) -> None:
        assert self.session.transaction is not None
        self.session.transaction.release(mark)
        self.session.mailbox.release(mark)

    def _handle(self, error: DbError, steps: Sequence[Step], mark: str) -> None:
        variables = {
            "sqlerrm": Variable("text", error.message),
            "sqlstate": Variable("text", error.codes.sqlstate),
        }
        self.names.scopes.append(Scope(variables=variables))
        self.handled.append(error)
        try:
            self.steps(steps)
        except (_ReturnError, _ExitError):
            self._release(mark)
            raise
        finally:
            self.handled.pop()

    def _raise(self, step: Raise) -> None:
        if step.again:
            if not self.handled:
                message = "RAISE without parameters cannot be used outside an exception handler"
                raise DbError(ErrorKind.RAISED, message, sqlstate="0Z002")
            raise self.handled[-1]
        raising.tell(self.session, step, self.value)

    def _sql(self, step: Sql) -> None:
        found = self.execute(step)
        if step.into:
            self.into(step, found)
        elif not step.is_dynamic:
            self.outer.variables["found"].value = self.row_count > 0

    def _assign(self, step: Assign) -> None:
        name, bracket, rest = step.target.partition("[")
        target = self.names.need(name)
        if bracket:
            self._set_item(name, target, rest.rpartition("]")[0], step.value)
        elif target.is_record:
            found = self._row_of(step.value)
            self.give((name,), found, next(found.rows(), None))
        else:
            self.assign(name, self.value(step.value, target.type))

    def _row_of(self, text: str) -> Found:
        """A row as an expression gives it: of a record, or of a query."""
        record = self.names.find(text.strip().lower())
        if record is not None and record.is_record:
            names = ", ".join(f'{text}."{name}"' for name in record.fields or {})
            return self.query(f"SELECT {names}")
        return self.query(f"SELECT ({text}).*" if not FROM.search(text) else f"SELECT {text}")

    def _set_item(self, name: str, target: Variable, place: str, text: str) -> None:
        items = list(target.value) if isinstance(target.value, list) else []
        found = self.value(place, "integer")
        if found is None:
            message = "array subscript in assignment must not be null"
            raise DbError(ErrorKind.RAISED, message, sqlstate="22004")
        at = int(str(found))
        if at > _ITEMS_MAX:
            message = f"array size exceeds the maximum allowed ({_ITEMS_MAX})"
            raise DbError(ErrorKind.LIMIT_EXCEEDED, message)
        items += [None] * (at - len(items))
        if at > 0:
            items[at - 1] = self.value(text, target.type.removesuffix("[]"))
        self.assign(name, items)

    def _branch(self, step: If) -> None:
        for condition, steps in step.branches:
            if self.value(condition, "boolean") is True:
                self.steps(steps)
                return
        if step.is_case:
            raise DbError(ErrorKind.RAISED, "case not found", sqlstate="20000")

    def _turn(self, step: Loop | ForRange | ForRows) -> bool:
        """Runs a loop's body once; False if the loop is left."""
        depth = len(self.names.scopes)
        try:
            self.steps(step.steps)
        except _ExitError as jump:
            if jump.step.label not in ("", step.label):
                raise
            return jump.step.again
        finally:
            del self.names.scopes[depth:]
        return True

    def _loop(self, step: Loop) -> None:
        while not step.condition or self.value(step.condition, "boolean") is True:
            self.session.duck.check()
            if not self._turn(step):
                return

    def _range(self, step: ForRange) -> None:
        ends = [self.value(one, "integer") for one in (step.low, step.high, step.by)]
        if None in ends:
            message = "a bound or the step of a FOR loop is null"
            raise DbError(ErrorKind.RAISED, message, sqlstate="22004")
        low, high, by = (int(str(one)) for one in ends)
        if by <= 0:
            raise DbError(ErrorKind.RAISED, "BY of a FOR loop is not positive", sqlstate="22023")
        places = range(low, high - 1, -by) if step.reverse else range(low, high + 1, by)
        counter = Variable("integer", low)
        self.names.scopes.append(Scope(step.label, {step.name: counter}))
        depth = len(self.names.scopes)
        try:
            for place in places:
                self.session.duck.check()  # the body may be empty
                counter.value = place
                if not self._turn(step):
                    break
        finally:
            del self.names.scopes[depth - 1 :]
        self.outer.variables["found"].value = bool(places)

    def _rows(self, step: ForRows) -> None:
        text = step.query.text.strip().lower()
        if text in self.queries:
            found: Found | None = self.query(self.queries[text])
        else:
            found = self.execute(step.query)
        if found is None:
            raise DbError(ErrorKind.SYNTAX, "a FOR loop is over the rows of a query")
        scope = Scope(step.label)
        for target in step.targets:  # a record of its own, if it was not declared
            if self.names.find(*target.lower().split(".")) is None:
                scope.variables[target.lower()] = Variable("record")
        self.names.scopes.append(scope)
        depth = len(self.names.scopes)
        some = False
        try:
            for row in found.rows():
                some = True
                self.give(step.targets, found, row)
                if not self._turn(step):
                    break
        finally:
            del self.names.scopes[depth - 1 :]
        self.outer.variables["found"].value = some

    def _exit(self, step: Exit) -> None:
        if not step.condition or self.value(step.condition, "boolean") is True:
            raise _ExitError(step)

    def _return(self, step: Return) -> None:
        routine = self.routine
        row = self._returned_row(step, routine)
        if step.more:
            self.rows.append(row)
            return
        self.returned, self.record = (row[0] if row else None), row
        raise _ReturnError

    def _returned_row(self, step: Return, routine: Routine | None) -> tuple[object, ...]:
        if routine is None or not step.value:
            return self.output_values()
        record = self.names.find(*step.value.strip().lower().split("."))
        if record is not None and record.is_record:
            return tuple(one.value for one in (record.fields or {}).values())
        if len(routine.outputs) > 1 or routine.returns == "record":
            return next(self._row_of(step.value).rows(), ())
        return (self.value(step.value, routine.returns if _is_type(routine) else ""),)

    def output_values(self) -> tuple[object, ...]:
        """What the arguments are that are given back."""
        outputs = self.routine.outputs if self.routine is not None else ()
        return tuple(self.names.need(one.name).value for one in outputs)

    def _return_query(self, step: ReturnQuery) -> None:
        found = self.execute(step.query)
        if found is None:
            raise DbError(ErrorKind.SYNTAX, "RETURN QUERY is of a query")
        self.flush()
        columns = [f"c{place}" for place in range(found.table.num_columns)]
        self.tables.append(found.table.rename_columns(columns))
        self.outer.variables["found"].value = found.table.num_rows > 0

    def flush(self) -> None:
        """Rows of RETURN NEXT become a table, in their place."""
        if self.rows:
            columns = [pa.array(column) for column in zip(*self.rows, strict=True)]
            names = [f"c{place}" for place in range(len(columns))]
            self.tables.append(pa.table(columns, names=names))
            self.rows = []

    def _diagnose(self, step: Diagnostics) -> None:
        for target, item in step.items:
            if item == "ROW_COUNT":
                self.assign(target, self.row_count)
            elif item in _DIAGNOSTIC:
                error = self.handled[-1] if self.handled else None
                self.assign(target, "" if error is None else _DIAGNOSTIC[item](error))
            else:
                raise DbError(ErrorKind.SYNTAX, f"unrecognized GET DIAGNOSTICS item {item}")

    def _assert(self, step: Assertion) -> None:
        if self.value(step.condition, "boolean") is not True:
            said = self.value(step.message, "text") if step.message else None
            message = "assertion failed" if said is None else str(said)
            raise DbError(ErrorKind.RAISED, message, sqlstate="P0004")

    def _use_cursor(self, step: UseCursor) -> None:
        if step.verb == "OPEN":
            query = step.query or Sql(self.queries.get(step.name, ""))
            if not query.text:
                raise DbError(ErrorKind.UNDEFINED_CURSOR, f'cursor "{step.name}" has no query')
            found = self.execute(query)
            assert found is not None
            self.cursors[step.name] = found, list(found.rows())[::-1]
            return
        if step.name not in self.cursors:
            raise DbError(ErrorKind.UNDEFINED_CURSOR, f'cursor "{step.name}" does not exist')
        if step.verb == "CLOSE":
            del self.cursors[step.name]
            return
        found, rest = self.cursors[step.name]
        row = rest.pop() if rest else None
        self.outer.variables["found"].value = row is not None
        if step.targets:
            self.give(step.targets, found, row)


def _is_type(routine: Routine) -> bool:
    return routine.returns not in NO_VALUE and routine.returns not in POLYMORPHIC


def _meant(condition: str) -> Callable[[str], bool]:
    """Whether an error's SQLSTATE is what a handler's condition means.

    Raises: DbError UNDEFINED_OBJECT.
    """
    if condition == "others":
        return lambda state: state not in _NOT_OTHERS
    wanted = sqlstate_of(condition)
    if wanted.endswith("000"):  # all of the class
        return lambda state: state[:2] == wanted[:2]
    return lambda state: state == wanted


_ACTS: dict[type, Callable[[Run, Any], None]] = {
    Raise: Run._raise,
    Sql: Run._sql,
    Assign: Run._assign,
    If: Run._branch,
    Loop: Run._loop,
    ForRange: Run._range,
    ForRows: Run._rows,
    Exit: Run._exit,
    Return: Run._return,
    ReturnQuery: Run._return_query,
    Diagnostics: Run._diagnose,
    Assertion: Run._assert,
    UseCursor: Run._use_cursor,
    Block: Run.block,
}
