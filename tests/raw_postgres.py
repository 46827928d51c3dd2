"""A PostgreSQL client made of bytes, for what drivers would never send."""

from __future__ import annotations

import socket
import struct

from fix_postgres import RunningListener


def raw_connection(running: RunningListener) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", running.port), timeout=60)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def send_startup(client: socket.socket, code: int = 196608, **parameters: str) -> None:
    chosen = {"user": "tester", "database": "public"} | parameters
    body = struct.pack("!i", code)
    body += b"".join(f"{k}\0{v}\0".encode() for k, v in chosen.items()) + b"\0"
    client.sendall(struct.pack("!i", len(body) + 4) + body)


def receive_until(client: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        piece = client.recv(65536)
        if not piece:
            break
        data += piece
    return data
