"""DESCRIBE table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from sql.plan.tables import find_table
from sql.results import Result
from sql.statements import show
from sql.statements.settings import text_rows

if TYPE_CHECKING:
    from sql.client_session import ClientSession
    from sql.dialect.parser import ParsedStatement
