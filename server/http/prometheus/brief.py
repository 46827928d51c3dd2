"""Which evaluations are so brief that the event loop makes them itself.

Asked and told by the query endpoints (api.py). The hop to a worker thread and back takes longer
than one series' hour does. It evaluates nothing.
"""

from __future__ import annotations

from collections import OrderedDict

from sql.promql.model import Result
from sql.promql.tasks import Evaluate

# Others wait meanwhile. Work is counted, since on a busy machine what is brief may look long; time
# is looked at for work that is not counted.
CELLS_MAX = 10_000
SECONDS_MAX = 0.005
_REMEMBERED_MAX = 4_096

_Key = tuple[str, str, int, int, int]


class BriefTasks:
    """Remembers evaluations by text and extent, wherever in time. Used by the event loop only."""

    def __init__(self) -> None:
        self._known: OrderedDict[_Key, None] = OrderedDict()

    def holds(self, database: str, task: Evaluate) -> bool:
        """True if it was brief when it ran last."""
        return _key(database, task) in self._known

    def note(self, database: str, task: Evaluate, result: Result | None, seconds: float) -> None:
        """It took so long to find that; None: it failed."""
        key = _key(database, task)
        if result is None or seconds > SECONDS_MAX or _cells(result) > CELLS_MAX:
            self._known.pop(key, None)
            return
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > _REMEMBERED_MAX:
            self._known.popitem(last=False)


def _key(database: str, task: Evaluate) -> _Key:
    return database, task.text, task.end_ms - task.start_ms, task.step_ms, task.lookback_ms


def _cells(result: Result) -> int:
    samples = 0 if result.samples is None else len(result.samples.times)
    return result.samples_read + result.values.size + samples
