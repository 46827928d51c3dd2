"""Functions DuckDB lacks or spells otherwise: one registry."""
