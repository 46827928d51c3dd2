"""CREATE, ALTER and DROP TYPE: enums, composite types and ranges of users.

https://www.postgresql.org/docs/15/sql-createtype.html
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.objects import Field, TypeForm, UserType
from catalog.records import Column, Table, TableKind
from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql import types
from sql.dialect.object_nodes import ObjectStatement
from sql.named.duckdb import ENUM_MARK
from sql.plan.named_types import resolve_types
from sql.plan.tables import table_name
from sql.privileges import owner_of_new
from sql.results import Affected, Notice, Result
from sql.statements import attributes
from sql.statements.dependents import refresh_views
from sql.statements.indexes import without_indexes
from sql.statements.target import quoted
from sql.user_types import data_type, field_of, find_type, types_of

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.transaction import Transaction

_LABEL_BYTES_MAX = 63  # as of every name
_STORED = (TableKind.TIME_SERIES, TableKind.RELATIONAL)


def run_create(session: ClientSession, tree: ObjectStatement) -> Result:
    """CREATE TYPE. Raises: DbError DUPLICATE_OBJECT, UNDEFINED_SCHEMA, INVALID_ARGUMENT, …"""
    database, name = table_name(tree.args["table"], session.plan_context())
    form = TypeForm(str(tree.args["form"]).lower())
    if session.catalog.database(session.duck.cursor, database) is None:
        raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'schema "{database}" does not exist')
    check_new_type(session, database, name)
    with session.writing() as transaction:
        transaction.change_store()
        labels: tuple[str, ...] = ()
        fields: tuple[Field, ...] = ()
        if form is TypeForm.ENUM:
            labels = _labels(tree.expressions or ())
        elif form is TypeForm.COMPOSITE:
            fields = _fields(session, tree.expressions or ())
        else:
            fields = _subtype(session, tree.expressions or ())
        one = UserType(
            session.next_id(), database, name, form, labels, fields, role=owner_of_new(session)
        )
        session.catalog.put_object(session.duck.cursor, one)
    return Affected("CREATE TYPE")


def check_new_type(session: ClientSession, database: str, name: str) -> None:
    """Raises: DbError DUPLICATE_OBJECT if a type has the name."""
    if find_type(session, database, name) is not None:
        raise DbError(ErrorKind.DUPLICATE_OBJECT, f'type "{name}" already exists')


def _labels(nodes: Sequence[exp.Expr]) -> tuple[str, ...]:
    labels = tuple(node.name for node in nodes)
    for at, label in enumerate(labels):
        _check_label(label)
        if label in labels[:at]:
            message = f'enum label "{label}" used more than once'
            raise DbError(ErrorKind.UNIQUE_VIOLATION, message)
    return labels


def _check_label(label: str) -> None:
    if not label or len(label.encode()) > _LABEL_BYTES_MAX or label.startswith(ENUM_MARK):
        raise DbError(
            ErrorKind.INVALID_TABLE_DEFINITION,
            f'invalid enum label "{label}"',
            detail=f"Labels must be {_LABEL_BYTES_MAX} bytes or less, and not empty.",
        )


def type_of(session: ClientSession, node: exp.Expr) -> DataType:
    """What a type's node in a definition means. Raises: DbError UNDEFINED_OBJECT."""
    return types.from_sql(resolve_types(node.copy(), session.plan_context().type_named))


def _fields(session: ClientSession, nodes: Sequence[exp.Expr]) -> tuple[Field, ...]:
    found: dict[str, Field] = {}
    for node in nodes:
        if node.name in found:
            message = f'column "{node.name}" specified more than once'
            raise DbError(ErrorKind.DUPLICATE_COLUMN, message)
        found[node.name] = field_of(node.name, type_of(session, node.args["kind"]))
    return tuple(found.values())


def _subtype(session: ClientSession, options: Sequence[exp.Expr]) -> tuple[Field, ...]:
    told = {str(option.this): option.expression for option in options}
    if "subtype" not in told:
        message = 'type attribute "subtype" is required'
        raise DbError(ErrorKind.INVALID_TABLE_DEFINITION, message)
    for key in ("canonical", "subtype_opclass"):
        if key in told:
            raise DbError(ErrorKind.UNSUPPORTED, f"{key} of a range type is not supported")
    return (field_of("subtype", type_of(session, told["subtype"])),)


# --- ALTER ----------------------------------------------------------------------------------------


def run_alter(session: ClientSession, tree: ObjectStatement) -> Result:
    """ALTER TYPE. Raises: DbError UNDEFINED_OBJECT, WRONG_OBJECT_TYPE, INVALID_ARGUMENT, …"""
    one = _existing(session, tree.args["table"])
    check_not_of_extension(one, "alter")
    with session.writing() as transaction:
        transaction.change_store()
        _ACTIONS[str(tree.args["form"])](session, transaction, one, tree)
    return Affected(str(tree.this))


def _existing(session: ClientSession, node: exp.Table) -> UserType:
    database, name = table_name(node, session.plan_context())
    one = find_type(session, database, name)
    if one is None:
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'type "{name}" does not exist')
    return one


def _add_value(
    session: ClientSession, transaction: Transaction, one: UserType, tree: ObjectStatement
) -> None:
    _check_enum(one)
    label = tree.expressions[0].name
    _check_label(label)
    if label in one.labels:
        message = f'enum label "{label}" already exists'
        if tree.args.get("exists"):
            session.notice(Notice(f"{message}, skipping", sqlstate="42710"))
            return
        raise DbError(ErrorKind.DUPLICATE_OBJECT, message)
    at = len(one.labels)
    if tree.args.get("place"):
        at = _place(one, tree.args["beside"].name) + (tree.args["place"] == "AFTER")
    labels = (*one.labels[:at], label, *one.labels[at:])
    _change(session, transaction, one, replace(one, labels=labels))


def _rename_value(
    session: ClientSession, transaction: Transaction, one: UserType, tree: ObjectStatement
) -> None:
    _check_enum(one)
    old, new = (node.name for node in tree.expressions)
    _check_label(new)
    at = _place(one, old)
    if new in one.labels:
        raise DbError(ErrorKind.DUPLICATE_OBJECT, f'enum label "{new}" already exists')
    labels = (*one.labels[:at], new, *one.labels[at + 1 :])
    changed = partial(_relabelled, renamed=(old, new))
    _change(session, transaction, one, replace(one, labels=labels), changed)


def _attributes(
    session: ClientSession, transaction: Transaction, one: UserType, tree: ObjectStatement
) -> None:
    new, places = attributes.altered(session, one, tree, type_of)
    for table, columns in _users(session, one) if attributes.changes_types(tree) else ():
        message = f'cannot alter type "{one.name}" because column "{table.name}.{columns[0].name}"'
        raise DbError(ErrorKind.UNSUPPORTED, f"{message} uses it")
    _change(session, transaction, one, new, partial(attributes.moved, places=places))


def _rename_attribute(
    session: ClientSession, transaction: Transaction, one: UserType, tree: ObjectStatement
) -> None:
    _change(session, transaction, one, attributes.renamed(one, tree))


def _check_enum(one: UserType) -> None:
    if one.form is not TypeForm.ENUM:
        raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{one.name}" is not an enum')


def _place(one: UserType, label: str) -> int:
    if label not in one.labels:
        message = f'"{label}" is not an existing enum label'
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    return one.labels.index(label)


def _rename(
    session: ClientSession, transaction: Transaction, one: UserType, tree: ObjectStatement
) -> None:
    _move(session, one, one.database, tree.args["to"].name)


def _set_schema(
    session: ClientSession, transaction: Transaction, one: UserType, tree: ObjectStatement
) -> None:
    database = tree.args["to"].name
    if session.catalog.database(session.duck.cursor, database) is None:
        raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'schema "{database}" does not exist')
    _move(session, one, database, one.name)


def _move(session: ClientSession, one: UserType, database: str, name: str) -> None:
    check_new_type(session, database, name)
    cursor = session.duck.cursor
    session.catalog.remove_object(cursor, one)
    session.catalog.put_object(cursor, replace(one, database=database, name=name))
    for table, columns in _users(session, one):
        names = {column.name for column in columns}
        renamed = (replace(c, declared=name) if c.name in names else c for c in table.columns)
        session.put_table(replace(table, columns=tuple(renamed)))


def _set_owner(
    session: ClientSession, transaction: Transaction, one: UserType, tree: ObjectStatement
) -> None:
    role = tree.args["to"].name
    session.catalog.put_object(session.duck.cursor, replace(one, role=role))


_ACTIONS: dict[str, Callable[[ClientSession, Transaction, UserType, ObjectStatement], None]] = {
    "ADD VALUE": _add_value,
    "RENAME VALUE": _rename_value,
    "ATTRIBUTE": _attributes,
    "RENAME ATTRIBUTE": _rename_attribute,
    "RENAME TO": _rename,
    "SET SCHEMA": _set_schema,
    "OWNER TO": _set_owner,
}


def _users(session: ClientSession, one: UserType) -> list[tuple[Table, list[Column]]]:
    """Tables and views with columns of the type, or of a type that is built on it."""
    held = {one.id, *_over(session, one)}
    tables = [*session.catalog.tables(session.duck.cursor), *session.temporary.all()]
    domain = one.name if one.form is TypeForm.DOMAIN else None

    def uses(column: Column) -> bool:
        plain = column.type.innermost.named is None and bool(column.declared)
        return (column.declared == domain) if plain else _oid(column.type) in held

    found = ((t, list(filter(uses, t.columns))) for t in tables)
    return [(table, columns) for table, columns in found if columns]


def _over(session: ClientSession, one: UserType) -> set[int]:
    """Types with fields of the type, and those with fields of these."""
    found: set[int] = set()
    pending = {one.id}
    while pending:
        parts = {
            other.id
            for other in types_of(session)
            if any(_oid(kind) in pending for _, kind in parts_of(other))
        }
        pending = parts - found
        found |= pending
    return found


def parts_of(one: UserType) -> Sequence[tuple[str, DataType]]:
    """The fields of a composite type, the subtype of a range, what a domain is over."""
    named = data_type(one).innermost.named
    if one.form is TypeForm.DOMAIN:
        return [("", data_type(one))]
    return named.fields if named is not None else ()


def _oid(type_: DataType) -> int:
    named = type_.innermost.named
    return 0 if named is None else named.oid


def _change(
    session: ClientSession,
    transaction: Transaction,
    old: UserType,
    new: UserType,
    changed: Callable[[Column], str] | None = None,
) -> None:
    """Gives an enum other labels or a composite type other fields, and all columns of it.

    `changed` is DuckDB text for the values that a column has then; without it they stay.
    """
    if _over(session, old):
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f'type "{old.name}" is part of another type and cannot be changed',
            hint="drop that type first",
        )
    session.catalog.put_object(session.duck.cursor, new)
    named = data_type(new).named
    for table, columns in _users(session, old):
        if table.kind not in _STORED:
            continue
        if changed is not None and table.is_time_series:
            raise DbError(
                ErrorKind.UNSUPPORTED,
                f'rows of table "{table.name}" hold values that cannot be changed there',
                hint="only columns of tables without a time index can follow",
            )
        retyped = {c.name: replace(c, type=c.type.tagged(named)) for c in columns}
        with without_indexes(session, table) as after:
            if not table.is_time_series:
                for column in retyped.values():
                    _retype(session, table, column, (changed or _relabelled)(column))
            columns_now = tuple(retyped.get(c.name, c) for c in table.columns)
            table = replace(table, columns=columns_now)
            session.put_table(table)
            after.append(table)
        refresh_views(session, table, cascade=False)


def _relabelled(column: Column, renamed: tuple[str, str] | None = None) -> str:
    """DuckDB text for a column's values with another label, or as they are."""
    name, label = types.quote(column.name), "label"
    if renamed is not None:
        old, new = (exp.Literal.string(one).sql("duckdb") for one in renamed)
        label = f"CASE label WHEN {old} THEN {new} ELSE label END"
    if column.type.element is None:
        return f"list_transform([CAST({name} AS VARCHAR)], lambda label: {label})[1]"
    return f"list_transform(CAST({name} AS VARCHAR[]), lambda label: {label})"


def _retype(session: ClientSession, table: Table, column: Column, value: str) -> None:
    name, type_ = types.quote(column.name), types.duckdb_name(column.type)
    action = f"ALTER COLUMN {name} TYPE {type_} USING CAST({value} AS {type_})"
    try:
        session.duck.execute(f"ALTER TABLE {quoted(table)} {action}")
    except DbError as error:
        if "index depends" not in error.message:
            raise
        raise DbError(
            ErrorKind.UNSUPPORTED,
            f'column "{column.name}" of table "{table.name}" is in a key or a unique index,'
            " which stands in the way of changing its type",
            hint="drop the index, change the type, and create the index again",
        ) from error


# --- DROP -----------------------------------------------------------------------------------------


def drop_types(session: ClientSession, tree: exp.Drop) -> Result:
    """DROP TYPE and DROP DOMAIN. Raises: DbError UNDEFINED_OBJECT, DEPENDENT_OBJECTS."""
    kind = str(tree.args["kind"]).upper()
    with session.writing() as transaction:
        transaction.change_store()
        for node in tree.args["tables"]:
            database, name = table_name(node, session.plan_context())
            one = find_type(session, database, name)
            if one is None:
                if not tree.args.get("exists"):
                    raise DbError(ErrorKind.UNDEFINED_OBJECT, f'type "{name}" does not exist')
                session.notice(Notice(f'type "{name}" does not exist, skipping'))
                continue
            if kind == "DOMAIN" and one.form is not TypeForm.DOMAIN:
                raise DbError(ErrorKind.WRONG_OBJECT_TYPE, f'"{name}" is not a domain')
            check_not_of_extension(one, "drop")
            drop_type(session, one, cascade=bool(tree.args.get("cascade")))
    return Affected(f"DROP {kind}")


def check_not_of_extension(one: UserType, verb: str) -> None:
    """Raises: DbError DEPENDENT_OBJECTS for a type that goes with its extension only."""
    if one.form is TypeForm.BASE:
        message = f"cannot {verb} type {one.name} because an extension requires it"
        hint = "DROP EXTENSION drops its types too"
        raise DbError(ErrorKind.DEPENDENT_OBJECTS, message, hint=hint)


def drop_type(session: ClientSession, one: UserType, *, cascade: bool) -> None:
    """Drops a type with what is built on it. Raises: DbError DEPENDENT_OBJECTS, UNSUPPORTED.

    Requires: inside `writing`, the store is marked as changed.
    """
    users, over = _users(session, one), _over(session, one)
    if (users or over) and not cascade:
        raise DbError(
            ErrorKind.DEPENDENT_OBJECTS,
            f"cannot drop type {one.name} because other objects depend on it",
            detail=f"column {users[0][1][0].name} of table {users[0][0].name} depends on type"
            f" {one.name}"
            if users
            else "another type is built on it",
            hint="Use DROP ... CASCADE to drop the dependent objects too.",
        )
    for table, columns in users:
        if table.kind is not TableKind.RELATIONAL or table.definition:
            raise DbError(
                ErrorKind.UNSUPPORTED,
                f'"{table.name}" has a column of type {one.name}: drop it first',
            )
        session.notice(Notice(f"drop cascades to column {columns[0].name} of table {table.name}"))
        _drop_columns(session, table, columns)
    for other in types_of(session):
        if other.id in over:
            session.catalog.remove_object(session.duck.cursor, other)
    session.catalog.remove_object(session.duck.cursor, one)


def _drop_columns(session: ClientSession, table: Table, columns: Sequence[Column]) -> None:
    names = {column.name for column in columns}
    if names & set(table.primary_key) or len(names) == len(table.columns):
        raise DbError(
            ErrorKind.DEPENDENT_OBJECTS,
            f'columns of "{table.name}" cannot be dropped with the type',
            detail="they are in its primary key, or it has no others",
            hint="drop the table first",
        )
    with without_indexes(session, table) as after:
        for name in names:
            session.duck.execute(f"ALTER TABLE {quoted(table)} DROP COLUMN {types.quote(name)}")
        left = tuple(column for column in table.columns if column.name not in names)
        table = replace(table, columns=left)
        session.put_table(table)
        after.append(table)
    refresh_views(session, table, cascade=True)
