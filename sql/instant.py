"""Which requests of a session are answered from memory at once: a wire need not take a thread.

Filled by sql/statements/query.py when it has answered one, asked by the wires through the session.
It answers nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable

from sql.plan.lifting import Lifted, lift

TEXTS_MAX = 64  # that a session remembers: pings of connection pools, rows by key


def always() -> bool:
    """For answers that never change."""
    return True


class Instant:
    """Texts, by whether their answer is still in memory. One thread at a time."""

    def __init__(self) -> None:
        self._known: dict[str, Callable[[], bool]] = {}
        self._lifted: tuple[str, Lifted | None] = ("", None)  # the last text's

    def remember(self, text: str, holds: Callable[[], bool]) -> None:
        """A text (lifted: its form) that was answered from memory, as it is while `holds`."""
        if len(self._known) < TEXTS_MAX:
            self._known[text] = holds

    def lift(self, text: str) -> Lifted | None:
        """See `sql.plan.lifting.lift`; both questions about a request cost one."""
        if self._lifted[0] != text:
            self._lifted = text, lift(text)
        return self._lifted[1]

    def holds(self, text: str) -> bool:
        """True if the statement of that text has its answer in memory."""
        if not self._known:
            return False
        known = self._known.get(text)
        if known is None:
            lifted = self.lift(text)
            known = self._known.get(lifted.text) if lifted is not None else None
        return known is not None and known()
