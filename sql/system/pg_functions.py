"""Macros."""

FUNCTIONS: tuple[str, ...] = ()
