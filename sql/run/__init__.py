"""Running planned statements on DuckDB."""
