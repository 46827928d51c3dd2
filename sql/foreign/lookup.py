"""Queries of foreign keys: which of these key values are in the parent, which in the child.

Key values travel as Arrow tables with columns `k0`, `k1`, … (`Keys`), none of them NULL. Few values
of one column are asked for by parameters, for which DuckDB uses the unique index of the parent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog.records import Table
from sql.foreign.guard import Keys, Meet
from sql.foreign.keys import ForeignKey
from sql.temporary import stored_name
from sql.types import duckdb_name, quote

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_FEW = 16  # values that are asked for by parameters


def named(rows: pa.Table, names: Sequence[str]) -> pa.Table:
    """The key's columns of whole rows, by number. A column may be there twice."""
    return pa.table(
        [rows.column(name) for name in names], names=[f"k{at}" for at in range(len(names))]
    )


def has_mixed(rows: pa.Table) -> bool:
    """True if a row has values in some of its columns and NULL in others."""
    if rows.num_columns < 2:
        return False
    count = sum(column.null_count for column in rows.columns)
    if not count:
        return False
    nulls = pc.cast(pc.is_null(rows.column(0)), pa.int32())
    for column in rows.columns[1:]:
        nulls = pc.add(nulls, pc.cast(pc.is_null(column), pa.int32()))
    some = pc.and_(pc.greater(nulls, 0), pc.less(nulls, rows.num_columns))
    return bool(pc.any(some).as_py())


def distinct(session: ClientSession, rows: pa.Table, table: Table, names: Sequence[str]) -> Keys:
    """The key values, each once, of the rows that have no NULL in them."""
    types = types_of(table, names)
    for column in dict.fromkeys(rows.column_names):
        if rows.column(column).null_count:
            rows = rows.filter(pc.is_valid(rows.column(column)))
    if rows.num_rows < 2:
        return Keys(types, rows)
    with source_of(session, Keys(types, rows)) as source:
        return Keys(types, session.duck.table(f"SELECT DISTINCT * FROM {source}"))


def differing(
    session: ClientSession, rows: pa.Table, others: pa.Table, table: Table, names: Sequence[str]
) -> pa.Table:
    """The key values that are not the other ones at their place; NULL is the same as NULL."""
    if rows.equals(others):
        return rows.slice(0, 0)
    types = types_of(table, names)
    pairs = moved(rows, others)  # the other ones are called n0, …
    source = session.duck.register(pairs.append_column("place", pa.array(np.arange(rows.num_rows))))
    changed = " OR ".join(
        f"CAST(k{at} AS {type_}) IS DISTINCT FROM CAST(n{at} AS {type_})"
        for at, type_ in enumerate(types)
    )
    try:
        found = session.duck.table(f"SELECT place FROM {source} WHERE {changed} ORDER BY place")
    finally:
        session.duck.unregister([source])
    return rows.take(found.column("place"))


def everything(key: ForeignKey) -> Keys:
    """Stands for every value of the key."""
    return Keys(types_of(key.parent, key.parent_columns), None)


def moved(old: pa.Table, new: pa.Table) -> pa.Table:
    """Old keys (`k0`, …) beside the new ones (`n0`, …)."""
    names = [*old.column_names, *(f"n{at}" for at in range(new.num_columns))]
    return pa.table([*old.columns, *new.columns], names=names)


def types_of(table: Table, names: Sequence[str]) -> tuple[str, ...]:
    """The columns' types as DuckDB spells them."""
    types = {column.name: duckdb_name(column.type) for column in table.columns}
    return tuple(types[name] for name in names)


@contextmanager
def source_of(session: ClientSession, keys: Keys) -> Iterator[str]:
    """The values as a sub-query, of the types they have in their table."""
    assert keys.rows is not None
    name = session.duck.register(keys.rows)
    casts = (f"CAST(k{at} AS {type_}) AS k{at}" for at, type_ in enumerate(keys.types))
    try:
        yield f"(SELECT {', '.join(casts)} FROM {name})"
    finally:
        session.duck.unregister([name])


def meeting(session: ClientSession) -> Meet:
    """Whether two sets of values of one key have some in common."""

    def meet(mine: Keys, theirs: Keys) -> bool:
        if mine.rows is None or theirs.rows is None:
            return True
        on = " AND ".join(f"a.k{at} = b.k{at}" for at in range(len(mine.types)))
        with source_of(session, mine) as one, source_of(session, theirs) as other:
            sql = f"SELECT 1 AS met FROM {one} AS a JOIN {other} AS b ON {on} LIMIT 1"
            return bool(session.duck.table(sql).num_rows > 0)

    return meet


def not_in_parent(session: ClientSession, key: ForeignKey, keys: Keys) -> Keys | None:
    """Those that no parent row has; None if there are none."""
    assert keys.rows is not None
    stored = stored_as(key.parent)
    if _are_few(keys):
        column = quote(key.parent_columns[0])
        values = keys.rows.column(0).to_pylist()
        marks = ", ".join("?" * len(values))
        sql = f"SELECT DISTINCT {column} FROM {stored} WHERE {column} IN ({marks})"
        if session.duck.table(sql, values).num_rows == len(values):
            return None
    on = matching("p", key.parent_columns, "g")
    with source_of(session, keys) as source:
        sql = f"FROM {source} AS g WHERE NOT EXISTS (SELECT 1 FROM {stored} AS p WHERE {on})"
        return _some(keys.types, session.duck.table(sql))


def in_child(session: ClientSession, key: ForeignKey, keys: Keys) -> Keys | None:
    """Those that a child row has; None if there are none."""
    types = types_of(key.child, key.columns)
    columns = ", ".join(f"c.{quote(name)} AS k{at}" for at, name in enumerate(key.columns))
    with source_of(session, keys) as source:
        on = matching("c", key.columns, "g")
        sql = f"SELECT DISTINCT {columns} FROM {stored_as(key.child)} AS c SEMI JOIN {source} AS g"
        return _some(types, session.duck.table(f"{sql} ON {on}"))


def children(session: ClientSession, key: ForeignKey, keys: Keys) -> pa.Table:
    """The child rows with these keys, each with its `rowid`; with `n0`, … if the keys have them."""
    assert keys.rows is not None
    stored, on = stored_as(key.child), matching("c", key.columns, "g")
    name = session.duck.register(keys.rows)
    casts = [f"CAST(k{at} AS {type_}) AS k{at}" for at, type_ in enumerate(keys.types)]
    more = [column for column in keys.rows.column_names if column.startswith("n")]
    casts += [f"CAST({n} AS {type_}) AS {n}" for n, type_ in zip(more, keys.types, strict=False)]
    try:
        shown = ", ".join(["c.*", "c.rowid AS rowid", *(f"g.{column}" for column in more)])
        source = f"(SELECT {', '.join(casts)} FROM {name})"
        return session.duck.table(f"SELECT {shown} FROM {stored} AS c JOIN {source} AS g ON {on}")
    finally:
        session.duck.unregister([name])


def orphans(session: ClientSession, key: ForeignKey) -> Keys | None:
    """The key values of all child rows that no parent row has; None if there are none."""
    types = types_of(key.child, key.columns)
    columns = ", ".join(f"c.{quote(name)} AS k{at}" for at, name in enumerate(key.columns))
    given = " AND ".join(f"c.{quote(name)} IS NOT NULL" for name in key.columns)
    on = " AND ".join(
        f"c.{quote(mine)} = p.{quote(theirs)}"
        for mine, theirs in zip(key.columns, key.parent_columns, strict=True)
    )
    sql = (
        f"SELECT {columns} FROM {stored_as(key.child)} AS c WHERE {given} AND NOT EXISTS"
        f" (SELECT 1 FROM {stored_as(key.parent)} AS p WHERE {on}) LIMIT 1"
    )
    return _some(types, session.duck.table(sql))


def has_mixed_rows(session: ClientSession, key: ForeignKey) -> bool:
    """True if a child row has values in some columns of the key and NULL in others."""
    nulls = [f"{quote(name)} IS NULL" for name in key.columns]
    sql = f"SELECT 1 AS found FROM {stored_as(key.child)} WHERE ({' OR '.join(nulls)})"
    sql += f" AND NOT ({' AND '.join(nulls)}) LIMIT 1"
    return bool(session.duck.table(sql).num_rows > 0)


def first(session: ClientSession, keys: Keys) -> list[str]:
    """The first key's values as text."""
    assert keys.rows is not None
    with source_of(session, Keys(keys.types, keys.rows.slice(0, 1))) as source:
        names = ", ".join(f"CAST(k{at} AS VARCHAR) AS k{at}" for at in range(len(keys.types)))
        row = session.duck.table(f"SELECT {names} FROM {source}").to_pylist()[0]
    return [str(value) for value in row.values()]


def _some(types: tuple[str, ...], rows: pa.Table) -> Keys | None:
    return Keys(types, rows) if rows.num_rows else None


def _are_few(keys: Keys) -> bool:
    assert keys.rows is not None
    kind = keys.rows.schema.field(0).type
    if len(keys.types) > 1 or keys.rows.num_rows > _FEW:
        return False
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind))


def stored_as(table: Table) -> str:
    """The table's name in the embedded database."""
    if table.temporary:
        return quote(stored_name(table))
    return f"{quote(table.database)}.{quote(table.name)}"


def matching(alias: str, names: Sequence[str], keys: str) -> str:
    """The condition that a row has a key."""
    pairs = (f"{alias}.{quote(name)} = {keys}.k{at}" for at, name in enumerate(names))
    return " AND ".join(pairs)
