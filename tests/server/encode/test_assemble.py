"""Rows laid out by the kernels equal rows laid out by hand."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.encode import assemble
from server.encode.cells import Cells, FixedCells, VarCells, from_lengths


def var(cells: list[bytes | None]) -> VarCells:
    lengths = np.array([len(cell or b"") for cell in cells], np.int64)
    data = np.frombuffer(b"".join(cell or b"" for cell in cells), np.uint8)
    valid = np.array([cell is not None for cell in cells])
    return VarCells(from_lengths(lengths), data, None if valid.all() else valid)


def fixed(cells: list[bytes | None], width: int) -> FixedCells:
    data = b"".join(cell or bytes(width) for cell in cells)
    valid = np.array([cell is not None for cell in cells])
    matrix = np.frombuffer(data, np.uint8).reshape(len(cells), width)
    return FixedCells(matrix, None if valid.all() else valid)


def postgres_by_hand(columns: list[Cells], rows: int) -> bytes:
    out = b""
    for row in range(rows):
        body = struct.pack("!h", len(columns))
        for column in columns:
            cell = column.cell(row)
            body += struct.pack("!i", -1) if cell is None else struct.pack("!i", len(cell)) + cell
        out += b"D" + struct.pack("!i", len(body) + 4) + body
    return out


def lenenc(cell: bytes) -> bytes:
    if len(cell) < 251:
        return bytes([len(cell)]) + cell
    if len(cell) <= 0xFFFF:
        return b"\xfc" + len(cell).to_bytes(2, "little") + cell
    if len(cell) <= 0xFFFFFF:
        return b"\xfd" + len(cell).to_bytes(3, "little") + cell
    return b"\xfe" + len(cell).to_bytes(8, "little") + cell


def mysql_text_by_hand(columns: list[Cells], rows: int) -> list[bytes]:
    return [
        b"".join(b"\xfb" if (cell := c.cell(row)) is None else lenenc(cell) for c in columns)
        for row in range(rows)
    ]


def mysql_binary_by_hand(columns: list[Cells], rows: int) -> list[bytes]:
    payloads = []
    for row in range(rows):
        bitmap = bytearray((len(columns) + 9) // 8)
        body = b""
        for index, column in enumerate(columns):
            cell = column.cell(row)
            if cell is None:
                bitmap[(index + 2) // 8] |= 1 << ((index + 2) % 8)
            else:
                body += cell if isinstance(column, FixedCells) else lenenc(cell)
        payloads.append(b"\0" + bytes(bitmap) + body)
    return payloads


def packets(payloads: list[bytes], sequence: int) -> bytes:
    out = b""
    for payload in payloads:
        piece, sequence = assemble.split_packet(payload, sequence)
        out += piece
    return out


def joined(parts: object) -> bytes:
    return b"".join(bytes(part.data) for part in parts)


cell_text = (
    st.none() | st.binary(max_size=40) | st.sampled_from([b"x" * 250, b"y" * 251, b"z" * 300])
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Cells], int]:
    rows = draw(st.integers(1, 12))
    columns: list[Cells] = []
    for _ in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            columns.append(var(draw(st.lists(cell_text, min_size=rows, max_size=rows))))
        else:
            width = draw(st.sampled_from([1, 2, 4, 8, 16]))
            cell = st.none() | st.binary(min_size=width, max_size=width)
            columns.append(fixed(draw(st.lists(cell, min_size=rows, max_size=rows)), width))
    return columns, rows


@given(tables(), st.integers(0, 255))
@settings(deadline=None)
def test_kernels_agree_with_rows_written_by_hand(table, sequence) -> None:
    columns, rows = table
    assert b"".join(assemble.postgres_rows(columns, rows)) == postgres_by_hand(columns, rows)
    text = list(assemble.mysql_text_rows(columns, rows, sequence))
    assert joined(text) == packets(mysql_text_by_hand(columns, rows), sequence)
    assert text[-1].sequence == (sequence + rows) % 256
    binary = list(assemble.mysql_binary_rows(columns, rows, sequence))
    assert joined(binary) == packets(mysql_binary_by_hand(columns, rows), sequence)


def test_many_rows_are_cut_into_slices_and_keep_their_order() -> None:
    rows = assemble.SLICE_ROWS * 2 + 17
    column = var([str(row).encode() for row in range(rows)])
    parts = list(assemble.postgres_rows([column], rows))
    assert len(parts) == 3
    assert b"".join(parts) == postgres_by_hand([column], rows)
    text = list(assemble.mysql_text_rows([column], rows, 250))
    assert joined(text) == packets(mysql_text_by_hand([column], rows), 250)
    assert sum(part.rows for part in text) == rows


def test_wide_rows_are_cut_by_bytes() -> None:
    column = var([b"x" * (1 << 20)] * 10)
    sizes = [len(part) for part in assemble.postgres_rows([column], 10)]
    assert len(sizes) > 1
    assert max(sizes) <= assemble.SLICE_BYTES


@pytest.mark.parametrize("size", [250, 251, 0xFFFF, 0x10000])
def test_lengths_of_several_bytes_have_room(size) -> None:
    cells = [bytes([row % 251]) * size for row in range(60)]
    columns = [var(cells), var([b"", None, b"z"] * 20), var(cells)]
    text = list(assemble.mysql_text_rows(columns, 60, 9))
    assert joined(text) == packets(mysql_text_by_hand(columns, 60), 9)
    binary = list(assemble.mysql_binary_rows(columns, 60, 9))
    assert joined(binary) == packets(mysql_binary_by_hand(columns, 60), 9)


def test_a_sliced_column_keeps_its_own_cells() -> None:
    column = var([b"a", None, b"ccc", b"dd"]).slice(1, 4)
    assert column.to_list() == [None, b"ccc", b"dd"]
    assert b"".join(assemble.postgres_rows([column], 3)) == postgres_by_hand([column], 3)


def test_no_columns_and_no_rows() -> None:
    assert list(assemble.postgres_rows([], 0)) == []
    assert b"".join(assemble.postgres_rows([], 2)) == b"D\0\0\0\x06\0\0" * 2


@pytest.mark.parametrize("extra", [-5, -4, -3, 0, 1])
def test_mysql_rows_of_16_mib_continue_in_the_next_packet(extra) -> None:
    # A cell of 0xFFFFFF - 4 bytes makes a payload of exactly 0xFFFFFF bytes.
    cell = b"q" * (assemble.MYSQL_PACKET_MAX + extra)
    column = var([b"before", cell, b"after"])
    got = list(assemble.mysql_text_rows([column], 3, 254))
    expected = packets(mysql_text_by_hand([column], 3), 254)
    assert joined(got) == expected
    assert sum(part.rows for part in got) == 3


def test_wrong_offsets_are_refused_before_anything_is_copied() -> None:
    column = VarCells(np.array([0, 9], np.int32), np.zeros(2, np.uint8))
    with pytest.raises(AssertionError):
        list(assemble.postgres_rows([column], 1))
