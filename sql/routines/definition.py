"""CREATE PROCEDURE and DROP PROCEDURE.

Called by sql/statements/routines.py for MySQL's sessions. A procedure is kept as text; that its
body can be run is checked when it is made. Source: MySQL 8.4 reference, "CREATE PROCEDURE".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from sqlglot.tokenizer_core import Token, TokenType

from catalog.objects import Argument, Routine
from engine.errors import DbError, ErrorKind
from sql.dialect.parser import parse, tokenize
from sql.privileges import check_owner, check_schema, owner_of_new
from sql.results import Affected, Notice, Result
from sql.routines.parse import parse_body
from sql.routines.run import find
from sql.session import Wire

if TYPE_CHECKING:
    from sql.client_session import ClientSession

_MODES = ("IN", "OUT", "INOUT")
_CHARACTERISTICS = (
    *(("LANGUAGE", "SQL"), ("DETERMINISTIC",), ("NOT", "DETERMINISTIC"), ("CONTAINS", "SQL")),
    *(("NO", "SQL"), ("READS", "SQL", "DATA"), ("MODIFIES", "SQL", "DATA")),
    *(("SQL", "SECURITY", "DEFINER"), ("SQL", "SECURITY", "INVOKER")),
)


def create(session: ClientSession, text: str, *, replace: bool) -> Result:
    """`text` is what follows CREATE PROCEDURE. Raises: DbError."""
    header = _Header(text)
    exists = header.take("IF", "NOT", "EXISTS")
    database, name = header.qualified()
    database = database or session.database
    arguments = tuple(header.arguments())
    comment = header.characteristics()
    body = header.rest()
    parse_body(body)
    if not session.has_database(database):
        raise DbError(ErrorKind.UNDEFINED_DATABASE, f'database "{database}" does not exist')
    there = find(session, database, name)
    if there is not None and not replace:
        error = DbError(ErrorKind.DUPLICATE_OBJECT, f"PROCEDURE {name} already exists")
        error.mysql = (1304, "42000")
        if not exists:
            raise error
        session.notice(Notice(error.message, errno=1304))
        return Affected("CREATE PROCEDURE", 0)
    check_schema(session, database)
    if there is not None:
        check_owner(session, there.role, f"procedure {name}")
    with session.writing() as transaction:
        transaction.change_store()
        cursor = session.duck.cursor
        if there is not None:
            session.catalog.remove_object(cursor, there)
        now, role = session.server.clock.now_ms(), owner_of_new(session)
        made = Routine(session.next_id(), database, name, arguments, body, now, role, comment)
        session.catalog.put_object(cursor, made)
    return Affected("CREATE PROCEDURE", 0)


def drop(session: ClientSession, text: str) -> bool:
    """`text` is what follows DROP PROCEDURE [IF EXISTS]; False if there is none."""
    database, name = _Header(text).qualified()
    one = find(session, database or session.database, name)
    if one is not None:
        check_owner(session, one.role, f"procedure {name}")
        with session.writing() as transaction:
            transaction.change_store()
            session.catalog.remove_object(session.duck.cursor, one)
    return one is not None


def shown(routine: Routine) -> pa.Table:
    """The row of SHOW CREATE PROCEDURE."""
    arguments = ", ".join(f"{a.mode} `{a.name}` {a.type}" for a in routine.arguments)
    comment = routine.comment.replace("'", "''")
    told = f"    COMMENT '{comment}'\n" if comment else ""
    row = {
        "Procedure": routine.name,
        "sql_mode": "",
        "Create Procedure": f"CREATE PROCEDURE `{routine.name}`({arguments})\n{told}{routine.body}",
        "character_set_client": "utf8mb4",
        "collation_connection": "utf8mb4_bin",
        "Database Collation": "utf8mb4_bin",
    }
    return pa.table({name: [value] for name, value in row.items()})


class _Header:
    """Reads what stands before a body."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = tokenize(text, Wire.MYSQL)
        self.at = 0

    def take(self, *words: str) -> bool:
        """Passes the words if they stand here."""
        there = [token.text.upper() for token in self.tokens[self.at : self.at + len(words)]]
        found = there == list(words)
        self.at += len(words) if found else 0
        return found

    def skip(self, kind: TokenType) -> bool:
        """Passes one token of that kind."""
        found = self.at < len(self.tokens) and self.tokens[self.at].token_type is kind
        self.at += found
        return found

    def word(self) -> str:
        """The text of the next token. Raises: DbError SYNTAX at the end."""
        if self.at >= len(self.tokens):
            raise DbError(ErrorKind.SYNTAX, "syntax error at the end of the procedure's head")
        self.at += 1
        return self.tokens[self.at - 1].text

    def qualified(self) -> tuple[str, str]:
        """Database (empty if not said) and name."""
        name = self.word()
        return (name, self.word()) if self.skip(TokenType.DOT) else ("", name)

    def arguments(self) -> list[Argument]:
        """`([IN | OUT | INOUT] name type, …)`. Raises: DbError SYNTAX."""
        found: list[Argument] = []
        if not self.skip(TokenType.L_PAREN):
            raise DbError(
                ErrorKind.SYNTAX, 'syntax error: "(" expected after the procedure\'s name'
            )
        while not self.skip(TokenType.R_PAREN):
            mode = self.word()
            if mode.upper() not in _MODES:
                self.at, mode = self.at - 1, "IN"
            found.append(Argument(mode.upper(), self.word(), self._type()))
            self.skip(TokenType.COMMA)
        return found

    def _type(self) -> str:
        """A type as it was written; empty if values are not converted to it."""
        start, depth = self.at, 0
        while self.at < len(self.tokens):
            kind = self.tokens[self.at].token_type
            if not depth and kind in (TokenType.COMMA, TokenType.R_PAREN):
                break
            depth += (kind is TokenType.L_PAREN) - (kind is TokenType.R_PAREN)
            self.at += 1
        if start == self.at or self.at == len(self.tokens):
            raise DbError(ErrorKind.SYNTAX, "syntax error: an argument of a procedure has a type")
        text = self.text[self.tokens[start].start : self.tokens[self.at - 1].end + 1]
        parse(f"CREATE TABLE t (a {text})", Wire.MYSQL)
        return text

    def characteristics(self) -> str:
        """What is said of the procedure; its comment."""
        comment = ""
        while True:
            if self.take("COMMENT"):
                comment = self.word()
            elif not any(self.take(*words) for words in _CHARACTERISTICS):
                return comment

    def rest(self) -> str:
        """The body's text."""
        if self.at >= len(self.tokens):
            raise DbError(ErrorKind.SYNTAX, "a procedure has a body")
        return self.text[self.tokens[self.at].start :].rstrip().rstrip(";").rstrip()
