"""The extended protocol: prepared statements, portals and what is known about them.

Called by conversation.py. A portal runs its statement at its first Execute and keeps the rows that
`max_rows` held back until it is executed again, closed, or its transaction ends.
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

from engine.datatypes import DataType
from engine.errors import DbError, ErrorKind
from server.postgres import replies
from server.postgres.few import Encoder, encoder_of
from server.postgres.messages import Bind, Describe, Exchange, Execute, Frontend, Parse, Target
from server.postgres.portals import Portal, Prepared, Running, check_shape, has_shape
from server.postgres.rows import Piece, expand_formats, style_for
from server.postgres.types import oids
from server.postgres.types.parameters import Decoder, texts_in_utf8
from sql.results import (
    Affected,
    CopyIn,
    CopyOut,
    Cursor,
    Description,
    Empty,
    Found,
    Result,
    ResultColumn,
    Rows,
)
from sql.session import SessionApi, Statement, TransactionStatus, aborted_transaction
from sql.user_types import FIRST_OID

_ENCODERS_MAX = 64
_AT_ONCE_BYTES = 64 << 10  # of parameters that are read on the event loop
STATEMENTS_MAX = 10_000  # per connection; a driver that never closes them is broken

_NAME = r'(?:"((?:[^"]|"")*)"|([a-z_][\w$]*))\s*;?\s*'
_DEALLOCATE = re.compile(rf"\s*DEALLOCATE\s+(?:PREPARE\s+)?(?!ALL\b){_NAME}", re.I)
_FETCH = re.compile(rf"\s*(?:FETCH|MOVE)\s(?:[^\"]*\s)?{_NAME}", re.I)
# Ours are 64-bit integers, but drivers must know an OID from one: asyncpg reads arrays only when
# the parameter of its own catalog query, `$1::oid[]`, is of a type it need not ask about.
_OID_CASTS = re.compile(
    r"\$(\d+)\s*::\s*(?:pg_catalog\.)?(?:\"(char)\"|(oid|name|xid|jsonb)\b)(\s*\[\s*\])?", re.I
)
_FORGETTING = frozenset({"DEALLOCATE", "DEALLOCATE ALL", "DISCARD ALL"})


@dataclass(slots=True)
class Extended:
    """The prepared statements and portals of one session."""

    session: SessionApi
    _statements: dict[str, Prepared] = field(default_factory=dict)
    _portals: dict[str, Portal] = field(default_factory=dict)
    # By identity of the columns and their formats.
    _encoders: dict[tuple[int, tuple[int, ...]], Encoder] = field(default_factory=dict)

    # At once: the whole reply to a message, on the event loop.

    def at_once(self, event: Frontend) -> Sequence[Piece] | None:
        """The reply if it takes no time; None: nothing has happened.

        Raises: DbError for what is wrong, after which nothing has happened either.
        """
        match event:
            case Bind():
                return self._bind_at_once(event)
            case Execute(portal, max_rows):
                return self._execute_at_once(portal, max_rows)
            case Describe(target, name):
                return self._describe_at_once(target, name)
            case Parse():
                return self._parse_at_once(event)
            case _:
                return None

    def exchanged(self, exchange: Exchange) -> Sequence[Piece] | None:
        """The reply to Bind, Describe, Execute and Sync outside a transaction; None as `at_once`.

        No portal is made: none of a statement that is over, outside a transaction, outlives Sync.
        Raises: DbError for what is wrong, after which nothing has happened.
        """
        bind = exchange.bind
        prepared = self._statements.get(bind.statement)
        if prepared is None or self._portals or not self._knows(prepared):
            return None
        if self.session.transaction_status is not TransactionStatus.IDLE:
            return None
        if not self.session.instant.is_settled():
            return None
        assert prepared.description is not None
        shown = prepared.description.columns if exchange.describes else prepared.shown
        if exchange.describes and shown is None:
            return None
        found = self._found(prepared, self._parameters(prepared, bind), shown)
        if found is None:
            return None
        rows = self.rows_of(found, bind.result_formats)
        if not exchange.describes or shown is None:
            return replies.BIND_COMPLETE, *rows
        return replies.BIND_COMPLETE, self.encoder(shown, bind.result_formats).heading, *rows

    def _found(
        self,
        prepared: Prepared,
        parameters: Sequence[object],
        shown: tuple[ResultColumn, ...] | None,
    ) -> Found | None:
        """The rows of a statement, if they are at hand and are of the columns that were shown."""
        found = self.session.instant.execute(prepared.statement, parameters)
        if found is None:
            return None
        if prepared.shown is not shown or prepared.checked is not found.columns:
            if not has_shape(found.columns, shown):
                return None
            prepared.shown, prepared.checked = shown, found.columns
        return found

    def is_settled(self) -> bool:
        """True if no portal would have to be closed that may hold anything."""
        return all(portal.is_light for portal in self._portals.values())

    def rows_of(self, found: Found, formats: Sequence[int]) -> Sequence[Piece]:
        """Rows at hand and the end of their statement."""
        encoder = self.encoder(found.columns, formats)
        end = replies.command_complete("SELECT", found.rows.num_rows)
        return (*encoder.messages(found.rows), end)

    def encoder(self, columns: tuple[ResultColumn, ...], formats: Sequence[int]) -> Encoder:
        """How a result of these very columns is written now; the last ones are remembered."""
        style = style_for(self.session.output)
        place = id(columns), tuple(formats)
        known = self._encoders.get(place)
        if known is None or known.columns is not columns or known.style is not style:
            if len(self._encoders) >= _ENCODERS_MAX:
                self._encoders.clear()
            known = encoder_of(columns, expand_formats(formats, len(columns)), style)
            self._encoders[place] = known
        return known

    def _parse_at_once(self, event: Parse) -> Sequence[Piece] | None:
        unnamed = self._portals.get("")
        if unnamed is not None and not unnamed.is_light:
            return None
        declared = tuple(map(self._declared, event.types))
        statements = self.session.instant.parse(event.text, declared)
        return None if statements is None else (self._prepare(event, declared, statements),)

    def _bind_at_once(self, event: Bind) -> Sequence[Piece] | None:
        prepared = self._statements.get(event.statement)
        if prepared is None or event.portal or not self.is_settled():
            return None
        if sum(len(data) for data in event.parameters if data) > _AT_ONCE_BYTES:
            return None
        if not self._knows(prepared):
            return None
        return (self.bind(event),)

    def _knows(self, prepared: Prepared) -> bool:
        """True if a statement's types are known, or can be at once."""
        if prepared.description is None:
            prepared.description = self.session.instant.describe(prepared.statement)
        return prepared.description is not None

    def _describe_at_once(self, target: Target, name: str) -> Sequence[Piece] | None:
        portal = self._portals.get(name)
        if target is not Target.PORTAL or portal is None or not self._knows(portal.prepared):
            return None
        assert portal.prepared.description is not None
        columns = portal.prepared.description.columns
        portal.prepared.shown, portal.prepared.checked = columns, None
        if columns is None:
            return (replies.NO_DATA,)
        return (self.encoder(columns, portal.formats).heading,)

    def _execute_at_once(self, name: str, max_rows: int) -> Sequence[Piece] | None:
        portal = self._portals.get(name)
        if portal is None or name or portal.is_done or portal.running is not None:
            return None
        found = self._found(portal.prepared, portal.parameters, portal.prepared.shown)
        if found is None:
            return None
        portal.running = Running(Cursor(found.as_rows()), self.session)
        portal.is_light = True
        if max_rows:
            return list(self._sent(portal.running, portal.formats, max_rows))
        portal.running.is_finished = True
        return self.rows_of(found, portal.formats)

    # As long as it takes.

    def parse(self, event: Parse) -> bytes:
        """Prepares a statement. Raises: DbError SYNTAX, DUPLICATE_STATEMENT, LIMIT_EXCEEDED."""
        declared = tuple(map(self._declared, event.types))
        return self._prepare(event, declared, self.session.parse(event.text, declared))

    def _prepare(
        self,
        event: Parse,
        declared: tuple[DataType | None, ...],
        statements: Sequence[Statement],
    ) -> bytes:
        if event.statement and event.statement in self._statements:
            raise DbError(
                ErrorKind.DUPLICATE_STATEMENT,
                f'prepared statement "{event.statement}" already exists',
            )
        if len(self._statements) >= STATEMENTS_MAX:
            raise DbError(
                ErrorKind.LIMIT_EXCEEDED,
                f"a connection may have {STATEMENTS_MAX} prepared statements",
                hint="close or deallocate the ones no longer needed",
            )
        if len(statements) != 1:
            raise DbError(
                ErrorKind.SYNTAX, "cannot insert multiple commands into a prepared statement"
            )
        if event.statement == "":
            self._statements.pop("", None)
        self._statements[event.statement] = Prepared(statements[0], declared, event.types)
        if event.statement:
            self.session.share_statement(event.statement, statements[0])
        return replies.PARSE_COMPLETE

    def check(self, name: str) -> None:
        """Plans a statement that was just prepared; it is gone if that fails. Raises: DbError."""
        prepared = self._statements.get(name)
        if prepared is not None:
            try:
                self._description(prepared)
            except DbError:
                self.drop(Target.STATEMENT, name)
                raise

    def bind(self, event: Bind) -> bytes:
        """Makes a portal. Raises: DbError UNDEFINED_STATEMENT, DUPLICATE_CURSOR, bad parameters."""
        prepared = self._statement(event.statement)
        if event.portal and event.portal in self._portals:
            raise DbError(ErrorKind.DUPLICATE_CURSOR, f'cursor "{event.portal}" already exists')
        parameters = self._parameters(prepared, event)
        self._drop_portal(event.portal)
        self._portals[event.portal] = Portal(prepared, parameters, event.result_formats)
        return replies.BIND_COMPLETE

    def _parameters(self, prepared: Prepared, event: Bind) -> list[object]:
        """The values of a statement's parameters. Raises: as `bind`."""
        expected = max(prepared.statement.parameter_count, len(prepared.declared_oids))
        if len(event.parameters) != expected:
            raise DbError(
                ErrorKind.PROTOCOL,
                f"bind message supplies {len(event.parameters)} parameters, but prepared "
                f'statement "{event.statement}" requires {expected}',
            )
        if not event.parameters:
            return []
        types = self._parameter_oids(prepared)
        encoding = self.session.output.encoding
        decoder = prepared.decoder
        if decoder is None or not decoder.suits(event.formats, types):
            decoder = prepared.decoder = Decoder(event.formats, types, self._type_of)
        raw = texts_in_utf8(event.parameters, event.formats, types, encoding)
        return decoder.values(raw)[: prepared.statement.parameter_count]

    def describe(self, target: Target, name: str) -> Iterator[bytes]:
        """ParameterDescription (statements) and RowDescription or NoData."""
        if target is Target.STATEMENT:
            prepared = self._statement(name)
            prepared.description = None  # tables may have changed since it was asked last
            yield replies.parameter_description(self._told_oids(prepared))
            formats: tuple[int, ...] = ()
        else:
            if name not in self._portals and (declared := self.session.cursor(name)) is not None:
                text = (0,) * len(declared.columns)
                yield replies.row_description(declared.columns, text, self.session.output.encoding)
                return
            portal = self._portal(name)
            prepared, formats = portal.prepared, portal.formats
        columns = self._description(prepared).columns
        prepared.shown, prepared.checked = columns, None
        if columns is None:
            yield replies.NO_DATA
        else:
            codes = expand_formats(formats, len(columns))
            yield replies.row_description(columns, codes, self.session.output.encoding)

    def execute(
        self, name: str, max_rows: int, notices: Callable[[], Iterator[Piece]]
    ) -> Generator[Piece, None, Affected | Empty | CopyIn | CopyOut | None]:
        """Sends rows; returns the result when it has none, None when everything was said."""
        portal = self._portal(name)
        if portal.is_done:
            raise DbError(ErrorKind.UNDEFINED_CURSOR, f'portal "{name}" cannot be run')
        if portal.running is None:
            result = self._start(name, portal)
            if result is not None:
                return result
        elif self.session.transaction_status is TransactionStatus.FAILED:
            raise aborted_transaction()
        running = portal.running
        assert running is not None
        yield from self._sent(running, portal.formats, max_rows, notices)
        return None

    def _sent(
        self,
        running: Running,
        formats: Sequence[int],
        max_rows: int,
        notices: Callable[[], Iterator[Piece]] = lambda: iter(()),
    ) -> Iterator[Piece]:
        yield from running.send(formats, max_rows)
        yield from notices()
        if max_rows and running.sent == max_rows and not running.is_finished:
            yield replies.PORTAL_SUSPENDED
            return
        running.close()
        yield replies.command_complete(running.tag, running.sent)

    def _start(self, name: str, portal: Portal) -> Affected | Empty | CopyIn | CopyOut | None:
        """Runs the portal's statement; its result if that is no rows."""
        result = self.run(portal.prepared.statement, portal.parameters)
        if not isinstance(result, Rows):
            portal.is_done = True
            return result
        portal.is_light = False
        portal.running = Running(Cursor(result), self.session)
        check_shape(portal.prepared, result.columns)
        if name:
            self.session.share_cursor(name, portal.running.cursor)
        return None

    def run(self, statement: Statement, parameters: Sequence[object]) -> Result:
        """Runs a statement; SQL also reaches the protocol's own statements and portals."""
        if statement.is_empty:
            return Empty()
        if len(statement.text) < 200:
            self._start_named(statement.text)
        result = self.session.execute(statement, parameters)
        if isinstance(result, Affected) and result.tag in _FORGETTING:
            match = _DEALLOCATE.fullmatch(statement.text)
            if match is None:
                self._statements.clear()
            else:
                self._statements.pop(_name(match), None)
        return result

    def drop(self, target: Target, name: str) -> bytes:
        """Closes a statement or portal; one that does not exist is no error."""
        if target is Target.STATEMENT:
            if self._statements.pop(name, None) is not None and name:
                self.session.share_statement(name, None)
        else:
            self._drop_portal(name)
        return replies.CLOSE_COMPLETE

    def drop_unnamed(self) -> None:
        """A simple query ends the unnamed statement and portal."""
        self._statements.pop("", None)
        self._drop_portal("")

    def sync(self) -> Iterator[bytes]:
        """Outside a transaction, portals end here."""
        if self.session.transaction_status is TransactionStatus.IDLE:
            self.close()
        return iter(())

    def close(self) -> None:
        """Closes every portal."""
        for name in list(self._portals):
            self._drop_portal(name)

    def _type_of(self, oid: int) -> DataType | None:
        """The type of that number, users' own among them."""
        return oids.from_oid(oid) or (self.session.type_of(oid) if oid >= FIRST_OID else None)

    def _declared(self, oid: int) -> DataType | None:
        """The type that a client declares a parameter of."""
        return oids.declared_type(oid) or self._type_of(oid)

    def _start_named(self, text: str) -> None:
        """Runs the portal that FETCH or MOVE is about, if it was bound only."""
        match = _FETCH.fullmatch(text) if self._portals else None
        portal = self._portals.get(_name(match)) if match is not None else None
        if match is not None and portal is not None and portal.running is None:
            self._start(_name(match), portal)

    def _statement(self, name: str) -> Prepared:
        prepared = self._statements.get(name)
        if prepared is None:
            shown = f'prepared statement "{name}"' if name else "unnamed prepared statement"
            raise DbError(ErrorKind.UNDEFINED_STATEMENT, f"{shown} does not exist")
        return prepared

    def _portal(self, name: str) -> Portal:
        portal = self._portals.get(name)
        if portal is None:
            raise DbError(ErrorKind.UNDEFINED_CURSOR, f'portal "{name}" does not exist')
        return portal

    def _drop_portal(self, name: str) -> None:
        portal = self._portals.pop(name, None)
        if portal is not None:
            portal.close()
            self.session.share_cursor(name, None)

    def _description(self, prepared: Prepared) -> Description:
        if prepared.description is None:
            if prepared.statement.is_empty:
                prepared.description = Description((), None)
            else:
                prepared.description = self.session.describe(prepared.statement, prepared.declared)
        return prepared.description

    def _told_oids(self, prepared: Prepared) -> tuple[int, ...]:
        """What the client is told of the parameters: domains are values of the type below."""
        found = self._parameter_oids(prepared)
        if found == prepared.declared_oids:
            return found
        domains = self._description(prepared).domains
        return tuple(domains.get(place, oid) for place, oid in enumerate(found))

    def _parameter_oids(self, prepared: Prepared) -> tuple[int, ...]:
        """Declared types where there are any, inferred ones for the others."""
        known = prepared.oids
        if known is None or known[0] is not prepared.description:
            found = self._found_oids(prepared)
            known = prepared.oids = prepared.description, found
        return known[1]

    def _found_oids(self, prepared: Prepared) -> tuple[int, ...]:
        declared = prepared.declared_oids
        count = max(prepared.statement.parameter_count, len(declared))
        if len(declared) == count and all(oid not in (0, oids.UNKNOWN) for oid in declared):
            return declared
        inferred = self._description(prepared).parameters
        casts = {
            int(match[1]) - 1: oids.shown_oid(match[2] or match[3].lower(), array=bool(match[4]))
            for match in _OID_CASTS.finditer(prepared.statement.text)
        }
        found: list[int] = []
        for index in range(count):
            oid = declared[index] if index < len(declared) else 0
            if oid in (0, oids.UNKNOWN):
                oid = casts.get(index, 0)
            if oid == 0:
                oid = oids.describe(inferred[index]).oid if index < len(inferred) else oids.TEXT
            found.append(oid)
        return tuple(found)


def _name(match: re.Match[str]) -> str:
    """The name that a statement ends with."""
    quoted = match[1]
    return quoted.replace('""', '"') if quoted is not None else str(match[2]).lower()
