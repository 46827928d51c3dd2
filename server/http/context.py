"""What every HTTP endpoint may use, handed to the application by server/app.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from starlette.requests import Request

from server.auth.api import Users
from server.config import Configuration
from server.metrics import Metrics
from server.rules.rules import Rules
from server.work import Workers
from sql.session import DatabaseApi


@dataclass(frozen=True)
class HttpContext:
    """The server's parts, for one application."""

    database: DatabaseApi
    workers: Workers
    users: Users
    metrics: Metrics
    configuration: Configuration
    version: str
    is_ready: Callable[[], bool]
    rules: Rules | None = None  # None: there are none


def context_of(request: Request) -> HttpContext:
    """The context of the application that serves this request."""
    return cast(HttpContext, request.app.state.context)
