"""Rows in memory: what is written and not yet in a file."""
