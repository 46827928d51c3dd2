"""Backups on their way: tar stream, verification, the commands' halves that need no database."""
