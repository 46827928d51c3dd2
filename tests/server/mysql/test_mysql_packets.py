"""Framing and the primitive values of packets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import DbError, ErrorKind
from server.mysql.packets import (
    Framer,
    PacketReader,
    decode_text,
    lenenc_integer,
    lenenc_string,
)

CHUNK = 0xFFFFFF
LIMIT = 64 << 20


def packets(*payloads: bytes, start: int = 0) -> bytes:
    out = b""
    for number, payload in enumerate(payloads, start):
        out += len(payload).to_bytes(3, "little") + bytes((number & 0xFF,)) + payload
    return out


def kind_of(call: object) -> ErrorKind:
    with pytest.raises(DbError) as caught:
        call()  # type: ignore[operator]
    return caught.value.kind


def test_payloads_come_out_the_same_however_the_bytes_are_split() -> None:
    data = packets(b"", b"a", b"hello", bytes(300))
    for cut in range(len(data) + 1):
        framer = Framer(LIMIT)
        seen = []
        for piece in (data[:cut], data[cut:]):
            framer.receive(piece)
            while (payload := framer.next_payload()) is not None:
                seen.append(payload)
        assert seen == [b"", b"a", b"hello", bytes(300)]
        assert framer.buffered == 0
        assert framer.sequence == 4


@given(st.lists(st.binary(max_size=80), max_size=20), st.integers(1, 50))
def test_framed_payloads_are_read_back(payloads: list[bytes], step: int) -> None:
    data = Framer(LIMIT).frame(*payloads)
    framer = Framer(LIMIT)
    seen = []
    for start in range(0, len(data), step):
        framer.receive(data[start : start + step])
        while (payload := framer.next_payload()) is not None:
            seen.append(payload)
    assert seen == payloads


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5])
def test_payloads_of_16_mib_and_more_are_split_and_joined(size: int) -> None:
    payload = bytes(size)
    writer = Framer(LIMIT)
    data = writer.frame(payload)
    assert writer.sequence == size // CHUNK + 1
    reader = Framer(LIMIT)
    for start in range(0, len(data), 1 << 20):
        assert reader.next_payload() is None
        reader.receive(data[start : start + (1 << 20)])
    assert reader.next_payload() == payload
    assert reader.sequence == writer.sequence


def test_sequence_ids_wrap_after_255() -> None:
    writer, reader = Framer(LIMIT), Framer(LIMIT)
    reader.receive(writer.frame(*[b"x"] * 300))
    assert sum(1 for _ in iter(reader.next_payload, None)) == 300
    assert reader.sequence == 300 & 0xFF


def test_a_wrong_sequence_id_is_an_error() -> None:
    framer = Framer(LIMIT)
    framer.receive(packets(b"a", start=1))
    assert kind_of(framer.next_payload) is ErrorKind.PROTOCOL


def test_an_oversized_payload_is_skipped_without_being_kept_then_refused() -> None:
    framer = Framer(1000)
    body = bytes(2000)
    for start in range(0, 1990, 10):
        framer.receive(packets(body)[start : start + 10])
        assert framer.next_payload() is None
        assert framer.buffered <= 10
    framer.receive(packets(body)[1990:])
    assert kind_of(framer.next_payload) is ErrorKind.LIMIT_EXCEEDED
    assert framer.sequence == 1  # the error packet continues where the client stopped


def test_an_oversized_payload_in_several_parts_is_refused_after_its_last_part() -> None:
    framer = Framer(CHUNK)
    data = packets(bytes(CHUNK), bytes(CHUNK), b"tail")
    framer.receive(data[:-1])
    assert framer.next_payload() is None
    framer.receive(data[-1:])
    assert kind_of(framer.next_payload) is ErrorKind.LIMIT_EXCEEDED
    assert framer.sequence == 3


@given(st.integers(0, (1 << 64) - 1))
def test_length_encoded_integers_round_trip(value: int) -> None:
    assert PacketReader(lenenc_integer(value)).lenenc() == value


@pytest.mark.parametrize(
    ("value", "size"), [(250, 1), (251, 3), (0xFFFF, 3), (0x10000, 4), (1 << 24, 9)]
)
def test_length_encoded_integers_take_the_shortest_form(value: int, size: int) -> None:
    assert len(lenenc_integer(value)) == size


def test_readers_refuse_every_truncation() -> None:
    whole = lenenc_string(bytes(300))
    for cut in range(len(whole)):
        assert kind_of(PacketReader(whole[:cut]).lenenc_bytes) is ErrorKind.PROTOCOL
    assert kind_of(PacketReader(b"abc").null_terminated) is ErrorKind.PROTOCOL
    assert kind_of(PacketReader(b"\xfb").lenenc) is ErrorKind.PROTOCOL
    assert kind_of(PacketReader(b"\xff").lenenc) is ErrorKind.PROTOCOL


def test_text_that_is_no_utf8_is_refused() -> None:
    assert decode_text("zażółć 🌍".encode()) == "zażółć 🌍"
    assert kind_of(lambda: decode_text(b"caf\xe9")) is ErrorKind.INVALID_ENCODING
