"""What UPDATE and DELETE have in common: keys and values of the rows that were found, RETURNING.

RETURNING may name columns of the other tables that the statement reads; they are found along with
the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.records import Table
from engine.datatypes import DataType, TypeId
from engine.errors import DbError, ErrorKind
from sql.decode.lengths import literal_length_max
from sql.foreign.keys import is_checked, keys_onto, watched
from sql.foreign.pending import touch
from sql.plan.named_values import takes_type, typed_as
from sql.plan.parameters import parameter_number
from sql.plan.plan import plan_query
from sql.results import Affected, Description, Result, Rows
from sql.statements.adjusting import is_strict
from sql.statements.changes import Changes, Seen, answer, change, key_columns, result_of
from sql.statements.counting import changed_count, counts_changed
from sql.statements.element_setting import is_element
from sql.statements.generated import has_own_values
from sql.statements.joined import OLD, Joined, Target, find
from sql.statements.key_locks import check_count, lock_key
from sql.statements.lookup import SEEN, hash_of
from sql.statements.parts import Pieces, default_of, is_default_word, returning_of
from sql.statements.row_locking import lock_found
from sql.statements.setting import assignments, touched_by
from sql.tally import is_told

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

_OUTER = "__outer_{}"


def keys_of(table: Table, found: pa.Table) -> pa.Table:
    """The found keys (`OLD`) with the table's own names and Arrow types."""
    names = key_columns(table)
    arrays = [found.column(OLD.format(i)) for i in range(len(names))]
    if not table.is_time_series:
        return pa.table(arrays, names=list(names))
    fields = []
    for name in names:
        column = table.column(name)
        assert column is not None
        fields.append(pa.field(name, column.type.arrow, column.nullable))
    return pa.table(arrays, names=list(names)).cast(pa.schema(fields))


def seen_columns(target: Target) -> list[exp.Expr]:
    """What tells whether a row has changed since; a relational store tells by itself."""
    return [hash_of(target.table, target.alias)] if target.table.is_time_series else []


def seen_of(table: Table, keys: pa.Table, found: pa.Table) -> Seen | None:
    """The rows found as they were read."""
    if not table.is_time_series:
        return None
    return Seen(keys.append_column(SEEN, found.column(SEEN)))


FindOne = Callable[[Pieces, Joined, Target], Changes]


def run_joined(
    session: ClientSession,
    statement: ParsedStatement,
    parameters: Sequence[object],
    joined: Joined,
    find_one: FindOne,
    tag: str,
) -> Result:
    """Runs an UPDATE or DELETE: the rows of all targets are found and changed as one step.

    A plain statement on one relational table is DuckDB's own. Raises: DbError.
    """
    target = joined.targets[0]
    plain = joined.is_plain and not _asks_others(joined)
    plain = plain and not _may_be_too_long(joined.tree, target.table, parameters)
    plain = plain and not target.table.is_time_series and not has_own_values(target.table)
    plain = plain and not any(is_told(item.args.get("expression")) for item in _items(joined.tree))
    plain = plain and (is_strict(session) or not _items(joined.tree))
    if plain and not _meets_keys(session, joined.tree, target.table):
        return _run_relational(session, statement, joined, parameters, tag=tag)
    pieces = Pieces(session, statement.text, parameters)
    tables = [one.table for one in joined.targets]
    with session.writing() as transaction:
        if len(tables) > 1:
            transaction.change_store()
        done = change(
            session, transaction, tables, lambda: _found_all(pieces, joined, find_one, tag)
        )
        for table, one in zip(tables, done, strict=True):
            if not table.is_time_series:
                check_count(transaction, one.affected)
        return result_of(done)


def _items(tree: exp.Expr) -> list[exp.Expr]:
    """The items of SET."""
    items: list[exp.Expr] = tree.expressions if isinstance(tree, exp.Update) else []
    return items


def _meets_keys(session: ClientSession, tree: exp.Expr, table: Table) -> bool:
    """True if a foreign key asks for the rows that the statement changes."""
    if isinstance(tree, exp.Delete):
        return bool(keys_onto(session, table)) and is_checked(session)
    over = watched(session, table)
    names = {i.this.name if isinstance(i.this, exp.Column) else "" for i in tree.expressions}
    return bool(over) and ("" in names or bool(over & names))


def _found_all(pieces: Pieces, joined: Joined, find_one: FindOne, tag: str) -> list[Changes]:
    """The changes of all targets; the first has the statement's answer."""
    found = [find_one(pieces, joined, target) for target in joined.targets]
    first, target = found[0], joined.targets[0]
    whole = replace(first, affected=sum(changes.affected for changes in found))
    items = returned_items(joined, target)
    first.result = answer(pieces, target.table, target.alias, items, whole, tag)
    return found


def _may_be_too_long(tree: exp.Expr, table: Table, parameters: Sequence[object]) -> bool:
    """True if a new value may be longer than its column's type says, which DuckDB does not know."""
    limits = {
        column.name: literal_length_max(column) for column in table.columns if column.declared
    }
    for item in tree.expressions if any(limits.values()) else ():
        if not isinstance(item.this, exp.Column):
            return True
        limit = limits.get(item.this.name)
        if limit is not None and not _is_within(limit, item.expression, parameters):
            return True
    return False


def _is_within(limit: int, value: exp.Expr, parameters: Sequence[object]) -> bool:
    number = parameter_number(value)
    if number is not None:
        given = parameters[number - 1]
        return given is None or (isinstance(given, str) and _fits(given, limit))
    if isinstance(value, exp.Literal):
        return _fits(value.name, limit)
    return isinstance(value, exp.Null)


def _fits(text: str, limit: int) -> bool:
    """True if it is stored as it is: blanks at its end may have to go."""
    return len(text) <= limit and not text.endswith(" ")


# RETURNING.


def _asks_others(joined: Joined) -> bool:
    """True if RETURNING may name columns of other tables, which DuckDB's own cannot."""
    return joined.has_others and bool(returning_of(joined.tree))


def _is_outer(node: exp.Expr, target: Target) -> bool:
    if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star):
        return False
    if node.find_ancestor(exp.Query) is not None:
        return False
    if node.table:
        return bool(node.table != target.alias)
    return target.table.column(node.name) is None


def _outer(joined: Joined, target: Target) -> list[exp.Expr]:
    """The columns of other tables that RETURNING names, each once."""
    found: list[exp.Expr] = []
    for item in returning_of(joined.tree) if joined.has_others else ():
        found += [n for n in item.find_all(exp.Column) if _is_outer(n, target) and n not in found]
    return found


def outer_columns(joined: Joined, target: Target) -> list[exp.Expr]:
    """They as outputs of the query that finds the rows."""
    return [
        exp.alias_(node.copy(), _OUTER.format(i), quoted=True)
        for i, node in enumerate(_outer(joined, target))
    ]


def with_outer(rows: pa.Table, found: pa.Table) -> pa.Table:
    """The rows with those columns beside them."""
    for name in found.column_names:
        if name.startswith(_OUTER.format("")):
            rows = rows.append_column(name, found.column(name))
    return rows


def returned_items(joined: Joined, target: Target) -> list[exp.Expr]:
    """RETURNING's items over the rows that `with_outer` gives."""
    outer = _outer(joined, target)

    def replaced(node: exp.Expr) -> exp.Expr:
        if node in outer and _is_outer(node, target):
            return exp.column(_OUTER.format(outer.index(node)), quoted=True)
        return node

    items = []
    for item in returning_of(joined.tree):
        changed = item.copy().transform(replaced)
        if changed != item and not isinstance(changed, exp.Alias):
            changed = exp.alias_(changed, item.output_name or "?column?", quoted=True)
        items.append(changed)
    return items


def _own_star(item: exp.Expr, target: Target) -> exp.Expr:
    """`*` are the columns of the target alone."""
    if not isinstance(item, exp.Star):
        return item.copy()
    return exp.Column(this=item.copy(), table=exp.to_identifier(target.alias, quoted=True))


def describe_joined(
    session: ClientSession,
    statement: ParsedStatement,
    declared: Sequence[DataType | None],
    joined: Joined,
    values: Sequence[exp.Expr],
    tag: str,
) -> Description:
    """Parameter types of an UPDATE or DELETE, and the columns of its RETURNING."""
    target = joined.targets[0]
    context = session.plan_context(statement.text)
    items = [_own_star(item, target) for item in returning_of(joined.tree)]
    given = len(values)
    query = find(joined, target, [*values, *items])
    names = [column.name for column in target.table.columns]
    count = statement.parameter_count
    plan = plan_query(
        query,
        context,
        parameter_count=count,
        declared=declared,
        target=(target.table, names) if given else None,
    )
    columns = None
    if items:
        shape = find(joined, target, items)
        for part in ("where", "order", "limit", "distinct"):
            shape.set(part, None)
        keys = len(key_columns(target.table))
        found = Pieces(session, statement.text).columns(shape)
        columns = found[: len(found) - keys]
    return Description(plan.parameter_types, columns, tag=tag)


# DuckDB's own.


def _run_relational(
    session: ClientSession,
    statement: ParsedStatement,
    joined: Joined,
    parameters: Sequence[object],
    *,
    tag: str,
) -> Result:
    """Lets DuckDB change its own table. Raises: DbError."""
    target = joined.targets[0]
    tree = joined.tree
    pieces = Pieces(session, statement.text, parameters)
    lock_found(session, pieces, joined, lambda one: find(joined, one, []))
    by_key = lock_key(pieces, joined)
    plan, values = pieces.statement("whole", lambda: _with_defaults(tree, target.table))
    with session.writing() as transaction:
        if by_key:
            transaction.repeats.hold(target.table.id)
        transaction.change_store(rows_of=target.table, by_key=by_key)
        touch(session, transaction, target.table)
        if _meets_keys(session, tree, target.table):
            message = f'table "{target.table.name}" was given a foreign key meanwhile'
            raise DbError(ErrorKind.SERIALIZATION_FAILURE, message)
        if returning_of(tree):
            rows = session.runner.collect(plan, values, statement.text, tag=tag)
            batches = list(rows)
            check_count(transaction, sum(batch.num_rows for batch in batches))
            return Rows(rows.columns, iter(batches), tag=tag)
        differing = None
        if tag == "UPDATE" and counts_changed(session):
            changes = assignments(target.table, tree.expressions, statement.text)
            differing = changed_count(pieces, joined, target, changes)
        counted = session.runner.run(plan, values, statement.text)
        matched = int(counted[0][0]) if counted else 0
        check_count(transaction, matched)
    session.tally.matched(matched)
    return Affected(tag, matched if differing is None else differing)


def _set(name: str, value: exp.Expr) -> exp.EQ:
    return exp.EQ(this=exp.column(exp.to_identifier(name, quoted=True)), expression=value)


def _with_defaults(tree: exp.Expr, table: Table) -> exp.Expr:
    """`SET a = DEFAULT`, columns set to the time, rows of composite types: DuckDB knows none."""
    words = any(isinstance(i, exp.EQ) and is_default_word(i.expression) for i in tree.expressions)
    touched = touched_by(table, tree.expressions) if isinstance(tree, exp.Update) else {}
    elements = [i for i in tree.expressions if isinstance(i, exp.EQ) and is_element(i)]
    typed = any(_typed_value(item, table) is not None for item in tree.expressions)
    if not words and not touched and not elements and not typed:
        return tree
    if elements:
        tree = tree.copy()
        changes = assignments(table, tree.expressions, "")
        tree.set("expressions", [_set(name, value) for name, value in changes.items()])
        return tree
    tree = tree.copy()
    for name, value in touched.items():
        tree.append("expressions", _set(name, value))
    for item in tree.expressions:
        column = table.column(item.this.name) if isinstance(item, exp.EQ) else None
        if column is not None and is_default_word(item.expression):
            item.set("expression", default_of(column))
        elif (typed_value := _typed_value(item, table)) is not None:
            item.set("expression", typed_value)
    return tree


def _typed_value(item: exp.Expr, table: Table) -> exp.Expr | None:
    """ROW(…) or ARRAY[…] as its column's type reads it, if users know that type by its name.

    `now()` is cut to a column's whole seconds: DuckDB would round it, to later than it is.
    """
    column = table.column(item.this.name) if isinstance(item, exp.EQ) else None
    value = item.expression
    if column is not None and column.type.id is TypeId.TIMESTAMP_SECOND:
        is_now = isinstance(value, exp.CurrentTimestamp) and value.this is None
        return exp.TimestampTrunc(this=value.copy(), unit=exp.var("SECOND")) if is_now else None
    if column is None or column.type.innermost.named is None:
        return None
    return typed_as(value, column.type) if takes_type(value) and not value.is_string else None
