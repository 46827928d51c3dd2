"""The tokens that texts holding some piece of text must have.

Called by `engine.fulltext.search`. The same kernel takes apart what is stored and what is asked.
"""

from __future__ import annotations

import numpy as np

from engine.api import Needle
from engine.fulltext import kernels


def hashes(needle: Needle, options: int) -> list[int] | None:
    """Hashes of the tokens that every text with the needle has; None if none are certain.

    `options` are those the texts were taken apart with. A run of letters and digits at an end of
    the needle may be part of a longer one in the text, unless the needle says otherwise.
    """
    if options & kernels.WHOLE and not needle.whole:
        return None
    data = np.frombuffer(needle.text.encode("utf-8", "surrogatepass"), np.uint8)
    if options & kernels.WHOLE:
        return [value_hash(needle.text)]
    if needle.folded and not options & kernels.FOLD:
        return None
    room = 2 * len(data)
    starts, stops = np.empty(room, np.int64), np.empty(room, np.int64)
    found = np.empty(room, np.uint64)
    count = kernels.query_tokens(data, options, starts, stops, found)
    certain = []
    for start, stop, hash_ in zip(starts[:count], stops[:count], found[:count], strict=True):
        if data[start] >= 128:
            is_certain = not needle.folded
        else:
            is_certain = (start > 0 or needle.starts or needle.whole) and (
                stop < len(data) or needle.ends or needle.whole
            )
        if is_certain:
            certain.append(int(hash_))
    return certain or None


def value_hash(text: str) -> int:
    """The hash of a whole value."""
    data = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    offsets = np.array([0, len(data)], np.int32)
    entries, counts = np.empty(len(data) + 2, np.uint64), np.empty(4, np.int64)
    nothing = np.empty(0, np.uint8)
    kernels.row_entries(
        offsets, data, nothing, 0, 10, kernels.WHOLE, entries, np.empty(1, np.uint64), counts
    )
    return int(entries[0]) >> 32
