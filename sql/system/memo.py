"""Keeps the rows of system tables while the catalog does not change.

Making them costs about 10 microseconds a column: with ten thousand tables, and clients that ask
many catalog questions in a row, that has to happen once and not once a question.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from threading import Lock
from typing import Any, TypeVar

import pyarrow as pa

from catalog.records import Table
from sql.system.facts import catalog_name
from sql.system.table import SystemContext

_KEPT_MAX = 3  # the committed catalog, as seen by two wires, and one open transaction

T = TypeVar("T")
Maker = Callable[[SystemContext], pa.Table]


def _told(context: SystemContext) -> Hashable:
    return context.session.wire, catalog_name(context.session)


class Memo:
    """A maker that remembers.

    Requires: the rows depend on nothing but the context's databases, tables, sequences and types
    and on `key`.
    """

    def __init__(self, make: Maker, key: Callable[[SystemContext], Hashable] = _told) -> None:
        # Constant after construction.
        self._make = make
        self._key = key
        # Guarded by _lock; newest last.
        self._lock = Lock()
        self._kept: list[tuple[Hashable, list[Table], list[Any], pa.Table]] = []

    def __call__(self, context: SystemContext) -> pa.Table:
        """The rows. Records are compared by identity first, so an unchanged catalog is cheap."""
        key, tables = self._key(context), list(context.tables)
        others = [*context.databases, *context.objects]
        with self._lock:
            kept = list(self._kept)
        for entry in kept:
            if entry[0] == key and entry[1] == tables and entry[2] == others:
                return entry[3]
        rows = self._make(context)
        with self._lock:
            self._kept = [*self._kept[1 - _KEPT_MAX :], (key, tables, others, rows)]
        return rows


def kept(table: Table, name: str, make: Callable[[], T]) -> T:
    """What `make` gives of a record, kept in it: a record never changes."""
    if name not in table.__dict__:
        table.__dict__[name] = make()
    made: T = table.__dict__[name]
    return made


_BLOCK = 4  # bits: tables whose ids differ in fewer are made together
_BLOCKS_MAX = 4096


class Blocks:
    """Rows of tables, remembered by blocks of them: a new table costs its block, not all.

    `make` gives the rows of some tables and whatever else it is told. Requires: the rows of a table
    depend on its record and on that alone.
    """

    def __init__(self, make: Callable[..., pa.Table]) -> None:
        # Constant after construction.
        self._make = make
        # Guarded by _lock; the longest unused first.
        self._lock = Lock()
        self._kept: OrderedDict[tuple[Hashable, ...], tuple[list[Table], pa.Table]]
        self._kept = OrderedDict()

    def __call__(self, tables: Sequence[Table], *told: Hashable) -> list[pa.Table]:
        """The rows of all tables, block by block."""
        blocks: dict[int, list[Table]] = {}
        for table in tables:
            blocks.setdefault(table.id >> _BLOCK, []).append(table)
        return [self._block((number, *told), group) for number, group in blocks.items()]

    def _block(self, key: tuple[Hashable, ...], group: list[Table]) -> pa.Table:
        with self._lock:
            known = self._kept.get(key)
            if known is not None and known[0] == group:
                self._kept.move_to_end(key)
                return known[1]
        rows = self._make(group, *key[1:])
        with self._lock:
            self._kept[key] = group, rows
            self._kept.move_to_end(key)
            while len(self._kept) > _BLOCKS_MAX:
                self._kept.popitem(last=False)
        return rows
