"""The files that a merge writes: lanes of row groups, each file with the origins of its rows.

Called by the job (run.py), which owns ids, paths and what becomes of the files. Nothing here is
part of a region before an edit names it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from engine.compaction.origins import FILE, ROW, Origins
from engine.compaction.plan import Pass
from engine.compaction.source import times_of
from engine.schema import RegionSchema
from engine.sst.writer import SstWriter, Written
from engine.store.local import translated
from engine.store.store import ObjectStore


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A finished file. Files with one `run` are one sorted sequence, in order of their ids."""

    id: int
    path: str
    run: int
    written: Written
    origins: Origins


@dataclass(frozen=True, slots=True)
class OutputTools:
    """How files are to be written. `name` gives the id and path of a new file."""

    store: ObjectStore
    schema: RegionSchema
    row_group_rows: int
    max_bytes: int
    settled: bool
    indexed: frozenset[str]
    paged: bool
    name: Callable[[], tuple[int, str]]


class Outputs:
    """What one pass writes. Use it as a context: an error removes what is not finished."""

    def __init__(self, pass_: Pass, tools: OutputTools) -> None:
        self._pass = pass_
        self._tools = tools
        rows = pass_.row_group_rows(tools.row_group_rows)
        self._lanes = [_Lane(rows, tools) for _ in range(pass_.lane_count)]

    def __enter__(self) -> Outputs:
        return self

    def __exit__(self, *error: object) -> None:
        for lane in self._lanes:
            lane.abandon()

    def add(self, rows: pa.Table) -> None:
        """The next rows in order, with their origins. Raises: DbError."""
        split = self._pass.split(times_of(rows, self._tools.schema))
        for lane, positions in split:
            own = rows if positions is None else rows.take(pa.array(positions))
            self._lanes[lane].add(own)

    def finish(self) -> list[OutputFile]:
        """Ends all files, which are durable then. Raises: DbError."""
        return [file for lane in self._lanes for file in lane.finish()]


class _Lane:
    """One sorted sequence of files, one of them open."""

    def __init__(self, row_group_rows: int, tools: OutputTools) -> None:
        self._row_group_rows = row_group_rows
        self._tools = tools
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._file: _OpenFile | None = None
        self._done: list[OutputFile] = []
        self._run = 0

    def add(self, rows: pa.Table) -> None:
        """Takes rows; whole row groups are written at once."""
        self._pending.append(rows)
        self._pending_rows += rows.num_rows
        while self._pending_rows >= self._row_group_rows:
            self._write(self._row_group_rows)

    def finish(self) -> list[OutputFile]:
        """Writes what waits and ends the last file."""
        if self._pending_rows:
            self._write(self._pending_rows)
        self._close()
        return self._done

    def abandon(self) -> None:
        """Removes a file that is not finished."""
        if self._file is not None:
            self._file.abandon()
            self._file = None

    def _write(self, count: int) -> None:
        waiting = pa.concat_tables(self._pending)
        rows, rest = waiting.slice(0, count), waiting.slice(count)
        self._pending = [rest] if rest.num_rows else []
        self._pending_rows -= count
        if self._file is None:
            id_, path = self._tools.name()
            self._run = self._run or id_
            self._file = _OpenFile(id_, path, self._row_group_rows, self._tools)
        self._file.add(_tidied(rows))
        if self._file.bytes >= self._tools.max_bytes:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._done.append(self._file.finish(self._run))
            self._file = None


class _OpenFile:
    """One file on its way."""

    def __init__(self, id_: int, path: str, row_group_rows: int, tools: OutputTools) -> None:
        self.id = id_
        self.path = path
        self._origins = Origins()
        self._columns = tools.schema.arrow.names
        self._object = ExitStack()
        self._temporary = self._object.enter_context(tools.store.create(path))
        self._writer = SstWriter(
            *(self._temporary, tools.schema, row_group_rows),
            settled=tools.settled,
            indexed=tools.indexed,
            paged=tools.paged,
        )

    @property
    def bytes(self) -> int:
        """What is on disk so far."""
        with suppress(FileNotFoundError):  # the writer opens it with its first row group
            return os.path.getsize(self._temporary)
        return 0

    def add(self, rows: pa.Table) -> None:
        """One row group."""
        self._origins.add(rows)
        with translated(f"write {self.path}"):
            self._writer.add(rows.select(self._columns))

    def finish(self, run: int) -> OutputFile:
        """Makes the file durable."""
        with translated(f"write {self.path}"):
            self._writer.__exit__(None, None, None)
            written = self._writer.written()
        self._object.close()
        return OutputFile(self.id, self.path, run, written, self._origins)

    def abandon(self) -> None:
        """Removes it. Requires: an exception is being handled."""
        error = sys.exc_info()
        self._writer.__exit__(*error)
        self._object.__exit__(*error)


def _tidied(rows: pa.Table) -> pa.Table:
    """The rows in one piece, with dictionaries of only what they use."""
    rows = rows.combine_chunks()
    for index, field in enumerate(rows.schema):
        if pa.types.is_dictionary(field.type) and field.name not in (FILE, ROW):
            column = rows.column(index).chunk(0)
            used = np.zeros(len(column.dictionary) + 1, np.bool_)
            codes = column.indices.fill_null(len(column.dictionary)).to_numpy()
            used[codes] = True
            used[-1] = False
            if not used[:-1].all():
                rows = rows.set_column(index, field, _shrunk(column, codes, used))
    return rows


def _shrunk(column: pa.DictionaryArray, codes: np.ndarray, used: np.ndarray) -> pa.Array:
    """A dictionary array without the values that no row has."""
    numbers = (np.cumsum(used) - 1).astype(np.int32)
    is_null = codes == len(column.dictionary)
    indices = pa.array(numbers[codes], pa.int32(), mask=is_null if is_null.any() else None)
    values = column.dictionary.take(pa.array(np.flatnonzero(used[:-1])))
    return pa.DictionaryArray.from_arrays(indices, values)
