"""The life of a statement, from text to result: the page to read first.

    parse_request   text → parsed statements (the INSERT fast path never builds a tree)
    describe        parameter types and result columns, without running
    execute         transaction state → handler of the statement's kind → result

Handlers live in sql/statements/, one module per family, each `run(session, statement, parameters)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sqlglot import exp

from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from sql import mysql_errors
from sql.dialect import mysql_nodes, nodes
from sql.dialect.key_nodes import SetConstraints
from sql.dialect.object_nodes import DefaultPrivileges, ObjectStatement
from sql.dialect.parser import ParsedStatement, UnreadableStatement, parse
from sql.privileges import check_privileges
from sql.results import CopyIn, CopyOut, Description, Empty, Result, Rows
from sql.routines import calls
from sql.routines.run import call
from sql.run import waiting
from sql.session import T, Task, Wire, aborted_transaction
from sql.statements import (
    admin,
    alter,
    copy,
    create,
    cursor,
    delete,
    describe_table,
    drop,
    explain,
    flow,
    foreign_keys,
    insert,
    load,
    merge,
    mysql_only,
    mysql_violations,
    object_grants,
    prepare,
    query,
    roles,
    routines,
    schema_object,
    settings,
    show_statement,
    tql,
    transaction,
    truncate,
    update,
    utility,
    views,
    violations,
)
from sql.statements.changing_parts import describe_parts, settling
from sql.statements.modes import begin_moment
from sql.statements.nested_locks import locking
from sql.statements.sequence_calls import answering, described

if TYPE_CHECKING:
    from sql.client_session import ClientSession

Runnable = ParsedStatement | insert.FastInsert


def _whole(run: query.Handler) -> query.Handler:
    """The handler of statements of which parts are run before."""
    return settling(locking(answering(run)), lambda part: handler_of(part))


HANDLERS: dict[type[exp.Expr], query.Handler] = {
    exp.Select: _whole(query.run),
    exp.SetOperation: _whole(query.run),
    exp.Subquery: answering(query.run),
    exp.Values: answering(query.run),
    exp.Insert: _whole(insert.run),
    exp.Delete: _whole(delete.run),
    exp.Update: _whole(update.run),
    exp.Merge: _whole(merge.run),
    exp.Create: create.run,
    exp.Drop: drop.run,
    exp.Alter: alter.run,
    nodes.RenameTables: alter.run_rename,
    exp.Comment: alter.run_comment,
    exp.TruncateTable: truncate.run,
    nodes.RefreshView: views.run_refresh,
    exp.Use: settings.run_use,
    nodes.SetVariables: settings.run_set,
    nodes.SetTransaction: settings.run_set_transaction,
    SetConstraints: foreign_keys.run_set,
    nodes.Reset: settings.run_reset,
    nodes.ShowSetting: settings.run_show,
    nodes.Discard: settings.run_discard,
    nodes.ShowStatement: show_statement.run,
    nodes.DescribeTable: describe_table.run,
    nodes.Explain: explain.run,
    nodes.Tql: tql.run,
    nodes.BeginTransaction: transaction.run_begin,
    nodes.CommitTransaction: transaction.run_commit,
    nodes.RollbackTransaction: transaction.run_rollback,
    nodes.Savepoint: transaction.run_savepoint,
    nodes.ReleaseSavepoint: transaction.run_release,
    nodes.CopyStatement: copy.run,
    mysql_nodes.LoadFile: load.run,
    mysql_nodes.Do: mysql_only.run_do,
    mysql_nodes.SelectInto: mysql_only.run_select_into,
    mysql_nodes.TableMaintenance: mysql_only.run_maintenance,
    nodes.PrepareStatement: prepare.run_prepare,
    nodes.ExecuteStatement: prepare.run_execute,
    nodes.Deallocate: prepare.run_deallocate,
    nodes.DeclareCursor: cursor.run_declare,
    nodes.FetchCursor: cursor.run_fetch,
    nodes.CloseCursor: cursor.run_close,
    exp.Kill: utility.run_kill,
    nodes.Admin: admin.run_admin,
    nodes.Call: routines.run_call,
    nodes.GrantStatement: roles.run_grant,
    nodes.RoleStatement: roles.run_role,
    DefaultPrivileges: object_grants.run_default,
    ObjectStatement: schema_object.run,
    nodes.CreateFlow: flow.run_create,
    nodes.DropFlow: flow.run_drop,
    nodes.Utility: utility.run,
}

Describer = Callable[["ClientSession", ParsedStatement, Sequence[DataType | None]], Description]
_DESCRIBED: dict[type[exp.Expr], Describer] = {
    exp.Insert: insert.describe,
    exp.Delete: delete.describe,
    exp.Update: update.describe,
    exp.Merge: merge.describe,
}
_DEFINITIONS = (exp.Create, exp.Drop, exp.Alter, exp.TruncateTable, nodes.RenameTables)
_ENDS_FAILED = (nodes.RollbackTransaction, nodes.CommitTransaction)
_CONTROL = (
    *_ENDS_FAILED,
    nodes.BeginTransaction,
    nodes.Savepoint,
    nodes.ReleaseSavepoint,
    nodes.SetVariables,
    nodes.SetTransaction,
    nodes.ShowSetting,
)


def parse_request(session: ClientSession, text: str) -> Sequence[Runnable]:
    """Splits a request into statements. Raises: DbError SYNTAX."""
    fast = insert.recognise(session, text) or query.recognise(session, text)
    return [fast] if fast is not None else parse(text, session.wire)


def describe(
    session: ClientSession,
    statement: Runnable,
    declared: Sequence[DataType | None],
) -> Description:
    """Types and columns of a statement that is not run yet. Raises: DbError."""
    _check_transaction(session, statement)
    if isinstance(statement, insert.FastInsert):
        return Description((), None, tag="INSERT")
    if isinstance(statement, query.LiftedQuery | insert.LiftedInsert):
        statement = parse(statement.text, session.wire)[0]
    session.duck.settle()
    whole = partial(_describe, declared=declared)
    return describe_parts(session, statement, whole) or whole(session, statement)


def _describe(
    session: ClientSession, statement: ParsedStatement, declared: Sequence[DataType | None]
) -> Description:
    statement = calls.described(session, described(session, statement))
    if isinstance(statement.tree, query.QUERIES):
        return query.describe(session, statement, declared)
    for kind, describe_ in _DESCRIBED.items():
        if isinstance(statement.tree, kind):
            return describe_(session, statement, declared)
    return utility.describe(session, statement)


def execute(session: ClientSession, statement: Runnable, parameters: Sequence[object]) -> Result:
    """Runs one statement. Raises: DbError; an open transaction has failed then."""
    if statement.is_empty:
        return Empty()
    if isinstance(statement, UnreadableStatement):
        assert statement.error is not None
        raise statement.error.with_traceback(None)  # it may be raised again
    if session.wire is Wire.MYSQL and isinstance(statement, ParsedStatement):
        if isinstance(statement.tree, nodes.Call):
            return call(session, statement, parameters)  # its statements come back here one by one
        if calls.are_interpreted(session, statement):
            return calls.run_mysql(session, statement, parameters, partial(execute, session))
    return _execute(session, statement, parameters)


def _execute(session: ClientSession, statement: Runnable, parameters: Sequence[object]) -> Result:
    session.duck.settle()  # if that fails, so has the transaction
    _check_transaction(session, statement)
    session.duck.on_failure = None
    session.statement_started(statement.text)
    session.tally.begin()
    if session.last_notices and not mysql_errors.is_diagnostic(statement.tree, statement.text):
        session.last_notices = ()
    try:
        session.duck.check()
        check_privileges(session, lambda: insert.tree_of(statement))
        result = _run(session, statement, parameters)
        _commit_definition(session, statement)
    except BaseException as error:
        session.statement_ended(failed=True)
        if session.wire is Wire.MYSQL and isinstance(error, DbError):
            mysql_errors.refine(error, insert.tree_of(statement))
            mysql_violations.tell(session, lambda: insert.tree_of(statement), error)
            session.last_notices = (mysql_errors.as_notice(error),)
        elif isinstance(error, DbError):
            violations.tell(session, lambda: insert.tree_of(statement), error)
        _fail(session)
        raise
    if session.wire is Wire.MYSQL:
        result = session.tally.end(result)
    session.duck.on_failure = partial(_fail, session)
    if isinstance(result, Rows):
        result.and_on_close(session.statement_ended)
    elif isinstance(result, CopyOut):
        result.rows.and_on_close(session.statement_ended)
    elif isinstance(result, CopyIn) and isinstance(result.sink, copy.TableSink | load.LoadSink):
        result.sink.on_end = lambda error: _end_copy(session, error)
    else:
        session.statement_ended()
    return result


def _commit_definition(session: ClientSession, statement: Runnable) -> None:
    """Without autocommit MySQL's clients count on definitions to commit, with all before them.

    Between START TRANSACTION and COMMIT definitions belong to the transaction.
    """
    open_, tree = session.transaction, statement.tree
    defines = isinstance(tree, _DEFINITIONS) or (
        isinstance(tree, nodes.Utility) and str(tree.this).endswith((" PROCEDURE", " FUNCTION"))
    )
    if open_ is None or session.autocommit or tree is None or not defines:
        return
    if not tree.args.get("temporary") and tree.find(exp.TemporaryProperty) is None:
        session.end_transaction(commit=True)


def set_at_start(session: ClientSession, name: str, value: str) -> None:
    """A setting that the session begins with. Raises: DbError INVALID_ARGUMENT."""
    settings.set_at_start(session, name, value)


def run_task(session: ClientSession, task: Task[T]) -> T:
    """Runs work that is no SQL text. Raises: DbError; an open transaction has failed then."""
    session.duck.settle()
    session.duck.on_failure = None
    session.statement_started(task.text)
    try:
        session.duck.check()
        return task.run(session)
    except BaseException:
        _fail(session)
        raise
    finally:
        session.statement_ended()


def _run(session: ClientSession, statement: Runnable, parameters: Sequence[object]) -> Result:
    def again() -> Result:
        if isinstance(statement, insert.FastInsert):
            return insert.run_fast(session, statement)
        if isinstance(statement, query.LiftedQuery):
            return query.run_lifted(session, statement, handler_of(statement))
        return calls.handled(session, statement, parameters, handler_of)

    if isinstance(statement.tree, _CONTROL) or is_block(session, statement):
        return again()
    if (
        session.wire is not Wire.MYSQL
        and isinstance(statement, ParsedStatement)
        and calls.are_interpreted(session, statement)
    ):
        return calls.run(session, statement, parameters, partial(_run, session))
    begin_moment(session)
    open_ = session.transaction
    if open_ is None:
        result = waiting.run(session, again)
        if session.transaction is not None:  # which the statement has begun
            session.transaction.adopt(again, session.moment_ms())
        return result

    def step() -> Result:
        with open_.step(again, session.moment_ms()):
            return again()

    return waiting.run(session, step)


def is_block(session: ClientSession, statement: Runnable) -> bool:
    """True for DO and CALL, whose statements are the steps; MySQL's DO only evaluates.

    So is EXECUTE of a statement that calls functions with statements of their own.
    """
    tree = statement.tree
    if isinstance(tree, nodes.ExecuteStatement):
        prepared = session.prepared.get(tree.this.name)
        return prepared is not None and calls.are_interpreted(session, prepared.statement)
    named = isinstance(tree, nodes.Utility) and tree.this == "DO"
    named = named or isinstance(tree, nodes.Call)
    return named and session.wire is not Wire.MYSQL


def handler_of(statement: ParsedStatement) -> query.Handler:
    """Who runs a statement. Raises: DbError UNSUPPORTED."""
    for cls in type(statement.tree).__mro__:
        handler = HANDLERS.get(cls)
        if handler is not None:
            return handler
    verb = statement.text.split(None, 1)[0].upper()
    raise DbError(ErrorKind.UNSUPPORTED, f"{verb} is not supported")


def _check_transaction(session: ClientSession, statement: Runnable) -> None:
    open_ = session.transaction
    if open_ is not None and open_.failed and not isinstance(statement.tree, _ENDS_FAILED):
        raise aborted_transaction()


def _end_copy(session: ClientSession, error: DbError | None) -> None:
    if session.running:
        session.statement_ended()
        if error is not None:
            _fail(session)


def _fail(session: ClientSession) -> None:
    """PostgreSQL's transactions fail as a whole; MySQL's undo the one statement and go on."""
    open_ = session.transaction
    if open_ is None:
        return
    if not open_.explicit:
        session.end_transaction(commit=False)
    elif session.wire is Wire.POSTGRES:
        open_.failed = True
    elif open_.failed:  # its steps could not be run again
        session.end_transaction(commit=False)
    else:
        try:
            open_.recover()
        except DbError:  # nothing of it can be kept
            session.end_transaction(commit=False)
            raise
