"""CREATE INDEX and DROP INDEX.

A unique index of a relational table is one of DuckDB's and enforced. Every other is remembered by
name and answered for in the catalogs, but there is nothing to build: the storage engines keep what
they need to find rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.details import ConstraintKind, Index
from catalog.records import Table, TableKind
from engine.errors import DbError, ErrorKind
from sql.collations import compared_by, has_own_keys, unique_key
from sql.plan.tables import find_table
from sql.results import Affected, Notice, Result
from sql.statements.alter_constraints import check_unneeded, rebuild
from sql.statements.alteration import Alteration
from sql.statements.index_keys import key_and_suffix, shown_text, stored_text
from sql.statements.target import quoted
from sql.temporary import PG_TEMP
from sql.types import quote

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.transaction import Transaction


# What PostgreSQL and MySQL call ways to find rows; which was asked for changes nothing here.
_METHODS = frozenset(
    {"btree", "hash", "gist", "spgist", "gin", "brin", "rtree", "fulltext", "spatial"}
)


def create_index(session: ClientSession, tree: exp.Create, text: str) -> Result:
    """Raises: DbError UNDEFINED_TABLE, DUPLICATE_TABLE, UNDEFINED_COLUMN, UNDEFINED_OBJECT (the
    access method), UNIQUE_VIOLATION, UNSUPPORTED for UNIQUE on a time-series table.
    """
    node = tree.find(exp.Table)
    assert node is not None
    table = find_table(node, session.plan_context(text))
    if table.kind in (TableKind.VIEW, TableKind.EXTERNAL):
        message = f'cannot create index on {table.kind.value} "{table.name}"'
        raise DbError(ErrorKind.WRONG_OBJECT_TYPE, message)
    if tree.args.get("unique") and table.is_time_series:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "UNIQUE indexes on time-series tables are not supported",
            hint="tags and time index already name a row",
        )
    method = tree.this.args["params"].args.get("using")
    if method is not None and method.name.lower() not in _METHODS:
        message = f'access method "{method.name.lower()}" does not exist'
        raise DbError(ErrorKind.UNDEFINED_OBJECT, message)
    keys = _keys(tree, table)
    columns = tuple(name for name, _ in keys)
    name = tree.this.name or _default_name(session, table, columns)
    if _owner(session, table.database, name) is not None:
        if tree.args.get("exists"):
            session.notice(Notice(f'relation "{name}" already exists, skipping'))
            return Affected("CREATE INDEX", 0)
        raise DbError(ErrorKind.DUPLICATE_TABLE, f'relation "{name}" already exists')
    with session.writing() as transaction:
        transaction.change_store()
        index = Index(
            id=session.next_id(),
            name=name,
            columns=columns,
            unique=bool(tree.args.get("unique")),
            method=method.name.lower() if method is not None else "btree",
            include=_included(tree, table),
            lengths=_lengths(tree, table),
            suffixes=tuple(s for _, s in keys) if any(s for _, s in keys) else (),
            where=_predicate(tree, table),
            storage=_storage(tree),
            nulls_distinct=not tree.this.args["params"].meta.get("nulls_not_distinct"),
        )
        made = replace(table, indexes=(*table.indexes, index))
        if index.unique and transaction.has_written(table.id):
            with without_indexes(session, table) as after:
                after.append(made)
        elif index.unique:
            session.duck.execute(_build(table, index), None, text)
        session.change_table(table, made)
    return Affected("CREATE INDEX", 0)


def _keys(tree: exp.Create, table: Table) -> list[tuple[str, str]]:
    """(name, suffix) of columns; expressions are SQL text in parentheses."""
    found = []
    for item in tree.this.args["params"].args.get("columns") or ():
        key, suffix = key_and_suffix(item)
        if isinstance(key, exp.Anonymous) and key.expressions and table.column(key.name):
            key = exp.column(key.name)  # MySQL's a(10): the first ten characters
        _check_columns(key, table)
        plain = isinstance(key, exp.Column)
        found.append((key.name if plain else f"({shown_text(key)})", suffix))
    return found


def _lengths(tree: exp.Create, table: Table) -> tuple[int, ...]:
    """MySQL's `a(10)`; not of unique indexes, which compare whole values here."""
    items = tree.this.args["params"].args.get("columns") or ()
    keys = [key_and_suffix(item)[0] for item in items]
    named = [k if isinstance(k, exp.Anonymous) and table.column(k.name) else None for k in keys]
    sizes = [int(k.expressions[0].name) if k and k.expressions[0].is_int else 0 for k in named]
    return tuple(sizes) if any(sizes) and not tree.args.get("unique") else ()


def _check_columns(node: exp.Expr, table: Table) -> None:
    for column in node.find_all(exp.Column):
        if table.column(column.name) is None:
            message = f'column "{column.name}" does not exist'
            raise DbError(ErrorKind.UNDEFINED_COLUMN, message)


def _predicate(tree: exp.Create, table: Table) -> str:
    """The condition of a partial index, as SQL text."""
    where = tree.this.args["params"].args.get("where")
    if where is None:
        return ""
    _check_columns(where.this, table)
    return shown_text(where.this.unnest())


def _storage(tree: exp.Create) -> tuple[str, ...]:
    """What WITH (…) said: `name=value`. It changes nothing here."""
    given = tree.this.args["params"].args.get("with_storage") or ()
    return tuple(f"{one.this.name}={one.args['value'].name}" for one in given)


def _included(tree: exp.Create, table: Table) -> tuple[str, ...]:
    """The columns of INCLUDE, which the index is told to hold besides its key."""
    names = tuple(node.name for node in tree.this.args["params"].args.get("include") or ())
    for name in names:
        if table.column(name) is None:
            message = f'column "{name}" does not exist'
            raise DbError(ErrorKind.UNDEFINED_COLUMN, message)
    return names


def _default_name(session: ClientSession, table: Table, columns: tuple[str, ...]) -> str:
    words = ["expr" if column.startswith("(") else column for column in columns]
    name = found = "_".join((table.name, *words, "idx"))
    number = 0
    while _owner(session, table.database, found) is not None:
        number += 1
        found = f"{name}{number}"
    return found


def _owner(session: ClientSession, database: str, name: str) -> Table | None:
    """The table that has an index of that name."""
    cursor, temporary = session.duck.cursor, session.temporary
    tables = temporary.all() if database == PG_TEMP else session.catalog.tables(cursor, database)
    return next((t for t in tables if any(index.name == name for index in t.indexes)), None)


def _build(table: Table, index: Index) -> str:
    columns = [c if c.startswith("(") else _key(table, c) for c in index.columns]
    columns = columns if index.nulls_distinct else _with_nulls(columns)
    if index.where:  # a row outside of it has NULL in every key, and NULL is equal to nothing
        holds = stored_text(index.where)
        columns = [f"(CASE WHEN {holds} THEN {column} END)" for column in columns]
    return f"CREATE UNIQUE INDEX {_stored_name(index)} ON {quoted(table)} ({', '.join(columns)})"


def _key(table: Table, name: str) -> str:
    column = table.column(name)
    return quote(name) if column is None else unique_key(column)


def _with_nulls(columns: Iterable[str]) -> list[str]:
    """Keys in which NULL is a value: whether it is one, and else which."""
    return [part for c in columns for part in (f"({c} IS NULL)", f"(coalesce({c}::VARCHAR, ''))")]


def build_keys(session: ClientSession, table: Table) -> None:
    """Keys over text that compares without case, or in which NULL equals NULL: DuckDB's own
    compare bytes, and NULL with nothing.

    Raises: DbError UNIQUE_VIOLATION if two rows of the table are equal so.
    """
    for name, columns, nulls_distinct in _folded_keys(table):
        keys = [_key(table, column) for column in columns]
        parts = ", ".join(keys if nulls_distinct else _with_nulls(keys))
        session.duck.execute(f"CREATE UNIQUE INDEX {name} ON {quoted(table)} ({parts})")


def _folded_keys(table: Table) -> Iterator[tuple[str, tuple[str, ...], bool]]:
    """Those keys' names in the store, their columns, and whether NULLs are distinct."""
    folded = {c.name for c in table.columns if compared_by(c) or not has_own_keys(c)}
    keys = [(table.id, table.primary_key, True)]
    keys += [
        (c.id, c.columns, c.nulls_distinct)
        for c in table.constraints
        if c.kind is ConstraintKind.UNIQUE
    ]
    return (
        (quote(f"__key_{id_}"), names, nulls_distinct)
        for id_, names, nulls_distinct in keys
        if folded.intersection(names) or not nulls_distinct
    )


def _stored_name(index: Index) -> str:
    return quote(f"__index_{index.id}")


def _drop(session: ClientSession, table: Table, index: Index) -> None:
    session.duck.execute(f"DROP INDEX {_home(table)}.{_stored_name(index)}")


def _home(table: Table) -> str:
    """Where the store keeps the table's indexes."""
    return "temp.main" if table.temporary else quote(table.database)


def drop_indexes(session: ClientSession, tree: exp.Drop) -> Result:
    """Raises: DbError UNDEFINED_OBJECT, DEPENDENT_OBJECTS if a foreign key needs it."""
    with session.writing() as transaction:
        transaction.change_store()
        for node in tree.args["tables"]:
            table = None if node.db else _owner(session, PG_TEMP, node.name)
            table = table or _owner(session, node.db or session.database, node.name)
            if table is None:
                if tree.args.get("exists"):
                    session.notice(Notice(f'index "{node.name}" does not exist, skipping'))
                    continue
                message = f'index "{node.name}" does not exist'
                raise DbError(ErrorKind.UNDEFINED_OBJECT, message)
            kept = tuple(index for index in table.indexes if index.name != node.name)
            made = replace(table, indexes=kept)
            check_unneeded(session, table, made, node.name)
            (gone,) = set(table.indexes) - set(kept)
            if gone.unique and (table.temporary or _goes_on(session, transaction)):
                with without_indexes(session, table) as after:
                    after.append(made)
            elif gone.unique:
                _drop(session, table, gone)
            session.change_table(table, made)
    return Affected("DROP INDEX", 0)


@contextmanager
def without_indexes(session: ClientSession, table: Table) -> Iterator[list[Table]]:
    """Around a change that DuckDB refuses while the table has unique indexes.

    The block puts the table as it is afterwards into the list; without one nothing is built again.
    The table is made again where DuckDB would go wrong: it builds no index over rows that its
    transaction has updated, takes those it has deleted for rows that are there, and keeps to an
    index that was dropped until COMMIT, to one of a temporary table for ever.

    Requires: inside `session.writing`.
    """
    transaction, unique = session.transaction, _unique(table)
    assert transaction is not None
    for index in unique:
        _drop(session, table, index)
    for name, *_ in _folded_keys(table):
        session.duck.execute(f"DROP INDEX IF EXISTS {_home(table)}.{name}")
    keyed = bool(unique or any(_folded_keys(table)))
    written = transaction.has_written(table.id)
    if keyed and written:
        _settle(session, transaction, table)
    after: list[Table] = []
    yield after
    for changed in after:
        wanted, folded = _unique(changed), list(_folded_keys(changed))
        lost = set(unique) - set(wanted) or set(_folded_keys(table)) - set(folded)
        gone = lost and (changed.temporary or _goes_on(session, transaction))
        if (gone and not written) or ((wanted or folded) and written and not keyed):
            _settle(session, transaction, changed)
        for index in wanted:
            session.duck.execute(_build(changed, index))
        build_keys(session, changed)


def _unique(table: Table) -> list[Index]:
    return [index for index in table.indexes if index.unique]


def _settle(session: ClientSession, transaction: Transaction, table: Table) -> None:
    rebuild(Alteration(session, transaction, "", table, table), table)


def _goes_on(session: ClientSession, transaction: Transaction) -> bool:
    """True if statements may follow in the transaction."""
    return transaction.explicit or session.in_block
