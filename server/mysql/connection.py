"""The MySQL listener, and the loop of one connection: read, step, work, write.

app.py makes a `MysqlListener`. Everything that blocks runs on `Workers`; bytes are understood by
protocol.py and handshake.py, answers are made by answers.py. This module only moves them.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import ParamSpec, TypeVar

from engine.errors import DbError, ErrorKind
from server.auth.api import Users
from server.auth.caching_sha2 import Secrets
from server.auth.steps import Say, StartTls, Step
from server.mysql import answers, replies
from server.mysql import protocol as commands
from server.mysql.answers import Piece, Speaker
from server.mysql.channel import Channel
from server.mysql.charsets import command_in_utf8, login_charset
from server.mysql.compression import Compression
from server.mysql.constants import CHARSET_DEFAULT, Capability, Status, is_utf8_charset
from server.mysql.handshake import SSL_REQUEST_BYTES, Login, Terms, change_user, login, new_salt
from server.mysql.prepared import STATEMENTS_MAX, Statements
from server.mysql.protocol import PACKET_BYTES_MAX, Command, ServerProtocol, parse_command
from server.mysql.replies import Outcome
from server.work import CANCEL_AGAIN_SECONDS, Workers
from sql.charsets import UTF8MB4
from sql.results import CopySink
from sql.session import ClientInfo, DatabaseApi, SessionApi, Wire

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
_PACKED_HERE_BYTES = 16 << 10  # answers up to this are compressed on the event loop
_FEED_BYTES = 1 << 20  # of a file, fed at once
FIRST_READ_BYTES = 4 + SSL_REQUEST_BYTES  # a header and a request for TLS, not a byte beyond


@dataclass(frozen=True, slots=True)
class MysqlOptions:
    """What an operator may choose about MySQL connections."""

    packet_bytes_max: int = PACKET_BYTES_MAX
    statements_max: int = STATEMENTS_MAX
    login_seconds: float = 10.0  # mysqld's connect_timeout
    idle_seconds: float = 28_800.0  # mysqld's wait_timeout
    default_database: str = "public"
    tls: ssl.SSLContext | None = None
    tls_required: bool = False  # mysqld's require_secure_transport


class MysqlListener:
    """Accepts MySQL connections until closed."""

    def __init__(
        self,
        database: DatabaseApi,
        workers: Workers,
        users: Users,
        options: MysqlOptions | None = None,
    ) -> None:
        # Constant after construction.
        self.database = database
        self.workers = workers
        self.users = users
        self.options = options or MysqlOptions()
        self.secrets = Secrets()
        self.started = monotonic()
        # Touched by the event loop only.
        self.connections: dict[int, Connection] = {}
        self.questions = 0  # commands since the start
        self._live: dict[asyncio.Task[None], Connection] = {}
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Listens from now on; port 0 lets the system choose one. Raises: OSError."""
        await self.workers.run(self.secrets.prepare)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._new_channel, host, port)

    @property
    def port(self) -> int:
        """Where it listens. Requires: started."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stops listening, ends every statement and connection, waits until all are gone."""
        if self._server is not None:
            self._server.close()
        for connection in self._live.values():
            connection.kill()
        if self._live:
            await asyncio.wait(self._live)
        if self._server is not None:
            await self._server.wait_closed()

    def statistics(self) -> str:
        """What COM_STATISTICS answers, in mysqld's layout as far as it applies."""
        uptime = max(1, int(monotonic() - self.started))
        return (
            f"Uptime: {uptime}  Threads: {len(self.connections)}  Questions: {self.questions}  "
            f"Queries per second avg: {self.questions / uptime:.3f}"
        )

    def kill(self, connection_id: int, user: str) -> None:
        """Ends a MySQL connection, or what a session of another wire runs, for `user`.

        Raises: DbError UNDEFINED_SESSION; ACCESS_DENIED when it is somebody else's.
        """
        connection = self.connections.get(connection_id)
        if connection is not None:
            self._check_owner(connection.user, user)
            connection.kill()
            return
        for session in self.database.sessions():
            if session.id == connection_id:
                self._check_owner(session.client.user, user)
                session.cancel()
                return
        raise DbError(ErrorKind.UNDEFINED_SESSION, f"unknown connection id {connection_id}")

    def _check_owner(self, owner: str, user: str) -> None:
        if self.users.required and owner != user:
            raise DbError(ErrorKind.ACCESS_DENIED, "that connection belongs to another user")

    def _new_channel(self) -> Channel:
        connection = Connection(self)
        limit = None if self.options.tls is None else FIRST_READ_BYTES

        def made(channel: Channel) -> None:
            connection.take(channel)
            task = asyncio.get_running_loop().create_task(connection.serve())
            self._live[task] = connection
            task.add_done_callback(self._live.pop)

        return Channel(made, connection.lost, limit)


class Connection:
    """One client, from greeting to goodbye.

    I1. Blocking calls on the session are made one at a time, by this connection's task.
    I2. Once a session is open it is closed, whatever ends the connection.
    """

    def __init__(self, listener: MysqlListener) -> None:
        self.id = 0
        self.user = ""
        self._listener = listener
        self._workers = listener.workers
        self._options = listener.options
        self._protocol = ServerProtocol(listener.options.packet_bytes_max)
        self._secure = False
        self._working = False  # a blocking call is on its way
        self._compression: Compression | None = None
        # Set by `take` and by the login.
        self._channel: Channel
        self._terms: Terms
        self._speaker: Speaker | None = None

    def take(self, channel: Channel) -> None:
        """Gives the connection its socket. Requires: before anything else is called."""
        self._channel = channel

    async def serve(self) -> None:
        """The whole conversation."""
        try:
            await self._converse()
        except (ConnectionError, TimeoutError, ssl.SSLError) as error:
            # The client left or fell silent: there is nobody to tell.
            logger.debug("mysql connection lost", extra={"reason": str(error), "session": self.id})
        except DbError as error:
            self._refuse(error)
        except Exception:
            logger.exception("mysql connection failed", extra={"session": self.id})
            self._refuse(_internal())
        finally:
            self._channel.close()
            self._listener.connections.pop(self.id, None)
            await self._end_session()

    def lost(self) -> None:
        """The socket is gone: whatever runs for this client is in vain.

        Asked again until it has ended: a statement may just be about to begin.
        """
        if self._working and self._speaker is not None:
            self._speaker.session.cancel()
            asyncio.get_running_loop().call_later(CANCEL_AGAIN_SECONDS, self.lost)

    def kill(self) -> None:
        """Ends this connection and what it runs."""
        self._channel.abort()  # `lost` then cancels

    # Login.

    async def _converse(self) -> None:
        database = self._listener.database
        # Taken here, not on a worker: a greeting must not wait behind other clients' statements.
        self.id = database.reserve_id()
        self._listener.connections[self.id] = self
        self._terms = Terms(
            self.id,
            new_salt(),
            self._listener.users,
            self._listener.secrets,
            self._channel.address,
            tls=self._options.tls is not None,
            tls_required=self._options.tls_required,
        )
        async with asyncio.timeout(self._options.login_seconds):
            accepted = await self._drive(login(self._terms))
        self._protocol.logged_in(accepted.capabilities)
        await self._open_session(accepted)
        while await self._one_command():
            pass

    async def _drive(self, exchange: Generator[Step, bytes, Login]) -> Login:
        """Carries out the steps of a login."""
        answer: bytes | None = None
        while True:
            try:
                step = next(exchange) if answer is None else exchange.send(answer)
            except StopIteration as done:
                accepted: Login = done.value
                return accepted
            if isinstance(step, StartTls):
                await self._start_tls()
                answer = await self._payload()
                continue
            self._write([self._protocol.frame(step.payload)])
            answer = b"" if isinstance(step, Say) else await self._payload()

    async def _start_tls(self) -> None:
        assert self._options.tls is not None
        if self._protocol.buffered:
            # Bytes that came in the clear must not pass for encrypted ones.
            raise DbError(ErrorKind.PROTOCOL, "unexpected bytes before the TLS handshake")
        await self._channel.start_tls(self._options.tls)
        self._secure = True

    async def _open_session(self, accepted: Login) -> None:
        """A session for who has logged in, under this connection's id, and OK to the client."""
        info = ClientInfo(
            accepted.user,
            accepted.database or self._options.default_database,
            self._channel.address,
            accepted.attributes.get("program_name", ""),
            found_rows=Capability.FOUND_ROWS in accepted.capabilities,
            charset=login_charset(accepted.charset),
            compressed=Capability.COMPRESS in accepted.capabilities,
            cipher=self._channel.cipher,
        )
        database = self._listener.database
        session = await self._workers.run(database.connect, Wire.MYSQL, info, self.id)
        self._adopt(session, accepted)
        loop = asyncio.get_running_loop()
        session.when_killed(lambda: loop.call_soon_threadsafe(self.kill))
        await self._send(lambda speaker: iter((speaker.ok(),)))
        if Capability.COMPRESS in accepted.capabilities and self._compression is None:
            self._compression = Compression()  # from the first command on

    def _adopt(self, session: SessionApi, accepted: Login) -> None:
        self.user = accepted.user
        number = accepted.charset if is_utf8_charset(accepted.charset) else CHARSET_DEFAULT
        self._speaker = Speaker(
            session,
            self._protocol,
            replace(UTF8MB4, number=number),
            Statements(self._options.statements_max),
            known_database=session.database,
        )

    async def _change_user(self, command: commands.ChangeUser) -> None:
        """A fresh session for another user. Raises: DbError, after which the connection ends."""
        exchange = change_user(
            self._terms, command.payload, self._protocol.capabilities, secure=self._secure
        )
        async with asyncio.timeout(self._options.login_seconds):
            accepted = await self._drive(exchange)
        await self._end_session()
        await self._open_session(accepted)

    async def _end_session(self) -> None:
        speaker, self._speaker = self._speaker, None
        if speaker is not None:
            await self._workers.run(_close, speaker)

    # Commands.

    async def _payload(self) -> bytes:
        """The client's next payload. Raises: ConnectionResetError when there is none to come."""
        while (payload := self._protocol.next_payload()) is None:
            if self._protocol.buffered >= FIRST_READ_BYTES:
                self._channel.read_freely()  # it was no request for TLS
            data = await self._channel.read()
            if not data:
                raise ConnectionResetError("the client closed the connection")
            if self._compression is not None:
                data = self._compression.receive(data)
            self._protocol.receive(data)
        return payload

    def _idle_seconds(self) -> float:
        """How long the client may be silent: what it chose (wait_timeout), or the default."""
        assert self._speaker is not None
        chosen = self._speaker.session.show("wait_timeout")
        return float(chosen) if chosen.isdigit() and int(chosen) else self._options.idle_seconds

    async def _one_command(self) -> bool:
        """Reads and answers one command; False after COM_QUIT.

        Raises: DbError when the connection must end: broken packets, a refused change of user.
        """
        self._protocol.begin_command()
        if self._compression is not None:
            self._compression.begin_command()
        async with asyncio.timeout(self._idle_seconds()):
            payload = await self._payload()
        self._listener.questions += 1
        try:
            command = parse_command(self._in_utf8(payload))
        except DbError as error:
            self._refuse(error)
            return True
        if isinstance(command, commands.Quit):
            return False
        if isinstance(command, commands.ChangeUser):
            await self._change_user(command)
            return True
        try:
            await self._answer(command)
        except DbError as error:
            self._refuse(error)
        return True

    def _in_utf8(self, payload: bytes) -> bytes:
        assert self._speaker is not None
        return command_in_utf8(payload, self._speaker.sent_in)

    async def _answer(self, command: Command) -> None:
        """Raises: DbError, which is the command's answer; ConnectionError."""
        match command:
            case commands.Ping() | commands.Refresh():
                self._write_payload(self._outcome_ok())
            case commands.Statistics():
                self._write_payload(self._listener.statistics().encode())
            case commands.ProcessKill(connection_id):
                self._listener.kill(connection_id, self.user)
                self._write_payload(self._outcome_ok())
            case _:
                assert self._speaker is not None
                # The hop to a thread would take longer than some answers.
                pieces = answers.at_once(self._speaker, command)
                if pieces is None:
                    await self._send(lambda speaker: answers.answer(speaker, command))
                else:
                    self._write(pieces)
                    await self._channel.drain()

    async def _send(self, make: Callable[[Speaker], Iterator[Piece | CopySink]]) -> None:
        """Makes an answer on worker threads and sends it piece by piece, as fast as it is taken."""
        assert self._speaker is not None
        answer = make(self._speaker)
        try:
            while True:
                gathered = await self._work(answers.gather, answer)
                await self._write_answer(gathered.pieces)
                if gathered.error is not None:
                    raise self._explained(gathered.error)
                await self._channel.drain()
                if gathered.finished:
                    return
                if gathered.wanted is not None:
                    failure = await self._take_file(gathered.wanted)
                    if failure is not None:
                        await self._workers.run(answers.abandon, answer)
                        raise self._explained(failure)
        except (ConnectionError, TimeoutError):
            # What the statement holds is freed where it may block.
            await self._workers.run(answers.abandon, answer)
            raise

    def _write(self, pieces: Sequence[Piece]) -> None:
        packing = self._compression
        self._channel.write(pieces if packing is None else packing.pack(pieces))

    async def _write_answer(self, pieces: Sequence[Piece]) -> None:
        """Large answers are compressed on a worker: it takes longer than the loop may wait."""
        packing = self._compression
        if packing is not None and sum(map(len, pieces)) > _PACKED_HERE_BYTES:
            pieces = await self._workers.run(packing.pack, pieces)
            self._channel.write(pieces)
        else:
            self._write(pieces)

    async def _take_file(self, sink: CopySink) -> Exception | None:
        """Feeds what the client sends up to an empty packet; all of it is read also on failure.

        Packets are fed together: the hop to a thread takes longer than a small one is worth.
        """
        failure: Exception | None = None
        waiting: list[bytes] = []
        size = 0
        while True:
            async with asyncio.timeout(self._options.idle_seconds):
                data = await self._payload()
            waiting.append(data)
            size += len(data)
            if size >= _FEED_BYTES or not data:
                if failure is None:
                    try:
                        await self._work(sink.feed, b"".join(waiting))
                    except Exception as error:  # noqa: BLE001 told when the client listens again
                        failure = error
                waiting, size = [], 0
            if not data:
                return failure

    async def _work(self, call: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """One blocking call; losing the client meanwhile cancels the statement."""
        self._working = True
        try:
            await self._channel.drain()
            return await self._workers.run(call, *arguments, **options)
        finally:
            self._working = False

    def _explained(self, error: Exception) -> DbError:
        """The error a client may see."""
        if isinstance(error, DbError):
            return error
        logger.error("mysql command failed", exc_info=error, extra={"session": self.id})
        return _internal()

    def _refuse(self, error: DbError) -> None:
        charset = UTF8MB4 if self._speaker is None else self._speaker.charset
        self._write_payload(replies.err(error, charset))

    def _outcome_ok(self) -> bytes:
        assert self._speaker is not None
        outcome = Outcome(self._speaker.status(Status(0)))
        return replies.ok(outcome, self._protocol.capabilities)

    def _write_payload(self, payload: bytes) -> None:
        self._write([self._protocol.frame(payload)])


def _internal() -> DbError:
    return DbError(
        ErrorKind.INTERNAL,
        "internal error",
        hint="the server's log has the details; please report them",
    )


def _close(speaker: Speaker) -> None:
    """Frees what a session holds, cursors first."""
    try:
        speaker.statements.clear()
    finally:
        speaker.session.close()
