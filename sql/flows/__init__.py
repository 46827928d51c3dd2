"""Flows: queries whose answers are kept in tables as rows arrive (docs/flows.md)."""
