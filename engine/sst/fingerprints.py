"""Which rows of a flush may be in an older file, told without reading that file again.

Late or repeated batches meet older files row by row: with a million series every flush would read
the keys of every file of its hour. A fingerprint is 63 bits of a row's identity; those of recently
met files stay in memory, sorted. Rows without a match are certainly not there; the others are
looked up exactly (engine.sst.lookup). Called by `engine.flush`; nothing here is stored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.memtable import kernels
from engine.memtable.keys import Mask
from engine.memtable.order import Ranked, rank

Fingerprints = npt.NDArray[np.int64]
_POSITIVE = (1 << 63) - 1  # so that they sort as numbers of either kind


class FingerprintCache:
    """Sorted fingerprints of files, within a budget; the least recently used go first."""

    def __init__(self, bytes_max: int) -> None:
        # Constant after construction.
        self.bytes_max = bytes_max
        # Guarded by _lock.
        self._lock = Lock()
        self._files: OrderedDict[tuple[str, int], Fingerprints] = OrderedDict()
        self._bytes = 0

    def get(self, path: str, schema_version: int) -> Fingerprints | None:
        """Those of a file for the identity columns of a schema; None if they are not here."""
        with self._lock:
            found = self._files.get((path, schema_version))
            if found is not None:
                self._files.move_to_end((path, schema_version))
            return found

    def put(self, path: str, schema_version: int, fingerprints: Fingerprints) -> None:
        """Keeps those of a file. Requires: they are sorted."""
        with self._lock:
            old = self._files.pop((path, schema_version), None)
            self._bytes += fingerprints.nbytes - (0 if old is None else old.nbytes)
            self._files[path, schema_version] = fingerprints
            while self._bytes > self.bytes_max:
                self._bytes -= self._files.popitem(last=False)[1].nbytes


def of_table(identities: pa.Table) -> Fingerprints | None:
    """Sorted fingerprints of rows of identity columns; None if a type has none."""
    columns = [
        rank(column) if pa.types.is_string(column.type) else column.combine_chunks()
        for column in identities.columns
    ]
    found = of_columns(columns)
    return None if found is None else np.sort(found)


def of_columns(columns: Sequence[Ranked | pa.Array]) -> Fingerprints | None:
    """One fingerprint for each row of identity columns: ranked text, and arrays of other types."""
    found: Fingerprints | None = None
    for column in columns:
        if isinstance(column, Ranked):
            assert column.values is not None
            codes, hashes = column.ranks, _text_hashes(column.values)
        elif _is_number(column.type) and not column.null_count:
            codes, hashes = column.view(_number(column.type)).to_numpy(), np.empty(0, np.int64)
        else:
            return None
        if found is None:
            found = np.zeros(len(codes), np.int64)
        kernels.mix(found, np.ascontiguousarray(codes, np.int64), hashes)
    return None if found is None else found & _POSITIVE


def matches(fingerprints: Fingerprints, order: npt.NDArray[np.int64], file: Fingerprints) -> Mask:
    """For each row whether the file may have it. `order` sorts the fingerprints."""
    out = np.zeros(len(fingerprints), np.uint8)
    kernels.mark_common(fingerprints, order, file, out)
    return out.view(np.bool_)


def _text_hashes(values: pa.Array) -> Fingerprints:
    """Of each value, and at the end that of NULL."""
    out = np.zeros(len(values) + 1, np.int64)
    out[-1] = 1
    if len(values):
        _, offsets, data = values.buffers()
        starts = np.frombuffer(offsets, np.int32)[values.offset :][: len(values) + 1]
        text = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
        kernels.hash_texts(starts, text, out)
    return out


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_timestamp(kind))


def _number(kind: pa.DataType) -> pa.DataType:
    return pa.int64() if pa.types.is_timestamp(kind) else kind
