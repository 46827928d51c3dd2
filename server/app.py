"""The composition root: builds the server from its parts, runs it, takes it down in order.

Called by commands.py. Start: database, workers, listeners, then one ready line. Stop: no new
statements, running ones get their grace, then sessions, listeners, workers and database close, so
that everything acknowledged is durable. It knows every wire; no wire knows it.
"""

from __future__ import annotations

import asyncio
import logging
import resource
import signal
import ssl
import sys
import threading
from collections.abc import Mapping
from typing import Any, Protocol

from engine.clock import SystemClock
from engine.errors import DbError
from server.auth.api import OpenDoor, Users
from server.auth.roles import RolesToo
from server.auth.users import UsersFile
from server.config import Address, ConfigError, Configuration, Settings
from server.engine_metrics import EngineCollector
from server.http.app import create_app
from server.http.context import HttpContext
from server.http.listener import HttpListener
from server.metrics import Metrics
from server.mysql.connection import MysqlListener, MysqlOptions
from server.observe import ObservedDatabase
from server.postgres.connection import Options as PostgresOptions
from server.postgres.listener import PostgresListener
from server.rules.files import RuleFileError
from server.rules.group import Outside
from server.rules.rules import Rules, RuleSettings
from server.tls import Certificate
from server.warm import ServerWarming
from server.work import Workers
from sql.database import Database, DatabaseOptions
from sql.session import ClientInfo, Wire
from sql.settings import PRODUCT_VERSION

logger = logging.getLogger(__name__)

CANCEL_SECONDS_MAX = 3.0  # how long statements are asked to end before their sockets are closed
DRAIN_POLL_SECONDS = 0.02
CLOSE_SECONDS_MAX = 5.0  # for listeners, after their statements were cancelled


class Listener(Protocol):
    """One wire's door."""

    async def start(self, host: str, port: int) -> None:
        """Listens. Raises: OSError."""

    @property
    def port(self) -> int:
        """The port it listens on, also when 0 was asked for."""

    async def close(self) -> None:
        """Stops listening and ends every connection."""


class Server:
    """One running server. Requires: made, started and stopped on one event loop."""

    def __init__(self, configuration: Configuration) -> None:
        """Raises: ConfigError when the users file or the certificate cannot be used."""
        # Constant after construction.
        self._configuration = configuration
        self._settings: Settings = configuration.settings
        self._users: Users = open_users(self._settings)
        self._certificate = open_certificate(self._settings)
        self._tls = self._certificate.context if self._certificate is not None else None
        self._metrics = Metrics(PRODUCT_VERSION)
        self._workers = Workers(self._settings.workers)
        # What has been opened so far, in order.
        self._database: ObservedDatabase | None = None
        self._rules: Rules | None = None
        self._watch: asyncio.Task[None] | None = None
        self._listeners: dict[str, Listener] = {}

    async def start(self) -> dict[str, Address]:
        """Opens everything; returns the real addresses by wire.

        Raises: DbError if the data directory cannot be opened, OSError naming the listener that
        cannot listen. What was opened stays open: call `stop`.
        """
        settings = self._settings
        options = DatabaseOptions(
            memory_limit=settings.memory_limit,
            threads=settings.threads,
            statement_timeout_ms=settings.statement_timeout_ms,
            storage=settings.storage,
            copy_root=settings.copy_root,
            local_infile=settings.local_infile,
            max_connections=settings.max_connections,
            reserved_connections=settings.superuser_reserved_connections,
        )
        database = await asyncio.to_thread(Database.open, settings.data, options)
        self._users = RolesToo(self._users, database.login_role, SystemClock())
        self._metrics.registry.register(EngineCollector(database.regions))
        self._database = ObservedDatabase(
            database,
            self._metrics,
            self._users,
            connections_max=settings.max_connections,
            slow_ms=settings.slow_statement_ms,
            reserved=settings.superuser_reserved_connections,
        )
        self._rules = open_rules(settings, database)
        addresses: dict[str, Address] = {}
        for wire, address in _addresses(settings):
            listener = self._listener(wire, self._database)
            try:
                await listener.start(address.host, address.port)
            except OSError as error:
                reason = error.strerror or str(error)
                raise OSError(f"cannot listen for {wire} on {address}: {reason}") from None
            self._listeners[wire] = listener
            addresses[wire] = Address(address.host, listener.port)
        self._rules.start()
        if self._certificate is not None:
            self._watch = asyncio.create_task(self._certificate.watch())
        return addresses

    def _listener(self, wire: str, database: ObservedDatabase) -> Listener:
        if wire == "mysql":
            required = self._settings.require_secure_transport
            options = MysqlOptions(tls=self._tls, tls_required=required)
            return MysqlListener(database, self._workers, self._users, options)
        if wire == "postgres":
            return PostgresListener(database, self._workers, self._users, self._postgres_options())
        if wire == "flight":
            return _flight(database, self._users, self._settings)
        context = HttpContext(
            database,
            self._workers,
            self._users,
            self._metrics,
            self._configuration,
            PRODUCT_VERSION,
            is_ready=lambda: not database.is_draining,
            rules=self._rules,
        )
        return HttpListener(create_app(context))

    def _postgres_options(self) -> PostgresOptions:
        certificate = self._certificate
        if certificate is None:
            return PostgresOptions()
        return PostgresOptions(tls=certificate.context, end_point=lambda: certificate.end_point)

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Takes everything down in order; `hurry` ends the grace of running statements."""
        if self._watch is not None:
            self._watch.cancel()
        if self._rules is not None:
            await asyncio.to_thread(self._rules.close)
        if self._database is not None:
            self._database.drain()
            await self._drained(self._database, hurry or asyncio.Event())
            await self._cancel_all(self._database)
        closing = [asyncio.ensure_future(one.close()) for one in self._listeners.values()]
        if closing:
            _, late = await asyncio.wait(closing, timeout=CLOSE_SECONDS_MAX)
            for task in late:
                task.cancel()
        await asyncio.to_thread(self._workers.close)
        if self._database is not None:
            await asyncio.to_thread(self._database.close)

    async def _cancel_all(self, database: ObservedDatabase) -> None:
        """Cancels what runs, again and again: a statement may just be about to begin."""
        end = asyncio.get_running_loop().time() + CANCEL_SECONDS_MAX
        while True:
            for session in database.sessions():
                session.cancel()
            if not database.running or asyncio.get_running_loop().time() > end:
                return
            await asyncio.sleep(DRAIN_POLL_SECONDS)

    async def _drained(self, database: ObservedDatabase, hurry: asyncio.Event) -> None:
        """Returns when nothing runs any more, or the grace is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._settings.shutdown_grace_ms / 1_000
        while database.running and loop.time() < end and not hurry.is_set():
            await asyncio.sleep(DRAIN_POLL_SECONDS)
        if database.running:
            logger.warning("running statements are cancelled", extra={"count": database.running})


def _addresses(settings: Settings) -> list[tuple[str, Address]]:
    """The wires that are on."""
    wires = (
        ("http", settings.http),
        ("mysql", settings.mysql),
        ("postgres", settings.postgres),
        ("flight", settings.flight),
    )
    return [(wire, address) for wire, address in wires if address is not None]


def open_rules(settings: Settings, database: Database) -> Rules:
    """The rules, not evaluated yet. Raises: ConfigError."""
    client = ClientInfo("", settings.rule_database, "rules", "rules")
    outside = Outside(dict(settings.external_labels), settings.external_url)
    chosen = RuleSettings(
        settings.rule_files, settings.rule_interval_ms, settings.alertmanagers, outside
    )
    try:
        return Rules(chosen, lambda: database.connect(Wire.HTTP, client), SystemClock())
    except RuleFileError as error:
        raise ConfigError(str(error)) from None


def _flight(database: ObservedDatabase, users: Users, settings: Settings) -> Listener:
    """The door of Flight SQL; gRPC is loaded only if it is wanted."""
    from server.flight.listener import FlightListener

    chain, key = settings.tls_certificate, settings.tls_key
    return FlightListener(database, users, (chain, key) if chain and key else None)


def open_users(settings: Settings) -> Users:
    """The users file, or everybody. Raises: ConfigError."""
    if settings.users is None:
        return OpenDoor()
    try:
        return UsersFile(settings.users)
    except OSError as error:
        raise ConfigError(f"cannot read users file {settings.users}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(str(error)) from None


def open_certificate(settings: Settings) -> Certificate | None:
    """The certificate for MySQL and PostgreSQL. Raises: ConfigError."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    try:
        return Certificate(settings.tls_certificate, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cannot use tls_certificate {settings.tls_certificate} with tls_key "
            f"{settings.tls_key}: {error.strerror or error}"
        ) from None


async def serve(configuration: Configuration) -> int:
    """Runs a server until a signal ends it. Returns the process's exit code."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    server = Server(configuration)
    try:
        addresses = await server.start()
    except BaseException as error:
        await server.stop()  # else what was opened keeps the process from ending
        if not isinstance(error, DbError | OSError):
            raise
        sys.stderr.write(f"gnomon: {_explained(error)}\n")
        return 1
    _say_ready(configuration.settings, addresses)
    warming = ServerWarming()
    if configuration.settings.warm:
        threading.Thread(target=warming.run, name="warm", daemon=True).start()
    await stop.wait()
    logger.info("stopping")
    warming.stop()
    await server.stop(hurry)
    logger.info("stopped")
    return 0


def _explained(error: Exception) -> str:
    if isinstance(error, DbError):
        parts = [error.message, error.detail, error.hint]
        return "; ".join(part for part in parts if part)
    return str(error)


def _say_ready(settings: Settings, addresses: Mapping[str, Address]) -> None:
    """The one line that scripts wait for."""
    facts: dict[str, Any] = {**addresses, "data": settings.data.resolve()}
    facts["version"] = PRODUCT_VERSION
    words = " ".join(f"{name}={value}" for name, value in facts.items())
    sys.stdout.write(f"gnomon ready {words}\n")
    sys.stdout.flush()


def allow_many_files() -> None:
    """Raises the soft limit on open files to the hard one: every SST and connection is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
