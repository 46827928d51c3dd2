"""Flight SQL's protobuf messages: what is written is read, whatever is cut off is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DbError, ErrorKind
from server.flight.messages import message, pack, read, unpack


def test_a_message_is_read_as_it_was_written() -> None:
    name, body = unpack(pack("CommandStatementQuery", message(f1=b"SELECT 1", f2=b"\x00", f9=300)))
    assert name == "CommandStatementQuery"
    assert (body.text(1), body.data(2), body.number(9)) == ("SELECT 1", b"\x00", 300)
    assert (body.text(3), body.number(4), body.texts(5)) == (None, 0, [])


def test_other_messages_are_refused() -> None:
    with pytest.raises(DbError) as caught:
        unpack(message(f1=b"type.googleapis.com/other"))
    assert caught.value.kind is ErrorKind.UNSUPPORTED


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(RefusedError):
        refusing(data)


class RefusedError(Exception):
    """What a client may be told."""


def refusing(data: bytes) -> None:
    try:
        read(data)
    except DbError as error:
        raise (RefusedError() if error.kind is ErrorKind.PROTOCOL else error) from error
