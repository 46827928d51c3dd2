"""Constraints that the embedded store found violated, in PostgreSQL's words and with their names.

Called by sql/execute.py when a statement has failed. The store tells the key and the kind of the
constraint; which one it is, the table's record says. Drivers hand `constraint_name` on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.details import Constraint, ConstraintKind, Index
from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.plan.tables import find_table
from sql.session import Wire
from sql.system.pg_catalog.keys import key_name

if TYPE_CHECKING:
    from sql.client_session import ClientSession

KINDS = (ErrorKind.UNIQUE_VIOLATION, ErrorKind.NOT_NULL_VIOLATION, ErrorKind.CHECK_VIOLATION)
DUPLICATE = re.compile(r'Duplicate key "(.*)" violates (primary key|unique) constraint', re.DOTALL)
# Of a row that the same transaction inserted: the values alone are told.
UNCOMMITTED = re.compile(
    r'PRIMARY KEY or UNIQUE constraint violation: duplicate key "(.*)"', re.DOTALL
)
_WHOLE = re.compile(r"-?\d+")
_NOT_NULL = re.compile(r"NOT NULL constraint failed: .*\.(.+)$")
_NULL = re.compile(r'null value in column "(.+)" of table')
CHECK = re.compile(r"CHECK constraint failed on .* expression CHECK(\(.*\))$", re.DOTALL)
_CALL = re.compile(r"^\((\w+\([^()]*\))\)$")  # shown without the parentheses it is stored in
_PAIR = re.compile(r"(?:^|, )(\w+): ")
# A column of a key in which NULL equals NULL (indexes.build_keys), and the value beside it.
_WITH_NULLS = re.compile(
    r"""\("?(.+?)"? IS NULL\): (?:true|false), COALESCE\(CAST\(.*? AS VARCHAR\),"""
    r""" CAST\('' AS VARCHAR\)\): (.*?)(?=, \(|$)""",
    re.DOTALL,
)


def tell(session: ClientSession, statement: Callable[[], exp.Expr | None], error: DbError) -> None:
    """Names what an error is of; other errors and other wires stay as they are."""
    if error.kind not in KINDS or session.wire is not Wire.POSTGRES or error.about:
        return
    table = target(session, statement())
    if table is None:
        return
    about = {"schema": table.database, "table": table.name}
    duplicate, check = DUPLICATE.search(error.message), CHECK.search(error.message)
    null = null_column(error)
    uncommitted = UNCOMMITTED.search(error.message)
    if uncommitted is not None:
        _tell_uncommitted(table, uncommitted[1], error, about)
    elif duplicate is not None:
        _tell_duplicate(table, duplicate, error, about)
    elif null:
        about["column"] = null
        error.message = (
            f'null value in column "{null}" of relation "{table.name}" violates not-null constraint'
        )
    elif check is not None:
        name = check_name(table, check[1])
        about |= {"constraint": name} if name else {}
        error.message = f'new row for relation "{table.name}" violates check constraint "{name}"'
    error.about = about


def _tell_duplicate(
    table: Table, found: re.Match[str], error: DbError, about: dict[str, str]
) -> None:
    with_nulls = _WITH_NULLS.findall(found[1])
    names = [name for name, _ in with_nulls] or _PAIR.findall(found[1])
    values = [value for _, value in with_nulls] or _PAIR.split(found[1])[2::2]
    name = key_name(table) if found[2] == "primary key" else _unique_name(table, names)
    if not name:
        index = _index_of_expressions(table)
        if index is None:
            return  # the store's words say more than an empty name
        name, names = index.name, [_CALL.sub(r"\1", column) for column in index.columns]
        values = [found[1].rpartition(": ")[2]] if len(names) == 1 else ["…"]
    error.detail = f"Key ({', '.join(names)})=({', '.join(values)}) already exists."
    error.message = f'duplicate key value violates unique constraint "{name}"'
    if name:
        about["constraint"] = name


def _tell_uncommitted(table: Table, values: str, error: DbError, about: dict[str, str]) -> None:
    columns = columns_of(table, values)
    is_primary = columns == table.primary_key
    name = key_name(table) if is_primary else _unique_name(table, list(columns))
    if not columns or not name:
        return
    error.detail = f"Key ({', '.join(columns)})=({values}) already exists."
    error.message = f'duplicate key value violates unique constraint "{name}"'
    about["constraint"] = name


def columns_of(table: Table, values: str) -> tuple[str, ...]:
    """The columns of the only unique key that may have these values, which the store joins by
    commas; empty if there are several or none.
    """
    found = {table.primary_key, *(i.columns for i in table.indexes if i.unique)}
    found |= {c.columns for c in table.constraints if c.kind is ConstraintKind.UNIQUE}
    alike = [columns for columns in found if columns and _may_have(table, columns, values)]
    # `1, 2` is hardly one text.
    numbers = [one for one in alike if len(one) > 1 and _all_whole(table, one)]
    alike = numbers or alike
    return alike[0] if len(alike) == 1 else ()


def _all_whole(table: Table, names: tuple[str, ...]) -> bool:
    columns = [table.column(name) for name in names]
    return all(column is not None and column.type.is_integer for column in columns)


def _may_have(table: Table, names: tuple[str, ...], values: str) -> bool:
    parts = values.split(", ")
    columns = [table.column(name) for name in names]
    if len(parts) != len(names):
        texts = [column is None or not column.type.is_numeric for column in columns]
        return len(parts) > len(names) and any(texts)  # a text may have a comma in it
    return all(
        column is None or not column.type.is_integer or _WHOLE.fullmatch(part) is not None
        for column, part in zip(columns, parts, strict=True)
    )


def _unique_name(table: Table, columns: list[str]) -> str:
    for one in table.constraints:
        if one.kind is ConstraintKind.UNIQUE and list(one.columns) == columns:
            return one.name
    for index in table.indexes:
        if index.unique and list(index.columns) == columns:
            return index.name
    return ""


def _index_of_expressions(table: Table) -> Index | Constraint | None:
    """The unique index or constraint that stands as expressions in the store, if it is the only
    one.
    """
    found: list[Index | Constraint] = [
        one for one in table.indexes if one.unique and _has_expressions(one)
    ]
    found += [one for one in table.constraints if not one.nulls_distinct]
    return found[0] if len(found) == 1 else None


def _has_expressions(index: Index) -> bool:
    of_expressions = any(column.startswith("(") for column in index.columns)
    return of_expressions or bool(index.where) or not index.nulls_distinct


def null_column(error: DbError) -> str:
    """The column that must not be NULL; empty for other errors."""
    found = _NOT_NULL.search(error.message) or _NULL.search(error.message)
    return "" if found is None else found[1]


def check_name(table: Table, expression: str) -> str:
    """The constraint of that expression, whatever spaces and parentheses it is written with."""
    checks = [one for one in table.constraints if one.kind is ConstraintKind.CHECK]
    same = [one for one in checks if _plain(one.expression) == _plain(expression)]
    return same[0].name if same else checks[0].name if len(checks) == 1 else ""


def _plain(expression: str) -> str:
    return re.sub(r"[\s()\"]", "", expression).lower()


def target(session: ClientSession, tree: exp.Expr | None) -> Table | None:
    """The table that a statement writes to, if it names one."""
    node = tree.this if isinstance(tree, exp.Insert | exp.Update | exp.Merge) else None
    node = node.this if isinstance(node, exp.Schema) else node
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        return None
    return find_table(node, session.plan_context())
