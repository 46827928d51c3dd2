"""Connections to both databases with the same tables in them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from psycopg.pq.abc import PGconn

from tests.differential.schema import statements


@contextlib.contextmanager
def loaded(ours: str, theirs: str) -> Iterator[tuple[PGconn, PGconn]]:
    """Bare connections (ours, the peer's); makes and fills the tables first."""
    with (
        psycopg.connect(ours, autocommit=True) as mine,
        psycopg.connect(theirs, autocommit=True) as peer,
    ):
        for connection, is_peer in ((mine, False), (peer, True)):
            connection.execute("SET timezone = 'UTC'")
            for statement in statements(peer=is_peer):
                connection.execute(statement.encode())
        yield mine.pgconn, peer.pgconn
