"""What clients are told when a foreign key is broken, in the words of each server.

https://www.postgresql.org/docs/15/errcodes-appendix.html (23503);
https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html (1451, 1452)
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import DbError, ErrorKind
from sql.dialect.show_create_mysql import foreign_key_text
from sql.foreign.keys import ForeignKey
from sql.session import Wire


def missing(key: ForeignKey, values: Sequence[str], wire: Wire) -> DbError:
    """A child's key is not in the parent."""
    if wire is Wire.MYSQL:
        words = "Cannot add or update a child row: a foreign key constraint fails"
        return DbError(ErrorKind.FOREIGN_KEY_VIOLATION, f"{words} ({_mysql(key)})")
    return DbError(
        ErrorKind.FOREIGN_KEY_VIOLATION,
        _written(key),
        detail=f'{_shown(key.columns, values)} is not present in table "{key.parent.name}".',
        about=_about(key),
    )


def mixed(key: ForeignKey, wire: Wire) -> DbError:
    """MATCH FULL, and some columns are NULL."""
    if wire is Wire.MYSQL:
        return missing(key, (), wire)
    detail = "MATCH FULL does not allow mixing of null and nonnull key values."
    return DbError(ErrorKind.FOREIGN_KEY_VIOLATION, _written(key), detail=detail, about=_about(key))


def still_referenced(key: ForeignKey, values: Sequence[str], wire: Wire) -> DbError:
    """A parent goes and children stay."""
    if wire is Wire.MYSQL:
        words = "Cannot delete or update a parent row: a foreign key constraint fails"
        return DbError(ErrorKind.STILL_REFERENCED, f"{words} ({_mysql(key)})")
    shown = _shown(key.parent_columns, values)
    return DbError(
        ErrorKind.STILL_REFERENCED,
        f'update or delete on table "{key.parent.name}" violates foreign key constraint'
        f' "{key.constraint.name}" on table "{key.child.name}"',
        detail=f'{shown} is still referenced from table "{key.child.name}".',
        about=_about(key),
    )


def _about(key: ForeignKey) -> dict[str, str]:
    child = key.child
    return {"schema": child.database, "table": child.name, "constraint": key.constraint.name}


def _written(key: ForeignKey) -> str:
    return (
        f'insert or update on table "{key.child.name}" violates foreign key constraint'
        f' "{key.constraint.name}"'
    )


def _shown(columns: Sequence[str], values: Sequence[str]) -> str:
    return f"Key ({', '.join(columns)})=({', '.join(values)})"


def _mysql(key: ForeignKey) -> str:
    database, name = _quoted(key.child.database), _quoted(key.child.name)
    constraint = _quoted(key.constraint.name)
    text = foreign_key_text(key.child, key.constraint, _quoted)
    return f"{database}.{name}, CONSTRAINT {constraint} {text}"


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
