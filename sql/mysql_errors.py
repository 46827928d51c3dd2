"""MySQL's error numbers where they hang on the statement: what is unknown in DROP TABLE is 1051.

Called by execute.py for sessions of MySQL's wire; the error's kind stays what it is, so that
nothing else that looks at it changes. Source: MySQL 8.4, "Server Error Message Reference".
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.dialect import mysql_nodes, nodes
from sql.results import Notice, Severity

_K = ErrorKind
_DIAGNOSTIC = frozenset({"WARNINGS", "ERRORS", "COUNT WARNINGS", "COUNT ERRORS"})
_COUNTS = ("warning_count", "error_count")
_Codes = tuple[int, str]
_MULTIPLE_PRIMARY_KEYS = (1068, "42000")
_STILL_REFERENCED = (1451, "23000")


def is_diagnostic(tree: exp.Expr | None, text: str) -> bool:
    """True for a statement that asks about the one before, whose warnings it leaves as they are."""
    if isinstance(tree, nodes.ShowStatement):
        return str(tree.this) in _DIAGNOSTIC
    return "@@" in text and any(name in text.lower() for name in _COUNTS)


def as_notice(error: DbError) -> Notice:
    """The error as SHOW ERRORS and SHOW WARNINGS tell of it."""
    return Notice(error.message, Severity.ERROR, errno=error.codes.errno)


def refine(error: DbError, tree: exp.Expr | None) -> None:
    """Gives the error MySQL's number for it in that statement, where there is a closer one."""
    for kind, find in _STATEMENTS:
        if isinstance(tree, kind):
            error.mysql = find(error, tree) or error.mysql
            return


def _dropped(error: DbError, tree: exp.Expr) -> _Codes | None:
    if error.kind is _K.FOREIGN_KEY_VIOLATION or error.kind is _K.DEPENDENT_OBJECTS:
        return _STILL_REFERENCED
    return {
        _K.UNDEFINED_TABLE: (1051, "42S02"),
        _K.UNDEFINED_DATABASE: (1008, "HY000"),
        _K.UNDEFINED_SCHEMA: (1008, "HY000"),
        _K.UNDEFINED_OBJECT: (1091, "42000"),
    }.get(error.kind)


def _altered(error: DbError, tree: exp.Expr) -> _Codes | None:
    if error.kind is _K.INVALID_TABLE_DEFINITION and "primary key" in error.message:
        return _MULTIPLE_PRIMARY_KEYS
    if error.kind is _K.UNDEFINED_OBJECT:
        renames = any(isinstance(one, mysql_nodes.RenameIndex) for one in tree.args["actions"])
        return _unknown_type(error) or ((1176, "42000") if renames else (1091, "42000"))
    actions = tree.args.get("actions") or []
    if error.kind is _K.UNDEFINED_COLUMN:
        if any(isinstance(action, exp.Drop) for action in actions):
            return (1091, "42000")
        if any(isinstance(action, exp.AddConstraint) for action in actions):
            return (1072, "42000")
    return None


def _created(error: DbError, tree: exp.Expr) -> _Codes | None:
    if error.kind is _K.INVALID_TABLE_DEFINITION and "primary key" in error.message:
        return _MULTIPLE_PRIMARY_KEYS
    if error.kind is _K.UNDEFINED_COLUMN and tree.args.get("expression") is None:
        return (1072, "42000")
    if error.kind is _K.UNDEFINED_OBJECT:
        return _unknown_type(error)
    return (1061, "42000") if error.kind is _K.DUPLICATE_OBJECT else None


def _unknown_type(error: DbError) -> _Codes | None:
    return (1064, "42000") if error.message.startswith("type ") else None


def _inserted(error: DbError, tree: exp.Expr) -> _Codes | None:
    if error.kind is _K.DUPLICATE_COLUMN:
        return (1110, "42000")
    if error.kind is _K.NOT_NULL_VIOLATION and isinstance(tree.this, exp.Schema):
        column = error.message.partition('"')[2].partition('"')[0]
        named = {part.name.lower() for part in tree.this.expressions}
        return (1364, "HY000") if column.lower() not in named else None
    return None


def _removed(error: DbError, tree: exp.Expr) -> _Codes | None:
    referenced = "still referenced" in error.message or isinstance(tree, exp.Delete)
    is_key = error.kind is _K.FOREIGN_KEY_VIOLATION
    return _STILL_REFERENCED if is_key and referenced else None


def _asked(error: DbError, tree: exp.Expr) -> _Codes | None:
    return {_K.OUT_OF_RANGE: (1690, "22003"), _K.NO_SUCH_KEY: (1054, "42S22")}.get(error.kind)


def _set(error: DbError, tree: exp.Expr) -> _Codes | None:
    if error.kind is not _K.INVALID_ARGUMENT:
        return None
    if "character set" in error.message:
        return (1115, "42000")
    if "cannot be changed" in error.message:
        return (1238, "HY000")
    if error.message.startswith("Incorrect argument type"):
        return (1232, "42000")
    return (1231, "42000")


def _of_roles(error: DbError, tree: exp.Expr) -> _Codes | None:
    return (1396, "HY000") if error.kind is _K.UNDEFINED_OBJECT else None


def _granted(error: DbError, tree: exp.Expr) -> _Codes | None:
    return (1133, "42000") if error.kind is _K.UNDEFINED_OBJECT else None


_STATEMENTS: tuple[
    tuple[
        type[exp.Expr] | tuple[type[exp.Expr], ...],
        Callable[[DbError, exp.Expr], _Codes | None],
    ],
    ...,
] = (
    ((exp.Select, exp.SetOperation, exp.Subquery), _asked),
    (exp.Insert, _inserted),
    ((exp.Delete, exp.Update, exp.TruncateTable), _removed),
    (exp.Drop, _dropped),
    (exp.Alter, _altered),
    (exp.Create, _created),
    (nodes.SetVariables, _set),
    (nodes.RoleStatement, _of_roles),
    (nodes.GrantStatement, _granted),
)


MISSING = {
    "PROCEDURE": (1305, "42000"),
    "FUNCTION": (1305, "42000"),
    "TRIGGER": (1360, "HY000"),
    "EVENT": (1539, "HY000"),
}


def missing(kind: str, name: str) -> DbError:
    """The error of naming a routine, a trigger or an event."""
    shown = name.strip().rstrip(";").replace("`", "")
    error = DbError(ErrorKind.UNDEFINED_OBJECT, f"{kind} {shown} does not exist")
    error.mysql = MISSING[kind]
    return error
