"""Full-text search as PostgreSQL's tsvector and tsquery: texts to lexemes, queries, ranks."""
