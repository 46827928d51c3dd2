"""Keeps transactions apart whose foreign keys meet: one adds a child, the other takes its parent.

DuckDB's transactions each see a snapshot of their own, so neither would see what the other does.
Here every open transaction says which keys its child rows want (`wanted`), which parent keys it has
taken away (`gone`) and which it has brought that are to be unique (`added`); who comes second, or
has a snapshot from before the other's commit, fails with SERIALIZATION_FAILURE, and
sql/run/waiting.py tries again when the other has ended.

I1. Whoever checks a key has said so before it looks, and takes it back only by its end.
I2. What a committed transaction said is remembered as long as one is open that began before it; of
    too many the oldest are forgotten, and who would have to know them fails.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock

import pyarrow as pa

from engine.errors import DbError, ErrorKind


@dataclass(frozen=True)
class Keys:
    """Key values of one foreign key, columns `k0`, `k1`, … of these DuckDB types.

    `rows` of None stands for every key there may be.
    """

    types: tuple[str, ...]
    rows: pa.Table | None


Side = tuple[str, int]  # rows COME to the table of that id, or they GO
COME, GO = "come", "go"
_PAST_MAX = 4096  # transactions whose keys are remembered
Meet = Callable[[Keys, Keys], bool]  # whether two have a key in common


@dataclass(eq=False)
class Claims:
    """What one transaction has said. Changed by the guard alone."""

    started: int = -1  # how many had ended when its snapshot was taken; -1: it has none
    touched: set[Side] = field(default_factory=set)  # what it wrote
    fenced: set[Side] = field(default_factory=set)  # what it makes a key of
    wanted: dict[int, list[Keys]] = field(default_factory=dict)  # by the key's id
    gone: dict[int, list[Keys]] = field(default_factory=dict)
    added: dict[int, list[Keys]] = field(default_factory=dict)  # to a UNIQUE constraint


class KeyGuard:
    """The claims of all open transactions, and of those that have committed lately."""

    def __init__(self) -> None:
        # Guarded by _lock.
        self._lock = Lock()
        self._ends = 0
        self._open: set[Claims] = set()
        self._past: deque[tuple[int, Claims]] = deque()  # those that said something of keys
        self._forgotten = 0  # the last of those that are not remembered any more
        self._touched: dict[Side, int] = {}  # by what: the last that did
        self._fenced: dict[Side, int] = {}

    def begin(self, claims: Claims) -> None:
        """Must be called before the transaction's snapshot is taken, or is taken anew."""
        with self._lock:
            claims.started = self._ends
            self._open.add(claims)

    def end(self, claims: Claims, *, committed: bool) -> None:
        """Must be called after what was committed is visible to later snapshots."""
        with self._lock:
            self._open.discard(claims)
            if committed:
                self._remember(claims)
            oldest = min((one.started for one in self._open), default=self._ends)
            while self._past and self._past[0][0] <= oldest:
                self._past.popleft()

    def _remember(self, claims: Claims) -> None:
        self._ends += 1
        self._touched.update(dict.fromkeys(claims.touched, self._ends))
        self._fenced.update(dict.fromkeys(claims.fenced, self._ends))
        if claims.wanted or claims.gone or claims.added:
            self._past.append((self._ends, claims))
        if len(self._past) > _PAST_MAX:
            self._forgotten, _ = self._past.popleft()

    def touch(self, claims: Claims, side: Side) -> None:
        """Rows are about to be written. Raises: DbError SERIALIZATION_FAILURE."""
        if side in claims.touched:
            return
        with self._lock:
            fenced = any(side in one.fenced for one in self._open if one is not claims)
            if fenced or self._fenced.get(side, 0) > claims.started:
                raise _conflict("a foreign key is made there")
            claims.touched.add(side)

    def fence(self, claims: Claims, side: Side) -> None:
        """A key is about to be made: no child may come, no parent go. Raises: as `touch`."""
        with self._lock:
            touched = any(side in one.touched for one in self._open if one is not claims)
            if touched or self._touched.get(side, 0) > claims.started:
                raise _conflict("rows of the table are written")
            claims.fenced.add(side)

    def want(self, claims: Claims, key_id: int, keys: Keys, meet: Meet) -> None:
        """Child rows with these keys are there. Raises: as `touch`."""
        self._say(claims, claims.wanted, key_id, keys, lambda other: other.gone, meet)

    def take(self, claims: Claims, key_id: int, keys: Keys, meet: Meet) -> None:
        """Parent rows with these keys are gone. Raises: as `touch`."""
        self._say(claims, claims.gone, key_id, keys, lambda other: other.wanted, meet)

    def add(self, claims: Claims, key_id: int, keys: Keys, meet: Meet) -> None:
        """Rows come with these keys, which no other row may have. Raises: as `touch`."""
        self._say(claims, claims.added, key_id, keys, lambda other: other.added, meet)

    def _say(
        self,
        claims: Claims,
        mine: dict[int, list[Keys]],
        key_id: int,
        keys: Keys,
        opposite: Callable[[Claims], dict[int, list[Keys]]],
        meet: Meet,
    ) -> None:
        with self._lock:
            if claims.started < self._forgotten:
                raise _conflict("too much has been committed since the transaction began")
            mine.setdefault(key_id, []).append(keys)
            against = [
                theirs
                for other in self._others(claims)
                for theirs in opposite(other).get(key_id, ())
            ]
        if any(meet(keys, theirs) for theirs in joined(against)):
            with self._lock:
                mine[key_id] = [one for one in mine[key_id] if one is not keys]
            raise _conflict("another transaction has written a row of the same key")

    def _others(self, claims: Claims) -> Iterable[Claims]:
        yield from (one for one in self._open if one is not claims)
        for at, one in reversed(self._past):
            if at <= claims.started:
                return
            yield one


def joined(parts: Sequence[Keys]) -> list[Keys]:
    """The same values in as few tables as can be: each is a query for whoever looks at them."""
    found: list[Keys] = []
    alike: dict[tuple[tuple[str, ...], pa.Schema], list[pa.Table]] = {}
    for keys in parts:
        if keys.rows is None:
            found.append(keys)
        else:
            alike.setdefault((keys.types, keys.rows.schema), []).append(keys.rows)
    found += [Keys(types, pa.concat_tables(rows)) for (types, _), rows in alike.items()]
    return found


def _conflict(detail: str) -> DbError:
    return DbError(
        ErrorKind.SERIALIZATION_FAILURE,
        "could not serialize access due to a concurrent change of a key's rows",
        detail=detail,
        hint="run the transaction again",
    )
