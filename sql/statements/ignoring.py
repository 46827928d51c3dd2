"""INSERT IGNORE and DO NOTHING on ordinary tables: rows with a key that is there are left out.

Called by insert.py. Rows are taken in their order, each if none of its keys is stored or was taken
before. DuckDB's own ON CONFLICT DO NOTHING gets this wrong: a row it leaves out stands in the way
of others all the same, and of rows with NULL in a unique column it keeps one.
Source: MySQL 8.4 reference, "INSERT Statement", "The Effect of IGNORE on Statement Execution".
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from catalog.records import Table
from sql.decode import spans
from sql.results import Notice, Severity
from sql.session import Wire
from sql.statements.conflict import NUMBER, compared, keys_with_nulls, unique_keys
from sql.statements.parts import Pieces, column_of, source

_DUPLICATE = 1062
_WARNINGS_MAX = 64  # MySQL's max_error_count
_KEY = "__key_{}"
_TABLE = "__stored"
_Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


def deciding_keys(tree: exp.Insert, table: Table) -> tuple[tuple[str, ...], ...]:
    """The keys by which rows are left out; none if DuckDB has to tell."""
    conflict = tree.args.get("conflict")
    if conflict is None and not tree.args.get("ignore"):
        return ()  # RETURNING alone: a key that is there is an error
    if conflict is not None and (conflict.expressions or conflict.args.get("index_predicate")):
        return ()
    keys = tuple(key for key in (table.primary_key, *unique_keys(table)) if key)
    others = [one for one in table.indexes if one.unique and one.columns not in keys]
    asked = conflict.args.get("conflict_keys") if conflict is not None else None
    if not asked:
        return () if others else keys
    wanted = {part.this.name for part in asked}
    return tuple(key for key in keys if set(key) == wanted)[:1]


def without_known(
    pieces: Pieces, table: Table, rows: pa.Table, keys: tuple[tuple[str, ...], ...]
) -> pa.Table:
    """The rows that stay, in their order. Leaves MySQL a warning for each of the first others.

    `keys`: those of the table that `deciding_keys` told.
    """
    if not rows.num_rows:
        return rows
    numbered = rows.append_column(NUMBER, pa.array(np.arange(rows.num_rows)))
    stays: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.ones(rows.num_rows, np.bool_)
    for key in keys:
        stays[_stored(pieces, table, numbered, key)] = False
    if rows.num_rows > 1:
        _take(_firsts(pieces, table, numbered, keys), stays)
    if stays.all():
        return rows
    if pieces.session.wire is Wire.MYSQL:
        _warn(pieces, rows, np.flatnonzero(~stays), keys[0], table)
    return rows.filter(pa.array(stays))


def _stored(pieces: Pieces, table: Table, rows: pa.Table, key: tuple[str, ...]) -> _Numbers:
    """The numbers of rows whose key is in the table."""

    equal = exp.NullSafeEQ if key in keys_with_nulls(table) else exp.EQ

    def made() -> exp.Expr:
        stored = exp.table_(table.name, table.database, quoted=True)
        pairs = ((column_of("r", one), column_of(_TABLE, one)) for one in key)
        return (
            exp.select(column_of("r", NUMBER))
            .from_(source(name, "r"))
            .join(
                exp.alias_(stored, _TABLE, quoted=True, table=True),
                on=exp.and_(*(equal(this=new, expression=old) for new, old in pairs)),
            )
        )

    with pieces.with_rows(rows, table) as (name, inner):
        plan, bound = inner.prepared(f"stored {key}", made)
        found = pieces.session.runner.table(plan, bound, pieces.text)
    numbers: _Numbers = found.column(0).cast(pa.int64()).to_numpy()
    return numbers


def _firsts(
    pieces: Pieces, table: Table, rows: pa.Table, keys: tuple[tuple[str, ...], ...]
) -> list[_Numbers]:
    """For each key, the number of the first row that has it; NULL is equal to nothing, unless the
    key says so.
    """
    items: list[exp.Expr] = []
    with_nulls = keys_with_nulls(table)
    for place, key in enumerate(keys):
        first = exp.Window(
            this=exp.Min(this=column_of("r", NUMBER)),
            partition_by=[compared(table, name) for name in key],
        )
        nulls = exp.or_(*(exp.Is(this=column_of("r", n), expression=exp.null()) for n in key))
        alone = exp.case().when(nulls, column_of("r", NUMBER)).else_(first)
        own = first if key in with_nulls else alone
        items.append(exp.alias_(own, _KEY.format(place), quoted=True))
    with pieces.with_rows(rows, table) as (name, inner):
        asked = exp.select(*items).from_(source(name, "r")).order_by(column_of("r", NUMBER))
        found = inner.table(asked)
    return [column.cast(pa.int64()).to_numpy() for column in found.columns]


def _take(firsts: list[_Numbers], stays: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> None:
    """Leaves out who comes second; only rows that share a key with another are looked at."""
    shared = np.zeros(len(stays), np.bool_)
    for first in firsts:
        shared |= np.bincount(first, minlength=len(first))[first] > 1
    taken: set[tuple[int, int]] = set()
    for row in np.flatnonzero(shared & stays).tolist():
        mine = [(place, int(first[row])) for place, first in enumerate(firsts)]
        if taken.isdisjoint(mine):
            taken.update(mine)
        else:
            stays[row] = False


def _warn(
    pieces: Pieces, rows: pa.Table, left: np.ndarray[tuple[int], np.dtype[np.intp]],
    key: tuple[str, ...], table: Table,
) -> None:  # fmt: skip
    name = "PRIMARY" if table.primary_key else key[0]
    shown = rows.select(list(key)).take(pa.array(left[:_WARNINGS_MAX]))
    texts = pc.binary_join_element_wise(*map(_text, shown.columns), "-")
    for text in texts.to_pylist():
        message = f"Duplicate entry '{text}' for key '{table.name}.{name}'"
        pieces.session.notice(Notice(message, Severity.WARNING, errno=_DUPLICATE))


def _text(values: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    if pa.types.is_interval(values.type):  # MySQL's TIME
        return spans.texts(values.combine_chunks(), 0)
    return values.cast(pa.string())
