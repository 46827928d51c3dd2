"""Small statements: KILL, and those that are known only to be refused or to do nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from engine import datatypes
from engine.errors import DbError, ErrorKind
from sql.blocks.run import run_do
from sql.dialect import nodes
from sql.results import Affected, Description, Result, ResultColumn, Rows
from sql.routines import interpreted, postgres
from sql.run.errors import position_of
from sql.session import Wire
from sql.statements import (
    admin,
    channels,
    describe_table,
    repartition,
    routines,
    show_statement,
    tql,
    two_phase,
)
from sql.statements.lock_waits import run_lock_table

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement

# Statements of which "done" is the truth: there is nothing to lock, vacuum or analyse by hand.
_NOTHING_TO_DO = {
    "ANALYZE": "ANALYZE",
    "VACUUM": "VACUUM",
    "CHECKPOINT": "CHECKPOINT",
    "LOCK TABLES": "LOCK TABLES",
    "UNLOCK TABLES": "UNLOCK TABLES",
    "FLUSH": "FLUSH",
}


# Kinds of objects that exist elsewhere: naming one is no syntax error.
_OBJECTS = frozenset(
    {
        *("AGGREGATE", "CAST", "COLLATION", "CONVERSION", "DATABASE", "DOMAIN", "EVENT"),
        *("EXTENSION", "FLOW", "FUNCTION", "GROUP", "INDEX", "LANGUAGE", "MATERIALIZED"),
        *("OPERATOR", "POLICY", "PROCEDURE", "PUBLICATION", "ROLE", "ROUTINE", "RULE", "SCHEMA"),
        *("SEQUENCE", "SERVER", "STATISTICS", "SUBSCRIPTION", "SYSTEM", "TABLE"),
        *("TABLESPACE", "TRIGGER", "TYPE", "USER", "VIEW"),
    }
)


def run_kill(
    session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]
) -> Result:
    """KILL id ends that session, KILL QUERY id only what it runs. Raises: DbError."""
    assert statement.tree is not None
    text = nodes.constant_text(statement.tree.this) or statement.tree.this.name
    number = text.rpartition("/")[2]
    victim = session.server.session(int(number)) if number.isdigit() else None
    if victim is None:
        raise DbError(ErrorKind.UNDEFINED_SESSION, f"unknown session id: {text}")
    kind = statement.tree.args.get("kind")
    if kind is not None and kind.name.upper() == "QUERY":
        victim.cancel()
    else:
        victim.kill()
    return Affected("KILL", 0)


def run(session: ClientSession, statement: ParsedStatement, parameters: Sequence[object]) -> Result:
    """Statements that are recognised by their verb. Raises: DbError UNSUPPORTED."""
    assert statement.tree is not None
    verb = str(statement.tree.this)
    tag = _NOTHING_TO_DO.get(verb)
    if tag is not None:
        return Affected(tag, 0)
    if verb == "DO" and session.wire is not Wire.MYSQL:
        return run_do(session, str(statement.tree.args.get("text") or ""))
    if verb in two_phase.VERBS and session.wire is not Wire.MYSQL:
        return two_phase.run(session, verb, str(statement.tree.args.get("text") or ""))
    if verb in ("LOCK TABLE", "LOCK") and session.wire is not Wire.MYSQL:
        return run_lock_table(session, str(statement.tree.args.get("text") or ""), statement.text)
    if verb in ("LISTEN", "UNLISTEN", "NOTIFY") and session.wire is not Wire.MYSQL:
        return channels.run(session, verb, statement)
    if verb == "LOAD DATA":
        raise DbError(
            ErrorKind.LOCAL_INFILE_REFUSED,
            "loading local data is disabled on this server",
        )
    if verb.split()[0] in ("CREATE", "DROP", "ALTER") and verb.split()[-1] not in _OBJECTS:
        word = verb.split()[-1].lower()
        raise DbError(
            ErrorKind.SYNTAX,
            f'syntax error at or near "{word}"',
            position=position_of(word, statement.text),
        )
    if session.wire is not Wire.MYSQL and verb.split(" ")[-1] in postgres.KINDS:
        return postgres.run(session, verb, str(statement.tree.args.get("text") or ""))
    if session.wire is Wire.MYSQL:
        return routines.run(session, verb, str(statement.tree.args.get("text") or ""))
    raise DbError(ErrorKind.UNSUPPORTED, f"{verb} is not supported")


def describe(session: ClientSession, statement: ParsedStatement) -> Description:
    """Columns of the statements that answer with a small table; none for all others."""
    tree = statement.tree
    tag = statement.text.split(None, 1)[0].upper() if statement.text else ""
    if isinstance(tree, nodes.ShowSetting):
        name = str(tree.this)
        names = ("name", "setting", "description") if name == "all" else (name,)
        columns = tuple(ResultColumn(n, datatypes.STRING) for n in names)
        return Description((), columns, tag="SHOW")
    if isinstance(tree, nodes.ShowStatement | nodes.DescribeTable):
        module = show_statement if isinstance(tree, nodes.ShowStatement) else describe_table
        rows = module.run(session, statement, ())
        assert isinstance(rows, Rows)
        rows.close()
        return Description((), rows.columns, tag=tag)
    if isinstance(tree, exp.Alter):
        return Description((), repartition.answer_columns(tree), tag=tag)
    if isinstance(tree, nodes.Admin):
        return Description((), (admin.result_column(tree),), tag="ADMIN")
    if isinstance(tree, nodes.Call) and session.wire is not Wire.MYSQL:
        return interpreted.describe_call(session, statement)
    if isinstance(tree, nodes.Tql):
        return tql.describe(session, tree)
    if isinstance(tree, nodes.Explain):
        kind = datatypes.JSON if tree.args.get("format") == "JSON" else datatypes.STRING
        return Description((), (ResultColumn("QUERY PLAN", kind),), tag="EXPLAIN")
    if isinstance(tree, nodes.FetchCursor) and not tree.args.get("move"):
        cursor = session.cursors.get(tree.this.name)
        if cursor is None:
            raise DbError(ErrorKind.UNDEFINED_CURSOR, f'cursor "{tree.this.name}" does not exist')
        return Description((), cursor.columns, tag="FETCH")
    if isinstance(tree, nodes.ExecuteStatement):
        prepared = session.prepared.get(tree.this.name)
        if prepared is not None:
            return session.describe(prepared.statement, prepared.statement.declared)
    return Description((), None, tag=tag)
