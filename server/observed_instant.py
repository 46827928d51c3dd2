"""What a session answers at once, counted, timed and refused like other statements.

Made by server/observe.py for each session, asked by the wires on the event loop. It waits for
nothing and never answers by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from sql.results import Affected, Found
from sql.session import InstantApi, Statement


class ObservedInstant:
    """An `InstantApi` that tells of its answers; none for users who may not read."""

    def __init__(
        self,
        inner: InstantApi,
        is_draining: Callable[[], bool],
        answered: Callable[[str, float, int], None],
        *,
        may_read: bool,
    ) -> None:
        self._inner = inner
        self._is_draining = is_draining
        self._answered = answered
        self._may_read = may_read
        self.parse = inner.parse
        self.describe = inner.describe
        self.is_settled = inner.is_settled

    def execute(self, statement: Statement, parameters: Sequence[object] = ()) -> Found | None:
        """The rows of a query that are at hand, unless the usual way would refuse it."""
        if not self._may_read or self._is_draining():
            return None
        started = perf_counter()
        answer = self._inner.execute(statement, parameters)
        if answer is not None:
            self._answered(statement.text, started, answer.rows.num_rows)
        return answer

    def control(self, text: str) -> Affected | None:
        """The end or the beginning of a transaction, unless the usual way would refuse it."""
        if not self._may_read or self._is_draining():
            return None
        started = perf_counter()
        answer = self._inner.control(text)
        if answer is not None:
            self._answered(text, started, 0)
        return answer
