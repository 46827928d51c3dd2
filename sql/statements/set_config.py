"""Functions that a query changes its session by: PostgreSQL's set_config, LAST_INSERT_ID(number).

Called by query.py once a statement is planned, so that current_setting() in the same statement
still tells the old value. In the plan a call itself is its value (sql/system/pg_functions.py,
sql/functions/rewrites/mysql.py). What UPDATE and ON DUPLICATE KEY say is told by `Tally.told`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.session import Wire
from sql.settings import check_boolean
from sql.statements.settings import ROLES, assign_role, follow_path, may_be_local
from sql.tally import is_told

if TYPE_CHECKING:
    from sql.client_session import ClientSession


def apply_calls(
    session: ClientSession, tree: exp.Expr | None, text: str, parameters: Sequence[object]
) -> None:
    """Sets what the statement's set_config and LAST_INSERT_ID(…) calls name.

    Only set_config calls with a literal name and a literal or parameter as value do. What is set
    locally lasts as long as the client's transaction, without one no longer than the statement.
    Raises: DbError for a bad value.
    """
    lower = text.lower()
    if tree is not None and "set_config" in lower:
        _set_configured(session, tree, parameters)
    if tree is not None and session.wire is Wire.MYSQL and "last_insert_id" in lower:
        for call in filter(is_told, tree.find_all(exp.Anonymous)):
            session.tally.numbered(_number(call.expressions[0], parameters), generated=True)


def _set_configured(session: ClientSession, tree: exp.Expr, parameters: Sequence[object]) -> None:
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() != "set_config" or len(call.expressions) < 2:
            continue
        name, value = call.expressions[:2]
        given = _value(value, parameters)
        if not name.is_string or given is None:
            continue
        is_local = _is_local(call, parameters)
        if is_local and not may_be_local(session):
            continue
        if name.name.lower() in ROLES:
            assign_role(session, name.name.lower(), given, local=is_local)
        elif name.name.lower() == "search_path":
            if is_local:
                session.local_settings.keep_path_local()
            follow_path(session, [given])
        elif is_local:
            session.local_settings.set_local(name.name, given)
        else:
            session.settings.set(name.name, given)


def _is_local(call: exp.Anonymous, parameters: Sequence[object]) -> bool:
    last = call.expressions[2] if len(call.expressions) > 2 else exp.false()
    if isinstance(last, exp.Boolean):
        return bool(last.this)
    given = _value(last, parameters)
    return given is not None and check_boolean("is_local", given) == "on"


def _value(node: exp.Expr, parameters: Sequence[object]) -> str | None:
    if node.is_string:
        return node.name
    if isinstance(node, exp.Parameter) and node.name.isdigit():
        at = int(node.name) - 1
        return str(parameters[at]) if 0 <= at < len(parameters) else None
    return None


def _number(node: exp.Expr, parameters: Sequence[object]) -> int:
    """A number that is known before the query runs. Raises: DbError UNSUPPORTED for another."""
    given = node.name if node.is_int else _value(node, parameters)
    if given is None or not given.isdigit():
        raise DbError(
            ErrorKind.UNSUPPORTED,
            "LAST_INSERT_ID(…) takes a whole number or a parameter in a query",
            hint="UPDATE … SET c = LAST_INSERT_ID(c + 1) takes any expression",
        )
    return int(given)
