"""LISTEN, UNLISTEN and NOTIFY: the statements; what they do is in sql/acts/channels.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import DbError, ErrorKind
from sql.results import Affected, Result

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

_NAME = r'(?P<name>"(?:[^"]|"")+"|[^\W\d]\w*)'
_STRING = r"(?P<escaped>[eE])?'(?P<payload>(?:[^']|'')*)'"
_FORMS = {
    "LISTEN": re.compile(rf"{_NAME}\Z"),
    "UNLISTEN": re.compile(rf"(?:{_NAME}|(?P<every>\*))\Z"),
    "NOTIFY": re.compile(rf"{_NAME}\s*(?:,\s*{_STRING})?\Z"),
}


def run(session: ClientSession, verb: str, statement: ParsedStatement) -> Result:
    """Runs one of the three. Raises: DbError SYNTAX, INVALID_ARGUMENT."""
    rest = statement.text.strip().rstrip(";").rstrip()[len(verb) :].strip()
    found = _FORMS[verb].match(rest)
    if found is None or (verb == "NOTIFY" and found["escaped"]):
        raise DbError(ErrorKind.SYNTAX, f"syntax error: {verb} takes the name of a channel")
    name = _channel(found["name"])
    if verb == "LISTEN":
        session.mailbox.listen(name)
    elif verb == "UNLISTEN":
        session.mailbox.unlisten(None if found["every"] else name)
    else:
        session.mailbox.notify(name, (found["payload"] or "").replace("''", "'"))
    return Affected(verb)


def _channel(written: str | None) -> str:
    if written is None:
        return ""
    return written[1:-1].replace('""', '"') if written.startswith('"') else written.lower()
