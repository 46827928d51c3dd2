"""From a request to the packets that answer it: queries, executions and fetches.

connection.py steps through these generators on worker threads and sends each piece; nothing here
touches a socket. A piece is numbered when it is made, so pieces must be sent in order.
Source: MySQL protocol pages "COM_QUERY Response", "COM_STMT_EXECUTE Response", "COM_STMT_FETCH".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import DbError, ErrorKind
from server.mysql import columns, replies
from server.mysql.constants import Capability, CursorType, Status
from server.mysql.prepared import Prepared, Statements, decode_parameters
from server.mysql.protocol import (
    CloseStatement,
    Command,
    Execute,
    Fetch,
    FieldList,
    InitDb,
    Prepare,
    ProcessInfo,
    Query,
    ResetConnection,
    ResetStatement,
    SendLongData,
    ServerProtocol,
    SetOption,
    Unknown,
)
from server.mysql.replies import Outcome
from server.mysql.results import ResultStream
from sql.charsets import UTF8MB4, Charset, charset_named
from sql.results import Affected, CopyIn, CopyOut, CopySink, Empty, Found, Result, Rows
from sql.session import SessionApi, TransactionStatus

logger = logging.getLogger(__name__)

Piece = bytes | memoryview
_NO_FLAGS = Status(0)
_AT_ONCE_BYTES = 64 << 10  # of parameters that are read on the event loop
_PIECES_BYTES = 1 << 18  # gathered before they are sent: few writes, little waiting


@dataclass(slots=True)
class Speaker:
    """What the answers to one client depend on. Used by one thread at a time."""

    session: SessionApi
    protocol: ServerProtocol
    utf8: Charset = UTF8MB4  # as the client named it when it logged in
    statements: Statements = field(default_factory=Statements)
    known_database: str = ""  # as far as the client has been told

    @property
    def charset(self) -> Charset:
        """What the client takes texts in."""
        name = self.session.output.encoding
        if not name:
            return self.utf8
        found = charset_named(name)
        return self.utf8 if found.is_utf8 else found

    @property
    def sent_in(self) -> Charset:
        """What the client sends texts in."""
        return charset_named(self.session.output.client)

    def status(self, extra: Status) -> Status:
        """How the session stands now, with flags of the answer itself."""
        status = extra
        if self.session.autocommit:
            status |= Status.AUTOCOMMIT
        if self.session.transaction_status is not TransactionStatus.IDLE:
            status |= Status.IN_TRANS
        if self.session.literal_backslashes:
            status |= Status.NO_BACKSLASH_ESCAPES
        return status

    def outcome(self, affected: int = 0, *, extra: Status = _NO_FLAGS) -> Outcome:
        """How a statement ended; takes the session's notices, so once per statement."""
        database = self.session.database
        schema = database if database != self.known_database else None
        self.known_database = database
        warnings = len(self.session.take_notices())
        return Outcome(self.status(extra), warnings, affected, schema)

    def ok(self, outcome: Outcome | None = None) -> bytes:
        """An OK packet."""
        payload = replies.ok(outcome or self.outcome(), self.protocol.capabilities)
        return self.protocol.frame(payload)

    def end_of_rows(self, outcome: Outcome) -> bytes:
        """The packet that ends a result set."""
        return self.protocol.frame(replies.end_of_rows(outcome, self.protocol.capabilities))

    @property
    def deprecates_eof(self) -> bool:
        """True if the client does without EOF packets between parts of an answer."""
        return Capability.DEPRECATE_EOF in self.protocol.capabilities


@dataclass(frozen=True, slots=True)
class Gathered:
    """Pieces to send now; `error` ends the answer, after them; `finished` tells it is complete.

    `wanted` takes the file that the client sends then; the answer goes on after it.
    """

    pieces: list[Piece]
    finished: bool
    error: Exception | None = None
    wanted: CopySink | None = None


def gather(answer: Iterator[Piece | CopySink]) -> Gathered:
    """Runs an answer on until there is enough to send, it ends or it fails.

    Pieces made before a failure are kept: their sequence ids are taken.
    """
    pieces: list[Piece] = []
    size = 0
    try:
        for piece in answer:
            if not isinstance(piece, bytes | memoryview):
                return Gathered(pieces, finished=False, wanted=piece)
            pieces.append(piece)
            size += len(piece)
            if size >= _PIECES_BYTES:
                return Gathered(pieces, finished=False)
    except Exception as error:  # noqa: BLE001 handed to the caller, who reports it
        return Gathered(pieces, finished=True, error=error)
    return Gathered(pieces, finished=True)


def abandon(answer: Iterator[Piece | CopySink]) -> None:
    """Frees what an unfinished answer holds; may block."""
    if isinstance(answer, Generator):
        answer.close()


def answer(speaker: Speaker, command: Command) -> Iterator[Piece | CopySink]:
    """The packets that answer a command; none for those that have no answer.

    A `CopySink` among them wants the file that the packets before it asked for.

    Raises: DbError, which is the answer then.
    """
    handler = _HANDLERS.get(type(command))
    if handler is None:
        code = command.code if isinstance(command, Unknown) else 0
        raise DbError(ErrorKind.UNKNOWN_COMMAND, f"unknown command 0x{code:02X}")
    return handler(speaker, command)


def at_once(speaker: Speaker, command: Command) -> Sequence[Piece] | None:
    """The whole answer if it takes no time; None: nothing has happened, `answer` makes it.

    An event loop may call it. Whatever is wrong is left to `answer` to tell.
    """
    try:
        if isinstance(command, Query):
            statements = speaker.session.instant.parse(command.text) or ()
            found = speaker.session.instant.execute(statements[0]) if len(statements) == 1 else None
        elif isinstance(command, Execute):
            found = _executed_at_once(speaker, command)
        else:
            return None
        if found is None:
            return None
        binary = isinstance(command, Execute)
        stream = _stream(speaker, found.as_rows(), binary=binary)
        pieces = [*_heading(speaker, stream, _NO_FLAGS), *_rows(speaker, stream)]
    except Exception as error:
        if not isinstance(error, DbError):
            logger.error("a command could not be answered at once", exc_info=error)
        speaker.protocol.sequence = 1
        return None
    return [*pieces, speaker.end_of_rows(speaker.outcome())]


def _executed_at_once(speaker: Speaker, command: Execute) -> Found | None:
    prepared = speaker.statements.find(command.statement_id)
    if prepared is None or command.cursor or prepared.cursor or prepared.long_data:
        return None
    if len(command.parameters) > _AT_ONCE_BYTES or prepared.long_data_error is not None:
        return None
    parameters = decode_parameters(prepared, command.parameters, speaker.sent_in)
    return speaker.session.instant.execute(prepared.statement, parameters)


def _query(speaker: Speaker, command: Query) -> Iterator[Piece | CopySink]:
    """COM_QUERY: every statement of the text in turn; the first error ends it."""
    statements = [found for found in speaker.session.parse(command.text) if not found.is_empty]
    if not statements and command.text.strip(" \t\r\n;"):  # a comment alone is no error
        yield from _answer_result(speaker, Affected("DO", 0), _NO_FLAGS, binary=False)
        return
    if not statements:
        raise DbError(ErrorKind.EMPTY_STATEMENT, "the query is empty")
    if len(statements) > 1 and Capability.MULTI_STATEMENTS not in speaker.protocol.capabilities:
        raise DbError(
            ErrorKind.SYNTAX,
            "several statements in one query",
            hint="the client must enable multiple statements when it connects",
        )
    for left, statement in zip(reversed(range(len(statements))), statements, strict=True):
        result = speaker.session.execute(statement)
        extra = Status.MORE_RESULTS if left else _NO_FLAGS
        yield from _answer_result(speaker, result, extra, binary=False)


def _prepare(speaker: Speaker, command: Prepare) -> Iterator[Piece]:
    """COM_STMT_PREPARE: the statement's id, then its parameters, then its columns."""
    speaker.statements.check_room()
    statements = [found for found in speaker.session.parse(command.text) if not found.is_empty]
    if not statements:
        raise DbError(ErrorKind.EMPTY_STATEMENT, "the query is empty")
    if len(statements) > 1:
        raise DbError(ErrorKind.SYNTAX, "several statements cannot be prepared as one")
    description = speaker.session.describe(statements[0])
    prepared = speaker.statements.add(statements[0], description)
    outputs = description.columns or ()
    outcome = speaker.outcome()
    yield speaker.protocol.frame(
        b"".join(
            (
                b"\x00",
                prepared.id.to_bytes(4, "little"),
                len(outputs).to_bytes(2, "little"),
                prepared.parameter_count.to_bytes(2, "little"),
                b"\x00",
                min(outcome.warnings, 0xFFFF).to_bytes(2, "little"),
            )
        )
    )
    inputs = [
        columns.parameter_definition(data_type, speaker.charset)
        for data_type in description.parameters
    ]
    for definitions in (inputs, [columns.definition(each, speaker.charset) for each in outputs]):
        if definitions:
            yield speaker.protocol.frame(*definitions)
            if not speaker.deprecates_eof:
                yield speaker.protocol.frame(replies.eof(outcome))


def _execute(speaker: Speaker, command: Execute) -> Iterator[Piece | CopySink]:
    """COM_STMT_EXECUTE: a result in binary, or an open cursor if the client asks for one."""
    prepared = speaker.statements.get(command.statement_id)
    prepared.close_cursor()
    try:
        parameters = decode_parameters(prepared, command.parameters, speaker.sent_in)
    finally:
        prepared.forget_long_data()
    result = speaker.session.execute(prepared.statement, parameters)
    if isinstance(result, Rows) and CursorType.READ_ONLY in command.cursor:
        yield from _open_cursor(speaker, prepared, result)
    else:
        yield from _answer_result(speaker, result, _NO_FLAGS, binary=True)


def _fetch(speaker: Speaker, command: Fetch) -> Iterator[Piece]:
    """COM_STMT_FETCH: the cursor's next rows, and whether they were the last."""
    prepared = speaker.statements.get(command.statement_id)
    cursor = prepared.cursor
    if cursor is None:
        message = f"prepared statement {prepared.id} has no open cursor"
        error = DbError(ErrorKind.UNDEFINED_CURSOR, message)
        error.mysql = (1421, "HY000")
        raise error
    try:
        yield from _rows(speaker, cursor, command.rows)
        more = cursor.has_more()
    except BaseException:
        prepared.close_cursor()
        raise
    if not more:
        prepared.close_cursor()
    extra = Status.CURSOR_EXISTS if more else Status.LAST_ROW_SENT
    yield speaker.end_of_rows(speaker.outcome(extra=extra))


def _field_list(speaker: Speaker, command: FieldList) -> Iterator[Piece]:
    """COM_FIELD_LIST: the columns of a table, each with its default (which is not told: NULL)."""
    quoted = command.table.replace("`", "``")
    statement = speaker.session.parse(f"SELECT * FROM `{quoted}`")[0]
    for column in speaker.session.describe(statement).columns or ():
        if _like(column.name, command.wildcard):
            yield speaker.protocol.frame(columns.definition(column, speaker.charset) + b"\xfb")
    yield speaker.end_of_rows(speaker.outcome())


def _init_db(speaker: Speaker, command: InitDb) -> Iterator[Piece]:
    speaker.session.use(command.database)
    yield speaker.ok()


def _process_info(speaker: Speaker, command: ProcessInfo) -> Iterator[Piece | CopySink]:
    del command
    return _query(speaker, Query("SHOW PROCESSLIST"))


def _set_option(speaker: Speaker, command: SetOption) -> Iterator[Piece]:
    if command.multi_statements:
        speaker.protocol.capabilities |= Capability.MULTI_STATEMENTS
    else:
        speaker.protocol.capabilities &= ~Capability.MULTI_STATEMENTS
    yield speaker.end_of_rows(speaker.outcome())


def _reset_connection(speaker: Speaker, command: ResetConnection) -> Iterator[Piece]:
    del command
    speaker.statements.clear()
    speaker.session.reset()
    yield speaker.ok()


def _send_long_data(speaker: Speaker, command: SendLongData) -> Iterator[Piece]:
    """It has no answer: an unknown statement is found out when it is executed."""
    prepared = speaker.statements.find(command.statement_id)
    if prepared is not None:
        prepared.add_long_data(command.parameter, command.data)
    yield from ()


def _close_statement(speaker: Speaker, command: CloseStatement) -> Iterator[Piece]:
    """It has no answer."""
    speaker.statements.close(command.statement_id)
    yield from ()


def _reset_statement(speaker: Speaker, command: ResetStatement) -> Iterator[Piece]:
    speaker.statements.get(command.statement_id).reset()
    yield speaker.ok()


_HANDLERS: dict[type, Callable[[Speaker, Any], Iterator[Piece | CopySink]]] = {
    Query: _query,
    Prepare: _prepare,
    Execute: _execute,
    Fetch: _fetch,
    FieldList: _field_list,
    InitDb: _init_db,
    ProcessInfo: _process_info,
    SetOption: _set_option,
    ResetConnection: _reset_connection,
    SendLongData: _send_long_data,
    CloseStatement: _close_statement,
    ResetStatement: _reset_statement,
}


def _answer_result(
    speaker: Speaker, result: Result, extra: Status, *, binary: bool
) -> Iterator[Piece | CopySink]:
    if isinstance(result, Rows):
        stream = _stream(speaker, result, binary=binary)
        try:
            yield from _heading(speaker, stream, extra)
            yield from _rows(speaker, stream)
        finally:
            stream.close()
        yield speaker.end_of_rows(speaker.outcome(extra=extra))
    elif isinstance(result, Affected):
        for rows in result.sets:
            yield from _answer_result(speaker, rows, extra | Status.MORE_RESULTS, binary=binary)
        outcome = speaker.outcome(result.rows or 0, extra=extra)
        yield speaker.ok(replace(outcome, insert_id=result.insert_id, info=result.info))
    elif isinstance(result, Empty):
        yield speaker.ok(speaker.outcome(extra=extra))
    elif isinstance(result, CopyIn) and result.file:
        yield from _load(speaker, result, extra)
    else:
        _refuse_copy(result)


def _load(speaker: Speaker, wanted: CopyIn, extra: Status) -> Iterator[Piece | CopySink]:
    """LOAD DATA LOCAL: asks for the file; the sink has taken it when the next piece is pulled."""
    if Capability.LOCAL_FILES not in speaker.protocol.capabilities:
        wanted.sink.abort()
        raise DbError(
            ErrorKind.LOCAL_INFILE_REFUSED,
            "loading local data is disabled: the client did not offer it",
            hint="it must be enabled where the client connects, too",
        )
    ended = False
    try:
        yield speaker.protocol.frame(replies.local_infile(wanted.file))
        yield wanted.sink
        ended = True
    finally:
        if not ended:
            wanted.sink.abort()
    yield speaker.ok(speaker.outcome(wanted.sink.finish(), extra=extra))


def _refuse_copy(result: CopyIn | CopyOut) -> None:
    if isinstance(result, CopyIn):
        result.sink.abort()
    else:
        result.rows.close()
    raise DbError(
        ErrorKind.UNSUPPORTED,
        "COPY to and from the client does not exist in the MySQL protocol",
        hint="use a PostgreSQL connection, or COPY with a file name",
    )


def _open_cursor(speaker: Speaker, prepared: Prepared, rows: Rows) -> Iterator[Piece]:
    """The heading alone; the rows wait for COM_STMT_FETCH."""
    prepared.cursor = _stream(speaker, rows, binary=True)
    yield speaker.protocol.frame(*columns.heading(rows.columns, speaker.charset))
    # Both kinds of client read this packet: it is where the cursor is announced.
    yield speaker.end_of_rows(speaker.outcome(extra=Status.CURSOR_EXISTS))


def _stream(speaker: Speaker, rows: Rows, *, binary: bool) -> ResultStream:
    timezone = speaker.session.timezone
    return ResultStream(rows, timezone, binary=binary, charset=speaker.charset)


def _heading(speaker: Speaker, stream: ResultStream, extra: Status) -> Iterator[Piece]:
    yield speaker.protocol.frame(*columns.heading(stream.columns, speaker.charset))
    if not speaker.deprecates_eof:
        yield speaker.protocol.frame(replies.eof(Outcome(speaker.status(extra))))


def _rows(speaker: Speaker, stream: ResultStream, rows_max: int | None = None) -> Iterator[Piece]:
    protocol = speaker.protocol
    limits: Sequence[int] = () if rows_max is None else (rows_max,)
    for packets in stream.packets(protocol.sequence, *limits):
        protocol.sequence = packets.sequence
        yield packets.data


def _like(name: str, pattern: str) -> bool:
    """MySQL's LIKE for column names, without case; an empty pattern takes all.

    Linear in the name for each `%`: on a mismatch only the last `%` is stretched.
    """
    if not pattern:
        return True
    tokens = _like_tokens(pattern.casefold())
    name = name.casefold()
    at, token, star, retry = 0, 0, -1, 0
    while at < len(name):
        if token < len(tokens) and tokens[token] in (_ANY_ONE, name[at]):
            at, token = at + 1, token + 1
        elif token < len(tokens) and tokens[token] == _ANY_MANY:
            star, retry = token, at
            token += 1
        elif star >= 0:
            retry += 1
            at, token = retry, star + 1
        else:
            return False
    return all(rest == _ANY_MANY for rest in tokens[token:])


_ANY_ONE = "one"  # longer than a character, so no name contains them
_ANY_MANY = "many"


def _like_tokens(pattern: str) -> list[str]:
    tokens: list[str] = []
    escaped = False
    for character in pattern:
        if escaped or character not in "%_\\":
            tokens.append(character)
            escaped = False
        elif character == "\\":
            escaped = True
        else:
            tokens.append(_ANY_MANY if character == "%" else _ANY_ONE)
    return tokens
