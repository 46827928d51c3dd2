"""The listener fixture for this folder."""

from __future__ import annotations

from fix_postgres import postgres

__all__ = ["postgres"]
