"""SET, RESET, SHOW name, USE, DISCARD: what changes or tells the session's settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot import exp

from engine.errors import DbError, ErrorKind
from sql.charsets import charset_named
from sql.dialect import nodes
from sql.plan.plan import plan_query
from sql.privileges import is_superuser
from sql.results import Affected, Notice, Result, Severity
from sql.session import Wire
from sql.settings import check_boolean, with_unit
from sql.statements.answers import table_rows
from sql.statements.modes import DEFERRABLE, ISOLATION, MODES, set_defaults, set_modes
from sql.statements.roles import set_role
from sql.types import quote

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement


def run_use(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """USE database."""
    assert statement.tree is not None
    session.use(statement.tree.this.name)
    session.settings.reset("search_path")
    return Affected("USE")


def _mode(name: str, value: str) -> str:
    """A mode of the open transaction that is set like a setting."""
    if name == ISOLATION:
        return f"ISOLATION LEVEL {value.upper()}"
    is_on = check_boolean(name, value) == "on"
    if name == DEFERRABLE:
        return "DEFERRABLE" if is_on else "NOT DEFERRABLE"
    return "READ ONLY" if is_on else "READ WRITE"


ROLES = ("role", "session_authorization")  # settings of whose rights the session has


def run_set(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """SET a = 1[, …]. Raises: DbError INVALID_ARGUMENT; then nothing of the list was set."""
    assert statement.tree is not None
    before = session.settings.copy_values()
    try:
        for item in statement.tree.expressions:
            _assign(session, item, statement.text)
    except DbError:
        session.settings.restore_values(before)
        raise
    return Affected("SET")


def _assign(session: ClientSession, item: nodes.Assignment, text: str) -> None:
    name = str(item.this)
    values = item.expressions
    if item.args.get("user"):
        session.user_variables[name] = _evaluated(session, values[0], text)
        return
    is_role = name in ROLES
    if len(values) == 1 and _is_word(values[0], "DEFAULT") and not is_role:
        _reset(session, name)
        return
    if name == "search_path":
        names = [str(_value(session, value, text)) for value in values]
        local = item.args.get("scope") == "LOCAL" and session.wire is Wire.POSTGRES
        _assign_path(session, names, local=local)
        return
    value = ", ".join(str(_value(session, item, text)) for item in values)
    if name in ("names", "character set"):
        _set_charset(session, value, item.args.get("collate"))
        return
    if is_role:
        assign_role(session, name, value, local=item.args.get("scope") == "LOCAL")
        return
    if name == "autocommit":
        _set_autocommit(session, value)
        return
    if name == "local_infile":
        _set_local_infile(session, value, str(item.args.get("scope")))
        return
    if not session.settings.known(name) and "." not in name:
        _unknown(session, name)
    is_mode = name in MODES and session.wire is Wire.POSTGRES
    if is_mode and session.transaction is not None:
        set_modes(session, [_mode(name, value)])
    elif item.args.get("scope") == "LOCAL" and session.wire is Wire.POSTGRES:
        _set_local(session, name, value)
    else:
        session.settings.set(name, value)


def _assign_path(session: ClientSession, names: Sequence[str], *, local: bool) -> None:
    if local and not _lasts_for_transaction(session):
        return
    if local:
        session.local_settings.keep_path_local()
    follow_path(session, names)


def assign_role(session: ClientSession, name: str, value: str, *, local: bool) -> None:
    """Sets one of `ROLES`. Raises: DbError ACCESS_DENIED, UNDEFINED_OBJECT."""
    if local and not _lasts_for_transaction(session):
        return
    set_role(session, value)
    if local:
        session.local_settings.keep_role_local()
    if name == "session_authorization":
        session.settings.report(name, session.role)


def _set_local(session: ClientSession, name: str, value: str) -> None:
    if _lasts_for_transaction(session):
        session.local_settings.set_local(name, value)


def may_be_local(session: ClientSession) -> bool:
    """True if there is a transaction to set something in, if only that of a batch of statements."""
    if session.in_block and session.wire is Wire.POSTGRES:
        session.local_settings.begin()
        return True
    return session.transaction is not None and session.transaction.explicit


def _lasts_for_transaction(session: ClientSession) -> bool:
    """As above, for SET LOCAL: else a warning says so."""
    if may_be_local(session):
        return True
    message = "SET LOCAL can only be used in transaction blocks"
    session.notice(Notice(message, Severity.WARNING, "25P01"))
    return False


def _unknown(session: ClientSession, name: str) -> None:
    if session.wire is Wire.POSTGRES and not session.settings.names_something(name):
        message = f'unrecognized configuration parameter "{name}"'
        raise DbError(ErrorKind.UNDEFINED_OBJECT, message)
    if session.wire is Wire.HTTP:
        raise DbError(ErrorKind.UNSUPPORTED, f'unrecognized configuration parameter "{name}"')
    message = f'unrecognized configuration parameter "{name}" is kept but has no effect'
    session.notice(Notice(message, Severity.WARNING, "01000", 1193))


def set_at_start(session: ClientSession, name: str, value: str) -> None:
    """A setting that the session begins with, and its schema if that is the search path.

    Raises: DbError INVALID_ARGUMENT.
    """
    if name.lower() == "search_path":
        follow_path(session, value.split(","))
        session.settle(session.database)
    session.settings.set(name, value)


def follow_path(session: ClientSession, names: Sequence[str]) -> None:
    """The first schema of a search path that exists is where unqualified names are found.

    A path of one name with commas is such a list itself, and shown as it is; an empty one is only
    shown.
    """
    is_list = len(names) == 1 and "," in names[0]
    text = names[0] if is_list or names == [""] else ", ".join(map(_shown_name, names))
    session.settings.set("search_path", text)
    if is_list:
        names = [part.strip().strip('"') for part in names[0].split(",")]
    wanted = [name for name in names if name not in ("$user", "pg_catalog", "")]
    found = next((name for name in wanted if session.has_database(name)), None)
    if found is not None:
        session.use(found)
    elif wanted:
        session.notice(Notice(f'schema "{wanted[0]}" does not exist', Severity.WARNING, "3F000"))


def _shown_name(name: str) -> str:
    return name if re.fullmatch("[a-z_][a-z0-9_]*", name) else quote(name)


def _set_charset(session: ClientSession, value: str, collation: exp.Expr | None) -> None:
    if session.wire is Wire.MYSQL:
        begin_charset(session, value, collation.name.lower() if collation is not None else "")
    else:
        session.settings.set("client_encoding", value)


def begin_charset(session: ClientSession, charset: str, collation: str = "") -> None:
    """What SET NAMES does on MySQL's wire. Raises: DbError UNDEFINED_OBJECT, INVALID_ARGUMENT."""
    for name in ("client", "connection", "results"):
        session.settings.set(f"character_set_{name}", charset)
    if not collation and not charset_named(charset).is_utf8:
        collation = charset_named(charset).collation
    if collation:
        session.settings.set("collation_connection", collation)
    else:
        session.settings.reset("collation_connection")


def _set_autocommit(session: ClientSession, value: str) -> None:
    on = check_boolean("autocommit", value)
    if on == "on" and session.transaction is not None and session.wire is Wire.MYSQL:
        session.end_transaction(commit=True)
    session.settings.set("autocommit", on.upper())


def _set_local_infile(session: ClientSession, value: str, scope: str) -> None:
    if scope not in ("GLOBAL", "PERSIST"):
        message = "local_infile is a GLOBAL variable and should be set with SET GLOBAL"
        raise DbError(ErrorKind.INVALID_ARGUMENT, message)
    if not is_superuser(session):
        raise DbError(ErrorKind.ACCESS_DENIED, "permission denied: must be superuser")
    session.server.local_infile = check_boolean("local_infile", value) == "on"


def _is_word(node: exp.Expr, word: str) -> bool:
    return isinstance(node, exp.Var) and node.name.upper() == word


def _value(session: ClientSession, node: exp.Expr, text: str) -> object:
    """The value of one item of SET: a word, a literal, or an expression to be evaluated."""
    known = nodes.constant_text(node)
    if known is not None:
        return known
    if isinstance(node, exp.Var | exp.Identifier | exp.Column):
        return node.name
    value = _evaluated(session, node, text)
    return "" if value is None else value


def _evaluated(session: ClientSession, node: exp.Expr, text: str) -> object:
    plan = plan_query(exp.select(node.copy()), session.plan_context(text))
    return session.runner.table(plan, (), text).column(0)[0].as_py()


def run_set_transaction(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """SET TRANSACTION, and SET SESSION CHARACTERISTICS for those to come."""
    tree = statement.tree
    assert tree is not None
    modes = nodes.words_of(tree, "modes")
    if tree.args.get("session"):
        set_defaults(session, modes)
    elif session.wire is Wire.MYSQL:
        session.local_settings.once = tuple(modes)
    elif session.transaction is not None:
        set_modes(session, modes)
    else:
        message = "SET TRANSACTION can only be used in transaction blocks"
        session.notice(Notice(message, Severity.WARNING, "25P01"))
    return Affected("SET")


def run_reset(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """RESET name or ALL."""
    assert statement.tree is not None
    name = str(statement.tree.this)
    if name in ROLES:
        set_role(session, "default")
        session.settings.report("session_authorization", session.role)
    else:
        _reset(session, None if name == "all" else name)
    return Affected("RESET")


def _reset(session: ClientSession, name: str | None) -> None:
    """One setting, or all: with the search path names are found where the session began."""
    session.settings.reset(name)
    if name in (None, "search_path") and session.has_database(session.home):
        session.use(session.home)


def run_show(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """PostgreSQL's SHOW name and SHOW ALL."""
    assert statement.tree is not None
    name = str(statement.tree.this)
    if name == "all":
        settings = session.settings.all()
        data = {
            "name": [key for key, _ in settings],
            "setting": [with_unit(key, value) for key, value in settings],
            "description": [""] * len(settings),
        }
        return table_rows(pa.table(data), tag="SHOW")
    value = with_unit(name, session.show(name))
    return table_rows(pa.table({session.settings.spelled(name): [value]}), tag="SHOW")


def run_discard(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """DISCARD ALL: back to the state after login; DISCARD TEMP: no temporary tables."""
    assert statement.tree is not None
    if str(statement.tree.this) == "ALL":
        if session.transaction is not None:
            raise DbError(
                ErrorKind.ACTIVE_TRANSACTION,
                "DISCARD ALL cannot run inside a transaction block",
            )
        session.reset()
        session.settings.report("session_authorization", session.role)
        return Affected("DISCARD ALL")
    if str(statement.tree.this) in ("TEMP", "TEMPORARY") and session.transaction is None:
        session.drop_temporary()
    if str(statement.tree.this) == "SEQUENCES":
        session.numbers.forget()
    return Affected(f"DISCARD {statement.tree.this}")
