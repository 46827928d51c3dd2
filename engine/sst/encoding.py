"""How the columns of a file are encoded, chosen from a sample of its rows.

Called by `engine.sst.writer`. Every choice is standard Parquet that DuckDB, pyarrow, polars and
ClickHouse read; among those that DuckDB reads about equally fast, the smallest wins. It estimates
and never writes. See docs/formats/sst.md.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.schema import RegionSchema, Semantic

# A sample is some stretches of neighbouring rows, spread over the file: neighbours show runs and
# differences, stretches apart show what repeats and what is clustered.
STRETCHES = 8
STRETCH_ROWS = 1024
# Arrow gives a dictionary up for the rest of a row group beyond this size.
DICTIONARY_BYTES_MAX = 1 << 20
# DuckDB takes about twice as long for split bytes or plain reals as for a dictionary: they must be
# far smaller to be worth that. Of these two the smaller wins: they read equally fast.
_OTHER_THAN_DICTIONARY_MAX = 0.6
_SPLIT_SIZE_MAX = 0.97  # of that of plain ones
# One false positive in a hundred row groups costs less than the larger filter would.
_BLOOM_FALSE_POSITIVES = 0.01
# A filter prunes if a value is in few row groups: then stretches hardly share values.
_CLUSTERED_MIN = 4
_DELTA_BLOCK = 32  # values that share a width in DELTA_BINARY_PACKED
_DELTA_OVERHEAD_BITS = 0.6  # block headers, per value
# zstd levels: in general; of dictionary codes in a file that stays (a tenth smaller for half as
# much time again); of differences (3 to 6 % smaller for 20 ns a row: packed they are few bytes to
# search). Everything else hardly shrinks.
FAST_LEVEL = 1
SETTLED_LEVEL = 6
DELTA_LEVEL = 12

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Encodings:
    """Column names by what they get; a column without any entry is plain."""

    dictionary: frozenset[str] = frozenset()
    special: dict[str, str] = field(default_factory=dict)  # Parquet's names of encodings
    bloom: dict[str, int] = field(default_factory=dict)  # to the distinct values of a row group
    settled: bool = False

    def options(self, names: list[str]) -> dict[str, Any]:
        """Arguments for `pyarrow.parquet.ParquetWriter`."""
        return {
            "compression": "zstd",
            "compression_level": {name: self._level(name) for name in names},
            "use_dictionary": sorted(self.dictionary),
            "column_encoding": self.special or None,
            "bloom_filter_options": {
                name: {"ndv": distinct, "fpp": _BLOOM_FALSE_POSITIVES}
                for name, distinct in self.bloom.items()
            }
            or None,
        }

    def _level(self, name: str) -> int:
        if self.settled and name in self.dictionary:
            return SETTLED_LEVEL
        if self.special.get(name) == "DELTA_BINARY_PACKED":
            return DELTA_LEVEL
        return FAST_LEVEL


def sample_positions(rows: int) -> Positions:
    """Which of that many rows make the sample, ascending: whole stretches, or all of few rows."""
    if rows <= STRETCHES * STRETCH_ROWS:
        return np.arange(rows)
    starts = np.linspace(0, rows - STRETCH_ROWS, STRETCHES).astype(np.int64)
    return (starts[:, None] + np.arange(STRETCH_ROWS)).ravel()


def choose(
    sample: pa.Table,
    schema: RegionSchema,
    row_group_rows: int,
    *,
    settled: bool,
    indexed: Collection[str] = (),
) -> Encodings:
    """The encodings of a file of which `sample` holds the rows at `sample_positions`.

    `settled`: the file is to stay, so that more time for less space pays. `indexed`: columns that
    get a bloom filter whatever the sample says, if their values are text or integers.
    """
    dictionary, special, bloom = set(), {}, {}
    for column in schema.columns:
        if pa.types.is_nested(column.type.arrow) or pa.types.is_boolean(column.type.arrow):
            continue
        facts = _Facts.of(sample.column(column.name), row_group_rows)
        choice = _encoding(facts)
        if choice == "DICTIONARY":
            dictionary.add(column.name)
        elif choice != "PLAIN":
            special[column.name] = choice
        is_late_tag = column.semantic is Semantic.TAG and column.name != schema.sort_key[0]
        if is_late_tag and pa.types.is_string(column.type.arrow) and facts.is_clustered():
            bloom[column.name] = facts.distinct
        elif column.name in indexed and _is_whole(column.type.arrow):
            bloom[column.name] = max(1, facts.distinct)
    return Encodings(frozenset(dictionary), special, bloom, settled)


def _is_whole(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_integer(type_))


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a sample tells of a column: its plain values without NULL, and how often they repeat."""

    values: pa.Array
    codes: npt.NDArray[np.int32]  # of the values, dense
    distinct: int  # estimated for a row group
    row_group_rows: int

    @classmethod
    def of(cls, column: pa.ChunkedArray, row_group_rows: int) -> _Facts:
        array = column.combine_chunks().drop_null()
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        codes = array.dictionary_encode().indices.to_numpy()
        return cls(array, codes, _distinct(codes, row_group_rows), row_group_rows)

    @property
    def width(self) -> float:
        """Bytes of a plain value."""
        return float(self.values.nbytes / max(1, len(self.values)))

    @property
    def change_share(self) -> float:
        """How many values differ from the one before."""
        if len(self.codes) < 2:
            return 1.0
        return float(np.count_nonzero(np.diff(self.codes)) / (len(self.codes) - 1))

    def dictionary_bits(self) -> float:
        """Bits of a value with a dictionary; infinite if the dictionary is too large."""
        if self.distinct * self.width > DICTIONARY_BYTES_MAX:
            return float("inf")
        code = max(1, (self.distinct - 1).bit_length())
        runs = self.change_share * (code + 16)  # run lengths and the codes of the runs
        return min(code, runs) + 8 * self.distinct * self.width / self.row_group_rows

    def is_clustered(self) -> bool:
        """True if a value is found in few stretches only."""
        stretches = [
            len(np.unique(self.codes[start : start + STRETCH_ROWS]))
            for start in range(0, len(self.codes), STRETCH_ROWS)
        ]
        if len(stretches) < STRETCHES:
            return False
        return bool(int(self.codes.max()) + 1 >= _CLUSTERED_MIN * np.mean(stretches))


def _distinct(codes: npt.NDArray[np.int32], row_group_rows: int) -> int:
    """Distinct values of a row group, from those seen once and twice in a sample (Chao 1984)."""
    if not len(codes):
        return 0
    counts = np.bincount(codes)
    once, twice = np.count_nonzero(counts == 1), np.count_nonzero(counts == 2)
    unseen = once * (once - 1) / (2 * (twice + 1))
    return int(min(row_group_rows, len(counts) + unseen))


def _encoding(facts: _Facts) -> str:
    kind = facts.values.type
    if not len(facts.values):
        return "DICTIONARY"
    if pa.types.is_floating(kind) and not pa.types.is_float16(kind):
        return _of_reals(facts)
    if pa.types.is_integer(kind) or pa.types.is_temporal(kind):
        return _of_integers(facts)
    # DELTA_BYTE_ARRAY would be half as large for sorted ids, but pyarrow cannot read it when it is
    # asked for dictionaries.
    plain_bits = 8 * facts.width
    return "DICTIONARY" if facts.dictionary_bits() < plain_bits / 2 else "PLAIN"


def _of_integers(facts: _Facts) -> str:
    if pa.types.is_interval(facts.values.type):
        return "PLAIN"
    width = facts.values.type.bit_width
    if width not in (32, 64):  # Parquet keeps smaller ones in 32 bits
        return "DICTIONARY" if facts.dictionary_bits() < 8 * facts.width else "PLAIN"
    values = facts.values.view(pa.int64() if width == 64 else pa.int32()).to_numpy()
    delta, dictionary = _delta_bits(values), facts.dictionary_bits()
    if min(delta, dictionary) >= width:
        return "PLAIN"
    return "DICTIONARY" if dictionary < delta else "DELTA_BINARY_PACKED"


def _delta_bits(values: npt.NDArray[Any]) -> float:
    """Bits of a value as differences, each block as wide as its widest."""
    deltas = np.diff(values)  # wraps around, as the encoding does
    deltas = deltas[: len(deltas) // _DELTA_BLOCK * _DELTA_BLOCK].reshape(-1, _DELTA_BLOCK)
    if not len(deltas):
        return float(8 * values.itemsize)
    span = deltas.max(axis=1).astype(np.float64) - deltas.min(axis=1)
    widths = np.ceil(np.log2(span + 1))
    return float(np.median(widths) + _DELTA_OVERHEAD_BITS)  # stretches meet in few blocks


def _of_reals(facts: _Facts) -> str:
    """A dictionary for values that repeat; of others split bytes if they compress better."""
    values = facts.values.to_numpy()
    plain = _compressed_bits(values)
    dictionary = facts.dictionary_bits()
    split = _compressed_bits(np.ascontiguousarray(values.view(np.uint8).reshape(len(values), -1).T))
    repeats = dictionary <= _OTHER_THAN_DICTIONARY_MAX * 8 * facts.width
    if repeats and dictionary * _OTHER_THAN_DICTIONARY_MAX <= min(plain, split):
        return "DICTIONARY"
    return "BYTE_STREAM_SPLIT" if split < _SPLIT_SIZE_MAX * plain else "PLAIN"


def _compressed_bits(values: npt.NDArray[Any]) -> float:
    """Bits of a value once compressed. The first axis of a matrix counts bytes of one value."""
    count = values.shape[-1]
    codec = pa.Codec("zstd", compression_level=FAST_LEVEL)
    return float(8 * codec.compress(pa.py_buffer(values)).size / count)


def is_text_dictionary(column: pa.Array | pa.ChunkedArray) -> bool:
    """True for what the writer may take as a dictionary instead of text."""
    return bool(pa.types.is_dictionary(column.type) and pa.types.is_string(column.type.value_type))


__all__ = [
    "DICTIONARY_BYTES_MAX",
    "Encodings",
    "Positions",
    "choose",
    "is_text_dictionary",
    "sample_positions",
]
