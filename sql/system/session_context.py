"""A session as the planner and as system tables see it: called by sql/client_session.py."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from catalog.objects import ObjectKind
from engine.errors import DbError
from sql.large_objects import all_comments, all_objects
from sql.plan.context import PlanContext
from sql.prepared import Prepared
from sql.routines.find import routines_of
from sql.scrolling import DeclaredCursor
from sql.sequences import state
from sql.statements.metric_engine import as_shown
from sql.system.pg_catalog.types import format_type, typed
from sql.system.registry import SYSTEM_TABLES
from sql.system.table import FlowFacts, SystemContext
from sql.temporary import PG_TEMP
from sql.user_types import type_named
from sql.views import query_of, text_of_view

if TYPE_CHECKING:
    from sql.client_session import ClientSession


def plan_context_of(session: ClientSession, text: str) -> PlanContext:
    """For a statement of that text."""
    client, temporary = session.client, session.temporary
    return PlanContext(
        wire=session.wire,
        database=session.database,
        timezone=session.timezone,
        client=client if session.role == client.user else replace(client, user=session.role),
        session_id=session.id,
        lookup=session.lookup,
        has_database=session.has_database,
        is_system=lambda database, name: (database, name) in SYSTEM_TABLES,
        is_sequence=lambda database, name: (
            session.catalog.object(session.duck.cursor, ObjectKind.SEQUENCE, database, name)
            is not None
        ),
        setting=session.show,
        variable=session.user_variables.get,
        parse_view=lambda view: query_of(view, session.table_of),
        text=text,
        type_named=partial(type_named, session),
        routines=routines_of(session),
        temporary=lambda name: temporary.lookup(PG_TEMP, name) is not None,
        shown=lambda table: as_shown(
            table, session.catalog.tables(session.duck.cursor, table.database), internal=True
        ),
    )


def context_of(session: ClientSession) -> SystemContext:
    """Everything there is, for the session's transaction."""
    server, catalog, cursor = session.server, session.catalog, session.duck.cursor
    return SystemContext(
        session=session,
        databases=catalog.databases(cursor),
        tables=[*catalog.tables(cursor), *session.temporary.all()],
        sessions=server.sessions(),
        statistics=session.regions.statistics,
        files=session.regions.files,
        filters=session.regions.filters,
        stored=session.regions.stored,
        flows=_flow_facts(session),
        procedures=server.procedures.all(),
        view_text=lambda view: text_of_view(view, session.table_of),
        roles=catalog.roles(cursor),
        objects=catalog.objects(cursor),
        last_number=lambda one: state(session.duck, one)[0],
        large_objects=lambda: all_objects(session),
        large_object_comments=lambda: all_comments(session),
        locks=server.locks.all(),
        cursors={n: c for n, c in session.cursors.items() if isinstance(c, DeclaredCursor)},
        prepared=session.prepared,
        parameters=lambda prepared: _parameters(session, prepared),
    )


def _parameters(session: ClientSession, prepared: Prepared) -> list[str]:
    try:
        described = session.describe(prepared.statement, prepared.statement.declared)
    except DbError:  # its tables are gone, say
        return []
    return [format_type(typed(type_)) for type_ in described.parameters]


def _flow_facts(session: ClientSession) -> list[FlowFacts]:
    found = []
    for flow in session.catalog.flows(session.duck.cursor):
        known = session.server.flows.state(flow)
        found.append(FlowFacts(flow, known.start_ms, known.last_ms, known.error))
    return found
