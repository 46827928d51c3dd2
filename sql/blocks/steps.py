"""What PL/pgSQL is made of, as it was read: blocks, branches, loops, statements of SQL.

Made by parse.py, run by run.py. Expressions and statements are texts, read when they are run.
https://www.postgresql.org/docs/15/plpgsql-statements.html
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Raise:
    """RAISE level 'format', arguments USING option = expression; `again`: the handled error."""

    level: str
    condition: str = ""  # a name, or a SQLSTATE
    text: str | None = None
    arguments: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class Sql:
    """A statement of SQL; `is_dynamic`: an expression that gives its text, with values USING."""

    text: str
    is_dynamic: bool = False
    into: tuple[str, ...] = ()
    strict: bool = False
    using: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assign:
    """target := value."""

    target: str
    value: str


@dataclass(frozen=True, slots=True)
class If:
    """Branches in order; the last may have the condition "true". A CASE has to hit one."""

    branches: tuple[tuple[str, tuple[Step, ...]], ...]
    is_case: bool = False


@dataclass(frozen=True, slots=True)
class Loop:
    """LOOP, and WHILE with its condition."""

    steps: tuple[Step, ...]
    condition: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class ForRange:
    """FOR name IN [REVERSE] low .. high [BY step]."""

    name: str
    low: str
    high: str
    by: str
    reverse: bool
    steps: tuple[Step, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class ForRows:
    """FOR targets IN query; FOREACH targets IN ARRAY is one over its items."""

    targets: tuple[str, ...]
    query: Sql
    steps: tuple[Step, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Exit:
    """EXIT or CONTINUE (`again`) [label] [WHEN condition]."""

    again: bool
    label: str = ""
    condition: str = ""


@dataclass(frozen=True, slots=True)
class Return:
    """RETURN [value]; RETURN NEXT [value] if `more`."""

    value: str = ""
    more: bool = False


@dataclass(frozen=True, slots=True)
class ReturnQuery:
    """RETURN QUERY: rows of a query are added to the result."""

    query: Sql


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """GET [STACKED] DIAGNOSTICS variable = item, …"""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Assertion:
    """ASSERT condition [, message]."""

    condition: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class UseCursor:
    """OPEN name [FOR query], FETCH or MOVE name INTO targets, CLOSE name."""

    verb: str
    name: str
    query: Sql | None = None
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Declaration:
    """A variable: its type as written, what it begins with; of a cursor its query; an alias."""

    name: str
    type: str
    default: str = ""
    cursor: str = ""
    alias: str = ""
    constant: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Steps that are undone if one of them ends with an error that a handler names.

    `handlers`: the conditions of each, and what it does instead.
    """

    steps: tuple[Step, ...]
    handlers: tuple[tuple[tuple[str, ...], tuple[Step, ...]], ...] = ()
    declarations: tuple[Declaration, ...] = ()
    label: str = ""


Step = (
    Raise | Sql | Assign | If | Loop | ForRange | ForRows | Exit | Return | ReturnQuery
    | Diagnostics | Assertion | UseCursor | Block
)  # fmt: skip
