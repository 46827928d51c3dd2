"""Stored procedures of MySQL's sessions."""
