"""Payloads of the three general answers: OK, EOF and ERR.

Called by connection.py and by the command handlers. Pure: values in, bytes out.
Source: MySQL protocol pages "OK_Packet", "EOF_Packet", "ERR_Packet".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import DbError
from server.mysql.charsets import shown
from server.mysql.constants import Capability, Status
from server.mysql.packets import lenenc_integer, lenenc_string
from sql.charsets import UTF8MB4, Charset

_TRACK_SCHEMA = b"\x01"  # session state type: the current schema changed
_MESSAGE_BYTES_MAX = 512  # MYSQL_ERRMSG_SIZE of the clients: longer messages are cut there
_WARNINGS_MAX = 0xFFFF
_UNSIGNED = (1 << 64) - 1  # a given number may be negative; MySQL tells it as one of 64 bits


@dataclass(frozen=True, slots=True)
class Outcome:
    """What every successful answer ends with.

    `insert_id` is the number AUTO_INCREMENT gave, 0 for none.
    `schema` is the new current database when it changed, for clients that track it.
    """

    status: Status = Status.AUTOCOMMIT
    warnings: int = 0
    affected: int = 0
    schema: str | None = None
    insert_id: int = 0
    info: str = ""  # counts in words, without those of the warnings


def ok(outcome: Outcome, capabilities: Capability, *, header: int = 0x00) -> bytes:
    """An OK packet; header 0xFE where it stands for an EOF packet."""
    status, info = outcome.status, outcome.info.encode()
    if info:
        info += b"  Warnings: %d" % outcome.warnings
    tracks = Capability.SESSION_TRACK in capabilities
    state = lenenc_string(info) if info and tracks else info
    if outcome.schema is not None and tracks:
        status |= Status.SESSION_STATE_CHANGED
        change = lenenc_string(outcome.schema.encode())
        # the info string, then one change of type "schema"
        state = lenenc_string(info) + lenenc_string(_TRACK_SCHEMA + lenenc_string(change))
    return b"".join(
        (
            bytes((header,)),
            lenenc_integer(outcome.affected),
            lenenc_integer(outcome.insert_id & _UNSIGNED),
            int(status).to_bytes(2, "little"),
            min(outcome.warnings, _WARNINGS_MAX).to_bytes(2, "little"),
            state,
        )
    )


def local_infile(name: str) -> bytes:
    """Asks the client for the contents of a file (LOCAL INFILE Request)."""
    return b"\xfb" + name.encode()


def eof(outcome: Outcome) -> bytes:
    """A plain EOF packet, for clients that want them."""
    warnings = min(outcome.warnings, _WARNINGS_MAX)
    return b"\xfe" + warnings.to_bytes(2, "little") + int(outcome.status).to_bytes(2, "little")


def end_of_rows(outcome: Outcome, capabilities: Capability) -> bytes:
    """What closes a result set: an EOF packet, or OK in its place with DEPRECATE_EOF."""
    if Capability.DEPRECATE_EOF in capabilities:
        return ok(outcome, capabilities, header=0xFE)
    return eof(outcome)


def err(error: DbError, charset: Charset = UTF8MB4) -> bytes:
    """An ERR packet with the error's own errno and SQLSTATE."""
    codes = error.codes
    return b"".join(
        (
            b"\xff",
            codes.errno.to_bytes(2, "little"),
            b"#",
            codes.mysql_state.encode(),
            _cut(_message(error), charset),
        )
    )


# Texts that applications look for before they try again or make a database.
_WORDS: dict[int, tuple[re.Pattern[str], str]] = {
    1049: (re.compile(r'database "(.*)" does not exist'), r"Unknown database '\1'"),
    1205: (re.compile(".*"), "Lock wait timeout exceeded; try restarting transaction"),
    1213: (re.compile(".*"), "Deadlock found when trying to get lock; try restarting transaction"),
    1317: (
        re.compile("canceling statement due to user request"),
        "Query execution was interrupted",
    ),
}


def _message(error: DbError) -> str:
    """Message, detail and hint in one text: MySQL has no fields for the latter two."""
    known = _WORDS.get(error.codes.errno)
    if known is not None and (found := known[0].fullmatch(error.message)):
        return found.expand(known[1])
    parts = [error.message]
    if error.detail:
        parts.append(f"({error.detail})")
    if error.hint:
        parts.append(f"Hint: {error.hint}")
    return " ".join(parts)


def _cut(text: str, charset: Charset) -> bytes:
    """At most _MESSAGE_BYTES_MAX bytes, never half a character of UTF-8."""
    if not charset.is_utf8:
        return shown(text, charset)[:_MESSAGE_BYTES_MAX]
    return text.encode(errors="replace")[:_MESSAGE_BYTES_MAX].decode(errors="ignore").encode()
