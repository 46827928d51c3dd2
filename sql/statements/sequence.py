"""CREATE, ALTER and DROP SEQUENCE; the sequences of SERIAL and IDENTITY columns.

The embedded store counts; the record says what a sequence is and whose it is. One that belongs to
a column goes when the column or its table goes.
https://www.postgresql.org/docs/15/sql-createsequence.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog import objects
from catalog.records import Column, Table
from engine.datatypes import TypeId
from engine.errors import DbError, ErrorKind
from sql import sequences
from sql.dialect import nodes
from sql.dialect.definitions import TableDefinition
from sql.dialect.dialects import dialect_of
from sql.dialect.object_nodes import ObjectStatement
from sql.dialect.parser import parse
from sql.plan.tables import find_table, table_name
from sql.privileges import check_schema, check_table, default_grants, owner_of_new
from sql.results import Affected, Notice, Result, Severity
from sql.sequences import find_sequence, full_name, next_text, sequences_of, stored_name
from sql.session import Wire
from sql.statements.target import SEQUENCE
from sql.system.pg_regtypes import identifier_parts
from sql.types import quote

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_TYPES = {
    **dict.fromkeys(("smallint", "int2"), "smallint"),
    **dict.fromkeys(("integer", "int", "int4"), "integer"),
    **dict.fromkeys(("bigint", "int8"), "bigint"),
}
_TEMPORARY = f"{SEQUENCE}'\"__temp_"
_OF_COLUMN = {TypeId.INT16: "smallint", TypeId.INT32: "integer", TypeId.INT64: "bigint"}


def run_create(session: ClientSession, tree: ObjectStatement) -> Result:
    """CREATE SEQUENCE. Raises: DbError DUPLICATE_TABLE, INVALID_ARGUMENT, UNSUPPORTED."""
    if tree.args.get("temporary"):
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "temporary sequences are not supported",
            hint="a SERIAL column of a temporary table has one of its own",
        )
    database, name = table_name(tree.args["table"], session.plan_context())
    tag = "CREATE SEQUENCE"
    if tree.args.get("exists") and _relation(session, database, name):
        session.notice(Notice(f'relation "{name}" already exists, skipping', sqlstate="42P07"))
        return Affected(tag)
    with session.writing() as transaction:
        transaction.change_store()
        one = make(session, database, name, tree.expressions or ())
        _attach(session, one, tree.expressions or ())
    return Affected(tag)


def make(
    session: ClientSession,
    database: str,
    name: str,
    options: Iterable[exp.Expr],
    type_: str = "bigint",
) -> objects.Sequence:
    """A new sequence. Requires: inside `writing`, the store is marked as changed.

    Raises: DbError DUPLICATE_TABLE, INVALID_ARGUMENT, UNDEFINED_SCHEMA.
    """
    if _relation(session, database, name):
        raise DbError(ErrorKind.DUPLICATE_TABLE, f'relation "{name}" already exists')
    cursor = session.duck.cursor
    if session.catalog.database(cursor, database) is None:
        raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'schema "{database}" does not exist')
    number = session.next_id()
    grants = default_grants(session, "SEQUENCE", database)
    role = owner_of_new(session)
    blank = objects.Sequence(number, database, name, type_, role=role, grants=grants)
    one = _with_options(blank, options)
    if any(one.counter == other.counter for other in _all_in(session, database)):
        one = replace(one, stored=f"{name} {number}")  # what has another name now had this one
    session.catalog.put_object(cursor, one)
    session.duck.execute(_definition(one))
    return one


def _full(one: objects.Sequence) -> str:
    return full_name(one.database, one.name)


def _all_in(session: ClientSession, database: str) -> list[objects.Sequence]:
    found = session.catalog.objects(session.duck.cursor)
    return [o for o in found if isinstance(o, objects.Sequence) and o.database == database]


def _relation(session: ClientSession, database: str, name: str) -> bool:
    """True if a table, view or sequence has the name."""
    there = session.lookup(database, name)
    return there is not None or find_sequence(session, database, name) is not None


def _definition(one: objects.Sequence, temporary: str = "") -> str:
    cycle = "CYCLE" if one.cycle else "NO CYCLE"
    name = f"TEMPORARY SEQUENCE {temporary}" if temporary else f"SEQUENCE {stored_name(one)}"
    return (
        f"CREATE {name} INCREMENT BY {one.increment}"
        f" MINVALUE {one.minimum} MAXVALUE {one.maximum} START {one.start} {cycle}"
    )


def _with_options(old: objects.Sequence, options: Iterable[exp.Expr]) -> objects.Sequence:
    """The record of a new sequence. Raises: DbError SYNTAX, INVALID_ARGUMENT."""
    given: dict[str, int | None] = {}
    type_, cycle = old.type, old.cycle
    for option in options:
        key, value = option.name, option.args.get("expression")
        if key == "type":
            type_ = _TYPES.get(value.name.lower() if value is not None else "", "")
            if not type_:
                raise _invalid("sequence type must be smallint, integer, or bigint")
        elif key == "cycle":
            cycle = value is not None
        elif key not in ("owner", "role"):
            if key in given:
                raise DbError(ErrorKind.SYNTAX, "conflicting or redundant options")
            given[key] = None if value is None else int(value.to_py())
    increment = given.get("increment") or old.increment
    if given.get("increment") == 0:
        raise _invalid("INCREMENT must not be zero")
    least, greatest = objects.limits(type_, increment)
    low, high = given.get("minimum"), given.get("maximum")
    minimum, maximum = least if low is None else low, greatest if high is None else high
    first = given.get("start")
    start = (minimum if increment > 0 else maximum) if first is None else first
    if minimum >= maximum:
        raise _invalid(f"MINVALUE ({minimum}) must be less than MAXVALUE ({maximum})")
    if not minimum <= start <= maximum:
        side, bound = ("less", minimum) if start < minimum else ("greater", maximum)
        word = "MINVALUE" if start < minimum else "MAXVALUE"
        raise _invalid(f"START value ({start}) cannot be {side} than {word} ({bound})")
    return replace(
        old,
        type=type_,
        start=start,
        increment=increment,
        minimum=minimum,
        maximum=maximum,
        cycle=cycle,
        cache=given.get("cache") or old.cache,
    )


def _invalid(message: str) -> DbError:
    return DbError(ErrorKind.INVALID_ARGUMENT, message)


def _attach(
    session: ClientSession, one: objects.Sequence, options: Iterable[exp.Expr]
) -> objects.Sequence:
    """OWNED BY: the sequence goes with a column from now on, or (NONE) with none."""
    for option in options:
        if option.name == "owner":
            one = replace(one, owner=_owner(session, option.args.get("expression")))
            session.catalog.put_object(session.duck.cursor, one)
    return one


def _owner(session: ClientSession, named: exp.Expr | None) -> tuple[int, int] | None:
    if named is None:
        return None
    if not isinstance(named, exp.Table) or not named.db:
        raise DbError(ErrorKind.SYNTAX, "OWNED BY names a table and its column, or NONE")
    node = exp.table_(named.text("db"), named.text("catalog") or None, quoted=True)
    table = find_table(node, session.plan_context())
    check_table(session, table, "OWNER")
    column = table.column(named.name)
    if column is None:
        message = f'column "{named.name}" of relation "{table.name}" does not exist'
        raise DbError(ErrorKind.UNDEFINED_COLUMN, message)
    return table.id, column.id


def run_alter(session: ClientSession, tree: ObjectStatement) -> Result:
    """ALTER SEQUENCE: RENAME TO, SET SCHEMA, OWNED BY, OWNER TO, RESTART and all other options.

    Raises: DbError UNDEFINED_TABLE, DUPLICATE_TABLE, UNSUPPORTED.
    """
    database, name = table_name(tree.args["table"], session.plan_context())
    one = find_sequence(session, database, name)
    if one is None:
        if not tree.args.get("exists"):
            raise _missing(name)
        session.notice(Notice(f'relation "{name}" does not exist, skipping'))
        return Affected("ALTER SEQUENCE")
    options = tree.expressions or []
    with session.writing() as transaction:
        transaction.change_store()
        one = _attach(session, one, options)
        alter(session, one, options)
    return Affected("ALTER SEQUENCE")


def rename(session: ClientSession, one: objects.Sequence, name: str) -> None:
    """Another name; the columns that it numbers follow, and what it has counted stays.

    The counter in the store keeps its name, so that whoever takes a number meanwhile takes it from
    the same one. Requires: inside `writing`, the store is marked as changed.
    Raises: DbError DUPLICATE_TABLE.
    """
    if _relation(session, one.database, name):
        raise DbError(ErrorKind.DUPLICATE_TABLE, f'relation "{name}" already exists')
    _replace_record(session, one, replace(one, name=name, stored=one.counter))


def _replace_record(session: ClientSession, one: objects.Sequence, made: objects.Sequence) -> None:
    """Under its new name; the defaults of columns follow."""
    cursor = session.duck.cursor
    session.catalog.remove_object(cursor, one)
    session.catalog.put_object(cursor, made)
    old, new = next_text(_full(one)), next_text(_full(made))
    for table in session.catalog.tables(cursor):
        if any(old in (column.default or "") for column in table.columns):
            columns = (
                replace(c, default=c.default.replace(old, new)) if c.default else c
                for c in table.columns
            )
            session.change_table(table, replace(table, columns=tuple(columns)))


def _set_schema(session: ClientSession, one: objects.Sequence, database: str) -> None:
    """Into another schema, with a counter there that goes on where this one stands.

    Raises: DbError UNDEFINED_SCHEMA, DUPLICATE_TABLE, NOT_READY for one that goes with a table.
    """
    if one.database == database:
        return
    if session.catalog.database(session.duck.cursor, database) is None:
        raise DbError(ErrorKind.UNDEFINED_SCHEMA, f'schema "{database}" does not exist')
    check_schema(session, database)
    if one.owner is not None:
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "cannot move an owned sequence into another schema",
            hint=f"ALTER SEQUENCE {one.name} OWNED BY NONE first",
        )
    if _relation(session, database, one.name):
        raise DbError(ErrorKind.DUPLICATE_TABLE, f'relation "{one.name}" already exists')
    made = _recounted(session, one, replace(one, database=database))
    _replace_record(session, one, made)


def _recounted(
    session: ClientSession, one: objects.Sequence, made: objects.Sequence
) -> objects.Sequence:
    """A new counter for the sequence as it shall be, which goes on where the old one stands.

    A number that another transaction takes from the old one before this one commits may be given
    again, where PostgreSQL would let it wait.

    Raises: DbError INVALID_ARGUMENT if the number it stands at is out of its new bounds.
    """
    last, _ = sequences.state(session.duck, one)
    if last is not None and not made.minimum <= last <= made.maximum:
        bound = "MAXVALUE" if last > made.maximum else "MINVALUE"
        limit = made.maximum if last > made.maximum else made.minimum
        side = "greater" if last > made.maximum else "less"
        raise _invalid(f"RESTART value ({last}) cannot be {side} than {bound} ({limit})")
    made = replace(made, stored=f"{one.name} {session.next_id()}")
    session.duck.execute(f"DROP SEQUENCE IF EXISTS {stored_name(one)}")
    session.duck.execute(_definition(made))
    if last is not None:
        session.duck.execute("SELECT setval(?, ?, true)", (stored_name(made), last))
    session.numbers.follow(stored_name(one), stored_name(made))
    return made


_SHAPING = frozenset({"type", "increment", "minimum", "maximum", "cycle"})


def _shaped(
    session: ClientSession, one: objects.Sequence, options: Sequence[exp.Expr]
) -> objects.Sequence:
    """With another type, other bounds or steps.

    Bounds that are those of the old type become those of the new one.
    """
    given = {option.name for option in options}
    if given.isdisjoint(_SHAPING):
        return one
    least, greatest = objects.limits(one.type, one.increment)
    kept: list[exp.Expr] = []
    for key, value, own in (
        ("minimum", one.minimum, least),
        ("maximum", one.maximum, greatest),
        ("start", one.start, None),
    ):
        if key not in given and value != own:
            number = exp.Literal.number(value)
            kept.append(nodes.Option(this=key, expression=number))
    wanted = [option for option in options if option.name in _SHAPING | {"start"}]
    made = _recounted(session, one, _with_options(one, [*kept, *wanted]))
    session.catalog.put_object(session.duck.cursor, made)
    return made


def alter(session: ClientSession, one: objects.Sequence, options: Sequence[exp.Expr]) -> None:
    """Takes options into use. Raises: DbError INVALID_ARGUMENT, UNSUPPORTED.

    Requires: inside `writing`, the store is marked as changed.
    """
    one = _shaped(session, one, options)
    for option in options:
        value = option.args.get("expression")
        if option.name == "restart":
            number = one.start if value is None else int(value.to_py())
            sequences.set_value(session, one, number, called=False)
        elif option.name == "name" and value is not None:
            rename(session, one, value.name)
        elif option.name == "role" and value is not None:
            session.catalog.put_object(session.duck.cursor, replace(one, role=value.name))
        elif option.name in ("start", "cache") and value is not None:
            number = int(value.to_py())
            is_start = option.name == "start"
            changed = replace(one, start=number) if is_start else replace(one, cache=number)
            session.catalog.put_object(session.duck.cursor, changed)
            one = changed
        elif option.name == "schema" and value is not None:
            _set_schema(session, one, value.name)


def _missing(name: str) -> DbError:
    return DbError(ErrorKind.UNDEFINED_TABLE, f'sequence "{name}" does not exist')


def drop_sequences(session: ClientSession, tree: exp.Drop) -> Result:
    """DROP SEQUENCE. Raises: DbError UNDEFINED_TABLE, DEPENDENT_OBJECTS without CASCADE."""
    with session.writing() as transaction:
        transaction.change_store()
        for node in tree.args["tables"]:
            database, name = table_name(node, session.plan_context())
            one = find_sequence(session, database, name)
            if one is None:
                if not tree.args.get("exists"):
                    raise _missing(name)
                session.notice(Notice(f'sequence "{name}" does not exist, skipping'))
                continue
            release(session, one, cascade=bool(tree.args.get("cascade")))
            remove(session, one)
    return Affected("DROP SEQUENCE")


def release(session: ClientSession, one: objects.Sequence, *, cascade: bool) -> None:
    """Columns that take their default from the sequence lose it.

    Raises: DbError DEPENDENT_OBJECTS without `cascade` if there are such columns.
    """
    called = next_text(_full(one))
    for table in session.catalog.tables(session.duck.cursor):
        users = [c for c in table.columns if c.default is not None and called in c.default]
        if users and not cascade:
            raise DbError(
                ErrorKind.DEPENDENT_OBJECTS,
                f"cannot drop sequence {one.name} because other objects depend on it",
                detail=f"default value for column {users[0].name} of table {table.name} "
                f"depends on sequence {one.name}",
                hint="use DROP … CASCADE to drop the default too",
            )
        if users:
            columns = tuple(replace(c, default=None) if c in users else c for c in table.columns)
            session.change_table(table, replace(table, columns=columns))


def remove(session: ClientSession, one: objects.Sequence) -> None:
    """Forgets a sequence. Requires: inside `writing`, the store is marked as changed."""
    session.catalog.remove_object(session.duck.cursor, one)
    stored = stored_name(one)
    session.duck.execute(f"DROP SEQUENCE IF EXISTS {stored}")
    session.numbers.forget(stored)


# --- Of columns -----------------------------------------------------------------------------------


def with_sequences(session: ClientSession, table: Table, definition: TableDefinition) -> Table:
    """A new relational table with the sequences that number its columns. Requires: as `make`."""
    columns = []
    for column in table.columns:
        if column.name in definition.auto_increment:
            options = definition.sequence_options.get(column.name, ())
            column = numbered_column(session, table, column, options)
        columns.append(column)
    return replace(table, columns=tuple(columns))


def numbered_column(
    session: ClientSession,
    table: Table,
    column: Column,
    options: Iterable[exp.Expr] = (),
    named: tuple[str, str] | None = None,
) -> Column:
    """A SERIAL or IDENTITY column with a sequence of its own. Requires: as `make`.

    `named`: the database and name the sequence shall have, else PostgreSQL's name beside the table.
    """
    wanted = f"{table.name}_{column.name}_seq"
    type_ = _OF_COLUMN.get(column.type.id, "bigint")
    message = f'will create implicit sequence "{wanted}" for serial column "{table.name}.'
    session.notice(Notice(f'CREATE TABLE {message}{column.name}"', Severity.DEBUG))
    if table.temporary:
        stored = quote(f"__temp_{table.id}_{column.name}_seq")
        blank = objects.Sequence(0, "", "", type_)
        session.duck.execute(_definition(_with_options(blank, options), stored))
    else:
        number, (database, name) = 0, named or (table.database, wanted)
        while named is None and _relation(session, database, name):
            number += 1
            name = f"{wanted}{number}"
        one = make(session, database, name, options, type_)
        one = replace(one, owner=(table.id, column.id))
        session.catalog.put_object(session.duck.cursor, one)
        stored = _full(one)
    return replace(column, default=next_text(stored), nullable=False)


def drop_sequence_of(session: ClientSession, table: Table, column: Column) -> None:
    """A column of a relational table is going, and its own sequence with it."""
    if table.temporary and (column.default or "").startswith(_TEMPORARY):
        session.duck.execute(f"DROP SEQUENCE {(column.default or '')[len(SEQUENCE) + 1 : -2]}")
    for one in sequences_of(session, table.id):
        if one.owner == (table.id, column.id):
            remove(session, one)


def settled_default(session: ClientSession, text: str) -> str:
    """A default's nextval('name') by its full name. Raises: DbError UNDEFINED_TABLE."""
    if text.startswith(_TEMPORARY):
        return text
    tree = parse(f"SELECT {text}", Wire.HTTP)[0].tree
    assert isinstance(tree, exp.Select)
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() == "nextval" and len(call.expressions) == 1:
            named = call.expressions[0]
            named = named.this if isinstance(named, exp.Cast) else named
            if named.is_string:
                one = named_sequence(session, named.name)
                call.set("this", "nextval")
                call.set("expressions", [exp.Literal.string(_full(one))])
    made: str = tree.expressions[0].sql(dialect_of(Wire.HTTP), normalize_functions=False)
    return made


def named_sequence(session: ClientSession, text: str) -> objects.Sequence:
    """The sequence that a string names, as regclass reads it. Raises: DbError UNDEFINED_TABLE."""
    parts = identifier_parts(text)
    database = parts[-2] if len(parts) > 1 else session.database
    one = find_sequence(session, database, parts[-1])
    if one is None:
        table = session.lookup(database, parts[-1])
        if table is not None:
            message = f'"{table.name}" is not a sequence'
            raise DbError(ErrorKind.WRONG_OBJECT_TYPE, message)
        raise DbError(ErrorKind.UNDEFINED_TABLE, f'relation "{text}" does not exist')
    return one
