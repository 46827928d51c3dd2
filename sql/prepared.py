"""What PREPARE keeps of a statement, and what the protocol's own named statements look like to SQL.

Made by sql/statements/prepare.py and by the session for the PostgreSQL wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sql.dialect.parser import ParsedStatement


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement with a name."""

    statement: ParsedStatement
    shown: str  # the text that pg_prepared_statements shows
    made_ms: int  # in Unix time
    from_sql: bool = True  # by PREPARE, not by a message of the protocol
