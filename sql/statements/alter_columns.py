"""The actions of ALTER TABLE on columns, for tables of both kinds.

Called by alter.py, one action after the other; what a relational table needs of DuckDB besides is
in alter_relational.py.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from catalog.records import Column, TableKind
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from engine.schema import Semantic
from sql.collations import TABLE_OPTION, kept_collation
from sql.dialect import nodes
from sql.dialect.create import (
    ColumnDefinition,
    declared_type,
    read_column,
    read_default,
    read_index,
)
from sql.dialect.dialects import to_sql
from sql.dialect.json2 import check_append
from sql.dialect.object_nodes import user_type_name
from sql.dialect.parser import parse
from sql.dialect.wall_times import column_type, mark_wall_times
from sql.plan.plan import plan_query
from sql.results import Notice
from sql.session import Wire
from sql.statements import alter_relational
from sql.statements.alter_constraints import (
    add_foreign,
    add_other,
    add_primary,
    drop_with_column,
    rebuild,
)
from sql.statements.alteration import Alteration
from sql.statements.conversions import converts, keeps_every_value
from sql.statements.create import check_column_storable
from sql.statements.defaults import converted, default_value, settled
from sql.statements.foreign_keys import check_column_free
from sql.statements.implicit import implicit_default
from sql.statements.metric_engine import in_order
from sql.statements.redefine import redefine, require, retype, store
from sql.statements.sequence import numbered_column

# --- ADD and DROP ---------------------------------------------------------------------------------


def add(change: Alteration, action: exp.ColumnDef) -> None:
    """ADD COLUMN. Rows that are there read the default of now. Raises: DbError."""
    series = change.table.is_time_series
    mark_wall_times(action, change.session.wire)
    defined = read_column(action, time_series=series, collation=_collation(change))
    column = defined.column
    if action.args.get("exists") and change.table.column(column.name) is not None:
        message = f'column "{column.name}" already exists, skipping'
        change.session.notice(Notice(message, sqlstate="42701"))
        return
    change.check_free(column.name)
    if not series:
        _add_relational(change, action, defined)
        return
    check_column_storable(column)
    check_append([column], change.table.options)
    column = settled(change.session, column)
    column = replace(column, initial=default_value(change.session, column))
    if not column.nullable and column.initial is None:
        raise DbError(
            ErrorKind.NOT_NULL_VIOLATION,
            f'column "{column.name}" is NOT NULL and has no default',
            detail="rows that are there would have no value in it",
            hint="give it a DEFAULT, or leave out NOT NULL",
        )
    table = change.table
    columns = _placed(list(table.columns), column, action.args.get("position"), change)
    columns = list(in_order(tuple(columns), table.options))
    key = (*table.primary_key, column.name) if defined.is_key else table.primary_key
    change.table = replace(table, columns=tuple(columns), primary_key=key)


def _add_relational(change: Alteration, action: exp.ColumnDef, defined: ColumnDefinition) -> None:
    table, column = change.table, defined.column
    column = replace(column, id=table.next_column_id)
    if defined.auto_increment:
        column = numbered_column(change.session, table, column, defined.sequence_options)
    column = settled(change.session, column)
    value = default_value(change.session, column)
    if value is None and not column.nullable and change.session.wire is Wire.MYSQL:
        value = implicit_default(column.type)
    alter_relational.add_column(change, column, value)
    change.table = replace(table, columns=(*table.columns, column), next_column_id=column.id + 1)
    if column.generated:
        alter_relational.compute(change, column)
    if defined.is_key:
        add_primary(change, exp.PrimaryKey(expressions=[action.this.copy()]))
    for other in defined.constraints:
        add_other(change, other)
    for key in defined.keys:
        add_foreign(change, key)
    if action.args.get("position") is not None:
        move(change, column.name, action.args["position"])


def _placed(
    columns: list[Column], column: Column, position: exp.Expr | None, change: Alteration
) -> list[Column]:
    """The columns with one more, at FIRST, AFTER another or the end."""
    at = len(columns)
    if position is not None and str(position.args["position"]).upper() == "FIRST":
        at = 0
    elif position is not None:
        after = change.column(position.this.name)
        at = next(at for at, one in enumerate(columns, 1) if one.id == after.id)
    return [*columns[:at], column, *columns[at:]]


def drop(change: Alteration, action: exp.Drop) -> None:
    """DROP COLUMN. Raises: DbError INVALID_TABLE_DEFINITION for tags and the time index."""
    name = action.args["tables"][0].name
    if action.args.get("exists") and change.table.column(name) is None:
        message = f'column "{name}" of relation "{change.table.name}" does not exist, skipping'
        change.session.notice(Notice(message, sqlstate="42703"))
        return
    column, table = change.column(name), change.table
    change.cascade = change.cascade or bool(action.args.get("cascade"))
    if len(table.columns) == 1:
        raise _refused(f'column "{name}" is the only one and cannot be dropped')
    if table.is_time_series:
        _require_field(change, column, "dropped")
    else:
        check_column_free(change, name)
        drop_with_column(change, column)
    kept = tuple(c for c in change.table.columns if c.id != column.id)
    made = replace(change.table, columns=kept)
    if not table.is_time_series:
        alter_relational.drop_column(change, column, lambda: rebuild(change, made))
    change.table = made


def _require_field(change: Alteration, column: Column, what: str) -> None:
    """Raises: DbError INVALID_TABLE_DEFINITION if rows are named or placed by the column."""
    role = {Semantic.TAG: "a tag", Semantic.TIMESTAMP: "the time index"}.get(
        column.semantic or Semantic.FIELD
    )
    if role is None and column.name in change.table.partition_columns:
        role = "a partition column"
    if role is not None:
        raise _refused(f'column "{column.name}" is {role} and cannot be {what}')


def _refused(message: str, hint: str | None = None) -> DbError:
    return DbError(ErrorKind.INVALID_TABLE_DEFINITION, message, hint=hint)


# --- MODIFY, ALTER COLUMN -------------------------------------------------------------------------


def modify(change: Alteration, action: nodes.ChangeColumn) -> None:
    """MODIFY COLUMN and MySQL's CHANGE COLUMN. Raises: DbError."""
    name, arguments = action.this.name, action.args
    if arguments.get("dtype") is not None:
        _redefine(change, action)
    elif arguments.get("default") is not None:
        _set_default(change, name, arguments["default"])
    elif arguments.get("drop_default"):
        column = change.column(name)
        if not column.nullable:
            raise _refused(f'column "{name}" is NOT NULL and needs its default')
        change.put(replace(column, default=None))
    elif arguments.get("allow_null") is not None:
        _set_nullable(change, name, nullable=arguments["allow_null"])
    elif arguments.get("set_index") is not None:
        _set_index(change, name, arguments["set_index"])
    else:
        _unset_index(change, name, arguments["unset_index"].name)


def alter(change: Alteration, action: exp.AlterColumn) -> None:
    """PostgreSQL's ALTER COLUMN. Raises: DbError."""
    name, arguments = action.this.name, action.args
    if arguments.get("dtype") is not None:
        _check_using(action)
        _retype(change, name, arguments["dtype"])
    elif arguments.get("default") is not None:
        _set_default(change, name, arguments["default"])
    elif arguments.get("allow_null") is not None:
        _set_nullable(change, name, nullable=arguments["allow_null"])
    elif arguments.get("drop"):
        change.put(replace(change.column(name), default=None))
    else:
        raise DbError(ErrorKind.UNSUPPORTED, f"{action.sql()} is not supported")


def _check_using(action: exp.AlterColumn) -> None:
    """`USING c::type` says what happens anyway."""
    using = action.args.get("using")
    if not using:
        return
    using = using.unnest()
    value = using.this.unnest() if isinstance(using, exp.Cast) else None
    if not isinstance(value, exp.Column) or value.name != action.this.name:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "ALTER COLUMN … TYPE … USING an expression is not supported",
            hint="add a column, fill it by UPDATE, drop the old one and rename the new one",
        )


def _collation(change: Alteration) -> str:
    """What text columns compare by that say nothing."""
    return change.table.options.get(TABLE_OPTION, "")


def _redefine(change: Alteration, action: nodes.ChangeColumn) -> None:
    name = action.this.name
    definition = exp.ColumnDef(
        this=exp.to_identifier(name, quoted=True),
        kind=action.args["dtype"].copy(),
        constraints=[c.copy() for c in action.args.get("constraints") or []],
    )
    mark_wall_times(definition, change.session.wire)
    series = change.table.is_time_series
    wanted = read_column(definition, time_series=series, collation=_collation(change))
    if change.table.kind is TableKind.RELATIONAL:
        redefine(change, name, wanted)
    else:
        _redefine_field(change, action, wanted)
    if action.args.get("position") is not None:
        move(change, name, action.args["position"])
    new = action.args.get("rename")
    if new is not None and new.name != name:
        _rename(change, name, new.name)


def _redefine_field(
    change: Alteration, action: nodes.ChangeColumn, wanted: ColumnDefinition
) -> None:
    """What the new definition mentions changes; MySQL would reset what it leaves out."""
    name = action.this.name
    if wanted.is_key or wanted.auto_increment or wanted.keys:
        raise DbError(ErrorKind.UNSUPPORTED, f'the key of column "{name}" cannot be changed')
    if wanted.says_null and wanted.column.nullable:
        _set_nullable(change, name, nullable=True)
    _retype(change, name, action.args["dtype"])
    if wanted.column.default is not None:
        column = replace(change.column(name), default=wanted.column.default)
        change.put(settled(change.session, column))
    if wanted.says_null and not wanted.column.nullable:
        _set_nullable(change, name, nullable=False)
    if wanted.column.comment:
        comment(change, name, wanted.column.comment)


def move(change: Alteration, name: str, position: exp.Expr) -> None:
    """FIRST and AFTER. Raises: DbError UNDEFINED_COLUMN."""
    column = change.column(name)
    if position.this is not None and position.this.name == name:
        raise _refused(f'column "{name}" cannot come after itself')
    others = [c for c in change.table.columns if c.id != column.id]
    made = replace(change.table, columns=tuple(_placed(others, column, position, change)))
    if made.kind is TableKind.RELATIONAL:
        rebuild(change, made)
    change.table = made


def collate(change: Alteration, collation: str, *, convert: bool) -> None:
    """COLLATE of a table: its new text columns compare so, with `convert` those it has too."""
    table = change.table
    change.table = replace(table, options=table.options | {TABLE_OPTION: collation})
    for column in table.columns if convert else ():
        changed = replace(column, collation=kept_collation(collation, column))
        if changed != column:
            store(change, column, changed)


def _retype(change: Alteration, name: str, kind: exp.Expr) -> None:
    column, table = change.column(name), change.table
    mark_wall_times(kind, change.session.wire)
    new = column_type(kind, time_series=table.is_time_series)
    declared = (user_type_name(kind) or "") if table.is_time_series else declared_type(kind)
    changed = replace(column, type=new, declared=declared)
    if new == column.type:
        alter_relational.check_length(change, changed)
        change.put(changed)
        return
    if table.is_time_series:
        changed = _retyped_field(change, column, changed)
    else:
        retype(change, column, changed)
        alter_relational.check_length(change, changed)
        default_value(change.session, changed)
    change.put(changed)


def _retyped_field(change: Alteration, old: Column, new: Column) -> Column:
    """A field's new type; values that do not fit it read as NULL from now on."""
    _require_field(change, old, "given another type")
    check_column_storable(new)
    if not converts(old.type, new.type):
        raise DbError(
            ErrorKind.DATATYPE_MISMATCH,
            f'column "{old.name}" cannot be cast from {old.type.name} to {new.type.name}',
            hint="add a column of the new type and fill it by UPDATE",
        )
    if not old.nullable and not keeps_every_value(old.type, new.type):
        raise _refused(
            f'column "{old.name}" is NOT NULL, and a value may not fit {new.type.name}',
            hint="values that do not fit become NULL: DROP NOT NULL first",
        )
    if "FULLTEXT" in new.indexes and new.type.id is not TypeId.STRING:
        raise _refused(f'column "{old.name}" has a FULLTEXT index and must stay a string')
    return replace(converted(change.session, old, new), past=(*old.past, old.type))


def _set_default(change: Alteration, name: str, value: exp.Expr) -> None:
    column = change.column(name)
    text = read_default(column, value, time_series=change.table.is_time_series)
    change.put(settled(change.session, replace(column, default=text)))


def _set_nullable(change: Alteration, name: str, *, nullable: bool) -> None:
    column, table = change.column(name), change.table
    if column.nullable == nullable:
        return
    if nullable and (column.semantic is Semantic.TIMESTAMP):
        raise _refused(f'column "{name}" is the time index and cannot be NULL')
    if not table.is_time_series:
        if nullable and name in table.primary_key:
            raise _refused(f'column "{name}" is in a primary key')
        require(change, column, nullable=nullable)
    elif not nullable and _has_nulls(change, column):
        raise DbError(
            ErrorKind.NOT_NULL_VIOLATION,
            f'column "{name}" of table "{table.name}" contains NULL values',
            hint="fill them by UPDATE, or delete the rows",
        )
    # A writer that planned before the change may still bring NULLs: the engine goes on taking them.
    change.put(replace(column, nullable=nullable, holds_nulls=table.is_time_series))


def _has_nulls(change: Alteration, column: Column) -> bool:
    """True if a stored row, or one this transaction has staged, has no value."""
    before = next((c for c in change.old.columns if c.id == column.id), None)
    if before is None:  # it was added by this statement
        return column.initial is None
    session, old = change.session, change.old
    table = exp.table_(old.name, old.database, quoted=True)
    condition = exp.column(exp.to_identifier(before.name, quoted=True)).is_(exp.null())
    query = exp.select(exp.Literal.number(1).as_("found")).from_(table).where(condition).limit(1)
    plan = plan_query(query, session.plan_context(change.text))
    found = bool(session.runner.table(plan, (), change.text).num_rows)
    if found or before.type == column.type:
        return found
    return not keeps_every_value(before.type, column.type)


# --- Names, comments, indexes, keys ---------------------------------------------------------------


def rename(change: Alteration, action: exp.RenameColumn) -> None:
    """RENAME COLUMN a TO b. Raises: DbError UNDEFINED_COLUMN, DUPLICATE_COLUMN."""
    _rename(change, action.this.name, action.args["to"].name)


def _rename(change: Alteration, name: str, new: str) -> None:
    column, table = change.column(name), change.table
    if new.lower() != name.lower() or new == name:
        change.check_free(new)
    if table.kind is TableKind.RELATIONAL:
        alter_relational.rename_column(change, name, new)
    change.put(replace(column, name=new))
    change.table = replace(
        change.table,
        primary_key=tuple(new if key == name else key for key in table.primary_key),
        partition_columns=tuple(new if key == name else key for key in table.partition_columns),
        partition_rules=tuple(_renamed_rule(rule, name, new) for rule in table.partition_rules),
    )


def _renamed_rule(rule: str, name: str, new: str) -> str:
    tree = parse(f"SELECT {rule}", Wire.HTTP)[0].tree
    assert isinstance(tree, exp.Select)
    for column in tree.find_all(exp.Column):
        if column.name == name:
            column.set("this", exp.to_identifier(new, quoted=column.this.args.get("quoted")))
    return to_sql(tree.expressions[0], Wire.HTTP)


def comment(change: Alteration, name: str, text: str) -> None:
    """A column's comment, empty for none. Raises: DbError UNDEFINED_COLUMN."""
    change.put(replace(change.column(name), comment=text))


def _set_index(change: Alteration, name: str, index: nodes.ColumnIndex) -> None:
    column = change.column(name)
    _require_series(change, "indexes of columns")
    kind, wanted = index.name, read_index(column, index)
    there = column.indexes.get(kind)
    for key in ("analyzer", "case_sensitive"):  # they decide what the words are
        if there is not None and there.get(key) != wanted.get(key):
            raise DbError(
                ErrorKind.INVALID_ARGUMENT,
                f'the FULLTEXT index of column "{name}" has another {key}',
                hint="UNSET FULLTEXT INDEX first",
            )
    change.put(replace(column, indexes={**column.indexes, kind: wanted}))


def _unset_index(change: Alteration, name: str, kind: str) -> None:
    column = change.column(name)
    _require_series(change, "indexes of columns")
    kept = {key: value for key, value in column.indexes.items() if key != kind}
    change.put(replace(column, indexes=kept))


def _require_series(change: Alteration, what: str) -> None:
    if not change.table.is_time_series:
        raise DbError(
            ErrorKind.UNSUPPORTED, f"{what} are not supported on tables without a time index"
        )
