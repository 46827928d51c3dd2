"""Where the rows of a merged file came from, so that rows that die meanwhile die in it too.

A merge runs while flushes go on marking rows of its inputs dead. When it is published, those marks
move to the outputs by position: that is exact whatever the rows look like. For each row group
written, the number of the input and the row within it are kept compressed: inputs interleave in
long stretches, so it is mostly far below a byte per row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.sst.deletion import Positions

# Names of the columns that carry the origin of each row through a merge; no table can have them.
FILE, ROW = "\0file", "\0row"
FILE_TYPE, ROW_TYPE = pa.uint16(), pa.uint32()
_CODEC = pa.Codec("zstd", compression_level=1)


@dataclass(frozen=True, slots=True)
class _Packed:
    """Numbers as compressed bytes."""

    data: bytes
    size: int
    kind: str

    @classmethod
    def of(cls, numbers: npt.NDArray[np.generic]) -> _Packed:
        raw = np.ascontiguousarray(numbers).tobytes()
        return cls(_CODEC.compress(raw, asbytes=True), len(raw), numbers.dtype.str)

    def numbers(self) -> npt.NDArray[np.generic]:
        raw = _CODEC.decompress(self.data, self.size, asbytes=True) if self.size else b""
        return np.frombuffer(raw, self.kind)


class Origins:
    """The origins of one output file's rows, in their order."""

    def __init__(self) -> None:
        self._groups: list[tuple[int, _Packed, dict[int, _Packed]]] = []
        self._rows = 0

    def add(self, rows: pa.Table) -> None:
        """The next rows; the table has the columns `FILE` and `ROW`."""
        files = rows.column(FILE).to_numpy()
        numbers = rows.column(ROW).to_numpy()
        steps = {}
        for file in np.unique(files).tolist():
            own = numbers[files == file]
            # Rows of one input keep their order, so the steps are small, and mostly 1.
            steps[file] = _Packed.of(np.diff(own, prepend=np.uint32(0)))
        self._groups.append((self._rows, _Packed.of(files), steps))
        self._rows += rows.num_rows

    def positions(self, dead: Mapping[int, Positions]) -> Positions:
        """Positions in the output of dead input rows (ascending, by input number), ascending."""
        found = [np.empty(0, np.int64)]
        for start, packed, steps in self._groups:
            wanted = [file for file in steps if len(dead.get(file, ()))]
            if not wanted:
                continue
            files = packed.numbers()
            for file in wanted:
                own = np.cumsum(steps[file].numbers(), dtype=np.int64)
                places = np.flatnonzero(files == file)
                found.append(start + places[_are_in(own, dead[file])])
        return np.sort(np.concatenate(found))


def _are_in(values: Positions, wanted: Positions) -> npt.NDArray[np.bool_]:
    """For each value, whether it is in the sorted array, which is not empty."""
    at = np.minimum(np.searchsorted(wanted, values), len(wanted) - 1)
    hit: npt.NDArray[np.bool_] = wanted[at] == values
    return hit
