"""The users file: who may log in, read again whenever it changes.

Opened by app.py, asked by every wire at login. One line per user and verifier:

    # name[:mode] = verifier         mode: rw (default), ro, wo
    admin=plain:secret
    alice:ro=SCRAM-SHA-256$4096:c2FsdA==$...:...
    bob=mysql_native_password:*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29

A user may have several lines, one per verifier; a plain password serves every wire. A user who has
`md5:` and no SCRAM verifier logs in to PostgreSQL by md5. It never writes the file.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path

from server.auth.api import AccessMode, UserRecord
from sql import verifiers

logger = logging.getLogger(__name__)

_MODES = {
    "rw": AccessMode.READ_WRITE,
    "readwrite": AccessMode.READ_WRITE,
    "ro": AccessMode.READ_ONLY,
    "readonly": AccessMode.READ_ONLY,
    "wo": AccessMode.WRITE_ONLY,
    "writeonly": AccessMode.WRITE_ONLY,
}


class UsersFile:
    """Users as the file has them now. A file that has become wrong leaves the last good ones."""

    def __init__(self, path: Path) -> None:
        """Raises: ValueError naming file and line; OSError when it cannot be read."""
        # Constant after construction.
        self._path = path
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._stamp = _stamp(path)
        self._users = parse(path.read_text(encoding="utf-8"), str(path))

    @property
    def required(self) -> bool:
        """There is a users file: everybody needs a password."""
        return True

    def lookup(self, name: str) -> UserRecord | None:
        """The user of exactly this name, None when there is none."""
        with self._lock:
            self._reload_locked()
            return self._users.get(name)

    def _reload_locked(self) -> None:
        try:
            stamp = _stamp(self._path)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self._users = parse(self._path.read_text(encoding="utf-8"), str(self._path))
        except (OSError, ValueError) as error:
            logger.error("users file is unusable, keeping the users known before: %s", error)
        else:
            logger.info("users file read again", extra={"users": len(self._users)})


def _stamp(path: Path) -> tuple[int, int, int]:
    """Changes whenever the file does (an editor's rename changes the inode)."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def parse(text: str, source: str) -> dict[str, UserRecord]:
    """The users of a file's text. Raises: ValueError with `source` and line number."""
    users: dict[str, UserRecord] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            _add(users, line)
        except ValueError as error:
            raise ValueError(f"{source}, line {number}: {error}") from None
    return users


def _add(users: dict[str, UserRecord], line: str) -> None:
    who, equals, verifier = line.partition("=")
    name, colon, mode_text = who.strip().partition(":")
    if not equals or not name:
        raise ValueError("expected user[:rw|ro|wo]=verifier")
    if colon and mode_text not in _MODES:
        raise ValueError(f"unknown mode {mode_text!r}: expected rw, ro or wo")
    mode = _MODES[mode_text or "rw"]
    known = users.get(name)
    if known is not None and known.mode is not mode:
        raise ValueError(f"user {name!r} has two different modes")
    users[name] = _with_verifier(known or UserRecord(name, mode=mode), verifier.strip())


def _with_verifier(user: UserRecord, verifier: str) -> UserRecord:
    """The user with one more verifier. Text without a known scheme is a plain password."""
    if verifier.startswith("SCRAM-SHA-256$"):
        verifiers.parse_scram(verifier)
        return replace(user, scram=verifier)
    scheme, colon, value = verifier.partition(":")
    if colon and scheme == "pg_scram_sha256":
        return replace(user, scram=_from_colons(value))
    if colon and scheme == "mysql_native_password":
        return replace(user, mysql_native=_digest(value.removeprefix("*"), 20))
    if colon and scheme == "caching_sha2_password":
        return replace(user, caching_sha2=_digest(value, 32))
    if colon and scheme == "md5":
        return replace(user, md5="md5" + _digest(value, 16).hex())
    if colon and scheme == "pbkdf2_sha256":
        raise ValueError("pbkdf2_sha256 serves no wire's login: use gnomon user hash-password")
    password = value if colon and scheme == "plain" else verifier
    if not password:
        raise ValueError("the password is empty")
    return replace(
        user,
        scram=verifiers.scram_verifier(password),
        mysql_native=verifiers.mysql_native(password),
        caching_sha2=verifiers.caching_sha2(password),
    )


def _from_colons(value: str) -> str:
    """`iterations:salt:stored:server` as PostgreSQL spells it."""
    parts = value.split(":")
    if len(parts) != 4:
        raise ValueError("expected pg_scram_sha256:<iterations>:<salt>:<stored key>:<server key>")
    verifier = f"SCRAM-SHA-256${parts[0]}:{parts[1]}${parts[2]}:{parts[3]}"
    verifiers.parse_scram(verifier)
    return verifier


def _digest(text: str, size: int) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != size:
        raise ValueError(f"expected {2 * size} hexadecimal digits")
    return digest


def lines(name: str, password: str, mode: str = "rw") -> list[str]:
    """Users-file lines for a new user; none of them reveals the password.

    Raises: ValueError when the name cannot stand in a users file.
    """
    if not name or name != name.strip() or any(mark in name for mark in ":=#\n"):
        raise ValueError(f"{name!r} cannot be a user name: no spaces around it, no : = #")
    who = f"{name}:{mode}"
    return [
        f"{who}={verifiers.scram_verifier(password)}",
        f"{who}=mysql_native_password:{verifiers.mysql_native(password).hex()}",
        f"{who}=caching_sha2_password:{verifiers.caching_sha2(password).hex()}",
    ]
