"""How requests with bodies arrive: in pieces, several at once, announced, endless."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.http.groups import REQUEST_BYTES_MAX

BODY = b"sql=SELECT+42"
HEAD = b"POST /v1/sql?format=csv HTTP/1.1\r\nHost: x\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
WHOLE = HEAD + FORM + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


async def answered(house: Any, *pieces: bytes, closing: bool = True) -> bytes:
    """What a server sends until it closes the connection, which the last request asks for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.client.base_url.port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)  # so that the server reads it by itself
    if closing:
        writer.write(WHOLE.replace(b"Host: x", b"Host: x\r\nConnection: close"))
    else:
        writer.write_eof()
    found = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return found


async def test_a_body_may_come_in_pieces(served: Any) -> None:
    pieces = [WHOLE[k : k + 40] for k in range(0, len(WHOLE), 40)]
    assert (await answered(served, *pieces)).count(b"\r\n42\n") == 2


async def test_several_requests_may_come_at_once(served: Any) -> None:
    assert (await answered(served, 3 * WHOLE)).count(b"\r\n42\n") == 4


async def test_who_asks_before_sending_is_told_to_go_on(served: Any) -> None:
    head, body = WHOLE.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue").split(b"\r\n\r\n")
    found = await answered(served, head + b"\r\n\r\n", body)
    assert found.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert found.count(b"\r\n42\n") == 2


async def test_a_body_without_a_length_is_read(served: Any) -> None:
    head = HEAD + FORM + b"Transfer-Encoding: chunked\r\n\r\n"
    chunks = b"4\r\n%b\r\n" % BODY[:4], b"%x\r\n%b\r\n" % (len(BODY) - 4, BODY[4:]), b"0\r\n\r\n"
    assert (await answered(served, head, *chunks)).count(b"\r\n42\n") == 2


@pytest.mark.parametrize("size", [REQUEST_BYTES_MAX, REQUEST_BYTES_MAX + 1, 10 * REQUEST_BYTES_MAX])
async def test_bodies_of_every_size_are_read(served: Any, size: int) -> None:
    body = (BODY + b"+--+").ljust(size, b"x")
    request = HEAD + FORM + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    assert (await answered(served, request, request)).count(b"\r\n42\n") == 3


async def test_a_client_that_leaves_within_a_body_is_forgotten(served: Any) -> None:
    assert await answered(served, WHOLE[:-3], closing=False) == b""
    assert (await answered(served)).count(b"\r\n42\n") == 1
    assert len(served.database.clients) == 1


@pytest.mark.slow
async def test_a_connection_waits_for_the_next_batch_of_an_agent(served: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.client.base_url.port)
    writer.write(WHOLE)
    await reader.readuntil(b"\r\n42\n")
    with pytest.raises(TimeoutError):  # nothing comes, above all no end
        await asyncio.wait_for(reader.read(1), 7)
    writer.write(WHOLE)
    await asyncio.wait_for(reader.readuntil(b"\r\n42\n"), 10)
    writer.close()
