"""What stands between the parentheses of CREATE INDEX, in PostgreSQL's own spelling.

Called by indexes.py; it knows no table. Order, operator class and collation change
nothing in how rows are stored: they are told as they were asked for.
https://www.postgresql.org/docs/15/sql-createindex.html
"""

from __future__ import annotations

from sqlglot import exp

from sql.dialect.dialects import dialect_of
from sql.dialect.duckdb import to_duckdb
from sql.dialect.parser import parse
from sql.session import Wire

# Operator classes that a type has anyway are not told again.
_DEFAULT_CLASSES = frozenset(
    {f"{name}_ops" for name in ("int2", "int4", "int8", "float4", "float8", "numeric", "bool")}
    | {f"{name}_ops" for name in ("text", "varchar", "bpchar", "name", "uuid", "bytea", "oid")}
    | {f"{name}_ops" for name in ("date", "time", "timetz", "timestamp", "timestamptz", "interval")}
    | {f"{name}_ops" for name in ("jsonb", "array", "enum", "range", "inet", "macaddr", "bit")}
)


def key_and_suffix(item: exp.Expr) -> tuple[exp.Expr, str]:
    """What a key is over, and the words behind it: `a COLLATE "C" text_pattern_ops DESC`."""
    words = []
    if isinstance(item, exp.Ordered):
        words = _order(item)
        item = item.this
    if isinstance(item, exp.Opclass):
        name = item.expression.name.lower()
        words = ([] if name in _DEFAULT_CLASSES else [name]) + words
        item = item.this
    if isinstance(item, exp.Collate):
        collation = item.expression
        words = [f'COLLATE "{collation.name}"', *words]
        item = item.this
    return item, "".join(f" {word}" for word in words)


def _order(item: exp.Ordered) -> list[str]:
    descending, first = bool(item.args.get("desc")), bool(item.args.get("nulls_first"))
    if descending:
        return ["DESC"] if first else ["DESC", "NULLS LAST"]
    return ["NULLS FIRST"] if first else []


def shown_text(node: exp.Expr) -> str:
    """An expression as PostgreSQL prints it: functions in lower case."""
    return node.sql(dialect=dialect_of(Wire.POSTGRES), comments=False, normalize_functions="lower")


def stored_text(text: str) -> str:
    """An expression of a definition as the store's SQL."""
    tree = parse(f"SELECT {text}", Wire.POSTGRES)[0].tree
    assert isinstance(tree, exp.Select)
    return to_duckdb(tree.expressions[0])
