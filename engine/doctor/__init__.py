"""Examines a stopped data directory: every checksum, and whether its parts agree."""
