"""Which routine a name means: MySQL's by the name alone, PostgreSQL's also by its arguments.

Called by definitions and calls of routines, and for the planner. What there is is read off the
catalog once for each of its states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from catalog.objects import Routine
from sql.session import Wire

if TYPE_CHECKING:
    from sql.client_session import ClientSession

Routines = Mapping[str, tuple[Routine, ...]]  # by names in lower case


def routines_of(session: ClientSession) -> Routines:
    """All routines that the session's wire can call."""
    cursor = session.duck.cursor
    state = session.catalog.state(cursor)
    if session.routines_known is None or session.routines_known[0] != state:
        found: dict[str, tuple[Routine, ...]] = {}
        for one in session.catalog.objects(cursor):
            if isinstance(one, Routine) and callable_on(one, session.wire):
                found[one.name.lower()] = (*found.get(one.name.lower(), ()), one)
        session.routines_known = state, found
    return session.routines_known[1]


def callable_on(one: Routine, wire: Wire) -> bool:
    """True if sessions of that wire can call a routine: it is written in their language."""
    return (one.language == "mysql") == (wire is Wire.MYSQL)


def find(session: ClientSession, database: str, name: str, *, is_function: bool) -> Routine | None:
    """MySQL's procedure or function of that name, whatever the case of its letters."""
    for one in routines_of(session).get(name.lower(), ()):
        if one.database == database and one.is_function == is_function:
            return one
    return None
