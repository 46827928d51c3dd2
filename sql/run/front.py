"""Which part of the time to read first, for queries of the first moments (sql/plan/front.py).

Called by sql/run/scan.py: each `Narrow` is tried until the query gives as many rows as it may; the
last resort is to read everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.api import Extent, TimeRange
from engine.datatypes import UNITS_PER_SECOND
from sql.plan.front import MARK, Front
from sql.run.relation import moment
from sql.types import quote

ROWS_MIN = 50_000  # fewer stored rows are read at once
LIMIT_MAX = 10_000  # the rows of a part are counted before any is given out
_MARGIN = 4  # times as much time as rows spread evenly would take
_GROWTH = 16
_SPARE = 2  # times as much time as the part before tells to be enough
SEARCHED_ROWS = 16_384  # of a text: some pages: a word of 1 % is in them more than a hundred times
_ATTEMPTS_MAX = 4
_SHARE_MAX = 0.3  # a part as large as this may as well be everything


@dataclass(frozen=True, slots=True)
class Narrow:
    """Only a part of one scan's time, and of that only rows that `condition` is true of.

    `condition` is DuckDB text over the columns of `f`; empty if there is none.
    """

    placeholder: str
    times: TimeRange
    condition: str

    def within(self, wanted: TimeRange) -> TimeRange:
        """The part of a range that is in it."""
        starts = [at for at in (wanted.start, self.times.start) if at is not None]
        ends = [at for at in (wanted.end, self.times.end) if at is not None]
        return TimeRange(max(starts, default=None), min(ends, default=None))


def parts(
    front: Front,
    count: int,
    extent: Extent,
    wanted: TimeRange,
    time: tuple[str, str],
    given: Sequence[int] = (),
    least_rows: int = 0,
) -> Iterator[Narrow]:
    """Ever larger parts of the range `wanted` of a table with that extent.

    `count` is how many rows or groups are asked for, `time` the name and unit of the time index.
    `given` grows by how many each part gave. The first part has about
    `least_rows`, if that is more than it would have.
    """
    if extent.rows < ROWS_MIN or count > LIMIT_MAX:
        return
    first = extent.first if wanted.start is None else max(extent.first, wanted.start)
    last = extent.last if wanted.end is None else min(extent.last, wanted.end - 1)
    span = last - first + 1
    width = _width(front, count, extent, span, time[1])
    width = max(width, (extent.last - extent.first + 1) * least_rows // extent.rows)
    for _ in range(_ATTEMPTS_MAX):
        if width > span * _SHARE_MAX:
            return
        edge = last - width if front.descending else first + width
        yield _narrow(front, edge, *time)
        found = given[-1] if given else 0
        width *= min(_GROWTH, _SPARE * count // found + 1) if found else _GROWTH


def _width(front: Front, count: int, extent: Extent, span: int, unit: str) -> int:
    """The time that may hold enough rows or groups."""
    if front.bucket is None:
        length = extent.last - extent.first + 1
        return max(1, length * count * _MARGIN // extent.rows)
    if front.seconds is None:
        return max(1, span // 64)
    return max(1, int(front.seconds * UNITS_PER_SECOND[unit]) * (count + 1))


def _narrow(front: Front, edge: int, name: str, unit: str) -> Narrow:
    times = TimeRange(edge, None) if front.descending else TimeRange(None, edge)
    condition = ""
    if front.bucket is not None:  # the bucket of the edge may be cut: only those beyond are whole
        ours = front.bucket.replace(f'"{MARK}"', f"f.{quote(name)}")
        theirs = front.bucket.replace(f'"{MARK}"', moment(edge, unit))
        condition = f"{ours} {'>' if front.descending else '<'} {theirs}"
    return Narrow(front.placeholder, times, condition)
