"""The log: what was acknowledged comes back, torn tails are cut, damage is reported."""

from __future__ import annotations

import errno
import resource
from pathlib import Path
from threading import Event, Thread

import pytest
from fix_engine import FaultyLogFolder
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import DbError, ErrorKind
from engine.wal.format import RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, Kind
from engine.wal.reader import LogReader
from engine.wal.segments import LocalLogFolder, LogFolder
from engine.wal.writer import Log


def open_log(
    folder: LogFolder, *, segment_bytes: int = 1 << 20
) -> tuple[Log, list[tuple[Kind, int, bytes]]]:
    """Reads a log back and opens it for appending."""
    reader = LogReader(folder)
    records = [(r.kind, r.sequence, bytes(r.payload)) for r in reader.records()]
    log = Log(folder, reader.segments, reader.next_sequence, segment_bytes=segment_bytes, sync=True)
    return log, records


def append(log: Log, payload: bytes) -> int:
    return log.append(Kind.WRITE, [payload], lambda _: None)


def written(directory: Path, payloads: list[bytes]) -> Path:
    """A log of one segment that was never closed (as after a crash); its file."""
    log, _ = open_log(LocalLogFolder(directory))
    for payload in payloads:
        append(log, payload)
    file = directory / "00000000000000000001.wal"
    file.write_bytes(file.read_bytes().rstrip(b"\0"))  # without the room behind the last record
    return file


def payloads_of(directory: Path) -> list[bytes]:
    reader = LogReader(LocalLogFolder(directory))
    return [bytes(r.payload) for r in reader.records() if r.kind is Kind.WRITE]


def test_records_come_back_in_order_with_rising_sequences(tmp_path: Path) -> None:
    log, _ = open_log(LocalLogFolder(tmp_path))
    assert [append(log, bytes([i]) * i) for i in range(4)] == [1, 2, 3, 4]
    log.close()
    log, records = open_log(LocalLogFolder(tmp_path))
    assert records[:4] == [(Kind.WRITE, i + 1, bytes([i]) * i) for i in range(4)]
    assert records[4][0] is Kind.CLOSE
    assert append(log, b"more") == 6


def test_apply_sees_its_sequence_before_append_returns(tmp_path: Path) -> None:
    log, _ = open_log(LocalLogFolder(tmp_path))
    seen: list[int] = []
    assert log.append(Kind.WRITE, [b"x"], seen.append) == 1
    assert seen == [1]


@pytest.mark.parametrize("room", [0, 5000])
def test_a_torn_tail_is_cut_at_every_byte_of_the_last_record(tmp_path: Path, room: int) -> None:
    whole = written(tmp_path / "w", [b"first", b"second", b"third"]).read_bytes()
    start = len(whole) - RECORD_HEADER_BYTES - len(b"third")
    for length in range(start, len(whole)):
        directory = tmp_path / str(length)
        directory.mkdir()
        file = directory / "00000000000000000001.wal"
        file.write_bytes(whole[:length] + bytes(room))
        log, records = open_log(LocalLogFolder(directory))
        assert [payload for _, _, payload in records] == [b"first", b"second"]
        assert file.stat().st_size == start
        append(log, b"after")
        assert payloads_of(directory) == [b"first", b"second", b"after"]


def test_room_behind_the_records_of_a_killed_writer_is_no_record(tmp_path: Path) -> None:
    log, _ = open_log(LocalLogFolder(tmp_path), segment_bytes=8 << 20)
    payloads = [bytes([number]) * 5000 for number in range(1, 250)]  # more than one room
    for payload in payloads:
        append(log, payload)
    file = tmp_path / "00000000000000000001.wal"
    assert file.stat().st_size > log.size()
    assert payloads_of(tmp_path) == payloads
    assert file.stat().st_size == log.size()


def test_a_finished_segment_has_no_room(tmp_path: Path) -> None:
    log, _ = open_log(LocalLogFolder(tmp_path), segment_bytes=200)
    for _ in range(4):
        append(log, b"x" * 100)
    log.close()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) == log.size()


def test_a_pinned_segment_is_as_long_as_what_was_written(tmp_path: Path) -> None:
    folder = LocalLogFolder(tmp_path / "log")
    log, _ = open_log(folder)
    append(log, b"before")
    length = log.size()
    (pinned,) = folder.pin()
    append(log, b"meanwhile")  # goes where the copy would have found zeros
    copy = tmp_path / "copy"
    copy.mkdir()
    with pinned.file:
        (copy / pinned.name).write_bytes(pinned.file.read(pinned.length))
    assert pinned.length == length
    assert payloads_of(copy) == [b"before"]


def test_a_disk_without_room_for_zeros_still_takes_records(tmp_path: Path) -> None:
    log, _ = open_log(LocalLogFolder(tmp_path))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    acknowledged: list[bytes] = []

    def fill() -> None:
        while True:
            payload = b"%05d" % len(acknowledged) * 100
            append(log, payload)
            acknowledged.append(payload)

    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(DbError):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(acknowledged) == 18  # as many as fit into 10 000 bytes
    append(log, b"after")
    assert payloads_of(tmp_path) == [*acknowledged, b"after"]


def test_a_damaged_last_record_is_cut_like_a_torn_one(tmp_path: Path) -> None:
    file = written(tmp_path, [b"first", b"second"])
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert payloads_of(tmp_path) == [b"first"]


def test_a_bit_flip_before_the_last_record_is_reported_with_file_and_offset(tmp_path: Path) -> None:
    whole = written(tmp_path / "w", [b"first", b"second", b"third"]).read_bytes()
    last = len(whole) - RECORD_HEADER_BYTES - len(b"third")
    second = last - RECORD_HEADER_BYTES - len(b"second")
    for position in range(last):
        directory = tmp_path / str(position)
        directory.mkdir()
        data = bytearray(whole)
        data[position] ^= 0x10
        (directory / "00000000000000000001.wal").write_bytes(data)
        with pytest.raises(DbError) as caught:
            payloads_of(directory)
        assert caught.value.kind is ErrorKind.CORRUPTED
        assert "00000000000000000001.wal" in caught.value.message
        if position >= second:
            assert f"offset {second}:" in caught.value.message


def test_after_a_clean_close_the_last_record_is_protected_too(tmp_path: Path) -> None:
    log, _ = open_log(LocalLogFolder(tmp_path))
    append(log, b"only")
    log.close()
    file = tmp_path / "00000000000000000001.wal"
    data = bytearray(file.read_bytes())
    data[SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES] ^= 1
    file.write_bytes(data)
    with pytest.raises(DbError, match=f"offset {SEGMENT_HEADER_BYTES}"):
        payloads_of(tmp_path)


def test_segments_rotate_and_go_when_nobody_needs_them(tmp_path: Path) -> None:
    folder = LocalLogFolder(tmp_path)
    log, _ = open_log(folder, segment_bytes=200)
    sequences = [append(log, b"x" * 100) for _ in range(8)]
    assert len(folder.numbers()) > 3
    log.remove_before(sequences[4])
    assert payloads_of(tmp_path) == [b"x" * 100] * 4  # two records fit a segment
    log.remove_before(sequences[-1] + 1)
    assert len(folder.numbers()) == 1
    assert append(log, b"y") == sequences[-1] + 1


def test_a_missing_or_short_segment_in_the_middle_is_reported(tmp_path: Path) -> None:
    folder = LocalLogFolder(tmp_path)
    log, _ = open_log(folder, segment_bytes=200)
    for _ in range(8):
        append(log, b"x" * 100)
    middle = Path(folder.name(2))
    data = middle.read_bytes()
    middle.write_bytes(data[:-1])
    with pytest.raises(DbError, match="cut short"):
        payloads_of(tmp_path)
    middle.unlink()
    with pytest.raises(DbError, match="missing"):
        payloads_of(tmp_path)


def test_a_damaged_last_record_of_a_finished_segment_is_reported(tmp_path: Path) -> None:
    folder = LocalLogFolder(tmp_path)
    log, _ = open_log(folder, segment_bytes=200)
    for _ in range(4):
        append(log, b"x" * 100)
    first = Path(folder.name(1))
    data = bytearray(first.read_bytes())
    data[-1] ^= 1
    first.write_bytes(data)
    with pytest.raises(DbError) as caught:
        payloads_of(tmp_path)
    assert caught.value.kind is ErrorKind.CORRUPTED


def test_writers_that_wait_share_one_sync(tmp_path: Path) -> None:
    class SlowFolder(FaultyLogFolder):
        """The first sync waits until the test lets it go."""

        def step(self, name: str) -> None:
            super().step(name)
            if name == "sync" and self.calls.count("sync") == 1:
                syncing.set()
                assert go_on.wait(60)

    syncing, go_on = Event(), Event()
    folder = SlowFolder(LocalLogFolder(tmp_path))
    log, _ = open_log(folder)
    threads = [Thread(target=append, args=(log, bytes([i]))) for i in range(20)]
    threads[0].start()
    assert syncing.wait(60)
    for thread in threads[1:]:
        thread.start()
    while len(log._queue) < 19:
        threads[1].join(0.001)
    go_on.set()
    for thread in threads:
        thread.join()
    assert folder.calls.count("sync") == 2
    assert sorted(payloads_of(tmp_path)) == [bytes([i]) for i in range(20)]


def test_many_threads_each_get_their_own_sequence_applied_in_order(tmp_path: Path) -> None:
    log, _ = open_log(LocalLogFolder(tmp_path), segment_bytes=2000)
    applied: list[int] = []
    returned: list[int] = []

    def work(number: int) -> None:
        for i in range(25):
            payload = f"{number}:{i}".encode()
            returned.append(log.append(Kind.WRITE, [payload], applied.append))

    threads = [Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert applied == list(range(1, 201))
    assert sorted(returned) == applied
    assert len(set(payloads_of(tmp_path))) == 200


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    folder = FaultyLogFolder(LocalLogFolder(tmp_path), torn=True, code=errno.ENOSPC)
    log, _ = open_log(folder)
    append(log, b"before")
    folder.fail_at = len(folder.calls) + 1
    with pytest.raises(DbError) as caught:
        append(log, b"lost" * 100)
    assert caught.value.kind is ErrorKind.DISK_FULL
    append(log, b"after")
    assert folder.inner.numbers() == [1]
    assert payloads_of(tmp_path) == [b"before", b"after"]


def test_I3_after_a_failed_sync_a_new_segment_must_be_on_disk_first(tmp_path: Path) -> None:
    folder = FaultyLogFolder(LocalLogFolder(tmp_path))
    log, _ = open_log(folder)
    append(log, b"before")
    # The sync fails, the cut after it fails, and so does making the next segment, twice.
    folder.fail_at, folder.fail_count = len(folder.calls) + 2, 4
    for payload in (b"lost", b"refused"):
        with pytest.raises(DbError) as caught:
            append(log, payload)
        assert caught.value.kind is ErrorKind.STORAGE_UNAVAILABLE
    append(log, b"after")
    assert folder.calls[-7:] == ["sync", "truncate", *["create"] * 3, "write", "sync"]
    # `lost` is still in the first file, whole; the second one's header excludes it.
    assert b"lost" in Path(folder.name(1)).read_bytes()
    assert payloads_of(tmp_path) == [b"before", b"after"]


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("fail_count", [1, 2])
def test_every_failing_step_leaves_exactly_the_acknowledged_records(
    tmp_path: Path, fail_count: int, torn: bool
) -> None:
    step = 2  # the first call makes the first segment
    while True:
        directory = tmp_path / str(step)
        folder = FaultyLogFolder(
            LocalLogFolder(directory), fail_at=step, fail_count=fail_count, torn=torn
        )
        log, _ = open_log(folder, segment_bytes=150)
        acknowledged = []
        for number in range(8):
            payload = b"%d" % number * 30
            try:
                append(log, payload)
            except DbError:
                continue
            acknowledged.append(payload)
        assert payloads_of(directory) == acknowledged
        if len(folder.calls) < step:
            assert len(acknowledged) == 8
            return
        step += 1


def test_a_closed_log_refuses(tmp_path: Path) -> None:
    log, _ = open_log(LocalLogFolder(tmp_path))
    log.close()
    with pytest.raises(DbError) as caught:
        append(log, b"late")
    assert caught.value.kind is ErrorKind.SHUTTING_DOWN


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_bytes_end_in_records_or_a_corruption_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("log")
    whole = bytearray(written(directory, [b"a" * 40, b"b" * 40, b""]).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    (directory / "00000000000000000001.wal").write_bytes(whole)
    kinds = set()
    try:
        payloads_of(directory)
    except DbError as error:
        kinds.add(error.kind)
    assert kinds <= {ErrorKind.CORRUPTED}
