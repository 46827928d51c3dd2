"""Evaluates flows in the background, and at once when asked.

One thread looks for flows that are due. An evaluation runs in a session of its own, as the role
that made the flow. What fails stays dirty and is tried again, later each time; writers never
notice.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from catalog.flows import Flow
from engine.clock import Clock
from engine.errors import DbError
from sql.flows.evaluate import Evaluation
from sql.flows.ledger import Ledger, Range
from sql.session import ClientInfo, Wire

if TYPE_CHECKING:
    from sql.client_session import ClientSession

REFRESH_SECONDS = 5.0  # between two evaluations of a flow
RETRY_SECONDS_MAX = 300.0
CLOSE_SECONDS = 30.0

_LOG = logging.getLogger(__name__)

Connect = Callable[[Wire, ClientInfo], "ClientSession"]


@dataclass
class FlowState:
    """What became of a flow since the server started."""

    start_ms: int
    last_ms: int | None = None  # the end of the last evaluation that succeeded
    error: str = ""  # of the last evaluation, empty if it succeeded
    failures: int = 0  # in a row
    next_ms: int = 0  # not before
    lock: threading.Lock = field(default_factory=threading.Lock)  # one evaluation at a time


class Flows:
    """Every method may be called from any thread."""

    def __init__(
        self,
        connect: Connect,
        flows: Callable[[], list[Flow]],
        ledger: Ledger,
        clock: Clock,
        refresh_seconds: float = REFRESH_SECONDS,
    ) -> None:
        # Constant after construction.
        self._connect = connect
        self._flows = flows  # as committed
        self._ledger = ledger
        self._clock = clock
        self._refresh_ms = int(refresh_seconds * 1000)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._states: dict[int, FlowState] = {}

    def start(self) -> None:
        """Begins to look for flows that are due."""
        self._thread = threading.Thread(target=self._watch, name="flows")
        self._thread.start()

    def state(self, flow: Flow) -> FlowState:
        """What became of a flow."""
        with self._lock:
            known = self._states.get(flow.id)
            if known is None:
                known = FlowState(self._clock.now_ms())
                self._states[flow.id] = known
            return known

    def flush(self, flow: Flow) -> int:
        """Evaluates a flow now; gives the number of rows put into its sink. Raises: DbError."""
        return self._evaluate(flow, self.state(flow))

    def _watch(self) -> None:
        while not self._stop.wait(min(self._refresh_ms / 1000, 1.0)):
            try:
                for flow in self._flows():
                    if not self._stop.is_set() and self._is_due(flow):
                        self._try(flow)
            except Exception:  # noqa: BLE001 - the thread must not end
                _LOG.exception("looking for flows that are due failed")

    def _is_due(self, flow: Flow) -> bool:
        state, now = self.state(flow), self._clock.now_ms()
        if now < state.next_ms:
            return False
        if flow.interval_ms is not None:
            last = state.last_ms if state.last_ms is not None else state.start_ms
            return now >= last + flow.interval_ms or state.failures > 0
        return self._ledger.is_dirty(flow.id)

    def _try(self, flow: Flow) -> None:
        state = self.state(flow)
        try:
            self._evaluate(flow, state)
        except DbError as error:
            _LOG.warning("flow %s failed: %s", flow.name, error.message)
        except Exception as error:  # noqa: BLE001 - told to whoever asks: nobody waits for it
            _LOG.exception("flow %s failed", flow.name)
            state.error = f"internal error: {error!r}"

    def _evaluate(self, flow: Flow, state: FlowState) -> int:
        with state.lock:
            ranges = _unexpired(flow, self._ledger.take(flow.id), self._clock.now_ms())
            failed = True
            try:
                count = 0
                if ranges or not flow.windowed:
                    count = self._run(flow, ranges)
                failed = False
            except DbError as error:
                state.error = error.message
                raise
            finally:
                self._ledger.give_back(flow.id, failed=failed)
                self._note(state, failed=failed)
            return count

    def _note(self, state: FlowState, *, failed: bool) -> None:
        now = self._clock.now_ms()
        if failed:
            state.failures += 1
            wait = min(self._refresh_ms << min(state.failures, 10), int(RETRY_SECONDS_MAX * 1000))
            state.next_ms = now + wait
        else:
            state.failures, state.error, state.last_ms = 0, "", now
            state.next_ms = now + self._refresh_ms

    def _run(self, flow: Flow, ranges: list[Range]) -> int:
        client = ClientInfo(flow.role, flow.database, "flow", f"flow {flow.name}")
        session = self._connect(Wire(flow.dialect), client)
        try:
            session.set("timezone", flow.timezone)
            return session.run(Evaluation(flow, ranges))
        finally:
            session.close()

    def close(self) -> None:
        """Ends the thread. Requires: sessions were cancelled, so that it soon can."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)


def _unexpired(flow: Flow, ranges: list[Range], now_ms: int) -> list[Range]:
    """Without the times that EXPIRE AFTER gives up."""
    if flow.expire_ms is None:
        return ranges
    first = (now_ms - flow.expire_ms) * 10**6
    return [(max(low, first), high) for low, high in ranges if high >= first]
