"""INSERT with a conflict clause, over whole batches: ON CONFLICT, ON DUPLICATE KEY, IGNORE.

Called by sql/statements/insert.py for time-series tables. Each incoming row meets the stored row of
the same tags and time by one join; the SET list is evaluated over the pairs. PostgreSQL refuses to
update a row twice in one statement; MySQL goes through equal keys one after the other, which is
done in rounds, the first of each key, then the second, ….
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from catalog.details import ConstraintKind
from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.collations import compared_by
from sql.dialect.pieces import store_collated
from sql.foreign.keys import deferrable_uniques
from sql.statements.changes import ROWID, Changes, Seen
from sql.statements.generated import generated_names
from sql.statements.lookup import SEEN, hash_of, narrowed
from sql.statements.parts import Pieces, assigned, by_bytes, column_of, same_key, source
from sql.statements.setting import assignments, new_values, qualified
from sql.statements.target import complete, identity_columns
from sql.system.pg_catalog.keys import key_name

NUMBER = "__number"  # of the incoming row
_ROUND = "__round"  # how many rows of the same key came before
_FIRST = "__first"  # the number of the first of them
_OK = "__ok"
_SAME = "__same"
_INCOMING = "excluded"


def _key(table: Table) -> tuple[str, ...]:
    """The columns that no two rows have equal."""
    if table.is_time_series:
        return identity_columns(table)
    return table.primary_key or next(iter(unique_keys(table)), ())


@dataclass(frozen=True)
class Policy:
    """What happens to a row whose key is there already: nothing, or `changes` if `where` holds."""

    changes: dict[str, exp.Expr] | None
    where: exp.Expr | None = None
    in_order: bool = False  # MySQL: rows of equal keys follow each other
    replaces: bool = False  # REPLACE: the new row takes the place of the old one
    others: tuple[tuple[str, ...], ...] = ()  # MySQL: further keys that may be there already


def policy_of(tree: exp.Insert, table: Table, text: str) -> Policy | None:
    """The statement's conflict clause; None if rows simply replace those of the same key.

    Raises: DbError for a clause that names no key of the table.
    """
    conflict = tree.args.get("conflict")
    if tree.args.get("alternative") == "REPLACE" and not table.is_time_series:
        return _replacing(table) if table.primary_key or unique_keys(table) else None
    if not table.is_time_series:
        # DuckDB has no rows that follow each other, and wants a key named.
        if conflict is None or not conflict.args.get("duplicate"):
            return None
        if not table.primary_key and not unique_keys(table):
            return None
    elif conflict is None:
        return Policy(None) if tree.args.get("ignore") and not table.append_mode else None
    assert conflict is not None
    if table.is_time_series:
        _check_target(conflict, table)
    if table.append_mode:
        return None  # rows have no key, so none conflicts
    if not conflict.expressions:
        return Policy(None)
    duplicate = bool(conflict.args.get("duplicate"))
    renamed = [_without_values(item, tree, table) for item in conflict.expressions]
    changes = assignments(table, renamed, text)
    others = unique_keys(table) if duplicate else ()
    return Policy(changes, _condition(conflict), duplicate, others=others)


def unique_keys(table: Table) -> tuple[tuple[str, ...], ...]:
    """The columns of a relational table's unique constraints and indexes."""
    if table.is_time_series:
        return ()
    names = {column.name for column in table.columns}
    late = deferrable_uniques(table)
    uniques = (one for one in table.constraints if one.kind is ConstraintKind.UNIQUE)
    keys = [one.columns for one in uniques if one not in late]
    keys += [one.columns for one in table.indexes if one.is_key and names.issuperset(one.columns)]
    return tuple(dict.fromkeys(keys))


def keys_with_nulls(table: Table) -> frozenset[tuple[str, ...]]:
    """Those of them in which NULL equals NULL."""
    found = {one.columns for one in table.indexes if one.is_key and not one.nulls_distinct}
    found |= {one.columns for one in table.constraints if not one.nulls_distinct}
    return frozenset(found)


def _replacing(table: Table) -> Policy:
    """Every column is that of the incoming row; key columns are equal anyway."""
    # Keys that are equal without case are not the same: the new row's stays.
    kept = [c.name for c in table.columns if compared_by(c) or c.name not in table.primary_key]
    changes: dict[str, exp.Expr] = {name: column_of(_INCOMING, name) for name in kept}
    return Policy(changes, in_order=True, replaces=True, others=unique_keys(table))


def _condition(conflict: exp.Expr) -> exp.Expr | None:
    where = conflict.args.get("where")
    if where is None:
        return None
    found: exp.Expr = where.this if isinstance(where, exp.Where) else where
    return found


def _check_target(conflict: exp.Expr, table: Table) -> None:
    """The clause means the table's tags and time, by their names or by the constraint's."""
    keys = {key.find(exp.Column).name for key in conflict.args.get("conflict_keys") or []}
    constraint = conflict.args.get("constraint")
    identity = set() if table.append_mode else set(identity_columns(table))
    if keys and keys != identity:
        raise DbError(
            ErrorKind.NO_SUCH_KEY,
            "there is no unique constraint that matches the ON CONFLICT clause",
            detail=f'rows of "{table.name}" are named by ({", ".join(identity_columns(table))})'
            if identity
            else f'"{table.name}" is in append mode: its rows have no key',
        )
    if constraint is not None and constraint.name not in (f"{table.name}_pkey", "PRIMARY"):
        raise DbError(
            ErrorKind.UNDEFINED_OBJECT,
            f'constraint "{constraint.name}" of table "{table.name}" does not exist',
            hint=f'its only one is "{table.name}_pkey": tags and time index',
        )
    updates = "UPDATE" in str(conflict.args.get("action")).upper()
    if updates and not conflict.args.get("duplicate") and not keys and constraint is None:
        raise DbError(
            ErrorKind.SYNTAX, "ON CONFLICT DO UPDATE needs the columns or the constraint it means"
        )


def by_columns(tree: exp.Insert, table: Table) -> exp.Insert:
    """ON CONFLICT ON CONSTRAINT of a relational table, by the columns that the constraint is over.

    Raises: DbError UNDEFINED_OBJECT, WRONG_OBJECT_TYPE if it is of a kind that rows cannot share.
    """
    conflict = tree.args.get("conflict")
    constraint = conflict.args.get("constraint") if conflict is not None else None
    if constraint is None:
        return tree
    name = constraint.name
    if name in {one.name for one in deferrable_uniques(table)}:
        message = "ON CONFLICT does not support deferrable unique constraints as arbiters"
        raise DbError(ErrorKind.NOT_READY, message)
    keys = {c.name: c.columns for c in table.constraints if c.kind is ConstraintKind.UNIQUE}
    if table.primary_key:
        keys[key_name(table)] = table.primary_key
    if name not in keys:
        known = any(one.name == name for one in table.constraints)
        raise DbError(
            ErrorKind.WRONG_OBJECT_TYPE if known else ErrorKind.UNDEFINED_OBJECT,
            f'constraint "{name}" for table "{table.name}" '
            + ("is not over a unique key" if known else "does not exist"),
        )
    made = tree.copy()
    columns = [exp.Ordered(this=exp.column(key, quoted=True)) for key in keys[name]]
    made.args["conflict"].set("constraint", None)
    made.args["conflict"].set("conflict_keys", columns)
    return made


def _without_values(item: exp.Expr, tree: exp.Insert, table: Table) -> exp.Expr:
    """MySQL's `VALUES(c)`, and columns of a row alias, as columns of the incoming row."""
    values = tree.expression
    alias = values.args.get("alias") if isinstance(values, exp.Values) else None
    named = {}
    if alias is not None and alias.columns:
        into = tree.this
        listed = into.expressions if isinstance(into, exp.Schema) else table.columns
        names = [identifier.name for identifier in alias.columns]
        named = dict(zip(names, [column.name for column in listed], strict=False))

    def renamed(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Anonymous) and node.name.upper() == "VALUES" and node.expressions:
            return column_of(_INCOMING, node.expressions[0].name)
        if isinstance(node, exp.Column) and alias is not None and alias.name:
            if node.table == alias.name:
                return column_of(_INCOMING, named.get(node.name, node.name))
            if not node.table and node.name in named:
                return column_of(_INCOMING, named[node.name])
        return node

    item = item.copy()
    item.set("expression", item.expression.transform(renamed))
    return item


def resolve(pieces: Pieces, table: Table, alias: str, rows: pa.Table, policy: Policy) -> Changes:
    """What inserting the rows (see `complete`) does under that policy.

    Raises: DbError CARDINALITY if PostgreSQL's ON CONFLICT would update a row twice.
    """
    numbered = _numbered(pieces, table, rows)
    if policy.changes is None:
        return _ignore(pieces, table, alias, numbered)
    if policy.replaces and policy.others:
        return _replace(pieces, table, alias, numbered, policy)
    rounds = pc.max(numbered.column(_ROUND)).as_py() or 0
    if rounds and not policy.in_order:
        raise DbError(
            ErrorKind.CARDINALITY,
            "ON CONFLICT DO UPDATE cannot change a row a second time",
            detail="two of the rows to be inserted have the same tags and time",
        )
    return _update(pieces, table, alias, numbered, policy, rounds)


def _numbered(pieces: Pieces, table: Table, rows: pa.Table) -> pa.Table:
    """The rows with their number, how many of their key came before, and the first of those."""
    numbers = pa.array(np.arange(rows.num_rows))
    rows = rows.append_column(NUMBER, numbers)
    if rows.num_rows < 2:
        return rows.append_column(_ROUND, numbers).append_column(_FIRST, numbers)
    keys = exp.Tuple(expressions=[compared(table, n) for n in _key(table)])
    order = exp.Order(expressions=[exp.Ordered(this=column_of("r", NUMBER))])

    def over(function: exp.Expr) -> exp.Expr:
        return exp.Window(this=function, partition_by=keys.expressions, order=order)

    first = exp.Min(this=column_of("r", NUMBER))
    with pieces.with_rows(rows, table) as (name, inner):
        found = inner.table(
            exp.select(
                column_of("r", NUMBER),
                exp.alias_(over(exp.RowNumber()), _ROUND, quoted=True),
                exp.alias_(over(first), _FIRST, quoted=True),
            )
            .from_(source(name, "r"))
            .order_by(column_of("r", NUMBER))
        )
    before = pc.subtract(found.column(_ROUND).cast(pa.int64()), 1)
    rows = rows.append_column(_ROUND, before)
    return rows.append_column(_FIRST, found.column(_FIRST).cast(pa.int64()))


def compared(table: Table, name: str) -> exp.Expr:
    """A key's column of incoming rows, equal to what it would be equal to in the table."""
    column = table.column(name)
    collation = compared_by(column) if column is not None else ""
    made = column_of("r", name)
    return store_collated(made, collation) if collation else made


def _met(pieces: Pieces, table: Table, alias: str, incoming: pa.Table, policy: Policy) -> pa.Table:
    """For incoming rows whose key is stored: their number, the stored row's hash, the values."""
    names = _key(table)
    keys = [key for key in (names, *policy.others) if key]

    def made() -> exp.Expr:
        values = _values(table, alias, policy) if policy.changes is not None else []
        own = hash_of(table, alias) if table.is_time_series else column_of(alias, ROWID)
        stored = exp.table_(table.name, table.database, quoted=True)
        return (
            exp.select(*values, column_of(_INCOMING, NUMBER), own)
            .from_(source(name, _INCOMING))
            .join(
                exp.alias_(stored, alias, quoted=True, table=True),
                on=same_key(_INCOMING, alias, names)
                if not policy.others
                else exp.or_(*(_equal_keys(alias, key) for key in keys)),
            )
        )

    with pieces.with_rows(incoming, table) as (name, inner):
        columns = [column.name for column in table.columns]
        plan, bound = inner.prepared("met", made, (table, columns))
        plan = narrowed(plan, alias, table, incoming)
        met = pieces.session.runner.table(plan, bound, pieces.text)
        return met if policy.replaces or not policy.others else _first_met(met)


def _equal_keys(alias: str, key: tuple[str, ...]) -> exp.Expr:
    """NULL in a unique key is equal to nothing."""
    pairs = ((column_of(_INCOMING, name), column_of(alias, name)) for name in key)
    return exp.and_(*(exp.EQ(this=mine, expression=theirs) for mine, theirs in pairs))


def _first_met(met: pa.Table) -> pa.Table:
    """Of stored rows that one incoming row meets by several keys, the oldest."""
    ordered = met.sort_by([(NUMBER, "ascending"), (ROWID, "ascending")])
    numbers = ordered.column(NUMBER).to_numpy()
    return ordered.filter(pa.array(np.diff(numbers, prepend=-1) != 0))


def _replace(pieces: Pieces, table: Table, alias: str, rows: pa.Table, policy: Policy) -> Changes:
    """REPLACE with several keys: whatever has one of an incoming row's goes, then that comes."""
    # Of rows with the same primary key the last one stays.
    last = rows.group_by([_FIRST]).aggregate([(NUMBER, "max")]).column(f"{NUMBER}_max")
    staying = rows.filter(pc.is_in(rows.column(NUMBER), last.combine_chunks()))
    met = _met(pieces, table, alias, rows, policy)
    deleted = met.select([ROWID]).group_by([ROWID]).aggregate([])
    return Changes(
        deleted=deleted,
        inserted=_plain(table, staying),
        affected=rows.num_rows + deleted.num_rows + (rows.num_rows - staying.num_rows),
        returned=_plain(table, staying),
    )


def _ignore(pieces: Pieces, table: Table, alias: str, rows: pa.Table) -> Changes:
    """Only rows whose key nobody has; of equal ones the first."""
    rows = rows.filter(pc.equal(rows.column(_ROUND), 0))
    met = _met(pieces, table, alias, rows, Policy(None))
    there = pc.is_in(rows.column(NUMBER), met.column(NUMBER).combine_chunks())
    new = _plain(table, rows.filter(pc.invert(there)))
    seen = _seen(table, rows, met)
    return Changes(inserted=new, seen=seen, affected=new.num_rows, returned=new)


def _seen(table: Table, rows: pa.Table, met: pa.Table) -> Seen | None:
    """All keys were looked for; those met were there."""
    if not table.is_time_series:
        return None
    names = list(_key(table))
    keys = rows.select(names)
    places = pc.index_in(met.column(NUMBER), rows.column(NUMBER).combine_chunks())
    return Seen(keys.take(places).append_column(SEEN, met.column(SEEN)), keys)


def _plain(table: Table, rows: pa.Table, *more: str) -> pa.Table:
    return rows.select([*(column.name for column in table.columns), *more])


def _values(table: Table, alias: str, policy: Policy) -> list[exp.Expr]:
    """New values of every column, then: is the row changed at all, does nothing differ."""
    assert policy.changes is not None
    changes = {n: qualified(v, alias, table) for n, v in policy.changes.items()}
    values = new_values(table, alias, changes)
    where = policy.where
    ok = exp.true() if where is None else qualified(where, alias, table)
    same = [
        exp.NullSafeEQ(this=changes[c.name].copy(), expression=by_bytes(c, alias))
        for c in table.columns
        if c.name in changes
    ]
    flags = [(ok, _OK), (exp.and_(*same), _SAME)]
    return values + [exp.alias_(flag, name, quoted=True) for flag, name in flags]


def _update(
    pieces: Pieces, table: Table, alias: str, rows: pa.Table, policy: Policy, rounds: int
) -> Changes:
    first = rows.filter(pc.equal(rows.column(_ROUND), 0))
    met = _met(pieces, table, alias, first, policy)
    seen = _seen(table, first, met)
    there = pc.is_in(first.column(NUMBER), met.column(NUMBER).combine_chunks())
    inserted = first.filter(pc.invert(there))
    met = met.filter(pc.fill_null(met.column(_OK).cast(pa.bool_()), False))
    # From here on rows are known by the number of the first incoming row of their key.
    changed = _completed(pieces, table, met).append_column(_FIRST, met.column(NUMBER))
    pieces.session.tally.told(policy.changes or {}, changed)
    state = pa.concat_tables([changed, _plain(table, inserted, _FIRST)])
    affected = inserted.num_rows + _count(met, policy)
    for number in range(1, rounds + 1):
        pieces.session.duck.check()
        incoming = rows.filter(pc.equal(rows.column(_ROUND), number))
        state, met_again = _again(pieces, table, alias, state, incoming, policy)
        affected += _count(met_again, policy)
    places = pc.index_in(met.column(NUMBER), state.column(_FIRST).combine_chunks())
    is_new = pc.is_in(state.column(_FIRST), inserted.column(NUMBER).combine_chunks())
    if table.is_time_series:
        key_places = pc.index_in(met.column(NUMBER), first.column(NUMBER).combine_chunks())
        old = first.select(list(_key(table))).take(key_places)
    else:
        old = met.select([ROWID])
    return Changes(
        old=old,
        new=_plain(table, state.take(places)),
        inserted=_plain(table, state.filter(is_new)),
        seen=seen,
        affected=affected,
        changed=frozenset(policy.changes or ()) | generated_names(table),
        returned=_plain(table, state.sort_by(_FIRST)),
    )


def _completed(pieces: Pieces, table: Table, met: pa.Table) -> pa.Table:
    typed = assigned(pieces.session, met, table.columns)
    return complete(pieces.session, table, table.columns, typed)


def _count(met: pa.Table, policy: Policy) -> int:
    """PostgreSQL counts a changed row once; MySQL twice, and REPLACE alone if it stays as it is."""
    if not policy.in_order:
        return int(met.num_rows)
    if policy.replaces:
        return 2 * int(met.num_rows)
    same = pc.sum(met.column(_SAME).cast(pa.bool_())).as_py() or 0
    return 2 * int(met.num_rows - same)


def _again(
    pieces: Pieces,
    table: Table,
    alias: str,
    state: pa.Table,
    incoming: pa.Table,
    policy: Policy,
) -> tuple[pa.Table, pa.Table]:
    """A further round: rows that meet one of this statement. Gives the new state, and those met."""
    with (
        pieces.with_rows(state, table) as (now, inner),
        inner.with_rows(incoming, table) as (name, both),
    ):
        first = exp.alias_(column_of(alias, _FIRST), _FIRST, quoted=True)
        select = (
            exp.select(*_values(table, alias, policy), first)
            .from_(source(name, _INCOMING))
            .join(
                source(now, alias),
                on=exp.EQ(this=column_of(_INCOMING, _FIRST), expression=column_of(alias, _FIRST)),
            )
        )
        met = both.table(select, (table, [column.name for column in table.columns]))
    changed = _completed(pieces, table, met).append_column(_FIRST, met.column(_FIRST))
    kept = pc.invert(pc.is_in(state.column(_FIRST), met.column(_FIRST).combine_chunks()))
    return pa.concat_tables([state.filter(kept), changed]), met
