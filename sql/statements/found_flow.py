"""Flows by name: found, shown, commented on."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from catalog.flows import Flow
from catalog.units import format_human
from engine.errors import DbError, ErrorKind
from sql.privileges import is_superuser
from sql.results import Affected, Result

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_PIECES = re.compile(
    r"""('(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`)|(\s+)|(--[^\n]*)|([A-Za-z_][\w.]*)""", re.ASCII
)
_TQL = re.compile(r"\btql\b", re.IGNORECASE)
_WORDS = re.compile(
    "select|distinct|from|where|group|by|having|order|limit|offset|as|and|or|not|in|is|null|like|"
    "ilike|between|case|when|then|else|end|on|using|join|inner|left|right|full|outer|cross|union|"
    "all|except|intersect|with|interval|cast|asc|desc|true|false|exists|any",
    re.IGNORECASE,
)


def known_flow(session: ClientSession, name: str) -> Flow | None:
    """The flow of that name, as the session's transaction sees it."""
    flows = session.catalog.flows(session.duck.cursor)
    return next((flow for flow in flows if flow.name == name), None)


def find_flow(session: ClientSession, name: str) -> Flow:
    """Raises: DbError UNDEFINED_OBJECT."""
    flow = known_flow(session, name)
    if flow is None:
        raise DbError(ErrorKind.UNDEFINED_OBJECT, f'flow "{name}" does not exist')
    return flow


def check_owner(session: ClientSession, flow: Flow) -> None:
    """Raises: DbError ACCESS_DENIED for a role that did not make the flow."""
    if not is_superuser(session) and flow.role != session.role:
        raise DbError(ErrorKind.ACCESS_DENIED, f"must be owner of flow {flow.name}")


def comment_on_flow(session: ClientSession, name: str, text: str) -> Result:
    """COMMENT ON FLOW. Raises: DbError."""
    flow = find_flow(session, name)
    check_owner(session, flow)
    with session.writing() as transaction:
        transaction.change_store()
        session.catalog.put_flow(session.duck.cursor, replace(flow, comment=text))
    return Affected("COMMENT", 0)


def create_flow_sql(flow: Flow) -> str:
    """The statement that makes the flow."""
    lines = [
        f"CREATE FLOW IF NOT EXISTS {_name(flow.name)}",
        f"SINK TO {_name(flow.sink[0])}.{_name(flow.sink[1])}",
    ]
    if flow.expire_ms is not None:
        lines.append(f"EXPIRE AFTER '{_length(flow.expire_ms)}'")
    if flow.interval_ms is not None:
        lines.append(f"EVAL INTERVAL '{_length(flow.interval_ms)}'")
    if flow.comment:
        quoted = flow.comment.replace("'", "''")
        lines.append(f"COMMENT '{quoted}'")
    given = {key: value for key, value in flow.options.items() if key != "flow_type"}
    if given:
        inner = ", ".join(f"'{key}' = '{value}'" for key, value in sorted(given.items()))
        lines.append(f"WITH ({inner})")
    return "\n".join([*lines, f"AS {one_line(flow.query)}"])


def one_line(query: str) -> str:
    """The query in one line, keywords in capitals; quotes and PromQL stay as they are."""
    keep = _TQL.search(query) is not None

    def piece(found: re.Match[str]) -> str:
        word = found[4]
        if word is not None:
            return word.upper() if _WORDS.fullmatch(word) and not keep else word
        return found[1] or " "

    return _PIECES.sub(piece, query).strip()


def _length(length_ms: int) -> str:
    whole, rest = divmod(length_ms, 1000)
    return format_human(length_ms) if rest else f"{whole} s"


def _name(name: str) -> str:
    if _PLAIN.fullmatch(name):
        return name
    return '"' + name.replace('"', '""') + '"'
