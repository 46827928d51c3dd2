"""Bytes become messages, however they are cut; nonsense becomes DbError PROTOCOL or BadMessage."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import DbError, ErrorKind
from server.postgres.messages import (
    BadMessage,
    Bind,
    CancelRequest,
    Close,
    CopyData,
    CopyDone,
    CopyFail,
    Describe,
    Execute,
    Flush,
    Frontend,
    FunctionCall,
    GSSENCRequest,
    Parse,
    Password,
    Query,
    SSLRequest,
    StartupMessage,
    Sync,
    Target,
    Terminate,
)
from server.postgres.protocol import FrontendReader, Limits


def framed(code: bytes, body: bytes = b"") -> bytes:
    return code + struct.pack("!i", len(body) + 4) + body


def startup(body: bytes) -> bytes:
    return struct.pack("!i", len(body) + 4) + body


STARTUP = startup(struct.pack("!i", 196608) + b"user\0me\0database\0public\0\0")

# Every message once, with what it means.
SESSION: list[tuple[bytes, Frontend]] = [
    (startup(struct.pack("!i", 80877103)), SSLRequest()),
    (startup(struct.pack("!i", 80877104)), GSSENCRequest()),
    (STARTUP, StartupMessage(3, 0, {"user": "me", "database": "public"})),
    (framed(b"p", b"secret\0"), Password(b"secret\0")),
    (framed(b"Q", "SELECT 'ü'\0".encode()), Query("SELECT 'ü'")),
    (framed(b"P", b"s\0SELECT $1\0\0\2\0\0\0\x17\0\0\0\0"), Parse("s", "SELECT $1", (23, 0))),
    (
        framed(b"B", b"p\0s\0\0\1\0\1\0\2\0\0\0\4\0\0\0\7\xff\xff\xff\xff\0\2\0\1\0\0"),
        Bind("p", "s", (1,), (b"\0\0\0\7", None), (1, 0)),
    ),
    (framed(b"D", b"Ss\0"), Describe(Target.STATEMENT, "s")),
    (framed(b"D", b"P\0"), Describe(Target.PORTAL, "")),
    (framed(b"E", b"p\0\0\0\0\5"), Execute("p", 5)),
    (framed(b"C", b"Pp\0"), Close(Target.PORTAL, "p")),
    (framed(b"H"), Flush()),
    (framed(b"S"), Sync()),
    (framed(b"d", b"\0\xff"), CopyData(b"\0\xff")),
    (framed(b"c"), CopyDone()),
    (framed(b"f", b"why\0"), CopyFail("why")),
    (
        framed(b"F", b"\0\0\3\xb9\0\1\0\1\0\2\0\0\0\1x\xff\xff\xff\xff\0\1"),
        FunctionCall(953, (1,), (b"x", None), 1),
    ),
    (framed(b"X"), Terminate()),
]
STREAM = b"".join(raw for raw, _ in SESSION)
EVENTS = [event for _, event in SESSION]


def read_all(pieces: list[bytes]) -> list[Frontend]:
    """All events, with the login's effect on the reader."""
    reader = FrontendReader()
    events: list[Frontend] = []
    for piece in pieces:
        reader.feed(piece)
        while (event := reader.next_event()) is not None:
            events.append(event)
            if isinstance(event, Password):
                reader.authenticated = True
    assert reader.buffered == 0
    return events


def test_a_whole_session_in_one_piece() -> None:
    assert read_all([STREAM]) == EVENTS


@pytest.mark.parametrize("at", range(1, len(STREAM)))
def test_a_session_split_at_every_offset(at) -> None:
    assert read_all([STREAM[:at], STREAM[at:]]) == EVENTS


def test_a_session_byte_by_byte() -> None:
    assert read_all([bytes([byte]) for byte in STREAM]) == EVENTS


def test_a_cancel_request_carries_its_key() -> None:
    reader = FrontendReader()
    reader.feed(startup(struct.pack("!iii", 80877102, 7, 99)))
    assert reader.next_event() == CancelRequest(7, struct.pack("!i", 99))


def ready_reader(limits: Limits | None = None) -> FrontendReader:
    reader = FrontendReader(limits)
    reader.feed(STARTUP)
    reader.next_event()
    reader.authenticated = True
    return reader


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack("!i", 7) + b"abc",
        struct.pack("!i", 10_001),
        struct.pack("!i", -1),
        startup(struct.pack("!i", 196608) + b"user\0me"),
        startup(struct.pack("!i", 196608) + b"user\0me\0"),
        startup(struct.pack("!i", 196608) + b"\0junk"),
        startup(struct.pack("!i", 196608) + b"user\0\xff\0\0"),
        startup(struct.pack("!i", 80877102)),
        startup(struct.pack("!ii", 80877102, 1)),
        startup(struct.pack("!i", 80877103) + b"x"),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
def test_a_broken_startup_is_a_protocol_error(raw) -> None:
    reader = FrontendReader()
    reader.feed(raw)
    with pytest.raises(DbError) as caught:
        reader.next_event()
    assert caught.value.kind is ErrorKind.PROTOCOL


@pytest.mark.parametrize("version", [131072, 196608 + 65536, 1])
def test_other_protocol_versions_are_refused(version) -> None:
    reader = FrontendReader()
    reader.feed(startup(struct.pack("!i", version) + b"user\0me\0\0"))
    with pytest.raises(DbError) as caught:
        reader.next_event()
    assert caught.value.kind is ErrorKind.UNSUPPORTED


@pytest.mark.parametrize(
    "raw",
    [
        b"\0\0\0\0\4",
        b"z\0\0\0\4",
        b"Q\0\0\0\3",
        b"Q\xff\xff\xff\xff",
        b"S\x7f\0\0\0",
        b"Q\x7f\xff\xff\xff",
    ],
)
def test_a_broken_frame_is_a_protocol_error(raw) -> None:
    reader = ready_reader()
    reader.feed(raw)
    with pytest.raises(DbError) as caught:
        reader.next_event()
    assert caught.value.kind is ErrorKind.PROTOCOL


@pytest.mark.parametrize("code", [b"Q", b"P", b"S", b"d"])
def test_before_the_login_only_passwords_are_read(code) -> None:
    reader = FrontendReader()
    reader.feed(STARTUP + framed(code, b"x\0"))
    reader.next_event()
    with pytest.raises(DbError) as caught:
        reader.next_event()
    assert caught.value.kind is ErrorKind.PROTOCOL


@pytest.mark.parametrize(
    "raw",
    [
        framed(b"Q", b"no end"),
        framed(b"Q", b"a\0b\0"),
        framed(b"P", b"s\0x\0\0\5"),
        framed(b"B", b"p\0s\0\0\0\0\1\0\0\0\x09abc"),
        framed(b"B", b"p\0s\0\0\1\0\2\0\0\0\0"),
        framed(b"B", b"p\0s\0\0\0\0\1\xff\xff\xff\xfe\0\0"),
        framed(b"D", b"Zs\0"),
        framed(b"D", b""),
        framed(b"E", b"p\0\0\0"),
        framed(b"S", b"x"),
    ],
)
def test_nonsense_inside_a_sound_frame_leaves_the_stream_usable(raw) -> None:
    reader = ready_reader()
    reader.feed(raw + framed(b"Q", b"next\0"))
    event = reader.next_event()
    assert isinstance(event, BadMessage)
    assert event.error.kind is ErrorKind.PROTOCOL
    assert reader.next_event() == Query("next")


def test_text_that_is_not_utf8_is_named() -> None:
    reader = ready_reader()
    reader.feed(framed(b"Q", b"SELECT '\xff'\0"))
    event = reader.next_event()
    assert isinstance(event, BadMessage)
    assert event.error.kind is ErrorKind.INVALID_ENCODING
    assert "0xff" in event.error.message


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_come() -> None:
    reader = ready_reader(Limits(large=100))
    reader.feed(b"Q" + struct.pack("!i", 101))
    with pytest.raises(DbError):
        reader.next_event()


def test_65535_parameters_are_read() -> None:
    count = 65_535
    body = b"\0\0\0\0" + struct.pack("!H", count)
    body += b"\0\0\0\x01x" * count + b"\0\0"
    reader = ready_reader()
    reader.feed(framed(b"B", body))
    event = reader.next_event()
    assert isinstance(event, Bind)
    assert event.parameters == (b"x",) * count


def drain(reader: FrontendReader) -> None:
    """Reads until more bytes are needed or the stream is refused."""
    try:
        while reader.next_event() is not None:
            pass
    except DbError:
        pass


@given(st.lists(st.binary(max_size=60), max_size=6), st.booleans())
@settings(max_examples=300, deadline=None)
def test_any_bytes_end_in_messages_or_a_protocol_error(pieces, is_ready) -> None:
    reader = ready_reader() if is_ready else FrontendReader()
    for piece in pieces:
        reader.feed(piece)
        drain(reader)


def test_mutated_sessions_end_in_messages_or_a_protocol_error() -> None:
    random_bytes = random.Random(20)
    for _ in range(3000):
        stream = bytearray(STREAM)
        for _ in range(random_bytes.randint(1, 6)):
            stream[random_bytes.randrange(len(stream))] = random_bytes.randrange(256)
        reader = FrontendReader()
        reader.authenticated = random_bytes.random() < 0.7
        reader.feed(bytes(stream))
        drain(reader)
