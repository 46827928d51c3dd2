"""System tables: information_schema and pg_catalog, made from the catalog as they are asked for."""
