"""The Flight SQL door: starts and stops the gRPC server. Made by server/app.py."""

from __future__ import annotations

import asyncio
from pathlib import Path

from server.auth.api import Users
from server.flight.login import Logins
from server.flight.service import FlightSql
from sql.session import DatabaseApi


class FlightListener:
    """Listens for Flight SQL. `tls` are the files of a certificate chain and its key."""

    def __init__(
        self, database: DatabaseApi, users: Users, tls: tuple[Path, Path] | None = None
    ) -> None:
        self._database = database
        self._users = users
        self._tls = tls
        self._service: FlightSql | None = None

    async def start(self, host: str, port: int) -> None:
        """Listens. Raises: OSError."""
        scheme, options = "grpc", {}
        if self._tls is not None:
            chain, key = (path.read_text(encoding="utf-8") for path in self._tls)
            scheme, options = "grpc+tls", {"tls_certificates": [(chain, key)]}
        place = f"[{host}]" if ":" in host else host
        self._service = await asyncio.to_thread(
            FlightSql,
            self._database,
            Logins(self._users),
            f"{scheme}://{place}:{port}",
            **options,
        )

    @property
    def port(self) -> int:
        """The port it listens on, also when 0 was asked for."""
        assert self._service is not None
        return int(self._service.port)

    async def close(self) -> None:
        """Stops listening, ends every call and rolls back what is open."""
        if self._service is not None:
            await asyncio.to_thread(self._service.shutdown)
            await asyncio.to_thread(self._service.close_sessions)
