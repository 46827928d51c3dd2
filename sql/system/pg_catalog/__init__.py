"""pg_catalog: PostgreSQL's system catalogs, as far as clients read them."""
