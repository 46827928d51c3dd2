"""What a session answers at once: on the event loop, from memory, in microseconds.

Made by the session, asked by the wires, filled by sql/statements/query.py with plans that were run
in the usual way. A statement is answered here as long as nothing that its plan or its permission
depends on has changed since; all else is left to a worker thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from engine.datatypes import DataType
from engine.errors import DbError
from engine.jit import is_warm
from sql.dialect.parser import ParsedStatement
from sql.plan.lifting import Lifted, lift
from sql.plan.plan import QueryPlan
from sql.results import Affected, Description, Found
from sql.run.at_hand import at_hand
from sql.session import Statement, Wire
from sql.statements.query import LiftedQuery, bind, state_of

if TYPE_CHECKING:
    from sql.client_session import ClientSession

BYTES_MAX = 1 << 18  # more bytes of rows are worth the hop to a thread
PLANS_MAX = 256  # texts that a session remembers
WAYS_MAX = 8  # a text may have been declared
_CONTROL = {word + end: word for word in ("BEGIN", "COMMIT", "ROLLBACK") for end in ("", ";")}
_CONTROL_LENGTH_MAX = 9
_SILENCE = "idle_in_transaction_session_timeout"


class _Known(NamedTuple):
    """A plan that was run, for what it was declared to take, in that state."""

    declared: tuple[DataType | None, ...]
    state: tuple[object, ...]
    plan: QueryPlan


class Instant:
    """Implements `sql.session.InstantApi`. One thread at a time."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        # By text, lifted ones by their form. Drivers prepare one text more than once: psycopg
        # declares numbers by their size.
        self._known: dict[str, list[_Known]] = {}
        self._lifted: tuple[str, Lifted | None] = ("", None)  # the last text's

    def remember(self, statement: ParsedStatement, plan: QueryPlan) -> None:
        """A statement (a lifted one: its form) that the session has just run."""
        if len(self._known) >= PLANS_MAX:
            del self._known[next(iter(self._known))]
        others = [
            known
            for known in self._known.get(statement.text, ())
            if known.declared != statement.declared
        ]
        known = _Known(statement.declared, state_of(self._session), plan)
        self._known[statement.text] = [known, *others[: WAYS_MAX - 1]]

    def lift(self, text: str) -> Lifted | None:
        """See `sql.plan.lifting.lift`; several questions about a request cost one."""
        if self._lifted[0] != text:
            self._lifted = text, lift(text, numbered=self._session.wire is not Wire.MYSQL)
        return self._lifted[1]

    def parse(
        self, text: str, parameter_types: Sequence[DataType | None] = ()
    ) -> list[Statement] | None:
        """See `InstantApi.parse`."""
        session = self._session
        if "\\" in text:
            return None  # it may not mean what it says
        if text not in session.texts:
            lifted = self.lift(text) if self._known else None
            if lifted is None or lifted.text not in self._known:
                return None
        return session.parse(text, parameter_types)

    def describe(self, statement: Statement) -> Description | None:
        """See `InstantApi.describe`."""
        plan = self._plan(statement)
        if plan is None or not self._is_open():
            return None
        columns = plan.learned.columns
        types = () if isinstance(statement, LiftedQuery) else plan.parameter_types
        return None if columns is None else Description(types, columns, tag="SELECT")

    def execute(self, statement: Statement, parameters: Sequence[object] = ()) -> Found | None:
        """See `InstantApi.execute`."""
        plan = self._plan(statement)
        if plan is None or not self._is_open() or not is_warm():
            return None
        if isinstance(statement, LiftedQuery):
            parameters = statement.values
        answer = self._answer(plan, parameters)
        if answer is not None:
            self._session.answered(statement.text, answer.rows.num_rows)
        return answer

    def control(self, text: str) -> Affected | None:
        """See `InstantApi.control`."""
        word = _CONTROL.get(text.upper()) if len(text) <= _CONTROL_LENGTH_MAX else None
        session = self._session
        if word is None or session.wire is not Wire.POSTGRES:
            return None
        if session.in_block or session.cursors or not session.duck.is_free:
            return None
        if word == "BEGIN":
            if session.transaction is not None or session.settings.get(_SILENCE) != "0":
                return None  # the usual way ends a transaction whose client stays silent
            session.answered(text, 0)
            session.begin(explicit=True)
        elif self._is_untouched():
            session.answered(text, 0)
            self._leave(commit=word == "COMMIT")
        else:
            return None
        return Affected(word)

    def _is_untouched(self) -> bool:
        """True if a transaction is open whose end concerns nobody else."""
        open_, session = self._session.transaction, self._session
        if open_ is None or not open_.explicit or not self._is_open() or session.temporary:
            return False
        return session.catalog.state(session.duck.cursor) >= 0  # no name is locked

    def _leave(self, *, commit: bool) -> None:
        session, open_ = self._session, self._session.transaction
        assert open_ is not None
        session.transaction = None
        session.temporary.commit()
        open_.ended(committed=commit)
        session.transaction_ended(commit=commit)

    def is_settled(self) -> bool:
        """See `InstantApi.is_settled`."""
        open_ = self._session.transaction
        return not self._session.in_block and (open_ is None or open_.explicit)

    def _is_open(self) -> bool:
        """True if statements see what is committed, and nothing else."""
        open_ = self._session.transaction
        if not self._session.duck.is_free:
            return False  # what is left of the open result may fail, and the transaction with it
        return open_ is None or not (open_.failed or open_.staged or not open_.sees_committed)

    def _plan(self, statement: Statement) -> QueryPlan | None:
        """The plan of a statement that was run, if it still holds."""
        if not isinstance(statement, ParsedStatement) or self._session.settings.shown.limited:
            return None
        text = statement.form if isinstance(statement, LiftedQuery) else statement.text
        for known in self._known.get(text, ()):
            if known.declared == statement.declared:
                return known.plan if known.state == state_of(self._session) else None
        return None

    def _answer(self, plan: QueryPlan, parameters: Sequence[object]) -> Found | None:
        if plan.learned.constant is not None:
            columns, batches = plan.learned.constant
            return Found(columns, batches[0]) if len(batches) == 1 else None
        try:
            values = bind(parameters, plan.parameter_types, self._session.timezone)
        except DbError:
            return None  # told in the usual way
        rows = at_hand(plan, values, self._session.runner)
        if rows is None or plan.learned.shape is None or _is_large(rows):
            return None
        return Found(plan.learned.shape.columns, rows)


def _is_large(rows: pa.RecordBatch) -> bool:
    """True if rows take more than BYTES_MAX. What they are parts of is looked at first: sooner."""
    return rows.get_total_buffer_size() > BYTES_MAX and bool(rows.nbytes > BYTES_MAX)
