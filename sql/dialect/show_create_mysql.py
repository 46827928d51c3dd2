"""SHOW CREATE TABLE of a relational table as MySQL writes it: tools parse this text.

SQLAlchemy reads columns and keys from it, dumps load it again; create.py reads it back equal.
Tables with a time index have GreptimeDB's form (show_create.py), with MySQL's types for tools.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from catalog.details import Constraint, ConstraintKind, Index, KeyAction
from catalog.records import Column, Table
from engine.datatypes import TypeId
from engine.errors import DbError
from sql import types
from sql.collations import BINARY, TABLE_OPTION, shown, stored_collation
from sql.dialect.dialects import to_sql
from sql.dialect.parser import parse
from sql.session import Wire

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\0": "\\0"})
_CONSTANT = re.compile(
    r"-?\d+(\.\d+)?|'(?:''|[^'])*'|true|false|current_timestamp\(\)|now\(\)", re.IGNORECASE
)
_CLOCK = re.compile(r"(now|current_timestamp)\(\d?\)", re.IGNORECASE)
_DIGITS = re.compile(r"\(([1-9])\)")
_NUMBERS = "nextval("  # how the default of an AUTO_INCREMENT column begins
_ZONE = re.compile(r"\+00:00'$")  # how a literal's zone is kept, which times on a wall have none of
_WORD_TYPE = re.compile(r"^\w+")
# These are called as MySQL calls them; it has no name of its own for the others.
_NAMED = frozenset(
    {
        *(TypeId.INT8, TypeId.INT16, TypeId.INT32, TypeId.INT64),
        *(TypeId.UINT8, TypeId.UINT16, TypeId.UINT32, TypeId.UINT64),
        *(TypeId.STRING, TypeId.BINARY, TypeId.DECIMAL),
    }
)
_WITHOUT_DEFAULT = frozenset({TypeId.BINARY, TypeId.JSON, TypeId.STRING})


def mysql_table_sql(table: Table, mark: str = "`") -> str:
    """The CREATE TABLE text of a relational table. Names stand in `mark`s."""

    def quoted(name: str) -> str:
        return mark + name.replace(mark, mark * 2) + mark

    def listed(names: tuple[str, ...]) -> str:
        return ",".join(n if n.startswith("(") else quoted(n) for n in names)

    collation = table.options.get(TABLE_OPTION) or BINARY
    lines = [_column(column, quoted(column.name), collation) for column in table.columns]
    if table.primary_key:
        lines.append(f"PRIMARY KEY ({listed(table.primary_key)})")
    lines += [
        f"UNIQUE KEY {quoted(one.name)} ({listed(one.columns)})"
        for one in table.constraints
        if one.kind is ConstraintKind.UNIQUE
    ]
    for index in table.indexes:
        parts = [listed((column,)) for column in index.columns]
        for at, length in enumerate(index.lengths):
            parts[at] += f"({length})" if length else ""
        lines.append(_index(index, quoted(index.name), ",".join(parts)))
    for one in sorted(table.constraints, key=lambda one: one.name):
        if one.kind is ConstraintKind.FOREIGN_KEY:
            text = foreign_key_text(table, one, quoted)
            lines.append(f"CONSTRAINT {quoted(one.name)} {text}")
        elif one.kind is ConstraintKind.CHECK:
            lines.append(f"CONSTRAINT {quoted(one.name)} CHECK ({_mysql(one.expression)})")
    charset = collation.partition("_")[0]
    tail = f"ENGINE=duckdb DEFAULT CHARSET={charset} COLLATE={collation}"
    if table.comment:
        tail += f" COMMENT={_string(table.comment)}"
    kind = "TEMPORARY TABLE" if table.temporary else "TABLE"
    body = ",\n  ".join(lines)
    return f"CREATE {kind} {quoted(table.name)} (\n  {body}\n) {tail}"


def _column(column: Column, name: str, collation: str) -> str:
    kind = mysql_type(column)
    if column.type.is_timestamp:
        kind = kind.removesuffix("(0)")  # what MySQL's types have where none is said
    parts = [name, kind]
    parts += _collation(column, collation)
    if column.generated:
        kind = "VIRTUAL" if column.virtual else "STORED"
        parts.append(f"GENERATED ALWAYS AS ({_mysql(column.generated)}) {kind}")
    if not column.nullable:
        parts.append("NOT NULL")
    elif column.type.is_timestamp and not column.type.wall:
        parts.append("NULL")  # MySQL's timestamps are NOT NULL unless they say so
    if (column.default or "").startswith(_NUMBERS):
        parts.append("AUTO_INCREMENT")
    elif column.default is not None:
        default = _ZONE.sub("'", column.default) if column.type.wall else column.default
        parts.append(f"DEFAULT {_default(default, column)}")
    elif column.nullable and column.type.id not in _WITHOUT_DEFAULT and not column.generated:
        parts.append("DEFAULT NULL")
    if column.touched:
        parts.append(f"ON UPDATE {clock_of(column)}")
    if column.comment:
        parts.append(f"COMMENT {_string(column.comment)}")
    return " ".join(parts)


def _collation(column: Column, usual: str) -> list[str]:
    """What tells a column's collation where it is not the table's."""
    own = shown(column)
    if own is None or own == usual or not (column.collation or stored_collation(usual)):
        return []
    charset = own.partition("_")[0]
    other = charset != usual.partition("_")[0]
    return [f"CHARACTER SET {charset}"] * other + [f"COLLATE {own}"]


def mysql_type(column: Column) -> str:
    """A column's type as MySQL prints types: in lower case."""
    if column.type.id is TypeId.TIMESTAMP_TZ:
        return "timestamp(6)"  # an instant, shown in the session's zone: that is MySQL's TIMESTAMP
    if column.declared and "serial" not in column.declared.lower():
        return _WORD_TYPE.sub(lambda word: word[0].lower(), column.declared)
    wire = Wire.MYSQL if column.type.id in _NAMED else Wire.HTTP
    return types.sql_name(column.type, wire).lower()


def clock_of(column: Column) -> str:
    """The present time with the digits of the column's type; MySQL takes no others for it."""
    digits = _DIGITS.search(mysql_type(column))
    return f"CURRENT_TIMESTAMP({digits[1]})" if digits is not None else "CURRENT_TIMESTAMP"


def is_clock(default: str) -> bool:
    """True for the default of a column that is filled with the present time."""
    return _CLOCK.fullmatch(default) is not None


def _default(text: str, column: Column) -> str:
    """MySQL takes expressions in parentheses only."""
    if is_clock(text) and column.type.is_timestamp:
        return clock_of(column)
    return _mysql(text) if _CONSTANT.fullmatch(text) else f"({_mysql(text)})"


def _index(index: Index, name: str, columns: str) -> str:
    word = "UNIQUE " if index.unique else ""
    word = f"{index.method.upper()} " if index.method in ("fulltext", "spatial") else word
    return f"{word}KEY {name} ({columns})"


def foreign_key_text(table: Table, one: Constraint, quoted: Callable[[str], str]) -> str:
    """A foreign key as SHOW CREATE TABLE tells it."""
    reference = one.references
    assert reference is not None
    database, other, columns = reference.database, reference.table, reference.columns
    there = quoted(other) if database == table.database else f"{quoted(database)}.{quoted(other)}"
    keys = ", ".join(quoted(name) for name in one.columns)
    target = f" ({', '.join(quoted(name) for name in columns)})" if columns else ""
    actions = (("DELETE", reference.on_delete), ("UPDATE", reference.on_update))
    told = "".join(
        f" ON {event} {action.words}"
        for event, action in actions
        if action is not KeyAction.NO_ACTION
    )
    return f"FOREIGN KEY ({keys}) REFERENCES {there}{target}{told}"


def _mysql(text: str) -> str:
    """A stored expression in MySQL's dialect."""
    try:
        tree = parse(f"SELECT {text}", Wire.HTTP)[0].tree
    except DbError:
        return text.translate(_ESCAPES)
    assert isinstance(tree, exp.Select)
    return to_sql(tree.expressions[0], Wire.MYSQL)


def check_text(expression: str, wire: Wire) -> str:
    """A CHECK's condition as information_schema tells it: MySQL's in parentheses and backticks."""
    if wire is not Wire.MYSQL:
        return f"({expression})"
    tree = parse(f"SELECT {expression}", Wire.HTTP)[0].tree
    assert isinstance(tree, exp.Select)
    for name in tree.find_all(exp.Identifier):
        name.set("quoted", True)
    return f"({to_sql(tree.expressions[0], Wire.MYSQL)})"


def _string(text: str) -> str:
    return "'" + text.replace("'", "''").translate(_ESCAPES) + "'"
