"""MERGE INTO a table of either kind, USING any query.

The source is read into memory once, the target's matching rows by one join with it. Then each WHEN
clause takes, in order, its rows of what is left and evaluates its values over them; all of it is
written as one step (sql/statements/changes.py). Target rows without a source row are read only if a
clause asks for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from catalog.records import Column, Table
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.plan.literals import conjuncts
from sql.plan.plan import plan_query
from sql.results import Affected, Description, Result
from sql.statements.changes import Changes, Seen, change, check_unique, key_columns, result_of
from sql.statements.lookup import SEEN, hash_of, narrowed
from sql.statements.parts import (
    Pieces,
    assigned,
    column_of,
    default_of,
    expanded,
    is_default_word,
    returning_of,
    source,
)
from sql.statements.setting import assignments, new_values
from sql.statements.target import columns_named, complete, writable

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

_NUMBER = "__number"  # of the source row
_MATCH = "__match"  # of the pair
_ACTION = "__action"
_KEY = "__key_{}"


@dataclass
class _Merge:
    """One run over a source: what is left for later clauses, what was done so far."""

    pieces: Pieces
    tree: exp.Merge
    table: Table
    alias: str
    source_alias: str
    rows: pa.Table  # the source, numbered
    matched: pa.Table  # pairs: target columns, key, hash, number of the source row
    single: pa.Table  # source rows without a target row
    alone: pa.Table | None  # target rows without a source row
    deleted: list[pa.Table] = field(default_factory=list)
    old: list[pa.Table] = field(default_factory=list)
    new: list[pa.Table] = field(default_factory=list)
    inserted: list[pa.Table] = field(default_factory=list)
    returned: list[pa.Table] = field(default_factory=list)
    taken: list[pa.Table] = field(default_factory=list)  # keys of rows changed or deleted


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Merges. Raises: DbError CARDINALITY if a row would be changed twice."""
    tree = statement.tree
    assert isinstance(tree, exp.Merge)
    table = writable(session, tree.this, statement.text)
    pieces = Pieces(session, statement.text, parameters)
    with session.writing() as transaction:

        def find() -> list[Changes]:
            merge = _read(pieces, tree, table)
            changes = _changes(merge)
            counted = Affected("MERGE", changes.affected)
            changes.result = _answer(merge) if returning_of(tree) else counted
            return [changes]

        return result_of(change(session, transaction, [table], find))


def describe(
    session: ClientSession, statement: ParsedStatement, declared: Sequence[DataType | None]
) -> Description:
    """Parameter types, and the columns of RETURNING."""
    tree = statement.tree
    assert isinstance(tree, exp.Merge)
    table = writable(session, tree.this, statement.text)
    values: list[exp.Expr] = []
    for when in tree.args["whens"].expressions:
        values += [when.args["condition"]] if when.args.get("condition") is not None else []
        then = when.args["then"]
        if isinstance(then, exp.Update):
            changes = assignments(table, then.expressions, statement.text)
            values += [_typed(value, table.column(name)) for name, value in changes.items()]
        elif isinstance(then, exp.Insert):
            given = _inserted_values(table, then, statement.text)
            values += [_typed(value, table.column(name)) for name, value in given.items()]
    context = session.plan_context(statement.text)
    plan = plan_query(
        _joined(tree, values or [exp.null()], "LEFT"),
        context,
        parameter_count=statement.parameter_count,
        declared=declared,
    )
    columns = None
    items = returning_of(tree)
    if items:
        action = exp.cast(exp.Literal.string(""), "TEXT")
        query = _joined(tree, [_with_action(item, action) for item in items], "LEFT")
        columns = Pieces(session, statement.text).columns(query)
    return Description(plan.parameter_types, columns, tag="MERGE")


def _typed(value: exp.Expr, column: Column | None) -> exp.Expr:
    """A bare parameter takes the type of its column."""
    assert column is not None
    if not isinstance(value, exp.Parameter):
        return value
    return exp.EQ(this=column_of("", column.name), expression=value.copy())


def _joined(tree: exp.Merge, values: Sequence[exp.Expr], side: str) -> exp.Select:
    select = exp.select(*[value.copy() for value in values]).from_(tree.args["using"].copy())
    return _with_ctes(select.join(tree.this.copy(), on=_on(tree), join_type=side), tree)


def _with_ctes(select: exp.Select, tree: exp.Merge) -> exp.Select:
    with_ = tree.args.get("with_")
    if with_ is not None:
        select.set("with_", with_.copy())
    return select


def _on(tree: exp.Merge) -> exp.Expr:
    on: exp.Expr = tree.args["on"].copy()
    return on


# Reading.


def _read(pieces: Pieces, tree: exp.Merge, table: Table) -> _Merge:
    using, alias = tree.args["using"], tree.this.alias_or_name
    source_alias = using.alias_or_name
    if source_alias == alias:
        message = f'table name "{alias}" is used for both the target and the source'
        raise DbError(ErrorKind.DUPLICATE_TABLE, message, hint="give one of them an alias")
    rows = pieces.table(_with_ctes(exp.select("*").from_(using.copy()), tree))
    rows = rows.append_column(_NUMBER, pa.array(np.arange(rows.num_rows)))
    with pieces.with_rows(rows) as (name, inner):
        matched = _matched(inner, tree, table, rows, name)
        alone = _alone(inner, tree, table, name) if _asks_alone(tree) else None
    is_single = pc.invert(pc.is_in(rows.column(_NUMBER), matched.column(_NUMBER).combine_chunks()))
    single = rows.filter(is_single)
    return _Merge(pieces, tree, table, alias, source_alias, rows, matched, single, alone)


def _target_columns(table: Table, alias: str) -> list[exp.Expr]:
    """All columns, the key again under names of our own, and what tells a later change."""
    found: list[exp.Expr] = [column_of(alias, column.name) for column in table.columns]
    for i, name in enumerate(key_columns(table)):
        found.append(exp.alias_(column_of(alias, name), _KEY.format(i), quoted=True))
    return [*found, hash_of(table, alias)]


def _matched(pieces: Pieces, tree: exp.Merge, table: Table, rows: pa.Table, name: str) -> pa.Table:
    alias, source_alias = tree.this.alias_or_name, tree.args["using"].alias_or_name
    columns = [*_target_columns(table, alias), column_of(source_alias, _NUMBER)]
    select = (
        exp.select(*columns).from_(source(name, source_alias)).join(tree.this.copy(), on=_on(tree))
    )
    plan, values = pieces.plan(select)
    plan = narrowed(plan, alias, table, _keys_joined(tree, table, rows))
    found = pieces.session.runner.table(plan, values, pieces.text)
    return found.append_column(_MATCH, pa.array(np.arange(found.num_rows)))


def _keys_joined(tree: exp.Merge, table: Table, rows: pa.Table) -> pa.Table:
    """The source's values of those target columns that ON says are equal to plain columns."""
    alias, source_alias = tree.this.alias_or_name, tree.args["using"].alias_or_name
    arrays: dict[str, pa.ChunkedArray] = {}
    for part in conjuncts(_on(tree)):
        if not isinstance(part, exp.EQ):
            continue
        for mine, other in ((part.left, part.right), (part.right, part.left)):
            if not isinstance(mine, exp.Column) or not isinstance(other, exp.Column):
                continue
            if mine.table != alias or other.table != source_alias:
                continue
            column = table.column(mine.name)
            place = rows.schema.get_all_field_indices(other.name)
            if column is not None and len(place) == 1:
                values = rows.column(place[0])
                if values.type == column.type.arrow:  # else the comparison converts
                    arrays[column.name] = values.drop_null()
    lengths = {len(values) for values in arrays.values()}
    if len(lengths) != 1:  # rows with a NULL match nothing; without any array nothing is known
        arrays = dict(list(arrays.items())[:1])
    return pa.table(arrays)


def _asks_alone(tree: exp.Merge) -> bool:
    return any(when.args.get("source") for when in tree.args["whens"].expressions)


def _alone(pieces: Pieces, tree: exp.Merge, table: Table, name: str) -> pa.Table:
    alias, source_alias = tree.this.alias_or_name, tree.args["using"].alias_or_name
    other = exp.select("1").from_(source(name, source_alias)).where(_on(tree))
    select = (
        exp.select(*_target_columns(table, alias))
        .from_(tree.this.copy())
        .where(exp.Not(this=exp.Exists(this=other)))
    )
    found = pieces.table(select)
    return found.append_column(_MATCH, pa.array(np.arange(found.num_rows)))


# The clauses.


def _changes(merge: _Merge) -> Changes:
    matched = merge.matched
    for when in merge.tree.args["whens"].expressions:
        if not when.args.get("matched") and not when.args.get("source"):
            _insert(merge, when)
        elif when.args.get("source"):
            merge.alone = _touch(merge, when, merge.alone, with_source=False)
        else:
            merge.matched = _touch(merge, when, merge.matched, with_source=True)
    taken = pa.concat_tables(merge.taken) if merge.taken else None
    if taken is not None and not _all_different(merge, taken):
        raise DbError(
            ErrorKind.CARDINALITY,
            "MERGE cannot change a row a second time",
            detail="more than one source row matches the same target row",
        )
    changes = Changes(
        deleted=_one(merge.deleted),
        old=_one(merge.old),
        new=_one(merge.new),
        inserted=_one(merge.inserted),
        seen=_seen(merge, matched, taken),
        affected=sum(
            rows.num_rows for part in (merge.deleted, merge.new, merge.inserted) for rows in part
        ),
    )
    check_unique(merge.pieces.session, merge.table, changes)
    return changes


def _one(parts: list[pa.Table]) -> pa.Table | None:
    return pa.concat_tables(parts) if parts else None


def _all_different(merge: _Merge, taken: pa.Table) -> bool:
    if merge.table.append_mode:
        return True
    keys = [name for name in taken.column_names if name != SEEN]
    return bool(taken.group_by(keys).aggregate([]).num_rows == taken.num_rows)


def _seen(merge: _Merge, matched: pa.Table, taken: pa.Table | None) -> Seen | None:
    """Rows changed were so; keys inserted were not there, unless they were matched."""
    if not merge.table.is_time_series or merge.table.append_mode:
        return Seen(taken) if merge.table.is_time_series and taken is not None else None
    names = list(key_columns(merge.table))
    there = _keyed(merge.table, matched).append_column(SEEN, matched.column(SEEN))
    if taken is None:
        taken = there.slice(0, 0)
    if not merge.inserted:
        return Seen(taken)
    inserted = pa.concat_tables(merge.inserted).select(names)
    keys = pa.concat_tables([taken.select(names), inserted.cast(taken.select(names).schema)])
    return Seen(taken, keys)


def _keyed(table: Table, rows: pa.Table) -> pa.Table:
    """The key of target rows under its own names."""
    names = key_columns(table)
    arrays = [rows.column(_KEY.format(i)) for i in range(len(names))]
    found = pa.table(arrays, names=list(names))
    if not table.is_time_series:
        return found
    columns = [column for name in names if (column := table.column(name)) is not None]
    return found.cast(pa.schema([pa.field(c.name, c.type.arrow, c.nullable) for c in columns]))


def _touch(merge: _Merge, when: exp.Expr, rows: pa.Table | None, *, with_source: bool) -> pa.Table:
    """A clause over target rows: takes those its condition holds for; gives the others."""
    assert rows is not None
    then, table = when.args["then"], merge.table
    changes = None
    if isinstance(then, exp.Update):
        changes = assignments(table, then.expressions, merge.pieces.text)
    values = [] if changes is None else new_values(table, merge.alias, changes)
    names = [column.name for column in table.columns]
    with (
        merge.pieces.with_rows(rows, table) as (mine, inner),
        inner.with_rows(merge.rows) as (theirs, both),
    ):
        select = exp.select(*values, column_of(merge.alias, _MATCH)).from_(
            source(mine, merge.alias)
        )
        if with_source:
            on = exp.EQ(
                this=column_of(merge.alias, _NUMBER),
                expression=column_of(merge.source_alias, _NUMBER),
            )
            select = select.join(source(theirs, merge.source_alias), on=on)
        if when.args.get("condition") is not None:
            select = select.where(when.args["condition"].copy())
        found = both.table(select, (table, names) if values else None)
    chosen = rows.take(pc.index_in(found.column(_MATCH), rows.column(_MATCH).combine_chunks()))
    _record(merge, then, chosen, found if changes is not None else None)
    left = pc.invert(pc.is_in(rows.column(_MATCH), found.column(_MATCH).combine_chunks()))
    return rows.filter(left)


def _record(merge: _Merge, then: exp.Expr, chosen: pa.Table, found: pa.Table | None) -> None:
    """Notes that rows are updated (to what was `found`), deleted or left alone."""
    table, session = merge.table, merge.pieces.session
    if found is None and then.name.upper() != "DELETE":
        return  # DO NOTHING
    keys = _keyed(table, chosen)
    merge.taken.append(keys.append_column(SEEN, chosen.column(SEEN)))
    if found is None:
        merge.deleted.append(keys)
        rows = assigned(session, chosen, table.columns)
    else:
        rows = complete(session, table, table.columns, assigned(session, found, table.columns))
        merge.old.append(keys)
        merge.new.append(rows)
    numbers = (
        chosen.column(_NUMBER)
        if _NUMBER in chosen.column_names
        else pa.nulls(chosen.num_rows, pa.int64())
    )
    _return(merge, rows, "DELETE" if found is None else "UPDATE", numbers)


def _insert(merge: _Merge, when: exp.Expr) -> None:
    """A clause over source rows that match nothing."""
    then, table, session = when.args["then"], merge.table, merge.pieces.session
    values: dict[str, exp.Expr] = {}
    if isinstance(then, exp.Insert):
        values = _inserted_values(table, then, merge.pieces.text)
    columns = columns_named(table, list(values), merge.pieces.text)
    outputs = [exp.alias_(value.copy(), name, quoted=True) for name, value in values.items()]
    with merge.pieces.with_rows(merge.single) as (name, inner):
        select = exp.select(*outputs, column_of(merge.source_alias, _NUMBER)).from_(
            source(name, merge.source_alias)
        )
        if when.args.get("condition") is not None:
            select = select.where(when.args["condition"].copy())
        found = inner.table(select, (table, list(values)))
    numbers = found.column(_NUMBER)
    if isinstance(then, exp.Insert):
        typed = assigned(session, found, columns) if columns else found.select([_NUMBER])
        rows = complete(session, table, columns, typed)
        merge.inserted.append(rows)
        _return(merge, rows, "INSERT", numbers)
    left = pc.invert(pc.is_in(merge.single.column(_NUMBER), numbers.combine_chunks()))
    merge.single = merge.single.filter(left)


def _inserted_values(table: Table, then: exp.Insert, text: str) -> dict[str, exp.Expr]:
    """Column → value of `INSERT (a, b) VALUES (…)`; columns left out get their defaults."""
    names, given = then.this, then.expression
    if (
        given is None
        and names is not None
        and [n.name.upper() for n in _items(names)] == ["DEFAULT"]
    ):
        return {}  # INSERT DEFAULT VALUES
    values = _items(given) if given is not None else _items(names)
    named = [item.name for item in _items(names)] if given is not None and names else None
    columns = columns_named(table, named, text)
    if named is None:
        columns = columns[: len(values)]
    if len(columns) != len(values):
        message = f"INSERT has {len(columns)} columns, but {len(values)} values"
        raise DbError(ErrorKind.COLUMN_COUNT, message)
    return {
        column.name: default_of(column) if is_default_word(value) else value
        for column, value in zip(columns, values, strict=True)
    }


def _items(node: exp.Expr | None) -> list[exp.Expr]:
    if node is None:
        return []
    if not isinstance(node, exp.Expr):  # the library's mark for a list that is missing
        raise DbError(ErrorKind.SYNTAX, "syntax error: INSERT of MERGE needs VALUES")
    return node.expressions if isinstance(node, exp.Tuple | exp.Schema) else [node.unnest()]


# RETURNING.


def _return(merge: _Merge, rows: pa.Table, action: str, numbers: pa.ChunkedArray) -> None:
    if not returning_of(merge.tree):
        return
    rows = rows.append_column(_NUMBER, numbers)
    merge.returned.append(rows.append_column(_ACTION, pa.repeat(action, rows.num_rows)))


def _with_action(item: exp.Expr, action: exp.Expr) -> exp.Expr:
    """`merge_action()` as a value."""

    def replaced(node: exp.Expr) -> exp.Expr:
        called = isinstance(node, exp.Anonymous) and node.name.lower() == "merge_action"
        return action.copy() if called else node

    changed = item.copy().transform(replaced)
    if changed != item and not isinstance(changed, exp.Alias):
        changed = exp.alias_(changed, "merge_action", quoted=True)
    return changed


def _answer(merge: _Merge) -> Result:
    columns = merge.table.columns
    fields = [pa.field(c.name, c.type.arrow, c.nullable) for c in columns]
    fields += [pa.field(_NUMBER, pa.int64()), pa.field(_ACTION, pa.string())]
    rows = pa.concat_tables(merge.returned) if merge.returned else pa.schema(fields).empty_table()
    action = column_of(merge.alias, _ACTION)
    items: list[exp.Expr] = []
    for item in returning_of(merge.tree):
        if isinstance(item, exp.Star):  # the source's columns, then the target's
            names = [n for n in merge.rows.column_names if n != _NUMBER]
            items += [column_of(merge.source_alias, name) for name in names]
            items += [column_of(merge.alias, column.name) for column in columns]
        else:
            items += expanded([_with_action(item, action)], merge.alias, merge.table)
    on = exp.EQ(
        this=column_of(merge.alias, _NUMBER), expression=column_of(merge.source_alias, _NUMBER)
    )
    with (
        merge.pieces.with_rows(rows, merge.table) as (mine, inner),
        inner.with_rows(merge.rows) as (theirs, both),
    ):
        select = (
            exp.select(*items)
            .from_(source(mine, merge.alias))
            .join(source(theirs, merge.source_alias), on=on, join_type="LEFT")
        )
        return both.collect(select, "MERGE")
