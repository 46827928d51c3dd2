"""information_schema: MySQL's and PostgreSQL's standard views of the catalog, and our own."""
