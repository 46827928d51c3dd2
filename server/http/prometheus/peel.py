"""Known series are taken off a remote write request before anything reads its labels.

Senders repeat the labels of a series byte for byte: a hash of them tells the series. What is left
(new series; those with histograms or exemplars; metadata) is a request again, for write_request.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.jit import Bytes
from server.http.prometheus import peel_kernels as kernels
from server.http.prometheus import write_kernels
from server.http.prometheus.write_request import Ints, check

_BYTES_PER_SERIES = 64  # few have less; where there are more, arrays are made larger
_BYTES_PER_SAMPLE = 16


@dataclass(frozen=True)
class Peelable:
    """A request in which the series were found. Sample k is of series `sample_series[k]`.

    Attributes:
        spans: per series, start and end of all of it.
        labels: per series, start and end of its labels.
        plain: which series have nothing but labels and samples.
        counts: of each request the number of its samples.
    """

    data: Bytes
    spans: Ints
    labels: Ints
    plain: NDArray[np.bool_]
    sample_series: Ints
    sample_times: Ints
    sample_values: NDArray[np.float64]
    counts: list[int]

    def without(self, known: NDArray[np.bool_]) -> bytes:
        """The request less these series."""
        if not known.any():
            return self.data.tobytes()
        gone = self.spans[known]
        starts = np.append(0, gone[:, 1])
        stops = np.append(gone[:, 0], len(self.data))
        kept = np.column_stack((starts, stops))
        out = np.empty(int((stops - starts).sum()), np.uint8)
        write_kernels.gather(self.data, np.ascontiguousarray(kept).ravel(), out)
        return out.tobytes()


def peelable(data: bytes | Bytes, stops: Sequence[int] | None = None) -> Peelable:
    """Finds the series of a request, or of several that end at `stops`.

    Raises: DbError INVALID_ARGUMENT for a malformed message.
    """
    array = np.frombuffer(data, np.uint8)
    stops = stops or (len(array),)
    room, sample_room = len(data) // _BYTES_PER_SERIES + 1, len(data) // _BYTES_PER_SAMPLE + 1
    while True:
        counts = np.zeros(kernels.COUNTS, np.int64)
        series = np.empty(kernels.WIDTH * room, np.int64)
        sample_series, bits = np.empty(sample_room, np.int64), np.empty(2 * sample_room, np.uint64)
        samples_at, start, code = [0], 0, 0
        for stop in stops:
            code = kernels.read_plain(array[:stop], start, counts, series, sample_series, bits)
            if code:
                break
            start = stop
            samples_at.append(int(counts[kernels.SAMPLES]))
        if code != kernels.NO_ROOM:
            break
        room, sample_room = 8 * room, 8 * sample_room
    check(code)
    count, samples = counts.tolist()
    found = series.reshape(-1, kernels.WIDTH)[:count]
    bits = bits[: 2 * samples]
    return Peelable(
        array,
        found[:, kernels.START : kernels.STOP + 1],
        found[:, kernels.LABELS_START : kernels.LABELS_STOP + 1],
        found[:, kernels.PLAIN] == 1,
        sample_series[:samples],
        bits[1::2].view(np.int64),
        bits[0::2].view(np.float64),
        np.diff(samples_at).tolist(),
    )
