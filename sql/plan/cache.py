"""Plans by what they depend on: the text, who asks where, and the state of the catalog."""

from __future__ import annotations

import threading
from collections import OrderedDict

from engine.datatypes import DataType
from sql.plan.context import PlanContext
from sql.plan.plan import QueryPlan

CACHE_PLANS_MAX = 2_000  # a plan is a few kB
TEXT_CHARS_MAX = 32_768  # longer texts are mostly data, seen once

Key = tuple[object, ...]


def plan_key(
    text: str, context: PlanContext, version: int, declared: tuple[DataType | None, ...]
) -> Key | None:
    """What a plan depends on; None if it should not be kept."""
    if len(text) > TEXT_CHARS_MAX:
        return None
    client = context.client
    names = (context.database, client.database, client.user, client.address.rpartition(":")[0])
    return text, context.wire, *names, context.timezone, version, declared


class PlanCache:
    """Least recently used plans; shared by all sessions."""

    def __init__(self) -> None:
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._plans: OrderedDict[Key, QueryPlan] = OrderedDict()

    def get(self, key: Key | None) -> QueryPlan | None:
        """The plan, if known."""
        if key is None:
            return None
        with self._lock:
            plan = self._plans.get(key)
            if plan is not None:
                self._plans.move_to_end(key)
            return plan

    def put(self, key: Key | None, plan: QueryPlan) -> None:
        """Remembers a plan, unless it belongs to one session."""
        if key is None or plan.session_bound:
            return
        with self._lock:
            self._plans[key] = plan
            while len(self._plans) > CACHE_PLANS_MAX:
                self._plans.popitem(last=False)
