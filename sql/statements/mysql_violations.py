"""Constraints that the embedded store found violated, in MySQL's words.

Called by sql/execute.py when a statement of MySQL's wire has failed. Frameworks there read the
key's name out of the message (`Duplicate entry … for key …`).
https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from catalog.details import ConstraintKind
from catalog.records import Table
from engine.errors import DbError, ErrorKind
from sql.collations import unique_key
from sql.statements import violations

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_PRIMARY = "PRIMARY"
_DUPLICATES = (violations.DUPLICATE, violations.UNCOMMITTED)
_NAMED = re.compile(r"(?:^|, )(\w+|lower\([^:]*\)): ")  # a column, or what stands for it
_NO_DEFAULT = 1364


def tell(session: ClientSession, statement: Callable[[], exp.Expr | None], error: DbError) -> None:
    """Says an error's message as MySQL's server would; others stay as they are.

    Requires: the error's number is settled (sql/mysql_errors.py).
    """
    if error.kind not in violations.KINDS:
        return
    table = violations.target(session, statement())
    if table is None:
        return
    null, check = violations.null_column(error), violations.CHECK.search(error.message)
    if null:
        lacks = error.mysql is not None and error.mysql[0] == _NO_DEFAULT
        words = "Field '{}' doesn't have a default value" if lacks else "Column '{}' cannot be null"
        error.message, error.detail = words.format(null), None
    elif check is not None:
        error.message = f"Check constraint '{violations.check_name(table, check[1])}' is violated."
    elif error.kind is ErrorKind.UNIQUE_VIOLATION:
        found = next(filter(None, (d.search(error.message) for d in _DUPLICATES)), None)
        name = "" if found is None else _key(table, found)
        if found is not None and name:
            error.message = f"Duplicate entry '{_entry(found[1])}' for key '{table.name}.{name}'"


def _entry(text: str) -> str:
    """The values of a key as the store tells them, as MySQL does: joined by hyphens."""
    values = _NAMED.split(text)[2::2]  # behind each name
    return "-".join(values or text.split(", "))


def _key(table: Table, found: re.Match[str]) -> str:
    """The name of the key that was met; empty if that cannot be told."""
    told = [_plain(name) for name in _NAMED.findall(found[1])]
    keys = _keys(table)
    if told:
        return next((name for name, columns in keys if _stored(table, columns) == told), "")
    alike = violations.columns_of(table, found[1])
    return next((name for name, columns in keys if columns and columns == alike), "")


def _keys(table: Table) -> list[tuple[str, tuple[str, ...]]]:
    """The table's unique keys by the names MySQL's programs see, and their columns."""
    unique = [c for c in table.constraints if c.kind is ConstraintKind.UNIQUE]
    return [
        (_PRIMARY, table.primary_key),
        *((one.name, one.columns) for one in unique),
        *((one.name, one.columns) for one in table.indexes if one.unique),
    ]


def _stored(table: Table, columns: tuple[str, ...]) -> list[str]:
    """Columns as the store calls them: one with a collation is a call that folds."""
    known = {column.name: unique_key(column) for column in table.columns}
    return [_plain(known.get(name, name)) for name in columns]


def _plain(text: str) -> str:
    return re.sub(r'[()"]', "", text)
