"""Carries out a compaction task: merge without a lock, publish with it.

Called by the scheduler. While files are merged, flushes go on: they add files, mark rows of the
inputs dead and remove inputs without live rows. When the merge is published, rows that died
meanwhile are marked dead in the outputs by the same edit. It leaves nothing behind when it fails
or is abandoned, unless only a restart can tell whether its edit counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

import numpy as np

from engine.api import TimeRange
from engine.clock import Clock
from engine.compaction.merge import merged
from engine.compaction.output import OutputFile, Outputs, OutputTools
from engine.compaction.plan import Pass, passes
from engine.compaction.source import Input, Wanted, blocks, dictionaries
from engine.compaction.task import Drop, Merge, Task, Widen
from engine.errors import DbError
from engine.fulltext.backfill import build_missing
from engine.fulltext.build import TextColumn, build, wanted_columns
from engine.observe import EngineCounters
from engine.options import EngineOptions
from engine.purge import Purge
from engine.region import Region
from engine.sst import deletion
from engine.sst.deletion import Positions
from engine.sst.file import (
    DeletionVector,
    FileMeta,
    IndexFile,
    deletion_path,
    index_path,
    sst_path,
)
from engine.sst.vectors import VectorCache
from engine.store.store import ObjectStore
from engine.ttl import oldest_alive
from engine.version import Edit, Version


@dataclass(frozen=True, slots=True)
class CompactionTools:
    """What compaction works with; the same for all regions."""

    store: ObjectStore
    vectors: VectorCache
    purge: Purge
    clock: Clock
    options: EngineOptions
    counters: EngineCounters


class Pace(Protocol):
    """Told between two steps of a merge; it may wait there."""

    def step(self) -> None:
        """Raises `Abandoned` when the work is to end."""


class Abandoned(Exception):  # noqa: N818 - no error, an outcome
    """The task is not wanted any more, or the region has changed too much for it."""


def carry_out(region: Region, task: Task, tools: CompactionTools, pace: Pace) -> bool:
    """Does a task; False if it was abandoned, and nothing has changed then. Raises: DbError."""
    try:
        if isinstance(task, Widen):
            _publish_alone(region, Edit(window_ms=task.window_ms))
        elif isinstance(task, Drop):
            _drop(region, task, tools)
        else:
            _Job(region, task, tools, pace).run()
    except Abandoned:
        return False
    return True


def _publish_alone(region: Region, edit: Edit) -> None:
    with region.maintenance:
        _check(region)
        region.publish(edit)


def _drop(region: Region, task: Drop, tools: CompactionTools) -> None:
    """Removes files of which all rows are expired, if they still are."""
    with region.maintenance:
        _check(region)
        version = region.version
        oldest = oldest_alive(version.schema, version.options, tools.clock.now_ms())
        wanted = {file.id for file in task.files}
        gone = [
            file
            for file in version.files
            if file.id in wanted and oldest is not None and file.time_max < oldest
        ]
        if not gone:
            raise Abandoned
        region.publish(Edit(removed=tuple(file.id for file in gone)))
    size = sum(file.bytes for file in gone)
    tools.counters.expired(files=len(gone), rows=sum(f.live_rows for f in gone), size=size)


def _check(region: Region) -> None:
    if region.is_dropped or region.is_held:
        raise Abandoned


class _Job:
    """One merge.

    I1. Until the edit is published the outputs are pinned, so that nobody takes them for orphans.
    I2. Outputs are removed after a failure only once it is certain that no edit names them.
    """

    def __init__(self, region: Region, task: Merge, tools: CompactionTools, pace: Pace) -> None:
        self._region = region
        self._task = task
        self._tools = tools
        self._pace = pace
        self._made: list[str] = []  # paths that are ours until the edit is published
        self._inputs: list[Input] = []
        self._schema = region.version.schema
        self._texts: dict[str, TextColumn] = {}
        self._indexes: dict[int, IndexFile] = {}  # of the outputs, by file

    def run(self) -> None:
        """Raises: Abandoned, DbError."""
        started = perf_counter()
        _check(self._region)
        state, pins = self._region.pinned_state(TimeRange())
        try:
            runs = self._numbered(state.version)
            outputs = self._merge(state.version, runs)
            with self._region.maintenance:
                written = self._publish(outputs)
        finally:
            self._remove_unneeded()
            self._tools.purge.unpin(self._made)
            self._region.unpin(pins)
        now = wanted_columns(self._region.version.options, self._schema)
        if now != self._texts and not self._region.is_dropped:
            build_missing(self._region, self._tools.store, self._tools.purge)  # altered meanwhile
        self._tools.counters.compacted(
            perf_counter() - started,
            files_read=len(self._inputs),
            read=sum(file.meta.bytes for file in self._inputs),
            files_written=len(written),
            written=sum(file.bytes for file in written),
        )

    def _numbered(self, version: Version) -> list[list[Input]]:
        """The runs as inputs, with what is dead in them now."""
        now = {file.id: file for file in version.files}
        runs = []
        for run in self._task.runs:
            own = []
            for file in run.files:
                if file.id not in now:
                    raise Abandoned
                own.append(self._input(now[file.id], version))
            runs.append(own)
        return runs

    def _input(self, file: FileMeta, version: Version) -> Input:
        schema = version.schema_of(file.schema_version)
        found = Input(len(self._inputs), file, schema, self._tools.vectors.positions(file))
        self._inputs.append(found)
        return found

    def _merge(self, version: Version, runs: Sequence[Sequence[Input]]) -> list[OutputFile]:
        """Writes the outputs, in the schema the region has at the start."""
        tools, task, schema = self._tools, self._task, version.schema
        self._schema = schema
        self._texts = wanted_columns(version.options, schema)
        oldest = oldest_alive(schema, version.options, tools.clock.now_ms())
        todo = passes(self._inputs, task.window, task.sparse_rows, oldest, schema, tools.store)
        text = dictionaries(tools.store, max(self._inputs, key=lambda i: i.meta.rows), schema)
        output = OutputTools(
            tools.store,
            schema,
            version.options.row_group_rows or tools.options.row_group_rows,
            version.options.max_output_bytes,
            task.settled,
            version.options.indexed,
            bool(self._texts),
            self._new_file,
        )
        files: list[OutputFile] = []
        for pass_ in todo:
            wanted = Wanted(schema, text, pass_.time_range)
            files += self._one_pass(runs, wanted, pass_, output)
        return files

    def _one_pass(
        self, runs: Sequence[Sequence[Input]], wanted: Wanted, pass_: Pass, output: OutputTools
    ) -> list[OutputFile]:
        with ExitStack() as stack:
            streams = [
                stack.enter_context(closing(blocks(self._tools.store, run, wanted))) for run in runs
            ]
            outputs = stack.enter_context(Outputs(pass_, output))
            for rows in merged(streams, wanted.schema):
                outputs.add(rows)
                self._pace.step()
            files = outputs.finish()
        for file in files:
            self._index(file)
        return files

    def _index(self, output: OutputFile) -> None:
        """Makes the text index of an output."""
        if not self._texts:
            return
        pending = self._meta(output)
        path = index_path(self._region.id, output.id)
        self._tools.purge.pin((path,))
        self._made.append(path)
        found = build(self._tools.store, path, pending, self._schema, self._texts)
        if found is not None:
            self._indexes[output.id] = found
        self._pace.step()

    def _new_file(self) -> tuple[int, str]:
        with self._region.maintenance:
            _check(self._region)
            id_ = self._region.take_file_id()
        path = sst_path(self._region.id, id_)
        self._tools.purge.pin((path,))
        self._made.append(path)
        return id_, path

    def _publish(self, outputs: Sequence[OutputFile]) -> list[FileMeta]:
        """Replaces the inputs by the outputs. Requires: maintenance is held."""
        _check(self._region)
        dead = self._died_meanwhile()
        added = [file for o in outputs if (file := self._described(o, dead)) is not None]
        here = {file.id for file in self._region.version.files}
        removed = tuple(i.meta.id for i in self._inputs if i.meta.id in here)
        self._region.publish(Edit(tuple(added), removed))
        return added

    def _died_meanwhile(self) -> dict[int, Positions]:
        """Rows of the inputs that flushes have marked dead since the start, by input number."""
        now = {file.id: file for file in self._region.version.files}
        found = {}
        for file in self._inputs:
            here = now.get(file.meta.id)
            if here is None:  # its last live rows have died
                dead: Positions = np.arange(file.meta.rows)
            elif here.deletion == file.meta.deletion:
                continue
            else:
                dead = self._tools.vectors.positions(here)
            found[file.number] = np.setdiff1d(dead, file.dead, assume_unique=True)
        return found

    def _described(self, output: OutputFile, dead: dict[int, Positions]) -> FileMeta | None:
        """What the manifest says of an output; None if all of its rows have died."""
        positions = output.origins.positions(dead)
        if len(positions) == output.written.rows:
            return None
        file = replace(self._meta(output), index=self._indexes.get(output.id))
        return replace(file, deletion=self._vector(file.id, positions) if len(positions) else None)

    def _meta(self, output: OutputFile) -> FileMeta:
        """An output without its deletion vector and index."""
        written = output.written
        return FileMeta(
            id=output.id,
            path=output.path,
            rows=written.rows,
            bytes=written.bytes,
            time_min=written.time_min,
            time_max=written.time_max,
            first_sequence=min(file.meta.first_sequence for file in self._inputs),
            last_sequence=max(file.meta.last_sequence for file in self._inputs),
            created_ms=self._tools.clock.now_ms(),
            key_min=written.key_min,
            key_max=written.key_max,
            schema_version=self._schema.version,
            level=1,
            row_groups=written.row_groups,
            run=output.run,
        )

    def _vector(self, file_id: int, dead: Positions) -> DeletionVector:
        path = deletion_path(self._region.id, file_id, self._region.take_file_id())
        self._tools.purge.pin((path,))
        self._made.append(path)
        self._tools.store.put(path, deletion.encode(dead))
        return DeletionVector(path, len(dead))

    def _remove_unneeded(self) -> None:
        """Removes what was made in vain: all of it, or files without a live row (I2)."""
        with suppress(DbError), self._region.maintenance:  # an orphan is found later
            if not self._region.is_dropped:
                self._region.settle()
            needed = self._region.version.paths()
            for path in self._made:
                if path not in needed:
                    self._tools.store.delete(path)
