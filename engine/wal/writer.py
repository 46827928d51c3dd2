"""The log's writer: one record per write call, one sync for all who wait (group commit).

Called by `engine.write` from any number of threads. The thread that finds nobody writing becomes
the leader: it writes and syncs everything that is queued, applies it to the memtables in order of
sequence, wakes the others, and hands the lead to the first one still waiting.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from zlib import crc32

from engine.errors import DbError, ErrorKind
from engine.store.local import storage_error
from engine.wal.format import (
    PAYLOAD_BYTES_MAX,
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    Kind,
    RecordHeader,
    SegmentHeader,
)
from engine.wal.reader import SegmentInfo
from engine.wal.segments import Buffers, LogFile, LogFolder


class _Entry:
    """One record on its way; `gate` is held until its fate is known or it is to lead."""

    __slots__ = ("apply", "crc", "error", "gate", "kind", "leads", "length", "payload", "sequence")

    def __init__(self, kind: Kind, payload: Buffers, apply: Callable[[int], None]) -> None:
        self.kind = kind
        self.payload = payload
        self.apply = apply
        self.length = sum(len(buffer) for buffer in payload)
        self.crc = 0
        for buffer in payload:
            self.crc = crc32(buffer, self.crc)
        self.sequence = 0
        self.error: BaseException | None = None
        self.leads = False
        self.gate = Lock()
        self.gate.acquire()


class Log:
    """Appends records to segments.

    I1. A record is applied, and its writer told so, only after a sync that covers it succeeded.
    I2. Records are applied in order of their sequences; a sequence is never given twice.
    I3. A failed write leaves nothing that counts. The file is cut back to the last good length; if
        the cut or a sync fails, the kernel's pages can no longer be trusted: the segment is sealed
        and nothing is accepted until a new one is on the disk, whose header says how much of the
        sealed one counts. (If cut and new segment both fail and the process ends before a later
        attempt succeeds, the records of the failed sync may come back at recovery: no program can
        take back bytes on a disk that accepts no change.)
    """

    def __init__(
        self,
        folder: LogFolder,
        segments: list[SegmentInfo],
        next_sequence: int,
        *,
        segment_bytes: int,
        sync: bool,
    ) -> None:
        """Starts a new segment after those that were read. Raises: DbError."""
        # Constant after construction.
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._sync = sync
        # Guarded by _lock.
        self._lock = Lock()
        self._queue: list[_Entry] = []
        self._led = False
        self._closed = False
        self._sealed = list(segments)
        self._first_sequence = next_sequence  # of the active segment
        # Held while segments are removed, so that they go oldest first.
        self._removing = Lock()
        # Owned by the leader.
        self._file: LogFile | None = None
        self._number = segments[-1].number if segments else 0
        self._offset = 0
        self._next_sequence = next_sequence
        self._applied = next_sequence - 1
        try:
            self._open_segment()
        except OSError as error:
            raise storage_error(error, "start a log file") from error

    def append(self, kind: Kind, payload: Buffers, apply: Callable[[int], None]) -> int:
        """Writes one record and returns its sequence when it is durable and applied.

        `apply` runs under no lock of the log, on any thread, one at a time in order of sequence.
        Raises: DbError DISK_FULL, STORAGE_UNAVAILABLE, LIMIT_EXCEEDED, SHUTTING_DOWN.
        """
        entry = _Entry(kind, payload, apply)
        if entry.length > PAYLOAD_BYTES_MAX:
            raise DbError(ErrorKind.LIMIT_EXCEEDED, "a single write is limited to 4 GiB")
        if not self._enqueue(entry):
            entry.gate.acquire()
        if not entry.error and not entry.sequence:
            assert entry.leads
            self._lead()
        if entry.error is not None:
            raise entry.error
        return entry.sequence

    @property
    def applied_sequence(self) -> int:
        """Every record up to this one is applied."""
        return self._applied

    @property
    def last_sequence(self) -> int:
        """The last sequence given to a record."""
        return self._next_sequence - 1

    def remove_before(self, sequence: int) -> None:
        """Removes the segments that hold no record from `sequence` on. Raises: DbError."""
        with self._removing:
            while 0 < self.oldest_kept_from() <= sequence:
                self._folder.remove(self._sealed[0].number)
                with self._lock:
                    del self._sealed[0]

    def oldest_kept_from(self) -> int:
        """Everything below this sequence is done with: then the oldest segment can go.

        Returns: 0 when only the active segment is there.
        """
        with self._lock:
            if not self._sealed:
                return 0
            return self._sealed[1].first_sequence if len(self._sealed) > 1 else self._first_sequence

    def size(self) -> int:
        """Bytes of all segments."""
        with self._lock:
            return sum(segment.length for segment in self._sealed) + self._offset

    def close(self) -> None:
        """Writes the closing record. Later appends raise SHUTTING_DOWN."""
        try:
            self.append(Kind.CLOSE, [], lambda _: None)
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _enqueue(self, entry: _Entry) -> bool:
        """Queues the entry; True if its thread shall lead."""
        with self._lock:
            if self._closed:
                raise DbError(ErrorKind.SHUTTING_DOWN, "the log is closed")
            self._closed = entry.kind is Kind.CLOSE
            self._queue.append(entry)
            if self._led:
                return False
            self._led = entry.leads = True
            return True

    def _lead(self) -> None:
        """Commits what is queued, then passes the lead on."""
        with self._lock:
            group, self._queue = self._queue, []
        try:
            self._commit(group)
        except OSError as error:
            _fail(group, storage_error(error, "write the log"))
        except BaseException as error:
            _fail(group, error)
            raise
        finally:
            with self._lock:
                heir = self._queue[0] if self._queue else None
                self._led = heir is not None
            for entry in group:
                entry.gate.release()
            if heir is not None:
                heir.leads = True
                heir.gate.release()

    def _commit(self, group: list[_Entry]) -> None:
        """Write, sync, apply. Raises: OSError, and then nothing of the group counts (I3)."""
        if self._file is None or self._offset >= self._segment_bytes:
            self._open_segment()
        assert self._file is not None
        end = self._write(self._file, group)
        try:
            if self._sync:
                self._file.sync()
        except OSError:
            self._cut_back()
            self._give_up_segment()
            raise
        self._offset = end
        for entry in group:
            try:
                entry.apply(entry.sequence)
            except Exception as error:  # noqa: BLE001 - belongs to that entry's writer alone
                entry.error = error
            self._applied = entry.sequence

    def _write(self, file: LogFile, group: list[_Entry]) -> int:
        """Writes the group's records; returns the new end of the segment."""
        buffers: list[bytes] = []
        sequence, end = self._next_sequence, self._offset
        self._next_sequence += len(group)  # I2: also when the write fails
        durable = self._offset if self._sync else 0
        for entry in group:
            header = RecordHeader(entry.kind, entry.length, entry.crc, sequence, durable)
            buffers += (header.pack(), *entry.payload)
            entry.sequence = sequence
            sequence += 1
            end += RECORD_HEADER_BYTES + entry.length
        try:
            file.write_at(self._offset, buffers)
        except OSError:
            if not self._cut_back():
                self._give_up_segment()
            raise
        return end

    def _cut_back(self) -> bool:
        """Removes what a failed write left behind the last good byte; False if that fails too."""
        assert self._file is not None
        try:
            self._file.truncate(self._offset)
        except OSError:
            return False  # the caller seals the segment: the next header excludes these bytes
        return True

    def _seal(self) -> None:
        """Ends the segment where its last good record ends."""
        assert self._file is not None
        with suppress(OSError):  # a descriptor that fails to close is closed all the same
            self._file.close()
        with self._lock:
            self._sealed.append(SegmentInfo(self._number, self._first_sequence, self._offset))
            self._first_sequence = self._next_sequence
        self._file = None
        self._offset = 0

    def _give_up_segment(self) -> None:
        """Seals a segment that failed and starts another one at once, if the disk lets us (I3)."""
        self._seal()
        with suppress(OSError):  # the next commit tries again before it accepts anything
            self._open_segment()

    def _open_segment(self) -> None:
        """Starts the next segment. Raises: OSError, and the state is as before."""
        if self._file is not None and not self._sync:
            self._file.sync()  # a sealed segment must be whole, whatever the mode
        previous_length = self._offset
        if self._file is None and self._sealed:
            previous_length = self._sealed[-1].length
        header = SegmentHeader(self._number + 1, self._next_sequence, previous_length)
        file = self._folder.create(header.number, header.pack())
        if self._file is not None:
            self._seal()
        with self._lock:
            self._first_sequence = header.first_sequence
        self._file = file
        self._number = header.number
        self._offset = SEGMENT_HEADER_BYTES


def _fail(group: list[_Entry], error: BaseException) -> None:
    for entry in group:
        entry.sequence = 0
        entry.error = error
