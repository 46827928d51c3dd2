"""PostgreSQL's types on the wire: OIDs, binary results, parameters."""
