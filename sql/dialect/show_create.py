"""The text of SHOW CREATE TABLE, VIEW and DATABASE: GreptimeDB's canonical form.

Called by sql/statements/show_statement.py. What it writes, create.py reads back equal.
"""

from __future__ import annotations

import re
from functools import lru_cache

from sqlglot import exp

from catalog.options import shown_options
from catalog.records import Column, Database, Table, TableKind
from engine.datatypes import TypeId
from engine.errors import DbError
from sql import types
from sql.collations import TABLE_OPTION
from sql.dialect.dialects import to_sql
from sql.dialect.parser import parse
from sql.dialect.show_create_mysql import mysql_type
from sql.files.external import shown_options as told
from sql.partition.rules import spelled
from sql.session import Wire

_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\0": "\\0"})
_WORD = re.compile("[a-z_][a-z0-9_]*")
_INDEX_ORDER = ("FULLTEXT", "SKIPPING", "INVERTED", "VECTOR")


def create_table_sql(
    table: Table, wire: Wire, database: Database | None = None, mark: str = '"'
) -> str:
    """The canonical CREATE TABLE text of a time-series or relational table.

    A ttl that the table has from its database is among its options. Names stand in `mark`s; with
    backticks the text is for tools that read MySQL's lines: types are called as MySQL calls them,
    the time index stands with its column, the engine behind the parenthesis.
    """
    for_tools = mark == "`"

    def quoted(name: str) -> str:
        return mark + name.replace(mark, mark * 2) + mark

    shown = mysql_type if for_tools else _canonical_type
    lines = [f"  {_column_sql(c, quoted(c.name), shown(c), wire)}" for c in table.columns]
    if table.time_index is not None and for_tools:
        at = next(i for i, column in enumerate(table.columns) if column.name == table.time_index)
        lines[at] += " TIME INDEX"
    elif table.time_index is not None:
        lines.append(f"  TIME INDEX ({quoted(table.time_index)})")
    if table.primary_key:
        lines.append(f"  PRIMARY KEY ({', '.join(map(quoted, table.primary_key))})")
    external = table.kind is TableKind.EXTERNAL
    what = "EXTERNAL TABLE" if external else "TABLE"
    text = f"CREATE {what} IF NOT EXISTS {quoted(table.name)} (\n" + ",\n".join(lines) + "\n)\n"
    if table.partition_columns:
        columns = ", ".join(map(quoted, table.partition_columns))
        bare = frozenset(name for name in table.partition_columns if _is_bare(name, wire))
        rules = "".join(f"  {spelled(rule, wire, bare)},\n" for rule in table.partition_rules)[:-2]
        text += f"PARTITION ON COLUMNS ({columns}) (\n{rules}\n)"
    if table.kind is TableKind.RELATIONAL:
        return text.rstrip("\n")
    text = f"{text[:-1]} " if for_tools and text.endswith(")\n") else f"{text}\n"
    text += f"ENGINE={table.engine}\n"
    options = told(table.options) if external else shown_options(table, database)
    marked = "comment" in table.options  # given by us, not by a user
    if table.comment:
        options["comment"] = table.comment
    return text + _options_sql(options, wire, frozenset({"comment"} if marked else ()))


def create_foreign_sql(table: Table) -> str:
    """CREATE FOREIGN TABLE for a PostgreSQL server that reads the table from here."""
    columns = ",\n".join(
        "  " + '"' + c.name.replace('"', '""') + '" ' + _FOREIGN.get(c.type.id, _foreign(c))
        for c in table.columns
    )
    options = f"OPTIONS (table_name {_string(table.name, Wire.POSTGRES)})"
    return f"CREATE FOREIGN TABLE ft_{table.name} (\n{columns}\n)\nSERVER greptimedb\n{options}"


_FOREIGN = {
    TypeId.BOOLEAN: "BOOL",
    TypeId.INT8: "INT2",
    TypeId.INT16: "INT2",
    TypeId.UINT8: "INT2",
    TypeId.INT32: "INT4",
    TypeId.UINT16: "INT4",
    TypeId.UINT32: "INT4",
    TypeId.INT64: "INT8",
    TypeId.UINT64: "INT8",
    TypeId.FLOAT32: "FLOAT4",
    TypeId.FLOAT64: "FLOAT8",
    TypeId.STRING: "VARCHAR",
    TypeId.BINARY: "BYTEA",
}


def _foreign(column: Column) -> str:
    if column.type.is_timestamp:
        return "TIMESTAMP"
    return types.sql_name(column.type, Wire.POSTGRES).upper()


def create_view_sql(view: Table, query: exp.Expr, wire: Wire) -> str:
    """CREATE VIEW as it reads in the view's own database; `query` is the view's, parsed."""
    query = query.copy()
    for node in query.find_all(exp.Table):
        if node.db == view.database:
            node.set("db", None)
    verb = "CREATE OR REPLACE VIEW" if "or_replace" in view.options else "CREATE VIEW"
    if view.is_materialized:
        verb = "CREATE MATERIALIZED VIEW"
    listed = ""
    if "columns" in view.options:
        listed = " (" + ", ".join(_bare(column.name, wire) for column in view.columns) + ")"
    return f"{verb} {_bare(view.name, wire)}{listed} AS {to_sql(query, wire)}"


@lru_cache(maxsize=4096)
def _is_bare(name: str, wire: Wire) -> bool:
    """True if a name can stand in an expression without quotes."""
    if not _WORD.fullmatch(name):
        return False
    try:
        tree = parse(f"SELECT {name} < 1", wire)[0].tree
    except DbError:
        return False
    left = tree.expressions[0].this if isinstance(tree, exp.Select) else None
    return isinstance(left, exp.Column) and left.name == name and not left.table


def _bare(name: str, wire: Wire) -> str:
    """A name, in quotes where it needs them."""
    return to_sql(exp.to_identifier(name, quoted=not _is_bare(name, wire)), wire)


def create_database_sql(name: str, options: dict[str, str]) -> str:
    """The canonical CREATE DATABASE text."""
    text = f"CREATE DATABASE IF NOT EXISTS {name}"
    told = _options_sql(options, Wire.HTTP)
    collation = options.get(TABLE_OPTION)
    return text + (f"\n{told}" if told else "") + (f"\nCOLLATE {collation}" if collation else "")


def _canonical_type(column: Column) -> str:
    return column.declared or types.sql_name(column.type, Wire.HTTP)


def _column_sql(column: Column, name: str, shown: str, wire: Wire) -> str:
    parts = [name, shown]
    parts += [f"COLLATE {column.collation}"] if column.collation else []
    parts.append("NULL" if column.nullable else "NOT NULL")
    if column.default is not None:
        parts.append(f"DEFAULT {_escaped(column.default, wire)}")
    if column.comment:
        parts.append(f"COMMENT {_string(column.comment, wire)}")
    kinds = (kind for kind in _INDEX_ORDER if kind in column.indexes)
    parts.extend(_index_sql(kind, column.indexes[kind]) for kind in kinds)
    return " ".join(parts)


def _index_sql(kind: str, options: dict[str, str]) -> str:
    listed = ", ".join(
        f"{key} = {_string(value, Wire.HTTP)}" for key, value in sorted(options.items())
    )
    return f"{kind} INDEX WITH({listed})" if listed else f"{kind} INDEX"


def _options_sql(options: dict[str, str], wire: Wire, marked: frozenset[str] = frozenset()) -> str:
    options = {key: value for key, value in options.items() if key != TABLE_OPTION}
    if not options:
        return ""
    listed = ",\n".join(
        f"  {_string(key, wire) if '.' in key or key in marked else key} = {_string(value, wire)}"
        for key, value in sorted(options.items(), key=lambda item: ("." not in item[0], item[0]))
    )
    return f"WITH(\n{listed}\n)"


def _string(text: str, wire: Wire) -> str:
    return _escaped("'" + text.replace("'", "''") + "'", wire)


def _escaped(text: str, wire: Wire) -> str:
    """SQL text as a wire reads it: MySQL's strings have escapes, also for line breaks."""
    return text.translate(_ESCAPES) if wire is Wire.MYSQL else text
