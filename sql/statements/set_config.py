"""set_config(name, value, is_local) in a query: the one function of PostgreSQL that sets a setting.

Called by query.py once a statement is planned, so that current_setting() in the same statement
still tells the old value. In the plan the call itself is its value (sql/system/pg_functions.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from sql.session import SessionApi


def apply_set_config(
    session: SessionApi, tree: exp.Expr | None, text: str, parameters: Sequence[object]
) -> None:
    """Sets what the statement's set_config calls name.

    Only calls with a literal name and a literal or parameter as value do; is_local is not told
    apart. Raises: DbError for a bad value.
    """
    if tree is None or "set_config" not in text.lower():
        return
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() != "set_config" or len(call.expressions) < 2:
            continue
        name, value = call.expressions[:2]
        given = _value(value, parameters)
        if name.is_string and given is not None:
            session.set(name.name, given)


def _value(node: exp.Expr, parameters: Sequence[object]) -> str | None:
    if node.is_string:
        return node.name
    if isinstance(node, exp.Parameter) and node.name.isdigit():
        at = int(node.name) - 1
        return str(parameters[at]) if 0 <= at < len(parameters) else None
    return None
