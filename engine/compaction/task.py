"""What compaction may do: plain objects between the picker and those who carry it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.schema import RegionSchema
from engine.sst.file import FileMeta

_TEXT_BYTES = 8  # of a value in memory: a dictionary code and its share of the dictionary
_NESTED_BYTES = 64


@dataclass(frozen=True, slots=True)
class Run:
    """Files that are one sorted sequence of rows when read one after the other."""

    files: tuple[FileMeta, ...]

    @property
    def bytes(self) -> int:
        """Size of its files."""
        return sum(file.bytes for file in self.files)

    @property
    def time_max(self) -> int:
        """Its last time; it belongs to the window of that."""
        return max(file.time_max for file in self.files)

    @property
    def created_ms(self) -> int:
        """When its newest file was written."""
        return max(file.created_ms for file in self.files)

    def group_rows(self, row_group_rows: int) -> int:
        """Rows of a row group, about: what a merge holds of it in memory."""
        return max(
            -(-file.rows // file.row_groups) if file.row_groups else min(file.rows, row_group_rows)
            for file in self.files
        )


@dataclass(frozen=True, slots=True)
class Merge:
    """Rewrite these runs as one; a single run loses its dead and expired rows.

    Output is split by `window` (in the unit of the time index), where neighbouring windows with
    fewer than `sparse_rows` rows share a file. `settled`: the outputs are to stay, so that more
    time for less space pays.
    """

    runs: tuple[Run, ...]
    window: int
    sparse_rows: int
    reason: str
    settled: bool = False

    @property
    def files(self) -> tuple[FileMeta, ...]:
        """All inputs."""
        return tuple(file for run in self.runs for file in run.files)


@dataclass(frozen=True, slots=True)
class Drop:
    """Remove these files: every row of them is expired."""

    files: tuple[FileMeta, ...]


@dataclass(frozen=True, slots=True)
class Widen:
    """Use this compaction window from now on."""

    window_ms: int


Task = Merge | Drop | Widen


def runs(files: Iterable[FileMeta]) -> list[Run]:
    """The files as runs: those that one compaction wrote for one window belong together."""
    found: dict[tuple[bool, int], list[FileMeta]] = {}
    for file in files:
        key = (True, file.run) if file.run else (False, file.id)
        found.setdefault(key, []).append(file)
    return [Run(tuple(sorted(own, key=lambda file: file.id))) for own in found.values()]


def row_bytes(schema: RegionSchema) -> int:
    """Memory of a decoded row, about."""
    size = 6  # where it came from
    for field in schema.arrow:
        try:
            size += max(1, field.type.bit_width // 8)
        except ValueError:  # no fixed width
            size += _NESTED_BYTES if field.type.num_fields else _TEXT_BYTES
    return size
