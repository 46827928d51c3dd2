"""LISTEN and NOTIFY: messages between sessions, delivered when the sender commits.

`Channels` is the server's, `Mailbox` a session's side of it. Messages live in memory only, as in
PostgreSQL. https://www.postgresql.org/docs/current/sql-notify.html
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from engine.errors import DbError, ErrorKind
from sql.results import Notification

CHANNEL_BYTES_MAX = 63
PAYLOAD_BYTES_MAX = 7999
WAITING_MAX = 100_000  # messages of one session that never takes any; later ones are dropped


class Channels:
    """Who listens to what. Any thread."""

    def __init__(self) -> None:
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._listeners: dict[str, set[Mailbox]] = defaultdict(set)

    def listen(self, channel: str, mailbox: Mailbox) -> None:
        """From here on the mailbox gets what is sent."""
        with self._lock:
            self._listeners[channel].add(mailbox)

    def unlisten(self, channel: str, mailbox: Mailbox) -> None:
        """No longer."""
        with self._lock:
            self._listeners[channel].discard(mailbox)
            if not self._listeners[channel]:
                del self._listeners[channel]

    def send(self, message: Notification) -> None:
        """Gives it to everybody who listens."""
        with self._lock:
            found = list(self._listeners.get(message.channel, ()))
        for mailbox in found:
            mailbox.receive(message)


@dataclass(frozen=True, slots=True)
class _Listening:
    """What LISTEN or UNLISTEN does at COMMIT."""

    channel: str | None  # None: every one
    on: bool = False


class Mailbox:
    """A session's channels, what it has sent in its transaction, and what has come for it."""

    def __init__(self, channels: Channels, session_id: int) -> None:
        # Constant after construction.
        self._channels = channels
        self._session_id = session_id
        # Changed by the session's own calls only.
        self.listening: dict[str, None] = {}  # in the order of LISTEN
        self._pending: dict[Notification | _Listening, None] = {}  # until COMMIT, none twice
        self._savepoints: list[tuple[str, int]] = []
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._received: list[Notification] = []
        self.on_receive: Callable[[], object] | None = None  # any thread; must be quick

    def notify(self, channel: str, payload: str) -> None:
        """Sends at COMMIT. Raises: DbError INVALID_ARGUMENT."""
        if not channel or len(channel.encode()) > CHANNEL_BYTES_MAX:
            what = "channel name cannot be empty" if not channel else "channel name too long"
            raise DbError(ErrorKind.INVALID_ARGUMENT, what)
        if len(payload.encode()) > PAYLOAD_BYTES_MAX:
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                "payload string too long",
                hint=f"{PAYLOAD_BYTES_MAX} bytes fit; send a key and store the rest in a table",
            )
        self._pending[Notification(self._session_id, channel, payload)] = None

    def listen(self, channel: str) -> None:
        """Listens from COMMIT on."""
        self._change(_Listening(channel, on=True))

    def unlisten(self, channel: str | None) -> None:
        """No longer from COMMIT on; None: to no channel."""
        self._change(_Listening(channel))

    def close(self) -> None:
        """Listens to nothing; what was not committed is not sent."""
        self.rollback()
        self._follow(_Listening(None))

    def _change(self, change: _Listening) -> None:
        self._pending.pop(change, None)
        self._pending[change] = None

    def commit(self) -> None:
        """The transaction has committed."""
        pending, self._pending = self._pending, {}
        self._savepoints.clear()
        for one in pending:
            if isinstance(one, _Listening):
                self._follow(one)
        for one in pending:
            if isinstance(one, Notification):
                self._channels.send(one)

    def _follow(self, change: _Listening) -> None:
        if change.on and change.channel is not None:
            self.listening[change.channel] = None
            self._channels.listen(change.channel, self)
            return
        for channel in list(self.listening) if change.channel is None else [change.channel]:
            if channel in self.listening:
                del self.listening[channel]
                self._channels.unlisten(channel, self)

    def rollback(self) -> None:
        """The transaction is undone: nothing of it is sent."""
        self._pending.clear()
        self._savepoints.clear()

    def savepoint(self, name: str) -> None:
        """A point to go back to."""
        self._savepoints.append((name, len(self._pending)))

    def release(self, name: str) -> None:
        """Forgets a point and those after it. Requires: there is such a point."""
        while self._savepoints.pop()[0] != name:
            pass

    def rollback_to(self, name: str) -> None:
        """What came after the point is not sent. Requires: there is such a point."""
        while self._savepoints[-1][0] != name:
            self._savepoints.pop()
        for one in list(self._pending)[self._savepoints[-1][1] :]:
            del self._pending[one]

    def receive(self, message: Notification) -> None:
        """A message has come. Any thread."""
        with self._lock:
            if len(self._received) < WAITING_MAX:
                self._received.append(message)
        if self.on_receive is not None:
            self.on_receive()

    def take(self) -> list[Notification]:
        """What has come since the last call. Any thread."""
        with self._lock:
            received, self._received = self._received, []
        return received
