"""Work that goes on after its statement has answered, and what became of it.

Started by ALTER TABLE … WITH (WAIT = false); asked about by ADMIN procedure_state and
information_schema.procedure_info. A restart forgets procedures: what had not ended did not happen.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.clock import Clock
from engine.errors import DbError, ErrorKind

KEPT_MAX = 1_000  # ended procedures that are remembered
CLOSE_SECONDS = 30.0

_LOG = logging.getLogger(__name__)

Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Procedure:
    """One procedure. `status` is Running, Done or Failed."""

    id: str
    kind: str
    subject: str  # the table it holds
    start_ms: int
    end_ms: int | None = None
    status: str = "Running"
    error: str = ""

    def json(self) -> str:
        """What ADMIN procedure_state answers."""
        found = {"status": self.status}
        if self.error:
            found["error"] = self.error
        return json.dumps(found)


class Procedures:
    """All procedures since the start. Every method may be called from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stop = threading.Event()
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._known: dict[str, Procedure] = {}
        self._threads: list[threading.Thread] = []

    def start(self, kind: str, subject: str, work: Callable[[Check], None]) -> str:
        """Runs `work` in a thread of its own; gives the procedure's id.

        What `work` is given is to be called between its steps: it raises when the server closes.
        """
        id_ = str(uuid.uuid4())
        procedure = Procedure(id_, kind, subject, self._clock.now_ms())
        thread = threading.Thread(target=self._run, args=(procedure, work), name=f"procedure {id_}")
        with self._lock:
            if self._stop.is_set():
                raise _closing()
            self._known[id_] = procedure
            ended = [p.id for p in self._known.values() if p.end_ms is not None]
            for old in ended[: max(len(ended) - KEPT_MAX, 0)]:
                del self._known[old]
            self._threads = [t for t in self._threads if t.is_alive()] + [thread]
            thread.start()
        return id_

    def _run(self, procedure: Procedure, work: Callable[[Check], None]) -> None:
        status, error = "Done", ""
        try:
            work(self._check)
        except DbError as failure:
            status, error = "Failed", failure.message
        except Exception as failure:  # noqa: BLE001 - told to whoever asks: nobody waits for it
            _LOG.exception("procedure %s failed", procedure.id)
            status, error = "Failed", f"internal error: {failure!r}"
        ended = replace(procedure, end_ms=self._clock.now_ms(), status=status, error=error)
        with self._lock:
            self._known[procedure.id] = ended

    def _check(self) -> None:
        if self._stop.is_set():
            raise _closing()

    def find(self, id_: str) -> Procedure | None:
        """The procedure of that id."""
        with self._lock:
            return self._known.get(id_)

    def wait(self, id_: str) -> None:
        """Returns when a procedure has ended."""
        with self._lock:
            threads = [t for t in self._threads if t.name == f"procedure {id_}"]
        for thread in threads:
            thread.join()

    def all(self) -> list[Procedure]:
        """Every procedure that is remembered, oldest first."""
        with self._lock:
            return list(self._known.values())

    def close(self) -> None:
        """Stops what runs and waits for it. Nothing starts any more."""
        with self._lock:
            self._stop.set()
            threads = list(self._threads)
        for thread in threads:
            thread.join(CLOSE_SECONDS)


def _closing() -> DbError:
    return DbError(ErrorKind.SHUTTING_DOWN, "the database system is shutting down")
