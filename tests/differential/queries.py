"""Random queries over the tables of schema.py that PostgreSQL 15 accepts.

`Query.ordered` tells whether the order of the rows is fixed by the text; answers of other queries
are compared as bags.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tests.differential.expressions import TYPES, Columns, Expressions
from tests.differential.schema import (
    BOOLEAN,
    DATE,
    FLOAT,
    INT,
    NUMERIC,
    SOURCES,
    TEXT,
    TIMESTAMP,
    Source,
)

_DEPTH = 3


@dataclass(frozen=True)
class Query:
    """A query's text."""

    text: str
    ordered: bool


@dataclass(frozen=True)
class _Body:
    """A SELECT without ORDER BY: its text and the types of its outputs (named o1, o2, …)."""

    text: str
    types: tuple[str, ...]

    @property
    def columns(self) -> Columns:
        return [(f"o{place}", kind) for place, kind in enumerate(self.types, 1)]


def query(chance: random.Random) -> Query:
    """A random query."""
    return _Maker(chance).query()


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._aliases = 0

    def query(self) -> Query:
        """Any kind of query."""
        prefix, body = "", None
        if self.chance.random() < 0.15:
            inner = self._body(2)
            prefix = f"WITH w AS ({inner.text}) "
            body = self._select([(f"w.{name}", kind) for name, kind in inner.columns], "w")
        elif self.chance.random() < 0.08:
            return self._distinct_on()
        body = body or self._body(2)
        return self._finish(prefix, body)

    def _finish(self, prefix: str, body: _Body) -> Query:
        if self.chance.random() < 0.4:
            return Query(prefix + body.text, ordered=False)
        places = list(range(1, len(body.types) + 1))
        self.chance.shuffle(places)
        items = [f"{place}{self._direction()}" for place in places]
        text = f"{prefix}{body.text} ORDER BY {', '.join(items)}"
        if self.chance.random() < 0.5:
            text += f" LIMIT {self.chance.choice([0, 1, 3, 10])}"
            if self.chance.random() < 0.5:
                text += f" OFFSET {self.chance.choice([0, 1, 5])}"
        return Query(text, ordered=True)

    def _direction(self) -> str:
        direction = self.chance.choice(["", " ASC", " DESC"])
        return direction + self.chance.choice(["", " NULLS FIRST", " NULLS LAST"])

    def _body(self, depth: int) -> _Body:
        form = self.chance.random()
        if depth > 0 and form < 0.12:
            return self._set_operation(depth)
        columns, source, tables = self._from(depth)
        if form < 0.4:
            return self._grouped(columns, source)
        if form < 0.55:
            return self._windowed(columns, source, tables)
        return self._select(columns, source)

    # FROM.

    def _from(self, depth: int) -> tuple[Columns, str, list[tuple[str, Source]]]:
        """(columns, text after FROM, tables by alias if all of it is plain tables)."""
        if depth > 0 and self.chance.random() < 0.15:
            alias, inner = self._alias(), self._body(depth - 1)
            columns = [(f"{alias}.{name}", kind) for name, kind in inner.columns]
            return columns, f"({inner.text}) AS {alias}", []
        columns, text, tables = self._table()
        for _ in range(self.chance.choice([0, 0, 0, 1, 1, 2])):
            more, right, others = self._table()
            join = self.chance.choice(
                ["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "CROSS JOIN"]
            )
            if join == "CROSS JOIN" and len(tables) > 1:
                join = "JOIN"
            condition = "" if join == "CROSS JOIN" else f" ON {self._joined(columns, more)}"
            text += f" {join} {right}{condition}"
            columns, tables = columns + more, tables + others
        return columns, text, tables

    def _table(self) -> tuple[Columns, str, list[tuple[str, Source]]]:
        source, alias = self.chance.choice(SOURCES), self._alias()
        columns = [(f"{alias}.{name}", kind) for name, kind in source.columns.items()]
        return columns, f"{source.name} AS {alias}", [(alias, source)]

    def _joined(self, left: Columns, right: Columns) -> str:
        """An equality PostgreSQL can hash, as FULL JOIN demands."""
        kind = self.chance.choice([INT, INT, TEXT])
        ones = [name for name, its in left if its == kind]
        others = [name for name, its in right if its == kind]
        if not ones or not others:
            kind = INT
            ones = [name for name, its in left if its == INT]
            others = [name for name, its in right if its == INT]
        return f"{self.chance.choice(ones)} = {self.chance.choice(others)}"

    def _alias(self) -> str:
        self._aliases += 1
        return f"t{self._aliases}"

    # SELECT.

    def _select(self, columns: Columns, source: str) -> _Body:
        made = Expressions(self.chance, columns)
        kinds = [self.chance.choice(TYPES) for _ in range(self.chance.randint(1, 4))]
        items = [made.make(kind, _DEPTH) for kind in kinds]
        if self.chance.random() < 0.15:
            place = self.chance.randrange(len(items))
            items[place], kinds[place] = self._scalar(columns), INT
        distinct = "DISTINCT " if self.chance.random() < 0.12 else ""
        text = f"SELECT {distinct}{_outputs(items)} FROM {source}{self._where(columns)}"
        return _Body(text, tuple(kinds))

    def _where(self, columns: Columns) -> str:
        if self.chance.random() < 0.3:
            return ""
        made = Expressions(self.chance, columns)
        condition = made.make(BOOLEAN, _DEPTH)
        if self.chance.random() < 0.2:
            condition = f"{condition} {self.chance.choice(['AND', 'OR'])} {self._nested(columns)}"
        return f" WHERE {condition}"

    def _nested(self, columns: Columns) -> str:
        """A condition with a subquery, mostly a correlated one."""
        source, alias = self.chance.choice(SOURCES), self._alias()
        inner = [(f"{alias}.{name}", kind) for name, kind in source.columns.items()]
        own = Expressions(self.chance, inner)
        kind = self.chance.choice([INT, TEXT, DATE])
        outer = Expressions(self.chance, columns).leaf(kind)
        where = (
            f"{own.leaf(kind)} = {outer}" if self.chance.random() < 0.6 else own.make(BOOLEAN, 2)
        )
        negation = self.chance.choice(["", "NOT "])
        if self.chance.random() < 0.5:
            return f"{negation}EXISTS (SELECT 1 FROM {source.name} AS {alias} WHERE {where})"
        value = own.leaf(kind)
        return (
            f"({outer} {negation}IN (SELECT {value} FROM {source.name} AS {alias} WHERE {where}))"
        )

    def _scalar(self, columns: Columns) -> str:
        source, alias = self.chance.choice(SOURCES), self._alias()
        inner = [(f"{alias}.{name}", kind) for name, kind in source.columns.items()]
        own = Expressions(self.chance, inner)
        kind = self.chance.choice([INT, TEXT])
        outer = Expressions(self.chance, columns).leaf(kind)
        what = self.chance.choice(["count(*)", f"max({own.leaf(INT)})", f"sum({own.leaf(INT)})"])
        where = f"{own.leaf(kind)} = {outer}"
        return f"(SELECT {what} FROM {source.name} AS {alias} WHERE {where})::int"

    # Groups.

    def _grouped(self, columns: Columns, source: str) -> _Body:
        made = Expressions(self.chance, columns)
        kinds = [self.chance.choice(TYPES) for _ in range(self.chance.choice([0, 1, 1, 2]))]
        keys = list(dict.fromkeys(made.make(kind, 1) for kind in kinds))
        kinds = kinds[: len(keys)] if len(keys) == len(kinds) else [TEXT] * len(keys)
        aggregates = [self._aggregate(made) for _ in range(self.chance.randint(1, 3))]
        text = f"SELECT {_outputs([*keys, *(text for text, _ in aggregates)])} FROM {source}"
        text += self._where(columns)
        if keys:
            text += f" GROUP BY {self._grouping(keys)}"
        if self.chance.random() < 0.25:
            text += f" HAVING count(*) {self.chance.choice(['>', '>=', '<'])} 2"
        return _Body(text, (*kinds, *(kind for _, kind in aggregates)))

    def _grouping(self, keys: list[str]) -> str:
        places = ", ".join(str(place) for place in range(1, len(keys) + 1))
        form = self.chance.random()
        if not all(re.fullmatch(r"t\d+\.\w+", key) for key in keys):
            return places
        if len(keys) > 1 and form < 0.3:
            return f"{self.chance.choice(['ROLLUP', 'CUBE'])} ({places})"
        return f"GROUPING SETS ((1), (), ({places}))" if form > 0.9 else places

    def _aggregate(self, made: Expressions) -> tuple[str, str]:
        distinct = "DISTINCT " if self.chance.random() < 0.15 else ""
        keep = f" FILTER (WHERE {made.make(BOOLEAN, 1)})" if self.chance.random() < 0.15 else ""
        form = self.chance.randrange(7)
        if form == 0:
            return f"count(*){keep}", "bigint"
        if form == 1:
            value = made.make(self.chance.choice(TYPES), 2)
            return f"count({distinct}{value}){keep}", "bigint"
        if form == 2:
            return f"sum({distinct}{made.make(INT, 1)}){keep}", "bigint"
        if form == 3:
            kind = self.chance.choice([NUMERIC, FLOAT])
            return f"sum({distinct}{made.leaf(kind)}){keep}", kind
        if form == 4:
            kind = self.chance.choice([INT, NUMERIC, FLOAT])
            return f"round(avg({made.leaf(kind)})::numeric(20,6), 4)", NUMERIC
        if form == 5:
            return (
                f"{self.chance.choice(['bool_and', 'bool_or'])}({made.make(BOOLEAN, 1)})",
                BOOLEAN,
            )
        kind = self.chance.choice([INT, NUMERIC, FLOAT, TEXT, DATE, TIMESTAMP])
        return f"{self.chance.choice(['min', 'max'])}({made.make(kind, 2)}){keep}", kind

    # Windows.

    def _windowed(self, columns: Columns, source: str, tables: list[tuple[str, Source]]) -> _Body:
        if not tables or "JOIN" in source:
            return self._select(columns, source)
        made = Expressions(self.chance, columns)
        key = [f"{alias}.{name}" for alias, table in tables for name in table.key]
        items, kinds = list(key), [dict(columns)[name] for name in key]
        for _ in range(self.chance.randint(1, 2)):
            text, kind = self._window(made, key)
            items.append(text)
            kinds.append(kind)
        text = f"SELECT {_outputs(items)} FROM {source}{self._where(columns)}"
        return _Body(text, tuple(kinds))

    def _window(self, made: Expressions, key: list[str]) -> tuple[str, str]:
        kind = self.chance.choice(TYPES)
        part = f"PARTITION BY {made.leaf(self.chance.choice(TYPES))} " if self._often() else ""
        first = f"{made.leaf(self.chance.choice(TYPES))}{self._direction()}"
        over = f"({part}ORDER BY {', '.join([first, *key])}{self._frame()})"
        plain = f"({part}ORDER BY {', '.join([first, *key])})"
        form = self.chance.randrange(6)
        if form == 0:
            return f"row_number() OVER {plain}", "bigint"
        if form == 1:
            return (
                f"{self.chance.choice(['rank', 'dense_rank'])}() OVER ({part}ORDER BY {first})",
                "bigint",
            )
        if form == 2:
            offset = self.chance.choice(["", ", 2"])
            return (
                f"{self.chance.choice(['lag', 'lead'])}({made.leaf(kind)}{offset}) OVER {plain}",
                kind,
            )
        if form == 3:
            return f"sum({made.leaf(INT)}) OVER {over}", "bigint"
        if form == 4:
            call = self.chance.choice(["first_value", "last_value"])
            return f"{call}({made.leaf(kind)}) OVER {over}", kind
        return f"ntile(3) OVER {plain}", INT

    def _frame(self) -> str:
        return self.chance.choice(
            [
                "",
                " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
                " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
                " ROWS 2 PRECEDING",
                " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
            ]
        )

    def _often(self) -> bool:
        return self.chance.random() < 0.6

    # The rest.

    def _distinct_on(self) -> Query:
        columns, source, tables = self._table()
        made = Expressions(self.chance, columns)
        ((alias, table),) = tables
        chosen = made.leaf(self.chance.choice([INT, TEXT]))
        key = [f"{alias}.{name}" for name in table.key]
        items = [chosen, *key, made.make(self.chance.choice(TYPES), 2)]
        order = ", ".join(f"{item}{self._direction()}" for item in [chosen, *key])
        text = f"SELECT DISTINCT ON ({chosen}) {_outputs(items)} FROM {source}"
        return Query(f"{text}{self._where(columns)} ORDER BY {order}", ordered=True)

    def _set_operation(self, depth: int) -> _Body:
        kinds = tuple(self.chance.choice(TYPES) for _ in range(self.chance.randint(1, 3)))
        operator = self.chance.choice(["UNION", "UNION ALL", "EXCEPT", "INTERSECT", "EXCEPT ALL"])
        sides = []
        for _ in range(2):
            columns, source, _tables = self._from(depth - 1)
            made = Expressions(self.chance, columns)
            items = [made.make(kind, 2) for kind in kinds]
            sides.append(f"SELECT {_outputs(items)} FROM {source}{self._where(columns)}")
        text = f"({sides[0]}) {operator} ({sides[1]})"
        return _Body(text, kinds)


def _outputs(items: list[str]) -> str:
    return ", ".join(f"{item} AS o{place}" for place, item in enumerate(items, 1))
