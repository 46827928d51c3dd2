"""INSERT and REPLACE: literal VALUES by kernel, everything else as a query into the table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from catalog.details import ConstraintKind
from catalog.records import Column, Table
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql.decode.bits import bits_of
from sql.decode.lengths import fitted_expression
from sql.decode.values import InsertHead, LiteralRows, match_insert, read_values, to_table
from sql.dialect.parser import ParsedStatement, parse
from sql.foreign.pending import touch, wrote
from sql.foreign.upsert import watch_upsert
from sql.plan.cache import Unliftable
from sql.plan.named_values import takes_type, typed_as
from sql.plan.parameters import parameter_number
from sql.plan.plan import plan_query
from sql.plan.tables import is_there
from sql.results import Affected, Description, Result
from sql.session import Wire
from sql.statements.adjusting import (
    adjusted,
    adjusts,
    alike,
    fitting,
    in_one_kind,
    is_strict,
    with_implicit,
    with_parents,
)
from sql.statements.auto_increment import numbered
from sql.statements.changes import Changes, answer, change, result_of
from sql.statements.conflict import by_columns, policy_of, resolve
from sql.statements.generated import (
    check_fast,
    check_inserted,
    counted_places,
    recomputed,
)
from sql.statements.ignoring import deciding_keys, without_known
from sql.statements.lock_waits import check_insert, check_upsert
from sql.statements.metric_engine import check_not_physical
from sql.statements.parts import (
    Pieces,
    as_stored,
    assigned,
    default_of,
    is_default_word,
    returning_of,
    text_as,
)
from sql.statements.query import bind
from sql.statements.sequence_calls import settled_tree
from sql.statements.setting import qualified
from sql.statements.target import (
    SEQUENCE,
    columns_named,
    complete,
    insert_rows,
    kept,
    writable,
)
from sql.statements.values_at_hand import values_at_hand

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.transaction import Transaction


# What may follow the rows of an INSERT that is to be read fast all the same.
_TAIL = re.compile(r"\b(?:ON\s+(?:CONFLICT|DUPLICATE)|RETURNING)\b", re.IGNORECASE)
_TAIL_TRIES = 3  # the words may stand in a string


@dataclass(frozen=True)
class LiftedInsert(ParsedStatement):
    """INSERT … VALUES of plain literals with a conflict clause or RETURNING.

    `text` is what the client wrote; `tree` and `form` have one row of nothing in place of `rows`.
    """

    form: str = ""
    rows: LiteralRows | None = None


@dataclass(frozen=True)
class FastInsert:
    """INSERT … VALUES of plain literals, already tokenised; stands for a parsed statement."""

    text: str
    head: InsertHead
    rows: LiteralRows
    tree: None = None
    parameter_count: int = 0
    is_empty: bool = False


def recognise(session: ClientSession, text: str) -> FastInsert | LiftedInsert | None:
    """The statement, if the whole request is one INSERT of plain literals."""
    head = match_insert(text, session.wire)
    if head is None:
        return None
    rows = read_values(text, head.start, session.wire)
    if rows is not None:
        return FastInsert(text, head, rows)
    return _recognise_tail(session, text, head) if is_strict(session) else None


def _recognise_tail(session: ClientSession, text: str, head: InsertHead) -> LiftedInsert | None:
    """As `recognise`, with something behind the rows."""
    for found in islice(_TAIL.finditer(text, head.start), _TAIL_TRIES):
        rows = read_values(text[: found.start()], head.start, session.wire)
        if rows is None:
            continue
        form = f"{text[: head.start]}(NULL) {text[found.start() :]}"
        lifted = session.server.plans.lifted
        known = lifted.get((form, session.wire))
        if known is None:
            known = _parsed_form(session, form)
            lifted.put((form, session.wire), known)
        if isinstance(known, Unliftable):
            return None
        return LiftedInsert(text, known.tree, form=form, rows=rows)
    return None


def _parsed_form(session: ClientSession, form: str) -> ParsedStatement | Unliftable:
    try:
        statements = parse(form, session.wire)
    except DbError:
        return Unliftable()  # whose words are about the text as it was written
    alone = len(statements) == 1 and not statements[0].parameter_count
    plain = alone and isinstance(statements[0].tree, exp.Insert)
    return statements[0] if plain else Unliftable()


def tree_of(statement: ParsedStatement | FastInsert) -> exp.Expr:
    """The statement's tree; of a fast INSERT just enough to tell its table and columns."""
    if isinstance(statement, FastInsert):
        table = _table_node(statement.head.table)
        names = [exp.to_identifier(name) for name in statement.head.columns or ()]
        return exp.Insert(this=exp.Schema(this=table, expressions=names) if names else table)
    assert statement.tree is not None
    return statement.tree


def run_fast(session: ClientSession, statement: FastInsert) -> Result:
    """Inserts literal rows. Raises: DbError."""
    node = _table_node(statement.head.table)
    if session.wire is Wire.MYSQL and not is_there(node, session.plan_context(statement.text)):
        return run(session, parse(statement.text, session.wire)[0], ())  # its name in its own case
    table = writable(session, node, statement.text)
    check_not_physical(table)
    if statement.head.replace and not table.is_time_series:
        return run(session, parse(statement.text, session.wire)[0], ())
    columns = columns_named(table, statement.head.columns, statement.text)
    if not statement.head.columns:
        columns = _first(session, table, statement.rows.width)
    _check_count(len(columns), statement.rows.width)
    if is_strict(session):  # else MySQL leaves what is given for a generated column aside
        check_fast(columns)
    if any(bits_of(column) for column in columns):  # texts are bytes there
        return run(session, parse(statement.text, session.wire)[0], ())
    data = fitting(session, statement.rows, columns)
    if data is None:
        return run(session, parse(statement.text, session.wire)[0], ())
    with session.writing() as transaction:
        columns, data = with_implicit(session, table, columns, data)
        columns, data = numbered(session, table, columns, data)
        insert_rows(session, transaction, table, complete(session, table, columns, data))
    return Affected("INSERT", kept(table, data.num_rows))


def _table_node(name: Sequence[str]) -> exp.Table:
    catalog, database, table = (*[""] * (3 - len(name)), *name)
    return exp.table_(table, database or None, catalog or None, quoted=True)


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Inserts the rows of any source. Raises: DbError."""
    tree = statement.tree
    assert isinstance(tree, exp.Insert)
    lifted = statement if isinstance(statement, LiftedInsert) else None
    form, rows = (lifted.form, lifted.rows) if lifted is not None else (None, None)
    table, columns = _target(session, tree, statement.text, rows.width if rows else None)
    if is_strict(session):
        check_inserted(tree, columns)
    pieces = Pieces(session, statement.text, parameters, form=form)
    with session.writing() as transaction:
        data = _given(pieces, statement, table, columns)
        counted = counted_places(tree, columns)
        columns, data = tuple(columns[at] for at in counted), data.select(counted)
        return store(pieces, transaction, tree, table, columns, data)


def store(
    pieces: Pieces,
    transaction: Transaction,
    tree: exp.Insert,
    table: Table,
    columns: tuple[Column, ...],
    data: pa.Table,
) -> Result:
    """Stores rows of the columns' types as the clauses of an INSERT say. Raises: DbError."""
    session = pieces.session
    columns, data = with_implicit(session, table, columns, data)
    rows = complete(session, table, *numbered(session, table, columns, data))
    if session.wire is Wire.MYSQL and tree.args.get("ignore") and not table.is_time_series:
        rows = with_parents(session, table, rows)
    alias = _alias(tree)
    policy = pieces.kept("policy", lambda: policy_of(tree, table, pieces.text))
    if policy is None and _is_duckdbs(tree, table):
        return _insert_relational(pieces, transaction, tree, table, rows)
    items = returning_of(tree)
    if policy is None:
        plain = Changes(affected=kept(table, rows.num_rows), returned=rows)
        result = answer(pieces, table, alias, items, plain, "INSERT")
        insert_rows(session, transaction, table, rows)
        return result
    resolved = partial(resolve, pieces, table, alias, rows, policy)

    def find() -> list[Changes]:
        changes = resolved()
        changes.result = answer(pieces, table, alias, items, changes, "INSERT")
        return [changes]

    return result_of(change(session, transaction, [table], find))


def _given(
    pieces: Pieces, statement: ParsedStatement, table: Table, columns: tuple[Column, ...]
) -> pa.Table:
    """The values the statement gives, of the columns' types."""
    session, tree = pieces.session, statement.tree
    assert isinstance(tree, exp.Insert)
    if isinstance(statement, LiftedInsert):
        assert statement.rows is not None
        _check_count(len(columns), statement.rows.width)
        return to_table(statement.rows, columns, session.timezone)
    target = table, [column.name for column in columns]
    loose = adjusts(session, tree)
    if not loose and tree.args.get("with_") is None:
        values = bind(pieces.parameters, (), session.timezone)
        now_ms = None if session.wire is Wire.MYSQL else session.moment_ms()  # NOW(): seconds
        plain = values_at_hand(tree.expression, columns, values, now_ms)
        if plain is not None:
            return assigned(session, plain, columns)
    if _draws(tree, columns):
        if session.wire is Wire.MYSQL:  # NULL asks for a number, which the session then tells
            columns = tuple(replace(c, default=None) if _counts(c) else c for c in columns)
        plan, values = pieces.plan(settled_tree(_source(session, tree, columns), pieces), target)
    elif loose:
        plan, values = pieces.prepared(
            "alike", lambda: alike(_source(session, tree, columns)), target
        )
    else:
        plan, values = pieces.prepared("source", lambda: _source(session, tree, columns), target)
    found = session.runner.table(plan, values, pieces.text)
    _check_count(len(columns), found.num_columns)
    if loose:
        return adjusted(session, found, columns)
    return assigned(session, found, columns)


def _draws(tree: exp.Insert, columns: Sequence[Column]) -> bool:
    """True if the word DEFAULT asks for numbers of a sequence."""
    if not any(map(_counts, columns)):
        return False
    source = tree.expression
    return not isinstance(source, exp.Values) or any(map(is_default_word, source.walk()))


def _counts(column: Column) -> bool:
    return SEQUENCE in (column.default or "")


def _is_duckdbs(tree: exp.Insert, table: Table) -> bool:
    """True for what a relational table does by itself."""
    keyed = bool(table.primary_key) or any(index.unique for index in table.indexes)
    uniques = (one for one in table.constraints if one.kind is ConstraintKind.UNIQUE)
    keyed = keyed or any(not one.deferrable for one in uniques)
    ignores = bool(tree.args.get("ignore")) and keyed  # without a key no row is in the way
    conflict = tree.args.get("conflict")
    named = conflict is not None and any(map(conflict.args.get, ("conflict_keys", "constraint")))
    special = ignores or (conflict is not None and (keyed or named)) or tree.args.get("returning")
    return bool(special) and not table.is_time_series


def _alias(tree: exp.Insert) -> str:
    """What the target is called in a conflict clause and in RETURNING."""
    node = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    return str(node.alias_or_name)


def describe(
    session: ClientSession, statement: ParsedStatement, declared: Sequence[DataType | None]
) -> Description:
    """Parameter types from the target columns; columns only with RETURNING."""
    tree = statement.tree
    assert isinstance(tree, exp.Insert)
    table, columns = _target(session, tree, statement.text)
    context = session.plan_context(statement.text)
    plan = plan_query(
        _source(session, tree, columns),
        context,
        parameter_count=statement.parameter_count,
        declared=declared,
        target=(table, [column.name for column in columns]),
    )
    returned = None
    if tree.args.get("returning"):
        node = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
        select = exp.select(*[e.copy() for e in returning_of(tree)]).from_(node.copy())
        returned = Pieces(session, statement.text).columns(select)
    types = _with_conflict(plan.parameter_types, session, statement, tree, table, declared)
    return Description(types, returned, tag="INSERT")


def _with_conflict(
    types: tuple[DataType, ...],
    session: ClientSession,
    statement: ParsedStatement,
    tree: exp.Insert,
    table: Table,
    declared: Sequence[DataType | None],
) -> tuple[DataType, ...]:
    """Parameters of the conflict clause get the types of the columns they are set to."""
    conflict = tree.args.get("conflict")
    if conflict is None or not any(conflict.find_all(exp.Parameter)):
        return types
    found = list(types)
    for item in conflict.expressions:
        column = table.column(item.this.name) if isinstance(item, exp.EQ) else None
        number = parameter_number(item.expression) if column is not None else None
        if column is None or number is None:
            continue
        if number > len(declared) or declared[number - 1] is None:
            found[number - 1] = column.type
    return tuple(found)


def _target(
    session: ClientSession, tree: exp.Insert, text: str, width: int | None = None
) -> tuple[Table, tuple[Column, ...]]:
    """The table and the columns that get values; `width`: how many, if the tree does not tell."""
    into = tree.this
    names = None
    if isinstance(into, exp.Schema):
        names = [identifier.name for identifier in into.expressions] or None  # MySQL's ()
        into = into.this
    table = writable(session, into, text)
    check_not_physical(table)
    columns = columns_named(table, names, text)
    source = tree.expression
    if names is None and width is None and isinstance(source, exp.Values) and source.expressions:
        width = len(_items(source.expressions[0]))
    elif names is None and isinstance(source, exp.Select) and not source.is_star:
        width = len(source.expressions)
    return table, columns if names or not width else _first(session, table, width)


def _first(session: ClientSession, table: Table, values: int) -> tuple[Column, ...]:
    """PostgreSQL fills columns from the left when none are named; the others get defaults.

    Tables with a time index want all of them, as in GreptimeDB.
    """
    fills = session.wire is Wire.POSTGRES and not table.is_time_series
    return table.columns[:values] if fills else table.columns


def _source(session: ClientSession, tree: exp.Insert, columns: tuple[Column, ...]) -> exp.Expr:
    """The query for the rows to be inserted."""
    source = tree.expression
    if source is None or tree.args.get("default"):
        source = _default_row(columns)
    if isinstance(source, exp.Values) and not any(_items(row) for row in source.expressions):
        rows = [_default_row(columns) for _ in source.expressions]  # MySQL's VALUES ()
        source = rows[0] if len(rows) == 1 else exp.union(*rows, distinct=False)
    if isinstance(source, exp.Values):
        source = _fill_defaults(source, columns, session.timezone)
        source.set("alias", None)  # MySQL's, for its conflict clause
        if session.wire is Wire.MYSQL:
            source = in_one_kind(source, columns)
    with_ = tree.args.get("with_")
    if with_ is not None:
        source = source.copy()
        source.set("with_", with_.copy())
    found: exp.Expr = source
    return found


def _default_row(columns: tuple[Column, ...]) -> exp.Expr:
    """DEFAULT VALUES: one row of the columns' defaults."""
    return exp.select(*[default_of(column) for column in columns])


def _items(row: exp.Expr) -> list[exp.Expr]:
    return row.expressions if isinstance(row, exp.Tuple) else [row]


def _fill_defaults(values: exp.Values, columns: tuple[Column, ...], timezone: str) -> exp.Values:
    """Replaces the word DEFAULT by the column's default."""
    values = values.copy()
    for row in values.expressions:
        _check_count(len(columns), len(_items(row)))
    for row in values.expressions:
        items = _items(row)
        for item, column in zip(list(items), columns, strict=True):
            if is_default_word(item):
                item.replace(default_of(column))
            elif column.type.innermost.named is not None and takes_type(item):
                item.replace(typed_as(item.copy(), column.type))
    for place in _mixed(values, len(columns)):
        for row in values.expressions:
            item = _items(row)[place]
            if item.is_string:
                item.replace(text_as(item, columns[place], timezone))
    return values


def _mixed(values: exp.Values, width: int) -> list[int]:
    """Places where texts stand beside what is computed: DuckDB wants one type in a column."""
    rows = [_items(row) for row in values.expressions]
    return [
        place
        for place in range(width if len(rows) > 1 else 0)
        if any(row[place].is_string for row in rows)
        and not all(isinstance(row[place], exp.Literal | exp.Null) for row in rows)
    ]


def _check_count(columns: int, values: int) -> None:
    if columns != values:
        raise DbError(
            ErrorKind.COLUMN_COUNT,
            f"column count mismatch, columns: {columns}, values: {values}",
        )


def _insert_relational(
    pieces: Pieces, transaction: Transaction, tree: exp.Insert, table: Table, rows: pa.Table
) -> Result:
    """ON CONFLICT, IGNORE and RETURNING, which DuckDB does for its own tables."""
    session, tree = pieces.session, by_columns(tree, table)
    check_insert(session, table)
    if tree.args.get("conflict") is not None:
        check_upsert(session, table)
    transaction.change_store(rows_of=table)
    keys = deciding_keys(tree, table)
    if keys:
        rows = without_known(pieces, table, rows, keys)
        tree = tree.copy()
        tree.set("ignore", None)
        tree.set("conflict", None)
    touch(session, transaction, table)
    wrote(session, transaction, table, new=rows)  # a row left out will not be found broken
    watch_upsert(session, transaction, tree, table)
    with pieces.with_rows(rows) as (name, inner):
        plan, values = inner.statement(f"from {name}", lambda: _from_rows(tree, table, name))
        if tree.args.get("returning"):
            return session.runner.collect(plan, values, pieces.text, tag="INSERT")
        counted = session.runner.run(plan, values, pieces.text)
    return Affected("INSERT", int(counted[0][0]) if counted else 0)


def _from_rows(tree: exp.Insert, table: Table, name: str) -> exp.Expr:
    """The statement with registered rows as its source."""
    changed = tree.copy()
    changed.set("with_", None)
    changed.set("default", None)
    changed.set("expression", exp.select("*").from_(exp.table_(name, quoted=True)))
    if changed.args.get("returning"):
        items = as_stored(returning_of(tree), _alias(tree), table)
        changed.set("returning", exp.Returning(expressions=items))
    if isinstance(changed.this, exp.Schema):
        changed.set("this", changed.this.this)
    conflict = changed.args.get("conflict")
    for item in conflict.expressions if conflict is not None else ():
        value = qualified(item.expression, _alias(tree), table)
        column = table.column(item.this.name)
        item.set("expression", value if column is None else fitted_expression(column, value))
    if conflict is not None and conflict.expressions:
        given = {item.this.name: item.expression for item in conflict.expressions}
        again = recomputed(table, _alias(tree), given)
        conflict.set("expressions", [*conflict.expressions, *again])
    return changed
