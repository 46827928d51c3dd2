"""A block's expressions and statements of SQL: run with its variables, rows into variables.

The part of sql/blocks/run.py that meets the session's own ways of running statements.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.errors import DbError, ErrorKind
from sql.blocks.held import held
from sql.blocks.steps import Sql
from sql.blocks.values import NOT_PLAIN, Found, Names, Scope, Variable, plain_value
from sql.dialect.parser import ParsedStatement, parse
from sql.plan.routines import NO_VALUE, POLYMORPHIC
from sql.privileges import check_privileges
from sql.results import Affected, Rows
from sql.run import waiting
from sql.statements import violations

if TYPE_CHECKING:
    from sql.client_session import ClientSession

FROM = re.compile(r"\b(from|where|order|limit|union)\b", re.IGNORECASE)
_INTEGERS = ("smallint", "integer", "bigint")


@dataclass
class Statements:
    """What one run of a block knows of its variables. `outer` has FOUND and the arguments."""

    session: ClientSession
    names: Names = field(init=False)
    outer: Scope = field(default_factory=Scope, init=False)
    row_count: int = field(default=0, init=False)  # of the last statement

    def __post_init__(self) -> None:
        self.outer.variables["found"] = Variable("boolean", value=False)
        self.names = Names(self.session, [self.outer])

    def value(self, text: str, kind: str = "") -> object:
        """What an expression gives, as a type if one is named. Raises: DbError."""
        typed = kind if kind not in NO_VALUE and kind not in POLYMORPHIC else ""
        plain = plain_value(text, self.names)
        if plain is not NOT_PLAIN and (plain is None or not typed or _is_of(plain, typed)):
            return plain
        query = f"SELECT {text}"
        if typed:
            inner = f"(SELECT {text})" if FROM.search(text) else f"({text})"
            query = f"SELECT CAST({inner} AS {typed})"
        found = self.query(query)
        if found.table.num_columns != 1:
            raise DbError(ErrorKind.SYNTAX, f"query returned {found.table.num_columns} columns")
        return held(found.table.column(0)[0]) if found.table.num_rows else None

    def query(self, text: str) -> Found:
        """The rows of a query. Raises: DbError."""
        [(statement, values)] = self.names.statements(text)
        found = self._step(statement, values)
        if found is None:
            raise DbError(ErrorKind.SYNTAX, "the statement gives no rows")
        return found

    def execute(self, step: Sql) -> Found | None:
        """Runs statements of SQL; the rows of the last. Raises: DbError."""
        values: list[object] = []
        if step.is_dynamic:
            text = self.value(step.text)
            if text is None:
                message = "query string argument of EXECUTE is null"
                raise DbError(ErrorKind.RAISED, message, sqlstate="22004")
            values = [self.value(one) for one in step.using]
            made = [(one, values) for one in parse(str(text), self.session.wire) if one.tree]
        else:
            made = self.names.statements(step.text)
        found: Found | None = None
        for statement, given in made:
            found = self._step(statement, given)
        return found

    def _step(self, statement: ParsedStatement, values: Sequence[object]) -> Found | None:
        """Runs a statement as a step of the transaction. Raises: DbError."""
        session, tree = self.session, statement.tree
        assert tree is not None
        if tree.key.endswith("transaction") or tree.key == "savepoint":
            raise DbError(ErrorKind.UNSUPPORTED, "a block cannot end or divide its transaction")
        check_privileges(session, lambda: tree)
        try:
            return self._run(statement, values)
        except DbError as error:
            violations.tell(session, lambda: tree, error)
            raise

    def _run(self, statement: ParsedStatement, values: Sequence[object]) -> Found | None:
        """Calls of functions come before the step, as they are made of steps themselves."""
        from sql.execute import is_block
        from sql.routines.calls import settled

        session = self.session
        if is_block(session, statement):
            return self._handled(statement, values)
        made, given = settled(session, statement, values)
        transaction = session.transaction
        assert transaction is not None

        def again() -> Found | None:
            return self._handled(made, given)

        def step() -> Found | None:
            with transaction.step(again, session.moment_ms()):
                return again()

        return waiting.run(session, step)

    def _handled(self, statement: ParsedStatement, values: Sequence[object]) -> Found | None:
        from sql.execute import handler_of
        from sql.routines.calls import handled

        result = handled(self.session, statement, values, handler_of)
        if isinstance(result, Rows):
            try:
                found = _kept(self.session, result)
            finally:
                result.close()
            self.row_count = found.table.num_rows
            return found
        self.row_count = result.rows or 0 if isinstance(result, Affected) else 0
        return None

    def assign(self, target: str, value: object) -> None:
        """Sets a variable to a value of its type. Raises: DbError SYNTAX."""
        found = self.names.need(target)
        if found.constant:
            raise DbError(ErrorKind.SYNTAX, f'variable "{target}" is declared CONSTANT')
        found.value = value

    def into(self, step: Sql, found: Found | None) -> None:
        """INTO: the first row becomes values of variables. Raises: DbError."""
        assert found is not None
        rows = found.table.num_rows
        if step.strict and rows != 1:
            state, said = ("P0003", "more than one row") if rows else ("P0002", "no rows")
            raise DbError(ErrorKind.RAISED, f"query returned {said}", sqlstate=state)
        first = next(found.rows(), None)
        self.outer.variables["found"].value = first is not None
        self.give(step.into, found, first)

    def give(self, targets: Sequence[str], found: Found, row: tuple[object, ...] | None) -> None:
        """Values of a row to variables, or all of them to a record."""
        values = row if row is not None else (None,) * len(found.columns)
        target = self.names.need(targets[0]) if len(targets) == 1 else None
        if target is not None and target.is_record:
            made = found.record(values).fields
            if target.type != "record" and target.fields is not None:
                names = list(target.fields)  # of a table's row: by place
                pairs = zip(names, (made or {}).values(), strict=False)
                made = dict(pairs)
            target.fields = made
            return
        for place, name in enumerate(targets):
            value = values[place] if place < len(values) else None
            self._convert(name, value, found, place)

    def _convert(self, name: str, value: object, found: Found, place: int) -> None:
        """A value of a query as the variable's type."""
        target = self.names.need(name)
        if value is not None and target.type not in ("", "refcursor"):
            given = found.record([value] * len(found.columns)).fields or {}
            has = list(given.values())[place].type if place < len(given) else target.type
            if has != target.type:
                scope = Scope(variables={"__value": Variable(has, value)})
                self.names.scopes.append(scope)
                try:
                    value = held(self.query(f"SELECT CAST(__value AS {target.type})").table[0][0])
                finally:
                    self.names.scopes.pop()
        self.assign(name, value)


def _is_of(value: object, kind: str) -> bool:
    """True for a plain value that needs no conversion to the type."""
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, int):
        return kind in _INTEGERS[1:]
    return isinstance(value, str) and kind == "text"


def _kept(session: ClientSession, rows: Rows) -> Found:
    batches = []
    for batch in rows:
        session.duck.check()
        batches.append(batch)
    if batches:
        table = pa.Table.from_batches(batches)
    else:
        table = pa.table([pa.nulls(0)] * len(rows.columns), names=[c.name for c in rows.columns])
    return Found(rows.columns, table)
