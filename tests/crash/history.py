"""What concurrent transactions appended and read, and what of it cannot be.

Lists are appended to and read, as in Kingsbury and Alvaro's Elle (https://arxiv.org/abs/2003.10554):
from the order of a list's values follows the order of the transactions that wrote them. Filled by
histories.py; it knows nothing of servers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

Key = tuple[str, int]  # table and key
LISTS, POINTS = "lists", "points"  # kept as texts of ordinary rows; as rows of time series


class Outcome(Enum):
    """How a transaction ended."""

    OK = "acknowledged"
    FAILED = "rolled back"
    UNSURE = "the connection broke"


@dataclass
class Read:
    """One statement's answer: each list it asked for. Times are of one clock for all."""

    began: int
    lists: Mapping[Key, Sequence[int]]
    own: frozenset[int]  # what its transaction had appended before


@dataclass
class Done:
    """One transaction; `one_moment` if all its reads of ordinary tables are of one snapshot.

    `serializable`: there is an order of all such that explains what each has seen.
    """

    one_moment: bool
    serializable: bool = False
    began: int = 0  # its first statement
    ended: int = 0
    outcome: Outcome = Outcome.UNSURE
    appended: list[tuple[Key, int]] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)


def problems(history: Sequence[Done], last: Mapping[Key, Sequence[int]]) -> Iterator[str]:
    """What must not be, given how the lists were at the very end."""
    writers = {value: done for done in history for _, value in done.appended}
    yield from _lost(history, last, writers)
    for done in history:
        for read in done.reads:
            yield from _unsound(read, last, writers)
            yield from _halves(read.lists, read.own, writers, "a statement")
            yield from _too_old(done, read, history)
        if done.one_moment:
            yield from _moved(done, writers)
    yield from _circles(history, last)


def _lost(
    history: Sequence[Done], last: Mapping[Key, Sequence[int]], writers: Mapping[int, Done]
) -> Iterator[str]:
    for key, values in last.items():
        if len(set(values)) < len(values):
            yield f"{key} holds a value twice: {values}"
        for value in values:
            if value not in writers or writers[value].outcome is Outcome.FAILED:
                yield f"{key} holds {value}, which was rolled back"
    for done in history:
        there = [value in last.get(key, ()) for key, value in done.appended]
        if done.outcome is Outcome.OK and not all(there):
            yield f"lost, though acknowledged: {done.appended}"
        if any(there) and not all(there):
            yield f"half of a transaction is there: {done.appended} {there}"


def _unsound(
    read: Read, last: Mapping[Key, Sequence[int]], writers: Mapping[int, Done]
) -> Iterator[str]:
    """Values that no committed state has had."""
    for key, values in read.lists.items():
        committed = [value for value in values if value not in read.own]
        for value in committed:
            if value not in writers or writers[value].outcome is Outcome.FAILED:
                yield f"{key}: {value} was read, and rolled back"
        if key[0] == LISTS and committed != list(last[key][: len(committed)]):
            yield f"{key} was {committed}, which is no beginning of {list(last[key])}"
        if not set(committed) <= set(last[key]):
            yield f"{key} was {committed}, not all of which stayed: {list(last[key])}"


def _halves(
    lists: Mapping[Key, Sequence[int]],
    own: frozenset[int],
    writers: Mapping[int, Done],
    who: str,
) -> Iterator[str]:
    """Transactions of which a part was seen, within one of the stores."""
    seen = {value for values in lists.values() for value in values} - own
    for writer in {id(writers[v]): writers[v] for v in seen if v in writers}.values():
        for table in (LISTS, POINTS):
            all_ = {v for key, v in writer.appended if key in lists and key[0] == table}
            if all_ & seen and not all_ <= seen:
                yield f"{who} saw {sorted(all_ & seen)} without {sorted(all_ - seen)}"


def _too_old(done: Done, read: Read, history: Sequence[Done]) -> Iterator[str]:
    """What had been acknowledged before is not seen.

    With its first change of an ordinary row a transaction keeps the moment it sees of such rows.
    """
    lists = {value for key, value in done.appended if key[0] == LISTS}
    moment = done.began if done.one_moment else min([read.began, *(lists & read.own)])
    for other in history:
        if other.outcome is not Outcome.OK:
            continue
        for key, value in other.appended:
            began = moment if key[0] == LISTS else read.began
            if other.ended < began and key in read.lists and value not in read.lists[key]:
                yield f"{key}: {value} was acknowledged at {other.ended}, not seen at {began}"


def _moved(done: Done, writers: Mapping[int, Done]) -> Iterator[str]:
    """Reads of ordinary tables in one snapshot that are not of one moment."""
    states: dict[Key, list[int]] = {}
    for read in done.reads:
        for key, values in read.lists.items():
            if key[0] == LISTS:
                state = [value for value in values if value not in read.own]
                if states.setdefault(key, state) != state:
                    yield f"{key} was {states[key]} and then {state} in one snapshot"
    yield from _halves(states, frozenset(), writers, "a snapshot")


def _circles(history: Sequence[Done], last: Mapping[Key, Sequence[int]]) -> Iterator[str]:
    """Serializable transactions that each come before the next, the last before the first."""
    every = [done for done in history if done.serializable and done.outcome is Outcome.OK]
    names = {value: at for at, done in enumerate(every) for _, value in done.appended}
    order: TopologicalSorter[int] = TopologicalSorter()
    for key, values in last.items():
        written = [(at, names[v]) for at, v in enumerate(values) if v in names]
        if key[0] == LISTS:
            for (_, earlier), (_, later) in pairwise(written):
                _comes(order, earlier, later)
        for reader, done in enumerate(every):
            for read in done.reads:
                if key in read.lists:
                    seen = set(read.lists[key]) - read.own
                    _place(order, reader, key, seen, values, written)
    try:
        order.prepare()
    except CycleError as error:
        circle = [(every[at].appended, every[at].reads) for at in error.args[1]]
        yield f"no order explains {circle}"


def _place(
    order: TopologicalSorter[int],
    reader: int,
    key: Key,
    seen: set[int],
    values: Sequence[int],
    written: Sequence[tuple[int, int]],
) -> None:
    """Puts a reader between the writers it has seen and those it has not."""
    if key[0] == LISTS:  # whose writers are in order already
        at = bisect_left(written, (len(seen), -1))
        before, after = written[max(0, at - 1) : at], written[at : at + 1]
    else:
        before = [one for one in written if values[one[0]] in seen]
        after = [one for one in written if values[one[0]] not in seen]
    for _, writer in before:
        _comes(order, writer, reader)
    for _, writer in after:
        _comes(order, reader, writer)


def _comes(order: TopologicalSorter[int], earlier: int, later: int) -> None:
    if earlier != later:
        order.add(later, earlier)
