"""From a tree of names to a DuckDB statement and its scans."""
