"""Fixtures come from named plugins; this file only registers them."""

from __future__ import annotations

pytest_plugins = [
    "fix_hypothesis",
    "fix_server",
    "fix_mysql",
    "fix_database",
    "fix_store",
    "fix_programs",
]
