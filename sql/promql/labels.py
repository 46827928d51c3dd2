"""Labels of many series at once: one dictionary-coded column per label name.

Sources build a `LabelTable` at the door, the evaluator groups, joins and rewrites it by codes, and
whoever shows a result asks for `rows`. It never holds samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
Rows = NDArray[np.int64]

NAME = "__name__"
# What describes the metric rather than the series; operations that drop the name drop all three.
METADATA = frozenset({NAME, "__type__", "__unit__"})


@dataclass(frozen=True)
class LabelColumn:
    """One label of all series.

    Attributes:
        values: the distinct values; `values[0]` is always "", which means "has no such label".
        codes: per series, the place of its value in `values`.
    """

    values: tuple[str, ...]
    codes: Codes

    @staticmethod
    def of(strings: Sequence[str]) -> LabelColumn:
        """Codes a plain sequence of one string per series."""
        places: dict[str, int] = {"": 0}
        codes = np.fromiter(
            (places.setdefault(text, len(places)) for text in strings), np.int32, len(strings)
        )
        return LabelColumn(tuple(places), codes)

    @staticmethod
    def of_dictionary(values: Sequence[str | None], codes: NDArray[np.integer]) -> LabelColumn:
        """Takes a dictionary of any order, which may repeat values or hold None (no label).

        Requires: `codes` index `values`; a negative code means "no label".
        """
        places: dict[str, int] = {"": 0}
        moved = np.fromiter(
            (places.setdefault(text or "", len(places)) for text in (*values, "")),
            np.int32,
            len(values) + 1,
        )
        return LabelColumn(tuple(places), moved[codes])  # -1 finds the "" at the end

    @staticmethod
    def constant(value: str, count: int) -> LabelColumn:
        """The same value for all series."""
        code = 1 if value else 0
        values = ("", value) if value else ("",)
        return LabelColumn(values, np.full(count, code, np.int32))

    def take(self, rows: Rows) -> LabelColumn:
        """The column of these series, in this order."""
        return LabelColumn(self.values, self.codes[rows])

    def strings(self) -> list[str]:
        """One string per series."""
        values = self.values
        return [values[code] for code in self.codes.tolist()]

    def ranks(self) -> Rows:
        """For each of `values` its place in their order."""
        order = sorted(range(len(self.values)), key=self.values.__getitem__)
        found = np.empty(len(order), np.int64)
        found[order] = np.arange(len(order))
        return found

    def mapped(self, change: Callable[[str], str]) -> LabelColumn:
        """Every value changed; costs one call per distinct value ("" included)."""
        return LabelColumn.of_dictionary([change(value) for value in self.values], self.codes)


class LateColumn(LabelColumn):
    """A label that is looked up when it is first read: of many series, most never are.

    `find` gives it for these rows of a source, or for all; `texts` gives the same as plain strings.
    """

    def __init__(
        self,
        find: Callable[[Rows | None], LabelColumn],
        rows: Rows | None = None,
        texts: Callable[[Rows | None], list[str]] | None = None,
    ):
        self.__dict__.update(_find=find, _rows=rows, _texts=texts)

    def __getattr__(self, name: str) -> Any:
        """Called for what is not there yet."""
        if name not in ("values", "codes"):
            raise AttributeError(name)
        own = self.__dict__
        found = own["_find"](own["_rows"])
        own.update(values=found.values, codes=found.codes)
        return own[name]

    def strings(self) -> list[str]:
        """One string per series."""
        own = self.__dict__
        if "codes" in own or own["_texts"] is None:
            return super().strings()
        found: list[str] = own["_texts"](own["_rows"])
        return found

    def take(self, rows: Rows) -> LabelColumn:
        """The column of these series, in this order."""
        own = self.__dict__
        if "codes" in own:
            return super().take(rows)
        known = own["_rows"]
        return LateColumn(own["_find"], rows if known is None else known[rows], own["_texts"])


@dataclass(frozen=True)
class LabelTable:
    """The labels of `count` series; no two rows need to differ.

    A label that is not in `columns` is absent from every series.
    """

    count: int
    columns: Mapping[str, LabelColumn]

    @staticmethod
    def of_rows(rows: Sequence[Mapping[str, str]]) -> LabelTable:
        """From one mapping per series; for small inputs."""
        names = sorted({name for row in rows for name in row})
        columns = {name: LabelColumn.of([row.get(name, "") for row in rows]) for name in names}
        return LabelTable(len(rows), columns)

    @staticmethod
    def empty_rows(count: int) -> LabelTable:
        """Series without any label."""
        return LabelTable(count, {})

    def rows(self) -> list[dict[str, str]]:
        """One mapping per series, names sorted, absent labels left out."""
        found: list[dict[str, str]] = [{} for _ in range(self.count)]
        for name in sorted(self.columns):
            column = self.columns[name]
            values, codes = column.values, column.codes
            present = np.flatnonzero(codes)
            for row, code in zip(present.tolist(), codes[present].tolist(), strict=True):
                found[row][name] = values[code]
        return found

    def take(self, rows: Rows) -> LabelTable:
        """These rows in this order; a row may be named more than once."""
        return LabelTable(
            len(rows), {name: column.take(rows) for name, column in self.columns.items()}
        )

    def keep(self, names: Iterable[str]) -> LabelTable:
        """Only these labels."""
        wanted = set(names)
        return LabelTable(
            self.count, {name: col for name, col in self.columns.items() if name in wanted}
        )

    def drop(self, names: Iterable[str]) -> LabelTable:
        """All but these labels."""
        unwanted = set(names)
        return LabelTable(
            self.count, {name: col for name, col in self.columns.items() if name not in unwanted}
        )

    def put(self, name: str, column: LabelColumn) -> LabelTable:
        """With this label set or replaced in all rows."""
        return LabelTable(self.count, {**self.columns, name: column})

    def blank(self, names: Iterable[str], rows: NDArray[np.bool_]) -> LabelTable:
        """Without these labels in the marked rows."""
        columns = dict(self.columns)
        for name in names:
            column = columns.get(name)
            if column is not None:
                codes = np.where(rows, np.int32(0), column.codes)
                columns[name] = LabelColumn(column.values, codes)
        return LabelTable(self.count, columns)

    def column(self, name: str) -> LabelColumn:
        """The column of this label, all absent if there is none."""
        found = self.columns.get(name)
        return LabelColumn.constant("", self.count) if found is None else found

    def groups(self) -> tuple[NDArray[np.int64], Rows]:
        """Numbers rows by equal labels.

        Returns: per row its group, numbered by first appearance; per group its first row.
        """
        if self.count < 2:
            alone = np.arange(self.count)
            return alone, alone
        keys = np.zeros(self.count, np.int64)
        width = 1
        for name in sorted(self.columns):
            column = self.columns[name]
            if _tells_all_apart(column):
                rows = np.arange(self.count)
                return rows, rows
            size = len(column.values)
            if width * size >= 2**62:
                keys, width = _dense(keys)
            keys = keys * size + column.codes
            width *= size
        return _by_first_appearance(keys, width)


def sorted_rows(labels: LabelTable) -> Rows:
    """The order of rows by their labels, names before values, as Prometheus orders series.

    It compares pairs of name and value from the first name on: where one row lacks a name that the
    other has, its next name is later, and comes after, or it has none, and comes before.
    """
    if labels.count < 2:
        return np.arange(labels.count)
    columns = [labels.columns[name] for name in sorted(labels.columns)]
    last = np.full(labels.count, -1)
    for place, column in enumerate(columns):
        last[column.codes > 0] = place
    keys = []
    for place, column in enumerate(columns):
        ranks = column.ranks()[column.codes]
        missing = column.codes == 0
        if missing.any():
            ranks[missing] = np.where(last[missing] > place, len(column.values), 0)
        keys.append(ranks)
    return np.lexsort(keys[::-1]) if keys else np.arange(labels.count)


def _tells_all_apart(column: LabelColumn) -> bool:
    """Whether no two rows have the same value, so that no other label matters."""
    count = len(column.codes)
    if len(column.values) < count:
        return False
    return count == 0 or int(np.bincount(column.codes).max()) <= 1


def _dense(keys: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    distinct, dense = np.unique(keys, return_inverse=True)
    return dense.astype(np.int64), max(len(distinct), 1)


def _by_first_appearance(keys: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], Rows]:
    if width <= 2 * len(keys) + 1024:
        return _by_table(keys, width)
    _, first, dense = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[dense], first[order].astype(np.int64)


def _by_table(keys: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], Rows]:
    """The same without sorting all keys, for keys below a small `width`."""
    first_of = np.full(width, -1, np.int64)
    first_of[keys[::-1]] = np.arange(len(keys) - 1, -1, -1)
    used = np.flatnonzero(first_of >= 0)
    order = used[np.argsort(first_of[used])]
    rank = np.empty(width, np.int64)
    rank[order] = np.arange(len(order))
    return rank[keys], first_of[order]


def stack(tables: Sequence[LabelTable]) -> LabelTable:
    """The rows of all tables, one after the other; codes of a name become comparable."""
    if len(tables) == 1:
        return tables[0]
    names = sorted({name for table in tables for name in table.columns})
    count = sum(table.count for table in tables)
    return LabelTable(count, {name: _stack_late(tables, name) for name in names})


def _stack_late(tables: Sequence[LabelTable], name: str) -> LabelColumn:
    """As `_stack_column`; what was not read before is not read now."""
    if not any(isinstance(table.columns.get(name), LateColumn) for table in tables):
        return _stack_column(tables, name)
    starts = np.cumsum([0, *(table.count for table in tables)])

    def find(rows: Rows | None) -> LabelColumn:
        if rows is None:
            return _stack_column(tables, name)
        owner = np.searchsorted(starts, rows, "right") - 1
        order = np.argsort(owner, kind="stable")
        cuts = np.searchsorted(owner[order], np.arange(len(tables) + 1))
        parts = []
        for k, table in enumerate(tables):
            own = rows[order[cuts[k] : cuts[k + 1]]] - starts[k]
            if len(own):
                parts.append(LabelTable(len(own), {name: table.column(name).take(own)}))
        found = _stack_column(parts, name) if parts else LabelColumn.constant("", 0)
        back = np.empty(len(rows), np.int64)
        back[order] = np.arange(len(rows))
        return found.take(back)

    return LateColumn(find)


def _stack_column(tables: Sequence[LabelTable], name: str) -> LabelColumn:
    first = tables[0].columns.get(name)
    if first is not None and all(
        (column := table.columns.get(name)) is not None and column.values is first.values
        for table in tables
    ):
        # Series of one source share their dictionaries.
        codes = np.concatenate([table.columns[name].codes for table in tables])
        return LabelColumn(first.values, codes)
    places: dict[str, int] = {"": 0}
    parts = []
    for table in tables:
        column = table.columns.get(name)
        if column is None:
            parts.append(np.zeros(table.count, np.int32))
            continue
        values = column.values
        moved = np.fromiter(
            (places.setdefault(text, len(places)) for text in values), np.int32, len(values)
        )
        parts.append(moved[column.codes])
    return LabelColumn(tuple(places), np.concatenate(parts))
