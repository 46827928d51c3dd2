"""Plans by what they depend on: the text, who asks where, and the state of the catalog."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

from engine.datatypes import DataType
from sql.dialect.parser import ParsedStatement
from sql.plan.context import PlanContext
from sql.plan.plan import QueryPlan
from sql.session import Wire

CACHE_PLANS_MAX = 2_000  # a plan is a few kB
RECENT_PLANS_MAX = 64
TEXT_CHARS_MAX = 32_768  # longer texts are mostly data, seen once

Key = tuple[object, ...]
_K = TypeVar("_K")
_V = TypeVar("_V")


class Unliftable:
    """Marks a lifted text that failed where the original would not."""


def plan_key(
    text: str, context: PlanContext, state: tuple[int, int], declared: tuple[DataType | None, ...]
) -> Key | None:
    """What a plan depends on; None if it should not be kept.

    `state`: of the catalog and of the session's temporary tables.
    What may change during a session is the state of `RecentPlans`, too.
    """
    if len(text) > TEXT_CHARS_MAX:
        return None
    client = context.client
    names = (context.database, client.database, client.user, client.address.rpartition(":")[0])
    zone = (context.timezone, context.date_order)
    return text, context.wire, *names, *zone, state, declared


class Lru(Generic[_K, _V]):
    """A bounded map that forgets what was not asked for longest. Any thread."""

    def __init__(self, limit: int) -> None:
        assert limit > 0
        self._limit = limit
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._items: OrderedDict[_K, _V] = OrderedDict()

    def get(self, key: _K) -> _V | None:
        """The value, if known."""
        with self._lock:
            value = self._items.get(key)
            if value is not None:
                self._items.move_to_end(key)
            return value

    def put(self, key: _K, value: _V) -> None:
        """Remembers a value."""
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            while len(self._items) > self._limit:
                self._items.popitem(last=False)


class RecentPlans:
    """The plans a session has used, by text: found without making all that a shared plan needs.

    `state` is what else a plan depends on that may change during a session. One thread at a time.
    """

    def __init__(self) -> None:
        self._plans: dict[Key, tuple[Key, QueryPlan]] = {}

    def get(self, text: Key, state: Key) -> QueryPlan | None:
        """The plan, if it was used in that state last."""
        known = self._plans.get(text)
        return known[1] if known is not None and known[0] == state else None

    def put(self, text: Key, state: Key, plan: QueryPlan) -> None:
        """Remembers a plan that is shared."""
        if len(self._plans) >= RECENT_PLANS_MAX:
            self._plans.clear()
        self._plans[text] = state, plan


class PlanCache:
    """Plans and parsed lifted texts; shared by all sessions."""

    def __init__(self) -> None:
        self._plans: Lru[Key, QueryPlan] = Lru(CACHE_PLANS_MAX)
        self.lifted: Lru[tuple[str, Wire], ParsedStatement | Unliftable] = Lru(CACHE_PLANS_MAX)
        # What else the text of a statement decides, by that and a name (sql/statements/parts.py).
        self.pieces: Lru[Key, object] = Lru(CACHE_PLANS_MAX)

    def get(self, key: Key | None) -> QueryPlan | None:
        """The plan, if known."""
        return self._plans.get(key) if key is not None else None

    def put(self, key: Key | None, plan: QueryPlan) -> None:
        """Remembers a plan, unless it belongs to one session."""
        if key is not None and not plan.session_bound:
            self._plans.put(key, plan)
