"""Remote write requests that bring nothing but samples of known series: read in one go.

Called by write.py before anything else looks at a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from engine import jit
from engine.jit import Bytes, UInt64s
from engine.series.raw import RawSeries
from server.http.prometheus.match_kernels import match
from server.http.scratch import SCRATCH
from sql.ingest.hashed import KnownSamples

_SAMPLE_BYTES_MIN = 16  # requests with less to a sample are read otherwise


def known_samples(
    data: Bytes, words: UInt64s, stops: Sequence[int], raw: RawSeries
) -> tuple[KnownSamples, list[int]] | None:
    """The samples of requests that end at `stops`, and how many each has.

    None if there is anything but samples of known series, or while the kernel is being compiled.

    `words`: the same memory as `data`, as `room_for` gives it.
    """
    if jit.is_pending(match):
        return None
    room = len(data) // _SAMPLE_BYTES_MIN + 1
    ids = SCRATCH.of("sample ids", room, np.int64)
    times = SCRATCH.of("sample times", room, np.int64)
    bits = SCRATCH.of("sample bits", room, np.uint64)

    def read(key: UInt64s, table: UInt64s) -> list[int]:
        counts, start = [0], 0
        for stop in stops:
            count = match(data, words, start, stop, key, table, counts[-1], ids, times, bits)
            counts.append(count)
            if count < 0:
                break
            start = stop
        return counts

    counts = raw.reading(read)
    last = counts[-1]
    if last <= 0:
        return None
    each = [after - before for before, after in pairwise(counts)]
    values = bits[:last].copy().view(np.float64)
    return KnownSamples(ids[:last].copy(), times[:last].copy(), values), each
